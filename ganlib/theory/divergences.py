"""Divergences between two distributions, and what the best discriminator gets out of them, in nats.

Distributions are discrete here: float64 tensors whose last axis sums to one; the other axes are batches and broadcast.
:mod:`ganlib.theory.line` does the same for densities on a line.

Zeros follow the conventions of measure theory and no epsilon is added anywhere: an outcome without mass contributes nothing,
0 log 0 = 0, and mass where the other distribution has none makes a Kullback-Leibler divergence infinite.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float64
from torch import Tensor

Nats = Float64[Tensor, "..."]
"""One number for each pair of distributions, of the batch axes' shape."""

SUM_TOLERANCE = 1e-12


def check_outcomes(**tensors: Tensor) -> None:
    """Refuse anything but float64 tensors over the same outcomes (last axis). Introduced in chapter 4.

    Raises:
        ValueError: naming the argument, and what came where something else was expected.
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float64:
            found = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f"{name} must be a float64 tensor, got {found}.")
        if tensor.is_meta or tensor.layout != torch.strided:
            raise ValueError(f"{name} must be dense and hold values, got {tensor.layout} on {tensor.device}.")
        if tensor.ndim == 0 or tensor.numel() == 0:
            raise ValueError(f"{name} must have shape (..., outcomes) with all axes >= 1, got {tuple(tensor.shape)}.")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len({shape[-1] for shape in shapes.values()}) > 1:
        raise ValueError(f"the last axes must have one length, got shapes {shapes}.")
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError as error:
        raise ValueError(f"the batch axes must broadcast, got shapes {shapes}.") from error


def check_distributions(**distributions: Tensor) -> None:
    """Refuse tensors that are not distributions over the same outcomes. Introduced in chapter 4.

    Raises:
        ValueError: naming the argument that is no float64 tensor, not finite, negative somewhere, or does not sum to one
            within 1e-12; or shapes that do not fit one another.
    """
    check_outcomes(**distributions)
    for name, p in distributions.items():
        if not p.isfinite().all():
            raise ValueError(f"{name} must be finite, got {p[~p.isfinite()][0].item()}.")
        if (p < 0).any():
            raise ValueError(f"{name} must not be negative, got {p.min().item()}.")
        worst = (p.sum(dim=-1) - 1).abs().max().item()
        if worst > SUM_TOLERANCE:
            raise ValueError(f"{name} must sum to one along its last axis, it is off by {worst:.3g}.")


def optimal_discriminator(p: Tensor, q: Tensor) -> Nats:
    """D* = p/(p + q), (..., outcomes), the best answer to q (Goodfellow et al. 2014, proposition 1). Introduced in chapter 4.

    NaN where neither p nor q has mass: there V does not depend on D, and no value is better than another.

    Args:
        p: the data, (..., outcomes).
        q: the generator's p_g, (..., outcomes).

    Raises:
        ValueError: an argument is no distribution, see :func:`check_distributions`.
    """
    check_distributions(p=p, q=q)
    return p / (p + q)


def value(p: Tensor, q: Tensor, D: Tensor) -> Nats:
    """V = sum p log D + sum q log(1 - D), (...) (Goodfellow et al. 2014, eq. 1). Introduced in chapter 4.

    D counts only where there is mass: it may be NaN where p = q = 0. The value is minus infinity where D is 0 on mass of p or
    1 on mass of q; since 1 - D is formed, a D within 1e-16 of 1 counts as 1.

    Args:
        p: the data, (..., outcomes).
        q: the generator's p_g, (..., outcomes).
        D: probabilities of "real", (..., outcomes).

    Raises:
        ValueError: p or q is no distribution, or D is outside [0, 1] where there is mass.
    """
    check_distributions(p=p, q=q)
    check_outcomes(p=p, q=q, D=D)
    outside = ((D < 0) | (D > 1) | D.isnan()) & (p + q > 0)
    if outside.any():
        raise ValueError(f"D must lie in [0, 1] wherever p or q has mass, got {D.expand_as(outside)[outside][0].item()}.")
    on_reals = torch.where(p > 0, p * D.log(), 0.0)
    on_fakes = torch.where(q > 0, q * torch.log1p(-D), 0.0)
    return (on_reals + on_fakes).sum(dim=-1)


def value_at_optimum(p: Tensor, q: Tensor) -> Nats:
    """C(G) = max over D of V = sum p log p/(p + q) + q log q/(p + q), (...), between -log 4 and 0. Introduced in chapter 4.

    Args:
        p: the data, (..., outcomes).
        q: the generator's p_g, (..., outcomes).

    Raises:
        ValueError: an argument is no distribution.
    """
    check_distributions(p=p, q=q)
    log_sum = (p + q).log()
    on_reals = torch.where(p > 0, p * (p.log() - log_sum), 0.0)
    on_fakes = torch.where(q > 0, q * (q.log() - log_sum), 0.0)
    return (on_reals + on_fakes).sum(dim=-1)


def kl_divergence(p: Tensor, q: Tensor) -> Nats:
    """KL(p || q) = sum p log p/q, (...); infinite where p has mass and q has none. Introduced in chapter 5.

    Args:
        p: (..., outcomes).
        q: (..., outcomes).

    Raises:
        ValueError: an argument is no distribution.
    """
    check_distributions(p=p, q=q)
    return torch.where(p > 0, p * (p.log() - q.log()), 0.0).sum(dim=-1)


def js_divergence(p: Tensor, q: Tensor) -> Nats:
    """JSD = (KL(p || m) + KL(q || m))/2 with m = (p + q)/2, (...), between 0 and log 2. Introduced in chapter 5.

    Args:
        p: (..., outcomes).
        q: (..., outcomes).

    Raises:
        ValueError: an argument is no distribution.
    """
    check_distributions(p=p, q=q)
    log_sum = (p + q).log()  # p log p/m = p log 2p/(p + q), and p + q cannot underflow to zero as m could
    from_p = torch.where(p > 0, p * ((2 * p).log() - log_sum), 0.0)
    from_q = torch.where(q > 0, q * ((2 * q).log() - log_sum), 0.0)
    return (from_p + from_q).sum(dim=-1) / 2


def total_variation(p: Tensor, q: Tensor) -> Nats:
    """TV = sum abs(p - q) / 2, (...), the largest difference in probability of any event. Introduced in chapter 5.

    Args:
        p: (..., outcomes).
        q: (..., outcomes).

    Raises:
        ValueError: an argument is no distribution.
    """
    check_distributions(p=p, q=q)
    return (p - q).abs().sum(dim=-1) / 2


def f_divergence(
    p: Tensor,
    q: Tensor,
    f: Callable[[Tensor], Tensor],
    at_zero: float | None = None,
    slope: float | None = None,
) -> Nats:
    """sum q f(p/q) + f(0) q(p = 0) + slope p(q = 0), (...), for convex f with f(1) = 0. Introduced in chapter 5.

    Args:
        p: (..., outcomes).
        q: (..., outcomes).
        f: convex, elementwise on a float64 tensor of positive numbers; it is never evaluated at 0.
        at_zero: the limit of f(t) as t falls to 0, possibly infinite; needed where q has mass and p has none.
        slope: the limit of f(t)/t as t grows, possibly infinite; needed where p has mass and q has none.

    Raises:
        ValueError: an argument is no distribution, f(1) is not 0, p/q overflows, or a limit is needed and was not given.
    """
    check_distributions(p=p, q=q)
    at_one = f(torch.ones(1, dtype=torch.float64, device=p.device)).item()
    if not abs(at_one) < SUM_TOLERANCE:
        raise ValueError(f"f(1) must be 0, got {at_one}.")
    p, q = torch.broadcast_tensors(p, q)
    both, only_q, only_p = (p > 0) & (q > 0), (p == 0) & (q > 0), (p > 0) & (q == 0)
    if at_zero is None and only_q.any():
        raise ValueError("q has mass where p has none: give at_zero, the limit of f(t) as t falls to 0.")
    if slope is None and only_p.any():
        raise ValueError("p has mass where q has none: give slope, the limit of f(t)/t as t grows.")
    ratio = torch.where(both, p / q, 1.0)
    if ratio.isinf().any():
        raise ValueError("p/q overflows: q must not be that close to 0 where p has mass.")
    terms = torch.where(both, q * f(ratio), 0.0)
    terms = terms + torch.where(only_q, q * (at_zero or 0.0), 0.0) + torch.where(only_p, p * (slope or 0.0), 0.0)
    return terms.sum(dim=-1)


def relativistic_value(p: Tensor, q: Tensor) -> Nats:
    """sup over D of sum p_i q_j log sigmoid(D_i - D_j), (...), between -log 2 and 0. Introduced in chapter 5.

    D = log p/q maximises every pair (i, j) at once, so the supremum is sum p_i q_j log(p_i q_j / (p_i q_j + p_j q_i)), which is
    JSD(p x q || q x p) - log 2. A finite D reaches it if and only if p and q have the same support. Memory grows with the
    square of the number of outcomes.

    Args:
        p: the data, (..., outcomes).
        q: the generator's p_g, (..., outcomes).

    Raises:
        ValueError: an argument is no distribution.
    """
    check_distributions(p=p, q=q)
    pairs = p.unsqueeze(-1) * q.unsqueeze(-2)  # [i, j]: a real i beside a fake j
    swapped = pairs.transpose(-1, -2)
    terms = torch.where(pairs > 0, pairs * (pairs.log() - (pairs + swapped).log()), 0.0)
    return terms.sum(dim=(-2, -1))
