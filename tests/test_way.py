"""The way through the book, as a reader meets it: the first page, the two-hour path, questions in the margin, the search."""

import hashlib
import re
import sys
import zipfile
from pathlib import Path
from urllib.parse import urldefrag

import numpy as np
import pytest
import repository
import ring_film
import yaml
from bs4 import BeautifulSoup
from test_book import ROOT, html_pages, soup
from test_pages import CHROMIUM, MISSING, browser, server  # noqa: F401 - fixtures

sys.path.append(str(ROOT / "book" / "_ext"))
PATH = [
    (chapter["chapter"], label, minutes)
    for chapter in yaml.safe_load((ROOT / "book" / "path.yml").read_text())
    for label, minutes in chapter["stops"].items()
]
in_browser = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture
def first(browser, site):  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "book" / "index.html").as_uri())
    yield page
    page.close()


# --- the first page


def test_the_film_is_that_of_the_chapter():
    """Its first rounds are played again: to the last level of a byte on this processor, within one on another."""
    from landing import film

    kept = film(ROOT / "book" / "_static")
    assert kept["rounds"] == ring_film.ROUNDS and kept["points"].shape == (len(kept["rounds"]), ring_film.POINTS, 2)
    rounds = [round for round in kept["rounds"] if round <= 20]
    for place, (points, logits) in enumerate(ring_film.frames(rounds, ring_film.chapter())):
        for new, old in ((points, kept["points"]), (logits, kept["logits"])):
            assert np.abs(new.astype(int) - old[place]).max() <= 1, rounds[place]
    assert place == len(rounds) - 1


def test_the_living_picture_is_small(site):
    """Data, program and the drawing in the page."""
    files = sum((ROOT / "book" / "_static" / name).stat().st_size for name in ("ring_data.js", "ring.js"))
    assert files + len(str(soup(site / "book" / "index.html").select_one("figure.ring"))) <= 60_000


def test_without_scripts_the_picture_is_that_of_round_400(browser, site):  # noqa: F811
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "book" / "index.html").as_uri())
    assert page.locator(".picture svg").bounding_box()["width"] > 300
    assert len(page.locator(".picture .fake").get_attribute("d")) > 1000 and page.locator(".controls").is_hidden()
    stops = page.locator(".stops button")
    assert stops.all_inner_texts() == ["round 0", "40", "200", "400", "2,000"]
    assert page.locator(".stops [aria-current]").inner_text() == "400"
    context.close()


def shown(page):
    return page.locator(".picture .fake").get_attribute("d"), page.locator("output").inner_text()


def test_the_picture_moves_when_it_is_told_to(first):
    """From a folder: still at first, then by the button, which also stops it, by a stop and by the slider's keys."""
    before = shown(first)
    first.wait_for_timeout(400)
    assert shown(first) == before and before[1] == "round 400 of 2,000"
    first.get_by_role("button", name="Play").click()
    first.wait_for_function("document.querySelector('output').textContent !== 'round 400 of 2,000'")
    first.get_by_role("button", name="Pause").click()
    moved = shown(first)
    assert moved[0] != before[0]
    first.wait_for_timeout(300)
    assert shown(first) == moved
    first.locator(".stops button").nth(1).click()
    assert shown(first)[1] == "round 40 of 2,000" and first.locator(".stops [aria-current]").inner_text() == "40"
    first.get_by_role("slider").press("ArrowRight")
    assert shown(first)[1] == "round 50 of 2,000" and first.get_by_role("slider").get_attribute("aria-valuetext")
    first.locator(".stops button").nth(3).click()
    lines = first.locator(".picture .l5").get_attribute("d")
    assert lines.count("M") >= 4 and shown(first) == before  # the program draws what the build drew, contours too


def test_with_less_motion_the_picture_goes_from_stop_to_stop(browser, site):  # noqa: F811
    page = browser.new_page(reduced_motion="reduce")
    page.goto((site / "book" / "index.html").as_uri())
    page.locator(".stops button").nth(0).click()
    page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => said.push(document.querySelector("output").textContent))
        .observe(document.querySelector("output"), { childList: true });
    }""")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(4600)
    assert page.evaluate("said") == ["round 40 of 2,000", "round 200 of 2,000"]
    page.close()


def test_the_doors_lead_in(first):
    """Three of equal width at 1280 pixels; the search field of the third leads to the search page with what was typed."""
    widths = [first.locator("article > section > section").nth(n).bounding_box()["width"] for n in range(3)]
    assert max(widths) - min(widths) < 2
    field = first.get_by_role("searchbox", name="Search the book")
    field.fill("mode collapse")
    field.press("Enter")
    first.wait_for_url("**/search.html?q=mode+collapse")


def test_the_first_page_on_a_phone(browser, site):  # noqa: F811
    """Title, picture, doors, from top to bottom."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((site / "book" / "index.html").as_uri())
    places = ["article h1", ".picture", "#in-two-hours", "#the-whole-book", "#look-something-up"]
    tops = [page.locator(place).first.bounding_box()["y"] for place in places]
    assert tops == sorted(tops)
    page.close()


