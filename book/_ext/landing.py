"""The first page: the living picture, the route of the two-hour path, the parts, the chapters, and the state of the book.

Its words stand in book/index.md; the directives there have no content and are filled when every page is known.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from contourpy import contour_generator
from docutils import nodes
from route import chapter_number, chapters_of, linked, loaded, minutes_on_path, page_link, path_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ganlib import __version__

STOPS, SHOWN, LEVELS = (0, 40, 200, 400, 2000), 400, (0.3, 0.4, 0.5)


class built(nodes.General, nodes.Element):
    """What the build writes in the place of a directive; ``kind`` says what."""


class Generated(SphinxDirective):
    """A directive without content; its name is the kind."""

    def run(self) -> list[nodes.Node]:
        return [built(kind=self.name)]


def film(static: Path) -> dict[str, Any]:
    """The frames of tools/ring_film.py: bytes as arrays, points (frames, n, 2) and logits (frames, size, size)."""
    text = (static / "ring_data.js").read_text(encoding="utf-8")
    found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    arrays = {name: np.frombuffer(b64decode(found[name]), dtype=np.uint8) for name in ("data", "points", "logits")}
    count, size = len(found["rounds"]), found["size"]
    shapes = {"data": (-1, 2), "points": (count, arrays["data"].size // 2, 2), "logits": (count, size, size)}
    return {**found, **{name: array.reshape(shapes[name]) for name, array in arrays.items()}}


def dots(points: np.ndarray) -> str:
    """A path of strokes without length; round ends make them dots."""
    return "".join(f"M{x} {y}h0" for x, y in points)


def contours(logits: np.ndarray, level: float, half: float) -> str:
    """Where D says `level`, as a path on the square from 0 to 255."""
    at = np.log(level / (1 - level)) / half * 127.5 + 127.5
    lines = contour_generator(z=logits.astype(float)).lines(at)
    scale = 255 / (len(logits) - 1)
    return "".join("M" + "L".join(f"{x * scale:.0f} {y * scale:.0f}" for x, y in line) for line in lines)


def drawing(*paths: tuple[str, str]) -> str:
    inner = "".join(f'<path class="{name}" d="{d}"/>' for name, d in paths)
    return f'<svg viewBox="0 0 255 255" aria-hidden="true">{inner}</svg>'


def ring(app: Sphinx, here: str) -> str:
    """The picture of one round, the stops under it, and controls that wait for the program."""
    shown = film(Path(app.srcdir) / "book" / "_static")
    rounds = shown["rounds"]
    place = rounds.index(SHOWN)
    levels = [(f"level l{level * 10:.0f}", contours(shown["logits"][place], level, shown["logit"])) for level in LEVELS]
    picture = drawing(*levels, ("real", dots(shown["data"])), ("fake", dots(shown["points"][place])))
    buttons = ""
    for stop in STOPS:
        at = rounds.index(stop)
        small = drawing(("real", dots(shown["data"][:24])), ("fake", dots(shown["points"][at][:52])))
        name = f"<span>{'round ' if stop == 0 else ''}{stop:,}</span>"
        current = ' aria-current="true"' if stop == SHOWN else ""
        buttons += f'<button type="button" data-frame="{at}"{current} disabled>{small}{name}</button>'
    description = (
        "Points on a square. Grey data lie in eight round spots on a circle. Green fakes lie along a ring through the "
        "spots. Dashed blue lines show where the discriminator says one half, 0.4 and 0.3."
    )
    times = "".join(
        f'<script defer src="{"../" * here.count("/")}_static/{name}?v={app.assets_digest}"></script>'
        for name in ("ring_data.js", "ring.js")
    )
    return f"""<figure class="ring" id="fig-ring"><div class="frame">
