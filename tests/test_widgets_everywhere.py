"""Widgets where readers meet them: in a frame as Colab has, at the end of a link, as they look, and the quiz of chapter 9."""

import functools
import html
import importlib.util
import re
from urllib.parse import parse_qsl, urldefrag, urljoin

import numpy as np
import pytest
import torch
from repository import ROOT
from test_book import html_pages, soup
from test_pages import CHROMIUM, MISSING, browser  # noqa: F401 - fixtures

from ganlib import widgets

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
ALT = "A picture that stands for the figure where nothing runs."
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080000000"
    "03a7e9b550000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)
spec = importlib.util.spec_from_file_location("looks", ROOT / "widgets" / "looks.py")
looks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(looks)


@pytest.mark.parametrize("name", ["algorithm", "circle", "playground", "triangle"])
def test_in_a_sandboxed_frame_without_network(browser, name):  # noqa: F811
    """As Colab shows an output: its own frame, of no origin, which may run scripts and nothing else."""
    output = html.escape(f"<!doctype html><body>{widgets.live_html(name, {}, PIXEL, ALT)}")
    context = browser.new_context(offline=True)
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.set_content(f'<iframe sandbox="allow-scripts" width="760" height="1500" srcdoc="{output}"></iframe>')
    widget = page.frame_locator("iframe").locator("gan-widget")
    for played in (1, 2):  # the frame is drawn when the machine comes to it
        widget.locator("[data-do=round]").click()
        page.frame_locator("iframe").locator(f"gan-widget[data-round='{played}']").wait_for()
    widget.locator("[data-do=play]").click()
    page.frame_locator("iframe").locator("gan-widget:not([data-round='2'])").wait_for()
    widget.locator("[data-do=play]").click()
    assert int(widget.get_attribute("data-round")) > 2
    assert not widget.locator(".links a").is_visible()  # there is no address to link to
    widget.locator(".links [data-do=copy]").click()
    assert widget.locator(".status").inner_text() or widget.locator("textarea").count()
    assert faults == []
    context.close()


@functools.cache
def links(folder):
    """Every link of the book into a state of a widget: the page that it leads to, and the state."""
    found = {}
    for page in html_pages(folder):
        for link in soup(page).select('a[href*="#w-"]'):
            address, state = urldefrag(urljoin(page.as_uri(), link["href"]))
            found.setdefault((address, state), page.stem)
    return found


SHOWN = """([name, key]) => {
  const root = document.querySelector(`gan-widget[name=${name}]`).shadowRoot, id = `${name}-${key}`;
  const one = root.getElementById(id), chosen = root.querySelector(`[name="${id}"]:checked`);
  return one ? (one.type === "checkbox" ? (one.checked ? "1" : "0") : one.value) : chosen ? chosen.value
    : new URLSearchParams(root.querySelector(".links a").hash.split("?")[1]).get(key); // a seed has no control
}"""
READY = """(name) => {
  const status = document.querySelector(`gan-widget[name=${name}]`)?.shadowRoot?.querySelector(".status")?.innerText;
  return status && !status.startsWith("Replaying");
}"""


def test_every_link_into_a_state_restores_it(browser, site):  # noqa: F811
    """Its controls stand as the link says, and as many rounds have been played."""
    wrong, page = [], browser.new_page(viewport={"width": 1280, "height": 900})
    for (address, state), origin in links(site).items():
        name, _, query = state.removeprefix("w-").partition("?")
        page.goto("about:blank")
        page.goto(f"{address}#{state}")
        page.wait_for_function(READY, arg=name, timeout=60_000)
        settings = dict(parse_qsl(query))
        played = settings.pop("play", "")
        rounds = sum(int(count) for count in re.findall(r"(\d+)[RG]", played))
        shown = {key: page.evaluate(SHOWN, [name, key]) for key in settings}
        seen = int(page.get_attribute(f"gan-widget[name={name}]", "data-round"))
        if (shown, seen) != (settings, rounds):
            wrong.append((origin, state, shown, seen))
    page.close()
    assert len(links(site)) >= 10 and wrong == []


def test_each_looks_as_it_did(browser, site):  # noqa: F811
    """32 by 20 greys: letters of another font hardly change them, a curve or a control that is missing does."""
    stored, pages = looks.stored(), looks.pages(site)
    assert sorted(stored) == sorted(pages) == sorted(widgets.names())
    far = {}
    for name, page in pages.items():
        apart = np.abs(looks.look(browser, page, name).astype(int) - stored[name])
        if apart.mean() > 4 or (apart > 40).sum() > 8:
            far[name] = (apart.mean(), (apart > 40).sum())
    assert far == {}  # if it is meant to look otherwise: make looks


