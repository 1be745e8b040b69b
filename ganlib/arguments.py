"""What the library's functions ask of their arguments: one check of each kind, with an error that names the argument."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor


def as_tensor(values: Any, name: str) -> Tensor:
    """A tensor as it is; a NumPy array as a tensor on the CPU, which shares the array's memory where torch can.

    Raises:
        TypeError: values are neither, are sparse, or are of a dtype that torch does not have.
    """
    if isinstance(values, Tensor):
        if values.layout != torch.strided:
            raise TypeError(f"{name} must be a dense tensor, got {values.layout}.")
        return values
    if not isinstance(values, np.ndarray):
        raise TypeError(f"{name} must be a tensor or a NumPy array, got {type(values).__name__}.")
    if not values.flags.writeable or any(stride < 0 for stride in values.strides):  # torch warns of the one, refuses the other
        values = values.copy()
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    try:
        return torch.from_numpy(values)
    except TypeError as error:
        raise TypeError(f"{name} must be of a dtype that torch has, got NumPy's {values.dtype}.") from error


def as_values(values: Any, name: str) -> Tensor:
    """As :func:`as_tensor`, for a function that looks at the values.

    Raises:
        TypeError: as :func:`as_tensor`.
        ValueError: the tensor is on the device "meta", which holds shapes alone.
    """
    tensor = as_tensor(values, name)
    if tensor.is_meta:
        raise ValueError(f'{name} must hold values, got a tensor on the device "meta".')
    return tensor


def in_float64(values: Tensor) -> Tensor:
    """The values in float64, on the CPU where their device has none, as Apple's MPS."""
    try:
        return values.double()
    except TypeError:  # so says MPS
        return values.cpu().double()


def scaled(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Bytes 0..255 as floats in [-1, 1], the range of G's tanh."""
    return images.to(dtype).div_(127.5).sub_(1)


def check_signed(images: Tensor, name: str = "images") -> None:
    """Refuses floats that are nowhere below 0, most likely in [0, 1]: there black would be taken for grey.

    Raises:
        ValueError: no value is below 0.
    """
    values = images.float() if images.dtype.itemsize < 4 else images
    low, high = (bound.item() for bound in values.aminmax())
    if low >= 0:
        found = f"from {low:.4g} to {high:.4g}, as in [0, 1]; data.to_float scales bytes, and 2 * images - 1 these"
        raise ValueError(f"{name} must lie in [-1, 1], got values {found}.")


def whole(value: Any, name: str, least: int, most: int = 2**63 - 1) -> int:
    """A whole number from `least` to `most`, both included, Python's or NumPy's; at most what 64 bits hold.

    Raises:
        TypeError: value is no whole number.
        ValueError: it is out of range.
    """
    if not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {_shown(value)}.")
    if not least <= value <= most:
        allowed = f"be at least {least}" if value < least and most == 2**63 - 1 else f"lie between {least} and {most}"
        raise ValueError(f"{name} must {allowed}, got {value}.")
    return int(value)


def number(value: Any, name: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A number from `least` to `most`, both included, Python's or NumPy's; never NaN.

    Raises:
        TypeError: value is no number.
        ValueError: it is NaN or out of range.
    """
    if not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {_shown(value)}.")
    if isinstance(value, np.floating):  # NumPy would cast the bounds to the value's precision, and warn
        value = float(value)
    if not least <= value <= most:
        allowed = "be a number" if math.isinf(least) and math.isinf(most) else f"lie in [{least:g}, {most:g}]"
        raise ValueError(f"{name} must {allowed}, got {value}.")
    return float(value)


def positive(value: Any, name: str) -> float:
    """A positive number whose square float64 can hold, as a standard deviation or a step is.

    Raises:
        TypeError: value is no number.
        ValueError: it does not lie in [1e-100, 1e100].
    """
    if isinstance(value, int | float | np.integer | np.floating) and not value > 0:
        raise ValueError(f"{name} must be positive, got {value}.")
    return number(value, name, 1e-100, 1e100)


def scalar(value: Any, name: str) -> Float64[Tensor, ""]:
    """A number, or the one in a tensor or array, as a float64 tensor () on the CPU; a gradient flows through.

    Raises:
        TypeError: value is no real number.
        ValueError: it is NaN, or a tensor or array holds another number of numbers.
    """
    if not isinstance(value, Tensor | np.ndarray):
        return torch.tensor(number(value, name), dtype=torch.float64, device="cpu")
    tensor = as_values(value, name)
    if tensor.numel() != 1 or tensor.is_complex():
        raise ValueError(f"{name} must be one real number, got {tensor.dtype} of shape {tuple(tensor.shape)}.")
    return tensor.reshape(()).cpu().to(torch.float64)


def function(value: Any, name: str) -> Callable[..., Any]:
    """A function, or what can be called as one, as it is.

    Raises:
        TypeError: value cannot be called.
    """
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {_shown(value)}.")
    return value


def several(values: Any, name: str, check: Callable[[Any, str], float], least: int = 1) -> list[float]:
    """The numbers of a sequence, an array or a tensor of one axis, `least` or more, each checked by ``check(value, name)``.

    Raises:
        TypeError: values are no sequence of numbers.
        ValueError: there are fewer, or as `check`.
    """
    if isinstance(values, Tensor | np.ndarray):
        values = as_values(values, name).tolist()
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"{name} must be a sequence of numbers, got {_shown(values)}.")
    if len(values) < least:
        raise ValueError(f"{name} must hold numbers, {least} or more, got {len(values)}.")
    return [check(value, name) for value in values]


def seeded(seed: Any, name: str = "seed") -> torch.Generator:
    """A generator of its own on the CPU, whatever torch's default device is, so that a seed means the same everywhere.

    Raises:
        TypeError: seed is no whole number.
        ValueError: seed is negative or has more than 63 bits.
    """
    return torch.Generator(device="cpu").manual_seed(whole(seed, name, 0))


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, float | np.floating | str | None) else type(value).__name__