def test_the_first_page_says_what_is_there(site):
    """Every chapter of the table of contents with its minutes and question; a state that is true; no contents at the right."""
    page = soup(site / "book" / "index.html")
    questions = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text())
    rows = page.select(".chapters li")
    assert [row.a["href"].split("/")[-1].removesuffix(".html") for row in rows] == sorted(questions)
    for row, about in zip(rows, [questions[name] for name in sorted(questions)]):
        head = soup((site / "book" / row.a["href"]).resolve()).select_one(".facts dd").text
        assert row.p.text == about["question"] and head.startswith(row.select_one("span").text)
    from ganlib import __version__

    text = page.select_one(".state").text
    assert text.startswith(f"Version {__version__}: chapters 0 to ") and " are complete" in text
    runs = re.findall(r"(\d+)(?: to (\d+))?", text.partition(": chapters ")[2].partition(" are")[0])
    said = [number for first, last in runs for number in range(int(first), int(last or first) + 1)]
    assert said == [int(name[:2]) for name in sorted(questions)]
    assert page.select_one(".bd-sidebar-secondary") is None


# --- the two-hour path


def own_part(section):
    """What stands between a section's heading and its first subsection, as far as it stands open."""
    part = BeautifulSoup(str(section.select_one(".on-path")), "html.parser")
    for hidden in part.select("details:not(.prediction), aside, .path-badge, .way-on, figcaption"):
        hidden.decompose()
    return part


def section_of(page, label):
    found = page.find(id=label)
    return found if found.name == "section" else found.find_parent("section")


def test_the_path_takes_two_hours():
    assert 90 <= sum(minutes for _, _, minutes in PATH) <= 120
    assert len({label for _, label, _ in PATH}) == len(PATH)
    assert [chapter for chapter, _, _ in PATH] == sorted(chapter for chapter, _, _ in PATH)


def test_the_minutes_of_a_stop_are_enough(site):
    """200 words and 60 lines of code a minute, half a minute a figure: nobody should need more than twice what is said."""
    for chapter, label, minutes in PATH:
        part = own_part(section_of(soup(site / "notebooks" / f"{chapter}.html"), label))
        code = sum(len(block.text.splitlines()) for block in part.select(".cell_input pre"))
        words = sum(len(text.get_text(" ").split()) for text in part.select("p, li"))
        needed = words / 200 + code / 60 + len(part.select("figure")) / 2
        assert needed <= minutes + 1 and minutes <= 2 * needed + 2, (label, needed, minutes)


def test_every_stop_is_marked_and_leads_to_the_next(site):
    """The badge says number and minutes, the contents bear a dot, and the way on lands on the next stop."""
    for number, (chapter, label, minutes) in enumerate(PATH, 1):
        path = site / "notebooks" / f"{chapter}.html"
        stop = section_of(soup(path), label).select_one(".on-path")
        assert stop.select_one(".path-badge").text == f"Two-hour path · stop {number} of {len(PATH)} · {minutes} min"
        dots = soup(path).select(".bd-sidebar-secondary li.stop")
        assert len(dots) == sum(name == chapter for name, _, _ in PATH), chapter
        way = stop.select_one(".way-on")
        if number == len(PATH):
            assert "last stop" in way.text
            continue
        following, its_label, its_minutes = PATH[number]
        page, anchor = urldefrag(way.a["href"])
        assert (Path(page).stem or chapter, anchor) == (following, its_label) and f", {its_minutes} min" in way.text


def test_a_chapter_ends_with_the_way_on(site):
    """The next stop with its minutes, and the next chapter with its question."""
    chapters = [path for path in html_pages(site) if path.parent.name == "notebooks"]
    questions = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text())
    for path, following in zip(chapters, [*chapters[1:], None]):
        columns = soup(path).select("nav.onwards > div")
        later = [stop for stop in PATH if stop[0] > path.stem]
        if later:
            assert columns[0].a["href"] == f"{later[0][0]}.html#{later[0][1]}" and f"{later[0][2]} min" in columns[0].text
        if following:
            assert columns[-1].a["href"] == following.name and questions[following.stem]["question"] in columns[-1].text
        else:
            assert columns[-1].a["href"] == "../book/index.html"


# --- questions


