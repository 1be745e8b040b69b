"""The recorded runs: what an experiment writes to ``ganlib/results/NAME.json`` and a notebook reads."""

import functools
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganlib.arguments import number
from ganlib.files import write_whole

RESULTS = Path(__file__).parent / "results"
PROVENANCE = ("seed", "commit", "environment")


def read(name: str) -> dict[str, Any]:
    """A recorded experiment: "experiment", "configuration", "environment", its time and the figures it measured.

    The time is called "wall_seconds", or "processor_seconds" where it leaves out the waiting for others on a shared machine.

    Raises:
        FileNotFoundError: nothing of that name is recorded; the message lists what is.
    """
    path = files("ganlib") / "results" / f"{name}.json"
    if not path.is_file():
        recorded = (entry.name for entry in (files("ganlib") / "results").iterdir())
        known = ", ".join(sorted(entry.removesuffix(".json") for entry in recorded if entry.endswith(".json")))
        raise FileNotFoundError(f"no recorded experiment has the name {name!r}; there are: {known}.")
    return json.loads(path.read_text())


def write(
    name: str,
    configuration: dict[str, Any],
    figures: dict[str, Any],
    seconds: float,
    folder: Path = RESULTS,
    clock: str = "wall",
) -> Path:
    """Writes ``folder/NAME.json`` whole or not at all, with the versions and the kind of machine it was made on.

    Args:
        name: of the experiment, as its file in ``experiments/``.
        configuration: the arguments of its ``main``.
        figures: what was measured, every seed's; NumPy's numbers and arrays, and tensors, become numbers and lists. Each run in
            them bears its :func:`provenance`; where the figures are those of a single run, they bear it themselves.
        seconds: how long it took.
        folder: where to; the package's own by default.
        clock: which clock the seconds are of, "wall" or "processor".

    Returns:
        The path written.

    Raises:
        TypeError: figures or configuration hold what JSON does not.
        ValueError: a number is not finite, the clock is no such, a figure bears the name of one of the record's own entries,
            no run is among the figures, or one does not say its seed, commit and environment.
    """
    if clock not in ("wall", "processor"):
        raise ValueError(f'clock must be "wall" or "processor", got {clock!r}.')
    if not isinstance(figures, dict) or not isinstance(configuration, dict):
        kinds = f"{type(figures).__name__} and {type(configuration).__name__}"
        raise TypeError(f"figures and configuration must be dictionaries, got {kinds}.")
    record = {
        "experiment": name,
        "configuration": configuration,
        "environment": environment(),
        f"{clock}_seconds": round(number(seconds, "seconds", 0.0), 1),
    }
    if taken := sorted((record.keys() - {"environment"}) & figures.keys()):
        raise ValueError(f"figures must not be called {', '.join(taken)}: the record itself uses these names.")
    record |= figures
    if not (runs := list(_runs_in(figures))):
        raise ValueError(f"figures must hold a run that says its {', '.join(PROVENANCE)}; none does.")
    for run in runs:
        if missing := [name for name in PROVENANCE if name not in (record if run is figures else run)]:
            raise ValueError(f"each run among the figures must say its {', '.join(missing)}; one has only {', '.join(run)}.")
    try:
        text = json.dumps(record, indent=1, allow_nan=False, default=_plain) + "\n"
    except (TypeError, ValueError) as error:
        raise type(error)(f"figures and configuration must hold finite numbers, strings and lists of them: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.json", lambda file: file.write(text.encode()))
    return folder / f"{name}.json"


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, and tensors, as Python's numbers and lists."""
    if isinstance(value, np.generic | np.ndarray | torch.Tensor):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is none of these")


def _runs_in(figures: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary in a structure that bears at least one entry of a run's provenance."""
    if isinstance(figures, dict):
        if figures.keys() & set(PROVENANCE):
            yield figures
        figures = list(figures.values())
    if isinstance(figures, list | tuple):
        for entry in figures:
            yield from _runs_in(entry)


def provenance(seed: int | list[int] | None) -> dict[str, Any]:
    """What a run says of itself: its seed (None where nothing is drawn), the commit of the code and the environment."""
    return {"seed": seed, "commit": commit(), "environment": environment()}


@functools.cache  # as it was when it was first asked: files may change under a process that computes for an hour
def commit() -> str:
    """The commit that this code is at, with "+" if code tracked by git differs from it; "unknown" outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ":/*.py"], capture_output=True).returncode
    return head + "+" * (changed != 0)


def environment() -> dict[str, Any]:
    """Library versions and the kind of machine; nothing that names a particular one."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "numpy")},
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
