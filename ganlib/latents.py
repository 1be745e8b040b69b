"""Ways between latents, and two numbers read off an image: how far it leans, how much ink it holds."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganlib.arguments import as_values, check_signed, in_float64, number
from ganlib.metrics import check_features
from ganlib.types import Array


def slerp(a: Float[Array, "n dim"], b: Float[Array, "n dim"], share: float) -> Float[Tensor, "n dim"]:
    """The points at `share` of the arc from a to b, row by row, of a length between theirs (Shoemake 1985).

    Computed in float64. Introduced in chapter 16.

    Args:
        a: (n, d), where the ways begin.
        b: (n, d), where they end.
        share: of the angle, 0 at a and 1 at b.

    Raises:
        TypeError: a or b is not floating point, or share no number.
        ValueError: shapes differ, a row is 0 or not finite, two rows point in opposite directions, or share is outside [0, 1].
    """
    a, b = check_features(1, a=a, b=b)
    share = number(share, "share", 0.0, 1.0)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}.")
    lengths = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    if not all((length > 0).all() for length in lengths):
        raise ValueError("a and b must have no row of zeros: it has no direction.")
    a, b = a / lengths[0], b / lengths[1]
    angle = 2 * torch.atan2((a - b).norm(dim=1, keepdim=True), (a + b).norm(dim=1, keepdim=True))
    if (angle > 3.14159).any():
        raise ValueError("a and b must not point in opposite directions: no arc is the shortest.")
    whole = angle.sin()
    turned = torch.where(whole < 1e-9, a, (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / whole)
    return ((1 - share) * lengths[0] + share * lengths[1]) * turned


def ink(images: Float[Array, "n 1 height width"]) -> Float[Tensor, " n"]:
    """How many white pixels' worth of ink each image holds, (n,). Introduced in chapter 16.

    Raises:
        TypeError: images are not floating point.
        ValueError: images are not (n, 1, height, width) with n >= 1, not within [-1, 1], or nowhere below 0.
    """
    return _brightness(images).sum(dim=(1, 2))


def slant(images: Float[Array, "n 1 height width"]) -> Float[Tensor, " n"]:
    """Pixels to the right for each pixel upwards along which the ink of an image lies, (n,); 0 for an upright digit.

    With the ink as weights it is the slope of the line that best tells the column from the row: minus the mixed second moment
    over that of the rows. Introduced in chapter 16.

    Raises:
        TypeError: images are not floating point.
        ValueError: as :func:`ink`, or an image has no ink or only in one row.
    """
    weight = _brightness(images)
    weight = weight / weight.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    rows, columns = (torch.arange(size, dtype=weight.dtype, device=weight.device) for size in weight.shape[1:])
    down = rows - (weight.sum(dim=2) * rows).sum(dim=1, keepdim=True)
    along = columns - (weight.sum(dim=1) * columns).sum(dim=1, keepdim=True)
    of_rows = (weight.sum(dim=2) * down.square()).sum(dim=1)
    if not (of_rows > 1e-9).all():
        raise ValueError("images must have ink in two rows or more: others have no slant.")
    return -(weight * down[:, :, None] * along[:, None, :]).sum(dim=(1, 2)) / of_rows


def _brightness(images: Float[Array, "n 1 height width"]) -> Float[Tensor, "n height width"]:
    images = as_values(images, "images").detach()
    if images.ndim != 4 or images.shape[1] != 1 or images.numel() == 0:
        raise ValueError(f"images must have shape (n, 1, height, width) with n >= 1, got {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise TypeError(f"images must be floating point in [-1, 1], got {images.dtype}.")
    images = in_float64(images)
    if not (images.abs() <= 1.001).all():
        raise ValueError("images must lie within [-1, 1], got a value that does not.")
    check_signed(images)
    return (images[:, 0] + 1) / 2
