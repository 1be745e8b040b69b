"""Where samples come from: MNIST, the digits inside scikit-learn, and toy distributions with known densities."""

import gzip
import hashlib
import math
import os
import struct
import sys
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganlib.types import ByteImages, Labels, Points, Samples

# SHA-256 of the four files of MNIST (LeCun, Cortes and Burges) once decompressed.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PREFIXES = {"train": "train", "test": "t10k"}


class _Pair(NamedTuple):
    images: ByteImages
    labels: Labels


class Digits(_Pair):
    """``images, labels = Digits(...)``, with ``.source`` saying which data they are, for captions."""

    source: str

    def __new__(cls, images: Tensor, labels: Tensor, source: str) -> "Digits":
        digits = super().__new__(cls, images, labels)
        digits.source = source
        return digits


def mnist(split: str = "train", root: str | Path | None = None, fallback: bool = True) -> Digits:
    """MNIST as ``(images uint8 (N, 1, 28, 28), labels int64 (N,))``, N = 60,000 for "train" and 10,000 for "test".

    Looked for in turn: ``root``, or the folder that ``$GANLIB_DATA`` names (raw or .gz IDX files under ``MNIST/raw/``, read
    only); the user's cache folder; torchvision's mirrors, from which they go to the cache. Every file's SHA-256 is
    verified. With none of these within reach, :func:`digits` stands in and a line on standard error says so.

    Args:
        split: "train" or "test".
        root: folder that holds ``MNIST/raw/``; it takes the place of ``$GANLIB_DATA``.
        fallback: False raises instead of handing out the stand-in.

    Returns:
        A pair that unpacks to images and labels; ``.source`` is "MNIST" or the name of the stand-in.

    Raises:
        ValueError: split is unknown, ``root`` or ``$GANLIB_DATA`` is no folder, or a file in it is damaged (both sums are
            named).
        ConnectionError: no files, no network and ``fallback=False``.
    """
    if split not in PREFIXES:
        raise ValueError(f'split must be "train" or "test", got {split!r}.')
    if root is None:
        root = os.environ.get("GANLIB_DATA")
    folder = None if root is None else Path(root).expanduser()
    try:
        images, labels = (
            _mnist_file(f"{PREFIXES[split]}-{kind}", folder) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
    except ConnectionError as error:
        if not fallback:
            raise
        stand_in = digits(split)
        print(f"MNIST is out of reach ({error}); using {stand_in.source} instead.", file=sys.stderr)
        return stand_in
    return Digits(_parse_idx(images).unsqueeze(1), _parse_idx(labels).long(), "MNIST")


def _mnist_file(name: str, folder: Path | None) -> bytes:
    """The verified content of one IDX file: from the reader's folder, from the cache, or from the network."""
    for path in _candidates(name, folder):
        if path.is_file():
            content = _read(path)
            found = hashlib.sha256(content).hexdigest()
            if found != MNIST_SHA256[name]:
                raise ValueError(f"{path} is damaged: its SHA-256 is {found}, expected {MNIST_SHA256[name]}.")
            return content
    cached = _cache() / name
    if cached.is_file():
        content = _read(cached)
        found = hashlib.sha256(content).hexdigest()
        if found == MNIST_SHA256[name]:
            return content
        print(
            f"{cached} is damaged: its SHA-256 is {found}, expected {MNIST_SHA256[name]}; fetching it again.", file=sys.stderr
        )
    content = _download(name)
    try:
        _write_atomically(cached, content)
    except OSError as error:  # a full disk or a read-only home must not take away what was fetched
        print(f"{cached} could not be written ({error}); it will be fetched again next time.", file=sys.stderr)
    return content


def _candidates(name: str, folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ValueError(f"root (or $GANLIB_DATA) must be a folder, got {str(folder)!r}.")
    return [folder / "MNIST" / "raw" / name, folder / "MNIST" / "raw" / f"{name}.gz"]


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("ganlib") / "MNIST" / "raw"


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:  # no gzip file at all, cut short, or garbled
        found = hashlib.sha256(content).hexdigest()
        raise ValueError(
            f"{path} is damaged ({error}): its SHA-256 is {found}; once decompressed it should be {MNIST_SHA256[path.stem]}."
        ) from error


def _download(name: str) -> bytes:
    """One file from torchvision's mirrors, in turn, verified before it is returned."""
    from torchvision.datasets import MNIST

    failures = []
    for mirror in MNIST.mirrors:
        try:
            content = gzip.decompress(_fetch(f"{mirror}{name}.gz"))
        except (OSError, EOFError, zlib.error, HTTPException) as error:
            failures.append(f"{mirror}: {error}")
            continue
        found = hashlib.sha256(content).hexdigest()
        if found == MNIST_SHA256[name]:
            return content
        failures.append(f"{mirror}: SHA-256 is {found}, expected {MNIST_SHA256[name]}")
    raise ConnectionError(f"{name} could not be fetched: " + "; ".join(failures))


def _fetch(url: str, timeout: float = 20.0) -> bytes:
    from tqdm.auto import tqdm

    request = urllib.request.Request(url, headers={"User-Agent": "ganlib"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        total = int(response.headers.get("Content-Length", 0)) or None
        blocks = []
        with tqdm(total=total, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[-1]) as progress:
            while block := response.read(1 << 16):
                blocks.append(block)
                progress.update(len(block))
    return b"".join(blocks)


def _write_atomically(path: Path, content: bytes) -> None:
    """A reader of `path` sees the whole file or none, also when two notebooks start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _parse_idx(content: bytes) -> Tensor:
    """An IDX file of bytes as a uint8 tensor: two zeros, 8 for "unsigned byte", the number of axes, their sizes, the data."""
    axes = content[3]
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    return torch.frombuffer(bytearray(content[4 + 4 * axes :]), dtype=torch.uint8).reshape(shape)


DIGITS_SOURCE = "the 8x8 digits of scikit-learn, enlarged"


def digits(split: str = "train") -> Digits:
    """The 1,797 handwritten digits that ship inside scikit-learn, brought to 28x28 the way MNIST was made.

    Each 8x8 image is cut to its ink, enlarged so that its longer side is 20 pixels, and laid into 28x28 with its centre of
    mass in the middle. The first 1,347 are "train", the last 450 "test"; the file is ordered by writer, so few writers
    are in both.

    Returns:
        A pair as from :func:`mnist`: images uint8 (N, 1, 28, 28), labels int64 (N,).

    Raises:
        ValueError: split is unknown.
    """
    if split not in PREFIXES:
        raise ValueError(f'split must be "train" or "test", got {split!r}.')
    images, labels = _all_digits()
    part = slice(None, 1347) if split == "train" else slice(1347, None)
    return Digits(images[part].clone(), labels[part].clone(), DIGITS_SOURCE)


@cache
def _all_digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images / 16.0, dtype=torch.float32)
    return torch.stack([_as_mnist(image) for image in small]).unsqueeze(1), torch.tensor(bunch.target).long()


def _as_mnist(image: Tensor) -> Tensor:
    """A digit in [0, 1] of any size -> uint8 (28, 28): 20-pixel box, centre of mass at the centre."""
    rows, columns = image.nonzero().unbind(1)
    ink = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = 20 / max(ink.shape)
    size = [max(1, round(scale * side)) for side in ink.shape]
    large = torch.nn.functional.interpolate(ink[None, None], size=size, mode="bicubic", align_corners=False)[0, 0].clamp(0, 1)
    corner = []
    for axis in (0, 1):
        mass = large.sum(dim=1 - axis)
        centre = float((mass * torch.arange(len(mass))).sum() / mass.sum())
        corner.append(min(max(round(13.5 - centre), 0), 28 - size[axis]))
    canvas = torch.zeros(28, 28)
    canvas[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = large
    return (canvas * 255).round().to(torch.uint8)


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
