"""The two-hour path: a badge and a line at its sections, a way on at the end of each stop and of each chapter.

The stops and their minutes stand in book/path.yml. A stop reaches from its heading to its first subsection.
"""

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from docutils import nodes
from sphinx.application import Sphinx


@cache
def loaded(path: Path) -> Any:
    """A table or a record of the book, read once; None where there is no such file."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    return (yaml.safe_load if path.suffix == ".yml" else json.loads)(text)


def chapters_of(app: Sphinx) -> dict[str, Any] | None:
    """What book/chapters.yml says of each chapter, by the name of its file."""
    return loaded(Path(app.srcdir) / "book" / "chapters.yml")


class Stop(NamedTuple):
    number: int
    page: str
    name: str
    label: str
    minutes: int


@cache
def stops(table: Path) -> list[Stop]:
    """All stops in their order; none where there is no such file."""
    chapters = loaded(table) or []
    rows = [(f"notebooks/{c['chapter']}", c["name"], *stop) for c in chapters for stop in c["stops"].items()]
    return [Stop(number, *row) for number, row in enumerate(rows, 1)]


def path_of(app: Sphinx) -> list[Stop]:
    return stops(Path(app.srcdir) / "book" / "path.yml")


def minutes_on_path(app: Sphinx, page: str) -> int:
    return sum(stop.minutes for stop in path_of(app) if stop.page == page)


def label_of(app: Sphinx, label: str) -> tuple[str, str, str]:
    """The page, the anchor and the heading of a labelled section.

    Raises:
        KeyError: no section bears the label.
    """
    labels = app.env.domaindata["std"]["labels"]
    if label not in labels:
        raise KeyError(f"no section bears the label {label!r}, which the book's tables name")
    return labels[label]


def linked(app: Sphinx, here: str, label: str, text: str = "") -> str:
    """A link to a labelled section that bears its heading, or another text."""
    page, anchor, title = label_of(app, label)
    address = ("" if page == here else app.builder.get_relative_uri(here, page)) + f"#{anchor}"
    return f'<a href="{address}">{escape(text or title)}</a>'


def page_link(app: Sphinx, here: str, page: str, text: str) -> str:
    return f'<a href="{app.builder.get_relative_uri(here, page)}">{escape(text)}</a>'


def chapter_number(page: str) -> int | None:
    """The number in the name of a chapter's file; None for another page."""
    found = re.match(r"notebooks/(\d\d)_", page)
    return int(found[1]) if found else None


def way_on(app: Sphinx, here: str, following: Stop | None) -> str:
    """What comes next on the path, in one sentence."""
    if following is None:
        return "Two-hour path: this was its last stop."
    where = "" if following.page == here else f"chapter {chapter_number(following.page)}, "
    return f"Two-hour path: continue at {where}{linked(app, here, following.label)}, {following.minutes} min"


def mark(app: Sphinx, document: nodes.document, here: str) -> None:
    path = path_of(app)
    for stop in [stop for stop in path if stop.page == here]:
        _, anchor, _ = label_of(app, stop.label)
        section = next(node for node in document.findall(nodes.section) if anchor in node["ids"])
        following = path[stop.number] if stop.number < len(path) else None
        section["stop"] = stop.number
        badge = f"<b>Two-hour path</b> · stop {stop.number} of {len(path)} · {stop.minutes} min"
        end = next((place for place, node in enumerate(section) if isinstance(node, nodes.section)), len(section))
        section.insert(end, nodes.raw("", f'<p class="way-on">{way_on(app, here, following)}</p></div>\n', format="html"))
        section.insert(0, nodes.raw("", f'<div class="on-path"><p class="path-badge">{badge}</p>\n', format="html"))


def chapter_end(app: Sphinx, here: str, chapters: list[str], questions: dict[str, str]) -> str:
    """Two columns: the next stop of the path, and the next chapter with its question."""
    path, columns = path_of(app), []
    passed = len([stop for stop in path if stop.page <= here])  # names of files begin with their numbers
    if passed < len(path):
        stop = path[passed]
        link = linked(app, here, stop.label, f"Chapter {chapter_number(stop.page)}: {label_of(app, stop.label)[2]}")
        columns.append((f"Two-hour path, stop {stop.number} of {len(path)}", link, f"{stop.minutes} min"))
    elif path and path[-1].page == here:
        columns.append(("Two-hour path", "<b>This was its last stop</b>", ""))
    if chapters[-1] != here:
        page = chapters[chapters.index(here) + 1]
        title = f"{chapter_number(page)}. {app.env.titles[page].astext()}"
        columns.append(("Next chapter", page_link(app, here, page, title), escape(questions.get(page, ""))))
    else:
        columns.append(("The last chapter", page_link(app, here, app.config.root_doc, "All chapters"), ""))
    shown = "".join(f"<div><small>{over}</small>{link}<p>{under}</p></div>" for over, link, under in columns)
    return f'<nav class="onwards" aria-label="Where to go on">{shown}</nav>\n'


def add_path(app: Sphinx, document: nodes.document, docname: str) -> None:
    known = chapters_of(app)
    if app.builder.format != "html" or chapter_number(docname) is None or known is None:
        return
    chapters = sorted(page for page in app.env.found_docs if chapter_number(page) is not None)
    questions = {f"notebooks/{name}": about["question"] for name, about in known.items()}
    mark(app, document, docname)
    end = chapter_end(app, docname, chapters, questions)
    next(document.findall(nodes.section)).append(nodes.raw("", end, format="html"))


def mark_contents(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A dot in the contents of the page at each stop."""
    for section in doctree.findall(nodes.section) if doctree and context.get("toc") else []:
        if section.get("stop"):
            link = f'<a class="reference internal" href="#{section["ids"][0]}"'
            context["toc"] = context["toc"].replace(f"<li>{link}", f'<li class="stop">{link}')


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", add_path, priority=600)
    app.connect("html-page-context", mark_contents, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
