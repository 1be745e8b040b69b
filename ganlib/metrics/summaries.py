"""What all metrics share: the check of what they are given, and how a few values become a mean with its interval."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganlib.arguments import as_values, in_float64, number, several
from ganlib.types import Array

LARGEST = 1e50
"""What a feature may be at most: cubes of inner products stay numbers of float64."""


def check_features(least: int, **sets: Array) -> tuple[Float64[Tensor, "n dim"], ...]:
    """The sets in float64, if they are finite feature sets (n, d) of one width and one device, each of `least` rows or more.

    Sets on a device that has no float64, as Apple's MPS, come back on the CPU.

    Raises:
        TypeError: a set is no floating-point tensor or array.
        ValueError: what is wrong, and with which set; a value beyond 1e50 counts as wrong.
    """
    tensors = {name: as_values(x, name) for name, x in sets.items()}
    (first_name, first), *_ = tensors.items()
    for name, x in tensors.items():
        if x.ndim != 2 or len(x) < least or x.shape[1] == 0:
            raise ValueError(f"{name} must have shape (n, d) with n >= {least} and d >= 1, got {tuple(x.shape)}.")
        if x.shape[1] != first.shape[1]:
            raise ValueError(f"{first_name} and {name} must have one width, got {first.shape[1]} and {x.shape[1]}.")
        if x.device != first.device:
            raise ValueError(f"{first_name} is on {first.device}, {name} on {x.device}: expected one device.")
    return tuple(check_values(x, name) for name, x in tensors.items())


def check_values(x: Tensor, name: str) -> Tensor:
    """x in float64, on the CPU where its device has none.

    Raises:
        TypeError: x is not floating point.
        ValueError: a value is not finite, or beyond 1e50.
    """
    if not x.is_floating_point():
        raise TypeError(f"{name} must be floating point, got {x.dtype}.")
    x = in_float64(x)
    if not (x.abs() <= LARGEST).all():
        finite = x.isfinite()
        wrong, rule = (~finite, "be finite") if not finite.all() else (x.abs() > LARGEST, f"lie within {LARGEST:g} of 0")
        raise ValueError(f"{name} must {rule}, got {int(wrong.sum())} values that are not.")
    return x


def class_balance(probabilities: Float[Array, "n classes"]) -> Float[Tensor, " classes"]:
    """Share (classes,) of samples that a classifier assigns to each class, from probabilities (n, classes).

    Raises:
        TypeError: probabilities are no floating-point tensor or array.
        ValueError: probabilities have another shape, no row or no class, or are not finite.
    """
    probabilities = as_values(probabilities, "probabilities")
    if probabilities.ndim != 2 or probabilities.numel() == 0:
        shape = tuple(probabilities.shape)
        raise ValueError(f"probabilities must have shape (n, classes) with n >= 1 and classes >= 1, got {shape}.")
    probabilities = check_values(probabilities, "probabilities")
    counts = torch.bincount(probabilities.argmax(dim=1), minlength=probabilities.shape[1])
    return counts.to(torch.float32) / len(probabilities)


def mean_interval(values: Sequence[float] | Array, level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's t interval for the mean of a few runs.

    Raises:
        TypeError: a value or the level is no number.
        ValueError: fewer than two values, one that is not finite or beyond 1e100, or a level outside (0, 1).
    """
    from scipy.stats import t

    values = several(values, "values", _in_range)
    if len(values) < 2:
        raise ValueError(f"values must hold two numbers at least, got {len(values)}.")
    if not 0 < number(level, "level") < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}.")
    spread = np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(t.ppf((1 + level) / 2, len(values) - 1) * spread)


def _in_range(value: float, name: str) -> float:
    return number(value, name, -1e100, 1e100)
