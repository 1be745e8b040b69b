"""The runs of chapter 9: the first rounds of each played again, and each failure held to its name."""

import base64
import difflib
import inspect
import math
import zlib
from statistics import median

import bench
import digits
import failing_runs as failing
import pytest
import torch

from ganlib import data, record

CHANGED = [name for name in failing.CHANGES if name != "healthy"]


@pytest.fixture(scope="module")
def recorded():
    return record.read("failing_runs")


def last(recorded, name, curve):
    """The mean of a curve over the last tenth, of every seed."""
    return [run["last_tenth"][curve] for run in recorded["runs"][name]]


def score(recorded, name, figure):
    return [run["looks"][-1][figure] for run in recorded["runs"][name]]


@pytest.mark.parametrize("name", failing.CHANGES)
def test_the_first_rounds_are_those_recorded(name, recorded, real_mnist):
    played = failing.opening(name)
    assert played == failing.opening(name), "one seed must give one run"
    if real_mnist is None:
        return
    for curve, values in recorded["opening"][name].items():
        assert played[curve] == pytest.approx(values, rel=1e-6, abs=1e-6), curve


def test_the_loop_and_the_changes_are_those_recorded(recorded):
    assert recorded["loop"] == inspect.getsource(failing.play)
    assert recorded["changes"] == {name: [list(change) for change in changes] for name, changes in failing.CHANGES.items()}


@pytest.mark.parametrize("name", CHANGED)
def test_one_line_is_changed(name):
    """One line goes and one comes; the run whose second line is the last cleared late moves one more."""
    difference = list(difflib.ndiff(failing.loop("healthy").splitlines(), failing.loop(name).splitlines()))
    gone, come = (sum(line.startswith(sign) for line in difference) for sign in "-+")
    assert (gone, come) == ((2, 2) if name == "no detach, cleared late" else (1, 1))


def test_a_change_that_fits_no_line_is_refused(monkeypatch):
    monkeypatch.setitem(failing.CHANGES, "healthy", [("no such line", "")])
    with pytest.raises(ValueError, match="once"):
        failing.loop("healthy")


def test_the_record_is_whole(recorded):
    rounds = recorded["configuration"]["rounds"]
    assert [*recorded["runs"], "no detach"] == sorted(failing.CHANGES, key=lambda name: name == "no detach")
    for name, runs in recorded["runs"].items():
        assert [run["seed"] for run in runs] == [0, 1, 2, 3, 4], name
        for run in runs:
            assert [len(text.split()) for text in run["curves"].values()] == [50] * 6
            assert [look["round"] for look in run["looks"]] == [rounds * i // 10 for i in range(1, 11)]
            assert len(zlib.decompress(base64.b64decode(run["samples"]))) == 16 * 784


def test_the_healthy_run_is_the_best(recorded):
    """By distance and by recall every seed of it beats every seed of every other; the losses do not show it."""
    assert max(abs(loss - math.log(4)) for loss in last(recorded, "healthy", "loss_D")) < 0.3
    for name in recorded["runs"]:
        if name != "healthy":
            assert min(score(recorded, name, "times_floor")) > max(score(recorded, "healthy", "times_floor")), name
            assert max(score(recorded, name, "recall")) < min(score(recorded, "healthy", "recall")), name
            assert median(score(recorded, name, "precision")) > median(score(recorded, "healthy", "precision")), name


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        (
            "D too strong",
            lambda d, g, real, fake, norm_D, norm_G: d < 0.5 and g > 4 and real > 0.97 and fake < 0.1 and norm_G > 10,
        ),
        ("D too weak", lambda d, g, real, fake, norm_D, norm_G: d > math.log(4) and g < math.log(2) and fake >= real),
        (
            "collapse",
            lambda d, g, real, fake, norm_D, norm_G: abs(d - math.log(4)) < 0.01 > abs(g - math.log(2)) and norm_G < 0.002,
        ),
        ("oscillation", lambda d, g, real, fake, norm_D, norm_G: d > math.log(4) + 0.1 and fake > real and norm_D > 4),
        ("divergence", lambda d, g, real, fake, norm_D, norm_G: d < -1e6 and norm_D > 1e6 and norm_G == 0 and fake > 0.99),
        ("learning rate too high", lambda d, g, real, fake, norm_D, norm_G: d > 2 and g > 2 and norm_D > 20),
        ("wrong sign", lambda d, g, real, fake, norm_D, norm_G: 0 <= d < 1e-3 > g >= 0 and fake < 1e-3 and norm_G < 1e-6),
        ("data in [0, 1]", lambda d, g, real, fake, norm_D, norm_G: real - fake > 0.2),
        ("evaluation mode", lambda d, g, real, fake, norm_D, norm_G: 0.8 < d < 1.1 and 1.2 < g < 1.8),
        ("no detach, cleared late", lambda d, g, real, fake, norm_D, norm_G: d < 0.8 and real - fake > 0.45),
        ("healthy", lambda d, g, real, fake, norm_D, norm_G: 1.05 < d < 1.2 > g > 1.05 and 0.2 < real - fake < 0.3),
    ],
)
def test_every_seed_shows_the_signs_its_answer_names(name, holds, recorded):
    for run in recorded["runs"][name]:
        assert holds(*(run["last_tenth"][curve] for curve in failing.CURVES)), run["last_tenth"]


