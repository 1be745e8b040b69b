"""The figures of chapters 2, 4, 5 and 7: their numbers are ganlib's, and each of them answers to pointer, keys and address."""

import importlib.util
import json

import pytest
from repository import ROOT
from test_pages import CHROMIUM, MISSING, UNFOLD, browser, still  # noqa: F401 (fixtures)
from test_widgets import numbers

PAGES = {
    "judge": ("02_minimax_game", "p=0.67&play=2R"),
    "prices": ("02_minimax_game", "real=2&fake=0.5"),
    "answer": ("04_optimal_discriminator", "mean=1&widthG=0.6"),
    "latent": ("08_mnist_gan", "x=1&y=0.25&b=7"),
    "triangle": ("05_global_optimum", "first=0.9&second=0.05&play=9R"),
    "hears": ("07_saturation", "distance=5&sure=1"),
}


def test_the_fixtures_are_what_ganlib_gives():
    spec = importlib.util.spec_from_file_location("theory_fixtures", ROOT / "widgets" / "theory_fixtures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stored, now = json.loads((ROOT / "widgets" / "theory.json").read_text()), json.loads(json.dumps(module.fixtures()))
    stored, now = numbers(stored), numbers(now)
    assert [x for x in stored if isinstance(x, str)] == [x for x in now if isinstance(x, str)]
    assert [x for x in stored if not isinstance(x, str)] == pytest.approx([x for x in now if not isinstance(x, str)], abs=1e-9)


def opened(browser, site, name, state=""):  # noqa: F811
    page = browser.new_page()
    faults = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((site / "notebooks" / f"{PAGES[name][0]}.html").as_uri() + state)
    page.evaluate(UNFOLD)
    widget = page.locator(f"gan-widget[name={name}]")
    widget.scroll_into_view_if_needed()
    widget.locator(".status:not(:empty)").wait_for()
    return page, widget, faults


def another(page, widget, before):
    """What the widget says once it is no longer what it said before."""
    page.wait_for_function("([widget, before]) => widget.shadowRoot.querySelector('.status').textContent !== before",
                           arg=[widget.element_handle(), before])  # fmt: skip
    return widget.locator(".status").inner_text()


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
@pytest.mark.parametrize("name", [name for name in PAGES if name not in ("hears", "judge")])
def test_a_point_is_dragged_and_moved_with_keys(browser, site, name):  # noqa: F811
    page, widget, faults = opened(browser, site, name)
    canvas = widget.locator("canvas").first
    seen = [widget.locator(".status").inner_text()]
    canvas.focus()
    page.keyboard.press("ArrowDown" if name == "triangle" else "ArrowUp")
    seen.append(another(page, widget, seen[-1]))
    box = still(canvas)
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.7, steps=3)
    page.mouse.up()
    seen.append(another(page, widget, seen[-1]))
    page.close()
    assert len(set(seen)) == 3 and not faults


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
@pytest.mark.parametrize("name", PAGES)
def test_a_link_restores_a_state(browser, site, name):  # noqa: F811
    page, widget, faults = opened(browser, site, name)
    usual = widget.locator(".status").inner_text()
    page.close()
    page, widget, _ = opened(browser, site, name, f"#w-{name}?{PAGES[name][1]}")
    another(page, widget, usual)
    href = widget.locator(".links a").get_attribute("href")
    page.close()
    assert not faults and href == f"#w-{name}?{PAGES[name][1]}"


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_a_guess_is_judged_once_it_was_seen(browser, site):  # noqa: F811
    page, widget, _ = opened(browser, site, "hears")
    guess, verdict = widget.get_by_label("non-saturating").first, widget.locator(".verdict")
    guess.press("Space")
    assert guess.is_checked() and verdict.is_hidden()
    for slider, keys in (("How sure D is (1: the best D)", 12), ("Distance of the fakes, θ", 25)):
        widget.get_by_label(slider).focus()
        for _ in range(keys):
            page.keyboard.press("ArrowRight")
    verdict.wait_for()
    text = verdict.inner_text()
    page.close()
    assert "non-saturating" in text and "It is: minimax" in text