<div class="picture" role="img" aria-label="{description}">{picture}</div><div class="stops">{buttons}</div>
<div class="controls" style="visibility:hidden"><button type="button" class="button">Play</button><input type="range" min="0"
max="{len(rounds) - 1}" step="any" value="{place}" aria-label="Round">
<output>round {SHOWN:,} of {rounds[-1]:,}</output></div></div>
<p class="key"><span class="real">data</span> <span class="g">generator</span>
<span class="d">where the discriminator says ½, 0.4, 0.3</span></p>
<figcaption><b>Figure 1</b> The first game of the book, seed 0.
{linked(app, here, "sec-00-ring", "Play it yourself")}</figcaption>
</figure>{times}"""


def toc(app: Sphinx) -> list[tuple[str, list[str]]]:
    """The parts with chapters in them: the caption ("" before the first) and the pages."""
    parts = loaded(Path(app.srcdir) / "_toc.yml")["parts"]
    listed = [(part.get("caption", ""), [row["file"] for row in part["chapters"]]) for part in parts]
    return [(name, kept) for name, pages in listed if (kept := [page for page in pages if chapter_number(page) is not None])]


def begin(app: Sphinx, here: str) -> str:
    first = path_of(app)[0].page
    minutes = minutes_on_path(app, first)
    link = page_link(app, here, first, "Begin with the first game").replace("<a ", '<a class="button filled" ')
    return f'<p class="begin">{link}&ensp;{minutes} minutes</p>'


def two_hours(app: Sphinx, here: str) -> str:
    rows = ""
    for _, group in groupby(path_of(app), key=lambda stop: stop.page):
        stops = list(group)
        minutes = sum(stop.minutes for stop in stops)
        rows += f"<li>{linked(app, here, stops[0].label, stops[0].name)}<span>{minutes} min</span></li>"
    first = path_of(app)[0].label
    return f'<ol class="route">{rows}</ol><p><b>{linked(app, here, first, "Follow the path")}</b></p>'


def parts(app: Sphinx, here: str) -> str:
    rows = "".join(f"<li>{page_link(app, here, pages[0], name)}</li>" for name, pages in toc(app) if name)
    return f'<ul class="plain">{rows}</ul>'


def lookup(app: Sphinx, here: str) -> str:
    return (
        f'<form action="{app.builder.get_relative_uri(here, "search")}" method="get" role="search"><input type="search" '
        'name="q" aria-label="Search the book" placeholder="why is detach necessary" required></form>'
    )


def chapters(app: Sphinx, here: str) -> str:
    table, rows = chapters_of(app), ""
    for page in [page for _, pages in toc(app) for page in pages]:
        about, title = table[page.split("/")[1]], app.env.titles[page].astext()
        rows += (
            f"<li><i>{chapter_number(page)}</i><div>{page_link(app, here, page, title)}<p>{escape(about['question'])}</p></div>"
            f'<span data-page="{page}"></span></li>'
        )
    return f'<ol class="chapters">{rows}</ol>'


def state(app: Sphinx, here: str) -> str:
    """The version and the chapters that are there, as the version and the table of contents have them."""
    numbers = sorted(chapter_number(page) for _, pages in toc(app) for page in pages)
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda place: place[1] - place[0])]
    spelled = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    named = "chapters " + " and ".join(filter(None, (", ".join(spelled[:-1]), spelled[-1])))
    url, branch = (app.config.html_theme_options[f"repository_{key}"] for key in ("url", "branch"))
    tested = page_link(app, here, "book/how_tested", "How the book is tested")
    changed = f'<a href="{url}/blob/{branch}/CHANGELOG.md">what has changed</a>'
    return f'<p class="state">Version {__version__}: {named} are complete. {tested}, {changed}.</p>'


KINDS: dict[str, Callable[[Sphinx, str], str]] = {
    **{"ring": ring, "begin": begin, "two-hours": two_hours, "parts": parts, "lookup": lookup},
    **{"chapters": chapters, "state": state},
}


def fill(app: Sphinx, document: nodes.document, docname: str) -> None:
    for node in list(document.findall(built)):
        html = KINDS[node["kind"]](app, docname) if app.builder.format == "html" else ""
        node.replace_self(nodes.raw("", html, format="html"))


def write_minutes(app: Sphinx, error: Exception | None) -> None:
    """The minutes of the chapters are counted when their pages are made, after this one: they are read from their heads."""
    page = Path(app.outdir) / f"{app.config.root_doc}.html"
    if error or app.builder.format != "html" or not page.is_file():
        return

    def minutes(match: re.Match[str]) -> str:
        chapter = (Path(app.outdir) / f"{match[1]}.html").read_text(encoding="utf-8")
        return f"<span>{re.search(r'<dt>To read</dt><dd>([0-9]+ min)', chapter)[1]}</span>"

    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r'<span data-page="([^"]+)"></span>', minutes, text), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(built)
    for kind in KINDS:
        app.add_directive(kind, Generated)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", write_minutes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
