"""What holds D back beside a penalty in its loss: clipped weights, spectral norms of one, and penalties in some turns only."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.utils.hooks import RemovableHandle

from ganlib.arguments import function, positive, whole
from ganlib.guards import check_network, evaluating
from ganlib.types import Network, Penalty, Samples, Scalar

Net = TypeVar("Net", bound=nn.Module)

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
"""Layers that multiply by a matrix of weights."""


def clip_weights(optimiser: torch.optim.Optimizer, bound: float) -> RemovableHandle:
    """Keeps all weights of an optimiser in [-bound, bound]: now, and behind each of its steps from now on.

    Args:
        optimiser: D's.
        bound: largest absolute value of a weight or bias.

    Returns:
        A handle whose ``remove()`` ends it.

    Raises:
        TypeError: bound is no number.
        ValueError: bound is not positive.

    Source: Arjovsky et al. 2017, Algorithm 1, line 7. Introduced in chapter 13.
    """
    bound = positive(bound, "bound")

    @torch.no_grad()
    def clip(optimiser: torch.optim.Optimizer, *_: object) -> None:
        for group in optimiser.param_groups:
            for weight in group["params"]:
                weight.clamp_(-bound, bound)

    clip(optimiser)  # the first turn begins within the bounds
    return optimiser.register_step_post_hook(clip)


def normalise_spectra(network: Net, power_iterations: int = 1) -> Net:
    """The same network, whose matrices are divided by an estimate of their largest singular value at each use.

    torch's own ``parametrizations.spectral_norm`` on every linear and convolutional layer. In training mode each forward
    pass improves the estimates by `power_iterations`; in evaluation mode they stand still. A convolution's matrix is its
    kernel, (out, the rest), whose norm is not that of the convolution.

    Args:
        network: changed in place, before its optimiser is made: its weights become others.
        power_iterations: in a forward pass.

    Raises:
        TypeError: network is no torch.nn.Module, or power_iterations no whole number.
        ValueError: power_iterations is below 1, no layer has a matrix, or one is normalised already.

    Source: Miyato et al. 2018, Algorithm 1. Introduced in chapter 13.
    """
    check_network(network)
    power_iterations = whole(power_iterations, "power_iterations", 1)
    layers = [layer for layer in network.modules() if isinstance(layer, LAYERS)]
    if not layers or any(parametrize.is_parametrized(layer, "weight") for layer in layers):
        found = "one that is normalised already" if layers else "none"
        raise ValueError(f"network must have linear or convolutional layers with plain weights, got {found}.")
    for layer in layers:
        parametrizations.spectral_norm(layer, n_power_iterations=power_iterations)
    return network


@dataclass(eq=False)
class Lazy:
    """A penalty that is asked in one of so many turns; what :func:`lazily` returns. ``turns`` counts its calls."""

    penalty: Penalty
    every: int
    turns: int = 0

    def __call__(self, D: Network, reals: Samples, fakes: Samples) -> Scalar:
        turn, self.turns = self.turns, self.turns + 1
        if turn % self.every:
            return torch.zeros((), dtype=reals.dtype, device=reals.device)
        return self.every * self.penalty(D, reals, fakes)


def lazily(penalty: Penalty, every: int, start: int = 0) -> Lazy:
    """The penalty times `every` in the first of every so many calls, and zero in the others.

    It counts its own calls, whoever makes them: one run, one object. A checkpoint does not hold the count: a run that goes on
    from its file is given ``start=run.step * d_steps``.

    Args:
        penalty: ``penalty(D, reals, fakes)``.
        every: calls from one use to the next; 1 is the penalty itself.
        start: calls that count as made.

    Raises:
        TypeError: penalty is no function, or every or start no whole number.
        ValueError: every is below 1, or start below 0.

    Source: Karras et al. 2020, section 3.1. Introduced in chapter 13.
    """
    return Lazy(function(penalty, "penalty"), whole(every, "every", 1), whole(start, "start", 0))


def spectral_norms(network: nn.Module) -> list[float]:
    """Largest singular value of the matrix that each linear or convolutional layer uses now, by a full decomposition.

    Nothing is changed: the estimates of :func:`normalise_spectra` are not moved on.

    Raises:
        TypeError: network is no torch.nn.Module.

    Introduced in chapter 13.
    """
    check_network(network)
    with evaluating(network), torch.no_grad():
        matrices = [_matrix(layer) for layer in network.modules() if isinstance(layer, LAYERS)]
    return [torch.linalg.matrix_norm(matrix, ord=2).item() for matrix in matrices]


def _matrix(layer: nn.Module) -> Tensor:
    weight = layer.weight.detach()
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        weight = weight.transpose(0, 1)  # torch keeps (in, out, ...)
    return weight.flatten(1).cpu().double()  # not every device has float64