def test_a_chapter_shows_what_is_asked_often(site):
    """Each has a note at least; a note has a question of the page, a link to it, and a whole sentence."""
    for path in html_pages(site):
        notes = soup(path).select("aside.margin")
        assert bool(notes) == (path.parent.name == "notebooks"), path.name
        for note in notes:
            label, question, answer = note.select("p")
            page, anchor = urldefrag(question.a["href"])
            there = section_of(soup((path.parent / page).resolve()), anchor)
            assert label.text == "Asked often" and question.get_text(" ", strip=True)
            assert there.select_one("h3").a["href"] == f"#{anchor}"
            assert re.search(r"[.?]$", answer.text.strip()) and len(answer.text) >= 30, answer.text


def test_questions_come_second_in_the_sidebar(site):
    links = [link.text.strip() for link in soup(site / "book" / "index.html").select(".bd-sidebar-primary nav li > a")]
    assert links[1:3] == ["Start here", "Questions readers ask"]


@in_browser
@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("why is detach necessary", "questions.html#(q-detach|why-is-detach)"),
        ("discriminator loss zero", "questions.html#(q-zero|why-is-my-discriminator)"),
        ("discriminator too strong", "questions.html#(q-strong|my-discriminator)"),
        ("WGAN", "questions.html#(q-clipping|weight-clipping)"),
        ("BCEWithLogitsLoss", "questions.html#(q-bce|why-does)"),
    ],
)
def test_the_search_finds_what_readers_type(browser, server, typed, right):  # noqa: F811
    """The first or the second hit is right, and no excerpt shows TeX."""
    page = browser.new_page()
    page.goto(f"{server}/search.html?q={typed.replace(' ', '+')}")
    page.wait_for_function("/found|did not match/.test(document.querySelector('.search-summary')?.textContent ?? '')")
    page.wait_for_timeout(700)
    hits = page.locator("ul.search > li")
    links = [hits.nth(n).locator("a").first.get_attribute("href") for n in range(min(hits.count(), 2))]
    assert any(re.search(right, link) for link in links), links
    texts = page.locator("ul.search").inner_text()
    assert not re.search(r"\\[a-z]+|\$|\\\(", texts), texts[:2000]
    page.close()


# --- the library's wheel


def wheel_of(site):
    (wheel,) = (site / "dist").glob("*.whl")
    return wheel


def test_the_set_up_cells_name_the_wheel_of_the_site(site):
    """The address that the site offers is the one that the cells ask for, and the page shows its name and hash."""
    wheel = wheel_of(site)
    address = f"{re.search(r'https://[^<]*/', (site / 'robots.txt').read_text())[0]}dist/{wheel.name}"
    source = {}
    exec(
        repository.setup_cell().replace("import ganlib", "raise ModuleNotFoundError", 1).partition("%pip")[0] + "\n    pass",
        source,
    )
    assert source["GANLIB_SRC"] == address
    page = soup(site / "book" / "on_your_machine.html").article
    assert f"pip install {address}" in page.text and hashlib.sha256(wheel.read_bytes()).hexdigest() in page.text
    assert page.select_one("a[download]")["href"] == f"../dist/{wheel.name}"


def test_the_wheel_holds_the_library(site, tmp_path):
    """Installed without a network it is what the repository has, records and weights included; a second build has its bytes."""
    from wheel_file import built as build_wheel

    wheel = wheel_of(site)
    with zipfile.ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist() if name.startswith("ganlib/")}
    ours = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for path in repository.project_files()
        if path.is_relative_to(ROOT / "ganlib")
    }
    assert inside == ours
    assert build_wheel(ROOT, tmp_path).read_bytes() == wheel.read_bytes()


def test_a_wheel_that_cannot_be_built_fails_the_build(tmp_path):
    from sphinx.errors import ExtensionError
    from wheel_file import built as build_wheel

    (tmp_path / "ganlib").mkdir()
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).touch()
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ExtensionError, match="wheel was not built"):
        build_wheel(tmp_path, tmp_path / "dist")


# --- on paper


CLIPPED = """() => {
  const column = document.querySelector("article").getBoundingClientRect();
  const seen = [...document.querySelectorAll("article :is(pre, table, p, figure, aside, .on-path)")];
  const cut = (e) => e.matches("pre, table") && e.scrollWidth > e.clientWidth + 1;
  return seen.filter((e) => e.getClientRects().length && (cut(e) || e.getBoundingClientRect().right > column.right + 1))
    .map((e) => e.outerHTML.slice(0, 120));
}"""


@in_browser
@pytest.mark.parametrize("name", ["book/index", "book/on_your_machine", "notebooks/02_minimax_game", "notebooks/10_measuring"])
def test_no_line_is_clipped_on_paper(browser, site, name):  # noqa: F811
    """A4 less its margins; notes of the margin stand in the text."""
    page = browser.new_page(viewport={"width": 658, "height": 980})
    page.goto((site / f"{name}.html").as_uri())
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(300)
    assert page.evaluate(CLIPPED) == []
    page.close()
