"""Widgets in the pages: a cell's still picture stands inside ``<gan-widget>``, and their program is asked for where one is.

* The metadata of a picture that ``ganlib.show.widget`` made names the widget and its data; ``gamebook`` hands them on.
* ``{interactive} NAME`` is a widget on a page without cells, options ``still`` and ``alt``; the text in it is its caption.
"""

import hashlib
import shutil
from pathlib import Path
from posixpath import relpath
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ganlib import widgets


class interactive(nodes.General, nodes.Element):
    """A widget around its still picture: ``widget``, a dict of ``name`` and ``data``."""


def here_of(translator: Any) -> str:
    """The folder of the page that is being written."""
    return Path(translator.builder.current_docname).parent.as_posix()


def generator(data: dict[str, Any], folder: Path, address: str) -> dict[str, Any]:
    """Writes a shipped generator as a program that a page of a folder may ask for, and returns the widget's data."""
    data, heavy = widgets.with_generator(data)
    name = f"generator-{hashlib.sha256(heavy.encode()).hexdigest()[:12]}.js"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"ganGenerator={heavy}", encoding="utf-8")
    return data | {"address": f"{address}/{name}", "megabytes": round(len(heavy) / 1e6, 1)}


def visit_interactive(self: Any, node: interactive) -> None:
    if not getattr(self.document, "has_program", False):  # once a page; deferred, so that a page of a folder may hold it
        self.document.has_program = True
        version = hashlib.sha256(widgets.SCRIPT.read_bytes()).hexdigest()[:10]
        self.body.append(f'<script defer src="{relpath("_static/widgets.js", here_of(self))}?v={version}"></script>\n')
    name, data = node["widget"]["name"], node["widget"]["data"]
    if name == "film":  # it opens at the last frame, as the still picture does
        data = {**data, "labels": "\n".join(data["labels"]), "at": len(data["labels"]) - 1}
    if "generator" in data:
        data = generator(data, Path(self.builder.outdir) / self.builder.imagedir, relpath(self.builder.imagedir, here_of(self)))
    self.body.append(widgets.element(name, data))


def depart_interactive(self: Any, node: interactive) -> None:
    self.body.append("</gan-widget>\n")


def skip(self: Any, node: nodes.Node) -> None:
    pass


class Interactive(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"still": directives.unchanged_required, "alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        missing = [option for option in ("still", "alt") if option not in self.options]
        if missing or name not in widgets.names():
            raise self.error(f"interactive: {f'no {missing[0]}' if missing else f'no widget {name!r}'} is given.")
        image = nodes.image(uri=self.options["still"], alt=self.options["alt"], classes=["dark-light", "lines"])
        image["widget"] = {"name": name, "data": {}}
        figure = nodes.figure("", image, ids=[f"fig-{name}"], classes=["shown"])
        if self.content:
            text = " ".join(self.content)
            figure += nodes.caption("", "", *self.state.inline_text(text, self.lineno)[0])
            domain = self.env.get_domain("std")
            domain.anonlabels[f"fig-{name}"] = self.env.docname, f"fig-{name}"
            domain.labels[f"fig-{name}"] = self.env.docname, f"fig-{name}", text
        self.state.document.ids[f"fig-{name}"] = figure
        return [figure]


def wrap(app: Sphinx, document: nodes.document) -> None:
    """After figures have got their numbers: the pictures that stand for a widget are put inside one."""
    for image in list(document.findall(nodes.image)):
        if widget := image.attributes.pop("widget", None):
            around, outside = interactive(widget=widget), image
            while not isinstance(outside.parent, nodes.figure):  # the links below the widget stand beside the caption
                outside = outside.parent
            outside.parent.replace(outside, around)
            around += image


def copy_program(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        shutil.copy(widgets.SCRIPT, Path(app.outdir) / "_static" / "widgets.js")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(interactive, html=(visit_interactive, depart_interactive), latex=(skip, skip), text=(skip, skip))
    app.add_directive("interactive", Interactive)
    app.connect("doctree-read", wrap, priority=700)
    app.connect("build-finished", copy_program)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
