"""How long each chapter takes: every notebook executed from top to bottom, in a fresh kernel, one after the other.

Writes ``ganlib/results/notebook_times.json``, which chapter 0 prints. A finished notebook is kept as long as its text, the
library, the environment and the machine stay what they are, so that a run that was stopped goes on where it was; ``--again``
times all of them anew, ``--absent`` those alone that the record lacks. Run it on a quiet machine:

    python experiments/notebook_times.py
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import bench
import nbformat
from nbclient import NotebookClient

from ganlib import record

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def time_notebook(path: str, **known_by: Any) -> dict[str, float]:
    """Seconds from the kernel's start to the last cell's end, and the number of code cells; the file is not changed."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}}).execute()
        seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 1), "code_cells": sum(cell.cell_type == "code" for cell in notebook.cells)}


def identity(path: Path, again: bool) -> dict[str, Any]:
    """What a time belongs to: the cells, the library's code, versions and machine; with `again`, this moment."""
    cells = [[cell.cell_type, cell.source] for cell in nbformat.read(path, as_version=4).cells]
    code = [module.read_bytes() for module in sorted(Path(record.__file__).parent.rglob("*.py"))]
    known_by = {"cells": hashlib.sha256(repr([cells, code]).encode()).hexdigest(), "environment": record.environment()}
    known_by |= {"omp_threads": os.environ.get("OMP_NUM_THREADS")}
    return {"path": str(path)} | known_by | ({"moment": time.time_ns()} if again else {})


def main(
    again: bool = False, absent: bool = False, notebooks: Path = NOTEBOOKS, results: Path = record.RESULTS
) -> dict[str, dict[str, Any]]:
    """Times every notebook that is not kept; chapter 0 last, since it reads the record.

    Args:
        again: times those that are kept, too.
        absent: times those alone that are not in the record, whose other rows stay as they are, each with its own commit.
        notebooks: the folder that holds them.
        results: the folder that holds the record.
    """
    rows: dict[str, dict[str, Any]] = {}
    if absent:
        rows = json.loads((results / "notebook_times.json").read_text())["notebooks"]
    for path in sorted(notebooks.glob("[0-9]*.ipynb"), key=lambda path: (path.name.startswith("00"), path.name)):
        if absent and path.stem in rows:
            continue
        rows[path.stem] = bench.kept(path.stem, time_notebook, identity(path, again))
        print(path.stem, {name: rows[path.stem][name] for name in ("seconds", "code_cells")}, flush=True)
    rows, total = dict(sorted(rows.items())), sum(row["seconds"] for row in rows.values())
    record.write("notebook_times", {"omp_threads": os.environ.get("OMP_NUM_THREADS")}, {"notebooks": rows}, total, results)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="time notebooks again that are kept")
    parser.add_argument("--absent", action="store_true", help="time only notebooks that the record lacks")
    asked = parser.parse_args()
    main(asked.again, asked.absent)
