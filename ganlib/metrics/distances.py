"""Two feature sets in, their distance out: between fitted normals, and between means in a polynomial feature space."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganlib.arguments import as_values, seeded, whole
from ganlib.metrics.summaries import check_features, check_values, mean_interval
from ganlib.types import Array


def feature_statistics(features: Float[Array, "n dim"], name: str = "features") -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of features (n, d), in float64; errors call them by `name`.

    Raises:
        ValueError: features are not (n, d) with n > d >= 1: with n <= d the covariance would be singular, and a distance
            built on it would describe the sample size; or a feature is not finite, or beyond 1e50.
        TypeError: features are no floating-point tensor or array.
    """
    features = as_values(features, name)
    if features.ndim != 2 or not len(features) > features.shape[1] >= 1:
        raise ValueError(f"{name} must have shape (n, d) with n > d >= 1, got {tuple(features.shape)}.")
    features = check_values(features, name)
    return features.mean(dim=0), torch.atleast_2d(torch.cov(features.T))


def frechet_distance(a: Float[Array, "n_a dim"], b: Float[Array, "n_b dim"]) -> float:
    """Squared 2-Wasserstein distance between the normals fitted to two feature sets (Dowson and Landau 1982, eq. 4).

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), where the trace of the root is the sum of the roots of the eigenvalues
    of S_a^(1/2) S_b S_a^(1/2), a symmetric matrix: no complex arithmetic, no epsilon. The estimate is biased upwards, the
    more the fewer samples: quote n and the extractor with every value, and the distance between two real samples.

    Args:
        a: (n_a, d), n_a > d.
        b: (n_b, d), n_b > d.

    Returns:
        The distance, at least 0, in squared units of the features.

    Raises:
        ValueError: a shape is wrong, the two sets differ in d or in device, or a feature is not finite.
    """
    a, b = as_values(a, "a"), as_values(b, "b")
    if a.device != b.device:
        raise ValueError(f"a is on {a.device}, b on {b.device}: expected one device.")
    mean_a, cov_a = feature_statistics(a, "a")
    mean_b, cov_b = feature_statistics(b, "b")
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"a and b must have one number of features, got {len(mean_a)} and {len(mean_b)}.")
    values, vectors = torch.linalg.eigh(cov_a)
    root_a = vectors * values.clamp_min(0).sqrt() @ vectors.T
    trace_of_root = torch.linalg.eigvalsh(root_a @ cov_b @ root_a).clamp_min(0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace_of_root
    return max(distance.item(), 0.0)


def polynomial_mmd(a: Float[Array, "n_a dim"], b: Float[Array, "n_b dim"]) -> float:
    """Unbiased squared maximum mean discrepancy under k(x, y) = (x.y / d + 1)^3 (Gretton et al. 2012, eq. 3).

    mean k(a, a') + mean k(b, b') - 2 mean k(a, b), no sample being paired with itself: the expectation is the distance
    itself, so that an estimate may be negative when the two distributions are one. Introduced in chapter 10.

    Raises:
        ValueError: a shape is wrong, a set has fewer than two rows, or a feature is not finite.
    """
    a, b = check_features(2, a=a, b=b)
    within_a, within_b, across = ((x @ y.T / a.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    n_a, n_b = len(a), len(b)
    mean_a = (within_a.sum() - within_a.trace()) / (n_a * (n_a - 1))
    mean_b = (within_b.sum() - within_b.trace()) / (n_b * (n_b - 1))
    return (mean_a + mean_b - 2 * across.mean()).item()


def kernel_distance(
    a: Float[Array, "n_a dim"], b: Float[Array, "n_b dim"], size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance (Binkowski et al. 2018) with its 95 % interval: :func:`polynomial_mmd` over disjoint pairs of blocks.

    Both sets are shuffled and cut into blocks of `size`; blocks that share no row are independent, so that Student's
    interval of their mean is honest. (The usual 100 subsets overlap: their spread is not the error of the mean.)
    Introduced in chapter 10.

    Args:
        a: (n_a, d).
        b: (n_b, d).
        size: rows of a block; the smaller set must fill two.
        seed: of the shuffles.

    Returns:
        Mean, an unbiased estimate of the distance, and the half-width of its interval.

    Raises:
        ValueError: a shape is wrong, size < 2, the smaller set does not fill two blocks, or a feature is not finite.
    """
    a, b = check_features(2, a=a, b=b)
    size, shuffle = whole(size, "size", 2), seeded(seed)
    blocks = min(len(a), len(b)) // size
    if blocks < 2:
        raise ValueError(f"size must fill two blocks of {min(len(a), len(b))} rows, got {size}.")
    orders = [torch.randperm(len(x), generator=shuffle, device="cpu")[: blocks * size] for x in (a, b)]
    blocks_a, blocks_b = a[orders[0]].split(size), b[orders[1]].split(size)
    return mean_interval([polynomial_mmd(x, y) for x, y in zip(blocks_a, blocks_b)])
