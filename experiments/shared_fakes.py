"""Another round than Algorithm 1's: both turns look at the same fakes, which saves G one forward pass."""

from collections.abc import Iterator

from torch import Tensor

from ganlib import guards, training
from ganlib.types import Game


def shared_rounds(
    run: training.Run, batches: Iterator[Tensor], objective: Game, *, steps: int, ema_share: float = 0.1
) -> Iterator[training.Losses]:
    """:func:`ganlib.training.train` for games whose G looks at no reals: D judges fakes, then G climbs with them."""
    for _ in range(steps):
        run.watch = guards.Watch(next(run.D.parameters()).device)
        reals = next(batches)
        fakes = run.G(run.G.sample_z(len(reals)))
        real_logits, fake_logits = run.D(reals), run.D(fakes.detach())
        loss_D = objective.d_loss(real_logits, fake_logits)
        run.opt_D.zero_grad()
        loss_D.backward()
        guards.step_if_finite(run, run.opt_D, loss_D)
        with training.frozen(run.D):
            loss_G = objective.g_loss(None, run.D(fakes))
        run.opt_G.zero_grad()
        loss_G.backward()
        guards.step_if_finite(run, run.opt_G, loss_G)
        run.step += 1
        losses = training.read_losses(run, loss_D.detach(), loss_G.detach(), real_logits.detach(), fake_logits.detach(), 1)
        training.update_ema(run.G_ema, run.G, ema_share * run.step / (ema_share * run.step + 1))
        run.watch = None
        yield losses