WRITTEN = """() => {
  window.outside = [];
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { actualBoundingBoxLeft: l, actualBoundingBoxRight: r, actualBoundingBoxAscent: a, actualBoundingBoxDescent: d } =
      this.measureText(text), { clientWidth, width, clientHeight } = this.canvas, turned = this.getTransform();
    const beyond = (at, end) => at * clientWidth / width < -1 || at * clientWidth / width > end + 1;
    const cut = ([x, y]) => {
      const corner = turned.transformPoint({ x, y });
      return beyond(corner.x, clientWidth) || beyond(corner.y, clientHeight);
    };
    if ([[x - l, y - a], [x + r, y - a], [x - l, y + d], [x + r, y + d]].some(cut)) outside.push(text);
    fillText.call(this, text, x, y);
  };
}"""
PLAYED = {"algorithm": "leak=1&play=3R", "circle": "play=9R", "diagnose": "at=30", "judge": "play=48R", "playground": "play=9R"}


@pytest.mark.parametrize("width", [390, 1280])
def test_no_word_is_cut_off_by_its_canvas(browser, site, width):  # noqa: F811
    for name, path in looks.pages(site).items():
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.add_init_script(f"({WRITTEN})()")
        page.goto(f"{path.as_uri()}#w-{name}?{PLAYED.get(name, '')}")
        page.wait_for_function(READY, arg=name)
        widget = page.locator(f"gan-widget[name={name}]").first
        if name == "judge":  # what is said beside a digit is longest after a late fake, and there one of 48 is
            widget.locator("[data-do=rewind]").click()
            for _ in range(12):
                widget.locator("[data-do=answerIt]").click()
        page.wait_for_timeout(100)
        outside = page.evaluate("outside")
        page.close()
        assert (name, outside) == (name, [])


@pytest.mark.parametrize("state", ["algorithm?play=3R", "algorithm?k=2&leak=1&play=3R", "playground?play=3R"])
def test_the_copied_program_runs(browser, site, state):  # noqa: F811
    name = state.partition("?")[0]
    page = browser.new_page()
    page.goto(f"{looks.pages(site)[name].as_uri()}#w-{state}")
    page.wait_for_function(READY, arg=name)
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.locator(f"gan-widget[name={name}] [data-do=copy]").first.click()
    page.wait_for_function("window.copied")
    code, printed = page.evaluate("copied"), []
    page.close()
    with torch.random.fork_rng():
        exec(code, {"print": lambda *parts: printed.extend(parts)})
    found = [value for said in printed for value in (said.values() if isinstance(said, dict) else np.atleast_1d(said))]
    numbers = [value for value in found if not isinstance(value, str)]
    assert re.search(r"(range\(|\bsteps=)3\b", code) and len(numbers) >= 2 and np.isfinite(numbers).all()


def test_the_quiz_counts_the_first_answer(browser, site):  # noqa: F811
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((site / "notebooks" / "09_reading_runs.html").as_uri() + "#w-diagnose?at=500")  # more than there are
    widget = page.locator("gan-widget[name=diagnose]")
    choice, status, fixed = widget.locator("select"), widget.locator(".status"), widget.locator(".fixed")
    assert "gradient of D" in status.inner_text() and fixed.inner_text() == "run 1 of 9"
    assert widget.locator("output").first.inner_text() == "3000"
    names = [name for name in choice.locator("option").evaluate_all("(all) => all.map((one) => one.value)") if name]
    answers = []
    for name in names:  # one of the nine is right
        choice.select_option(name)
        page.wait_for_timeout(60)
        answers.append(status.inner_text().startswith("So it is"))
        if answers[-1]:
            assert "became" in status.inner_text()
            break
    first = int(len(answers) == 1)
    assert fixed.inner_text() == f"run 1 of 9; at the first try {first} of 1 right" and answers[-1]
    widget.get_by_label("2", exact=True).press("Space")
    page.wait_for_timeout(100)
    assert choice.input_value() == "" and status.inner_text().startswith("Pale")
    widget.locator("[data-do=play]").click()
    page.wait_for_function(
        "document.querySelector('gan-widget[name=diagnose]').shadowRoot.querySelector('[id=diagnose-at]').value > 2"
    )
    page.reload()
    assert fixed.inner_text().endswith(f"at the first try {first} of 1 right")  # it is remembered
    context.close()
