"""Samples for D: batches, bytes and floats, and toy distributions with known densities; MNIST's come from ganlib.mnist."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganlib.mnist import Digits, digits, mnist
from ganlib.types import Points, Samples

__all__ = [
    "Digits",
    "batches",
    "digits",
    "gaussian_grid",
    "gaussian_mixture_1d",
    "gaussian_ring",
    "grid_centres",
    "mnist",
    "ring_centres",
    "to_float",
    "to_uint8",
]


def to_float(images: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Bytes 0..255 -> floats in [-1, 1], the range of G's tanh.

    Raises:
        TypeError: images are not uint8.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8, got {images.dtype}.")
    return images.to(torch.float32).div_(127.5).sub_(1)


def to_uint8(images: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """Floats in [-1, 1] -> bytes 0..255, rounded to nearest: the inverse of :func:`to_float`.

    Raises:
        TypeError: images are not floating point.
        ValueError: a value lies outside [-1, 1] or is not finite.
    """
    if not images.is_floating_point():
        raise TypeError(f"images must be floating point in [-1, 1], got {images.dtype}.")
    if images.numel() and not (images.abs() <= 1).all():  # written so that NaN fails too
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"images must lie in [-1, 1], got values from {low:.4g} to {high:.4g}.")
    return images.add(1).mul_(127.5).round_().to(torch.uint8)


def batches(images: Tensor, size: int, seed: int = 0, start: int = 0) -> Iterator[Samples]:
    """Endless batches of `size` samples, on the tensor's own device; bytes come out as floats in [-1, 1].

    Every epoch is a fresh permutation; the samples that fill no batch wait for the next epoch. Batch i depends on
    (seed, i) alone, so ``batches(images, size, seed, start=i)`` goes on where an interrupted run stopped.

    Args:
        images: (N, ...), uint8 or floating point.
        size: samples a batch, at most N.
        seed: of the permutations.
        start: number of batches to pass over.

    Raises:
        TypeError: images are neither uint8 nor floating point.
        ValueError: size is not in 1..N, or start is negative.
    """
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"images must be uint8 or floating point, got {images.dtype}.")
    if not 1 <= size <= len(images):
        raise ValueError(f"size must lie between 1 and the number of samples {len(images)}, got {size}.")
    if start < 0:
        raise ValueError(f"start must not be negative, got {start}.")
    return _endless(images, size, seed, start)


def _endless(images: Tensor, size: int, seed: int, start: int) -> Iterator[Samples]:
    per_epoch = len(images) // size
    epoch, first = divmod(start, per_epoch)
    while True:
        order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(images))).to(images.device)
        for index in range(first, per_epoch):
            batch = images[order[index * size : (index + 1) * size]]
            yield to_float(batch) if batch.dtype == torch.uint8 else batch
        epoch, first = epoch + 1, 0


def gaussian_mixture_1d(
    n: int, means: tuple[float, ...] = (-2.0, 2.0), stds: tuple[float, ...] = (0.5, 0.5), seed: int = 0
) -> Points:
    """n points (n, 1) of an equal mixture of normals on a line.

    Raises:
        ValueError: n < 1, means and stds differ in length, or a standard deviation is not positive.
    """
    _check_count(n, "n")
    if len(means) != len(stds) or not means or not all(std > 0 for std in stds):
        raise ValueError(f"means and stds must have one length and positive stds, got {means} and {stds}.")
    shuffle = torch.Generator().manual_seed(seed)
    component = torch.randint(len(means), (n,), generator=shuffle)
    noise = torch.randn(n, generator=shuffle)
    return (torch.tensor(means)[component] + torch.tensor(stds)[component] * noise).unsqueeze(1)


def ring_centres(modes: int = 8, radius: float = 1.0) -> Points:
    """Centres (modes, 2) of :func:`gaussian_ring`, the first one at (radius, 0), anticlockwise."""
    _check_count(modes, "modes")
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def grid_centres(side: int = 5, spacing: float = 2.0) -> Points:
    """Centres (side^2, 2) of :func:`gaussian_grid`, around the origin."""
    _check_count(side, "side")
    line = (torch.arange(side) - (side - 1) / 2) * spacing
    return torch.cartesian_prod(line, line)


def gaussian_ring(n: int, modes: int = 8, radius: float = 1.0, std: float = 0.01, seed: int = 0) -> Points:
    """n points (n, 2) of an equal mixture of `modes` normals on a circle (PacGAN's ring by default; Lin et al. 2018)."""
    return _around(ring_centres(modes, radius), n, std, seed)


def gaussian_grid(n: int, side: int = 5, spacing: float = 2.0, std: float = 0.05, seed: int = 0) -> Points:
    """n points (n, 2) of an equal mixture of side^2 normals on a square grid (PacGAN's grid by default)."""
    return _around(grid_centres(side, spacing), n, std, seed)


def _around(centres: Tensor, n: int, std: float, seed: int) -> Tensor:
    _check_count(n, "n")
    if not std > 0:
        raise ValueError(f"std must be positive, got {std}.")
    shuffle = torch.Generator().manual_seed(seed)
    mode = torch.randint(len(centres), (n,), generator=shuffle)
    return centres[mode] + std * torch.randn(n, 2, generator=shuffle)


def _check_count(count: int, name: str) -> None:
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count}.")
