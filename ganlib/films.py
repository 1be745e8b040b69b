"""What an animation draws, as few bytes that a page draws again: lines, areas, words and images, each kept once.

A page draws it in its own colours and letters (``widgets/src/strip.ts``), so that words are as dark, or as light, as its text.
"""

import io
import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ganlib.restore import put_back
from ganlib.style import D_COLOR, FAKE, GREY, OTHER, book_look

if TYPE_CHECKING:
    from matplotlib.backend_bases import GraphicsContextBase
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

UNIT = 4
"""Places a pixel."""
IMAGE_BYTES = 14_500
"""What the images of a film may take; more, if five steps of grey need it."""

LINES = {GREY: "real", FAKE: "g", D_COLOR: "d", OTHER: "o"}
WORDS = {GREY: "muted", FAKE: "gText", D_COLOR: "dText", OTHER: "oText"}
"""The pages' names of the book's colours; a word in another colour is in that of the page's text."""

Shape = tuple[Any, ...]
Numbers = Sequence[Any] | np.ndarray  # whole ones and floats of all sizes


class Recorder:
    """Notes what a figure draws, in UNITs from its upper left corner, as ``shapes`` and ``images``.

    It is a renderer as :func:`strip` completes it with matplotlib's, which is imported there.
    """

    def __init__(self, figure: "Figure", images: list[np.ndarray]) -> None:
        super().__init__()
        self.width, self.height, self.dpi = figure.bbox.width, figure.bbox.height, figure.dpi
        self.shapes: list[Shape] = []
        self.images = images

    def get_canvas_width_height(self) -> tuple[float | int, float | int]:
        return self.width, self.height

    def points_to_pixels(self, points: float | int) -> float | int:
        return points * self.dpi / 72

    def option_scale_image(self) -> bool:
        return True  # an image comes as it is, not in pixels of the figure

    def option_image_nocomposite(self) -> bool:
        return True

    def _length(self, points: float | int) -> int:
        return round(UNIT * self.points_to_pixels(points))

    def _clip(self, gc: "GraphicsContextBase") -> tuple[int, ...]:
        box = gc.get_clip_rectangle()
        if box is None:
            return ()
        return _whole([box.x0, self.height - box.y1, box.width, box.height])

    def draw_path(
        self, gc: "GraphicsContextBase", path: "Path", transform: "Transform", rgbFace: Numbers | None = None
    ) -> None:
        """A shape ("path", clip, pen, fill, lines); a pen is (colour, opacity, width, round, dashes), a fill its first two."""
        pen, fill = (), ()
        if gc.get_linewidth() > 0 and gc.get_rgb()[3] > 0:
            dashes = gc.get_dashes()[1] or ()
            rounded = gc.get_capstyle() == "round" or (len(dashes) > 0 and min(dashes) < gc.get_linewidth() * 1.1)
            lengths = tuple(self._length(dash) for dash in dashes)
            pen = (*_color(gc.get_rgb()), self._length(gc.get_linewidth()), int(rounded), lengths)
        if rgbFace is not None and (len(rgbFace) < 4 or rgbFace[3] > 0):
            opacity = gc.get_alpha() if gc.get_forced_alpha() else rgbFace[3] if len(rgbFace) > 3 else 1.0
            fill = _color((*rgbFace[:3], opacity))
        placed = path.transformed(transform).cleaned(curves=False, simplify=not fill)
        lines = tuple(filter(None, (self._line(part) for part in placed.to_polygons(closed_only=False))))
        if not lines or not (pen or fill):
            return
        style = "path", self._clip(gc), pen, fill
        plain = all(part[1] == 1 for part in (pen, fill) if part)
        if plain and self.shapes and self.shapes[-1][:4] == style:  # one shape, where nothing shines through
            self.shapes[-1] = (*style, self.shapes[-1][4] + lines)
        else:
            self.shapes.append((*style, lines))

    def _line(self, points: np.ndarray) -> tuple[int, ...]:
        """The first point, and the way from each to the next, x and y in turn."""
        placed = np.round(UNIT * (points * (1, -1) + (0, self.height))).astype(int)
        steps = np.diff(placed, axis=0)
        steps = steps[steps.any(axis=1)]
        return (*placed[0].tolist(), *steps.ravel().tolist()) if len(points) > 1 else ()

    def draw_image(
        self, gc: "GraphicsContextBase", x: float | int, y: float | int, im: np.ndarray, transform: "Transform | None" = None
    ) -> None:
        """A shape ("image", where it begins in the sheet, its pixels, x, y, width, height)."""
        height, width = im.shape[:2]
        top = y + height
        if transform is not None:  # of a square of one by one, the first row at 0
            (width, _, left), (_, down, base) = transform.get_matrix()[:2]
            x, top, height = x + left, y + base + max(down, 0), abs(down)
            im = im if down < 0 else im[::-1]
        start = sum(len(image) for image in self.images)
        self.images.append(np.asarray(im))
        self.shapes.append(("image", start, *im.shape[1::-1], *_whole([x, self.height - top, width, height])))

    def draw_text(
        self, gc: "GraphicsContextBase", x: float | int, y: float | int, s: str, prop: "FontProperties", angle: float | int,
        ismath: bool | str = False, mtext: "Text | None" = None,
    ) -> None:  # fmt: skip
        """A shape ("text", words, x, y, size, share of its width left of the place, angle, colour); formulas between $."""
        share = {"center": 0.5, "right": 1.0}.get(mtext.get_horizontalalignment(), 0.0) if mtext else 0.0
        if mtext and mtext.get_rotation_mode() == "default" and round(angle) % 180 == 90:
            share = {"center": 0.5, "top": 1.0}.get(mtext.get_verticalalignment(), 0.0)
        before = share * self.get_text_width_height_descent(s, prop, ismath)[0]
        turn = np.deg2rad(angle)
        place = _whole([x + before * np.cos(turn), y - before * np.sin(turn)])
        color = WORDS.get(_hex(gc.get_rgb()), "ink")
        self.shapes.append(("text", s, *place, self._length(prop.get_size_in_points()), share, angle, color))


