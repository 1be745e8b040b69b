"""What a site has besides its pages: descriptions for search engines, a root, a page for lost readers, a map, few buttons."""

import re
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from formulas import plain
from sphinx.application import Sphinx

SHORT, LONG = 60, 300  # characters of a description: whole sentences until it is not short, none that would make it long
ROOT = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="0; url={home}"><link rel="canonical" href="{address}{home}">
<link rel="icon" type="image/svg+xml" href="_static/favicon.svg">
{tags}</head><body><p><a href="{home}">{title}</a></p></body></html>
"""
LOST = """<section id="not-found"><h1>This page is not here</h1><p>It may have been renamed. The book begins on
<a href="{home}">its first page</a>; the field in the sidebar searches all of it, and the list below it names every chapter.</p>
</section>"""


def spoken(paragraph: nodes.Node) -> str:
    """The text of a paragraph without citations, with formulas as they look."""
    text = ""
    for node in paragraph.findall(lambda n: isinstance(n, nodes.math | nodes.Text)):
        if isinstance(node, nodes.math):
            text += plain(node.astext().strip())
        elif not isinstance(node.parent, nodes.math):
            text += node.astext()
    text = re.sub(r"\s+", " ", re.sub(r"\s*\[[^\]]*\]", "", text)).strip()
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def description(doctree: nodes.document) -> str:
    """The first whole sentences of a page."""
    sentences = []
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.document):
            sentences += re.split(r"(?<=[.?!])\s+(?=[A-Z“])", re.sub(r"\bet al\.\s", "et al.\u00a0", spoken(paragraph)))
        if sum(map(len, sentences)) > LONG:
            break
    said = ""
    for sentence in sentences:
        if said and (len(said) >= SHORT and len(said) + len(sentence) > 160):
            break
        said = f"{said} {sentence}".strip()
    return said


def describe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """A description in whole sentences for engines and cards; one viewport in place of the three that tools add."""
    context["metatags"] = re.sub(r'<meta name="viewport"[^>]*>\s*', "", context.get("metatags", ""))
    if doctree is not None and (text := description(doctree)):
        context["meta"] = {**(context.get("meta") or {}), "og:description": text}
        context["metatags"] += f'<meta name="description" content="{escape(text)}" />\n'


def few_buttons(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Source, edit and print; the theme's menus hide them behind two clicks."""
    url, branch = (app.config.html_theme_options[f"repository_{part}"] for part in ("url", "branch"))
    source = context.get("page_source_suffix") and f"{pagename}{context['page_source_suffix']}"
    buttons = [("code", "Source repository", url)]
    if source:
        buttons.append(("pencil", "Suggest an edit to this page", f"{url}/edit/{branch}/{source}"))
    context["header_buttons"] = [
        *({"type": "link", "url": to, "tooltip": name, "icon": f"fas fa-{icon}"} for icon, name, to in buttons),
        {"type": "javascript", "javascript": "print()", "tooltip": "Print this page", "icon": "fas fa-print"},
    ]


def lost_page(app: Sphinx) -> Any:
    home = f"{app.config.root_doc}.html"
    base = f'<base href="{urlsplit(app.config.html_baseurl).path}">'  # a missing page may lie in any folder
    yield "404", {"title": "Not found", "body": LOST.format(home=home), "metatags": base, "noindex": True}, "page.html"


def write_files(app: Sphinx, error: Exception | None) -> None:
    """The root that leads to the first page and previews as it does, the map of the site, and who may read it."""
    if error or app.builder.format != "html":
        return
    folder, address, home = Path(app.outdir), app.config.html_baseurl, f"{app.config.root_doc}.html"
    page = (folder / home).read_text(encoding="utf-8")
    tags = "\n".join(re.findall(r'<meta (?:property="og:|name="(?:description|twitter))[^>]*>', page))
    title = escape(app.config.html_title or app.config.project)
    (folder / "index.html").write_text(ROOT.format(title=title, home=home, address=address, tags=tags), encoding="utf-8")
    pages = "".join(f"<url><loc>{address}{name}.html</loc></url>" for name in sorted(app.env.found_docs))
    (folder / "sitemap.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{pages}</urlset>\n'
    )
    (folder / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", describe, priority=400)
    app.connect("html-page-context", few_buttons, priority=950)
    app.connect("html-collect-pages", lost_page)
    app.connect("build-finished", write_files, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
