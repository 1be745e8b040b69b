"""The project as files: notebooks stored as they ran, one address, one version, exact pins, and modules that keep apart.

Each rule is a function that takes what it judges and returns the faults it finds, so that a test can also show it a fault.
"""

import argparse
import ast
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import bench
import nbformat
import plain_sphinx
import pytest
import repository
import run_tests
import yaml
from execute import execute
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import book

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted((ROOT / "ganlib").rglob("*.py"))
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.py"))
PROGRAM = [path for path in sorted((ROOT / "widgets" / "src").rglob("*.ts")) if path.name != "strings.ts"]  # a table of words
SHORT = [*MODULES, *EXPERIMENTS, *sorted((ROOT / "tools").glob("*.py")), *PROGRAM]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

MAY_IMPORT = {
    "__init__": set(),
    "types": set(),
    "arguments": set(),
    "objectives": {"types"},
    "penalties": {"types", "arguments"},
    "shipped": set(),
    "inputs": {"arguments"},
    "conditional": {"types", "arguments", "conv", "inputs", "networks", "shipped"},
    "information": {"types", "arguments", "conditional", "conv", "inputs", "networks"},
    "latents": {"arguments", "metrics", "types"},
    "modulation": {"types", "arguments", "inputs"},
    "networks": {"types", "arguments", "guards", "inputs", "shipped"},
    "readers": {"types", "arguments"},
    "files": set(),
    "restore": set(),
    "mnist": {"types", "readers", "files"},
    "data": {"types", "arguments", "mnist", "readers"},
    "eye": {"types", "arguments", "data", "shipped"},
    "metrics": {"types", "arguments"},
    "theory": {"types", "arguments"},
    "guards": {"types", "arguments", "restore"},
    "taming": {"types", "arguments", "guards"},
    "conv": {"arguments", "inputs", "networks", "shipped"},
    "training": {"types", "arguments", "guards"},
    "weighing": {"types", "arguments"},
    "checkpoints": {"arguments", "training", "files"},
    "diagnostics": {"types", "guards", "restore", "training"},
    "style": set(),
    "tables": set(),
    "pictures": set(),
    "films": {"restore", "style"},
    "layers": {"types"},
    "export": {"types", "arguments", "conditional", "layers", "networks", "record"},
    "widgets": {"arguments", "pictures", "style", "export"},
    "show": {"types", "arguments", "films", "pictures", "style", "tables", "widgets"},
    "record": {"arguments", "files"},
}

PARTS = {"main", "kept", "opening", "pair", "look", "play", "sample", "score", "summary", "generate", "judge", "write_record"}
PARTS |= {"begin", "train_once", "penalty_of"}
"""What the experiments call their parts: a name, each for its own code."""


def named(paths: list[Path]) -> dict:
    """How pytest.mark.parametrize takes files, each test called after its file."""
    return {"argvalues": paths, "ids": [str(path.relative_to(ROOT)) for path in paths]}


# Notebooks


def code_cells(path: Path) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == "code"]


def tags(cell: dict) -> set[str]:
    """The cell's tags, with nbval's comment markers written as the tags they stand for."""
    markers = re.findall(r"^\s*#\s*(NBVAL_[A-Z_]+)\s*$", cell["source"], re.MULTILINE)
    return {*cell["metadata"].get("tags", []), *(marker.lower().replace("_", "-") for marker in markers)}


def shows_something(source: str) -> bool:
    """Whether a statement of the cell prints or publishes a figure."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic: the set-up cell
        return False
    statements = [s for s in tree.body if not isinstance(s, ast.FunctionDef | ast.ClassDef)]
    calls = (
        s.value.func
        for block in statements
        for s in ast.walk(block)
        if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)
    )
    return any(ast.unparse(call) in ("print", "display", "show.publish", "show.animate") for call in calls)


def output_faults(path: Path) -> Iterator[str]:
    """Outputs are those of one run from top to bottom, without errors, and hold nothing of the hour."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    if notebook["metadata"].get("language_info", {}).get("version"):
        yield "the Python version of one machine is in its metadata"
    count = 0
    for number, cell in enumerate(code_cells(path)):
        if not cell["source"].strip():
            yield f"code cell {number} is empty"
            continue
        count += 1
        if cell["execution_count"] is None:
            yield f"code cell {number} was never executed"
        elif cell["execution_count"] != count:
            yield f"code cell {number} was executed as number {cell['execution_count']}, not {count}"
        if shows_something(cell["source"]) and not cell["outputs"]:
            yield f"code cell {number} prints, but no output is stored"
        if any(output["output_type"] == "error" for output in cell["outputs"]):
            yield f"code cell {number} ends in an error"
        if "nbval-ignore-output" not in tags(cell) and any(output.get("name") == "stderr" for output in cell["outputs"]):
            yield f"code cell {number} stores a warning, as where MNIST is out of reach"
        if "execution" in cell["metadata"]:
            yield f"code cell {number} holds the time of its run"


