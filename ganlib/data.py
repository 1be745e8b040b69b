"""Samples for D: batches, bytes and floats, and toy distributions with known densities; MNIST's come from ganlib.mnist."""

import math
from collections.abc import Generator, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganlib.arguments import as_tensor, as_values, number, positive, scaled, seeded, several, whole
from ganlib.mnist import Digits, digits, mnist
from ganlib.readers import from_arrays, images, read_idx
from ganlib.types import Array, Points, Samples

__all__ = [
    "Digits",
    "batches",
    "digits",
    "from_arrays",
    "gaussian_grid",
    "gaussian_mixture_1d",
    "gaussian_ring",
    "grid_centres",
    "images",
    "mnist",
    "read_idx",
    "ring_centres",
    "to_float",
    "to_uint8",
]


def to_float(images: UInt8[Array, "..."]) -> Float[Tensor, "..."]:
    """Bytes 0..255 -> floats in [-1, 1], the range of G's tanh. Takes a tensor or a NumPy array.

    Raises:
        TypeError: images are not uint8.
    """
    images = as_tensor(images, "images")
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8, got {images.dtype}.")
    return scaled(images)


def to_uint8(images: Float[Array, "..."]) -> UInt8[Tensor, "..."]:
    """Floats in [-1, 1] -> bytes 0..255, rounded to nearest: the inverse of :func:`to_float`.

    Takes a tensor or a NumPy array. Floats of half precision are brought to float32 first, so that every byte comes back.
    A light patch is nowhere below 0 either, so that floats in [0, 1] are taken as they stand: 0 becomes grey, not black.

    Raises:
        TypeError: images are not floating point.
        ValueError: a value lies outside [-1, 1] or is not finite.
    """
    images = as_values(images, "images").detach()
    if not images.is_floating_point():
        raise TypeError(f"images must be floating point in [-1, 1], got {images.dtype}.")
    if images.dtype.itemsize < 4:
        images = images.to(torch.float32)
    if images.numel() and not (images.abs() <= 1).all():  # written so that NaN fails too
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"images must lie in [-1, 1], got values from {low:.4g} to {high:.4g}.")
    return images.add(1).mul_(127.5).round_().to(torch.uint8)


