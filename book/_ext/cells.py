"""Cells as a reader meets them: set-up, drawing and testing folded, outputs behind a guess, pictures numbered.

* The cell tags ``setup``, ``draws`` and ``tests`` (and ``hide-input``, which stands for one of the first two) fold a cell;
  ``mystnb.code_prompt_show`` in its metadata is a label of its own, and ``hide-cell`` folds what it shows, too.
* From a paragraph that says "Before you run it" to the next text, what the cells print waits behind a button.
* ``{dropdown} LABEL`` is the same fold, for text.
* A picture with an alternative text is a figure with an address; with a caption it bears a number, too.
"""

import re
from html import escape
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective

SETUP, DRAWS, TESTS, CODE = "Set-up", "How the figure is drawn", "How this page is tested", "Code"
GUESS = "Before you run it"


class fold(nodes.General, nodes.Element):
    """A box that opens: ``label``, a ``note`` of what is inside, ``open`` if it stands open."""


def visit_fold(self: Any, node: fold) -> None:
    attributes = {"open": ""} if node.get("open") else {}
    self.body.append(self.starttag(node, "details", CLASS="fold", **attributes))
    note = f" <small>{escape(node['note'])}</small>" if node.get("note") else ""
    label = f"<span>{escape(node['label'])}</span>"
    if "prediction" in node["classes"]:  # the style sheet shows one of the two
        label += "<span>Hide what it prints</span>"
    self.body.append(f"<summary>{label}{note}</summary>\n")


def depart_fold(self: Any, node: fold) -> None:
    self.body.append("</details>\n")


class Dropdown(SphinxDirective):
    """Text under a label, in the look of every other fold; it takes the place of sphinx-design's."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"name": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        node = fold(label=self.arguments[0], classes=["text"])
        self.add_name(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def take_dropdown(app: Sphinx) -> None:
    directives.register_directive("dropdown", Dropdown)  # after all extensions


def ignore(self: Any, node: nodes.Node) -> None:
    pass


def is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def part(cell: nodes.container, name: str) -> nodes.container | None:
    """The cell's ``source`` or ``output``."""
    return next((c for c in cell if isinstance(c, nodes.container) and c.get("nb_element") == f"cell_code_{name}"), None)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def role(cell: nodes.container, first: bool) -> str:
    """Under which label a cell is folded; "" if it stands open."""
    tags = cell["cell_metadata"].get("tags", [])
    if own := cell["cell_metadata"].get("mystnb", {}).get("code_prompt_show"):
        return own
    for tag, label in (("setup", SETUP), ("draws", DRAWS), ("tests", TESTS)):
        if tag in tags:
            return label
    if "hide-input" not in tags:
        return ""
    return DRAWS if any(True for _ in cell.findall(nodes.image)) else SETUP if first else CODE


def fold_cell(cell: nodes.container, label: str) -> None:
    """Folds the input where it stands; a drawing below its figure; a test with what it prints."""
    cell.attributes.pop("hide_mode", None)
    source, output = part(cell, "source"), part(cell, "output")
    if source is None:
        return
    text = source.astext()
    checks = len(re.findall(r"^\s*assert\b", text, flags=re.MULTILINE))
    note = f"{counted(checks, 'check')}, hold" if label == TESTS and checks else counted(len(text.splitlines()), "line")
    note = note.replace("1 check, hold", "1 check, holds").replace("checks, hold", "checks, all hold")
    box = fold(label=label, note=note, classes=[{SETUP: "setup", DRAWS: "draws", TESTS: "tests"}.get(label, "code")])
    cell.remove(source)
    box += source
    whole = label == TESTS or "hide-cell" in cell["cell_metadata"].get("tags", [])
    if whole and output is not None:
        cell.remove(output)
        box += output
    cell.insert(len(cell) if label == DRAWS else 0, box)


def join_setups(document: nodes.document) -> None:
    """Neighbouring set-up cells are one fold."""
    joined: set[int] = set()  # a node that is removed still names its old parent
    for cell in list(document.findall(is_cell)):
        if id(cell) in joined:
            continue
        following = cell.next_node(descend=False, siblings=True)
        while is_cell(following) and all(isinstance(c[0], fold) and len(c) == 1 for c in (cell, following)):
            mine, theirs = cell[0], following[0]
            if (mine["label"], theirs["label"]) != (SETUP, SETUP):
                break
            lines = sum(int(box["note"].split()[0]) for box in (mine, theirs))
            mine["note"] = counted(lines, "line")
            mine.extend(theirs.children)
            cell.parent.remove(following)
            joined.add(id(following))
            following = cell.next_node(descend=False, siblings=True)


