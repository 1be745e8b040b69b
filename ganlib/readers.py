"""Images from files of one's own: IDX files, the format of MNIST and of its successors, and folders of pictures."""

import gzip
import hashlib
import math
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ganlib.types import ByteImages

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_idx(path: str | Path) -> UInt8[Tensor, "..."]:
    """An IDX file of bytes, plain or gzipped, whatever its name: images (n, height, width) or labels (n,).

    Fashion-MNIST, KMNIST and EMNIST come in this format; ``images.unsqueeze(1)`` gives the axis of channels.

    Raises:
        OSError: the file cannot be read, e.g. FileNotFoundError.
        ValueError: path holds no whole IDX file of bytes.
    """
    try:
        return parse_idx(_unpacked(Path(path).read_bytes()))
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise ValueError(f"path must name a whole IDX file of bytes, got {str(path)!r}: {error}") from error


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


def read_pictures(folder: str | Path, size: tuple[int, int] | None = None, color: bool = True) -> ByteImages:
    """The pictures of a folder, by name, as bytes (n, 3, height, width), or (n, 1, height, width) without color.

    What is transparent in a picture is laid on black.

    Args:
        folder: holds PNG, JPEG or other files that Pillow reads; others are passed over.
        size: (height, width) to scale to; when left out, all pictures must have one size.
        color: False for grey levels.

    Raises:
        OSError: a picture cannot be read.
        ValueError: folder is no folder or holds no picture, size has no pixel, or the pictures differ in size.
    """
    from PIL import Image

    folder = Path(folder)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not paths:
        raise ValueError(f"folder must hold pictures ({', '.join(PICTURES)}), got {str(folder)!r}.")
    if size is not None and (len(size) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in size)):
        raise ValueError(f"size must be (height, width), at least one pixel each, got {size}.")
    pictures = []
    for path in paths:
        with Image.open(path) as picture:
            shown = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture.convert("RGBA"))
        shown = shown.convert("RGB" if color else "L")
        if size is not None:
            shown = shown.resize((int(size[1]), int(size[0])), Image.Resampling.LANCZOS)
        pictures.append(np.array(shown).reshape(shown.height, shown.width, -1))
        if pictures[-1].shape != pictures[0].shape:
            raise ValueError(
                f"size must be given where pictures differ: {paths[0].name} is {pictures[0].shape[:2]}, "
                f"{path.name} {pictures[-1].shape[:2]}."
            )
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
