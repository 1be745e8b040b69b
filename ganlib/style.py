"""The look of the book's figures, which holds for what is drawn on them and leaves matplotlib's own settings alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from inspect import isfunction
from itertools import chain
from typing import Any

GREY = "#7b7b7b"
# Okabe and Ito's palette, less the hues that vanish on white or on black. Their roles are fixed throughout the book.
BLUE, GREEN, RED, PINK = "#0f7fc9", "#009e73", "#d55e00", "#cc79a7"
REAL, FAKE, D_COLOR, OTHER = GREY, GREEN, BLUE, RED

STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.dpi": 100,
    "font.size": 14.5,  # 6.4 inches shrink to 358 pixels on a phone, where 14.25 points are 11 pixels
    "axes.titlesize": 14.5,
    "axes.labelsize": 14.5,
    "xtick.labelsize": 14.25,
    "ytick.labelsize": 14.25,
    "legend.fontsize": 14.25,
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

QUESTIONS = ("_", "get_", "has_", "is_", "contains", "draw", "pick")
"""How the names of methods begin that make nothing."""

_inside = False


@contextmanager
def book_look() -> Iterator[None]:
    """Inside, matplotlib's settings are the book's; afterwards they are what they were."""
    import matplotlib

    global _inside
    if _inside:
        yield
        return
    with matplotlib.rc_context(STYLE):
        _inside = True
        try:
            yield
        finally:
            _inside = False


def dress(artist: Any) -> None:
    """From now on whatever a method of this figure or these axes makes is in the book's look, and so are axes made by one.

    Titles, legends and texts take their look from matplotlib's settings at the moment they are made, so that each method has
    to run inside :func:`book_look`.
    """
    if "_dressed" not in vars(artist):
        artist._dressed = True
        for name in dir(type(artist)):
            if isfunction(getattr(type(artist), name)) and not name.startswith(QUESTIONS):
                setattr(artist, name, partial(_dressed_call, artist, name))
    for part in chain(getattr(artist, "subfigs", ()), getattr(artist, "child_axes", ()), _axes_of(artist)):
        if "_dressed" not in vars(part):
            dress(part)


def _axes_of(artist: Any) -> list[Any]:
    """All axes of the figure that the artist is or lies in."""
    return artist.get_figure(root=True).axes if artist.get_figure(root=True) is not None else []


def _dressed_call(artist: Any, name: str, *args: Any, **options: Any) -> Any:
    outermost = not _inside
    with book_look():
        made = getattr(type(artist), name)(artist, *args, **options)
        if outermost:
            dress(artist)
    return made
