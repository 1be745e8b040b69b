"""The file that a run is kept in: written whole or not at all, read without executing anything."""

import copy
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlib.arguments import whole
from ganlib.files import write_whole
from ganlib.training import Run

NETWORKS, OPTIMISERS = ("G", "D", "G_ema"), ("opt_G", "opt_D")


def save(run: Run, path: str | Path) -> None:
    """Writes a run to `path`: weights, optimisers, step and the states of torch's random generators.

    Whatever moment the process dies at, `path` holds the previous file or the new one, whole, see
    :func:`ganlib.files.write_whole`. The names that torch.compile, DataParallel and their like put before a weight's are left
    out, so that a wrapped run goes on as a bare one and back. Introduced in chapter 8.

    Raises:
        TypeError: ``run.step`` is no whole number; the previous file stays.
        ValueError: ``run.step`` is negative, or a part holds what :func:`load` would not read, that is more than tensors,
            numbers, strings and containers of them; the previous file stays.
        OSError: the folder is missing, full or cannot be written; the previous file stays.
    """
    state = _without_numpy(_state(run))
    whole(state["step"], "step", 0)
    content = io.BytesIO()
    try:
        torch.save(state, content)
        _read(content)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # what cannot be pickled, or not be read back without executing code
        name = next((name for name, part in state.items() if not _is_plain(part)), "run")
        raise ValueError(f"{name} holds more than tensors, numbers, strings and containers of them: {error}") from error
    write_whole(path, lambda file: file.write(content.getbuffer()))


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
            state = _read(file)
        except Exception as error:  # damaged bytes make torch raise half a dozen kinds
            raise ValueError(
                f"{path} is no readable checkpoint (cut short, altered, or holding more than tensors): {error}"
            ) from error
    _check_state(run, state, path)
    before = copy.deepcopy(_state(run))
    try:
        whole(state["step"], "step", 0)
        _restore(run, state)
    except Exception as error:
        _restore(run, before)
        raise ValueError(f"{path} holds a state that does not fit: {error}") from error


def _read(file: io.BufferedIOBase) -> Any:
    """What torch.save wrote, if every byte is what was written; code is not executed."""
    file.seek(0)
    if damaged := zipfile.ZipFile(file).testzip():  # torch.load compares no checksums
        raise ValueError(f"the bytes of {damaged} are not those that were written")
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


def _is_plain(part: Any) -> bool:
    content = io.BytesIO()
    try:
        torch.save(part, content)
        _read(content)
    except Exception:
        return False
    return True


def _without_numpy(value: Any) -> Any:
    """The same structure with NumPy's numbers as Python's: a learning rate may come out of an array."""
    if isinstance(value, dict):
        return type(value)((key, _without_numpy(entry)) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return type(value)(_without_numpy(entry) for entry in value)
    return value.item() if isinstance(value, np.generic) else value


def _bare_name(name: str, names: list[str]) -> str:
    """The name of a weight without those of wrappers: torch.compile's anywhere, ``module.`` where all names begin with it."""
    name, names = name.replace("_orig_mod.", ""), [other.replace("_orig_mod.", "") for other in names]
    while names and all(other.startswith("module.") for other in names):
        name, names = name.removeprefix("module."), [other.removeprefix("module.") for other in names]
    return name


def _bare(weights: dict[str, Any]) -> dict[str, Any]:
    return {_bare_name(name, list(weights)): value for name, value in weights.items()}


def _state(run: Run) -> dict[str, Any]:
    return {
        **{name: _bare(getattr(run, name).state_dict()) for name in NETWORKS},
        **{name: getattr(run, name).state_dict() for name in OPTIMISERS},
        "optimisers": {name: _describe(getattr(run, name)) for name in OPTIMISERS},
        "step": run.step,
        "cpu_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps_rng": [torch.mps.get_rng_state()] if torch.backends.mps.is_available() else [],
        "xpu_rng": torch.xpu.get_rng_state_all() if torch.xpu.is_available() else [],
    }


def _restore(run: Run, state: dict[str, Any]) -> None:
    for name in NETWORKS:
        names = list(getattr(run, name).state_dict())
        getattr(run, name).load_state_dict({full: state[name][_bare_name(full, names)] for full in names})
    for name in OPTIMISERS:
        getattr(run, name).load_state_dict(state[name])
    run.step = state["step"]
    torch.set_rng_state(state["cpu_rng"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
    if torch.backends.mps.is_available() and state.get("mps_rng"):
        torch.mps.set_rng_state(state["mps_rng"][0])
    if torch.xpu.is_available():
        torch.xpu.set_rng_state_all(state.get("xpu_rng", [])[: torch.xpu.device_count()])


def _check_state(run: Run, state: Any, path: Path) -> None:
    expected = {*NETWORKS, *OPTIMISERS, "optimisers", "step", "cpu_rng", "cuda_rng"}  # and of version 0.1 no more than these
    if not isinstance(state, dict) or set(state) - {"mps_rng", "xpu_rng"} != expected:
        found = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise ValueError(f"{path} is no checkpoint of a Run: expected the entries {sorted(expected)}, found {found}.")
    for name in NETWORKS:
        _check_same(_shapes(_bare(getattr(run, name).state_dict())), _shapes(state[name]), name, "architecture", path)
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
    optimiser = getattr(optimiser, "optimizer", optimiser)  # Lightning Fabric keeps it in a wrapper
    shapes = [[list(weight.shape) for weight in group["params"]] for group in optimiser.param_groups]
    return {"kind": type(optimiser).__name__, "shapes": shapes}
