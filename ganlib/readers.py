"""Images from files of one's own: IDX files, the format of MNIST and of its successors, and folders of pictures."""

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ganlib.arguments import as_tensor
from ganlib.types import Array, ByteImages

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_idx(path: str | Path, sha256: str | None = None) -> UInt8[Tensor, "..."]:
    """An IDX file of bytes, plain or gzipped, whatever its name: images (n, height, width) or labels (n,).

    Fashion-MNIST, KMNIST and EMNIST come in this format; :func:`from_arrays` gives the axis of channels.

    Args:
        path: of the file.
        sha256: what the sum of its decompressed content must be; not asked when left out.

    Raises:
        TypeError: path is no path.
        OSError: the file cannot be read, e.g. FileNotFoundError.
        ValueError: path holds no whole IDX file of bytes, or its sum is another one.
    """
    path = _path(path, "path")
    try:
        content = _unpacked(path.read_bytes())
        if sha256 not in (None, found := hashlib.sha256(content).hexdigest()):
            raise ValueError(f"its SHA-256 is {found}, expected {sha256}.")
        return parse_idx(content)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise ValueError(f"path must name a whole IDX file of bytes, got {str(path)!r}: {error}") from error


def _path(path: Any, name: str) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {type(path).__name__}.")
    return Path(path)


def _unpacked(content: bytes) -> bytes:
    """Gzipped bytes decompressed, others as they are."""
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def with_sum(path: Path) -> tuple[bytes, str]:
    """What a file holds, decompressed if it can be, and its SHA-256.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    with suppress(gzip.BadGzipFile, EOFError, zlib.error):  # cut short or garbled: the sum will say so
        content = _unpacked(content)
    return content, hashlib.sha256(content).hexdigest()


def parse_idx(content: bytes) -> UInt8[Tensor, "..."]:
    """Two zeros, 8 for "unsigned byte", the number of axes, their sizes, the data.

    Raises:
        ValueError: content is anything else.
    """
    if content[:3] != b"\0\0\x08" or len(content) < 4:
        raise ValueError(f"content must begin with 0, 0, 8, got {list(content[:3])}.")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"content must name the sizes of {content[3]} axes, got {len(content)} bytes.")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise ValueError(f"content must hold {math.prod(shape)} bytes for the shape {shape}, got {len(content) - start}.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())


def images(
    folder: str | Path,
    size: int | tuple[int, int] | None = None,
    mode: str = "RGB",
    background: str = "black",
) -> ByteImages:
    """The pictures of a folder, by name, as bytes (n, 3, height, width), or (n, 1, height, width) of grey levels.

    Each is turned as its camera held it (EXIF), laid on the background where it is transparent, cut to the shape asked for
    around its centre, and scaled to it. Introduced in chapter 15.

    Args:
        folder: holds PNG, JPEG or other files that Pillow reads; files of other kinds and folders in it are passed over.
        size: (height, width), or one number for both; when left out, all pictures must have one size.
        mode: "RGB" for colours, "L" for grey levels.
        background: a colour by its name or as "#rrggbb".

    Raises:
        TypeError: folder is no path, or size neither a number nor two.
        ValueError: folder is no folder or holds no picture, a picture is damaged (all that are are named), size has no pixel,
            mode or background is unknown, or the pictures differ in size and none was asked for.
    """
    from PIL import Image, ImageColor

    folder = _path(folder, "folder")
    files = folder.iterdir() if folder.is_dir() else []
    paths = sorted(path for path in files if path.suffix.lower() in PICTURES and path.is_file())
    if not paths:
        raise ValueError(f"folder must hold pictures ({', '.join(PICTURES)}), got {str(folder)!r}.")
    sides = (size, size) if isinstance(size, int | np.integer) else size
    if not isinstance(sides, Sequence | np.ndarray | None):
        raise TypeError(f"size must be (height, width) or one number, got {type(size).__name__}.")
    if sides is not None and (len(sides) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in sides)):
        raise ValueError(f"size must be (height, width) or one number, at least one pixel each, got {size}.")
    if mode not in ("RGB", "L"):
        raise ValueError(f'mode must be "RGB" or "L", got {mode!r}.')
    try:
        ImageColor.getrgb(background)
    except (ValueError, TypeError) as error:
        raise ValueError(f'background must be a colour, "white" or "#ffffff", got {background!r}.') from error
    pictures, damaged = {}, {}
    for path in paths:
        try:
            with Image.open(path) as picture:
                pictures[path.name] = _as_shown(picture, sides, mode, background)
        except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
            damaged[path.name] = error
    if damaged:
        named = "; ".join(f"{name}: {error}" for name, error in [*damaged.items()][:10])
        raise ValueError(f"folder must hold whole pictures, got {len(damaged)} of {len(paths)} that cannot be read: {named}.")
    first, shape = next((name, picture.shape) for name, picture in pictures.items())
    for name, picture in pictures.items():
        if picture.shape != shape:
            raise ValueError(f"size must be given where pictures differ: {first} is {shape[1:]}, {name} {picture.shape[1:]}.")
    return torch.from_numpy(np.stack([*pictures.values()]))


def _as_shown(picture: Any, sides: Sequence[int] | None, mode: str, background: str) -> np.ndarray:
    """One picture as bytes (channel, height, width)."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    picture = picture.convert("RGBA")
    shown = Image.alpha_composite(Image.new("RGBA", picture.size, background), picture).convert(mode)
    if sides is not None:
        shown = ImageOps.fit(shown, (int(sides[1]), int(sides[0])), Image.Resampling.LANCZOS)
    return np.array(shown).reshape(shown.height, shown.width, -1).transpose(2, 0, 1)


def from_arrays(values: UInt8[Array, "n ..."]) -> ByteImages:
    """Bytes (n, height, width), (n, height, width, channel) or (n, channel, height, width) in the form of the book's images.

    A tensor or a NumPy array, 1 or 3 channels; where both ends could be the channels, the last axis is. Introduced in
    chapter 15.

    Raises:
        TypeError: values are no tensor or array of bytes; :func:`ganlib.data.to_uint8` makes bytes of floats in [-1, 1].
        ValueError: they have another shape, or none of them.
    """
    values = as_tensor(values, "values")
    if values.dtype != torch.uint8:
        raise TypeError(f"values must be bytes, uint8, got {values.dtype}; data.to_uint8 takes floats in [-1, 1].")
    shape = tuple(values.shape)
    if len(shape) == 3:
        values = values.unsqueeze(1)
    elif len(shape) == 4 and shape[3] in (1, 3):
        values = values.permute(0, 3, 1, 2)
    if values.ndim != 4 or values.shape[1] not in (1, 3) or values.numel() == 0:
        raise ValueError(f"values must be (n, height, width), with 1 or 3 channels last or second and n >= 1, got {shape}.")
    return values.contiguous()
