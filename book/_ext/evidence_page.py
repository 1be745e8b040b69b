"""The tables of the evidence page: ``{evidence} theorems``, ``{evidence} bands`` and ``{evidence} records``.

On a phone a row is read from top to bottom; each cell therefore carries the heading of its column, which wide pages hide.
"""

from collections.abc import Iterable
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from evidence import (
    ROOT,
    Check,
    Claim,
    Theorem,
    bands,
    deciding_cells,
    deciding_tests,
    duration,
    records,
    seeds,
    spelled,
    theorems,
    took,
)
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)


def titled(title: str) -> list[nodes.Node]:
    """A title with the TeX between its dollar signs as mathematics."""
    parts = title.split("$")
    return [nodes.math(text=part) if number % 2 else nodes.Text(part) for number, part in enumerate(parts) if part]


def breakable(text: str) -> list[nodes.Node]:
    """A name that may be broken after its underscores."""
    first, *rest = text.split("_")
    found: list[nodes.Node] = [nodes.Text(first)]
    for part in rest:
        found += [nodes.Text("_"), nodes.raw("", "<wbr>", format="html"), nodes.Text(part)]
    return found


class Evidence(SphinxDirective):
    """``{evidence} theorems``, ``bands`` or ``records``: one table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(ROOT / "ganlib" / "results" / "test_times.json"))
        self.env.note_reread()
        kind = directives.choice(self.arguments[0], ("theorems", "bands", "records"))
        return [{"theorems": self.theorems, "bands": self.bands, "records": self.records}[kind]()]

    def theorems(self) -> nodes.table:
        cells, tests = deciding_cells(), deciding_tests()
        rows = []
        for theorem in theorems():
            checks = cells.get(theorem.label, []) + tests.get(theorem.label, [])
            statement = nodes.paragraph("", "", self.reference(theorem), nodes.Text(". "), *titled(theorem.title))
            for check in checks:
                rows.append([statement, self.place(check), self.stated(check), nodes.paragraph(text=duration(check.seconds))])
                statement = nodes.paragraph()  # named once, over all that decides it
        return self.table(["statement", "decided by", "what is compared, and how closely", "run time"], rows)

    def bands(self) -> nodes.table:
        rows = [[self.place(check), self.stated(check), nodes.paragraph(text=duration(check.seconds))] for check in bands()]
        return self.table(["chapter and section", "asserted", "run time of the chapter"], rows)

    def records(self) -> nodes.table:
        rows = []
        for data, tests, pages in records():
            made, name = data["environment"], data["experiment"]
            machine = f"{made['machine']}, {made['threads']} of {made['cores']} cores, torch {made['torch']}"
            rows.append(
                [
                    nodes.paragraph("", "", self.source(f"ganlib/results/{name}.json", 1, name)),
                    nodes.paragraph(text=spelled(seeds(data))),
                    nodes.paragraph(text=machine),
                    nodes.paragraph(text=took(data)),
                    self.listed([self.source(f"tests/{test}", 1, test) for test in tests]),
                    self.listed([self.document(f"notebooks/{page}", "", "", page[:2]) for page in pages]),
                ]
            )
        return self.table(["record", "seeds", "made on", "took", "tests", "chapters"], rows)

    def reference(self, theorem: Theorem) -> nodes.Node:
        """A link that sphinx-proof numbers, because its text is the label."""
        options = {"refdomain": "prf", "reftype": "ref", "reftarget": theorem.label, "refexplicit": False, "refwarn": True}
        return pending_xref("", nodes.inline(text=theorem.label), refdoc=self.env.docname, **options)

    def document(self, document: str, section: str, label: str, text: str) -> nodes.Node:
        options = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{document}", "refexplicit": True, "refwarn": True}
        link = pending_xref("", nodes.inline("", "", *titled(text)), refdoc=self.env.docname, **options)
        link["evidence_section"], link["evidence_label"] = section, label
        return link

    def place(self, check: Check) -> nodes.paragraph:
        if check.document:
            return nodes.paragraph("", "", self.document(check.document, check.section, check.label, check.name))
        return nodes.paragraph("", "", self.source(check.path, check.line, check.name))

    def source(self, path: str, line: int, text: str) -> nodes.reference:
        address = self.config.html_theme_options["repository_url"]
        return nodes.reference(
            "", "", *breakable(text), refuri=f"{address}/blob/main/{path}" + (f"#L{line}" if line > 1 else "")
        )

    def stated(self, check: Check) -> nodes.paragraph:
        entry = nodes.paragraph("", "printed: " if check.printed else "")
        for number, claim in enumerate([*check.claims, *map(Claim, check.printed)]):
            entry += [nodes.Text("; ")] if number else []
            entry += nodes.literal(text=claim.text)
            entry += [nodes.Text(f" to {claim.tolerance}")] if claim.tolerance else []
        return entry

    def listed(self, links: list[nodes.Node]) -> nodes.paragraph:
        return nodes.paragraph("", "", *[part for link in links for part in (link, nodes.Text(" "))])

    def table(self, head: list[str], rows: Iterable[list[nodes.paragraph]]) -> nodes.table:
        group = nodes.tgroup("", *[nodes.colspec(colwidth=1) for _ in head], cols=len(head))
        titles = [nodes.entry("", nodes.paragraph(text=text)) for text in head]
        group += nodes.thead("", nodes.row("", *titles))
        group += nodes.tbody("", *[self.row(head, row) for row in rows])
        return nodes.table("", group, classes=["evidence"])

    def row(self, head: list[str], cells: list[nodes.paragraph]) -> nodes.row:
        for text, cell in list(zip(head, cells))[1:]:
            if cell.children:
                cell.insert(0, nodes.inline(text=f"{text}: ", classes=["heading"]))
        entries = [nodes.entry("", cell, classes=[] if cell.children else ["nothing"]) for cell in cells]
        return nodes.row("", *entries, classes=[] if cells[0].children else ["again"])


def letters(text: str) -> str:
    """A title without what markup and smart quotes change."""
    return "".join(filter(str.isalnum, text.lower()))


class SectionLinks(SphinxPostTransform):
    """Leads the links to cells to the section or exercise the cell stands in, before Sphinx resolves them to the page's top."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        for link in list(self.document.findall(pending_xref)):
            section, document = link.get("evidence_section"), link["reftarget"].removeprefix("/")
            if not section or document not in self.env.tocs:
                continue
            entries = self.env.tocs[document].findall(nodes.reference)
            anchors = [
                entry["anchorname"].removeprefix("#") for entry in entries if letters(entry.astext()) == letters(section)
            ]
            target = link["evidence_label"] or next(iter(anchors), None)
            if target is None:
                logger.warning("evidence: %s has no section %r", document, section, location=link)
                continue
            link.replace_self(make_refnode(self.app.builder, self.env.docname, document, target, link[0]))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("evidence", Evidence)
    app.add_post_transform(SectionLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
