"""Figures: described, labelled, in the book's look, and closed once they are shown."""

import io
import pickle
import re
from xml.etree import ElementTree

import draw_convexity
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from ganlib import data, show, style

ALT = "A line that rises from the origin. It has a second sentence."


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """What a notebook receives: a list of (data, metadata)."""
    received = []

    def display(data, metadata, raw):
        assert raw
        received.append((data, metadata))

    monkeypatch.setattr("IPython.display.display", display)
    yield received
    plt.close("all")


def drawn(level=1.0, **options):
    fig, ax = show.figure(**options)
    ax.plot([0, 1], [0, level])
    ax.set_xlabel("time (s)")
    ax.set_ylabel("length (m)")
    return fig


def picture(received):
    data, _ = received[-1]
    return Image.open(io.BytesIO(data["image/png"]))


def pixels(received):
    """The last figure shown holds this image."""
    show.publish(show.image_grid(torch.zeros(4, 1, 8, 8))[0], alt=ALT)
    return np.asarray(picture(received).convert("RGBA"))


def test_the_first_sentence_does_not_end_at_a_decimal_point(shown):
    alt = "A line from 0.25 up to 1.5. It has a second sentence."
    show.publish(drawn(), alt=alt)
    show.animate([drawn(), drawn()], alt=alt)
    assert [data["text/plain"] for data, _ in shown] == ["A line from 0.25 up to 1.5"] * 2
    assert [about["alt"] for _, metadata in shown for about in metadata.values()] == [alt, f"Animation. {alt}"]


def test_publish(shown):
    assert show.publish(drawn(), alt=ALT, caption="Seed 0, 3 s.") is None
    ((data, metadata),) = shown
    assert metadata == {"image/svg+xml": {"alt": ALT, "kind": "lines", "caption": "Seed 0, 3 s."}}
    assert set(data) == {"image/svg+xml", "text/plain"}
    assert data["text/plain"] == "A line that rises from the origin"
    assert ElementTree.fromstring(data["image/svg+xml"]).attrib["viewBox"] == "0 0 460.8 273.6"
    assert plt.get_fignums() == []


def test_images_are_sharp_on_a_screen_of_two_pixels_for_one(shown):
    assert pixels(shown).shape[1] == 6.4 * 225
    ((data, metadata),) = shown
    assert set(data) == {"image/png", "text/plain"} and set(metadata) == {"image/png"}


def test_words_are_outlines_and_nothing_names_the_day(shown):
    """No reader's font decides the layout, and the same figure is the same file."""
    show.publish(drawn(), alt=ALT)
    text = shown[0][0]["image/svg+xml"]
    assert "<text" not in text and "DejaVuSans" in text
    assert "<dc:" not in text and "<!--" not in text and "\n" not in text


