"""Formulas as MathML, typeset at the build: no page loads a program for them, and a screen reader reads them as they stand.

Temml (``vendor/temml.min.js``) turns TeX into MathML inside QuickJS. A formula that it refuses is a warning, and so fails the
build. Numbers and labels of equations are Sphinx's. The font is ``_static/math.woff2``, cut to what the book uses by
``tools/math_font.py``.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

import quickjs
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
TEMML = Path(__file__).with_name("vendor") / "temml.min.js"
LEANING = "VTWYPFKNUXf"  # italics whose top reaches over what follows
BEFORE, AFTER = re.compile(r"[(\[“‘\"']+$"), re.compile(r"^(?:[.,;:!?)\]’”\"'%]+(?:s\b)?|-\w+)")
LONG = 20  # characters; a longer formula may break before its signs
WIDE = 30  # characters of a row of aligned equations that a phone shows in smaller signs
SPLITTING = set("=≤≥<>≈∼→⇒≠+−↦∈")


@cache
def program() -> Any:
    """Temml's function of (TeX, display). JSON, because QuickJS hands no string over that it has joined lazily."""
    context = quickjs.Context()
    context.eval(TEMML.read_text(encoding="utf-8"))
    return context.eval(
        "(tex, display) => JSON.stringify(temml.renderToString(tex, {displayMode: display, throwOnError: true, wrap: 'none'}))"
    )


def visible(mathml: str) -> str:
    """The characters that a formula shows."""
    return re.sub(r"<[^>]*>|[\s\u2061\u2062]", "", mathml)


def plain(tex: str) -> str:
    """A formula as text, for descriptions: ``max_D V(D, G)``."""
    written = mathml(tex).replace('<mspace width=".17em"></mspace>', " ")
    for tag, sign in (("msub", "_"), ("msup", "^"), ("mfrac", "/"), ("munder", "_")):
        written = re.sub(rf"<{tag}>(<m[ino]\b[^>]*>[^<]*</m[ino]>)", rf"<{tag}>\1{sign}", written)
    return re.sub(r"<[^>]*>", "", written.replace("<mo>,</mo>", ", ")).strip()


SCRIPTS = {"msub": (1,), "msup": (1,), "msubsup": (1, 2), "munder": (1,), "mover": (1,), "munderover": (1, 2)}
OPENING, CLOSING = set("([{⟨⌊⌈"), set(")]}⟩⌋⌉")


def repair(node: Element, in_script: bool = False) -> None:
    """What browsers set otherwise than TeX: brackets of a given size, operators in scripts; and what costs an element."""
    children = []
    for place, child in enumerate(node):
        repair(child, in_script or place in SCRIPTS.get(node.tag, ()))
        text = child.text or ""
        if child.tag == "mo":
            for name in ("fence", "separator"):
                child.attrib.pop(name, None)
            if "minsize" in child.attrib and text in OPENING | CLOSING:
                child.attrib.update(form="prefix" if text in OPENING else "postfix", lspace="0", rspace="0")
                if child.get("minsize") == "1.2em":  # scaled: a stretched one keeps the room of the tallest there is
                    for name in ("symmetric", "minsize", "maxsize"):
                        child.attrib.pop(name, None)
                    child.attrib.update(stretchy="false", mathsize="1.2em")
            elif in_script and len(node) > 2 and "form" not in child.attrib:
                child.attrib.update(lspace="0", rspace="0")
        if child.get("style", "").startswith(("math-depth", "padding-left:0em")):
            del child.attrib["style"]
        if child.tag == "mspace" and child.get("width") == "0.1667em":
            child.set("width", ".17em")
        if child.tag == "msup" and (child[1].text or "")[:1] in ("′", "″"):  # the font's prime stands high of itself
            child[1].attrib = {"lspace": "0", "rspace": "0"}
            child.tag = "mrow"
        if child.tag in ("mrow", "mpadded") and set(child.attrib) <= {"lspace"} and len(child) == 1:
            child = child[0]
        if child.tag == "mo" and text == "\u2061":  # function application: nothing to see, and the space is there
            continue
        inner = child.tag == "mrow" and not child.attrib and node.tag in ("mrow", "mtd", "msqrt") and len(child)
        if inner and not any(end.tag == "mo" and "form" not in end.attrib for end in (child[0], child[-1])):
            children.extend(child)
        else:
            children.append(child)
    for place, child in reversed(list(enumerate(children))):  # log and the like want room before a letter, not before a sign
        following = children[place + 1] if place + 1 < len(children) else None
        ends = following is None and node.tag != "mrow"
        if child.tag == "mspace" and child.get("width") == ".17em" and place and children[place - 1].tag != "mspace":
            named = children[place - 1].tag in ("mi", "msub") and len("".join(children[place - 1].itertext())) > 1
            if named and (ends or (following is not None and following.tag == "mo" and "form" not in following.attrib)):
                del children[place]
    if len(children) != len(node) and node.tag in SCRIPTS:  # each child has its place
        return
    node[:] = children


