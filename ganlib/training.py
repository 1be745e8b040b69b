"""Algorithm 1: two turns, a round, and the run they advance."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganlib.arguments import number, whole
from ganlib.guards import Watch, average_pairs, check_players, copy_of, next_batch, step_if_finite
from ganlib.types import Extra, Game, Logits, Network, Penalty, Samples, Scalar


@dataclass
class Run:
    """Everything that changes while a GAN trains. Introduced in chapter 3.

    ``G.sample_z(n)`` draws n latents; ``D`` maps samples to logits (batch,). ``G_ema`` is the running average of G's weights
    (a copy of G when left out); ``step`` counts finished rounds.

    Raises:
        TypeError, ValueError: the run cannot train, see :func:`ganlib.guards.check_players`, or G cannot be copied.
    """

    G: nn.Module
    D: nn.Module
    opt_G: torch.optim.Optimizer
    opt_D: torch.optim.Optimizer
    G_ema: nn.Module | None = None
    step: int = 0
    watch = None  # of the loop: whether all turns since its last look were finite

    def __post_init__(self) -> None:
        check_players(self)
        if self.G_ema is None:
            self.G_ema = copy_of(self.G).requires_grad_(False).eval()


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
    try:
        try:
            for weight in weights:
                weight.requires_grad_(False)
            yield
        finally:
            for weight in weights:
                weight.requires_grad_(True)
    finally:  # once more: an interrupt may have cut the first thaw short
        for weight in weights:
            weight.requires_grad_(True)


def remembering(D: Network, given: Sequence[Tensor], *known: tuple[Samples, Logits]) -> Network:
    """D under the conditions `given`; about samples that it has judged, `known`, it answers from memory.

    A penalty differentiates these answers, so that D is not asked twice about one batch. Introduced in chapter 3.
    """

    def judge(x: Tensor) -> Tensor:
        for samples, logits in known:
            if x is samples:
                return logits
        return D(x, *given)

    return judge


def discriminator_step(
    run: Run, reals: Samples, objective: Game, penalty: Penalty | None = None, given: Sequence[Tensor] = ()
) -> tuple[Scalar, Logits, Logits]:
    """D's turn (Goodfellow et al. 2014, Algorithm 1, inner loop). Introduced in chapter 3.

    Nothing is moved if the loss or a gradient is not finite; no number is read from the device.

    Args:
        run: both networks and their optimisers; only D and opt_D are changed, and batch statistics that G keeps.
        reals: (batch, ...) on D's device.
        objective: has ``d_loss(real_logits, fake_logits)``.
        penalty: ``penalty(D, reals, fakes)``, added to the loss.
        given: conditions, (batch, ...) each, handed to both players after the samples.

    Returns:
        loss (), real_logits (batch,), fake_logits (batch,), detached.
    """
    with torch.no_grad():  # fakes are data here: D's turn must not reach G
        fakes = run.G(run.G.sample_z(len(reals)), *given)
    if penalty is not None:  # it differentiates D's logits by the samples
        reals, fakes = reals.detach().requires_grad_(), fakes.detach().requires_grad_()
    real_logits, fake_logits = run.D(reals, *given), run.D(fakes, *given)
    loss_D = objective.d_loss(real_logits, fake_logits)
    if penalty is not None:
        D = remembering(run.D, given, (reals, real_logits), (fakes, fake_logits))
        loss_D = loss_D + penalty(D, reals, fakes)
    run.opt_D.zero_grad()
    loss_D.backward()
    step_if_finite(run, run.opt_D, loss_D)
    return loss_D.detach(), real_logits.detach(), fake_logits.detach()


def generator_step(
    run: Run, reals: Samples, objective: Game, extra: Extra | None = None, given: Sequence[Tensor] = ()
) -> Scalar:
    """G's turn, with fresh fakes (Goodfellow et al. 2014, Algorithm 1, outer loop). Introduced in chapter 3.

    Nothing is moved if the loss or a gradient is not finite; no number is read from the device.

    Args:
        run: both networks and their optimisers; only G and opt_G are changed, and batch statistics that G and D keep.
        reals: (batch, ...); their number is the batch size, and an objective with ``needs_reals`` looks at them.
        objective: has ``g_loss(real_logits, fake_logits)`` and ``needs_reals``.
        extra: ``extra(z, reals, fakes)``, added to the loss.
        given: conditions, (batch, ...) each, handed to both players after the samples.

    Returns:
        loss (), detached.
    """
    z = run.G.sample_z(len(reals))
    fakes = run.G(z, *given)
    with frozen(run.D):  # gradients flow through D to G, but D's weights collect none
        fake_logits = run.D(fakes, *given)
        real_logits = run.D(reals, *given) if objective.needs_reals else None
        loss_G = objective.g_loss(real_logits, fake_logits)
    if extra is not None:
        loss_G = loss_G + extra(z, reals, fakes)
    run.opt_G.zero_grad()
    loss_G.backward()
    step_if_finite(run, run.opt_G, loss_G)
    return loss_G.detach()


@torch.no_grad()
def update_ema(G_ema: nn.Module, G: nn.Module, decay: float, sound: Tensor | None = None) -> None:
    """G_ema <- decay G_ema + (1 - decay) G, batch statistics included; integer buffers are copied. Introduced in chapter 8.

    Args:
        G_ema: changed in place.
        G: of the same architecture.
        decay: in [0, 1).
        sound: (), bool, on the device of the weights: where it is False nothing changes.

    Raises:
        TypeError: decay is no number, or G_ema or G no network.
        ValueError: decay is not in [0, 1), or the weights have other shapes.
    """
    if not 0 <= number(decay, "decay") < 1:
        raise ValueError(f"decay must lie in [0, 1), got {decay}.")
    for average, value in average_pairs(G_ema, G):
        if sound is not None:
            value = torch.where(sound, value, average)
        if value.is_floating_point():
            average.lerp_(value, 1 - decay)
        else:
            average.copy_(value)


def read_losses(run: Run, loss_D: Scalar, loss_G: Scalar, real_logits: Logits, fake_logits: Logits, d_steps: int) -> Losses:
    """The four numbers of the last round, in one read from the device. Introduced in chapter 8.

    Raises:
        FloatingPointError: a turn since the last look was not finite; the round and the player are named, ``run.step`` is the
            last round that was.
    """
    watch = run.watch
    probabilities = real_logits.sigmoid().mean(), fake_logits.sigmoid().mean()
    *numbers, finite = torch.stack([loss_D, loss_G, *probabilities, watch.finite]).tolist()
    if finite < watch.turns:
        rounds, turn = divmod(int(finite), d_steps + 1)
        player = "D" if turn < d_steps else "G"
        run.step += rounds - watch.turns // (d_steps + 1)
        seen = {"D's loss": loss_D, "G's loss": loss_G, "logits on reals": real_logits, "logits on fakes": fake_logits}
        strange = ", ".join(name for name, values in seen.items() if not values.isfinite().all()) or "its loss or a gradient"
        raise FloatingPointError(
            f"round {run.step + 1}, turn of {player}: not finite: {strange}; its weights and the average were not touched."
        )
    return Losses(run.step, *numbers)


def train(
    run: Run,
    batches: Iterator[Samples | tuple[Tensor, ...]],
    objective: Game,
    penalty: Penalty | None = None,
    extra: Extra | None = None,
    *,
    steps: int,
    d_steps: int = 1,
    ema_share: float = 0.1,
    look: int = 1,
) -> Iterator[Losses]:
    """Plays `steps` rounds and yields what they saw; the caller's loop body is the callback, `break` stops.

    Introduced in chapter 8.

    Args:
        run: advanced in place; ``run.step`` counts rounds over all calls.
        batches: endless; a piece is reals (batch, ...), or a tuple of them and of what is given to both players.
        objective: the game, e.g. ``ganlib.objectives.nonsaturating``.
        penalty: ``penalty(D, reals, fakes)``, added to D's loss.
        extra: ``extra(z, reals, fakes)``, added to G's loss.
        steps: rounds to play.
        d_steps: turns of D a round, the k of Algorithm 1; d_steps batches are used in a round, G's turn sees the last.
        ema_share: G_ema remembers this share of the rounds played, 0 to 1, so that the untrained G is soon forgotten.
        look: rounds from one yield to the next; numbers are read from the device then, and after the last round.

    Raises:
        ValueError, TypeError: a setting is out of range, or as ``check_players`` and ``next_batch`` of :mod:`ganlib.guards`.
        FloatingPointError: a loss or a gradient is not finite; the round and the player are named. The weights that it would
            have moved, and the average, are what they were; nothing moved after it.
    """
    steps, d_steps = whole(steps, "steps", 0), whole(d_steps, "d_steps", 1)
    look, ema_share = whole(look, "look", 1), number(ema_share, "ema_share", 0.0, 1.0)
    check_players(run, objective, penalty, extra)
    try:
        for left in reversed(range(steps)):
            run.watch = run.watch or Watch(next(run.D.parameters()).device)
            with torch.inference_mode(False), torch.enable_grad():  # whatever the caller's mode is
                for _ in range(d_steps):
                    reals, given = next_batch(batches, run)
                    loss_D, real_logits, fake_logits = discriminator_step(run, reals, objective, penalty, given)
                loss_G = generator_step(run, reals, objective, extra, given)
            run.step += 1
            looking = run.step % look == 0 or left == 0
            if looking:
                losses = read_losses(run, loss_D, loss_G, real_logits, fake_logits, d_steps)
            memory = ema_share * run.step  # in rounds; short at first
            sound = run.watch.sound if look > 1 else None
            update_ema(run.G_ema, run.G, memory / (memory + 1), sound)
            if looking:
                run.watch = None
                yield losses
    finally:
        run.watch = None
