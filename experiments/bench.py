"""The bench that every experiment works on: finished runs that are kept, runs that go on, chapter 8's recipe, the openings."""

import argparse
import ast
import copy
import functools
import hashlib
import inspect
import json
import re
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ganlib import checkpoints, data, guards, networks, objectives, penalties, record, training
from ganlib.files import write_whole
from ganlib.types import Game

RUNS = Path(__file__).parent / "runs"

# Finished runs


def bare(source: str) -> str:
    """Source without comments, docstrings and annotations: what of it computes."""
    tree = ast.parse(textwrap.dedent(source))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Name("Any", ast.Load())
    return ast.unparse(tree)


@functools.cache  # as it was when it was loaded: a file may change under a process that computes for an hour
def source_of(part: Callable | ModuleType | str) -> str:
    """The bare source of a function, a class or a module; source itself, made bare."""
    return bare(part if isinstance(part, str) else inspect.getsource(inspect.unwrap(part)))


def identity_of(settings: dict[str, Any], uses: Iterable[Callable | ModuleType | str]) -> dict[str, Any]:
    """What a run is known by: its settings as JSON and the SHA-256 of the bare source of what computes it.

    Args:
        settings: the arguments of the run.
        uses: functions, classes, modules, or source itself, in any order.
    """
    sources = "\0".join(sorted({source_of(part) for part in uses}))
    return {"settings": json.loads(json.dumps(settings)), "source": hashlib.sha256(sources.encode()).hexdigest()}


def place_of(label: str, compute: Callable, settings: dict[str, Any], uses: Iterable = ()) -> Path:
    """The file of this run: its name holds the label and a digest, so that a run of another identity stays beside it."""
    identity = identity_of(settings, [compute, *uses])
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    return RUNS / f"{re.sub(r'[^A-Za-z0-9.]+', '_', label)}.{digest}.json"


def kept(label: str, compute: Callable, settings: dict[str, Any], uses: Iterable = ()) -> dict[str, Any]:
    """What ``compute(**settings)`` returned when a run of this identity was last finished, or returns now.

    Args:
        label: the beginning of the file's name.
        compute: returns a dictionary of JSON, or such a one and tensors by name, which are kept beside it as safetensors.
        settings: its arguments, of JSON. "seed", or "seeds" of a run that trains several at once, goes into the outcome.
        uses: what else, functions or modules, decides what comes out.

    Returns:
        The outcome with its seed, commit and environment, and with the processor's "seconds" where it does not say its own.
    """
    path, identity = place_of(label, compute, settings, uses), identity_of(settings, [compute, *uses])
    if path.exists() and (state := json.loads(path.read_text()))["identity"] == identity:
        return state["outcome"]
    provenance = record.provenance(settings.get("seed", settings.get("seeds")))  # of the start: files may change meanwhile
    begun = time.process_time()
    outcome = compute(**settings)
    outcome, tensors = outcome if isinstance(outcome, tuple) else (outcome, {})
    outcome = {"seconds": round(time.process_time() - begun, 1)} | outcome | provenance
    RUNS.mkdir(parents=True, exist_ok=True)
    if tensors:
        write_whole(path.with_suffix(".safetensors"), lambda file: file.write(to_bytes(tensors)))
    write_json(path, {"identity": identity, "outcome": outcome})
    return json.loads(path.read_text())["outcome"]


def write_json(path: Path, content: Any) -> None:
    """The file whole or not at all; numbers must be finite."""
    write_whole(path, lambda file: file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode()))


def asked(
    parser: argparse.ArgumentParser, experiment: str, is_part: Callable[[argparse.Namespace], bool]
) -> argparse.Namespace:
    """The command line, with ``--name`` of the record; a part of an experiment must not take the name of the whole."""
    parser.add_argument("--name", default=experiment, help="of the record; a part of the experiment needs one of its own")
    answers = parser.parse_args()
    if is_part(answers) and answers.name == experiment:
        parser.error(f"this is a part of {experiment}, and its record must not replace that of the whole: give it a --name.")
    return answers


def in_half(weights: dict[str, Tensor]) -> bytes:
    """Weights as safetensors, numbers with a point in half precision."""
    return to_bytes({name: value.half() if value.is_floating_point() else value for name, value in weights.items()})


def ship(name: str, content: bytes, experiment: str) -> str:
    """Puts ``weights/NAME.safetensors`` into the library, with its line in the manifest; returns its SHA-256."""
    weights, sha256 = Path(networks.__file__).parent / "weights", hashlib.sha256(content).hexdigest()
    manifest = json.loads((weights / "manifest.json").read_text())
    made = {"sha256": sha256, "made_by": f"experiments/{experiment}.py", "record": f"results/{experiment}.json"}
    write_whole(weights / f"{name}.safetensors", lambda file: file.write(content))
    write_json(weights / "manifest.json", manifest | {f"{name}.safetensors": made})
    return sha256


