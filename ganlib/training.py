"""Algorithm 1: two turns, a round, a run, and the file a run is kept in."""

import copy
import glob
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganlib.types import Game, Logits, Samples, Scalar

Penalty = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass
class Run:
    """Everything that changes while a GAN trains.

    ``G.sample_z(n)`` draws n latents; ``D`` maps samples to logits (batch,). ``G_ema`` is the running average of G's weights
    (a copy of G when left out); ``step`` counts finished rounds.
    """

    G: nn.Module
    D: nn.Module
    opt_G: torch.optim.Optimizer
    opt_D: torch.optim.Optimizer
    G_ema: nn.Module | None = None
    step: int = 0

    def __post_init__(self) -> None:
        if self.G_ema is None:
            self.G_ema = copy.deepcopy(self.G).requires_grad_(False).eval()


class Losses(NamedTuple):
    """What a round saw: both losses as minimised, D's with its penalty (in nats in the games made of log D), and the mean
    sigmoid of D's logits on reals and on fakes in D's (last) turn."""

    step: int
    loss_D: float
    loss_G: float
    prob_real: float
    prob_fake: float


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Inside, no gradient is computed for the network's weights; gradients still flow through it. Introduced in chapter 3."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def check_finite(loss: Scalar, player: str, step: int) -> None:
    """Stops a round before a loss that is not finite reaches the weights.

    Raises:
        FloatingPointError: naming the round and the player.
    """
    if not math.isfinite(loss.item()):
        raise FloatingPointError(f"round {step}: the loss of {player} is {loss.item()}; its weights were not touched.")


def discriminator_step(
    run: Run, reals: Samples, objective: Game, penalty: Penalty | None = None
) -> tuple[Scalar, Logits, Logits]:
    """D's turn (Goodfellow et al. 2014, Algorithm 1, inner loop). Introduced in chapter 3.

    Args:
        run: both networks and their optimisers; only D and opt_D are changed, and batch statistics that G keeps.
        reals: (batch, ...) on D's device.
        objective: has ``d_loss(real_logits, fake_logits)``.
        penalty: ``penalty(D, reals, fakes)``, added to the loss.

    Returns:
        loss (), real_logits (batch,), fake_logits (batch,), detached.
    """
    with torch.no_grad():  # fakes are data here: D's turn must not reach G
        fakes = run.G(run.G.sample_z(len(reals)))
    real_logits, fake_logits = run.D(reals), run.D(fakes)
    loss_D = objective.d_loss(real_logits, fake_logits)
    if penalty is not None:
        loss_D = loss_D + penalty(run.D, reals, fakes)
    check_finite(loss_D, "D", run.step + 1)
    run.opt_D.zero_grad()
    loss_D.backward()
    run.opt_D.step()
    return loss_D.detach(), real_logits.detach(), fake_logits.detach()


def generator_step(run: Run, reals: Samples, objective: Game) -> Scalar:
    """G's turn, with fresh fakes (Goodfellow et al. 2014, Algorithm 1, outer loop). Introduced in chapter 3.

    Args:
        run: both networks and their optimisers; only G and opt_G are changed, and batch statistics that G and D keep.
        reals: (batch, ...); their number is the batch size, and an objective with ``needs_reals`` looks at them.
        objective: has ``g_loss(real_logits, fake_logits)`` and ``needs_reals``.

    Returns:
        loss (), detached.
    """
    with frozen(run.D):  # gradients flow through D to G, but D's weights collect none
        fake_logits = run.D(run.G(run.G.sample_z(len(reals))))
        real_logits = run.D(reals) if objective.needs_reals else None
        loss_G = objective.g_loss(real_logits, fake_logits)
    check_finite(loss_G, "G", run.step + 1)
    run.opt_G.zero_grad()
    loss_G.backward()
    run.opt_G.step()
    return loss_G.detach()


