"""The score of 2014: log-likelihood of held-out points under a Parzen window, a normal around every sample."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganlib.arguments import positive, several, whole
from ganlib.metrics.summaries import check_features
from ganlib.types import Array


def squared_distances(a: Float[Array, "n_a dim"], b: Float[Array, "n_b dim"]) -> Float[Tensor, "n_a n_b"]:
    """|x - y|^2 of all pairs as |x|^2 - 2 x.y + |y|^2, in float64.

    One matrix product; in float32 the three terms would cancel to noise, so the points are moved to the origin and doubled.
    Introduced in chapter 10.
    """
    a, b = check_features(1, a=a, b=b)
    centre = b.mean(dim=0)
    a, b = a - centre, b - centre
    return torch.addmm(b.square().sum(dim=1), a, b.T, alpha=-2).add_(a.square().sum(dim=1, keepdim=True)).clamp_min_(0)


def parzen_log_likelihood(
    samples: Float[Array, "n_samples dim"], points: Float[Array, "n_points dim"], sigma: float, block: int = 500
) -> Float[Tensor, " n_points"]:
    """log of the mean over samples of the normal density N(point; sample, sigma^2 I), in nats, for each point.

    The protocol of Goodfellow et al. 2014, Table 1: `samples` come from the generator, `points` are test images in [0, 1],
    their mean is the score. Block by block, so that memory is block x n_samples. Introduced in chapter 10.

    Args:
        samples: (n_samples, d), the centres.
        points: (n_points, d), where the density is wanted.
        sigma: standard deviation of the kernels, in units of the data.
        block: points at a time.

    Returns:
        (n_points,) float64.

    Raises:
        ValueError: a shape is wrong, sigma does not lie in [1e-100, 1e100], block < 1, or a value is not finite.
    """
    samples, points = check_features(1, samples=samples, points=points)
    sigma, block = positive(sigma, "sigma"), whole(block, "block", 1)
    n, dim = samples.shape
    log_norm = math.log(n) + dim / 2 * math.log(2 * math.pi * sigma**2)
    exponents = (squared_distances(chunk, samples).mul_(-0.5 / sigma**2) for chunk in points.split(block))
    return torch.cat([exponent.logsumexp(dim=1) for exponent in exponents]) - log_norm


def select_sigma(
    samples: Float[Array, "n_samples dim"], points: Float[Array, "n_points dim"], sigmas: Sequence[float], block: int = 500
) -> float:
    """The one of `sigmas` under which `points`, a validation set, have the highest mean :func:`parzen_log_likelihood`.

    Distances are computed once for all of them. Introduced in chapter 10.

    Raises:
        ValueError: no sigma is given, one does not lie in [1e-100, 1e100], or as for :func:`parzen_log_likelihood`.
    """
    samples, points = check_features(1, samples=samples, points=points)
    sigmas, block = several(sigmas, "sigmas", positive), whole(block, "block", 1)
    totals = torch.zeros(len(sigmas), dtype=torch.float64, device="cpu")
    for chunk in points.split(block):
        exponent = squared_distances(chunk, samples).mul_(-0.5)
        for i, sigma in enumerate(sigmas):
            totals[i] += (exponent / sigma**2).logsumexp(dim=1).sum().item() - len(chunk) * samples.shape[1] * math.log(sigma)
    return sigmas[int(totals.argmax())]