def _whole(pixels: Numbers) -> tuple[int, ...]:
    return tuple(round(UNIT * float(value)) for value in pixels)


def _hex(rgba: Numbers) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in rgba[:3])


def _color(rgba: Numbers) -> tuple[str, float]:
    """The page's name for a colour, or the colour, and its opacity."""
    spelled = _hex(rgba)
    return LINES.get(spelled, spelled), round(float(rgba[3]), 2)


def _sheet(images: list[np.ndarray]) -> str:
    """Images under one another, as WebP without loss, in as many steps of grey as there are bytes for, five at least."""
    from PIL import Image

    widest = max(image.shape[1] for image in images)
    whole = np.concatenate([np.pad(image, ((0, 0), (0, widest - image.shape[1]), (0, 0))) for image in images])
    for steps in (15, 7, 5, 4):
        made = np.round(np.round(whole * (steps / 255)) * (255 / steps)).astype(np.uint8)
        made[made[..., 3] == 0] = 0
        out = io.BytesIO()
        Image.fromarray(made).save(out, format="WEBP", lossless=True, method=6, quality=100)
        if out.tell() <= IMAGE_BYTES:
            break
    return b64encode(out.getvalue()).decode()


@contextmanager
def _own_pixels(figure: "Figure") -> Iterator[None]:
    """Inside, images hand out their own pixels; afterwards each is drawn as it was."""
    from matplotlib.image import AxesImage

    smooth = [(image, image.get_interpolation()) for image in figure.findobj(AxesImage)]

    def restore() -> None:
        for image, interpolation in smooth:
            image.set_interpolation(interpolation)

    with put_back(restore):
        for image, _ in smooth:
            image.set_interpolation("none")
        yield


def strip(figures: Sequence["Figure"]) -> str:
    """The frames as text, base64 of JSON without what repeats: ``size``, ``shapes``, ``frames`` and, of images, a ``sheet``.

    Args:
        figures: of one size, each laid out; they are drawn once more.
    """
    from matplotlib.backend_bases import RendererBase

    renderer = type("Renderer", (Recorder, RendererBase), {})
    images: list[np.ndarray] = []
    known: dict[Shape, int] = {}
    frames = []
    for figure in figures:
        recorder = renderer(figure, images)
        with _own_pixels(figure), book_look():
            figure.draw(recorder)
        frames.append([known.setdefault(shape, len(known)) for shape in recorder.shapes])
    film = {"size": _whole(figures[0].bbox.size), "shapes": list(known), "frames": frames}
    if images:
        film["sheet"] = _sheet(images)
    text = json.dumps(film, separators=(",", ":"))
    return b64encode(zlib.compress(text.encode(), 9)).decode()
