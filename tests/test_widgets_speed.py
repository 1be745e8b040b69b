"""How fast the figures are: rounds with drawing, time until they answer on a slow phone, frames while a point is dragged."""

import math

import pytest
from test_pages import CHROMIUM, MISSING, browser, still  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
ANSWERS = """async (name) => {
  const widget = document.querySelector(`gan-widget[name=${name}]`), start = performance.now();
  widget.scrollIntoView({ block: "start", behavior: "instant" });
  const next = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  while (!widget.shadowRoot?.querySelector(".status").textContent) await next();
  const slider = [...widget.shadowRoot.querySelectorAll("input[type=range]")].find((input) => input.getClientRects().length);
  slider.stepUp();
  slider.dispatchEvent(new Event("input"));
  await next();
  return performance.now() - start;
}"""


def processor(session):
    """Milliseconds that the page's main thread has computed, whoever else the machine works for."""
    metrics = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    return 1000 * metrics["TaskDuration"]


def metered(page):
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def test_sixty_rounds_a_second_with_drawing(browser, site):  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "book" / "playground.html").as_uri())
    session, widget = metered(page), page.locator("gan-widget")
    widget.locator("[data-do=play]").click()
    page.wait_for_function("Number(document.querySelector('gan-widget').dataset.round) > 30")  # compiled by then
    before, first = processor(session), int(widget.get_attribute("data-round"))
    page.wait_for_timeout(2000)
    spent, rounds = processor(session) - before, int(widget.get_attribute("data-round")) - first
    page.close()
    assert rounds > 5 and spent / rounds < 1000 / 60


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("book/playground", "playground"),
        ("notebooks/02_minimax_game", "judge"),
        ("notebooks/06_convergence", "circle"),
        ("notebooks/08_mnist_gan", "latent"),
    ],
)
def test_it_answers_within_a_second_on_a_slow_phone(browser, site, path, name):  # noqa: F811
    page = browser.new_page(viewport={"width": 412, "height": 823})
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto((site / f"{path}.html").as_uri())  # loaded whole: idle it may be before the figure has been read
    page.wait_for_load_state("networkidle")
    took = page.evaluate(ANSWERS, name)
    page.close()
    assert took < 1000


@pytest.mark.parametrize(
    ("chapter", "name"),
    [
        ("02_minimax_game", "prices"),
        ("04_optimal_discriminator", "answer"),
        ("05_global_optimum", "triangle"),
        ("06_convergence", "circle"),
        ("08_mnist_gan", "latent"),
    ],
)
def test_dragging_leaves_thirty_frames_a_second(browser, site, chapter, name):  # noqa: F811
    """What a frame of a drag costs the page's main thread: less than a thirtieth of a second."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "notebooks" / f"{chapter}.html").as_uri())
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    session, widget = metered(page), page.locator(f"gan-widget[name={name}]")
    canvas = widget.locator("canvas").first
    if name == "latent":
        widget.locator("[data-do=load]").click()
        page.wait_for_timeout(2000)
    box, status = still(canvas), widget.locator(".status").inner_text()
    page.evaluate(
        "() => { window.frames_seen = 0; const next = () => { frames_seen++; requestAnimationFrame(next); }; next(); }"
    )
    before = processor(session)
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    for step in range(40):
        across, down = 0.5 + 0.1 * math.cos(step / 6), 0.5 + 0.1 * math.sin(step / 6)
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.wait_for_timeout(10)
    page.mouse.up()
    spent, count = processor(session) - before, page.evaluate("frames_seen")
    moved = widget.locator(".status").inner_text() != status
    page.close()
    assert moved and count > 10 and spent / count < 1000 / 30
