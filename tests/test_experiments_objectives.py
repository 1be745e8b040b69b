"""The table of objectives: rows that differ in one thing, runs that are kept, and a record whose first rounds come again."""

import json

import bench
import objectives_table as table
import pytest
import remedies
import remedies_pair
import torch
from objectives_table import PAIR

from ganlib import data, eye, objectives, penalties, record


@pytest.mark.parametrize("game", ["nonsaturating", "relativistic"])
def test_points_are_played_as_in_the_remedies(game):
    """Two games that `remedies.py` has too, written there with its own losses."""
    setting = PAIR._replace(relativistic=game == "relativistic")
    *_, theirs = remedies.play(setting, "ring", (3, 4), 5, torch.float64)
    *_, ours = table.play_points(game, 0.0, "ring", (3, 4), 5, torch.float64)
    for here, there in zip(ours, theirs, strict=True):
        torch.testing.assert_close(here.weights, there.weights, rtol=0, atol=1e-12)


def test_seeds_trained_together_share_nothing():
    *_, (G, _) = table.play_points("hinge", 0.0, "grid", (0, 1), 5, torch.float64)
    *_, (alone, _) = table.play_points("hinge", 0.0, "grid", (1,), 5, torch.float64)
    torch.testing.assert_close(G.weights[1:], alone.weights, rtol=0, atol=1e-12)
    assert not torch.allclose(G.weights[0], G.weights[1])


