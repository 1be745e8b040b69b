"""What a chapter shows is what the library runs, and every notebook is among those that nbval executes."""

import ast
import itertools
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

import nbformat
import pytest
import run_tests
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Bare(ast.NodeTransformer):
    """Takes docstrings and annotations away and leaves what runs.

    In the body of a class `x: T = 1` stays apart from `x = 1`, because it makes a field of a dataclass; only T goes. In a
    function the two are one, and a bare `x: T` goes.
    """

    def __init__(self):
        self.in_class = False

    def body(self, node: ast.AST, in_class: bool) -> ast.AST:
        outer, self.in_class = self.in_class, in_class
        if ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        self.in_class = outer
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self.body(node, in_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.body(node, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if self.in_class:
            node.annotation = ast.Constant(None)
            return node
        return node.value and ast.Assign([node.target], node.value)


def bare(definition: Definition) -> str:
    """The definition without docstrings and annotations, written out in one way."""
    return ast.unparse(ast.fix_missing_locations(Bare().visit(definition)))


def definitions(source: str) -> list[tuple[str, str]]:
    """Name and bare code of every top-level function and class."""
    return [(node.name, bare(node)) for node in ast.parse(source).body if isinstance(node, Definition)]


def written_once(folder: Path) -> dict[str, set[str]]:
    """Bare code by name, for every module of a folder."""
    found = defaultdict(set)
    for path in folder.rglob("*.py"):
        for name, code in definitions(path.read_text(encoding="utf-8")):
            found[name].add(code)
    return found


def cell_definitions(path: Path) -> list[tuple[int, str, str]]:
    """Number of the code cell, name and bare code of every top-level function and class of a notebook."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    transform = TransformerManager().transform_cell  # magics become calls
    return [(i, name, code) for i, cell in enumerate(cells) for name, code in definitions(transform(cell.source))]


def library_and_experiments(root: Path = ROOT) -> dict[str, set[str]]:
    """What a notebook's definitions are compared with: the library's, then those of the experiments, `main` aside."""
    found = written_once(root / "experiments") | written_once(root / "ganlib")
    return {name: code for name, code in found.items() if name != "main"}


def differences(path: Path, of: dict[str, set[str]]) -> list[str]:
    """The definitions of a notebook that stand elsewhere too, under the same name and with other code."""
    return [
        f"code cell {number}: {name} is not the one written elsewhere. The notebook has\n{code}\n\nand the library or an "
        f"experiment has\n{' or '.join(of[name])}"
        for number, name, code in cell_definitions(path)
        if name in of and code not in of[name]
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def test_a_definition_shown_is_the_one_that_runs(path):
    assert not differences(path, library_and_experiments())


LIBRARY = '''
@cache
def step(run: "Run", reals: Tensor, *, k: int = 1) -> Scalar:
    """One step."""
    loss: Tensor = f(reals)
    later: int
    return loss * k


@dataclass
class Run:
    """A run."""

    G: Module
    step: int = 0

    def rounds(self) -> int:
        """How many."""
        return self.step
'''
EXPERIMENT = """
def main():
    return 0


def step():
    return 0


def helper():
    return 1
"""
SHOWN = """
%matplotlib inline
@cache
def step(run, reals, *, k=1):
    loss = f(reals)
    return loss * k  # the k of Algorithm 1


def main():
    return 1


def helper():
    return 1


@dataclass
class Run:
    G: "nn.Module"
    step: "int" = 0

    def rounds(self):
        return self.step
"""


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("def main():\n    return 1", "def main():\n    return 2", None),
        ("def helper():\n    return 1", "def helper():\n    return 2", "helper"),
        ("loss * k ", "loss + k ", "step"),
        ("k=1", "k=2", "step"),
        ("*, k", "k", "step"),
        ("@cache", "", "step"),
        ("loss = f(reals)", "loss = f(reals); g()", "step"),
        ("@dataclass", "", "Run"),
        ('step: "int" = 0', "step = 0", "Run"),
        ("return self.step", "return self.step + 1", "Run"),
        ("class Run", "class Run(Base)", "Run"),
    ],
)
def test_a_definition_that_differs_is_found(tmp_path, old, new, name):
    for place, text in (("ganlib", LIBRARY), ("experiments", EXPERIMENT)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "module.py").write_text(text)
    assert old in SHOWN
    for text, expected in ((SHOWN, None), (SHOWN.replace(old, new), name)):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])
        nbformat.write(notebook, tmp_path / "shown.ipynb")
        found = differences(tmp_path / "shown.ipynb", library_and_experiments(tmp_path))
        assert [line.split()[3] for line in found] == ([expected] if expected else [])


# The names of a notebook

UNKNOWN, LOOP = "something", "a loop variable"


class Globals(ast.NodeVisitor):
    """Collects in ``found`` the name and kind of every global that a cell binds, as far as its text shows the kind."""

    DISPLAYS: ClassVar = {
        **dict.fromkeys((ast.List, ast.ListComp), "list"),
        **dict.fromkeys((ast.Dict, ast.DictComp), "dict"),
        **dict.fromkeys((ast.Set, ast.SetComp), "set"),
        ast.Tuple: "tuple",
        ast.JoinedStr: "str",
    }

    def __init__(self, source: str):
        self.found: list[tuple[str, str]] = []
        self.visit(ast.parse(source))

    def bind(self, target: ast.expr, kind: str) -> None:
        if isinstance(target, ast.Name):
            self.found.append((target.id, kind))
        elif isinstance(target, ast.Tuple | ast.List | ast.Starred):
            for part in getattr(target, "elts", None) or [target.value]:
                self.bind(part, kind if kind == LOOP else UNKNOWN)

    def kind(self, value: ast.expr) -> str:
        """What a value is, where its text shows it; any other call, sum or name is unknown."""
        if isinstance(value, ast.UnaryOp):
            return self.kind(value.operand)
        if isinstance(value, ast.Constant):
            return "number" if type(value.value) in (int, float) else type(value.value).__name__
        if isinstance(value, ast.Lambda):
            return f"function {ast.unparse(value)}"
        if isinstance(value, ast.Call):
            called = ast.unparse(value.func).rpartition(".")[2]
            if called in ("item", "len", "int", "float"):
                return "number"
            return f"object of {called}" if called[:1].isupper() else UNKNOWN
        return self.DISPLAYS.get(type(value), UNKNOWN)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            both = [getattr(side, "elts", ()) for side in (target, node.value)]
            if both[0] and len(both[0]) == len(both[1]):  # a, b = 1, []
                for name, value in zip(*both):
                    self.bind(name, self.kind(value))
            else:
                self.bind(target, self.kind(node.value))

    def visit_For(self, node: ast.For) -> None:
        self.bind(node.target, LOOP)
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars:
            self.bind(node.optional_vars, UNKNOWN)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.bind(node.target, self.kind(node.value))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.found += [(node.name, UNKNOWN)] if node.name else []
        self.generic_visit(node)

    def visit_FunctionDef(self, node: Definition) -> None:
        self.found.append((node.name, f"function {bare(node)}"))

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """What is bound in a function is no global."""

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        place = getattr(node, "module", None)
        for alias in node.names:
            name = alias.asname or (alias.name if place else alias.name.partition(".")[0])
            self.found.append((name, f"import of {place}.{alias.name}" if place else f"import of {name}"))

    visit_ImportFrom = visit_Import


def clash(one: str, other: str) -> bool:
    """Whether two kinds of things need two names.

    What a `def`, a `class`, a `lambda` or an import binds keeps its name to itself: nothing else may have it, nor other code.
    Of the rest only what the text shows is judged: numbers, strings, tuples, lists, dicts, sets and objects of different
    classes are of different kinds. A loop variable is one of many and may be a number, a string or an object, not a collection.
    """
    if one == other:
        return False
    if any(kind.startswith(("function ", "import of ")) for kind in (one, other)):
        return True
    if LOOP in (one, other):
        return bool({one, other} & {"tuple", "list", "dict", "set"})
    return not {UNKNOWN, "NoneType"} & {one, other}


def reused_names(path: Path) -> list[str]:
    """The globals of a notebook that are bound to things of two kinds; `_` holds what nobody reads."""
    kinds = defaultdict(dict)
    transform = TransformerManager().transform_cell
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells):
        for name, kind in Globals(transform(cell.source)).found:
            kinds[name].setdefault(kind, number)
    return [
        f"{name}: {one} (code cell {first}) and {other} (code cell {second})".replace("\n", "\n    ")
        for name, of in kinds.items()
        if name != "_"
        for (one, first), (other, second) in itertools.combinations(of.items(), 2)
        if clash(one, other)
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def test_a_name_of_a_notebook_is_one_kind_of_thing(path):
    assert not reused_names(path)


@pytest.mark.parametrize(
    ("first", "second", "clashes"),
    [
        ("def f(x):\n    return x", "f = g(1)", True),
        ("def f(x):\n    return x", "def f(x):\n    return 2 * x", True),
        ("def f(x):\n    return x", 'def f(x: int) -> int:\n    """The same."""\n    return x', False),
        ("class f:\n    pass", "for f in y:\n    pass", True),
        ("from a import f", "from b import f", True),
        ("import a.f", "import a.g", False),
        ("import f", "with open(y) as f:\n    pass", True),
        ("f = lambda: 1", "f = 1", True),
        ("f = 1", "f = [1]", True),
        ("f = -1", "f = h(1).item()", False),
        ("x, f = 1, []", "if y:\n    f = {}", True),
        ("f = Net(1)", "f = nn.Other(1)", True),
        ("f = Net(1)", "f = a.Net(2)", False),
        ("for x, (f, *_) in y:\n    pass", "f = 3", False),
        ("for x, (f, *_) in y:\n    pass", "f = {1: 2}", True),
        ("f = [1]", "f = torch.tensor(f)", False),
        ("f = 1", "x = (f := 'one')", True),
        ("f = 1", "def g():\n    f = []\n\n\nh([f for f in y])", False),
    ],
)
def test_a_name_for_two_kinds_of_things_is_found(tmp_path, first, second, clashes):
    path = tmp_path / "reused.ipynb"
    for sources in ((first, second), (second, first)):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        assert [line.partition(":")[0] for line in reused_names(path)] == ["f"] * clashes


# What a stopped loop leaves


def names_in(nodes: list[ast.stmt], context: type) -> set[str]:
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def lost_names(sources: list[str]) -> list[str]:
    """What later cells read and no cell has made, if a loop over `train` that looks at its rounds is stopped."""
    transform = TransformerManager().transform_cell
    cells, known, lost = [ast.parse(transform(source)).body for source in sources], set(), []
    for number, cell in enumerate(cells):
        for place, node in enumerate(cell):
            if isinstance(node, ast.For) and "train(" in ast.unparse(node.iter) and ast.unparse(node.target) != "_":
                late = names_in(cell[place:], ast.Store) - names_in(cell[:place], ast.Store) - known
                for later in cells[number + 1 :]:
                    lost += sorted(late & names_in(later, ast.Load) - names_in(later, ast.Store))
                    late -= names_in(later, ast.Store)
        known |= names_in(cell, ast.Store)
    return lost


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def test_a_stopped_loop_leaves_what_later_cells_read(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not lost_names([cell.source for cell in cells if cell.cell_type == "code"])


@pytest.mark.parametrize(
    ("before", "target", "inside", "after", "later", "lost"),
    [
        ("", "_", "pass", "seconds = clock()", "print(seconds)", []),  # one measurement, to be taken again
        ("", "losses", "pass", "seconds = clock()", "print(seconds)", ["seconds"]),
        ("", "losses", "seconds = clock()", "", "print(seconds)", ["seconds"]),
        ("seconds = 0.0", "losses", "seconds = clock()", "", "print(seconds)", []),
        ("", "losses", "pass", "seconds = clock()", "seconds = 1; print(seconds)", []),
        ("", "losses", "pass", "print(losses)", "print(run)", []),
    ],
)
def test_a_name_that_a_stopped_loop_loses_is_found(before, target, inside, after, later, lost):
    cell = f"{before}\nfor {target} in train(run, steps=3):\n    {inside}\n{after}"
    assert lost_names([cell, later]) == lost


# The sign for plus or minus


def misspelt(root: Path) -> list[str]:
    """Notebooks, code and outputs included, and pages of the book that write the two signs in place of the one."""
    pages = [*sorted((root / "notebooks").glob("*.ipynb")), *sorted((root / "book").glob("*.md"))]
    return [path.name for path in pages if "+-" in path.read_text(encoding="utf-8")]


def test_plus_or_minus_is_one_sign(tmp_path):
    assert not misspelt(ROOT)
    for folder in ("notebooks", "book"):
        (tmp_path / folder).mkdir()
    cell = nbformat.v4.new_code_cell("f(1, 2)", outputs=[nbformat.v4.new_output("stream", text="1 +- 2\n")])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "printed.ipynb")
    (tmp_path / "book" / "right.md").write_text("1 ± 2", encoding="utf-8")
    (tmp_path / "book" / "wrong.md").write_text("1 +- 2", encoding="utf-8")
    assert misspelt(tmp_path) == ["printed.ipynb", "wrong.md"]


# What nbval runs


def collected(paths: list[Path]) -> dict[str, int]:
    """How many cells pytest takes from each notebook when called as `make test` calls it."""
    command = [sys.executable, "-m", "pytest", *run_tests.NBVAL, "--collect-only", "-q", *map(str, paths)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    found = defaultdict(int)
    for line in output.splitlines():
        if "::Cell " in line:
            found[Path(line.split("::")[0]).name] += 1
    return dict(found)


def test_every_notebook_is_collected():
    """All of the folder, each with all of its code cells."""
    cells = {path.name: [c.cell_type for c in nbformat.read(path, as_version=4).cells].count("code") for path in NOTEBOOKS}
    assert cells
    assert sorted(run_tests.notebooks()) == NOTEBOOKS
    assert collected(run_tests.notebooks()) == cells


def test_nbval_notices_what_changed(tmp_path):
    """Called as `make test` calls it: a stored output that no longer comes fails, and so does a cell that raises.

    Of a drawing its words count and not its lines.
    """
    cases = {"same": ("print(1 + 1)", "2\n"), "other": ("print(1 + 1)", "3\n"), "raises": ("print(2); assert False", "2\n")}
    for name, (source, stored) in cases.items():
        cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[nbformat.v4.new_output("stream", text=stored)])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    for name, words in (("drawn", "a line"), ("misnamed", "a circle")):
        drawing = {"image/svg+xml": "<?xml?>\n<svg>1</svg>", "text/plain": "a line"}
        cell = nbformat.v4.new_code_cell(f"display({drawing}, raw=True)", execution_count=1)
        stored = {"image/svg+xml": "<?xml?>\n<svg>2</svg>", "text/plain": words}
        cell.outputs = [nbformat.v4.new_output("display_data", data=stored)]
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-q", *config, *run_tests.nbval_arguments(sorted(tmp_path.glob("*.ipynb")))]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    failed = [line.split("::")[0] for line in output.splitlines() if line.startswith("FAILED")]
    assert sorted(failed) == [  # two workers finish in either order
        "FAILED misnamed.ipynb",
        "FAILED other.ipynb",
        "FAILED raises.ipynb",
    ], output
