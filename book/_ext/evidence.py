"""Every theorem, every band and every recorded run of the book, with what decides it: read from the book, typed by nobody.

A statement is decided by the cells that carry the tag ``decides:LABEL`` and by the tests under
``@pytest.mark.decides("LABEL")``. What is expected and how far it may be off is read from the assertions themselves, or from
the stored output where that is compared as it stands; run times come from ``notebook_times.json`` and ``test_times.json``.
``evidence_page`` draws the tables.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
THEOREM = re.compile(r"```\{prf:(theorem|proposition|lemma|corollary)\} *(.*)\n:label: *(\S+)")
PLACE = re.compile(r"^#+ +(?P<heading>.*)$|\{exercise\} *(?P<exercise>.*)\n:label: *(?P<label>\S+)", re.MULTILINE)


class Theorem(NamedTuple):
    """A numbered statement: its label, kind and title, and the document it stands in."""

    label: str
    kind: str
    title: str
    document: str


class Claim(NamedTuple):
    """What an assertion states, as written, and the tolerance where only a helper's signature tells it."""

    text: str
    tolerance: str = ""


class Check(NamedTuple):
    """A cell (its document, section or exercise, and the exercise's label) or a test (its path and line), and its seconds."""

    name: str
    document: str
    section: str
    label: str
    path: str
    line: int
    claims: list[Claim]
    printed: list[str]
    seconds: float | None


def notebook_cells(root: Path = ROOT) -> Iterator[tuple[Path, int, dict[str, Any], str]]:
    """(path, position, cell, source) of every cell of every notebook."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for index, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            yield path, index, cell, "".join(cell["source"])


def theorems(root: Path = ROOT) -> list[Theorem]:
    """Every labelled statement of the book, notebooks first, in the order of reading."""
    texts = [(f"notebooks/{path.stem}", source) for path, _, _, source in notebook_cells(root)]
    texts += [(f"book/{path.stem}", path.read_text(encoding="utf-8")) for path in sorted((root / "book").glob("*.md"))]
    return [
        Theorem(label, kind, re.sub(r"\{cite\}`[^`]*`", "", title).strip(), document)
        for document, text in texts
        for kind, title, label in THEOREM.findall(text)
    ]


def helpers(tree: ast.Module) -> dict[str, str]:
    """The functions of a file that compare within a ``tolerance`` they have a default for: name -> default."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args][-len(node.args.defaults) or len(node.args.args) :]
            defaults = dict(zip(names, node.args.defaults))
            if "tolerance" in defaults:
                found[node.name] = ast.unparse(defaults["tolerance"])
    return found


def claims(tree: ast.AST, known: dict[str, str] | None = None) -> list[Claim]:
    """What the assertions under a node state, messages left out; ``known`` are the helpers, as above."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            stated = node.test
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("assert_close"):
            stated = node
        else:
            continue
        calls = [call for call in ast.walk(stated) if isinstance(call, ast.Call) and len(call.args) == 2]
        names = [ast.unparse(call.func) for call in calls if not call.keywords]
        tolerances = sorted({(known or {})[name] for name in names if name in (known or {})})
        found.append((node.lineno, node.col_offset, Claim(ast.unparse(stated), ", ".join(tolerances))))
    return [claim for _, _, claim in sorted(found, key=lambda entry: entry[:2])]


def code_of(source: str) -> ast.Module:
    """The syntax tree of a cell, IPython's magics left out."""
    return ast.parse("\n".join(re.sub(r"^(\s*)%\S.*", r"\1pass", line) for line in source.splitlines()))


def first_lines(cell: dict[str, Any], count: int = 3) -> list[str]:
    """What a cell printed, its first lines, columns parted by dots: a new run must print all of it, character by character."""
    printed = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
    lines = [re.sub(r"(?<=[:=]) +| +(?=[:=])", " ", line).strip() for line in printed.splitlines() if line.strip()]
    return [re.sub(r" {2,}", " · ", line) for line in lines[:count]]


