"""MNIST: finding its four files, fetching and verifying them, and the digits that stand in where they are out of reach."""

import gzip
import hashlib
import os
import sys
import urllib.request
import zlib
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganlib.files import write_whole
from ganlib.readers import parse_idx, with_sum
from ganlib.types import ByteImages, Labels

# SHA-256 of the four files of MNIST (LeCun, Cortes and Burges) once decompressed.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PREFIXES = {"train": "train", "test": "t10k"}


def _check(split: str) -> None:
    if split not in ["train", "test"]:
        raise ValueError(f'split must be "train" or "test", got {split!r}.')


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

    def __getnewargs__(self) -> tuple[Any, ...]:  # what copy and pickle make the new one of
        return (*self, self.source)

    def _replace(self, **changes: Any) -> "Digits":
        return Digits(**self._asdict() | {"source": self.source} | changes)

    __replace__ = _replace


def mnist(split: str = "train", root: str | Path | None = None, fallback: bool = True) -> Digits:
    """MNIST as ``(images uint8 (N, 1, 28, 28), labels int64 (N,))``, N = 60,000 for "train" and 10,000 for "test".

    Looked for in turn: ``root``, or the folder that ``$GANLIB_DATA`` names (plain or gzipped IDX files, read only); the user's
    cache folder; torchvision's mirrors, from which they go to the cache. Every file's SHA-256 is verified. With none of
    these within reach, :func:`digits` stands in and a line on standard error says so.

    Args:
        split: "train" or "test".
        root: folder that holds the files, or ``MNIST/`` or ``MNIST/raw/`` with them; it takes the place of ``$GANLIB_DATA``.
        fallback: False raises instead of handing out the stand-in.

    Returns:
        A pair that unpacks to images and labels; ``.source`` is "MNIST" or the name of the stand-in.

    Raises:
        OSError: a file in ``root`` or ``$GANLIB_DATA`` cannot be read.
        ValueError: split is unknown, ``root`` or ``$GANLIB_DATA`` is no folder, or a file in it is damaged (both sums are
            named).
        ConnectionError: no files, no network and ``fallback=False``.
    """
    _check(split)
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
    return Digits(parse_idx(images).unsqueeze(1), parse_idx(labels).long(), "MNIST")


def _mnist_file(name: str, folder: Path | None) -> bytes:
    """The verified content of one IDX file: from the reader's folder, from the cache, or from the network."""
    damaged = []
    for path in _candidates(name, folder):
        content, found = with_sum(path)
        if found == MNIST_SHA256[name]:
            return content
        damaged.append(_damage(name, path, found))
    if damaged:
        raise ValueError("; ".join(damaged) + ".")
    cached = _cache() / name
    try:
        content, found = with_sum(cached)
        if found == MNIST_SHA256[name]:
            return content
        print(f"{_damage(name, cached, found)}; fetching it again.", file=sys.stderr)
    except OSError:  # absent, or another user's
        pass
    try:
        content = _download(name)
    except ConnectionError as error:
        raise ConnectionError(f"{_what_is_there(name, folder)}{error}") from error
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_whole(cached, lambda file: file.write(content))
    except OSError as error:  # a full disk or a read-only home must not take away what was fetched
        print(f"{cached} could not be written ({error}); it will be fetched again next time.", file=sys.stderr)
    return content


def _damage(name: str, path: Path, found: str) -> str:
    return f"{path} is damaged: its SHA-256 is {found}, expected {MNIST_SHA256[name]}"


def _candidates(name: str, folder: Path | None) -> list[Path]:
    """Files that could be it: under torchvision's name, or with points or capitals, in the places where people keep them."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise ValueError(f"root (or $GANLIB_DATA) must be a folder, got {str(folder)!r}.")
    inner = [path for path in sorted(folder.iterdir()) if path.name.lower() == "mnist" and path.is_dir()]
    places = [place for path in (*inner, folder) for place in (path / "raw", path) if place.is_dir()]
    files = [path for place in places for path in sorted(place.iterdir()) if path.is_file()]
    return [path for path in files if path.name.lower().removesuffix(".gz").replace(".", "-") == name]


def _what_is_there(name: str, folder: Path | None) -> str:
    if folder is None:
        return ""
    found = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(found[:10]) + ", and more" * (len(found) > 10)
    return f"{folder} holds no {name}[.gz], nor do MNIST/raw and MNIST in it; it holds {shown or 'nothing'}; "


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("ganlib") / "MNIST" / "raw"


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
    _check(split)
    images, labels = _all_digits()
    part = slice(None, 1347) if split == "train" else slice(1347, None)
    return Digits(images[part].clone(), labels[part].clone(), DIGITS_SOURCE)


@cache
def _all_digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.from_numpy(bunch.images / 16.0).to(torch.float32)
    return torch.stack([_as_mnist(image) for image in small]).unsqueeze(1), torch.from_numpy(bunch.target).long()


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
        centre = float((mass * torch.arange(len(mass), device=mass.device)).sum() / mass.sum())
        corner.append(min(max(round(13.5 - centre), 0), 28 - size[axis]))
    canvas = torch.zeros(28, 28, dtype=torch.float32, device=large.device)
    canvas[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = large
    return (canvas * 255).round().to(torch.uint8)
