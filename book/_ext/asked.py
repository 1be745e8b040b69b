"""Notes "Asked often" in the margin, at the section that answers one of the questions readers ask.

They are made from the questions page: a question stands beside the sections that its answer links to, with the beginning of
that answer. A section has at most two.
"""

from typing import Any

from docutils import nodes
from formulas import keep_punctuation
from route import label_of
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

PAGE, LONG, NOTES = "book/questions", 110, 2  # a note begins another sentence of the answer while it is shorter than LONG


def text_of(node: nodes.Node) -> str:
    return node.astext().replace("\n", " ")


def opening(paragraph: nodes.paragraph) -> list[nodes.Node]:
    """The first sentences of an answer, with their formulas and code."""
    kept: list[nodes.Node] = []
    length = 0
    for node in paragraph.children:
        if isinstance(node, nodes.reference | pending_xref):
            node = nodes.Text(text_of(node))  # a note is a link itself
        if not isinstance(node, nodes.Text):
            kept.append(node.deepcopy())
            length += len(text_of(node))
            continue
        text = ""
        for sentence in text_of(node).replace(". ", ".\0").replace("? ", "?\0").split("\0"):
            text = f"{text} {sentence}" if text else sentence
            length += len(sentence)
            if sentence.endswith((".", "?")) and length >= LONG // 2:
                return [*kept, nodes.Text(text)]
        kept.append(nodes.Text(text))
    while kept and not text_of(kept[-1]).rstrip().endswith((".", "?")):
        last = kept.pop()
        if isinstance(last, nodes.Text) and "." in last:
            kept.append(nodes.Text(last.rpartition(".")[0] + "."))
    return kept


def collect(app: Sphinx, env: Any) -> list[str]:
    """Label of a section -> (anchor of the question, its words, the beginning of its answer)."""
    found: dict[str, list[tuple[str, list[nodes.Node], list[nodes.Node]]]] = {}
    if PAGE in env.found_docs:
        for section in env.get_doctree(PAGE).findall(nodes.section):
            if not isinstance(section.parent, nodes.section) or not any(name.startswith("q-") for name in section["ids"]):
                continue
            links = [node["reftargetid"] for node in section.findall(pending_xref) if node.get("reftargetid")]
            paragraph = next(section.findall(nodes.paragraph))
            if links:
                words = [node.deepcopy() for node in section[0].children]
                for label in dict.fromkeys(links):
                    found.setdefault(label, []).append((section["ids"][0], words, opening(paragraph)))
    app.asked = found
    return []


def add_notes(app: Sphinx, document: nodes.document, docname: str) -> None:
    if app.builder.format != "html":
        return
    for label, questions in app.asked.items():
        page, anchor, _ = label_of(app, label)
        if page != docname:
            continue
        section = next((node for node in document.findall(nodes.section) if anchor in node["ids"]), None)
        if section is None:
            continue
        place = section.first_child_matching_class(nodes.title) + 1
        for identity, words, answer in reversed(questions[:NOTES]):
            address = f"{app.builder.get_relative_uri(docname, PAGE)}#{identity}"
            link = nodes.reference("", "", *[node.deepcopy() for node in words], refuri=address, internal=True)
            note = nodes.container(classes=["asked"])
            note += nodes.paragraph("", "", nodes.strong("", "Asked often"))
            note += nodes.paragraph("", "", link)
            note += nodes.paragraph("", "", *[node.deepcopy() for node in answer])
            keep_punctuation(note)
            section.insert(
                place,
                [raw('<aside class="margin">'), note, raw("</aside>\n")],
            )


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("env-updated", collect)
    app.connect("doctree-resolved", add_notes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
