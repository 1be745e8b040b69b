"""What the loop asks before it plays: can this run train, is this batch one, may these gradients move the weights?"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganlib.arguments import function, whole
from ganlib.restore import put_back
from ganlib.types import Game, Samples, Scalar


def check_network(network: Any, name: str = "network") -> None:
    """Refuses what is no network; the error calls it by `name`.

    Raises:
        TypeError: it is no torch.nn.Module.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"{name} must be a torch.nn.Module, got {type(network).__name__}.")


def check_generator(G: Any) -> None:
    """Refuses what draws no samples.

    Raises:
        TypeError: G is no network, or has no method ``sample_z``.
    """
    check_network(G, "G")
    if not callable(getattr(G, "sample_z", None)):
        hint = "; a wrapper such as DataParallel keeps it in G.module" if hasattr(G, "module") else ""
        raise TypeError(f"G must have a method sample_z(n) that draws n latents, got {type(G).__name__}{hint}.")


def check_players(run: Any, *terms: Any) -> None:
    """Refuses a run that cannot train.

    Args:
        run: as it is made, or about to be played.
        terms: by what it is to be played: the objective, the penalty and the extra, None where there is none.

    Raises:
        TypeError: run is no Run, a player or the average is no network, G has no method ``sample_z``, an optimiser is none,
            ``step`` is no whole number, or a term is no game or no function.
        ValueError: G and D are one network, an optimiser moves weights that are not its player's, or none, or asks for the
            loss several times a step, as LBFGS; the networks differ in dtype or device, or were made under
            ``torch.inference_mode``; ``step`` is negative; G_ema, where it is to be played, is G or of another architecture.
    """
    if not all(hasattr(run, part) for part in ("G", "D", "G_ema", "opt_G", "opt_D", "step")):
        raise TypeError(f"run must be a Run of ganlib.training, got {type(run).__name__}.")
    check_generator(run.G)
    for name in ("D", "G_ema"):
        if name == "D" or run.G_ema is not None:
            check_network(getattr(run, name), name)
    if run.D is run.G:
        raise ValueError("G and D must be two networks, got one.")
    whole(run.step, "step", 0)
    for player, other in (("G", "D"), ("D", "G")):
        optimiser = getattr(run, f"opt_{player}")
        _check_optimiser(optimiser, f"opt_{player}")
        held = [weight for group in optimiser.param_groups for weight in group["params"]]
        own, others = ({id(w) for w in getattr(run, name).parameters()} for name in (player, other))
        if strangers := sum(id(weight) not in own for weight in held):
            whose = f"{other}'s" if any(id(weight) in others for weight in held) else f"no part of {player}"
            raise ValueError(
                f"opt_{player} must hold {player}'s weights and no others, got {strangers} of {len(held)} that are {whose}."
            )
        if any(weight.is_inference() for weight in held):
            raise ValueError(f"{player} must be made outside torch.inference_mode, whose weights nothing can move.")
        if not any(weight.requires_grad for weight in held):
            raise ValueError(f"opt_{player} must hold a weight of {player} that asks for a gradient, got {len(held)} frozen.")
    kinds = {name: _kind(network) for name in ("G", "D", "G_ema") if (network := getattr(run, name)) is not None}
    for name, kind in kinds.items():
        if None not in (kind, kinds["G"]) and kind != kinds["G"]:
            raise ValueError(f"G and {name} must have one dtype and device, got {kinds['G']} and {kind}.")
    if terms:
        _check_terms(run, *terms)


def _check_optimiser(optimiser: Any, name: str) -> None:
    bare = getattr(optimiser, "optimizer", optimiser)  # Lightning Fabric keeps the optimiser in a wrapper
    if not isinstance(bare, torch.optim.Optimizer) or not hasattr(optimiser, "param_groups"):  # as a schedule of rates has not
        raise TypeError(f"{name} must be a torch.optim.Optimizer, got {type(optimiser).__name__}.")
    if isinstance(bare, torch.optim.LBFGS):
        raise ValueError(f"{name} must step by one gradient, got LBFGS, which computes the loss several times a step.")


