"""What the loop asks before it plays: can this run train, is this batch one, may these gradients move the weights?"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ganlib.types import Samples, Scalar


def check_players(run: Any) -> None:
    """Refuses a run that cannot train.

    Raises:
        TypeError: a player is no network, or G has no method ``sample_z``.
        ValueError: an optimiser moves weights that are not its player's, or none; the networks differ in dtype or device.
    """
    for player in ("G", "D"):
        if not isinstance(getattr(run, player), nn.Module):
            raise TypeError(f"{player} must be a torch.nn.Module, got {type(getattr(run, player)).__name__}.")
    if not callable(getattr(run.G, "sample_z", None)):
        hint = "; a wrapper such as DataParallel keeps it in G.module" if hasattr(run.G, "module") else ""
        raise TypeError(f"G must have a method sample_z(n) that draws n latents, got {type(run.G).__name__}{hint}.")
    for player, other in (("G", "D"), ("D", "G")):
        optimiser = getattr(run, f"opt_{player}")
        held = [weight for group in optimiser.param_groups for weight in group["params"]]
        own, others = ({id(w) for w in getattr(run, name).parameters()} for name in (player, other))
        if strangers := sum(id(weight) not in own for weight in held):
            whose = f"{other}'s" if any(id(weight) in others for weight in held) else f"no part of {player}"
            raise ValueError(
                f"opt_{player} must hold {player}'s weights and no others, got {strangers} of {len(held)} that are {whose}."
            )
        if not any(weight.requires_grad for weight in held):
            raise ValueError(f"opt_{player} must hold a weight of {player} that asks for a gradient, got {len(held)} frozen.")
    kinds = {name: _kind(network) for name in ("G", "D", "G_ema") if (network := getattr(run, name)) is not None}
    for name, kind in kinds.items():
        if None not in (kind, kinds["G"]) and kind != kinds["G"]:
            raise ValueError(f"G and {name} must have one dtype and device, got {kinds['G']} and {kind}.")


def _kind(network: nn.Module) -> str | None:
    """dtype and device of the first floating point weight; None if there is none."""
    first = next((weight for weight in network.parameters() if weight.is_floating_point()), None)
    return None if first is None else f"{first.dtype} on {first.device}"


def copy_of(G: nn.Module) -> nn.Module:
    """A deep copy.

    Raises:
        TypeError: G cannot be copied, as some hooks and the old weight_norm make it.
    """
    try:
        return copy.deepcopy(G)
    except Exception as error:  # whatever a network's own parts raise
        raise TypeError(f"G cannot be copied for its average ({error}); hand over a second network as G_ema.") from error


def next_batch(batches: Iterator[Any], run: Any) -> tuple[Samples, tuple[Tensor, ...]]:
    """The reals of the next batch and what is given with them (nothing, or labels and the like), if D can judge them.

    Raises:
        ValueError: there is none, it is empty, its parts differ in length, it is on another device than D, or it is a single
            sample and a player normalises its batch.
        TypeError: `batches` is no iterator, or a batch holds no tensors or is of another dtype than D's weights.
    """
    if not isinstance(batches, Iterator):
        raise TypeError(f"batches must be an iterator over endless batches, got {type(batches).__name__}; iter(...) makes one.")
    batch = next(batches, None)
    if batch is None:
        raise ValueError("batches must be endless, each of one sample at least; got an end.")
    if isinstance(batch, tuple | list) and len(batch) == 0:
        raise TypeError(f"a batch must be a tensor or a tuple of tensors, got an empty {type(batch).__name__}.")
    reals, *given = batch if isinstance(batch, tuple | list) else [batch]
    for part in (reals, *given):
        if not isinstance(part, Tensor):
            raise TypeError(f"a batch must be a tensor or a tuple of tensors, got {type(part).__name__}.")
        if len(part) == 0 or len(part) != len(reals):
            found = "none" if len(reals) == 0 else f"parts of {len(reals)} and {len(part)}"
            raise ValueError(f"batches must be endless, each of one sample at least; got {found}.")
    weight = next(run.D.parameters(), reals)
    if reals.dtype != weight.dtype:
        raise TypeError(f"a batch must be {weight.dtype} as D's weights are, got {reals.dtype}; data.to_float scales bytes.")
    if reals.device != weight.device:
        raise ValueError(f"a batch must be on {weight.device} as D is, got {reals.device}.")
    if len(reals) == 1:
        for player in ("G", "D"):
            if any(isinstance(layer, _NormBase) and layer.training for layer in getattr(run, player).modules()):
                raise ValueError(f"a batch must hold two samples or more where {player} normalises its batch, got one.")
    return reals, tuple(given)


class Watch:
    """Counts, on the device, the turns since the last look that were finite; after one that was not, none counts.

    So a look at one number tells which turn failed first, and until then nothing is moved.
    """

    def __init__(self, device: torch.device) -> None:
        self.sound = torch.ones((), dtype=torch.bool, device=device)
        self.finite = torch.zeros((), dtype=torch.float32, device=device)
        self.turns = 0

    def note(self, finite: Tensor) -> Tensor:
        """Whether this turn may move weights: it and all before it were finite."""
        self.sound = self.sound & finite
        self.finite = self.finite + self.sound
        self.turns += 1
        return self.sound


def step_if_finite(run: Any, optimiser: torch.optim.Optimizer, loss: Scalar) -> None:
    """``optimiser.step()`` if the loss and all gradients are finite, else nothing; decided on the device, no number is read.

    A fused optimiser takes the decision itself, by the flag of gradient scaling; of others weights and state are put back.
    """
    weights = [weight for group in optimiser.param_groups for weight in group["params"] if weight.grad is not None]
    # A sum is finite only if every number in it is.
    finite = torch.stack([loss.detach(), *(weight.grad.sum() for weight in weights)]).isfinite().all()
    if run.watch is not None:
        finite = run.watch.note(finite)
    bare = getattr(optimiser, "optimizer", optimiser)  # Lightning Fabric keeps the optimiser in a wrapper
    # A first step is left out: fused momentum makes room for its average then, and fills it only when it moves.
    if all(group.get("fused") for group in bare.param_groups) and all(bare.state.get(weight) for weight in weights):
        bare.found_inf = (~finite).float()
        try:
            optimiser.step()
        finally:
            bare.found_inf = None
        return
    with torch.no_grad():
        before = {id(tensor): tensor.clone() for tensor in _tensors(bare, weights)}
        optimiser.step()
        for tensor in _tensors(bare, weights):  # the state of a first step had no value before: zeros stand for it
            then = before[id(tensor)] if id(tensor) in before else torch.zeros_like(tensor)
            tensor.copy_(torch.where(finite.to(tensor.device), tensor, then))


def _tensors(optimiser: torch.optim.Optimizer, weights: list[Tensor]) -> list[Tensor]:
    """The weights and all that the optimiser keeps about them."""
    states = (optimiser.state.get(weight, {}).values() for weight in weights)
    return weights + [value for state in states for value in state if isinstance(value, Tensor)]
