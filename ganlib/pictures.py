"""What a figure is when it is handed out: looked through for words that nobody could read, and written as SVG or PNG."""

import io
import re
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

SMALLEST = 14.25
"""Points: what is 11 pixels high on a phone, where the 6.4 inches of a figure are 358 pixels wide."""
MANY = 3000
"""Marks of one scatter, or quarters of the corners of its areas, beyond which it is smaller as an image inside the SVG."""


def check_described(figure: "Figure", alt: str, caption: str = "", name: str = "figure") -> None:
    """Refuses a figure, called by `name`, whose words are missing.

    Raises:
        TypeError: it is no figure of matplotlib's, or the caption is no text.
        ValueError: alt has fewer than 20 characters, or an axis with numbers has no label.
    """
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        raise TypeError(f"{name} must be a figure of matplotlib's, as show.figure makes, got {type(figure).__name__}.")
    if not isinstance(caption, str):
        raise TypeError(f"caption must be text, got {type(caption).__name__}.")
    if not isinstance(alt, str) or len(alt.strip()) < 20:
        raise ValueError(f"alt must describe the figure in a sentence, got {alt!r}.")
    for panel, ax in enumerate(figure.axes):
        for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
            ticks = ax.axison and axis.get_visible() and any(label.get_text() for label in axis.get_ticklabels())
            if ticks and not axis.get_label_text() and not _shares_label(ax, name):
                raise ValueError(
                    f"the {name} axis of panel {panel} has numbers but no label: say what it counts, and its unit."
                )


def _shares_label(ax: "Axes", name: str) -> bool:
    siblings = (ax.get_shared_x_axes() if name == "x" else ax.get_shared_y_axes()).get_siblings(ax)
    return any(getattr(sibling, f"get_{name}label")() for sibling in siblings)


def check_legible(figure: "Figure") -> None:
    """Raises ValueError when a word is too small for a phone, lies outside the figure or lies on another; it names them all."""
    for _ in range(2):  # lays it out; where an image fixes a panel's shape, the first time is not the last word
        figure.draw_without_rendering()
    words = list(_words(figure))
    smallest = SMALLEST * figure.get_figwidth() / 6.4
    faults = [
        f"{text.get_text()!r} is {text.get_fontsize():g} points high, under the {smallest:.4g} that a phone needs"
        for text in words
        if text.get_fontsize() < smallest - 1e-6
    ]
    for text in words:
        box = _box(text, beside=0.0)
        if box.x0 < -1 or box.y0 < -1 or box.x1 > figure.bbox.width + 1 or box.y1 > figure.bbox.height + 1:
            faults.append(f"{text.get_text()!r} lies outside the figure")
    for (text, box), (other, its) in combinations([(text, _box(text, beside=0.1)) for text in words], 2):
        if box.x0 < its.x1 and its.x0 < box.x1 and box.y0 < its.y1 and its.y0 < box.y1:
            faults.append(f"{text.get_text()!r} lies on {other.get_text()!r}")
    if faults:
        raise ValueError(f"figure has words that cannot be read: {'; '.join(faults)}.")


def _words(artist: "Artist") -> Iterator["Text"]:
    """Every text that is drawn, and no tick's label that is not."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    if not artist.get_visible():
        return
    if isinstance(artist, Text):
        if artist.get_text().strip():
            yield artist
        return
    if isinstance(artist, Axis):
        yield from _words_of_axis(artist)
        return
    for child in artist.get_children():
        if not (isinstance(child, Axis) and not child.axes.axison):
            yield from _words(child)


def _words_of_axis(axis: "Axis") -> Iterator["Text"]:
    low, high = sorted(axis.get_view_interval())
    seen = [
        label
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        if low - 1e-6 * (high - low) <= tick.get_loc() <= high + 1e-6 * (high - low)
        for label in (tick.label1, tick.label2)
    ]
    for text in (axis.label, axis.offsetText, *seen):
        yield from _words(text)


def _box(text: "Text", beside: float) -> "Bbox":
    """Where the text's ink is, in pixels: a line's own box is a tenth of its size too high at either end.

    Args:
        text: an artist that has been laid out.
        beside: what to add at either end of a line, in its size, so that neighbours keep a space.
    """
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    box = Text.get_window_extent(text)  # an annotation's own would hold its arrow
    size = text.get_fontsize() * text.get_figure(root=True).dpi / 72
    upright = round(text.get_rotation()) % 180 == 90
    along, across = beside * size, -0.12 * size
    x, y = (across, along) if upright else (along, across)
    return Bbox([[box.x0 - x, box.y0 - y], [box.x1 + x, box.y1 + y]])


def png(figure: "Figure", dpi: int = 225) -> bytes:
    """The figure as PNG, closed; at 225 dots an inch it has two for each pixel of a wide page."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def svg(figure: "Figure") -> str:
    """The figure as SVG, closed: words as outlines, so that no reader's font decides the layout, and dense parts as images."""
    import matplotlib
    import matplotlib.pyplot as plt

    for artist in figure.findobj(lambda artist: _marks(artist) > MANY):
        artist.set_rasterized(True)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "ganlib", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return _shorter(buffer.getvalue())


def _marks(artist: "Artist") -> int:
    """How many things of about the size of a mark the artist puts into an SVG one by one."""
    from matplotlib.collections import Collection, PathCollection, QuadMesh
    from matplotlib.lines import Line2D

    if isinstance(artist, Line2D):
        return 0 if artist.get_marker() in ("None", "none", "", " ", None) else len(artist.get_xdata())
    if isinstance(artist, QuadMesh):
        return artist.get_array().size
    if isinstance(artist, PathCollection):
        return len(artist.get_offsets())
    return sum(len(path.vertices) for path in artist.get_paths()) // 4 if isinstance(artist, Collection) else 0


def _shorter(text: str) -> str:
    """The same SVG on one line, with a hundredth of a point as its finest step, marks of one look named once, no comments."""
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)

    def rounded(match: re.Match) -> str:
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), match[0])

    def named_once(match: re.Match) -> str:
        return f'<g{match[1]} style="{match[3]}">' + match[2].replace(f' style="{match[3]}"', "") + "</g>"

    text = re.sub(r'\b(?:d|x|y)="[^"]*"', rounded, text)
    text = re.sub(r">\s+<", "><", re.sub(r"\s+", " ", text)).strip()
    return re.sub(
        r'<g((?: clip-path="[^"]*")?)>((?:<use [^>]* style="([^"]*)"/>)(?:<use [^>]* style="\3"/>)+)</g>', named_once, text
    )