def _check_terms(run: Any, objective: Any, penalty: Any, extra: Any) -> None:
    if not isinstance(objective, Game):
        raise TypeError(f"objective must have d_loss, g_loss and needs_reals, got {type(objective).__name__}.")
    for name, term in (("penalty", penalty), ("extra", extra)):
        if term is not None:
            function(term, name)
    if run.G_ema is run.G:
        raise ValueError("G_ema must be another network than G; left out, it is a copy.")
    average_pairs(run.G_ema, run.G)


def average_pairs(G_ema: nn.Module, G: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Every weight and batch statistic of G_ema, with the one of G that it averages.

    Raises:
        TypeError: one of them is no network.
        ValueError: their weights have other shapes.
    """
    for name, network in (("G_ema", G_ema), ("G", G)):
        check_network(network, name)
    averages, values = (list(network.state_dict().values()) for network in (G_ema, G))
    if [average.shape for average in averages] != [value.shape for value in values]:
        raise ValueError("G_ema must have the architecture of G; the shapes of their weights differ.")
    return list(zip(averages, values))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode; afterwards each of its parts is in the mode that it was in."""
    modes = [(module, module.training) for module in network.modules()]

    def restore() -> None:
        for module, mode in modes:
            module.training = mode

    with put_back(restore):
        network.eval()
        yield


def _kind(network: nn.Module) -> str | None:
    """dtype and device of the first floating point weight; None if there is none."""
    first = next((weight for weight in network.parameters() if weight.is_floating_point()), None)
    return None if first is None else f"{first.dtype} on {first.device}"


@torch.inference_mode(False)  # an average that can be moved, whatever mode the caller is in
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
            sample and a player has a BatchNorm1d.
        TypeError: `batches` is no iterator, or a batch holds no tensors or is of another dtype than D's weights.
    """
    if not isinstance(batches, Iterator):
        raise TypeError(f"batches must be an iterator over endless batches, got {type(batches).__name__}; iter(...) makes one.")
    batch = next(batches, None)
    if batch is None:
        raise ValueError("batches must be endless, each of one sample at least; got an end.")
    if isinstance(batch, tuple | list) and len(batch) == 0:
        raise TypeError(f"a batch must be a tensor or a tuple of tensors, got an empty {type(batch).__name__}.")
    return check_batch(batch if isinstance(batch, tuple | list) else [batch], run)


def check_batch(parts: Sequence[Any], run: Any, name: str = "a batch") -> tuple[Samples, tuple[Tensor, ...]]:
    """The reals and what is given with them, if D can judge them; errors call them by `name`, and are those of a batch.

    What was made under ``torch.inference_mode`` can enter no gradient, and is copied.
    """
    reals, *given = parts
    for part in parts:
        if not isinstance(part, Tensor):
            raise TypeError(f"{name} must be a tensor or a tuple of tensors, got {type(part).__name__}.")
        if part.ndim == 0:
            raise ValueError(f"{name} must hold samples along its first axis, got a number.")
        if len(part) == 0 or len(part) != len(reals):
            found = "none" if len(reals) == 0 else f"parts of {len(reals)} and {len(part)}"
            raise ValueError(f"{name} must hold one sample at least, in parts of one length, got {found}.")
    weight = next(run.D.parameters(), reals)
    if reals.dtype != weight.dtype:
        raise TypeError(f"{name} must be {weight.dtype} as D's weights are, got {reals.dtype}; data.to_float scales bytes.")
    if reals.device != weight.device:
        raise ValueError(f"{name} must be on {weight.device} as D is, got {reals.device}.")
    if len(reals) == 1:
        for player in ("G", "D"):
            if any(isinstance(layer, nn.BatchNorm1d) and layer.training for layer in getattr(run, player).modules()):
                raise ValueError(f"{name} must hold two samples or more where {player} normalises its batch, got one.")
    reals, *given = (part.clone() if part.is_inference() else part for part in parts)
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
        try:
            bare.found_inf = (~finite).float()
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