def scatter(marks, way):
    fig, ax = show.figure()
    x = np.linspace(0, 1, marks)
    if way == "plot":
        ax.plot(x, x, ".")
    elif way == "scatter":
        ax.scatter(x, x)
    else:
        ax.pcolormesh(np.outer(x, x)[: max(2, marks // 100)])
    ax.set(xlabel="x (m)", ylabel="y (m)")
    return fig


@pytest.mark.parametrize("way", ["plot", "scatter", "pcolormesh"])
def test_dense_parts_are_images_inside(way, shown):
    show.publish(scatter(4000 if way != "pcolormesh" else 700, way), alt=ALT)
    show.publish(scatter(50, way), alt=ALT)
    many, few = (data["image/svg+xml"] for data, _ in shown)
    assert "data:image/png" in many and "data:image/png" not in few
    assert len(many) < 120_000


def test_the_picture_of_the_proofs_page_is_what_its_script_draws():
    """But for digits: another machine's rounding is no other picture."""
    drawn_now, kept = draw_convexity.drawing(), draw_convexity.TARGET.read_text(encoding="utf-8").strip()
    assert re.sub(r"[\d.-]+", "", drawn_now) == re.sub(r"[\d.-]+", "", kept)


def test_marks_of_one_look_name_it_once(shown):
    show.publish(scatter(50, "plot"), alt=ALT)
    assert shown[0][0]["image/svg+xml"].count("stroke-width: 1") < 5


class TestWordsThatCannotBeRead:
    def published(self, **options):
        fig = drawn(**options)
        return fig, fig.axes[0]

    def refused(self, fig, words, shown):
        with pytest.raises(ValueError, match=words):
            show.publish(fig, alt=ALT)
        with pytest.raises(ValueError, match=words):
            show.animate([fig], alt=ALT)
        assert shown == []

    def test_too_small(self, shown):
        fig, ax = self.published()
        ax.text(0.2, 0.8, "tiny", fontsize=14)
        self.refused(fig, "'tiny' is 14 points high, under the 14.25", shown)

    def test_a_wider_figure_needs_larger_words(self, shown):
        fig, _ = self.published(width=12.8)
        self.refused(fig, "'time .s.' is 14.5 points high, under the 28.5", shown)

    def test_outside(self, shown):
        fig, ax = self.published()
        ax.text(1.0, 0.5, "a long word at the edge")
        ax.set_in_layout(False)
        self.refused(fig, "'a long word at the edge' lies outside the figure", shown)

    def test_one_on_another(self, shown):
        fig, ax = self.published()
        ax.text(0.5, 0.2, "first")
        ax.text(0.53, 0.21, "second")
        self.refused(fig, "'first' lies on 'second'", shown)

    @pytest.mark.parametrize("axis", ["x", "y"])
    def test_ticks_of_one_axis(self, axis, shown):
        fig, ax = self.published()
        ax.set(**{f"{axis}ticks": [0.5, 0.51], f"{axis}ticklabels": ["middle", "centre"]})
        self.refused(fig, "'middle' lies on 'centre'", shown)

    def test_all_faults_are_named(self, shown):
        fig, ax = self.published()
        ax.text(0.5, 0.2, "one", fontsize=9)
        ax.text(0.5, 0.2, "two", fontsize=8)
        self.refused(fig, "'one' is 9 points.*'two' is 8 points.*'one' lies on 'two'", shown)

    def test_what_is_not_drawn_may_lie_anywhere(self, shown):
        """Ticks beyond the limits, hidden and empty texts, the words of a hidden axis; lines of text near each other."""
        fig, ax = self.published()
        ax.set_xticks([0.5, 0.52, 5.0, 5.01], ["a", "", "beyond", "too"])
        ax.set_xlim(0, 1)
        ax.text(0.5, 0.2, "hidden", fontsize=3, visible=False)
        ax.text(0.2, 0.9, "two\nlines")
        inner = ax.inset_axes([0.5, 0.5, 0.3, 0.3])
        inner.set_axis_off()
        inner.text(0, 0, "in", color="red")
        ax.annotate("far", (0.1, 0.1), (0.8, 0.1), arrowprops={"arrowstyle": "->"})
        ax.text(0.3, 0.1, "under its arrow")
        show.publish(fig, alt=ALT)
        assert len(shown) == 1


def test_the_caption_is_no_part_of_the_picture(shown):
    """It is text of the page: there it can be read aloud, searched and enlarged."""
    show.publish(drawn(), alt=ALT)
    show.publish(drawn(), alt=ALT, caption="MNIST, 20,000 rounds, seed 0.")
    assert shown[0][0] == shown[1][0] and "caption" not in shown[0][1]["image/svg+xml"]


def test_pictures_are_told_from_lines(shown):
    show.publish(show.image_grid(torch.zeros(4, 1, 8, 8))[0], alt=ALT)
    show.publish(drawn(), alt=ALT)
    assert [about["kind"] for _, metadata in shown for about in metadata.values()] == ["picture", "lines"]


def test_words_in_a_figure_are_eleven_pixels_on_a_phone():
    for name in ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"):
        assert style.STYLE[name] * 358 / (6.4 * 72) >= 11


class TestTables:
    rows = (("plain", "13.8 ± 0.5", "93.4 %"), ("packed <2>", "23.2", "-"))

    def test_html_and_text(self, shown):
        show.table(("way", "modes", "share"), self.rows, caption="After 400,000 rounds")
        ((data, metadata),) = shown
        assert metadata is None or metadata == {}
        html = data["text/html"]
        assert html.count("<tr>") == 3 and "<caption>After 400,000 rounds</caption>" in html
        assert '<td data-h="way">packed &lt;2&gt;</td><td class="right" data-h="modes">23.2</td>' in html
        assert '<th class="right" scope="col">share</th>' in html and '<th scope="col">way</th>' in html
        assert data["text/plain"].splitlines()[:2] == ["After 400,000 rounds", "way         modes       share"]
        assert data["text/plain"].splitlines()[2] == "plain       13.8 ± 0.5  93.4 %"

    @pytest.mark.parametrize(
        ("header", "rows", "words"),
        [
            ([], [["a"]], "got 0 columns and 1 rows"),
            (["a"], [], "got 1 columns and 0 rows"),
            (["a"], [["1"], ["1", "2"]], "rows must have 1 cells as the header has, row 1 has 2"),
        ],
    )
    def test_refused(self, header, rows, words):
        with pytest.raises(ValueError, match=words):
            show.table(header, rows)


def test_figures_are_transparent_and_the_same_each_time(shown):
    for _ in range(2):
        show.publish(drawn(), alt=ALT)
    assert shown[0][0] == shown[1][0]
    assert 'fill: none"/>' in shown[0][0]["image/svg+xml"].split("axes_1")[0]  # the figure's own patch
    first, second = pixels(shown), pixels(shown)
    assert np.array_equal(first, second) and first[-1, 0, 3] == 0
    assert shown[2][0] == shown[3][0] and b"Software" not in shown[2][0]["image/png"]


def test_text_is_in_a_grey_that_shows_on_both_pages():
    def contrast(a, b):
        def luminance(hex_color):
            channels = [int(hex_color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    for color in (show.GREY, show.REAL):
        assert contrast(color, "#ffffff") > 4.2
        assert contrast(color, "#000000") > 4.2
    for color in (show.FAKE, show.D_COLOR, show.OTHER, show.PINK):  # lines need 3 : 1
        assert contrast(color, "#ffffff") > 3
        assert contrast(color, "#000000") > 3
    assert len({show.REAL, show.FAKE, show.D_COLOR, show.OTHER, show.PINK}) == 5


def everything_on(fig, axes):
    """Whatever takes its look from matplotlib's settings when it is made."""
    first, second = axes
    first.plot([0, 1], label="a")
    first.set(xlabel="x", ylabel="y", title="T")
    first.text(0.2, 0.5, "words")
    first.grid(True)
    first.legend(title="t")
    twin, inset = first.twinx(), first.inset_axes([0.5, 0.3, 0.3, 0.3])
    twin.plot([3, 2])
    twin.set_ylabel("z")
    twin.legend(["b"])
    inset.hist([1, 2, 2])
    inset.set(title="in", xlabel="x", ylabel="n")
    bar = fig.colorbar(second.imshow([[1, 2], [3, 4]]), ax=second)
    bar.ax.set_title("levels", pad=20)
    bar.set_label("level")
    second.errorbar([0, 1], [0, 1], [0.1, 0.2])
    second.set(xlabel="x", ylabel="y", xticks=[0, 1], yticks=[0, 1])
    fig.suptitle("all")
    fig.text(0.6, 0.47, "middle")
    return fig


def test_what_is_drawn_on_a_figure_later_is_in_the_look_too(shown):
    """To the last pixel as if matplotlib's settings had been the book's all the time."""
    with plt.rc_context(style.STYLE):
        show.publish(everything_on(*plt.subplots(2, 1, figsize=(6.4, 10))), alt=ALT)
    with plt.rc_context({"lines.linewidth": 9, "text.color": "red", "axes.facecolor": "blue", "legend.fontsize": 30}):
        show.publish(everything_on(*show.figure(rows=2, height=10.0)), alt=ALT)
    assert shown[0][0]["image/png"] == shown[1][0]["image/png"]


@pytest.mark.parametrize("ending", ["publish", "refused", "never", "a method raises", "display raises", "animate", "pickled"])
def test_matplotlibs_settings_stay_the_readers_own(ending, monkeypatch):
    with plt.rc_context({"lines.linewidth": 9, "text.color": "red"}):
        before = dict(plt.rcParams)
        fig = drawn()
        assert dict(plt.rcParams) == before
        if ending == "publish":
            show.publish(fig, alt=ALT, caption="Seed 0.")
        elif ending == "animate":
            show.animate([fig, drawn(2.0)], alt=ALT)
        elif ending == "refused":
            with pytest.raises(ValueError, match="alt must describe"):
                show.publish(fig, alt="")
        elif ending == "a method raises":
            with pytest.raises(ValueError, match="shape"):
                fig.axes[0].plot([1, 2], [1, 2, 3])
        elif ending == "display raises":
            monkeypatch.setattr("IPython.display.display", lambda *args, **options: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                show.publish(fig, alt=ALT)
        elif ending == "pickled":
            pickle.loads(pickle.dumps(fig)).axes[0].set_title("T")
        assert dict(plt.rcParams) == before
        assert not style._inside


def test_images_in_colour(shown):
    """Red, green and blue where they belong, as bytes, floats and arrays; a gap is transparent."""
    pixels = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    for channel in range(3):
        pixels[channel, channel] = 255
    floats = data.to_float(pixels)
    for images in (pixels, floats, pixels.numpy(), floats.half()):
        fig, ax = show.image_grid(images, columns=2, gap=1)
        sheet = ax.images[0].get_array()
        assert sheet.shape == (5, 5, 4)
        red, green, blue = [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]
        assert [sheet[y, x].tolist() for y, x in ((0, 0), (1, 4), (4, 1))] == [red, green, blue]
        assert sheet[2].any() == sheet[4, 3].any() == False  # noqa: E712 - NumPy's
        show.publish(fig, alt=ALT)


@pytest.mark.parametrize("alt", ["", "   ", "a plot"])
def test_a_figure_needs_a_description(alt, shown):
    with pytest.raises(ValueError, match=f"describe the figure in a sentence, got '{alt}'"):
        show.publish(drawn(), alt=alt)
    with pytest.raises(ValueError, match="describe the figure"):
        show.animate([drawn()], alt=alt)
    assert shown == []


@pytest.mark.parametrize("axis", ["x", "y"])
def test_an_axis_with_numbers_needs_a_label(axis, shown):
    fig = drawn()
    fig.axes[0].set(**{f"{axis}label": ""})
    with pytest.raises(ValueError, match=f"the {axis} axis of panel 0 has numbers but no label"):
        show.publish(fig, alt=ALT)
    assert shown == []


def test_an_axis_without_numbers_needs_none(shown):
    fig, ax = show.figure()
    ax.set_axis_off()
    show.publish(fig, alt=ALT)
    fig, ax = show.figure()
    ax.set(xticks=[], yticks=[])
    show.publish(fig, alt=ALT)
    assert len(shown) == 2


def test_panels_that_share_an_axis_share_its_label(shown):
    fig, axes = show.figure(rows=2, sharex=True)
    for ax in axes:
        ax.plot([0, 1])
        ax.set_ylabel("loss (nats)")
    with pytest.raises(ValueError, match="x axis of panel 1"):
        show.publish(fig, alt=ALT)
    axes[1].set_xlabel("round")
    show.publish(fig, alt=ALT)
    assert len(shown) == 1


def test_animate_ends_with_the_state_a_still_viewer_sees(shown):
    levels = (0.2, 0.6, 1.0)

    def frame(level):
        fig, ax = show.figure(height=2.0)
        ax.set_axis_off()
        ax.fill([0, 1, 1, 0], [0, 0, 1, 1], color=(level, 0, 1 - level))
        return fig

    show.animate([frame(level) for level in levels], alt=ALT, seconds=3.0)
    assert plt.get_fignums() == []
    (_, metadata), film = shown[0], picture(shown)
    assert metadata["image/png"]["alt"] == f"Animation. {ALT}"
    assert film.default_image and film.n_frames == 4  # the still picture and three frames
    assert film.info["loop"] == 0
    colors, durations = [], []
    for index in range(4):
        film.seek(index)
        colors.append(film.convert("RGBA").getpixel((film.width // 2, film.height // 2))[0] / 255)
        durations.append(film.info.get("duration"))
    assert colors == pytest.approx([1.0, 0.2, 0.6, 1.0], abs=0.02)
    assert durations[1:] == [1000, 1000, 2000]


def test_every_frame_keeps_its_colors(shown):
    """An animated PNG has one palette; a frame must not be shown with that of another."""
    frames, originals = [], []
    for hue in np.linspace(0, 1, 12, endpoint=False):
        fig, ax = show.figure(height=2.0)
        ax.set_axis_off()
        ax.fill([0, 1, 1, 0], [0, 0, 1, 1], color=plt.cm.hsv(hue))
        frames.append(fig)
        originals.append(np.array(plt.cm.hsv(hue)[:3]) * 255)
    show.animate(frames, alt=ALT)
    film = picture(shown)
    for index, original in enumerate(originals):
        film.seek(index + 1)
        found = film.convert("RGBA").getpixel((film.width // 2, film.height // 2))[:3]
        assert np.abs(np.array(found) - original).max() < 12


def test_an_animation_keeps_its_greys(shown):
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)

    def frame(images):
        fig, _ = show.image_grid(images)
        return fig

    show.animate([frame(ramp), frame(255 - ramp)], alt=ALT)
    film = picture(shown)
    film.seek(1)
    greys = np.asarray(film.convert("RGBA"))[..., 0]
    assert len(np.unique(greys)) > 60  # of 256; a general quantiser leaves 17


def test_an_animation_has_a_caption(shown):
    show.animate([drawn(0.5), drawn(1.0)], alt=ALT, caption="Seed 0.")
    about = shown[0][1]["image/png"]
    film = about.pop("film")
    assert about == {"alt": f"Animation. {ALT}", "kind": "lines", "caption": "Seed 0."}
    assert film.pop("drawn") and film == {"labels": ["picture 1", "picture 2"], "seconds": 4.0, "ratio": 0.5937}


def test_an_animation_of_images_is_a_picture(shown):
    show.animate([show.image_grid(torch.zeros(4, 1, 8, 8))[0]], alt=ALT)
    assert shown[0][1]["image/png"]["kind"] == "picture"


def test_a_film_is_labelled_by_its_titles(shown):
    pictures = [drawn(0.5), drawn(1.0)]
    for step, fig in enumerate(pictures):
        fig.axes[0].set_title(f"round {step}")
    show.animate(pictures, alt=ALT)
    assert shown[0][1]["image/png"]["film"]["labels"] == ["round 0", "round 1"]


@pytest.mark.usefixtures("unchecked")
def test_animations_that_are_refused(shown):
    with pytest.raises(ValueError, match="at least one figure, got none"):
        show.animate([], alt=ALT)
    with pytest.raises(ValueError, match=r"one size.*\(6.4, 2.0\), \(6.4, 3.0\)"):
        show.animate([drawn(height=2.0), drawn(height=3.0)], alt=ALT)
    with pytest.raises(ValueError, match=r"seconds must lie in \[0.01, 3600\], got 0"):
        show.animate([drawn()], alt=ALT, seconds=0.0)
    for frames in ([None], 3):
        with pytest.raises(TypeError, match="frames must be"):
            show.animate(frames, alt=ALT)
    assert shown == []


def sheet_of(ax):
    return np.ma.filled(ax.images[0].get_array().astype(float), np.nan)


def test_image_grid_lays_images_row_by_row():
    images = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 1, 3, 2)
    fig, ax = show.image_grid(images, columns=3, gap=1, title="five")
    sheet = sheet_of(ax)
    assert sheet.shape == (2 * 3 + 1, 3 * 2 + 2)
    expected = np.full((7, 8), np.nan)
    for index, value in enumerate([0, 0.25, 0.5, 0.75, 1]):
        top, left = 4 * (index // 3), 3 * (index % 3)
        expected[top : top + 3, left : left + 2] = value
    np.testing.assert_array_equal(sheet, expected)
    assert ax.figure is fig
    assert ax.get_title() == "five"
    assert ax.images[0].get_clim() == (0, 1)


def test_bytes_and_floats_look_alike():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    (_, first), (_, second) = show.image_grid(images), show.image_grid(data.to_float(images))
    np.testing.assert_allclose(sheet_of(first), sheet_of(second), atol=1e-6)


def test_gaps_are_transparent(shown):
    fig, ax = show.image_grid(torch.full((2, 1, 4, 4), 255, dtype=torch.uint8), columns=2, gap=4)
    rgba = ax.images[0].to_rgba(ax.images[0].get_array())
    assert rgba[0, 5, 3] == 0 and rgba[0, 0, 3] == 1
    assert rgba[0, 0, :3].tolist() == [1, 1, 1]
    show.publish(fig, alt=ALT)
    assert plt.get_fignums() == []


def test_image_grid_on_given_axes():
    fig, axes = show.figure(columns=2)
    found = show.image_grid(torch.zeros(1, 1, 2, 2, requires_grad=True), ax=axes[1])
    assert found[0] is fig and found[1] is axes[1]
    assert len(plt.get_fignums()) == 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("images", "columns", "words"),
    [
        (torch.zeros(3, 4, 4), 10, r"\(n, 1 or 3, height, width\).*got \(3, 4, 4\)"),
        (torch.zeros(3, 2, 4, 4), 10, r"got \(3, 2, 4, 4\)"),
        (torch.zeros(0, 1, 4, 4), 10, r"n >= 1, got \(0, 1, 4, 4\)"),
        (torch.full((1, 1, 2, 2), 255.0), 10, r"floats in \[-1, 1\], got torch.float32 from 255 to 255"),
        (torch.full((1, 1, 2, 2), torch.nan), 10, "from nan to nan"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.int64), 10, "got torch.int64"),
        (torch.zeros(1, 1, 2, 2), 0, "columns must lie between 1 and 1000, got 0"),
    ],
)
def test_images_that_are_refused(images, columns, words):
    with pytest.raises(ValueError, match=words):
        show.image_grid(images, columns=columns)
    assert plt.get_fignums() == []


def test_machine_names_a_kind_of_machine(monkeypatch):
    assert show.machine().endswith("CPU") or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    assert show.machine() == "NVIDIA H200"