def comparison_faults(path: Path) -> Iterator[str]:
    """No cell is skipped or may fail, and at most 30 % of them ignore what they print."""
    cells = code_cells(path)
    for number, cell in enumerate(cells):
        for tag in tags(cell) & {"nbval-skip", "nbval-raises-exception", "raises-exception", "skip-execution"}:
            yield f"code cell {number} is tagged {tag}"
    ignored = sum("nbval-ignore-output" in tags(cell) for cell in cells)
    if ignored > 0.3 * len(cells):
        yield f"{ignored} of {len(cells)} code cells ignore their output, more than 30 %"


def fold_faults(path: Path) -> Iterator[str]:
    """One rule for what stands folded: cells that show a figure are tagged "draws", and each such tag folds the code."""
    for number, cell in enumerate(code_cells(path)):
        found = tags(cell)
        if re.search(r"\bshow\.(publish|animate)\(", cell["source"]) and "draws" not in found:
            yield f"code cell {number} shows a figure and is not tagged draws"
        if found & {"setup", "draws", "tests"} and not found & {"hide-input", "hide-cell"}:
            yield f"code cell {number} is tagged {', '.join(found & {'setup', 'draws', 'tests'})} and its code stands in view"


def setup_faults(path: Path, root: Path = ROOT) -> Iterator[str]:
    """A title comes first; the first code cell is the set-up cell of this address and version."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    if cells[0]["cell_type"] != "markdown" or not "".join(cells[0]["source"]).lstrip().startswith("# "):
        yield "its first cell is not Markdown with a title"
    first, *others = code_cells(path)
    if first["source"] != repository.setup_cell(root):
        yield "its first code cell is not the set-up cell; `make repository` writes it"
    if sorted(first["metadata"].get("tags", [])) != sorted(repository.SETUP_TAGS):
        yield f"its set-up cell is tagged {first['metadata'].get('tags')}, not {repository.SETUP_TAGS}"
    if any("GANLIB_SRC" in cell["source"] for cell in others):
        yield "it has a second set-up cell"


def width_faults(path: Path) -> Iterator[str]:
    """A code cell fits into a column of the page: no line is longer than 88 characters, one without a break included."""
    for number, cell in enumerate(code_cells(path)):
        for line in cell["source"].splitlines():
            if len(line) > 88:
                yield f"code cell {number} has a line of {len(line)} characters: {line.strip()}"


@pytest.mark.parametrize("path", **named(NOTEBOOKS))
@pytest.mark.parametrize("rule", [output_faults, comparison_faults, fold_faults, setup_faults, width_faults])
def test_notebook(path, rule):
    assert not list(rule(path))


def a_notebook(path: Path, *changes: tuple[int, dict]) -> Path:
    """A good notebook with three code cells, the n-th changed as said."""
    cells = [
        nbformat.v4.new_code_cell(repository.setup_cell(), execution_count=1, metadata={"tags": [*repository.SETUP_TAGS]}),
        nbformat.v4.new_code_cell("x = 1", execution_count=2),
        nbformat.v4.new_code_cell("print(x)", execution_count=3, outputs=[nbformat.v4.new_output("stream", text="1\n")]),
        nbformat.v4.new_code_cell("assert x == 1", execution_count=4),
    ]
    for number, change in changes:
        cells[number].update(nbformat.from_dict(change))
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), *cells]), path)
    return path


@pytest.mark.parametrize(
    ("rule", "number", "change", "fault"),
    [
        (output_faults, 1, {"execution_count": None}, "never executed"),
        (output_faults, 1, {"execution_count": 9}, "as number 9"),
        (output_faults, 2, {"outputs": []}, "no output is stored"),
        (output_faults, 2, {"outputs": [nbformat.v4.new_output("error", ename="E", evalue="")]}, "ends in an error"),
        (output_faults, 1, {"outputs": [nbformat.v4.new_output("stream", name="stderr", text="no")]}, "stores a warning"),
        (output_faults, 2, {"metadata": {"execution": {"iopub.status.busy": "now"}}}, "time of its run"),
        (output_faults, 3, {"source": " ", "execution_count": None}, "is empty"),
        (comparison_faults, 1, {"metadata": {"tags": ["nbval-skip"]}}, "tagged nbval-skip"),
        (comparison_faults, 1, {"source": "# NBVAL_SKIP\nx = 1"}, "tagged nbval-skip"),
        (comparison_faults, 1, {"metadata": {"tags": ["raises-exception"]}}, "tagged raises-exception"),
        (comparison_faults, 2, {"metadata": {"tags": ["nbval-ignore-output"]}}, "2 of 4 code cells ignore"),
        (comparison_faults, 2, {"source": "# NBVAL_IGNORE_OUTPUT\nprint(x)"}, "2 of 4 code cells ignore"),
        (fold_faults, 1, {"source": "show.publish(fig)"}, "is not tagged draws"),
        (fold_faults, 3, {"metadata": {"tags": ["tests"]}}, "tagged tests and its code stands in view"),
        (setup_faults, 0, {"source": "import ganlib"}, "not the set-up cell"),
        (setup_faults, 0, {"metadata": {}}, "is tagged None"),
        (setup_faults, 3, {"source": "GANLIB_SRC = 1"}, "second set-up cell"),
        (width_faults, 3, {"source": f"x = 1\nassert x  # {'-' * 80}"}, "a line of 92 characters: assert x  # ---"),
    ],
)
def test_a_bad_notebook_is_found(tmp_path, rule, number, change, fault):
    assert not list(rule(a_notebook(tmp_path / "good.ipynb")))
    faults = list(rule(a_notebook(tmp_path / "bad.ipynb", (number, change))))
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize("path", **named(NOTEBOOKS))
def test_a_chapter_ends_as_every_chapter_ends(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    heads = [name for name in re.findall(r"^## (.+)$", text, re.MULTILINE) if name != "How this book is tested"]  # chapter 0
    assert heads[-2:] == ["Exercises", "What was shown"]
    end = text[text.rindex("\n## What was shown\n") :]
    assert text.count("Where it leads") == len(re.findall(r"^\*\*Where it leads\.\*\* ", end, re.MULTILINE)) <= 1


# Text


def text_faults(name: str, text: str) -> Iterator[str]:
    """Nothing of one machine, of one moment, or unfinished."""
    patterns = {
        "a path of one machine": r"(?<![\w./:~$}-])/(?:root|home|work)/\w|\b[A-Z]:\\{1,2}Users\b",
        "a moment in time": r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d",
        "unfinished work": r"\b(?:TO" + r"DO|FIX" + r"ME)\b",
        "an emoji": "[\U0001f000-\U0001faff\u2600-\u26ff\u2705\u2728\u274c\u2764\ufe0f]",
    }
    for what, pattern in patterns.items():
        if found := re.search(pattern, text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{name}, line {line} has {what}: {text[found.start() : found.end() + 20]!r}"


def test_files_hold_nothing_of_one_machine_or_moment():
    """Vendored code is another's, kept as it came, and left out."""
    ours = (path for path in repository.project_files() if "vendor" not in path.parts)
    texts = {path: repository.read_text(path) for path in ours}
    assert not [fault for path, text in texts.items() if text for fault in text_faults(str(path.relative_to(ROOT)), text)]


