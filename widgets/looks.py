"""Writes looks.json: how each widget looks in the built book before it is touched, in 32 by 20 greys.

python widgets/looks.py _build/html
"""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 32, 20
LOOKS = Path(__file__).with_suffix(".json")


def pages(site: Path) -> dict[str, Path]:
    """The first page that every widget stands on."""
    found: dict[str, Path] = {}
    for page in sorted(path for folder in ("book", "notebooks") for path in (site / folder).glob("*.html")):
        for part in page.read_text(encoding="utf-8").split('<gan-widget name="')[1:]:
            found.setdefault(part.partition('"')[0], page)
    return found


def look(browser: Any, page: Path, name: str) -> np.ndarray:
    """The greys (20, 32) of a widget's frame, 1280 pixels wide and light."""
    tab = browser.new_page(viewport={"width": 1280, "height": 1200}, color_scheme="light", reduced_motion="reduce")
    tab.goto(page.as_uri())
    tab.add_style_tag(content="* { content-visibility: visible !important; }")
    frame = tab.locator(f"gan-widget[name={name}] .frame").first
    frame.scroll_into_view_if_needed()
    frame.locator(".status:not(:empty)").wait_for()
    tab.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(frame.screenshot(animations="disabled")))
    tab.close()
    return np.asarray(picture.convert("L").resize(SIZE, Image.Resampling.BOX))


def stored() -> dict[str, np.ndarray]:
    """The greys that looks.json holds."""
    return {
        name: np.frombuffer(bytes.fromhex(text), np.uint8).reshape(SIZE[::-1])
        for name, text in json.loads(LOOKS.read_text(encoding="utf-8")).items()
    }


def main(site: Path) -> None:
    """Looks at every widget of a built book."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        greys = {name: look(browser, page, name).tobytes().hex() for name, page in sorted(pages(site).items())}
        browser.close()
    LOOKS.write_text(json.dumps(greys, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
