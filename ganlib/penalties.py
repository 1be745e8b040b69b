"""Penalties on D's gradient with respect to its input, all built on one primitive.

A penalty is a function ``penalty(D, reals, fakes) -> scalar`` that is added to D's loss; its weight is fixed with
``functools.partial(r1, gamma=10.0)``.
"""

import torch
from torch import Tensor

from ganlib.arguments import number, positive
from ganlib.types import Network, Samples, Scalar


@torch.inference_mode(False)  # a gradient is taken, whatever mode the caller is in
@torch.enable_grad()
def input_grad(D: Network, x: Samples) -> Samples:
    """Gradient of D's logit at each sample with respect to that sample, itself differentiable.

    Summing the logits lets one backward pass serve the batch, which is right as long as D treats samples one by one (a D
    with batch normalisation does not). In D's turn samples already ask for a gradient, and D remembers its logits on them.

    Args:
        D: maps (batch, ...) to logits (batch,).
        x: samples, (batch, ...).

    Returns:
        Tensor of x's shape; row i is the gradient of D(x)[i] with respect to x[i].

    Raises:
        TypeError: x is not floating point.
        ValueError: x is empty, or D(x) has another shape than (batch,).
    """
    check_samples(x)
    if not (x.is_leaf and x.requires_grad):
        x = (x.clone() if x.is_inference() else x).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(_logits(D, x).sum(), x, create_graph=True)
    return gradient


def check_samples(x: Tensor, name: str = "x") -> None:
    """Refuses what has no gradient; errors call it by `name`.

    Raises:
        TypeError: x is no dense floating-point tensor.
        ValueError: x holds no sample.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.layout != torch.strided:
        kind = f"{x.dtype}, {x.layout}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} must be floating point, a dense tensor, got {kind}.")
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} must hold at least one sample, got shape {tuple(x.shape)}.")


def _logits(D: Network, x: Tensor) -> Tensor:
    logits = D(x)
    if logits.shape != x.shape[:1]:
        raise ValueError(f"D must return logits of shape ({len(x)},), got {tuple(logits.shape)}.")
    return logits


def _squared_norm(gradient: Tensor) -> Tensor:
    return gradient.reshape(len(gradient), -1).square().sum(dim=1)


def r1(D: Network, reals: Samples, fakes: Samples, gamma: float = 10.0) -> Scalar:
    """gamma/2 E |grad D(x)|^2 over reals (Mescheder et al. 2018, eq. 9)."""
    check_samples(reals, "reals")
    return number(gamma, "gamma") / 2 * _squared_norm(input_grad(D, reals)).mean()


def r2(D: Network, reals: Samples, fakes: Samples, gamma: float = 10.0) -> Scalar:
    """gamma/2 E |grad D(x)|^2 over fakes (Mescheder et al. 2018, eq. 10)."""
    check_samples(fakes, "fakes")
    return number(gamma, "gamma") / 2 * _squared_norm(input_grad(D, fakes)).mean()


def r1_by_difference(D: Network, reals: Samples, fakes: Samples, gamma: float = 10.0, step: float = 0.01) -> Scalar:
    """:func:`r1` without a second derivative: gamma/2 E ((D(x + step v) - D(x))/step)^2 over reals, v standard normal.

    For a D that is linear around x the expectation over v is gamma/2 |grad D(x)|^2, with a standard deviation of sqrt(2) times
    that in each sample; curvature adds gamma/8 step^2 E (v' H v)^2 and terms of higher order.

    Args:
        D: maps (batch, ...) to logits (batch,).
        reals: (batch, ...).
        fakes: not looked at.
        gamma: weight.
        step: standard deviation of what is added to every coordinate, in units of the samples.

    Raises:
        TypeError: reals are not floating point.
        ValueError: reals are empty, step is not positive and finite, or D(reals) has another shape than (batch,).

    Source: Lin et al. 2025, section 3.2, where it is called approximated R1.
    """
    check_samples(reals, "reals")
    return number(gamma, "gamma") / 2 * _squared_slope(D, reals, step).mean()


def r2_by_difference(D: Network, reals: Samples, fakes: Samples, gamma: float = 10.0, step: float = 0.01) -> Scalar:
    """:func:`r2` without a second derivative; see :func:`r1_by_difference`, with reals and fakes exchanged."""
    check_samples(fakes, "fakes")
    return number(gamma, "gamma") / 2 * _squared_slope(D, fakes, step).mean()


def _squared_slope(D: Network, x: Tensor, step: float) -> Tensor:
    """((D(x + step v) - D(x))/step)^2, (batch,), for one standard normal v a sample."""
    step = positive(step, "step")
    x = x if x.is_leaf else x.detach()
    return ((_logits(D, x + step * torch.randn_like(x)) - _logits(D, x)) / step).square()


def gradient_penalty(D: Network, reals: Samples, fakes: Samples, weight: float = 10.0, target: float = 1.0) -> Scalar:
    """weight * E (|grad D(x)| - target)^2 at points drawn between reals and fakes (Gulrajani et al. 2017, eq. 3).

    One uniform number a pair, from torch's global generator, says where on the segment the gradient is taken.

    Raises:
        ValueError: reals and fakes differ in shape, dtype or device.
    """
    for name, x in (("reals", reals), ("fakes", fakes)):
        check_samples(x, name)
    weight, target = number(weight, "weight"), number(target, "target")
    ours, theirs = ((tuple(x.shape), x.dtype, str(x.device)) for x in (reals, fakes))
    if ours != theirs:
        raise ValueError(f"reals and fakes must have one shape, dtype and device, got {ours} and {theirs}.")
    share = torch.rand(len(reals), *[1] * (reals.ndim - 1), dtype=reals.dtype, device=reals.device)
    gradient = input_grad(D, torch.lerp(fakes, reals, share))
    norm = torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1)  # unlike sqrt, has a gradient at 0: zero
    return weight * (norm - target).square().mean()