class Batches(Generator[Samples | tuple[Tensor, ...], None, None]):
    """Endless batches: what :func:`batches` hands out. It can be interrupted, copied and pickled, and goes on from there."""

    def __init__(self, parts: tuple[Tensor, ...], alone: bool, size: int, seed: int, start: int) -> None:
        self.parts, self.alone, self.size, self.seed = parts, alone, size, seed
        self.position = start
        self.shuffled: tuple[int, Tensor] | None = None  # an epoch and its order

    def send(self, value: None = None) -> Samples | tuple[Tensor, ...]:
        """The next batch."""
        n = len(self.parts[0])
        epoch, index = divmod(self.position, n // self.size)
        if self.shuffled is None or self.shuffled[0] != epoch:
            order = torch.from_numpy(np.random.default_rng((self.seed, epoch)).permutation(n))
            self.shuffled = epoch, order.to(self.parts[0].device)
        rows = self.shuffled[1][index * self.size : (index + 1) * self.size]
        reals, *given = (part[rows.to(part.device)] for part in self.parts)
        reals = to_float(reals) if reals.dtype == torch.uint8 else reals
        batch = reals if self.alone else (reals, *given)
        self.position += 1  # last, so that a batch that was interrupted comes again
        return batch

    def throw(self, *exception: Any) -> NoReturn:
        """Raises it, as any generator would; the next batch is the one that would have come."""
        return super().throw(*exception)


def batches(samples: Array | tuple[Array, ...] | list[Array], size: int, seed: int = 0, start: int = 0) -> Batches:
    """Endless batches of `size` samples, on the tensor's own device; bytes come out as floats in [-1, 1].

    Every epoch is a fresh permutation; the samples that fill no batch wait for the next epoch. Batch i depends on
    (seed, i) alone, so ``batches(samples, size, seed, start=i)`` goes on where an interrupted run stopped, and an interrupted
    iterator goes on with the batch that was due.

    A `torch.utils.data.DataLoader` becomes endless by three lines (`itertools.cycle` would keep its first epoch and repeat
    it)::

        def endless(loader):
            while True:
                yield from loader

    Args:
        samples: (N, ...), uint8 or floating point, a tensor or a NumPy array; or a tuple or list (reals, labels, ...) of them,
            as :func:`mnist` returns: then every batch is a tuple. Only reals are brought from bytes to floats.
        size: samples a batch, at most N.
        seed: of the permutations.
        start: number of batches to pass over.

    Raises:
        TypeError: samples are no tensors or arrays, reals are neither uint8 nor floating point, or a number is not whole.
        ValueError: the parts differ in length, size is not in 1..N, or seed or start is negative.
    """
    alone = not isinstance(samples, tuple | list)
    names = ["samples"] if alone else [f"samples[{index}]" for index in range(len(samples))]
    parts = tuple(as_tensor(part, name) for part, name in zip([samples] if alone else samples, names))
    if not parts:
        raise ValueError("samples must hold a tensor or an array at least, got none.")
    for part, name in zip(parts, names):
        if part.ndim == 0:
            raise ValueError(f"{name} must have shape (N, ...), got ().")
        if len(part) != len(parts[0]):
            raise ValueError(f"{names[0]} and {name} must have one length, got {len(parts[0])} and {len(part)}.")
    if parts[0].dtype != torch.uint8 and not parts[0].is_floating_point():
        raise TypeError(f"{names[0]} must be uint8 or floating point, got {parts[0].dtype}.")
    size, seed, start = whole(size, "size", 1), whole(seed, "seed", 0), whole(start, "start", 0)
    if size > len(parts[0]):
        raise ValueError(f"size must be at most the number of samples {len(parts[0])}, got {size}.")
    return Batches(parts, alone, size, seed, start)


def gaussian_mixture_1d(
    n: int, means: Sequence[float] = (-2.0, 2.0), stds: Sequence[float] = (0.5, 0.5), seed: int = 0
) -> Points:
    """n points (n, 1) of an equal mixture of normals on a line, in float32.

    Raises:
        TypeError: n or seed is no whole number, or a mean or standard deviation no number.
        ValueError: n < 1, means and stds differ in length, or a mean is not finite or a standard deviation not positive.
    """
    n, shuffle = whole(n, "n", 1), seeded(seed)
    means, stds = several(means, "means", _place), several(stds, "stds", positive)
    if len(means) != len(stds):
        raise ValueError(f"means and stds must have one length, got {len(means)} and {len(stds)}.")
    component = torch.randint(len(means), (n,), generator=shuffle, device="cpu")
    noise = torch.randn(n, generator=shuffle, dtype=torch.float32, device="cpu")
    mean, std = torch.tensor([means, stds], dtype=torch.float32, device="cpu")[:, component]
    return (mean + std * noise).unsqueeze(1)


def ring_centres(modes: int = 8, radius: float = 1.0) -> Points:
    """Centres (modes, 2) of :func:`gaussian_ring`, the first one at (radius, 0), anticlockwise, in float32.

    Raises:
        TypeError: modes is no whole number, or radius no number.
        ValueError: modes < 1, or radius is not finite.
    """
    angle = torch.arange(whole(modes, "modes", 1), dtype=torch.float32, device="cpu") * (2 * math.pi / modes)
    return _place(radius, "radius") * torch.stack([angle.cos(), angle.sin()], dim=1)


def grid_centres(side: int = 5, spacing: float = 2.0) -> Points:
    """Centres (side^2, 2) of :func:`gaussian_grid`, around the origin, in float32.

    Raises:
        TypeError: side is no whole number, or spacing no number.
        ValueError: side < 1, or spacing is not finite.
    """
    place = torch.arange(whole(side, "side", 1), dtype=torch.float32, device="cpu")
    line = (place - (side - 1) / 2) * _place(spacing, "spacing")
    return torch.cartesian_prod(line, line)


def gaussian_ring(n: int, modes: int = 8, radius: float = 1.0, std: float = 0.01, seed: int = 0) -> Points:
    """n points (n, 2) of an equal mixture of `modes` normals on a circle (PacGAN's ring by default; Lin et al. 2018).

    Raises:
        TypeError: an argument is no number, or a count not whole.
        ValueError: n < 1, std is not positive, or as :func:`ring_centres`.
    """
    return _around(ring_centres(modes, radius), n, std, seed)


def gaussian_grid(n: int, side: int = 5, spacing: float = 2.0, std: float = 0.05, seed: int = 0) -> Points:
    """n points (n, 2) of an equal mixture of side^2 normals on a square grid (PacGAN's grid by default).

    Raises:
        TypeError: an argument is no number, or a count not whole.
        ValueError: n < 1, std is not positive, or as :func:`grid_centres`.
    """
    return _around(grid_centres(side, spacing), n, std, seed)


def _around(centres: Tensor, n: int, std: float, seed: int) -> Tensor:
    n, std, shuffle = whole(n, "n", 1), positive(std, "std"), seeded(seed)
    mode = torch.randint(len(centres), (n,), generator=shuffle, device="cpu")
    return centres[mode] + std * torch.randn(n, 2, generator=shuffle, dtype=torch.float32, device="cpu")


def _place(value: float, name: str) -> float:
    """A number that float32 can hold, with room for noise around it."""
    return number(value, name, -1e30, 1e30)
