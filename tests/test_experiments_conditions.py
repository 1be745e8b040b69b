"""Conditions, codes, strokes, styles: rows differ by what they say, the first rounds are those recorded, records are whole."""

import functools
import itertools
import json

import bench
import codes
import conditions
import conditions_pair
import convolution_pair
import digits
import pytest
import strokes
import styles
import torch

from ganlib import data, record

SAMPLES = 1_200


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in digits, scored by few samples, and an empty folder of runs."""
    monkeypatch.setattr(data, "mnist", lambda split="train", root=None, fallback=True: data.digits(split))
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    for experiment in (conditions, codes, styles):
        monkeypatch.setitem(experiment.RECIPE, "samples", SAMPLES)
    monkeypatch.setitem(conditions.READER, "images", SAMPLES)
    monkeypatch.setattr(conditions_pair, "SAMPLES", SAMPLES)
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()
    yield
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()


def same_start(one, other, of_D=True):
    networks = ("G", "D") if of_D else ("G",)
    pairs = [zip(getattr(one, n).parameters(), getattr(other, n).parameters(), strict=True) for n in networks]
    return all(torch.equal(a, b) for pair in pairs for a, b in pair)


def test_the_two_ways_differ_by_d_alone():
    one, other = (conditions.conditional_run(3, way) for way in conditions.WAYS)
    assert same_start(one, other, of_D=False)
    assert [type(bench.plain(run.D)) for run in (one, other)] == list(conditions.WAYS.values())
    assert sum(w.numel() for w in one.D.parameters()) - sum(w.numel() for w in other.D.parameters()) == 10 * 512 - 10 * 256


def test_agreement_is_the_share_that_is_read_as_told(small):
    """Stand-in digits told their labels, and told the next one."""
    found = data.digits("train")
    images, labels = data.to_float(found.images[:SAMPLES]), found.labels[:SAMPLES]
    scores = conditions.score(images, labels)
    assert scores["agreement"] > 0.85 and sum(map(sum, scores["read"])) == SAMPLES
    shares = [row[label] / sum(row) for label, row in enumerate(scores["read"])]
    assert scores["by_class"] == pytest.approx(shares, abs=1e-6)
    assert conditions.score(images, (labels + 1) % 10)["agreement"] < 0.1
    one = images[[int((labels == k).nonzero()[0]) for k in range(10)]][labels]
    assert conditions.score(one, labels)["spread"] == pytest.approx([0.0] * 10, abs=1e-5)


def test_gan_train_needs_the_right_labels(small):
    found = data.digits("train")
    images, labels = data.to_float(found.images[:SAMPLES]), found.labels[:SAMPLES]
    assert conditions.read_by_a_classifier(images, labels) > 0.7
    assert conditions.read_by_a_classifier(images, (labels + 1) % 10) < 0.1


def test_codes_are_named_one_by_one():
    labels = torch.arange(1_000) % 10
    assert codes.agreement_of((labels + 3) % 10, labels) == (1.0, [7, 8, 9, 0, 1, 2, 3, 4, 5, 6])
    assert codes.agreement_of(torch.zeros(1_000, dtype=torch.int64), labels)[0] == 0.1
    halves = torch.where(torch.arange(1_000) < 500, labels, (labels + 1) % 10)
    assert codes.agreement_of(halves, labels)[0] == 0.5


def test_a_number_is_turned_and_nothing_else():
    run = codes.coded_run(0)
    G = bench.plain(run.G).eval()
    z = G.sample_z(30, torch.Generator().manual_seed(0))
    with torch.no_grad():
        rows = codes.turned(G, z, 1, places=3)
    assert [row[0] for row in rows] == [-1.0, 0.0, 1.0] and len({row[2] for row in rows}) == 3


def test_strokes_are_thin_and_lie_on_the_digit():
    images = data.to_float(data.digits("test").images[:50])
    thin = strokes.strokes_of(images)
    assert set(thin.unique().tolist()) == {-1.0, 1.0} and (images[thin > 0] > 0).all()
    share = (thin > 0).sum() / (images > 0).sum()
    assert 0.2 < share < 0.7, share


def test_ways_to_a_digit_differ_by_the_loss_alone():
    assert same_start(strokes.stroke_run(1), strokes.stroke_run(1))
    z, reals, fakes = torch.zeros(2, 3), torch.ones(2, 1, 2, 2), torch.full((2, 1, 2, 2), -0.5)
    assert strokes.l1_loss(z, reals, fakes, 10.0).item() == pytest.approx(15.0)
    assert strokes.silent_g_loss(None, torch.ones(4, requires_grad=True)).item() == 0


def test_a_mixed_sample_keeps_what_its_layers_heard():
    """With all layers of one source it is that source."""
    G = bench.plain(styles.styled_run(0, "mapping and styles").G)
    none, *_, every = styles.crossed(G.eval(), pairs=200)
    assert every["class"] == 1 and none["class_above"] == 1
    assert every["ink"] == pytest.approx(1) and none["slant_above"] == pytest.approx(1)


RUNS = {
    conditions: (functools.partial(conditions.kept, "projection"), "agreement"),
    codes: (codes.kept, "samples"),
    strokes: (functools.partial(strokes.kept, "L1 times 10"), "l1"),
    styles: (functools.partial(styles.kept, "and mixing"), "times_floor"),
}


@pytest.mark.parametrize("experiment", RUNS, ids=[experiment.__name__ for experiment in RUNS])
def test_a_run_is_scored_and_kept_and_a_record_is_written_of_it(experiment, small, tmp_path):
    kept, measure = RUNS[experiment]
    run = kept(seed=1, rounds=3)
    assert (run["rounds"], run["seed"]) == (3, 1) and run[measure] >= 0
    assert kept(seed=1, rounds=3) == run
    written = json.loads(experiment.write_record([run], "trial", tmp_path).read_text())
    assert written["runs"] == [run] and written["configuration"]["rounds"] == 3


def test_a_run_of_the_convolutional_pair_lasts_its_seconds(small, tmp_path):
    run = conditions_pair.kept(seed=1, seconds=0.5)
    assert run["seed"] == 1 and 0.5 <= run["seconds"] < 5 and 0 <= run["agreement"] <= 1
    assert conditions_pair.kept(seed=1, seconds=0.5) == run
    written = json.loads(conditions_pair.write_record([run], "trial", tmp_path).read_text())
    assert written["runs"] == [run] and len(written["opening"]["loss_D"]) == conditions_pair.OPENING


def test_the_record_of_the_convolutional_pair_is_whole():
    """Both seeds by the recipe of chapter 15, and both obey and lie nearer to the data than the pair of linear layers."""
    recorded = record.read("conditions_pair")
    setup = recorded["configuration"]
    assert {key: setup[key] for key in convolution_pair.RECIPE} == convolution_pair.RECIPE
    assert setup["seconds"] == conditions_pair.SECONDS
    assert [run["seed"] for run in recorded["runs"]] == list(range(conditions_pair.SEEDS))
    for run in recorded["runs"]:
        assert setup["seconds"] <= run["seconds"] < setup["seconds"] + 5 and "+" not in run["commit"]
    linear = [run for run in record.read("conditions")["runs"] if run["way"] == "projection"]
    assert max(r["times_floor"] for r in recorded["runs"]) < min(r["times_floor"] for r in linear)


RECORDED = {
    conditions: (lambda: record.read("conditions"), "way", conditions.WAYS),
    codes: (lambda: record.read("codes"), None, [None]),
    strokes: (lambda: record.read("strokes"), "way", strokes.WEIGHTS),
    styles: (lambda: record.read("styles"), "row", styles.ROWS),
}


@pytest.mark.parametrize("experiment", RECORDED, ids=[experiment.__name__ for experiment in RECORDED])
def test_the_record_is_whole(experiment):
    """Every row from every seed, by the settings of the file."""
    read, key, rows = RECORDED[experiment]
    recorded = read()
    setup = recorded["configuration"]
    assert {k: setup[k] for k in experiment.RECIPE} == experiment.RECIPE
    assert setup["rounds"] == experiment.ROUNDS and setup["seeds"] == experiment.SEEDS
    found = [(run.get(key), run["seed"]) for run in recorded["runs"]]
    assert sorted(found, key=str) == sorted(itertools.product(rows, range(experiment.SEEDS)), key=str)
    assert all(run["rounds"] == experiment.ROUNDS and "+" not in run["commit"] for run in recorded["runs"])


OPENINGS = {
    "conditions": conditions.opening,
    "codes": lambda: {"codes": codes.main(0, opening=codes.OPENING)},
    "conditions_pair": lambda: {"conditions_pair": conditions_pair.main(0, opening=conditions_pair.OPENING)},
    "strokes": strokes.opening,
    "styles": styles.opening,
}


@pytest.mark.parametrize("name", OPENINGS)
def test_the_first_rounds_are_those_recorded(name, real_mnist):
    recorded = record.read(name)["opening"]
    recorded = {name: recorded} if "loss_D" in recorded else recorded
    assert recorded and all(losses["loss_D"] for losses in recorded.values())
    if real_mnist is None:
        return
    played = OPENINGS[name]()
    assert played.keys() == recorded.keys()
    for row, losses in played.items():
        for player in ("loss_D", "loss_G"):  # another processor rounds otherwise
            assert losses[player] == pytest.approx(recorded[row][player], abs=1e-5), row


def by_row(runs, key, measure):
    found = {}
    for run in runs:
        found.setdefault(run[key], {})[run["seed"]] = run[measure]
    return found


def test_the_ruler_wins_and_the_styles_do_not():
    """What the chapter says of all five seeds."""
    for measure in ("l1", "times_floor"):
        ways = by_row(record.read("strokes")["runs"], "way", measure)
        alone = ways.pop("adversary alone")
        assert len(ways) == 3 and all(ways[way][seed] < alone[seed] for way in ways for seed in range(strokes.SEEDS))
    rows = by_row(record.read("styles")["runs"], "row", "times_floor")
    bottom = rows.pop("z at the bottom")
    assert len(rows) == 3 and all(found > max(bottom.values()) for row in rows.values() for found in row.values())