def rounded(value: Any, digits: int = 5) -> Any:
    """The same structure with floats at `digits` significant digits, so that a record stays readable."""
    if isinstance(value, dict):
        return {key: rounded(entry, digits) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry, digits) for entry in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


# Runs that go on


def keep(run: training.Run, path: Path | None, story: dict[str, Any]) -> None:
    """Saves what was seen on the way, then the run, each file whole or not at all; nothing if `path` is None.

    A story bears its round in its name: if the process dies between the two, the older run still has the older story.
    """
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".round{run.step}.json")
    write_json(beside, story)  # it is on the disk before the run that needs it
    checkpoints.save(run, path)
    for older in path.parent.glob(f"{path.stem}.round*.json"):
        if older != beside:
            older.unlink()


def go_on(run: training.Run, path: Path | None, identity: dict[str, Any]) -> dict[str, Any]:
    """Brings `run` to the state kept at `path` and returns its story; without one, the story of a run about to begin.

    A story holds the entries of `identity`, "along", what was seen on the way, "seconds" of the processor, and the seed,
    commit and environment that it began with.

    Raises:
        ValueError: the file belongs to a run of another identity.
    """
    identity = json.loads(json.dumps(identity))
    if path is None or not path.exists():
        provenance = record.provenance(identity.get("seed", identity.get("seeds")))
        return identity | {"along": [], "seconds": 0.0} | provenance
    checkpoints.load(run, path)
    story = json.loads(path.with_suffix(f".round{run.step}.json").read_text())
    theirs = {name: story.get(name) for name in identity}
    if theirs != identity:
        raise ValueError(f"{path} holds {theirs}, asked for is {identity}.")
    return story


# Chapter 8's pair, and what decides how a run of it ends

PLAYED = (
    *(training.train, training.discriminator_step, training.generator_step, training.update_ema, training.Run, guards),
    *(networks.MLPGenerator, networks.MLPDiscriminator, networks.sample, objectives, penalties, data.Batches, data.to_float),
)


def fresh_run(
    G: nn.Module, D: nn.Module, lr: float = 1e-3, lr_D: float = 5e-4, betas: Sequence[float] = (0.0, 0.99)
) -> training.Run:
    """A run about to begin: Adam without momentum, as in chapter 8, and G twice as fast as D (there nearly three times)."""
    opt_G = torch.optim.Adam(G.parameters(), lr=lr, betas=tuple(betas), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=lr_D, betas=tuple(betas), fused=True)
    return training.Run(G, D, opt_G, opt_D)


def recipe(seed: int = 0) -> training.Run:
    """The pair of chapter 8 with the optimisers of :func:`fresh_run`, from this seed."""
    torch.manual_seed(seed)
    return fresh_run(networks.MLPGenerator(), networks.MLPDiscriminator())


def falling(step: int, rounds: int, start: float, end: float = 0.0) -> float:
    """1 until share `start` of the rounds, then in a straight line to `end`."""
    return end + (1 - end) * min(1.0, (1 - step / rounds) / (1 - start))


def linear_decay(optimiser: torch.optim.Optimizer, rounds: int, start: float, end: float) -> torch.optim.lr_scheduler.LambdaLR:
    """An optimiser's learning rate times :func:`falling`."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: falling(step, rounds, start, end))


def plain(network: nn.Module) -> nn.Module:
    """The network itself, without the wrapping of :func:`ganlib.networks.in_bfloat16`."""
    return getattr(network, "module", network)


def refreshed(G_ema: nn.Module, seed: int = 2) -> nn.Module:
    """A plain copy whose batch normalisation keeps the statistics of its own activations, measured on 20,000 latents."""
    G, dice = copy.deepcopy(plain(G_ema)), torch.Generator().manual_seed(seed)
    torch.optim.swa_utils.update_bn((G.sample_z(1000, dice) for _ in range(20)), G)
    return G


# The opening of a run, which a test plays again and compares with the record


def reset_in_double(*nets: nn.Module) -> None:
    """Networks to double precision, the weights of linear layers drawn anew in it, then those of convolutions.

    Adam's first steps are signs of gradients, so that a processor which rounds otherwise strays by 0.03 within twenty rounds
    of single precision.
    """
    layers = [layer for net in nets for layer in net.double().modules()]
    for kind in (nn.Linear, nn.Conv2d):
        for layer in filter(lambda layer: isinstance(layer, kind), layers):
            layer.reset_parameters()


def opening(
    run: training.Run,
    batches: Iterator[Tensor],
    objective: Game,
    rounds: int = 20,
    play: Callable = training.train,
    **settings: Any,
) -> dict[str, list[float]]:
    """Both losses of the first rounds of a run whose networks :func:`reset_in_double` has made ready."""
    rows = list(play(run, (reals.double() for reals in batches), objective, steps=rounds, **settings))
    return {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}
