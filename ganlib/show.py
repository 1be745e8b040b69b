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
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

GREY = "#7b7b7b"
# Okabe and Ito's palette, less the hues that vanish on white or on black. Their roles are fixed throughout the book.
BLUE, GREEN, RED, PINK = "#0f7fc9", "#009e73", "#d55e00", "#cc79a7"
REAL, FAKE, D_COLOR, OTHER = GREY, GREEN, BLUE, RED

STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.dpi": 100,
    "font.size": 13,
    "axes.titlesize": 13,
    "axes.labelsize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": "cycler('color', ['#0f7fc9', '#d55e00', '#009e73', '#cc79a7', '#7b7b7b'])",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), GREY),
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "figure.constrained_layout.use": True,
    "figure.max_open_warning": 0,  # the frames of an animation are open together
}

_before: dict[str, Any] = {}  # the caller's own settings, put back when a figure is shown


def figure(rows: int = 1, columns: int = 1, height: float = 3.8, width: float = 6.4, **subplots: Any) -> tuple["Figure", Any]:
    """A figure in the book's look and its axes, as ``matplotlib.pyplot.subplots`` returns them; sizes in inches.

    6.4 inches are the width of a text column: on a phone the figure shrinks to little over half, and its 13-point text
    stays readable. For more panels add rows rather than columns.
    """
    import matplotlib.pyplot as plt

    _before.update({name: plt.rcParams[name] for name in STYLE if name not in _before})
    plt.rcParams.update(STYLE)  # until the figure is shown: text and legends that the caller adds take their look from it too
    return plt.subplots(rows, columns, figsize=(width, height), **subplots)


def publish(figure: "Figure", alt: str, caption: str = "") -> None:
    """Shows a figure as the cell's output, with its description, and closes it.

    Args:
        figure: what :func:`figure` returned.
        alt: what a reader who cannot see the picture needs to know.
        caption: a line under the picture: data, rounds, seed, seconds, machine.

    Raises:
        ValueError: alt has fewer than 20 characters, or an axis with ticks has no label.
    """
    _check_described(figure, alt)
    if caption:
        _write_caption(figure, caption)
    _display(_png(figure), f"{alt} {caption}".strip())


def animate(frames: Sequence["Figure"], alt: str, seconds: float = 4.0, caption: str = "") -> None:
    """Shows figures one after the other, for ever, as an animated PNG whose first frame is the last: the still fallback.

    Raises:
        ValueError: alt has fewer than 20 characters, there are no frames, they differ in size, seconds is not positive, or an
            axis has no label.
    """
    from PIL import Image

    if not frames:
        raise ValueError("frames must hold at least one figure, got none.")
    sizes = {tuple(map(float, frame.get_size_inches())) for frame in frames}
    if len(sizes) > 1 or seconds <= 0:
        raise ValueError(f"frames must have one size and seconds be positive, got sizes {sorted(sizes)} and {seconds} s.")
    pictures = []
    for frame in frames:
        _check_described(frame, alt)
        if caption:
            _write_caption(frame, caption)
        pictures.append(Image.open(io.BytesIO(_png(frame, dpi=100))).convert("RGBA"))
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
    )
    _display(buffer.getvalue(), f"{alt} {caption}".strip(), "Animation. ")


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


def _check_described(figure: "Figure", alt: str) -> None:
    if len(alt.strip()) < 20:
        raise ValueError(f"alt must describe the figure in a sentence, got {alt!r}.")
    for number, ax in enumerate(figure.axes):
        for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
            ticks = ax.axison and axis.get_visible() and any(label.get_text() for label in axis.get_ticklabels())
            if ticks and not axis.get_label_text() and not _shares_label(ax, name):
                raise ValueError(
                    f"the {name} axis of panel {number} has numbers but no label: say what it counts, and its unit."
                )


def _shares_label(ax: "Axes", name: str) -> bool:
    siblings = (ax.get_shared_x_axes() if name == "x" else ax.get_shared_y_axes()).get_siblings(ax)
    return any(getattr(sibling, f"get_{name}label")() for sibling in siblings)


def _write_caption(figure: "Figure", caption: str) -> None:
    import textwrap

    lines = textwrap.fill(caption, width=int(figure.get_figwidth() * 12.5))
    figure.supxlabel(lines, fontsize=11, color=GREY, x=0.01, ha="left")


def _png(figure: "Figure", dpi: int = 144) -> bytes:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def _display(png: bytes, alt: str, kind: str = "") -> None:
    import matplotlib.pyplot as plt
    from IPython.display import display

    plt.rcParams.update(_before)
    _before.clear()
    first_sentence = re.split(r"\.(?:\s|$)", alt)[0]
    display({"image/png": png, "text/plain": first_sentence}, metadata={"image/png": {"alt": kind + alt}}, raw=True)


def image_grid(
    images: Tensor, columns: int = 10, ax: "Axes | None" = None, title: str = "", gap: int = 2
) -> "tuple[Figure, Axes]":
    """Images (n, 1, h, w) in [-1, 1] or uint8 as one picture, row by row, in the order given; -1 or 0 is black.

    Returns:
        The figure and the axes drawn on (new ones unless `ax` is given).

    Raises:
        ValueError: images are not (n, 1, h, w) with n >= 1, neither uint8 nor floats in [-1, 1], or columns < 1.
    """
    if images.ndim != 4 or images.shape[1] != 1 or len(images) == 0:
        raise ValueError(f"images must have shape (n, 1, height, width) with n >= 1, got {tuple(images.shape)}.")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    if images.dtype != torch.uint8 and not (images.is_floating_point() and (images.abs() <= 1).all()):
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"images must be uint8 or floats in [-1, 1], got {images.dtype} from {low:.4g} to {high:.4g}.")
    tiles = images[:, 0].detach().cpu().float()
    tiles = tiles / 255 if images.dtype == torch.uint8 else (tiles + 1) / 2
    count, height, width = tiles.shape
    rows = -(-count // columns)
    sheet = torch.full((rows * (height + gap) - gap, columns * (width + gap) - gap), torch.nan)  # gaps stay transparent
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    if ax is None:
        _, ax = figure(height=6.4 * sheet.shape[0] / sheet.shape[1] + (0.4 if title else 0.1))
    ax.imshow(sheet.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax.figure, ax


def machine() -> str:
    """The kind of machine, for captions: "2-core x86_64 CPU", or the GPU's name."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()}-core {platform.machine()} CPU"