@pytest.mark.parametrize(
    "text",
    [
        "'/" + "home/reader/data'",
        "C:" + "\\Users\\reader",
        "/" + "work/x",
        "2026-01-02" + "T03:04:05",
        "# TO" + "DO: more",
        "\U0001f600",
    ],
)
def test_a_bad_text_is_found(text):
    assert len(list(text_faults("x", text))) == 1
    assert not list(text_faults("x", "https://example.org/home/reader and ~/work/x, 2026-01-02, 3/work/day"))


def test_no_file_is_larger_than_5_mb():
    assert not [path for path in repository.project_files() if path.stat().st_size > 5_000_000]


def test_ruff_finds_nothing():
    for command in (["check", "--no-cache", "--quiet"], ["format", "--no-cache", "--check", "--quiet"]):
        result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, f"{result.stdout}{result.stderr}; `make lint` formats"


# The library's modules


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """ganlib.theory.line is in the room "theory", ganlib itself in "__init__"."""
    return (name.split(".") + ["__init__"])[1]


def imports(source: str, package: str = "ganlib") -> set[str]:
    """The rooms of ganlib from which a module of `package` imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "ganlib" else {module}
    return {room(name) for name in found if name.split(".")[0] == "ganlib"}


@pytest.mark.parametrize("path", **named(MODULES))
def test_a_module_knows_only_whom_it_may(path):
    name = module_name(path)
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    assert room(name) in MAY_IMPORT, "a new module: say in MAY_IMPORT whom it may import"
    assert imports(path.read_text(), package) - {room(name)} <= MAY_IMPORT[room(name)]


@pytest.mark.parametrize("path", **named(SHORT))
def test_a_file_is_short(path):
    assert path.read_text().count("\n") <= 250, "asking to be two modules"


def definitions(source: str) -> Iterator[tuple[str, str]]:
    """Name and bare code of every function and class at the top of a module; the code without its name."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name, node.name = node.name, "it"
            yield name, bench.bare(ast.unparse(node))


