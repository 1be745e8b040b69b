"""What a chapter shows is what the library runs, and every notebook is among those that nbval executes."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

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


def library(folder: Path = ROOT / "ganlib") -> dict[str, set[str]]:
    """Bare code by name, for every module of the library."""
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


def differences(path: Path, of: dict[str, set[str]]) -> list[str]:
    """The definitions of a notebook that the library has too, under the same name and with other code."""
    return [
        f"code cell {number}: {name} differs from ganlib's. The notebook has\n{code}\n\nganlib has\n{' or '.join(of[name])}"
        for number, name, code in cell_definitions(path)
        if name in of and code not in of[name]
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def test_a_definition_shown_is_the_one_that_runs(path):
    assert not differences(path, library())


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
SHOWN = """
%matplotlib inline
@cache
def step(run, reals, *, k=1):
    loss = f(reals)
    return loss * k  # the k of Algorithm 1


def only_here():
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
        ("return 1", "return 2", None),
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
    (tmp_path / "module.py").write_text(LIBRARY)
    assert old in SHOWN
    for text, expected in ((SHOWN, None), (SHOWN.replace(old, new), name)):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])
        nbformat.write(notebook, tmp_path / "shown.ipynb")
        found = differences(tmp_path / "shown.ipynb", library(tmp_path))
        assert [line.split()[3] for line in found] == ([expected] if expected else [])


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
    """Called as `make test` calls it: a stored output that no longer comes fails, and so does a cell that raises."""
    cases = {"same": ("print(1 + 1)", "2\n"), "other": ("print(1 + 1)", "3\n"), "raises": ("print(2); assert False", "2\n")}
    for name, (source, stored) in cases.items():
        cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[nbformat.v4.new_output("stream", text=stored)])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-q", *config, *run_tests.nbval_arguments(sorted(tmp_path.glob("*.ipynb")))]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    failed = [line.split("::")[0] for line in output.splitlines() if line.startswith("FAILED")]
    assert sorted(failed) == [  # two workers finish in either order
        "FAILED other.ipynb",
        "FAILED raises.ipynb",
    ], output