def last_sign(node: Element) -> Element:
    return last_sign(node[-1]) if node.tag in ("math", "mrow") and len(node) else node


@cache
def mathml(tex: str, display: bool = False) -> str:
    """A formula as one ``<math>`` element whose ``alttext`` is its TeX.

    Raises:
        ValueError: Temml does not know a command, or braces do not match; the message says where.
    """
    source = re.sub(r"&\s*([+-])", r"&{}\1", tex)  # a sum goes on in this row: the sign stands between two terms
    try:
        written = json.loads(program()(source, display))
    except quickjs.JSException as error:
        raise ValueError(f"{tex!r} is no formula: {str(error).partition('    at ')[0].strip()}") from error
    root = fromstring(written.replace("‾", "¯").replace("&nbsp;", "\u00a0"))  # the bar that mathematical fonts have
    repair(root)
    end, classes = last_sign(root), []
    if not display and ((end.tag == "mi" and end.text in set(LEANING)) or (end.tag == "mover" and end[1].text == "ˆ")):
        classes.append("leaning")
    if len(visible(written)) > LONG and len(root) == 1 and root[0].tag == "mrow":
        root[:] = broken(root[0])
        classes += ["long"] if len(root) > 1 else []
    if any(len(visible("".join(row.itertext()))) > WIDE for row in root.iter("mtr")):
        classes.append("wide")
    root.attrib = {"display": "block"} if display else {}
    if classes:
        root.set("class", " ".join(classes))
    root.set("alttext", re.sub(r"\s+", " ", tex).strip())
    return tostring(root, encoding="unicode", short_empty_elements=False)


def broken(row: Element) -> list[Element]:
    """The pieces of a long row, which may stand on lines of their own: each begins with its sign of relation, or its + or -."""
    pieces, depth = [Element("mrow")], 0
    for child in row:
        sign = (child.text or "") if child.tag == "mo" else ""
        depth += (sign in OPENING) - (sign in CLOSING)
        wide = child.tag == "mspace" and re.match(r"[12](?:\.0*)?em", child.get("width", ""))
        if len(pieces[-1]) and depth == 0 and (wide or (sign in SPLITTING and "form" not in child.attrib)):
            pieces.append(Element("mrow"))
            if sign:
                child.set("form", "infix")  # at the head of its piece it would count as a prefix
        pieces[-1].append(child)
    return pieces


def converted(node: nodes.Element, display: bool) -> str:
    tex = node.astext().strip()
    if display and r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    # amsmath's environments number their rows themselves; here Sphinx numbers, so the inner forms take their place.
    tex = re.sub(r"\\(begin|end)\{(align|gather|equation)\*?\}", lambda m: rf"\{m[1]}{{{INNER[m[2]]}}}", tex)
    try:
        return mathml(tex, display)
    except ValueError as error:
        logger.warning("formula: %s", error, location=node)
        return ""


INNER = {"align": "aligned", "gather": "gathered", "equation": "gathered"}


def visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(converted(node, False))
    raise nodes.SkipNode


def visit_display(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    formula = converted(node, True)
    self.body.append(formula)
    if node["ids"] and hasattr(self.builder.app, "previews"):
        self.builder.app.previews.setdefault(self.builder.current_docname, {})[node["ids"][0]] = formula
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def keep_punctuation(root: nodes.Node) -> None:
    """Puts every inline formula and the sign before or after it into one span that does not break."""
    for formula in list(root.findall(nodes.math)):
        parent, place = formula.parent, formula.parent.index(formula)
        held: list[nodes.Node] = [formula]
        if place + 1 < len(parent) and isinstance(after := parent[place + 1], nodes.Text) and (m := AFTER.match(after)):
            held.append(nodes.Text(m[0]))
            parent[place + 1] = nodes.Text(after[m.end() :])
        if place > 0 and isinstance(before := parent[place - 1], nodes.Text) and (m := BEFORE.search(before)):
            held.insert(0, nodes.Text(m[0]))
            parent[place - 1] = nodes.Text(before[: m.start()])
        if len(held) > 1:
            span = nodes.inline(classes=["held"])
            parent.replace(formula, span)
            span.extend(held)


class KeepPunctuation(SphinxPostTransform):
    """:func:`keep_punctuation` on every page."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        keep_punctuation(self.document)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    app.add_post_transform(KeepPunctuation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