@torch.no_grad()
def update_ema(G_ema: nn.Module, G: nn.Module, decay: float) -> None:
    """G_ema <- decay G_ema + (1 - decay) G, batch statistics included; integer buffers are copied. Introduced in chapter 8.

    Raises:
        ValueError: decay is not in [0, 1), or the weights have other shapes.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1), got {decay}.")
    averages, values = list(G_ema.state_dict().values()), list(G.state_dict().values())
    if [average.shape for average in averages] != [value.shape for value in values]:
        raise ValueError("G_ema must have the architecture of G; the shapes of their weights differ.")
    is_float = [value.is_floating_point() for value in values]
    torch._foreach_lerp_([a for a, f in zip(averages, is_float) if f], [v for v, f in zip(values, is_float) if f], 1 - decay)
    for average, value in ((a, v) for a, v, f in zip(averages, values, is_float) if not f):
        average.copy_(value)


def next_batch(batches: Iterator[Samples], D: nn.Module) -> Samples:
    """The next batch, if D can judge it.

    Raises:
        ValueError: there is none, it is empty, or it is on another device than D.
        TypeError: it is of another dtype than D's weights.
    """
    reals = next(batches, None)
    if reals is None or len(reals) == 0:
        raise ValueError(f"batches must be endless, each of one sample at least; got {'an end' if reals is None else 'none'}.")
    weight = next(D.parameters(), reals)
    if reals.dtype != weight.dtype:
        raise TypeError(f"a batch must be {weight.dtype} as D's weights are, got {reals.dtype}; data.to_float scales bytes.")
    if reals.device != weight.device:
        raise ValueError(f"a batch must be on {weight.device} as D is, got {reals.device}.")
    return reals


def train(
    run: Run,
    batches: Iterator[Samples],
    objective: Game,
    penalty: Penalty | None = None,
    *,
    steps: int,
    d_steps: int = 1,
    ema_decay: float = 0.999,
    ema_share: float = 0.1,
) -> Iterator[Losses]:
    """Plays `steps` rounds, yields after each; the caller's loop body is the callback, `break` stops. Introduced in chapter 8.

    Args:
        run: advanced in place; ``run.step`` counts rounds over all calls.
        batches: endless, (batch, ...) a piece; d_steps of them are used in a round.
        objective: the game, e.g. ``ganlib.objectives.nonsaturating``.
        penalty: added to D's loss.
        steps: rounds to play.
        d_steps: turns of D a round, the k of Algorithm 1.
        ema_decay: of G_ema, a round, at most; it remembers about 1 / (1 - ema_decay) rounds.
        ema_share: it remembers no more than this share of the rounds played, so that the untrained G is soon forgotten.

    Raises:
        ValueError: a setting is out of range, batches end, or a batch is empty or on another device than D.
        TypeError: a batch is of another dtype than D's weights.
        FloatingPointError: a loss is not finite; the round and the player are named.
    """
    if steps < 0 or d_steps < 1:
        raise ValueError(f"steps must be >= 0 and d_steps >= 1, got {steps} and {d_steps}.")
    if not 0 <= ema_decay < 1 or ema_share < 0:
        raise ValueError(f"ema_decay must lie in [0, 1) and ema_share be >= 0, got {ema_decay} and {ema_share}.")
    for _ in range(steps):
        for _ in range(d_steps):
            reals = next_batch(batches, run.D)
            loss_D, real_logits, fake_logits = discriminator_step(run, reals, objective, penalty)
        loss_G = generator_step(run, reals, objective)
        run.step += 1
        memory = ema_share * run.step  # in rounds; short at first
        update_ema(run.G_ema, run.G, min(ema_decay, memory / (memory + 1)))
        prob_real, prob_fake = real_logits.sigmoid().mean(), fake_logits.sigmoid().mean()
        yield Losses(run.step, loss_D.item(), loss_G.item(), prob_real.item(), prob_fake.item())


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