def repeated_definitions(sources: dict[str, str], names: bool = True) -> Iterator[str]:
    """Code that stands twice, whatever it is called, and public names, but for PARTS, that mean two things in the tree."""
    places: dict[str, set[str]] = {}
    for place, source in sources.items():
        for name, code in definitions(source):
            places.setdefault(code, set()).add(f"{place}: {name}")
            if names and name not in PARTS and not name.startswith("_"):
                places.setdefault(name, set()).add(f"{place}: {name}")
    for found in {tuple(sorted(found)) for found in places.values() if len(found) > 1}:
        yield " and ".join(found)


def test_no_definition_stands_twice():
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in [*MODULES, *EXPERIMENTS]}
    assert not list(repeated_definitions(sources))
    others = [*sorted((ROOT / "tests").glob("*.py")), *sorted((ROOT / "tools").glob("*.py"))]  # their names are their own
    assert not list(repeated_definitions(sources | {path.name: path.read_text() for path in others}, names=False))


@pytest.mark.parametrize(
    ("one", "other", "faults"),
    [
        ("def f(x): return x + 1", "def g(x: int) -> int:\n    'One more.'\n    return x + 1  # more", ["a: f and b: g"]),
        ("def f(x): return x + 1", "def f(x): return x + 2", ["a: f and b: f"]),
        ("def main(x): return x + 1", "def main(x): return x + 2", []),
        ("def main(x): return x + 1", "def main(x): return x + 1", ["a: main and b: main"]),
        ("class A:\n    x: int = 1", "class B:\n    x: int = 1", ["a: A and b: B"]),
        ("def f(x): return x + 1", "def g(x): return 'f'", []),
    ],
)
def test_a_definition_that_stands_twice_is_found(one, other, faults):
    assert list(repeated_definitions({"a": one, "b": other})) == faults


def test_imports_are_found():
    source = (
        '"""Two\nlines."""\n\nfrom ganlib.data import x  # why\n\n\n'
        'def f():\n    """One."""\n    from . import show\n    import ganlib.networks\n'
    )
    assert imports(source) == {"data", "show", "networks"}
    assert imports("import ganlib\nimport torch.nn\nfrom ganlib import record") == {"__init__", "record"}
    assert imports("from .line import x\nfrom ..data import y", "ganlib.theory") == {"theory", "data"}


def test_import_is_quick_and_light():
    """Every module together: under 0.1 s beyond torch's own import, and no library that only figures or data need.

    The seconds are the processor's, the best of three: other programs may hold the machine meanwhile.
    """
    program = f"""
import sys, time, torch
start = time.process_time()
import {", ".join(module_name(path) for path in MODULES)}
print(time.process_time() - start, *{{"torchvision", "matplotlib", "sklearn", "scipy", "IPython"}} & sys.modules.keys())"""
    seconds = []
    for _ in range(3):
        output = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        assert not output.split()[1:], "loaded too early"
        seconds.append(float(output.split()[0]))
    assert min(seconds) < 0.1


