"""The animations of the chapters as films: a few bytes from which a page draws the frames again, when the reader asks."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from repository import ROOT
from test_book import soup
from test_pages import CHROMIUM, MISSING, UNFOLD, browser  # noqa: F401 (fixtures)

from ganlib import films, show
from ganlib.style import book_look

PLAYED = {"01_samplers": 14, "02_minimax_game": 39, "03_algorithm_by_hand": 23, "08_mnist_gan": 10}
CALM = {"muted", "ink", "gText", "dText", "oText"}
"""The names under which the pages keep colours for words."""
SHOWN = "* { content-visibility: visible !important; }"  # what is far away is not laid out, and moves what is measured
CONTRAST = """(host) => {
  const shine = (color) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255).reduce((sum, v, i) =>
      sum + [0.2126, 0.7152, 0.0722][i] * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4), 0);
  };
  const of = (name) => shine(getComputedStyle(host).getPropertyValue(`--w-${name}`).trim());
  return ["muted", "ink", "g-text", "d-text", "o-text"].map((name) => {
    const [low, high] = [of(name), of("page")].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  });
}"""


def told(text):
    return json.loads(zlib.decompress(base64.b64decode(text)))


def recorded(*figures):
    """What a page is told of the figures, each laid out as ``show.animate`` lays it out."""
    with book_look():
        for figure in figures:
            for _ in range(2):
                figure.draw_without_rendering()
    return told(films.strip(figures))


def curve(level=1.0, **style):
    figure, ax = show.figure(height=3.0)
    ax.plot([0, 1, 2], [0, level, 0.5], **style)
    ax.set(xlabel="time (s)", ylabel="length (m)", title=f"level {level}", xlim=(0, 2), ylim=(0, 1))
    return figure, ax


def shapes_of(film, kind):
    return [shape for shape in film["shapes"] if shape[0] == kind]


def corners(line):
    return np.cumsum(np.reshape(line, (-1, 2)), axis=0) / films.UNIT


def test_what_stays_is_kept_once():
    film = recorded(*(curve(level)[0] for level in (0.2, 0.4, 0.6)))
    assert film["size"] == [640 * films.UNIT, 300 * films.UNIT]
    seen = [set(frame) for frame in film["frames"]]
    assert len(set.intersection(*seen)) > 10
    assert [len(frame - set.intersection(*seen)) for frame in seen] == [2, 2, 2]  # the curve and the title


def test_a_line_keeps_its_place_and_its_look():
    figure, ax = curve(color=show.FAKE, linestyle="--", alpha=0.5, linewidth=1.5)
    film = recorded(figure)
    _, clip, pen, fill, [line] = next(shape for shape in shapes_of(film, "path") if shape[2][:1] == ["g"])
    expected = ax.transData.transform([(0, 0), (1, 1), (2, 0.5)]) * (1, -1) + (0, 300)
    assert np.abs(corners(line) - expected).max() <= 0.5 / films.UNIT
    assert pen[1] == 0.5 and pen[2] == round(films.UNIT * 1.5 * 100 / 72) and len(pen[4]) == 2 and fill == []
    box = ax.bbox
    assert np.abs(np.array(clip) / films.UNIT - (box.x0, 300 - box.y1, box.width, box.height)).max() <= 0.5 / films.UNIT


def test_a_smooth_curve_is_told_in_few_points_and_no_pixel_off():
    figure, ax = show.figure(height=3.0)
    x = np.linspace(0, 6, 1000)
    ax.plot(x, np.sin(x), color=show.D_COLOR)
    ax.set_axis_off()
    [[*_, [line]]] = shapes_of(recorded(figure), "path")
    exact = ax.transData.transform(np.stack([x, np.sin(x)], 1)) * (1, -1) + (0, 300)
    places = corners(line)
    off = np.abs(np.interp(exact[:, 0], places[:, 0], places[:, 1]) - exact[:, 1])
    assert len(places) < 250 and off.max() < 0.6


def test_areas_that_shine_through_stay_apart():
    figure, ax = show.figure(height=3.0)
    ax.set_axis_off()
    for alpha in (1.0, 0.5):
        ax.bar([0, 0.4], [1, 2], color=show.OTHER, alpha=alpha, linewidth=0)
    found = shapes_of(recorded(figure), "path")
    assert [(shape[3], len(shape[4])) for shape in found] == [(["o", 1.0], 2), (["o", 0.5], 1), (["o", 0.5], 1)]


def test_words_have_the_pages_colours_and_an_anchor():
    figure, ax = curve()
    ax.text(2, 0.5, "here $s$", color=show.FAKE, ha="right")
    ax.text(1, 0.2, "pink", color=show.PINK)
    film = recorded(figure)
    words = {shape[1]: shape[2:] for shape in shapes_of(film, "text")}
    assert {shape[-1] for shape in words.values()} == {"muted", "gText", "ink"}
    x, y, size, before, angle, color = words["here $s$"]
    assert np.abs(np.array([x, y]) / films.UNIT - (ax.transData.transform((2, 0.5)) * (1, -1) + (0, 300))).max() < 1
    assert (size, before, angle, color) == (round(films.UNIT * 14.5 * 100 / 72), 1.0, 0.0, "gText")
    middle = ax.bbox.y0 + ax.bbox.height / 2
    assert words["length (m)"][3:5] == [0.5, 90.0] and abs(words["length (m)"][1] / films.UNIT - (300 - middle)) < 4
    assert abs(words["level 1.0"][0] / films.UNIT - (ax.bbox.x0 + ax.bbox.width / 2)) < 1


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_images_come_back_upright(origin):
    figure, ax = show.figure(height=3.0)
    ax.imshow([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], cmap="gray", vmin=0, vmax=1, origin=origin, interpolation="bilinear")
    ax.set_axis_off()
    film = recorded(figure)
    [[_, top, wide, high, x, y, width, height]] = shapes_of(film, "image")
    with Image.open(io.BytesIO(base64.b64decode(film["sheet"]))) as sheet:
        pixels = np.asarray(sheet.convert("L"))[top : top + high, :wide]
    assert (pixels == (255 * np.array([[0, 1, 1], [1, 0, 1]]))[:: 1 if origin == "upper" else -1]).all()
    box = ax.bbox
    assert np.abs(np.array([x, y, width, height]) / films.UNIT - (box.x0, 300 - box.y1, box.width, box.height)).max() < 1
    assert ax.images[0].get_interpolation() == "bilinear"


def test_images_have_as_many_greys_as_there_is_room_for(monkeypatch):
    noise = torch.randint(0, 256, (6, 1, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    figure, _ = show.image_grid(noise, columns=3, gap=0)
    for room, greys in ((14_500, 16), (10, 5)):
        monkeypatch.setattr(films, "IMAGE_BYTES", room)
        with Image.open(io.BytesIO(base64.b64decode(recorded(figure)["sheet"]))) as sheet:
            pixels = np.asarray(sheet.convert("L")).astype(int)
        exact = noise.reshape(2, 3, 20, 20).permute(0, 2, 1, 3).reshape(40, 60).numpy().astype(int)
        assert len(np.unique(pixels)) == greys and np.abs(pixels - exact).max() <= 128 / (greys - 1) + 1


def data_of(site, chapter):
    return json.loads(soup(site / "notebooks" / f"{chapter}.html").select_one("gan-widget[name=film]")["data"])


def test_films_are_small(site):
    """In characters of the page, which hold six bits each."""
    sizes = {chapter: len(data_of(site, chapter)["drawn"]) for chapter in PLAYED}
    assert len([page for page in (site / "notebooks").glob("*.html") if 'name="film"' in page.read_text()]) == len(PLAYED)
    assert {chapter: size for chapter, size in sizes.items() if not 3000 < size < 20_000} == {}


def test_films_have_their_frames_and_calm_words(site):
    for chapter, count in PLAYED.items():
        data = data_of(site, chapter)
        film = told(data["drawn"])
        assert len(film["frames"]) == count == len(data["labels"].splitlines()) == data["at"] + 1
        assert data["ratio"] == pytest.approx(film["size"][1] / film["size"][0], abs=1e-3)
        assert {shape[-1] for shape in shapes_of(film, "text")} <= CALM


def moves(path):
    with Image.open(path) as picture:
        return getattr(picture, "is_animated", False)


def test_no_picture_of_the_book_moves_by_itself(site, tmp_path):
    paths = [path for kind in ("png", "webp") for path in site.rglob(f"*.{kind}")]
    assert len(paths) > 20 and not [path.name for path in paths if moves(path)]
    pictures = [Image.new("L", (4, 4), level) for level in (0, 255)]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:])
    assert moves(tmp_path / "a.png")


def still_of(chapter):
    """The still picture that the chapter stores of its film, on white, in greys."""
    cells = json.loads((ROOT / "notebooks" / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    stored = next(o for o in outputs if "film" in o.get("metadata", {}).get("image/png", {}))["data"]["image/png"]
    return on_white(base64.b64decode("".join(stored)))


def on_white(data):
    with Image.open(io.BytesIO(data)) as picture:
        shown = picture.convert("RGBA")
        return np.asarray(
            Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("L").resize((64, 40)), float
        )


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
@pytest.mark.parametrize("chapter", PLAYED)
def test_a_film_waits_and_obeys(browser, site, chapter):  # noqa: F811
    """It shows what its still picture shows, asks for nothing, plays to its last frame and stops; a link opens a frame."""
    page = browser.new_page(color_scheme="light")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    address = (site / "notebooks" / f"{chapter}.html").as_uri()
    page.goto(address)
    page.add_style_tag(content=SHOWN)
    page.evaluate(UNFOLD)
    film = page.locator("gan-widget[name=film]")
    film.scroll_into_view_if_needed()
    slider, status = film.locator("input[type=range]"), film.locator(".status")
    last = PLAYED[chapter] - 1
    page.wait_for_timeout(600)
    del asked[:]
    assert int(slider.input_value()) == last and f"of {last + 1}" in status.text_content()

    def pixels():
        page.wait_for_timeout(150)
        return base64.b64decode(film.locator("canvas").evaluate("(canvas) => canvas.toDataURL()").partition(",")[2])

    ends = pixels()
    assert np.corrcoef(on_white(ends).ravel(), still_of(chapter).ravel())[0, 1] > 0.95  # letters differ
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_function("(film) => film.shadowRoot.querySelector('.status').textContent.includes('frame 1 of')",
                           arg=film.element_handle())  # fmt: skip
    begins = pixels()
    page.keyboard.press("ArrowRight")
    assert len({ends, begins, pixels()}) == 3
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    film.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1500)
    assert int(slider.input_value()) == last and film.get_by_role("button", name="Play").is_visible()
    assert pixels() == ends and not [url for url in asked if not url.startswith("data:")]
    page.goto(f"{address}#w-film?at=1")
    page.reload()
    page.add_style_tag(content=SHOWN)
    page.evaluate(UNFOLD)
    page.locator("gan-widget[name=film]").scroll_into_view_if_needed()  # what was unfolded has moved it
    page.wait_for_function("(film) => film.shadowRoot.querySelector('.status').textContent.includes('frame 2 of')",
                           arg=page.locator("gan-widget[name=film]").element_handle())  # fmt: skip
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(300)
        assert min(page.locator("gan-widget[name=film]").evaluate(CONTRAST)) >= 4.5
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_where_a_film_cannot_be_unpacked_its_still_picture_stays(browser, site):  # noqa: F811
    page = browser.new_page()
    page.add_init_script("delete globalThis.DecompressionStream")
    page.goto((site / "notebooks" / "03_algorithm_by_hand.html").as_uri())
    page.add_style_tag(content=SHOWN)
    page.evaluate(UNFOLD)
    film = page.locator("gan-widget[name=film]")
    film.scroll_into_view_if_needed()
    page.wait_for_timeout(600)
    assert "did not come" in film.locator(".status").text_content()
    assert on_white(film.locator("canvas").screenshot()).std() > 5
    page.close()
