"""A notebook runs alone, as in Colab: in an empty folder and an environment with the book's dependencies but without ganlib.

Two chapters run in full: 02, which plots and prints, and 03, which trains. Their first cell installs ganlib from this working
tree, which GANLIB_SRC names, without a network.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from repository import setup_cell

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ("02_minimax_game", "03_algorithm_by_hand")
WHERE = """
import json
from importlib.metadata import distribution

_installed = distribution("ganlib")
print(json.dumps({
    "file": ganlib.__file__,
    "direct_url": json.loads(_installed.read_text("direct_url.json")),
    "files": sorted(str(path) for path in _installed.files if path.parts[0] == "ganlib" and path.suffix != ".pyc"),
}))"""


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Path:
    """A new virtual environment with a kernel of its own; it sees all the packages installed here except ganlib.

    The packages are not copied: a folder of links to them, without ganlib's, is put on the new environment's path.
    """
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(site).iterdir():
            if "ganlib" not in entry.name and entry.suffix != ".pth":
                (shelf / entry.name).symlink_to(entry)
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", query], check=True, capture_output=True, text=True).stdout.strip()
    (Path(site) / "shelf.pth").write_text(f"{shelf}\n")

    kernel = tmp_path / "jupyter" / "kernels" / "alone"
    kernel.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "alone", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    monkeypatch.setenv("GANLIB_SRC", str(ROOT))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # pip asks no registry: what ganlib needs is there
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip's way to say yes: setuptools is there too
    rubbish = tmp_path / "rubbish"  # what setuptools leaves behind lands here, not in the working tree
    (tmp_path / "extra.cfg").write_text(f"[build]\nbuild_base = {rubbish}\n[egg_info]\negg_base = {rubbish}\n")
    rubbish.mkdir()
    monkeypatch.setenv("DIST_EXTRA_CONFIG", str(tmp_path / "extra.cfg"))
    for name in ("PYTHONPATH", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)
    return folder


def run_alone(notebook: nbformat.NotebookNode, folder: Path) -> dict:
    """Executes the notebook in an empty folder, one cell more at its end, and returns what that cell says of ganlib."""
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE))
    folder.mkdir()
    client = NotebookClient(
        notebook, timeout=1200, startup_timeout=300, kernel_name="alone", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    # A busy machine may deliver one print in several pieces.
    return json.loads("".join(output["text"] for output in notebook.cells[-1].outputs if output.get("name") == "stdout"))


def tree() -> set[str]:
    """What lies in the working tree's own folder and in ganlib's, the products of running Python aside."""
    found = {*ROOT.iterdir(), *(ROOT / "ganlib").rglob("*")}
    return {str(path.relative_to(ROOT)) for path in found if not {"__pycache__", ".git", ".coverage"} & {*path.parts}}


def check(where: dict, environment: Path) -> None:
    """ganlib lies in the new environment, came from this working tree, and is whole."""
    assert Path(where["file"]).is_relative_to(environment)
    assert where["direct_url"] == {"url": ROOT.as_uri(), "dir_info": {}}
    sources = [p for p in (ROOT / "ganlib").rglob("*") if p.suffix in (".py", ".js") or p.parent.name in ("results", "weights")]
    assert where["files"] == sorted(str(path.relative_to(ROOT)) for path in sources)


def test_the_environment_has_no_ganlib(environment, tmp_path):
    """Without the set-up cell a notebook finds torch, and no ganlib; with it, both; the working tree stays as it was."""
    before = tree()
    bare = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import torch"), nbformat.v4.new_code_cell("import ganlib")]
    )
    with pytest.raises(CellExecutionError) as raised:
        run_alone(bare, tmp_path / "bare")
    assert (raised.value.ename, raised.value.evalue) == ("ModuleNotFoundError", "No module named 'ganlib'")
    assert bare.cells[0].execution_count == 1
    check(run_alone(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(setup_cell())]), tmp_path / "whole"), environment)
    assert not tree() - before


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_runs_alone(chapter, environment, tmp_path):
    folder = tmp_path / "empty"
    shutil.copy(ROOT / "notebooks" / f"{chapter}.ipynb", tmp_path)
    try:
        where = run_alone(nbformat.read(tmp_path / f"{chapter}.ipynb", as_version=4), folder)
    except CellExecutionError as error:  # the cell and its traceback say it all; nbclient's own would only be long
        pytest.fail(str(error), pytrace=False)
    check(where, environment)
    assert not os.listdir(folder)
