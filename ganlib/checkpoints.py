"""The file that a run is kept in: written whole or not at all, read without executing anything."""

import copy
import glob
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganlib.training import Run

NETWORKS, OPTIMISERS = ("G", "D", "G_ema"), ("opt_G", "opt_D")


def save(run: Run, path: str | Path) -> None:
    """Writes a run to `path`: weights, optimisers, step and the states of torch's random generators.

    The bytes go to a temporary file beside `path`, to the disk, and only then take its name, so that whatever moment the
    process dies at, `path` holds the previous file or the new one, whole. A temporary file that a killed process left behind
    (``.NAME.xxxxxxxx.partial``) is removed by the next `save` to the same path; two processes must not share a path.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        leftover.unlink()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(_state(run), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name itself must reach the disk too
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load(run: Run, path: str | Path) -> None:
    """Brings `run` and torch's random generators to the state that :func:`save` wrote; executes no code from the file.

    The learning rates and other settings of the optimisers come from the file as well. A refused file leaves the run and
    the generators as they were.

    Raises:
        OSError: the file cannot be opened, e.g. FileNotFoundError.
        ValueError: the file is cut short or altered, holds code, is no checkpoint, or belongs to other networks or optimisers.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            if damaged := zipfile.ZipFile(file).testzip():  # torch.load compares no checksums
                raise ValueError(f"the bytes of {damaged} are not those that were written")
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged bytes make torch raise half a dozen kinds
            raise ValueError(
                f"{path} is no readable checkpoint (cut short, altered, or holding more than tensors): {error}"
            ) from error
    _check_state(run, state, path)
    before = copy.deepcopy(_state(run))
    try:
        _restore(run, state)
    except Exception as error:
        _restore(run, before)
        raise ValueError(f"{path} holds a state that does not fit: {error}") from error


def _state(run: Run) -> dict[str, Any]:
    return {
        **{name: getattr(run, name).state_dict() for name in NETWORKS + OPTIMISERS},
        "optimisers": {name: _describe(getattr(run, name)) for name in OPTIMISERS},
        "step": run.step,
        "cpu_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore(run: Run, state: dict[str, Any]) -> None:
    for name in NETWORKS + OPTIMISERS:
        getattr(run, name).load_state_dict(state[name])
    run.step = int(state["step"])
    torch.set_rng_state(state["cpu_rng"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])


def _check_state(run: Run, state: Any, path: Path) -> None:
    expected = {*NETWORKS, *OPTIMISERS, "optimisers", "step", "cpu_rng", "cuda_rng"}
    if not isinstance(state, dict) or set(state) != expected:
        found = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise ValueError(f"{path} is no checkpoint of a Run: expected the entries {sorted(expected)}, found {found}.")
    for name in NETWORKS:
        _check_same(_shapes(getattr(run, name).state_dict()), _shapes(state[name]), name, "architecture", path)
    ours = {name: _describe(getattr(run, name)) for name in OPTIMISERS}
    _check_same(ours, state["optimisers"], "optimisers", "optimiser", path)


def _check_same(here: Any, there: Any, name: str, what: str, path: Path) -> None:
    if here == there:
        return
    if isinstance(here, dict) and isinstance(there, dict):  # name the first entry that differs
        key = next(key for key in {**here, **there} if here.get(key) != there.get(key))
        name, here, there = f"{name}.{key}", here.get(key, "absent"), there.get(key, "absent")
    raise ValueError(f"{path} is of another {what}: {name} is {there} in the file, {here} in the run.")


def _shapes(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _shapes(value) for key, value in state.items()}
    return f"{state.dtype} {tuple(state.shape)}" if isinstance(state, Tensor) else type(state).__name__


def _describe(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Kind of optimiser and shapes of what it updates: the state it keeps makes sense for no other."""
    shapes = [[list(weight.shape) for weight in group["params"]] for group in optimiser.param_groups]
    return {"kind": type(optimiser).__name__, "shapes": shapes}
