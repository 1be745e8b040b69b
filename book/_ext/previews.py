"""What a link leads to, for the box that a page shows on hover: one small program a target page, read when it is asked for.

A classic script works from a folder as well as from a server. Statements and equations come as they are drawn, figures,
terms and citations as text.
"""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from boxes import depart_statement, statement, visit_statement
from docutils import nodes
from site_files import spoken
from sphinx.application import Sphinx

LONGEST = 12_000  # bytes of a preview: a statement longer than that is for reading, not for a glance


def begin_statement(self: Any, node: statement) -> None:
    node["begins"] = len(self.body) + 1
    visit_statement(self, node)


def end_statement(self: Any, node: statement) -> None:
    keep(self.builder, node, "".join(self.body[node["begins"] :]))
    depart_statement(self, node)


def keep(builder: Any, node: nodes.Element, html: str) -> None:
    html = re.sub(r'<a class="headerlink".*?</a>| id="[^"]*"', "", html, flags=re.DOTALL)
    html = re.sub(r' href="[^"]*"', "", html)  # a link is relative to its own page
    if len(html) <= LONGEST:
        pages = builder.app.previews
        for name in node["ids"]:
            pages.setdefault(builder.current_docname, {})[name] = html


def text_previews(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Figures with a caption, terms of the glossary and citations."""
    if doctree is None:
        return
    kept = app.previews.setdefault(pagename, {})
    for figure in doctree.findall(nodes.figure):
        for caption in figure.findall(nodes.caption):
            kept |= {name: f"<p>{escape(spoken(caption))}</p>" for name in figure["ids"]}
    for item in doctree.findall(nodes.definition_list_item):
        term, definition = item[0], item[-1]
        kept |= {
            name: f"<p><strong>{escape(spoken(term))}</strong></p><p>{escape(spoken(definition))}</p>" for name in term["ids"]
        }
    for citation in doctree.findall(nodes.citation):
        text = " ".join(spoken(part) for part in citation.findall(nodes.paragraph))
        kept |= {name: f"<p>{escape(text)}</p>" for name in citation["ids"]}


def name_terms(app: Sphinx, document: nodes.document) -> None:
    """A term of the glossary has an address, ``{ref}`term-mode-collapse```."""
    if app.env.docname != "book/glossary":
        return
    domain = app.env.get_domain("std")
    for term in document.findall(nodes.term):
        shown = spoken(term)
        name = "term-" + re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|[^\x00-\x7f]", "", shown).lower()).strip("-")
        if name != "term-" and name not in document.ids and not term["ids"]:
            term["ids"].append(name)
            document.ids[name] = term
            domain.anonlabels[name] = app.env.docname, name
            domain.labels[name] = app.env.docname, name, shown


def write_previews(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    for page, kept in app.previews.items():
        if kept:
            path = Path(app.outdir) / "_static" / "previews" / f"{page}.js"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(kept, ensure_ascii=False)
            path.write_text(f"(window.previews ??= {{}})[{json.dumps(page)}] = {text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.previews = {}
    app.add_node(statement, override=True, html=(begin_statement, end_statement))
    app.connect("doctree-read", name_terms, priority=650)
    app.connect("html-page-context", text_previews)
    app.connect("build-finished", write_previews, priority=970)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