def contents(outputs: list[nodes.container]) -> str:
    """What a prediction hides, in words that give nothing away."""
    images = [image for o in outputs for image in o.findall(nodes.image)]
    tables = [raw for o in outputs for raw in o.findall(nodes.raw) if raw["format"] == "html"]
    found = ["a figure"] if images else []
    if tables:
        found.append("a table" if len(tables) == 1 else counted(len(tables), "table"))
    # a figure and a table carry their text for readers without pictures; it is no line of its own
    bundled = {id(block) for rich in (*images, *tables) for block in bundle_of(rich).findall()}
    blocks = [b for o in outputs for b in o.findall(nodes.literal_block) if id(b) not in bundled]
    if lines := sum(len(block.astext().strip().splitlines()) for block in blocks):
        found.append(counted(lines, "line"))
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def bundle_of(rich: nodes.Element) -> nodes.Element:
    node = rich
    while node.parent is not None and node.get("nb_element") != "mime_bundle":
        node = node.parent
    return node


def hide_answers(document: nodes.document) -> None:
    """Puts what the cells after a guess show into a closed box behind them."""
    asked = [p for p in document.findall(nodes.paragraph) if GUESS in p.astext() and isinstance(p.parent, nodes.section)]
    for number, paragraph in enumerate(asked, 1):
        parent, start = paragraph.parent, paragraph.parent.index(paragraph)
        end = start + 1
        while end < len(parent) and not is_cell(parent[end]) and not isinstance(parent[end], nodes.section):
            end += 1
        first = end
        while end < len(parent) and is_cell(parent[end]):
            end += 1
        if any(p in asked for p in parent[start + 1 : first]):
            continue  # the cell answers the later of two questions
        cells = parent[first:end]
        outputs = [o for cell in cells if (o := part(cell, "output")) is not None]
        if not outputs:
            continue
        answer = fold(label="Show what it prints", note=contents(outputs), classes=["prediction"], ids=[f"guess-{number}"])
        for cell in cells:
            for piece in list(cell.children):
                if piece in outputs or (isinstance(piece, fold) and piece["label"] == DRAWS):
                    cell.remove(piece)
                    answer += piece
        box = nodes.container(classes=["guess"])
        moved = parent[start:end]
        del parent[start:end]
        shown = [node for node in moved if not (is_cell(node) and not len(node))]
        checks = [n for n in shown if is_cell(n) and all(isinstance(c, fold) and c["label"] == TESTS for c in n)]
        box.extend([n for n in shown if n not in checks] + [answer] + checks)
        parent.insert(start, box)


def number_figures(app: Sphinx, document: nodes.document) -> None:
    """Pictures of cells become figures; ``caption`` in the output's metadata is parsed as inline text with formulas."""
    for cell in document.findall(is_cell):
        images = list(cell.findall(nodes.image))
        for count, image in enumerate(images, 1):
            bundle = bundle_of(image)
            caption, name = image.attributes.pop("caption", ""), f"fig-{cell['figure_id']}"
            figure = nodes.figure(ids=[name if len(images) == 1 else f"{name}-{count}"], classes=["shown"])
            document.ids[figure["ids"][0]] = figure
            bundle.parent.replace(bundle, figure)
            figure += bundle
            if caption:
                first, _, rest = str(caption).partition("\n")
                figure += nodes.caption("", "", *inline(first))
                if rest.strip():
                    figure += nodes.legend("", nodes.paragraph("", "", *inline(rest.strip())))
                domain: StandardDomain = app.env.get_domain("std")
                target = figure["ids"][0]
                domain.anonlabels[target] = app.env.docname, target
                domain.labels[target] = app.env.docname, target, first


def inline(text: str) -> list[nodes.Node]:
    """A caption's text; ``$...$`` is a formula, ``*...*`` stressed, `` `...` `` code."""
    pieces: list[nodes.Node] = []
    for plain, formula, stressed, code in re.findall(r"([^$*`]+)|\$([^$]+)\$|\*([^*]+)\*|`([^`]+)`", text):
        if plain:
            pieces.append(nodes.Text(plain))
        elif formula:
            pieces.append(nodes.math(formula, formula))
        elif stressed:
            pieces.append(nodes.emphasis("", stressed))
        else:
            pieces.append(nodes.literal(code, code))
    return pieces


def arrange(app: Sphinx, document: nodes.document) -> None:
    cells = list(document.findall(is_cell))
    if not cells:
        return
    number_figures(app, document)
    for place, cell in enumerate(cells):
        if label := role(cell, place == 0):
            fold_cell(cell, label)
    join_setups(document)
    hide_answers(document)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(fold, html=(visit_fold, depart_fold), latex=(ignore, ignore), text=(ignore, ignore))
    app.connect("builder-inited", take_dropdown)
    app.connect("doctree-read", arrange, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
