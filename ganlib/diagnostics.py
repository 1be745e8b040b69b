"""Which term of a loss pulls how hard: the gradient that each of them sends to its player."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganlib.guards import check_batch, check_players
from ganlib.restore import put_back
from ganlib.training import Run, frozen, remembering
from ganlib.types import Extra, Game, Penalty, Samples, Scalar


def term_norms(
    run: Run,
    reals: Samples,
    objective: Game,
    penalty: Penalty | None = None,
    extra: Extra | None = None,
    given: Sequence[Tensor] = (),
) -> dict[str, float]:
    """Euclidean norms of the gradients that the terms of both losses send to the weights of their player, on one batch.

    Nothing is moved: neither weights nor batch statistics, optimisers or torch's global generator.

    Args:
        run: both networks as they are now.
        reals: (batch, ...).
        objective: the game.
        penalty: D's second term, weight included; left out of the answer if None.
        extra: G's second term, likewise. A loss that reads a part of G must read it from ``run.G``.
        given: conditions, (batch, ...) each.

    Returns:
        "loss_D" and "penalty", whose gradients are those of D's weights, "loss_G" and "extra", those of G's.

    Raises:
        TypeError, ValueError: as ``check_players`` and ``next_batch`` of :mod:`ganlib.guards`.
    """
    check_players(run, objective, penalty, extra)
    reals, given = check_batch((reals, *given), run, "reals and given")
    before = [(net, copy.deepcopy(net.state_dict())) for net in (run.G, run.D)]
    devices = [reals.device] if reals.device.type == "cuda" else []

    def restore() -> None:
        for network, state in before:
            network.load_state_dict(state)

    with put_back(restore), torch.random.fork_rng(devices=devices), torch.inference_mode(False), torch.enable_grad():
        return _norms(run, reals, objective, penalty, extra, given)


def _norms(run: Run, reals: Samples, objective: Game, penalty: Any, extra: Any, given: Sequence[Tensor]) -> dict[str, float]:
    z = run.G.sample_z(len(reals))
    fakes = run.G(z, *given)
    seen, drawn = reals.detach().requires_grad_(), fakes.detach().requires_grad_()
    real_logits, fake_logits = run.D(seen, *given), run.D(drawn, *given)
    norms = {"loss_D": _norm(objective.d_loss(real_logits, fake_logits), run.D)}
    if penalty is not None:
        D = remembering(run.D, given, (seen, real_logits), (drawn, fake_logits))
        norms["penalty"] = _norm(penalty(D, seen, drawn), run.D)
    with frozen(run.D):
        rivals = run.D(reals, *given) if objective.needs_reals else None
        norms["loss_G"] = _norm(objective.g_loss(rivals, run.D(fakes, *given)), run.G)
    if extra is not None:
        norms["extra"] = _norm(extra(z, reals, fakes), run.G)
    return norms


def _norm(term: Scalar, network: nn.Module) -> float:
    """The norm of a term's gradient; 0 for a term that no weight of the network reaches."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if not term.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.nn.utils.get_total_norm(gradients).item()
