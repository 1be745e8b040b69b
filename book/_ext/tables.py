"""Tables that a phone can show: each cell of a wide table knows its heading, and the style sheet turns rows to blocks."""

from html import escape
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from formulas import plain
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

FITS = 38  # characters of all columns together that a phone shows side by side


def words(node: nodes.Node) -> str:
    """The text of a cell with formulas as they look."""
    pieces = []
    for part in node.findall(lambda n: isinstance(n, nodes.Text | nodes.math)):
        if isinstance(part, nodes.math):
            pieces.append(plain(part.astext().strip()))
        elif not isinstance(part.parent, nodes.math):
            pieces.append(part.astext())
    return "".join(pieces).strip()


def is_wide(rows: list[list[str]]) -> bool:
    columns = [max(len(text) for text in column) for column in zip(*rows)]
    return len(columns) > 1 and sum(columns) + 2 * len(columns) > FITS


class NameColumns(SphinxPostTransform):
    """Gives every cell of a wide table, markdown's or a notebook's, the heading of its column."""

    default_priority = 840
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for table in self.document.findall(nodes.table):
            rows = [list(row.findall(nodes.entry)) for row in table.findall(nodes.row)]
            head = next(iter(table.findall(nodes.thead)), None)
            texts = [[words(entry) for entry in row] for row in rows]
            if head is not None and "evidence" not in table["classes"] and is_wide(texts):
                for row in rows[len(head) :]:
                    for heading, entry in zip(texts[0], row):
                        entry["heading"] = heading
        for raw in list(self.document.findall(nodes.raw)):
            if raw["format"] == "html" and "<thead" in raw.astext() and "data-h" not in raw.astext():
                raw.parent.replace(raw, nodes.raw("", named(raw.astext()), format="html"))


def named(html: str) -> str:
    """The same for a table that a cell has printed as HTML."""
    page = BeautifulSoup(html, "html.parser")
    for table in page.find_all("table"):
        rows = [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
        if not rows or not is_wide(rows):
            continue
        for row in table.select("tbody tr"):
            for heading, cell in zip(rows[0], row.find_all(["th", "td"])):
                if cell.name == "td" and heading:
                    cell["data-h"] = heading
    return str(page)


def visit_entry(self: Any, node: nodes.entry) -> None:
    HTML5Translator.visit_entry(self, node)
    if node.get("heading"):
        self.body[-1] = self.body[-1].replace("<td", f'<td data-h="{escape(node["heading"])}"', 1)


def depart_entry(self: Any, node: nodes.entry) -> None:
    HTML5Translator.depart_entry(self, node)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(NameColumns)
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