def checking_cells(root: Path = ROOT) -> Iterator[tuple[list[str], Check]]:
    """(the labels it decides, check) for every code cell that asserts something or decides a statement."""
    times = recorded("notebook_times", root).get("notebooks", {})
    section = label = before = ""
    for path, index, cell, source in notebook_cells(root):
        if path.stem != before:
            before, section, label = path.stem, "", ""
        if cell["cell_type"] == "markdown":
            for found in PLACE.finditer(source):
                section, label = found["heading"] or found["exercise"], found["label"] or ""
            continue
        tags = cell["metadata"].get("tags", [])
        labels = [tag.removeprefix("decides:") for tag in tags if tag.startswith("decides:")]
        stated = claims(code_of(source))
        if labels or stated:
            document = f"notebooks/{path.stem}"
            seconds = times.get(path.stem, {}).get("seconds")
            name = f"{path.stem[:2]}, {section}"
            printed = [] if stated else first_lines(cell)
            yield labels, Check(name, document, section, label, f"{document}.ipynb", index, stated, printed, seconds)


def deciding_cells(root: Path = ROOT) -> dict[str, list[Check]]:
    """Label -> the cells tagged ``decides:label``."""
    found: dict[str, list[Check]] = {}
    for labels, check in checking_cells(root):
        for label in labels:
            found.setdefault(label, []).append(check)
    return found


def bands(root: Path = ROOT) -> list[Check]:
    """Every cell that asserts something, with its section; trained quantities are held here."""
    return [check for _, check in checking_cells(root) if check.claims]


def deciding_tests(root: Path = ROOT) -> dict[str, list[Check]]:
    """Label -> the tests marked ``@pytest.mark.decides(label, ...)``."""
    times = recorded("test_times", root).get("tests", {})
    found: dict[str, list[Check]] = {}
    for path in sorted((root / "tests").glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = helpers(tree)
        for node in tree.body:
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.decides":
                    name = f"tests/{path.name}"
                    seconds = times.get(f"{name}::{node.name}")
                    check = Check(node.name, "", "", "", name, node.lineno, claims(node, known), [], seconds)
                    for label in mark.args:
                        found.setdefault(ast.literal_eval(label), []).append(check)
    return found


def recorded(name: str, root: Path = ROOT) -> dict[str, Any]:
    """A record, or nothing where it has not been made yet."""
    path = root / "ganlib" / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def records(root: Path = ROOT) -> list[tuple[dict[str, Any], list[str], list[str]]]:
    """(record, the tests that read it, the notebooks that read it) for every file in ganlib/results."""
    readers = re.compile(r"""(?:(?:record\.read|recorded)\(\s*|ROOT / "ganlib" / "results" / )["'](\w+)(?:\.json)?["']""")
    tests = {
        path.name: set(readers.findall(path.read_text(encoding="utf-8"))) for path in sorted((root / "tests").glob("*.py"))
    }
    pages: dict[str, set[str]] = {}
    for path, _, _, source in notebook_cells(root):
        pages.setdefault(path.stem, set()).update(readers.findall(source))
    found = []
    for path in sorted((root / "ganlib" / "results").glob("*.json")):
        used = [sorted(name for name, read in where.items() if path.stem in read) for where in (tests, pages)]
        found.append((json.loads(path.read_text(encoding="utf-8")), *used))
    return found


def seeds(record: Any) -> set[int]:
    """Every integer that stands under the name "seed", or in a list called "seeds"; a number called "seeds" counts from 0."""
    if isinstance(record, list):
        return {seed for entry in record for seed in seeds(entry)}
    if not isinstance(record, dict):
        return set()
    several = record.get("seeds")
    named = [record.get("seed"), list(range(several)) if type(several) is int else several]
    plain = [seed for value in named for seed in (value if isinstance(value, list) else [value])]
    return {seed for seed in plain if type(seed) is int} | {seed for value in record.values() for seed in seeds(value)}


def spelled(numbers: set[int]) -> str:
    """Seeds as a reader writes them: "0 to 4", "0, 7", or nothing where nothing was drawn."""
    ordered = sorted(numbers)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))


def took(record: dict[str, Any]) -> str:
    """How long an experiment took, and by which clock."""
    if "processor_seconds" in record:
        return f"{duration(record['processor_seconds'])} of processor time"
    return duration(record["wall_seconds"])


def duration(seconds: float | None) -> str:
    """Seconds as a reader counts them."""
    if seconds is None:
        return ""
    text = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.2f} s"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
