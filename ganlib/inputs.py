"""What networks ask of what they are given: latents, images, labels and sizes, by the same checks in each of them."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from ganlib.arguments import as_values, several, whole


def check_latents(z: Any, z_dim: int, weight: Tensor) -> None:
    """Refuses what is no batch of latents for a network of these weights.

    Raises:
        TypeError: z is no tensor, or of another dtype than the weight.
        ValueError: z is not (batch, z_dim) with batch >= 1.
    """
    _check_tensor(z, "z")
    if z.ndim != 2 or z.shape[1] != z_dim or len(z) == 0:
        raise ValueError(f"z must have shape (batch, {z_dim}) with batch >= 1, got {tuple(z.shape)}.")
    if z.dtype != weight.dtype:
        raise TypeError(f"z must be {weight.dtype} as the weights are, got {z.dtype}.")


def check_images(images: Any, image_shape: tuple[int, ...], name: str = "images") -> None:
    """Refuses what is no batch of images of one shape, (channel, height, width), in floats; errors call it by `name`.

    Raises:
        TypeError: images are no tensor, or not floating point.
        ValueError: images are not (batch, channel, height, width), of that shape, with batch >= 1.
    """
    _check_tensor(images, name)
    if images.shape[1:] != image_shape or len(images) == 0:
        expected = ", ".join(map(str, image_shape))
        raise ValueError(f"{name} must have shape (batch, {expected}) with batch >= 1, got {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise TypeError(f"{name} must be floating point in [-1, 1], got {images.dtype}; data.to_float scales bytes.")


def check_codes(G: Any, z: Any, fakes: Any) -> None:
    """Refuses a G without codes, and z and fakes that are not of one draw of it.

    Raises:
        TypeError: G has no codes, numbers or Q, z or fakes are no tensor, fakes no floats, or z not of the weights' dtype.
        ValueError: z is shorter than G's codes and numbers, or fakes are not G's images, one for each row of z.
    """
    if not all(hasattr(G, part) for part in ("codes", "numbers", "Q", "image_shape")):
        raise TypeError(f"G must have codes, numbers and Q, as InfoGenerator has, got {type(G).__name__}.")
    _check_tensor(z, "z")
    if z.ndim != 2 or z.shape[1] < G.codes + G.numbers:
        raise ValueError(f"z must have shape (batch, {G.codes} codes, {G.numbers} numbers, ...), got {tuple(z.shape)}.")
    check_images(fakes, G.image_shape, "fakes")
    if len(fakes) != len(z):
        raise ValueError(f"fakes must be one for each row of z, got {len(fakes)} for {len(z)}.")
    if z.dtype != (weight := next(G.parameters())).dtype:
        raise TypeError(f"z must be {weight.dtype} as G's weights are, got {z.dtype}.")


def _check_tensor(values: Any, name: str) -> None:
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(values).__name__}.")


def rows_of(table: Tensor, labels: Any, beside: Tensor) -> Tensor:
    """The row of a table (classes, ...) that each label names; no number is read from the device.

    Args:
        table: on the device of `beside`.
        labels: (batch,), int64, a tensor or a NumPy array.
        beside: (batch, ...), what a network reads together with them.

    Raises:
        TypeError: labels are no tensor or array, or not int64.
        ValueError: labels are not one for each row of `beside`, or one is not in 0..classes - 1. (On a GPU that is found by the
            device, which stops the program: asking it each time would make the host wait.)
    """
    labels = as_values(labels, "labels")
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {labels.dtype}.")
    if labels.shape != beside.shape[:1]:
        raise ValueError(f"labels must have shape ({len(beside)},), one a sample, got {tuple(labels.shape)}.")
    try:
        return embedding(labels.to(beside.device), table)
    except IndexError as error:
        found = f"of {len(table)} classes, got {labels.min()} to {labels.max()}"
        raise ValueError(f"labels must lie in 0..{len(table) - 1}, {found}.") from error


def wholes(values: Any, name: str, least: int = 1, smallest: int = 1) -> tuple[int, ...]:
    """The whole numbers of a sequence, `least` of them or more, each from `smallest` on: units of layers, channels, sides.

    Raises:
        TypeError: values are no sequence of whole numbers.
        ValueError: one is too small, or there are too few.
    """
    return tuple(map(int, several(values, name, lambda value, name: float(whole(value, name, smallest)), least)))
