"""The latent plane of chapter 8 in a browser: nothing is fetched before a click, and what is drawn is what torch draws.

And the two widgets that take networks of the reader's own.
"""

import json

import pytest
import torch
from matplotlib.figure import Figure
from test_pages import CHROMIUM, MISSING, browser, server, still  # noqa: F401 (fixtures)
from test_widgets import ALT
from test_widgets_theory import another, opened

from ganlib import show, widgets
from ganlib.export import export_generator, export_pair, shipped_export
from ganlib.networks import MLPGenerator, mnist_generator

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
PIXELS = """(widget, side) => {
  const canvas = widget.shadowRoot.querySelectorAll("canvas")[1], pen = canvas.getContext("2d");
  const big = Math.min(canvas.clientWidth * 0.55, canvas.clientHeight - 22) * (canvas.width / canvas.clientWidth);
  return Array.from({ length: side * side }, (_, k) =>
    pen.getImageData((((k % side) + 0.5) * big) / side, ((Math.floor(k / side) + 0.5) * big) / side, 1, 1).data[0]);
}"""


def drawn(widget, side=28):
    """The digit that the widget shows, in [-1, 1]."""
    return torch.tensor(widget.evaluate(PIXELS, side)).view(side, side) / 127.5 - 1


def ready(page, widget):
    page.wait_for_function("(widget) => widget.shadowRoot.querySelector('.status').textContent.startsWith('z =')",
                           arg=widget.element_handle())  # fmt: skip
    page.wait_for_timeout(100)
    return widget.locator(".status").inner_text()


def plane(G, x, y, a, b, *given):
    ends = G.sample_z(32, torch.Generator().manual_seed(0))
    with torch.no_grad():
        return G(x * ends[[a]] + y * ends[[b]], *given)[0, 0]


@pytest.mark.parametrize("where", ["folder", "server"])
def test_it_waits_for_a_click_and_draws_what_torch_draws(browser, site, server, where):  # noqa: F811
    page, widget, faults = opened(browser, site, "latent")
    if where == "server":
        page.goto(f"{server}/notebooks/08_mnist_gan.html")
        widget.locator(".status:not(:empty)").wait_for()
        widget.scroll_into_view_if_needed()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "generator-" in request.url else None)
    page.wait_for_timeout(300)
    assert not asked and "not loaded" in widget.locator(".status").inner_text()
    load = widget.locator("[data-do=load]")
    assert "1.9 MB" in load.inner_text()
    load.click()
    status = ready(page, widget)
    assert len(asked) == 1 and not load.is_visible()
    G, most = mnist_generator(), json.loads(shipped_export("mnist_generator"))["max"]
    assert (drawn(widget) - plane(G, 0.5, 0.5, 0, 1)).abs().max() < most + 0.02
    widget.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    status = another(page, widget, status)
    page.wait_for_timeout(100)
    assert status.startswith("z = 0.55 A + 0.50 B")
    assert (drawn(widget) - plane(G, 0.55, 0.5, 0, 1)).abs().max() < most + 0.02
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    widget.locator("[data-do=copy]").click()
    code = page.evaluate("window.copied").replace("fig, ax = show.image_grid(", "found = (").replace(", columns=1)", ")")
    page.close()
    names = {}
    exec(code, names)
    assert torch.equal(names["found"][0, 0], plane(G, 0.55, 0.5, 0, 1)) and not faults


def test_a_strip_is_pressed_and_the_guess_is_judged(browser, site):  # noqa: F811
    page, widget, faults = opened(browser, site, "latent", "#w-latent?b=3")
    status = ready(page, widget)
    widget.get_by_label("straight", exact=True).press("Space")
    box = still(widget.locator("canvas").nth(2))
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + 28)
    status = another(page, widget, status)
    assert status.startswith("z = 0.00 A + 1.00 B")
    verdict = widget.locator(".verdict")
    verdict.wait_for()
    assert "It is: much alike" in verdict.inner_text() and not faults
    page.close()


class OfClass(MLPGenerator):
    """A generator that is told a class, one-hot behind z."""

    def __init__(self):
        super().__init__(18, (16, 32), (1, 8, 8))
        self.sample_z = MLPGenerator(8).sample_z

    def forward(self, z, labels):
        return super().forward(torch.cat([z, torch.nn.functional.one_hot(labels, 10).float()], 1))


@pytest.mark.parametrize("classes", [0, 10])
def test_a_readers_own_generator_in_an_output_of_its_own(browser, monkeypatch, classes):  # noqa: F811
    """As Colab shows it: a page that holds nothing but the output."""
    torch.manual_seed(0)
    G = OfClass().eval() if classes else MLPGenerator(8, (16, 32), (1, 8, 8)).eval()
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: calls.append(bundle))
    monkeypatch.setattr(widgets, "is_live", lambda: True)
    show.widget("latent", Figure(), ALT, generator=export_generator(G, "my G", classes))
    page = browser.new_page()
    page.set_content(calls[0]["text/html"])
    widget = page.locator("gan-widget")
    ready(page, widget)
    assert "my G" in widget.locator(".fixed").inner_text() and not widget.locator("[data-do=load]").is_visible()
    for label in (0, 7)[: 1 + bool(classes)]:
        if classes:
            widget.get_by_label("Class", exact=True).select_option(str(label))
            page.wait_for_timeout(300)
        given = [torch.tensor([label])] if classes else []
        assert (drawn(widget, 8) - plane(G, 0.5, 0.5, 0, 1, *given)).abs().max() < 0.05
    page.close()


def test_a_readers_own_pair_in_slow_motion(browser, monkeypatch):  # noqa: F811
    """It is theirs that play: this D answers 0.88 to everything, and this G sends every z to 2."""
    G, D = (torch.nn.Sequential(torch.nn.Linear(1, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1)) for _ in "GD")
    for net in (G, D):
        torch.nn.init.zeros_(net[2].weight)
        torch.nn.init.constant_(net[2].bias, 2.0)
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **about: calls.append((bundle, about)))
    monkeypatch.setattr(widgets, "is_live", lambda: True)
    show.widget("algorithm", Figure(), ALT, pair=export_pair(G, D))
    bundle, about = calls[0]
    assert "widget" not in about["metadata"]["image/png"]  # a file keeps the picture alone
    page = browser.new_page()
    page.set_content(bundle["text/html"])
    widget = page.locator("gan-widget")
    assert "your G and D" in widget.locator(".fixed").inner_text()
    widget.locator("[data-do=turnD]").click()
    status = widget.locator(".status").inner_text()
    assert "D(x) 0.88, D(G(z)) 0.88" in status
    distance = float(status.rpartition(": ")[2].rstrip("."))
    assert abs(distance - 0.5 * (2 / torch.pi) ** 0.5) < 0.02  # from a point to N(2, 0.5^2): E |x - 2|
    page.close()
    with pytest.raises(ValueError, match="pair is for the widget"):
        show.widget("circle", Figure(), ALT, pair="{}")
