"""Features in, a number out. A metric never sees an image: what turns images into features is named beside the number."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganlib.types import Features


def feature_statistics(features: Features) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of features (n, d), in float64.

    Raises:
        ValueError: features are not (n, d) with n > d: the covariance would be singular, and a distance built on it would
            describe the sample size; or a feature is not finite.
    """
    if features.ndim != 2 or len(features) <= features.shape[1]:
        raise ValueError(f"features must have shape (n, d) with n > d, got {tuple(features.shape)}.")
    if not features.isfinite().all():
        raise ValueError(f"features must be finite, got {int((~features.isfinite()).sum())} values that are not.")
    features = features.double()
    return features.mean(dim=0), torch.atleast_2d(torch.cov(features.T))


def frechet_distance(a: Float[Tensor, "n_a dim"], b: Float[Tensor, "n_b dim"]) -> float:
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
    if a.device != b.device:
        raise ValueError(f"a is on {a.device}, b on {b.device}: expected one device.")
    mean_a, cov_a = feature_statistics(a)
    mean_b, cov_b = feature_statistics(b)
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"a and b must have one number of features, got {len(mean_a)} and {len(mean_b)}.")
    values, vectors = torch.linalg.eigh(cov_a)
    root_a = vectors * values.clamp_min(0).sqrt() @ vectors.T
    trace_of_root = torch.linalg.eigvalsh(root_a @ cov_b @ root_a).clamp_min(0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace_of_root
    return max(distance.item(), 0.0)


def class_balance(probabilities: Features) -> Tensor:
    """Share (classes,) of samples that a classifier assigns to each class, from probabilities (n, classes)."""
    if probabilities.ndim != 2 or len(probabilities) == 0:
        raise ValueError(f"probabilities must have shape (n, classes) with n >= 1, got {tuple(probabilities.shape)}.")
    return torch.bincount(probabilities.argmax(dim=1), minlength=probabilities.shape[1]) / len(probabilities)


def mean_interval(values: list[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's t interval for the mean of a few runs.

    Raises:
        ValueError: fewer than two values, or a level outside (0, 1).
    """
    from scipy.stats import t

    if len(values) < 2:
        raise ValueError(f"an interval needs at least two values, got {len(values)}.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}.")
    spread = np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(t.ppf((1 + level) / 2, len(values) - 1) * spread)
