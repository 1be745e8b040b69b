"""The head of a chapter: its part, its question, how long it takes to read and to run, what it needs, and the notebook.

Minutes to read are counted in the page as it stands unfolded at first; minutes to run come from the record of the last timed
run; the notebook for download is the one of the repository without its outputs, as a reader wants to run it.
"""

import json
from html import escape
from pathlib import Path
from typing import Any

from cells import fold
from docutils import nodes
from route import chapters_of, loaded, minutes_on_path, page_link
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
WORDS, LINES = 160, 40  # a minute: of prose with formulas, of code
HEAD = """<p class="question">{question}</p>
<dl class="facts"><div><dt>To read</dt><dd>{read}</dd></div><div><dt>To run</dt><dd>{run}</dd></div>
<div><dt>Needs</dt><dd>{needs}</dd></div></dl>
<p class="take"><a class="button filled" href="{colab}">Open in Colab</a>
<a class="button" href="{name}.ipynb" download>Notebook, {kilobytes} KB</a></p>
"""


def part_of(name: str, toc: Path) -> str:
    """The caption of the part in which the table of contents lists a page; "" before the first."""
    for part in loaded(toc).get("parts", []):
        if any(chapter["file"] == name for chapter in part["chapters"]):
            return part.get("caption", "")
    return ""


def minutes_to_read(document: nodes.document) -> int:
    """Of what stands open on the page."""
    hidden = {id(node) for box in document.findall(fold) if not box.get("open") for node in box.findall()}
    words = lines = 0
    for node in document.findall(lambda n: isinstance(n, nodes.paragraph | nodes.math | nodes.literal_block)):
        if id(node) in hidden:
            continue
        if isinstance(node, nodes.literal_block):
            lines += len(node.astext().splitlines())
        else:
            words += 1 if isinstance(node, nodes.math) else len(node.astext().split())
    return max(1, round(words / WORDS + lines / LINES))


def time_to_read(app: Sphinx, document: nodes.document, docname: str) -> str:
    on_path = minutes_on_path(app, docname)
    return f"{minutes_to_read(document)} min" + (f", of which {on_path} on the two-hour path" if on_path else "")


def time_to_run(stem: str, results: Path) -> str:
    record = loaded(results / "notebook_times.json")
    row = record["notebooks"].get(stem)
    if row is None:
        return "not timed yet"
    threads = record["environment"]["threads"]
    seconds = row["seconds"]
    time = "under 1 min" if seconds < 60 else f"{round(seconds / 60)} min"
    return f"{time} on {'one core' if threads == 1 else f'{threads} cores'}"


def linked(need: Any, chapters: dict[str, Any], app: Sphinx, here: str) -> str:
    """One thing that a chapter needs.

    Raises:
        KeyError: there is no chapter of that number.
    """
    if isinstance(need, int):
        stem = next((name for name in chapters if int(name[:2]) == need), None)
        if stem is None:
            raise KeyError(f"book/chapters.yml: {here} needs chapter {need}, which is not listed")
        need = {"page": f"notebooks/{stem}", "text": f"chapter {need}"}
    if isinstance(need, dict):
        return page_link(app, here, need["page"], need["text"])
    return escape(need)


def small_notebook(path: Path) -> bytes:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return json.dumps(notebook, ensure_ascii=False, indent=1).encode()


def write_head(app: Sphinx, document: nodes.document, docname: str) -> None:
    chapters = chapters_of(app)
    source = Path(app.env.doc2path(docname))
    if app.builder.format != "html" or source.suffix != ".ipynb" or chapters is None:
        return
    if source.stem not in chapters:
        raise KeyError(f"book/chapters.yml does not list {source.stem}")
    chapter = chapters[source.stem]
    notebook = small_notebook(source)
    target = Path(app.outdir) / f"{docname}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(notebook)
    url, branch = (app.config.html_theme_options[f"repository_{key}"] for key in ("url", "branch"))
    head = HEAD.format(
        question=escape(chapter["question"]),
        read=time_to_read(app, document, docname),
        run=time_to_run(source.stem, ROOT / "ganlib" / "results"),
        needs=", ".join(linked(need, chapters, app, docname) for need in chapter["needs"]),
        colab=f"https://colab.research.google.com/{url.removeprefix('https://')}/blob/{branch}/{docname}.ipynb".replace(
            "google.com/github.com", "google.com/github"
        ),
        name=source.stem,
        kilobytes=round(len(notebook) / 1000),
    )
    section = next(document.findall(nodes.section))
    part = part_of(docname, Path(app.srcdir) / "_toc.yml")
    where = " · ".join(filter(None, [f"Part {part}" if part else "", f"Chapter {int(source.stem[:2])}"]))
    section.insert(1, nodes.raw("", head, format="html"))
    section.insert(0, nodes.raw("", f'<p class="overline">{escape(where)}</p>\n', format="html"))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", write_head)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
