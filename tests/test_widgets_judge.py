"""The digits of chapter 2 that the reader judges: what is recorded of them, and the deck played with keys alone."""

import base64
import io
import re

import digit_cards
import numpy as np
import pytest
import torch
from PIL import Image
from test_pages import CHROMIUM, MISSING, browser  # noqa: F401 (fixtures)
from test_widgets_theory import another, opened
from torch.nn.functional import softplus

from ganlib import data, record
from ganlib.networks import mnist_generator, sample


@pytest.fixture(scope="module")
def recorded():
    return record.read("digit_cards")


def tiles(sheet, columns):
    """The digits (n, 28, 28) of a recorded picture, in greys from 0 to 15."""
    with Image.open(io.BytesIO(base64.b64decode(sheet))) as picture:
        greys = np.array(picture)
    return greys.reshape(-1, 28, columns, 28).swapaxes(1, 2).reshape(-1, 28, 28)


def test_late_cards_are_those_of_the_shipped_generator(recorded):
    assert recorded["configuration"] == digit_cards.CONFIGURATION
    reals, early, late = recorded["configuration"]["cards"]
    cards = tiles(recorded["cards"], recorded["configuration"]["columns"])
    assert reals == early + late and len(cards) == len(recorded["logits"]) == reals + early + late
    now = tiles(digit_cards.sheet(sample(mnist_generator(), late, seed=5), 12), 12)
    assert np.abs(now.astype(int) - cards[-late:]).max() <= 1  # rounding


def test_reals_and_neighbours_are_digits_of_mnist(recorded, real_mnist):
    if real_mnist is None:
        pytest.skip("MNIST was not found, so the recorded digits were not compared with it")
    for part, split, n in (("cards", "test", 24), ("neighbours", "train", 300)):
        found = tiles(recorded[part], 12)[:n]
        images, _ = data.mnist(split, fallback=False)
        greys = ((data.to_float(images)[:, 0] + 1) * 7.5).round().to(torch.uint8)
        known = {image.tobytes() for image in greys.numpy()}
        assert len(found) == n and all(image.tobytes() in known for image in found)


def test_the_trained_judge_follows_the_best_rule(recorded):
    """Early fakes known for sure and 2/3 for the rest: V = log(2/3) + log(1/3)/2."""
    reals, early, late = torch.tensor(recorded["logits"]).sigmoid().split(recorded["configuration"]["cards"])
    assert early.max() < 0.02 and abs(reals.median() - 2 / 3) < 0.03 and abs(late.median() - 2 / 3) < 0.03
    assert abs(recorded["value"]["either"] - (np.log(2 / 3) + np.log(1 / 3) / 2)) < 0.02
    assert abs(np.mean([recorded["value"][name] for name in ("early", "late")]) - recorded["value"]["either"]) < 1e-12


def test_a_short_slice_is_repeated(real_mnist):
    """The recorded early G, and the first turns of the judge: it earns more than one half does, and by the early fakes."""
    if real_mnist is None:
        pytest.skip("MNIST was not found, so the judge was not trained again")
    value = digit_cards.main(judge_rounds=150)["value"]
    assert value["either"] > -np.log(4) and value["early"] > value["late"] + 0.5


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_a_deck_is_judged_with_keys_alone(browser, site):  # noqa: F811
    page, widget, faults = opened(browser, site, "judge")
    status = widget.locator(".status").inner_text()
    widget.locator("canvas").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    for turn in range(12):
        page.keyboard.press("ArrowLeft" if turn % 3 else "Shift+ArrowLeft")
        page.keyboard.press("Enter")
        status = another(page, widget, status)
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    widget.locator("[data-do=copy]").click()
    code = page.evaluate("window.copied")
    page.close()
    assert status.startswith("12 answers") and not faults
    said = float(re.search(r"Your V: −(\d\.\d+)", status)[1])
    given = [torch.tensor([float(x) for x in row.split(", ")]) for row in re.findall(r"tensor\(\[(.*)\]\)", code)]
    reals, fakes = (some.logit() for some in given)
    assert len(reals) + len(fakes) == 12 and abs((softplus(-reals).mean() + softplus(fakes).mean()).item() - said) < 0.01
    printed = []
    exec(code, {"print": lambda *parts: printed.append(parts[-1])})
    assert abs(printed[0] + said) < 0.01
