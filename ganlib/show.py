"""Every picture of the book: one look, legible on light and on dark pages, with its description beside it.

Figures are transparent, with text and axes in a grey that keeps its contrast on white and on black, and colours that people
who do not see red or green apart can tell from one another. Each is handed out by :func:`publish` with a text that says what
is in it; the web pages use that text for readers who do not see the picture.
"""

import io
import os
import platform
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ganlib.arguments import as_values, number, positive, whole
from ganlib.pictures import check_described, check_legible, png, svg
from ganlib.style import BLUE, D_COLOR, FAKE, GREEN, GREY, OTHER, PINK, REAL, RED, book_look, dress
from ganlib.tables import table
from ganlib.types import Array
from ganlib.widgets import widget

__all__ = [
    "BLUE",
    "D_COLOR",
    "FAKE",
    "GREEN",
    "GREY",
    "OTHER",
    "PINK",
    "REAL",
    "RED",
    "animate",
    "figure",
    "image_grid",
    "machine",
    "publish",
    "table",
    "widget",
]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image


def figure(rows: int = 1, columns: int = 1, height: float = 3.8, width: float = 6.4, **subplots: Any) -> tuple["Figure", Any]:
    """A figure in the book's look and its axes, as ``matplotlib.pyplot.subplots`` returns them; sizes in inches.

    6.4 inches are the width of a text column: on a phone the figure shrinks to little over half, and its 13-point text
    stays readable. For more panels add rows rather than columns. matplotlib's settings stay the caller's own; what is drawn on
    this figure later has the book's look too.

    Raises:
        TypeError: rows or columns is no whole number, or height or width no number.
        ValueError: rows or columns is not in 1..100, or a size is not positive.
    """
    import matplotlib.pyplot as plt

    rows, columns = whole(rows, "rows", 1, 100), whole(columns, "columns", 1, 100)
    size = positive(width, "width"), positive(height, "height")
    with book_look():
        made, axes = plt.subplots(rows, columns, figsize=size, **subplots)
    dress(made)
    return made, axes


def publish(figure: "Figure", alt: str, caption: str = "") -> None:
    """Shows a figure as the cell's output, with its description, and closes it: lines and words as SVG, images as PNG.

    Args:
        figure: what :func:`figure` returned.
        alt: what a reader who cannot see the picture needs to know.
        caption: a line that the pages of the book set under the picture: data, rounds, seed, seconds, machine.

    Raises:
        TypeError: figure is no figure, or caption no text.
        ValueError: alt has fewer than 20 characters, an axis with ticks has no label, or a word is too small for a phone, lies
            outside the figure or lies on another.
    """
    with book_look():
        check_described(figure, alt, caption)
        check_legible(figure)
        lines = not any(ax.images for ax in figure.axes)
        picture = svg(figure) if lines else png(figure)
    _display(picture, alt, caption, lines)


def animate(frames: Sequence["Figure"], alt: str, seconds: float = 4.0, caption: str = "") -> None:
    """Shows figures one after the other, for ever, as an animated PNG whose first frame is the last: the still fallback.

    The pages of the book draw them again, as a film that waits for the reader, with a slider and the titles of the figures.

    Raises:
        TypeError: a frame is no figure, caption no text, or seconds no number.
        ValueError: alt has fewer than 20 characters, there are no frames, they differ in size, seconds is not in [0.01, 3600],
            an axis has no label, or a word cannot be read.
    """
    from PIL import Image

    from ganlib.films import strip

    if not frames:
        raise ValueError("frames must hold at least one figure, got none.")
    if not isinstance(frames, Sequence):
        raise TypeError(f"frames must be a sequence of figures, got {type(frames).__name__}.")
    for frame in frames:
        check_described(frame, alt, caption, "frames")
    sizes = {tuple(map(float, frame.get_size_inches())) for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f"frames must have one size, got {sorted(sizes)}.")
    number(seconds, "seconds", 0.01, 3600.0)
    pictures, labels = [], []
    with book_look():
        for place, frame in enumerate(frames, 1):
            check_legible(frame)
            titles = [ax.get_title() for ax in frame.axes if ax.get_title()]
            labels.append(titles[0] if titles else f"picture {place}")
        lines = not any(ax.images for frame in frames for ax in frame.axes)
        (width, height), drawn = frames[0].get_size_inches(), strip(frames)
        for frame in frames:
            pictures.append(Image.open(io.BytesIO(png(frame, dpi=100))).convert("RGBA"))
    pictures = _with_one_palette(pictures)
    buffer = io.BytesIO()
    # A viewer that cannot play the file shows the default image, which is not part of the animation: the final state.
    pictures[-1].save(
        buffer,
        format="PNG",
        save_all=True,
        append_images=pictures,
        default_image=True,
        duration=[round(1000 * seconds / len(pictures))] * (len(pictures) - 1) + [2000],
        loop=0,
        compress_level=9,  # a film is the heaviest file of its page
    )
    film = {"labels": labels, "seconds": float(seconds), "ratio": round(float(height / width), 4), "drawn": drawn}
    _display(buffer.getvalue(), f"Animation. {alt}", caption, lines, film)


