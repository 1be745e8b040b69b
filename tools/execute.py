"""Runs notebooks from a fresh kernel and stores their outputs; the file is replaced only when every cell has run.

python tools/execute.py 08        the notebook whose name begins with 08
python tools/execute.py all       every notebook
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path, timeout: int = 1800) -> None:
    """Runs every cell of the notebook and stores what it printed, with nothing of the machine or the hour in it.

    Raises:
        CellExecutionError: a cell failed; the file is left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env=os.environ | {"GANLIB_STORED": "1"})  # no program of a widget in what is stored
    notebook.metadata = nbformat.from_dict(METADATA)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False) as file:
        file.write(nbformat.writes(notebook) + "\n")
    Path(file.name).chmod(0o644)
    os.replace(file.name, path)


def main(names: list[str]) -> None:
    """Executes the notebooks whose names begin so; "all" means every one."""
    if not names:
        sys.exit("Say which notebook to execute: make execute NB=08, or NB=all.")
    for name in names:
        paths = sorted(NOTEBOOKS.glob("*.ipynb" if name == "all" else f"{name}*.ipynb"))
        if not paths:
            sys.exit(
                f"No notebook begins with {name!r}; there are {', '.join(p.stem for p in sorted(NOTEBOOKS.glob('*.ipynb')))}."
            )
        for path in paths:
            start = time.perf_counter()
            execute(path)
            print(f"{path.name}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
