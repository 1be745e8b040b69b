"""Figures that obey the reader: a picture that a page, or a live notebook, replaces by a small program.

What is stored in a notebook is the still picture, whose metadata name the widget and its data; a page adds the program once.
In a live kernel the output carries the program, ``widgets.js``, so that it works in Jupyter and in Colab's frames, too.
"""

import json
import os
from base64 import b64encode
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.arguments import number
from ganlib.pictures import check_described, check_legible, png
from ganlib.style import book_look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCRIPT = Path(__file__).with_name("widgets.js")
STORED = "GANLIB_STORED"
"""The environment variable that says: outputs are kept in a file, where no program belongs."""


@cache
def names() -> tuple[str, ...]:
    """The widgets there are, as the first line of the program lists them."""
    with SCRIPT.open(encoding="utf-8") as script:
        return tuple(script.readline().partition("*/")[0].removeprefix("/* widgets:").split())


def widget(
    name: str, still: "Figure", alt: str, caption: str = "", generator: str = "", pair: str = "", **data: float | str | bool
) -> None:
    """Shows a figure that the reader can play with; without scripts, and in print, it is the still picture.

    Args:
        name: which widget, one of ``ganlib.widgets.names()``.
        still: the picture that stands for it, made by ``show.figure``; it is closed.
        alt: what a reader who cannot see the picture needs to know.
        caption: a line that the pages of the book set under it.
        generator: for "latent": "mnist_generator", or what ``ganlib.export.export_generator`` returned of a G of one's own. The
            latter is not kept in files: where outputs are stored, the picture alone is.
        pair: for "algorithm": what ``ganlib.export.export_pair`` returned of G and D of one's own; kept as little.
        data: settings that it begins with, numbers and words.

    Raises:
        TypeError: a setting is no number, word or bool, `still` no figure, or caption, generator or pair no text.
        ValueError: there is no such widget, a number is not finite, or as ``show.publish``.
    """
    from IPython.display import display

    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, got {name!r}.")
    for setting, value in data.items():
        if not isinstance(value, str | bool):
            number(value, setting)
    for argument, value in {"generator": generator, "pair": pair}.items():
        if not isinstance(value, str):
            raise TypeError(f"{argument} must be text, got {type(value).__name__}.")
    if pair and name != "algorithm":
        raise ValueError(f'pair is for the widget "algorithm", got it for {name!r}.')
    own = bool(pair) or generator.startswith("{")
    if generator and not own:
        data["generator"] = generator
    with book_look():
        check_described(still, alt, caption, "still")
        check_legible(still)
        picture = png(still)
    settings = ", ".join(f"{setting} = {value}" for setting, value in data.items() if len(str(value)) <= 40)
    shown = {
        "image/png": picture,
        "text/plain": f"{alt.strip().partition('. ')[0].rstrip('.')} ({name}: {settings or 'as it is'})",
    }
    if is_live():
        played = data | {"pair": pair} if pair else data
        shown["text/html"] = live_html(name, played, picture, alt, generator if generator.startswith("{") else "")
    about = {"alt": alt.strip(), "kind": "lines"} | ({} if own else {"widget": {"name": name, "data": data}})
    about |= {"caption": caption.strip()} if caption else {}
    display(shown, metadata={"image/png": about}, raw=True)


def is_live() -> bool:
    """Whether somebody sits before the notebook; not so where it is executed for the book or by its tests."""
    return not (os.environ.get(STORED) or os.environ.get("PYTEST_VERSION"))


def element(name: str, data: dict[str, float | str | bool], weights: str = "") -> str:
    """The opening tag of the widget; what stands inside is seen where it does not run."""
    settings = escape(json.dumps(data, sort_keys=True, allow_nan=False))
    return f'<gan-widget name="{escape(name)}" data="{settings}"' + (f' weights="{escape(weights)}">' if weights else ">")


def with_generator(data: dict[str, float | str | bool], exported: str = "") -> tuple[dict[str, float | str | bool], str]:
    """The data of a widget with what describes its generator, and the heavy rest of the export, as JSON."""
    from ganlib.export import shipped_export

    about = json.loads(exported or shipped_export(str(data["generator"])))
    heavy = json.dumps({part: about.pop(part) for part in ("body", "digits")})
    about["layers"] = json.dumps(about["layers"])
    return {name: value for name, value in data.items() if name != "generator"} | about, heavy


def live_html(name: str, data: dict[str, float | str | bool], picture: bytes, alt: str, exported: str = "") -> str:
    """An output that needs nothing but itself."""
    image = f'<img alt="{escape(alt.strip())}" src="data:image/png;base64,{b64encode(picture).decode()}">'
    data, weights = with_generator(data, exported) if exported or "generator" in data else (data, "")
    return f"{element(name, data, weights)}{image}</gan-widget><script>{SCRIPT.read_text(encoding='utf-8')}</script>"
