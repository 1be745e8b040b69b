"""Who trains at ten times the rate: rows differ by what holds D back alone, and the first rounds are those recorded."""

import functools
import itertools
import json

import bench
import digits
import pytest
import regularisers
import torch

from ganlib import data, record, taming

STRENGTHS = {
    "none": None,
    "weight clipping": 0.1,
    "gradient penalty": 1.0,
    "spectral norm": None,
    "R1": 10.0,
    "R1 and R2": 10.0,
    "R1 by difference": 10.0,
}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in digits, scored by 200 samples, and an empty folder of runs."""
    monkeypatch.setattr(data, "mnist", lambda split="train", root=None, fallback=True: data.digits(split))
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setitem(regularisers.RECIPE, "samples", 200)
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()
    yield
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()


def test_rows_differ_by_what_holds_d_back_alone():
    """One seed gives one G, one data order and one D, but for the division and the clipping of its weights."""
    runs = {name: regularisers.tamed_run(3, name, strength, 3) for name, strength in STRENGTHS.items()}
    plain = runs["none"]
    for name, run in runs.items():
        for ours, theirs in zip(run.G.parameters(), plain.G.parameters()):
            assert torch.equal(ours, theirs), name
        for own in (run.opt_G, run.opt_D):
            assert own.param_groups[0]["lr"] == pytest.approx(3 * (2e-3 if own is run.opt_G else 1e-3))
        weights = list(run.D.parameters())
        if name == "weight clipping":
            assert all((w <= 0.1 + 1e-7).all() and (w >= -0.1 - 1e-7).all() for w in weights)
        elif name == "spectral norm":
            assert max(taming.spectral_norms(plain.D)) < 0.96 < min(taming.spectral_norms(run.D))
        else:
            assert all(torch.equal(ours, theirs) for ours, theirs in zip(weights, plain.D.parameters())), name
    assert [name for name in STRENGTHS if regularisers.penalty_of(name, 1.0)] == list(regularisers.PENALTIES)


def test_every_row_begins_in_its_own_way(real_mnist):
    """After a round no two rows have one loss of D, but for those that differ in the noise of a penalty."""
    played = regularisers.opening(STRENGTHS)
    assert len({tuple(losses["loss_D"]) for losses in played.values()}) == len(STRENGTHS)
    assert played["R1"]["loss_D"][0] > played["none"]["loss_D"][0]
    assert played["R1 and R2"]["loss_D"][0] > played["R1"]["loss_D"][0]
    assert played == regularisers.opening(STRENGTHS), "one seed must give one run"


@pytest.mark.parametrize("name", ["none", "weight clipping"])
def test_a_run_is_scored_and_kept(small, name):
    run = regularisers.kept(name, STRENGTHS[name], 10, seed=1, rounds=4)
    assert (run["rounds"], run["factor"], run["name"], run["seed"]) == (4, 10, name, 1)
    assert run["times_floor"] > 5 and run["seconds"] >= 0
    assert regularisers.kept(name, STRENGTHS[name], 10, seed=1, rounds=4) == run


def test_a_run_that_breaks_is_scored_where_it_broke(small, monkeypatch):
    def breaking(D, reals, fakes, gamma):
        turns.append(1)
        return D(reals).sum() * (torch.nan if len(turns) == 3 else 0.0)

    turns = []
    monkeypatch.setitem(regularisers.PENALTIES, "R1", (breaking, "gamma"))
    assert regularisers.main(0, "R1", 1.0, rounds=6, progress=False)["rounds"] == 2


def test_of_three_strengths_the_nearest_is_taken():
    aside = [{"name": "R1", "strength": s, "times_floor": t} for s, t in ((0.1, 3.0), (1.0, 2.0), (10.0, 4.0))]
    best = regularisers.best_strengths(aside)
    assert best["R1"] == 1.0 and best["none"] is None and list(best) == list(regularisers.WAYS)


def test_a_record_is_written_of_what_was_run(small, tmp_path):
    kept = functools.partial(regularisers.kept, rounds=2)
    aside, runs = [kept("R1", 1.0, 1, 100)], [kept("R1", 1.0, factor, 0) for factor in (1, 3)]
    written = json.loads(regularisers.write_record(aside, runs, "trial", tmp_path).read_text())
    assert written["configuration"]["strengths"]["R1"] == 1.0 and written["runs"] == runs
    known = {name: scores["times_floor"] for name, scores in written["known"].items()}
    assert known["training images"] < min(run["times_floor"] for run in runs) < known["one image repeated"]


@pytest.fixture(scope="module")
def recorded():
    return record.read("regularisers")


def test_the_first_rounds_are_those_recorded(recorded, real_mnist):
    strengths = recorded["configuration"]["strengths"]
    assert recorded["opening"].keys() == strengths.keys() and list(strengths) == list(regularisers.WAYS)
    if real_mnist is None:
        return
    for name, losses in regularisers.opening(strengths).items():
        for player in ("loss_D", "loss_G"):  # another processor rounds otherwise
            assert losses[player] == pytest.approx(recorded["opening"][name][player], abs=1e-5), name


def test_the_record_is_whole(recorded):
    """Every way at every rate from every seed, as strongly as the runs aside say, and by the settings of the file."""
    setup = recorded["configuration"]
    assert {key: setup[key] for key in regularisers.RECIPE} == regularisers.RECIPE
    assert setup["rounds"] == regularisers.ROUNDS and setup["seeds"] == regularisers.SEEDS
    rows = {(run["name"], run["factor"], run["seed"]) for run in recorded["runs"]}
    assert rows == set(itertools.product(regularisers.WAYS, regularisers.FACTORS, range(regularisers.SEEDS)))
    assert len(recorded["runs"]) == len(rows)
    tried = {(run["name"], run["strength"]) for run in recorded["aside"]}
    assert tried == {(name, strength) for name, several in regularisers.STRENGTHS.items() for strength in several}
    best = regularisers.best_strengths(recorded["aside"])
    assert setup["strengths"] == best and all(run["strength"] == best[run["name"]] for run in recorded["runs"])
