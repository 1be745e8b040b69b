"""How long each chapter takes: every notebook executed from top to bottom, in a fresh kernel, one after the other.

Writes ``ganlib/results/notebook_times.json``, which chapter 0 prints. The record is written after each notebook, and what is
recorded already stays unless ``again`` is set, so a run that was stopped goes on where it was. Run it on a quiet machine:

    python experiments/notebook_times.py
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from ganlib import record

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def time_notebook(path: Path, timeout: int = 900) -> dict[str, float]:
    """Seconds from the kernel's start to the last cell's end, and the number of code cells; the file is not changed."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": folder}}).execute()
        seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 1), "code_cells": sum(cell.cell_type == "code" for cell in notebook.cells)}


def main(again: bool = False, notebooks: Path = NOTEBOOKS, results: Path = record.RESULTS) -> dict[str, dict[str, float]]:
    """Times every notebook that is not recorded yet (all of them if `again`); chapter 0 last, since it reads the record."""
    file = results / "notebook_times.json"
    old = {} if again or not file.is_file() else json.loads(file.read_text())["notebooks"]
    names = sorted(path.stem for path in notebooks.glob("[0-9]*.ipynb"))
    rows = {name: old[name] for name in names if name in old}
    for name in sorted(set(names) - set(rows), key=lambda name: (name.startswith("00"), name)):
        print(name, end=" ", flush=True)
        rows[name] = time_notebook(notebooks / f"{name}.ipynb")
        print(rows[name])
        rows = dict(sorted(rows.items()))
        total = sum(row["seconds"] for row in rows.values())
        record.write("notebook_times", {"omp_threads": os.environ.get("OMP_NUM_THREADS")}, {"notebooks": rows}, total, results)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="time recorded notebooks again")
    main(parser.parse_args().again)