def test_the_penalty_of_points_is_the_library_s(monkeypatch):
    """The sum over two seeds of each seed's own loss and penalty, the penalty taken halfway on every segment."""
    (reals, z), (G, D) = next(remedies.chance("ring", (0, 1), torch.float64)), remedies_pair.pair(PAIR, (0, 1), torch.float64)
    fakes, expected = remedies_pair.generate(PAIR, G.weights, z[0]), 0.0
    monkeypatch.setattr(torch, "rand", lambda *shape, **like: torch.full(shape, 0.5, dtype=torch.float64))
    for seed in range(2):
        weights = D.weights[seed : seed + 1]

        def judge(points, weights=weights):
            return remedies_pair.judge(PAIR, weights, points[None])[0]

        expected += objectives.wasserstein.d_loss(judge(reals[seed]), judge(fakes[seed]))
        expected += penalties.gradient_penalty(judge, reals[seed], fakes[seed], weight=0.1)
    found = table.summed_loss_of_D(objectives.wasserstein, 0.1, reals, fakes, D.weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_finished_row_is_kept_and_recorded(monkeypatch, tmp_path, digits_at_hand):
    """Two seeds, two rounds, few samples: every run says its seed, and a second call trains nothing."""
    monkeypatch.setattr(table, "SEEDS", 2)
    monkeypatch.setattr(table, "SAMPLES", {"points": 50, "digits": 20, "neighbours": 10})
    monkeypatch.setattr(table, "digit_scores", lambda images: {"images": len(images), "darkest": images.min().item()})
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    row = table.row_of("wasserstein", True, rounds=2)
    assert [run["seed"] for run in row["mnist"]] == [0, 1] == row["ring"][0]["seed"]
    assert [len(table.scores_of(row, task)) for task in ("ring", "grid", "mnist")] == [2, 2, 2]
    assert {score["images"] for score in table.scores_of(row, "mnist")} == {20}
    assert table.scores_of(row, "mnist")[0] != table.scores_of(row, "mnist")[1]
    monkeypatch.setattr(table.training, "train", lambda *_, **__: pytest.fail("it was finished already"))
    monkeypatch.setattr(remedies_pair, "pair", lambda *_: pytest.fail("it was finished already"))
    assert table.row_of("wasserstein", True, rounds=2) == row
    with pytest.raises(pytest.fail.Exception):
        table.row_of("wasserstein", False, rounds=2)
    monkeypatch.setattr(table, "untrained", dict)
    monkeypatch.setattr(table, "opening", dict)
    monkeypatch.setattr(table.digits, "floor", lambda: (1.5, [1.5]))
    written = json.loads(table.write_record([row], "short", tmp_path).read_text())
    assert written["rows"][0]["game"] == "wasserstein" and written["floor"] == 1.5
    assert written["configuration"]["digits"] == table.DIGITS | {"lr_G": 1e-3, "lr_D": 5e-4}


def test_digits_are_scored_twice(monkeypatch, digits_at_hand):
    """The distance from all images, the neighbours of a few; black images have neither spread nor neighbours."""
    images = data.to_float(data.mnist("test").images[:200])
    known = eye.classify(eye.digit_classifier(), images)
    monkeypatch.setattr(table.digits, "seen", lambda split: known)
    monkeypatch.setattr(table.digits, "floor", lambda n: (0.5, [0.5]))
    monkeypatch.setattr(table, "SAMPLES", {"neighbours": 100})
    same, black = table.digit_scores(images), table.digit_scores(torch.full_like(images, -1.0))
    assert same["times_floor"] == pytest.approx(0, abs=1e-6) and same["precision"] == same["recall"] == 1.0
    assert black["times_floor"] == 2 * black["frechet"] > 10 and black["recall"] == 0.0


def test_real_data_and_noise_are_told_apart(monkeypatch):
    monkeypatch.setattr(table, "digit_scores", lambda images: {"range": (images.min().item(), images.max().item())})
    found = table.untrained()
    for task, modes in (("ring", 8), ("grid", 25)):
        assert all(score["modes"] == modes and score["share"] > 0.98 for score in found["real data"][task])
        assert all(score["share"] < 0.2 for score in found["noise"][task])
    assert len(found["noise"]["mnist"]) == 5 and found["real data"]["mnist"][0]["range"] == (-1.0, 1.0)


def test_the_first_rounds_are_those_recorded(digits_at_hand):
    """Every row again, on the ring and, where MNIST is at hand, on digits; hinge begins on the ring as Wasserstein does."""
    recorded, played = record.read("objectives")["opening"], table.opening()
    assert played.keys() == recorded.keys() and len(played) == len(table.ROWS)
    for name, ours in played.items():
        assert ours["sums"] == pytest.approx(recorded[name]["sums"], rel=1e-6), name
        for player in ("loss_D", "loss_G") if digits_at_hand else ():
            assert ours[player] == pytest.approx(recorded[name][player], abs=1e-6), name
    assert played["hinge"]["sums"] == pytest.approx(played["wasserstein"]["sums"], rel=1e-12), "all outputs are in the margins"
    beginnings = {tuple(ours["loss_D"]) for ours in played.values()}
    assert len(beginnings) == len(played), "no two rows are one game"


def test_the_record_compares_like_with_like():
    """One budget for all rows of a task, five seeds everywhere, and measures that know real data from noise."""
    recorded = record.read("objectives")
    assert [(row["game"], row["penalty"]) for row in recorded["rows"]] == table.ROWS
    assert recorded["configuration"]["digits"]["rounds"] == table.DIGITS["rounds"]
    assert recorded["configuration"]["points"]["rounds"] == table.POINTS["rounds"]
    for row in recorded["rows"]:
        assert [run["seed"] for run in row["mnist"]] == [0, 1, 2, 3, 4] == row["ring"][0]["seed"] == row["grid"][0]["seed"]
        assert all(len(table.scores_of(row, task)) == 5 for task in ("ring", "grid", "mnist"))
        assert all(run["seconds_of_a_seed"] > 0 for task in ("ring", "grid", "mnist") for run in row[task])
    reals, noise = recorded["untrained"]["real data"], recorded["untrained"]["noise"]
    assert sum(score["times_floor"] for score in reals["mnist"]) / 5 == pytest.approx(1, abs=0.02)
    assert all(score["times_floor"] > 100 and score["recall"] < 0.01 for score in noise["mnist"])
