"""What all metrics share: the check of what they are given, and how a few values become a mean with its interval."""

import numpy as np
import torch
from torch import Tensor

from ganlib.types import Features


def check_features(least: int, **sets: Tensor) -> None:
    """Refuses what is not a family of finite feature sets (n, d) of one width and one device, each of `least` rows or more.

    Raises:
        ValueError: what is wrong, and with which set.
    """
    (first_name, first), *_ = sets.items()
    for name, x in sets.items():
        if x.ndim != 2 or len(x) < least or x.shape[1] == 0:
            raise ValueError(f"{name} must have shape (n, d) with n >= {least} and d >= 1, got {tuple(x.shape)}.")
        if x.shape[1] != first.shape[1]:
            raise ValueError(f"{first_name} and {name} must have one width, got {first.shape[1]} and {x.shape[1]}.")
        if x.device != first.device:
            raise ValueError(f"{first_name} is on {first.device}, {name} on {x.device}: expected one device.")
        if not x.isfinite().all():
            raise ValueError(f"{name} must be finite, got {int((~x.isfinite()).sum())} values that are not.")


def class_balance(probabilities: Features) -> Tensor:
    """Share (classes,) of samples that a classifier assigns to each class, from probabilities (n, classes).

    Raises:
        ValueError: probabilities have another shape, no row or no class, or are not finite.
    """
    if probabilities.ndim != 2 or probabilities.numel() == 0:
        shape = tuple(probabilities.shape)
        raise ValueError(f"probabilities must have shape (n, classes) with n >= 1 and classes >= 1, got {shape}.")
    if not probabilities.isfinite().all():
        raise ValueError(f"probabilities must be finite, got {int((~probabilities.isfinite()).sum())} values that are not.")
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