# Versions and requirements


def pins(text: str) -> dict[str, str]:
    """The packages of a requirements file and their exact versions.

    Raises:
        ValueError: a line is anything but NAME==VERSION or a comment.
    """
    found = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
        if not match or canonicalize_name(match[1]) in found:
            raise ValueError(f"not an exact pin, or a second one: {line}")
        found[canonicalize_name(match[1])] = match[2]
    return found


@pytest.mark.parametrize(
    "line", ["torch>=2.9", "torch", "--index-url https://example.org", "x==1.*", "x @ file:y", "x==1\nX==2"]
)
def test_a_loose_requirement_is_found(line):
    with pytest.raises(ValueError, match="not an exact pin"):
        pins(line)


def test_pins_satisfy_the_lower_bounds():
    pinned = pins((ROOT / "requirements.txt").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for text in [*project["project"]["dependencies"], *project["build-system"]["requires"]]:
        bound = Requirement(text)
        assert {s.operator for s in bound.specifier} == {">="}, f"{text}: lower bounds only, for Colab"
        assert Version(pinned[canonicalize_name(bound.name)]) in bound.specifier


def test_pins_are_closed():
    """What a pinned package needs is pinned too; CUDA alone is left to torch, so that a CPU-only build can take its place."""
    pinned = pins((ROOT / "requirements.txt").read_text())
    for name in pinned:
        for text in distribution(name).requires or []:
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            if name == "torch" and re.match("nvidia|cuda|triton", need.name):
                continue
            assert canonicalize_name(need.name) in pinned, f"{name} needs {need.name}, which is not pinned"


def test_pins_allow_the_first_release_of_each_python():
    """Debian 12 has Python 3.11.2: a pin that asks for a later 3.11 cannot be installed there."""
    for name in pins((ROOT / "requirements.txt").read_text()):
        bound = SpecifierSet(distribution(name).metadata.get("Requires-Python", ""))
        assert all(bound.contains(version) for version in ("3.11.2", "3.12.0", "3.13.0")), f"{name} needs Python {bound}"


def test_the_version_is_one():
    version = repository.version()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    changes = re.search(r"^## (\d\S*) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert changes.groups() == (version, str(citation["date-released"]))
    assert {"cff-version", "message", "title", "authors", "license", "repository-code"} <= citation.keys()


# The repository's address, the README and the table of contents


def address_faults(root: Path) -> Iterator[str]:
    """Every place that repeats the repository's address has the one of _config.yml."""
    url = repository.repository_url(root)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        yield from (f"{path.name}: {fault}" for fault in setup_faults(path, root))
    if yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"] != url:
        yield "_config.yml: the address is read wrongly"
    if yaml.safe_load((root / "CITATION.cff").read_text())["repository-code"] != url:
        yield "CITATION.cff has another address"
    if tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"] != {"Repository": url}:
        yield "pyproject.toml has another address"
    readme = (root / "README.md").read_text()
    slug = url.removeprefix("https://github.com/")
    if {f"{owner}/{name}" for owner, name in re.findall(r"colab\S*?/github/([\w.-]+)/([\w.-]+)/", readme)} != {slug}:
        yield "README.md: a badge leads to another repository"
    if f"git clone {url}\n" not in readme:
        yield "README.md clones another repository"


def test_the_address_is_one():
    assert not list(address_faults(ROOT))


def test_make_repository_rewrites_every_place(tmp_path):
    """On a copy of the files: a new address reaches every place, the old one is gone, and a second run changes nothing."""
    for path in repository.project_files():
        if path.stat().st_size < 5_000_000:
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    a_notebook(tmp_path / "notebooks" / "99_test.ipynb")
    repository.main(["https://github.com/some-one/a.book/"], tmp_path)
    assert repository.repository_url(tmp_path) == "https://github.com/some-one/a.book"
    assert not list(address_faults(tmp_path))
    assert "\n    git clone https://github.com/some-one/a.book\n    cd a.book\n" in (tmp_path / "README.md").read_text()
    owner, name = repository.ADDRESS.fullmatch(repository.repository_url()).groups()
    texts = {path: repository.read_text(path) or "" for path in repository.project_files(tmp_path)}
    assert not [path for path, text in texts.items() if f"{owner}/{name}" in text or f"{owner}.github.io" in text]
    repository.main([], tmp_path)
    assert texts == {path: repository.read_text(path) or "" for path in repository.project_files(tmp_path)}
    (tmp_path / "CITATION.cff").write_text((ROOT / "CITATION.cff").read_text())
    a_notebook(tmp_path / "notebooks" / "99_test.ipynb")
    assert [fault.split()[0] for fault in address_faults(tmp_path)] == ["99_test.ipynb:", "CITATION.cff"]
    with pytest.raises(SystemExit, match="must have the form"):
        repository.main(["https://example.org/a/b"], tmp_path)


def title(path: Path) -> str:
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    return re.search(r"^# +(.+?) *$", "".join(first["source"]), re.MULTILINE)[1]


def test_the_readme_lists_every_notebook():
    rows = re.findall(
        r"^\| (\d\d) \| \[(.+?)\]\(notebooks/(\S+?)\.ipynb\) \| (\[!\[.+)\ \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert rows == [(p.stem[:2], title(p), p.stem, repository.colab_badge(p.stem)) for p in NOTEBOOKS]


def test_the_table_of_contents_lists_every_notebook():
    files = re.findall(r"file: *(\S+)", (ROOT / "_toc.yml").read_text())
    assert [name for name in files if name.startswith("notebooks/")] == [f"notebooks/{path.stem}" for path in NOTEBOOKS]


def test_links_of_the_documents_lead_to_files():
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / document).read_text()
        targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
        assert not [target for target in targets if not target.endswith(".png") and not (ROOT / target).exists()], document


def test_the_picture_of_the_readme_is_there():
    pictures = re.findall(r"!\[(.+?)\]\((?!https?:)(\S+?)\)", (ROOT / "README.md").read_text())
    assert len(pictures) == 1
    assert all((ROOT / path).is_file() for _, path in pictures)


# Commands


def without_make() -> dict[str, str]:
    """The environment, without what a make that runs this test, or its user, has put there."""
    names = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON", "TORCH_INDEX", "STAGE", "PORT", "NB", "URL"}
    return {key: value for key, value in os.environ.items() if key not in names}


@pytest.mark.parametrize("path", **named(WORKFLOWS))
def test_a_workflow_parses_and_asks_for_little(path):
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert True in workflow  # YAML 1.1 reads the key "on" so
    allowed = {"pages": "write", "id-token": "write"} if path.name == "deploy.yml" else {}
    assert all(allowed.items() >= job.get("permissions", {}).items() for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in re.findall(r"uses: *(.+)", text))
    assert {*re.findall(r"make ([a-z]+)", text)} <= book.COMMANDS.keys()
    assert all((ROOT / name).is_file() for name in re.findall(r"(?:python|bash) ([\w./]+)", text))
    if path.name in ("weekly.yml", "links.yml"):
        assert "cron" in text


def test_the_workflows_are_there():
    assert [path.stem for path in WORKFLOWS] == ["deploy", "links", "tests", "weekly"]
    matrix = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


def test_plain_sphinx_is_told_what_jupyter_book_is_told():
    settings = plain_sphinx.settings()
    assert not any("jupyter" in name for name in settings["extensions"])
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert {*config["sphinx"]["local_extensions"], *config["sphinx"]["extra_extensions"]} <= {*settings["extensions"]}
    assert all(Path(path).exists() for path in settings["html_static_path"] + settings["bibtex_bibfiles"])
    written = {}
    exec(plain_sphinx.written(settings), {"__builtins__": {"__import__": lambda *_: argparse.Namespace(path=[])}}, written)
    assert {name: value for name, value in written.items() if name != "sys"} == settings


def check_python(change: str) -> str:
    """What tools/check_python.py says on a Python changed as told."""
    program = f"import runpy, sys; {change}; runpy.run_path('tools/check_python.py')"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == bool(result.stderr)
    return result.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sys.version_info = (3, 10, 9)", "is too old: the book needs Python 3.11, 3.12 or 3.13"),
        ("sys.version_info = (2, 7, 18)", "is too old"),
        ("sys.version_info = (3, 14, 0)", "is too new"),
        ("sys.modules['ensurepip'] = None", "apt-get install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_gets_one_sentence(change, said):
    message = check_python(change)
    assert said in message
    assert message.count("\n") == 1


def test_this_python_will_do():
    assert check_python("0") == ""


@pytest.fixture
def workshop(tmp_path):
    """A copy of what `make` needs, with a false Python whose pip only writes down how it was called."""
    (tmp_path / "tools").mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml", "tools/book.py", "tools/check_python.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    false = tmp_path / "python"
    program = "import runpy, sys; sys.executable = sys.argv.pop(1); del sys.argv[0]; sys.path.insert(0, 'tools'); "
    program += "runpy.run_path(sys.argv[0], run_name='__main__')"
    false.write_text(f"""#!/bin/sh
case "$1" in tools/*) exec {sys.executable} -c "{program}" "$0" "$@";; esac
echo "$@" >> calls
case "$*" in *"-m venv"*) mkdir -p .venv/bin && cp python .venv/bin/python;; *--requirement*) test ! -e broken;; esac
""")
    false.chmod(0o755)

    def make(*arguments: str) -> tuple[int, str, list[str]]:
        (tmp_path / "calls").write_text("")
        command = ["make", "install", *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=without_make(), capture_output=True, text=True)
        return result.returncode, result.stderr, (tmp_path / "calls").read_text().splitlines()

    return tmp_path, make


def test_make_without_python_says_so_in_one_sentence(workshop):
    _, make = workshop
    code, message, calls = make("PYTHON=no-such-python")
    assert code != 0
    assert not calls
    sentences = [line for line in message.splitlines() if not line.startswith("make")]
    assert len(sentences) == 1
    assert sentences[0].startswith(
        "no-such-python is missing: install Python 3.11, 3.12 or 3.13 (on Debian and Ubuntu: apt-get"
    )


def make_without_running(*arguments: str) -> str:
    """What make would run."""
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=ROOT, env=without_make(), check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", book.COMMANDS)
def test_make_and_the_program_take_the_same_commands(name):
    _, in_make, here = book.COMMANDS[name]
    assert make_without_running(name).endswith(f"tools/book.py {name}")
    assert make_without_running(name, *in_make.split()).endswith(
        f"tools/book.py {name} {here}".replace("https://", "").rstrip()
    )


def test_make_tests_the_stages_named():
    assert make_without_running("test", "STAGE=notebooks fallback").endswith("tools/book.py test notebooks fallback")
    with pytest.raises(
        SystemExit, match="'notebook' is no stage of the tests; there are repository, library, pages, alone, note"
    ):
        run_tests.main(["notebook"])


def test_make_alone_lists_the_commands(capsys):
    assert make_without_running().endswith("tools/book.py help")
    book.main()
    lines = capsys.readouterr().out.splitlines()
    for name, (command, in_make, here) in book.COMMANDS.items():
        assert any(line.split() == [name, *in_make.split(), name, *here.split(), *command.__doc__.split()] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["tests"], "'tests' is no command of the book; there are help, "), (["book", "08"], "book does not take '08'; it is")],
)
def test_a_command_that_does_not_exist_gets_one_sentence(arguments, said):
    with pytest.raises(SystemExit, match=said):
        book.main(*arguments)


def test_the_commands_need_the_standard_library_only():
    for name in ("book.py", "check_python.py"):
        tree = ast.parse((ROOT / "tools" / name).read_text())
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules - {"check_python"} <= sys.stdlib_module_names


def test_check_is_lint_and_the_two_quick_stages(monkeypatch):
    calls = []
    monkeypatch.setattr(book, "install", lambda: None)
    monkeypatch.setattr(book, "run", lambda *command: calls.append(" ".join(map(str, command[1:]))))
    book.main("check")
    assert calls[0].startswith("-m ruff format --check")
    assert calls[1].startswith("-m ruff check")
    assert calls[2].endswith("run_tests.py --quick repository library")
    assert len(calls) == 3


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_documents_name_commands_that_exist(document):
    text = (ROOT / document).read_text()
    assert {*re.findall(r"`make ([a-z]+)", text)} <= book.COMMANDS.keys()
    assert "`make check`" in text
    assert "`make test STAGE=notebooks`" in text
    assert "`python tools/book.py" in text


def test_make_installs_once_and_takes_up_what_was_cut_short(workshop):
    folder, make = workshop
    (folder / "broken").touch()
    assert make("PYTHON=./python")[0] != 0
    assert not (folder / ".venv" / "installed").exists()
    (folder / "broken").unlink()
    code, _, calls = make("PYTHON=./python")
    assert code == 0
    assert not [call for call in calls if "venv --clear" in call]  # what is there is kept
    assert make("PYTHON=./python") == (0, "", [])
    os.utime(folder / "requirements.txt", (2e9, 2e9))
    code, _, calls = make("PYTHON=./python")
    assert code == 0
    assert len([call for call in calls if "install" in call]) == 2


def test_make_takes_torch_from_the_index_named_before_the_rest(workshop):
    _, make = workshop
    code, _, calls = make("PYTHON=./python", "TORCH_INDEX=https://example.org/cpu")
    assert code == 0
    first, second, third = [call for call in calls if "pip" in call and "install" in call]
    pinned = pins((ROOT / "requirements.txt").read_text())
    assert first.endswith(
        f"--no-deps --index-url https://example.org/cpu torch=={pinned['torch']} torchvision=={pinned['torchvision']}"
    )
    assert second.endswith("--requirement requirements.txt")
    assert third.endswith("--no-build-isolation --editable .")


def test_make_execute_stores_outputs_without_times(tmp_path):
    path = a_notebook(tmp_path / "good.ipynb", (2, {"outputs": [], "execution_count": None}), (3, {"execution_count": 17}))
    execute(path)
    assert [*output_faults(path), *comparison_faults(path), *setup_faults(path)] == []
    text = path.read_text()
    assert not list(text_faults("", text))
    execute(path)
    assert path.read_text() == text
    assert code_cells(path)[2]["outputs"][0]["text"] == ["1\n"]


def test_make_execute_leaves_a_failing_notebook_as_it_was(tmp_path):
    path = a_notebook(tmp_path / "bad.ipynb", (1, {"source": "1 / 0"}))
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["bad.ipynb"]


@pytest.mark.parametrize("arguments", [[], ["no-such-number"]])
def test_make_execute_says_what_it_wants(arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["execute.py", *arguments])
    with pytest.raises(SystemExit, match=r"^(Say which notebook|No notebook begins)"):
        runpy.run_path(str(ROOT / "tools" / "execute.py"), run_name="__main__")


def test_a_skipped_test_is_a_failure_in_ci(tmp_path):
    test = tmp_path / "test_it.py"
    test.write_text("import pytest\n\ndef test_a(): pass\n\ndef test_b(): pytest.skip('no browser')\n")
    home = {key: value for key, value in os.environ.items() if key != "CI"}
    result = run_tests.run_pytest("x", [str(test)], home)
    assert (result.passed, result.failed, result.skipped, result.ok) == (1, 0, 1, True)
    assert not run_tests.run_pytest("x", [str(test)], home | {"CI": "true"}).ok


def test_every_test_file_has_a_stage():
    known = {*run_tests.REPOSITORY, *run_tests.PAGES, *run_tests.ALONE}
    assert {f"tests/{name}" for name in known} <= {f"tests/{path.name}" for path in (ROOT / "tests").glob("test_*.py")}
    assert not {f"tests/{name}" for name in known} & {*run_tests.library_tests()}
    opening = {name for name in run_tests.library_tests() if re.search(r"import .*\bbrowser\b", (ROOT / name).read_text())}
    slow = {*run_tests.library_tests()} - {*run_tests.library_tests(quick=True)}
    assert opening < slow == {f"tests/{name}" for name in run_tests.SLOW}


def test_notebooks_that_ask_for_mnist_are_known(tmp_path):
    assert not run_tests.needs_mnist(a_notebook(tmp_path / "a.ipynb"))
    assert run_tests.needs_mnist(a_notebook(tmp_path / "b.ipynb", (1, {"source": 'images, labels = data.mnist("train")'})))


def test_without_mnist_the_fallback_is_found(tmp_path):
    assert "scikit-learn" in run_tests.data_source(run_tests.without_mnist(dict(os.environ), str(tmp_path)))