def test_the_scores_of_what_no_training_made_are_those_recorded(recorded, real_mnist):
    """Real against real is the floor; and noise, like one image again and again, has precision without recall."""
    rows = recorded["baselines"]
    assert 0.8 < rows["training images"]["times_floor"] < 1.5 and rows["training images"]["recall"] > 0.8
    for kind in ("one training image", "uniform noise"):
        assert rows[kind]["times_floor"] > 100 and rows[kind]["recall"] == 0
        assert rows[kind]["precision"] > rows["training images"]["precision"]
    assert rows["one training image"]["variety"] == 0 and rows["training images of ones"]["rarest_class"] == 0
    # Two pixels uniform on [-1, 1] differ by 2/3 in mean square: the distance is about the root of 784 of these.
    assert rows["uniform noise"]["variety"] == pytest.approx(math.sqrt(784 * 2 / 3), rel=0.01)
    assert rows["one training image"]["nearest"] == 0 < rows["training images of ones"]["nearest"]
    assert rows["training images of ones"]["nearest"] < rows["training images"]["nearest"] < rows["uniform noise"]["nearest"]
    assert all(row["nearest"] <= row["variety"] * 1.05 for row in rows.values())
    if real_mnist is not None:
        for kind, scores in failing.samplers_we_understand(recorded["configuration"]["samples"]).items():
            assert rows[kind] == pytest.approx(scores, rel=2e-3, abs=1e-3), kind


def test_collapse_and_swing_are_what_they_are_called(recorded):
    assert all(share > 0.6 for share in score(recorded, "collapse", "commonest_class"))
    assert score(recorded, "collapse", "rarest_class") == [0] * 5
    band = 2 / math.sqrt(recorded["configuration"]["rounds"] / 2)
    for name, signs in (("healthy", lambda row: row[0] < -0.8), ("oscillation", lambda row: row[0] > 0.9)):
        for run in recorded["runs"][name]:
            row = [float(value) for value in run["autocorrelation"].split()]
            assert signs(row) and min(row) < -band, name
            assert name == "healthy" or 20 <= row.index(min(row)) + 1 <= 28, "a period that the seeds share"


def test_small_batches_in_training_mode_cost_most(recorded):
    for run in recorded["runs"]["healthy"]:
        evaluation = run["looks"][-1]["times_floor"]
        large, small, least = (run["modes"][way]["times_floor"] for way in ("train, 1000", "train, 16", "train, 2"))
        assert abs(large / evaluation - 1) < 0.03 and 1.03 < small / evaluation < 1.12 and least / evaluation > 1.7


def test_without_detach_nothing_changes_until_clearing_is_late(recorded):
    assert recorded["opening"]["no detach"] == recorded["opening"]["healthy"]
    assert recorded["opening"]["no detach, cleared late"] != recorded["opening"]["healthy"]


def test_autocorrelation_tells_a_swing_from_noise():
    rounds = torch.arange(400, dtype=torch.float64)
    noise = torch.randn(400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    swing = failing.autocorrelation(torch.sin(rounds * 2 * math.pi / 40) + 0.01 * rounds, lags=50)
    assert abs(int(swing.argmin()) + 1 - 20) <= 2 and swing[38:41].max() > 0.8 and swing.min() < -0.8
    assert failing.autocorrelation(noise).abs().max() < 4 / math.sqrt(400)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in digits, and a floor of their own."""
    monkeypatch.setattr(data, "mnist", data.digits)
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()
    yield
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()


def test_a_short_run_is_kept(monkeypatch, small):
    """198 rounds, kept and read back: a second call trains nothing, another loop is trained anew."""
    settings = {"rounds": 198, "batch": 8, "samples": 200, "looks": 6, "progress": False}
    first = failing.kept("healthy", 0, **settings)
    assert first["looks"][-1]["round"] == 198 and 0 <= first["looks"][-1]["recall"] <= 1
    again = failing.main(0, "healthy", **failing.SETTINGS | settings)
    assert again == {name: first[name] for name in again}, "what a look finds cached must not change the run"
    monkeypatch.setattr(failing, "compiled", lambda name: pytest.fail("it was finished already"))
    assert failing.kept("healthy", 0, **settings) == first
    monkeypatch.setitem(failing.CHANGES, "healthy", [(".detach()", "")])
    with pytest.raises(pytest.fail.Exception):
        failing.kept("healthy", 0, **settings)


def test_one_image_repeated_is_precise_and_recalls_nothing(small):
    repeated = data.to_float(data.digits("test").images[:1]).expand(100, -1, -1, -1)
    scores = failing.score(repeated, neighbours=True)
    assert scores["precision"] == scores["commonest_class"] == 1 and scores["recall"] < 0.05 and scores["rarest_class"] == 0
