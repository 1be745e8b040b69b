"""Algorithm 1: two turns, a round, and the run they advance."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

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