def _with_one_palette(pictures: "list[Image.Image]") -> "list[Image.Image]":
    """The same pictures in the 256 colours they use most, others changed to the nearest: an animated PNG has one palette."""
    from PIL import Image
    from scipy.spatial import KDTree

    pixels = np.stack([np.asarray(picture) for picture in pictures])
    exact, place, count = np.unique(pixels.view(np.uint32), return_inverse=True, return_counts=True)
    palette = exact[np.argsort(-count, kind="stable")[:256]]

    def as_seen(colors: np.ndarray) -> np.ndarray:  # what is nearly transparent has nearly no color
        rgba = colors.view(np.uint8).reshape(-1, 4) / 255
        return np.hstack([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]])

    _, index = KDTree(as_seen(palette)).query(as_seen(exact))
    frames = [Image.fromarray(frame) for frame in index.astype(np.uint8)[place].reshape(pixels.shape[:3])]
    for frame in frames:
        frame.putpalette(palette.tobytes(), "RGBA")
    return frames


def _display(picture: bytes | str, alt: str, caption: str, lines: bool = False, film: dict[str, Any] | None = None) -> None:
    """The output and what the pages ask about it; of lines and words alone the pages adapt the tone to their own."""
    from IPython.display import display

    first_sentence = re.split(r"\.(?:\s|$)", alt.removeprefix("Animation. "))[0]
    about = {"alt": alt.strip(), "kind": "lines" if lines else "picture"} | ({"caption": caption.strip()} if caption else {})
    about |= {"film": film} if film else {}
    kind = "image/svg+xml" if isinstance(picture, str) else "image/png"
    display({kind: picture, "text/plain": first_sentence}, metadata={kind: about}, raw=True)


def image_grid(
    images: Float[Array, "n channel height width"] | UInt8[Array, "n channel height width"],
    columns: int = 10,
    ax: "Axes | None" = None,
    title: str = "",
    gap: int = 2,
) -> "tuple[Figure, Axes]":
    """Images (n, 1, h, w), or (n, 3, h, w) in colour, as one picture, row by row, in the order given.

    Args:
        images: floats in [-1, 1] or uint8, a tensor or a NumPy array; -1 or 0 is black. Floats are drawn as they stand, also
            where none is below 0: the 0 of images in [0, 1] is grey.
        columns: images a row.
        ax: axes to draw on; new ones when left out.
        title: over the picture.
        gap: pixels between images, which stay transparent.

    Returns:
        The figure and the axes drawn on.

    Raises:
        TypeError: images are no tensor or array, or a number is not whole.
        ValueError: images are not (n, 1 or 3, h, w) with n, h and w >= 1, neither uint8 nor floats in [-1, 1], columns
            is not in 1..1000, or gap not in 0..1000.
    """
    images = as_values(images, "images").detach().cpu()
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.numel() == 0:
        raise ValueError(f"images must have shape (n, 1 or 3, height, width) with n >= 1, got {tuple(images.shape)}.")
    columns, gap = whole(columns, "columns", 1, 1000), whole(gap, "gap", 0, 1000)
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images must be uint8 or floats in [-1, 1], got {images.dtype}.")
    tiles = images.to(torch.float32)
    if images.dtype != torch.uint8 and not (tiles.abs() <= 1).all():
        low, high = tiles.min().item(), tiles.max().item()
        raise ValueError(f"images must be uint8 or floats in [-1, 1], got {images.dtype} from {low:.4g} to {high:.4g}.")
    tiles = tiles / 255 if images.dtype == torch.uint8 else (tiles + 1) / 2
    count, channels, height, width = tiles.shape
    rows = -(-count // columns)
    size = channels, rows * (height + gap) - gap, columns * (width + gap) - gap
    sheet = torch.full(size, torch.nan, dtype=torch.float32, device="cpu")  # gaps stay transparent
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[:, top : top + height, left : left + width] = tile
    if ax is None:
        _, ax = figure(height=6.4 * size[1] / size[2] + (0.4 if title else 0.1))
    if channels == 1:
        ax.imshow(sheet[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    else:
        seen = torch.cat([sheet.nan_to_num(0.0), (~sheet[:1].isnan()).to(torch.float32)])  # red, green, blue, opacity
        ax.imshow(seen.permute(1, 2, 0).numpy(), interpolation="nearest")
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax.figure, ax


def machine() -> str:
    """The kind of machine, for captions: "2-core x86_64 CPU", or the GPU's name."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()}-core {platform.machine()} CPU"
