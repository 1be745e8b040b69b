"""The animations of the chapters as films: their frames come back pixel for pixel, and wait until the reader asks."""

import re
import sys

import numpy as np
import pytest
from PIL import Image
from repository import ROOT
from test_pages import CHROMIUM, MISSING, UNFOLD, browser, site  # noqa: F401 (fixtures)

sys.path.append(str(ROOT / "book" / "_ext"))
from films import TILE, film, frames, plainer, reel

PLAYED = {"01_samplers": 14, "02_minimax_game": 39, "03_algorithm_by_hand": 23, "08_mnist_gan": 23}


def shots(count=5, height=47, width=63):
    """A dot that moves over a ground that stays, at sizes that no tile divides."""
    made = np.zeros((count, height, width, 4), np.uint8)
    made[:, :, ::7] = (9, 90, 200, 255)
    for index, shot in enumerate(made):
        shot[5 : 5 + index, 8 * index : 8 * index + 4] = (200, 20, 20, 120)
    return list(made)


def put_together(atlas, text, height, width):
    """The frames again, as widgets/src/tiles.ts makes them."""
    down, across = -(-height // TILE), -(-width // TILE)
    tiles = atlas.reshape(-1, TILE, across, TILE, 4).swapaxes(1, 2).reshape(-1, TILE, TILE, 4)
    found, before, fresh = [], [], 0
    for line in text.split(","):
        now = []
        for kind, digits in re.findall(r"([sni])(\d+)", line):
            for _ in range(1 if kind == "i" else int(digits)):
                now.append(int(digits) if kind == "i" else before[len(now)] if kind == "s" else fresh)
                fresh += kind == "n"
        whole = tiles[now].reshape(down, across, TILE, TILE, 4).swapaxes(1, 2).reshape(down * TILE, across * TILE, 4)
        found.append(whole[:height, :width])
        before = now
    return found


def saved(path, pictures):
    images = [Image.fromarray(picture) for picture in pictures]
    images[-1].save(path, save_all=True, append_images=images, default_image=True, duration=100, loop=0)
    return path


def test_frames_come_back_pixel_for_pixel(tmp_path):
    made = shots()
    path = saved(tmp_path / "a.png", made)
    assert all((a == b).all() for a, b in zip(frames(path), made, strict=True))
    atlas, text = reel(made)
    assert all((a == b).all() for a, b in zip(put_together(atlas, text, 47, 63), made, strict=True))
    assert atlas.size < sum(shot.size for shot in made) and text.count(",") == 4


def test_frames_become_plainer_and_stay_what_they_are():
    made = np.random.default_rng(0).integers(0, 256, (40, 60, 4)).astype(np.uint8)
    made[:20, :, :3] = made[:20, :, :1]  # greys, some of them opaque
    made[:20, 30:, 3] = 255
    found = plainer(made).astype(int)
    assert set(np.unique(found[..., 3])) == {0, 51, 102, 153, 204, 255}
    assert len(np.unique(found[:20, 30:, 0])) == 8 and np.abs(found[:20, 30:] - made[:20, 30:]).max() <= 19
    seen = found[..., 3] > 0
    colored = seen & (np.arange(40) >= 20)[:, None]
    assert (found[colored][:, :3] == made[colored][:, :3]).all() and np.abs(found[..., 3] - made[..., 3]).max() <= 26
    assert (found[~seen] == 0).all()


def test_films_are_small(site):  # noqa: F811
    sizes = [path.stat().st_size for path in (site / "_images").glob("film-*.webp")]
    assert len(sizes) == len(PLAYED) and max(sizes) < 170_000 and sum(sizes) < 330_000


def test_a_film_is_written_with_what_its_player_asks(tmp_path):
    path = saved(tmp_path / "a.png", shots())
    about = {"labels": [f"round {i}" for i in range(5)], "seconds": 2.0}
    data = film(path, tmp_path / "_images", "../_images", about)
    with Image.open(tmp_path / "_images" / data["atlas"].rpartition("/")[2]) as atlas:
        assert atlas.width == 80 and data["atlas"].startswith("../_images/film-")
    assert (data["width"], data["height"], data["at"], data["seconds"]) == (63, 47, 4, 2.0)
    assert data["labels"].splitlines() == about["labels"]
    with pytest.raises(ValueError, match="5 frames and 1 labels"):
        film(path, tmp_path, "", {"labels": ["one"], "seconds": 1.0})


def moves(path):
    with Image.open(path) as picture:
        return getattr(picture, "is_animated", False)


def test_no_picture_of_the_book_moves_by_itself(site, tmp_path):  # noqa: F811
    paths = [path for kind in ("png", "webp") for path in site.rglob(f"*.{kind}")]
    assert len(paths) > 20 and not [path.name for path in paths if moves(path)]
    assert moves(saved(tmp_path / "a.png", shots()))


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
@pytest.mark.parametrize("chapter", PLAYED)
def test_a_film_waits_and_obeys(browser, site, chapter):  # noqa: F811
    """Its frames are asked for by the first touch, not before; it plays to its last frame and stops; a link opens a frame."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "film-" in request.url else None)
    address = (site / "notebooks" / f"{chapter}.html").as_uri()
    page.goto(address)
    page.evaluate(UNFOLD)
    film = page.locator("gan-widget[name=film]")
    film.scroll_into_view_if_needed()
    slider, status = film.locator("input[type=range]"), film.locator(".status")
    last = PLAYED[chapter] - 1
    assert int(slider.input_value()) == last and not asked and f"of {last + 1}" in status.text_content()
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_function("(film) => film.shadowRoot.querySelector('.status').textContent.includes('frame 1 of')",
                           arg=film.element_handle())  # fmt: skip
    assert len(asked) == 1
    seen = set()
    for key in ("ArrowRight", "End"):
        page.keyboard.press(key)
        page.wait_for_timeout(150)
        seen.add(film.locator("canvas").screenshot())
    assert len(seen) == 2
    page.keyboard.press("ArrowLeft")
    film.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1500)
    assert int(slider.input_value()) == last and film.get_by_role("button", name="Play").is_visible()
    page.goto(f"{address}#w-film?at=1")
    page.reload()
    page.evaluate(UNFOLD)
    page.locator("gan-widget[name=film]").scroll_into_view_if_needed()  # what was unfolded has moved it
    page.wait_for_function("(film) => film.shadowRoot.querySelector('.status').textContent.includes('frame 2 of')",
                           arg=page.locator("gan-widget[name=film]").element_handle())  # fmt: skip
    page.close()
