"""Penalties on D's gradient with respect to its input, all built on one primitive.

A penalty is a function ``penalty(D, reals, fakes) -> scalar`` that is added to D's loss; its weight is fixed with
``functools.partial(r1, gamma=10.0)``.
"""

import torch
from torch import Tensor

from ganlib.types import Network, Samples, Scalar


def input_grad(D: Network, x: Samples) -> Samples:
    """Gradient of D's logit at each sample with respect to that sample, itself differentiable.

    Summing the logits lets one backward pass serve the batch, which is right as long as D treats samples one by one (a D
    with batch normalisation does not).

    Args:
        D: maps (batch, ...) to logits (batch,).
        x: samples, (batch, ...).

    Returns:
        Tensor of x's shape; row i is the gradient of D(x)[i] with respect to x[i].

    Raises:
        TypeError: x is not floating point.
        ValueError: x is empty, or D(x) has another shape than (batch,).
    """
    if not x.is_floating_point():
        raise TypeError(f"x must be floating point, got {x.dtype}.")
    if len(x) == 0:
        raise ValueError(f"x must hold at least one sample, got shape {tuple(x.shape)}.")
    x = x.detach().requires_grad_(True)
    logits = D(x)
    if logits.shape != x.shape[:1]:
        raise ValueError(f"D must return logits of shape ({len(x)},), got {tuple(logits.shape)}.")
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient


def _squared_norm(gradient: Tensor) -> Tensor:
    return gradient.reshape(len(gradient), -1).square().sum(dim=1)


def r1(D: Network, reals: Samples, fakes: Samples, gamma: float = 10.0) -> Scalar:
    """gamma/2 E |grad D(x)|^2 over reals (Mescheder et al. 2018, eq. 9)."""
    return gamma / 2 * _squared_norm(input_grad(D, reals)).mean()


def r2(D: Network, reals: Samples, fakes: Samples, gamma: float = 10.0) -> Scalar:
    """gamma/2 E |grad D(x)|^2 over fakes (Mescheder et al. 2018, eq. 10)."""
    return gamma / 2 * _squared_norm(input_grad(D, fakes)).mean()


def gradient_penalty(D: Network, reals: Samples, fakes: Samples, weight: float = 10.0, target: float = 1.0) -> Scalar:
    """weight * E (|grad D(x)| - target)^2 at points drawn between reals and fakes (Gulrajani et al. 2017, eq. 3).

    One uniform number a pair, from torch's global generator, says where on the segment the gradient is taken.

    Raises:
        ValueError: reals and fakes differ in shape, dtype or device.
    """
    ours, theirs = ((tuple(x.shape), x.dtype, str(x.device)) for x in (reals, fakes))
    if ours != theirs:
        raise ValueError(f"reals and fakes must have one shape, dtype and device, got {ours} and {theirs}.")
    share = torch.rand(len(reals), *[1] * (reals.ndim - 1), dtype=reals.dtype, device=reals.device)
    gradient = input_grad(D, torch.lerp(fakes, reals, share))
    norm = torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1)  # unlike sqrt, has a gradient at 0: zero
    return weight * (norm - target).square().mean()
