"""Slices of the experiments behind chapter 8, played again and compared with what they recorded."""

import copy
import functools
import math

import bench
import digits
import mnist_gan
import mnist_gan_judged
import pytest
import race
import throughput
import torch
import usual
from shared_fakes import shared_rounds

from ganlib import data, networks, objectives, record, training


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in digits, scored by 200 samples, and an empty folder of runs."""
    monkeypatch.setattr(data, "mnist", lambda split="train", root=None, fallback=True: data.digits(split))
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setattr(mnist_gan, "score", functools.partial(mnist_gan.score, n=200))
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()
    yield
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()


@pytest.mark.parametrize(("name", "setting"), [("mnist_gan", {}), ("mnist_gan_half", {"lr_D": 5e-4})])
def test_the_first_rounds_are_those_recorded(name, setting, real_mnist):
    played, recorded = mnist_gan.opening(**setting), record.read(name)
    assert played == mnist_gan.opening(**setting), "one seed must give one run"
    assert recorded["configuration"]["lr_D"] == setting.get("lr_D", 3.5e-4)
    if real_mnist is not None:
        for player, losses in recorded["opening"].items():  # another processor rounds otherwise, twenty rounds amplify it
            assert played[player] == pytest.approx(losses, abs=1e-6)
    assert played["loss_D"][0] == pytest.approx(math.log(4), abs=0.05)  # an untrained D answers one half


def test_the_first_rounds_of_the_variants_are_those_recorded(real_mnist):
    """Each setting that was tried and the copied batch normalisation: no two of them begin alike."""
    settings = {name: mnist_gan.SHORT | change for name, change in mnist_gan.TRIED.items()}
    recorded = record.read("mnist_gan_tried")["opening"]
    assert settings.keys() == recorded.keys()
    recorded["copied"], settings["copied"] = record.read("mnist_gan_eps")["opening"], mnist_gan.SHORT | {"eps_08": True}
    seen = {}
    for name, setting in settings.items():
        played = mnist_gan.opening(first=3, **setting)
        seen[tuple(played["loss_D"] + played["loss_G"])] = name
        if real_mnist is not None:
            for player in ("loss_D", "loss_G"):
                assert played[player] == pytest.approx(recorded[name][player][:3], abs=1e-6), name
    # The rates fall only later, so the two rows about their fall begin as the recipe does.
    assert len(seen) == len(settings) - 2


def test_the_record_keeps_its_promises():
    runs = record.read("mnist_gan")["runs"]
    assert [run["seed"] for run in runs] == [0, 1, 2, 3, 4]
    for run in runs:
        assert run["ema"]["times_floor"] < run["raw"]["times_floor"]
        assert run["along"][-1]["ema"] == pytest.approx(run["ema"]) and run["along"][-1]["raw"] == pytest.approx(run["raw"])
        assert run["ema"]["confidence"] > 0.9
        assert run["ema"]["rarest_class"] > 0.05


def test_a_judgement_is_kept_for_these_weights_and_the_shipped_generator_is_counted_as_recorded(tmp_path, monkeypatch):
    """A file of other weights is another run; the triples of the shipped one come out as the record has them."""
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setattr(mnist_gan, "weights_of", lambda seed: tmp_path / f"weights{seed}")
    monkeypatch.setattr(mnist_gan_judged, "SEEDS", (3,))
    monkeypatch.setattr(mnist_gan_judged.parzen_2014, "by_both", lambda sampler: {"shape": list(sampler(2).shape)})
    for changed in (False, True):
        state = networks.MLPGenerator().state_dict()
        (tmp_path / "weights3").write_bytes(mnist_gan_judged.bench.to_bytes(state))
        (run,) = mnist_gan_judged.runs()
        assert run["shape"] == [2, 784] and run["seed"] == 3 and len(list(tmp_path.glob("judged_seed_3.*"))) == 1 + changed
    counted, recorded = mnist_gan_judged.by_triples(), record.read("mnist_gan_judged")["triples"]
    assert counted["modes"] == recorded["modes"] == 1000 and counted["kl"] == pytest.approx(recorded["kl"], abs=1e-3)
    for ours, theirs in zip(counted["thresholds"], recorded["thresholds"], strict=True):
        assert ours["share"] == pytest.approx(theirs["share"], abs=2e-3)


def test_what_was_tried_and_the_copied_eps_say_what_the_chapter_says():
    """Momentum is the large one, D may not be as fast as G, and eps = 0.8 learns more slowly in the mean of five seeds."""
    tried = {run["name"]: run["ema"]["times_floor"] for run in record.read("mnist_gan_tried")["runs"]}
    recipe = tried["the recipe, shortened"]
    assert tried["Adam's betas (0.5, 0.999)"] > 1.5 * recipe
    assert tried["learning rate 2e-3 for both"] > 1.2 * recipe
    assert tried["learning rate 5e-4 for D"] < recipe
    five = (record.read("mnist_gan"), record.read("mnist_gan_half"))
    third, half = ([run["ema"]["times_floor"] for run in recorded["runs"]] for recorded in five)
    assert len(third) == len(half) == 5 and sum(third) <= 5 * 2.9 and sum(third) < 0.95 * sum(half)
    eps = record.read("mnist_gan_eps")
    correct, copied = ([run["ema"]["times_floor"] for run in eps[name]] for name in ("correct", "copied"))
    assert len(correct) == len(copied) == 5
    assert sum(copied) > 1.1 * sum(correct)


def test_the_record_of_speed_says_what_the_chapter_says():
    """Faster than the usual way, most of the limit, and nothing compiled is faster.

    The bounds hold what three processors gave: 1.27, 1.49 and 1.73 times the usual way, 0.86, 0.80 and 0.68 of the limit.
    """
    speed = record.read("throughput")
    assert len(speed["repetitions"]) == speed["configuration"]["repeats"] == 3
    for outcome in [*speed["repetitions"], speed["all"]]:
        assert 1.15 < outcome["ratio_to_usual"] < 1.9 and 0.6 < outcome["share_of_limit"] < 0.95
    assert list(speed["variants"]) == list(throughput.VARIANTS)
    rows = speed["variants"]
    plain, large, half = rows["fresh fakes, batch 64"], rows["fresh fakes, batch 512"], rows["fresh fakes, batch 128, bfloat16"]
    assert large["images_per_second"] > 1.5 * plain["images_per_second"]  # 1.7 and 2.0
    assert all(row["times_eager"] < 1.05 for row in speed["compiled"].values())
    assert large["times_floor"] == max(row["times_floor"] for row in rows.values())
    assert half["times_floor"] < rows["fresh fakes, batch 128"]["times_floor"]


def test_the_record_of_the_race_says_what_the_chapter_says():
    """The recipe is as good in a tenth of the time as the usual way ever gets, and the outcome follows from the two curves."""
    found = record.read("race")
    ways = [found[way]["along"] for way in ("usual", "ours")]
    assert found["usual"]["along"][-1]["round"] == 20 * (60_000 // 64) and found["ours"]["along"][-1]["round"] == 16_000
    assert race.result(*ways) == {key: found[key] for key in ("best_usual", "reached", "times_sooner")}
    assert found["times_sooner"] > 10


def test_copied_batch_norm_has_eps_for_momentum():
    G = networks.MLPGenerator()
    usual.copy_batch_norm(G)
    layers = [layer for layer in G.layers if isinstance(layer, torch.nn.BatchNorm1d)]
    assert [(layer.num_features, layer.eps, layer.momentum) for layer in layers] == [(n, 0.8, 0.1) for n in (256, 512, 1024)]


def test_a_short_run_is_scored_and_kept(small, monkeypatch):
    """Three rounds, kept and read back: a second call trains nothing, another seed does; the weights are those scored."""
    settings = {"rounds": 3, "batch": 32, "dropout": 0.1, "eps_08": True, "gamma": 0.1, "second_share": 0.1, "progress": False}
    first = mnist_gan.kept("slice", seed=0, **settings)
    monkeypatch.setattr(mnist_gan, "train_once", lambda *a, **k: pytest.fail("it was finished already"))
    assert mnist_gan.kept("slice", seed=0, **settings) == first
    with pytest.raises(pytest.fail.Exception):
        mnist_gan.kept("slice", seed=1, **settings)
    assert first["ema"]["times_floor"] > 10 and 0 <= first["second"]["rarest_class"] <= 0.1
    assert first["seed"] == 0 and first["settings"] == settings and first["commit"] == record.commit()
    place = bench.place_of("slice", mnist_gan.main, {"seed": 0, **settings}, mnist_gan.USES)
    G = networks.MLPGenerator()
    usual.copy_batch_norm(G)
    G.load_state_dict(mnist_gan.load_file(place.with_suffix(".safetensors")))
    assert mnist_gan.score(G) == first["ema"]


def test_losses_of_a_run_in_bfloat16_are_single_precision(small, monkeypatch):
    """In eight bits every loss between 1 and 2 would be a multiple of 1/128; weights and averages stay in float32."""
    monkeypatch.setattr(mnist_gan, "score", lambda G: None)
    monkeypatch.setattr(bench, "refreshed", lambda G: G)
    run, second, seen = mnist_gan.train_once(rounds=6, bfloat16=True, looks=range(1, 7), second_share=0.1, progress=False)
    losses = [row[player] for row in seen["along"] for player in ("loss_D", "loss_G")]
    assert sum(loss * 128 % 1 == 0 for loss in losses) <= 1 and all(math.isfinite(loss) for loss in losses)
    assert {value.dtype for net in (run.G, run.D, second) for value in net.parameters()} == {torch.float32}
    single = mnist_gan.train_once(rounds=6, looks=range(1, 7), progress=False)[2]["along"]
    assert [row["loss_D"] for row in single] != losses[::2], "it must differ from the run in single precision"
    assert losses[::2] == pytest.approx([row["loss_D"] for row in single], abs=0.05)


def test_the_second_average_is_that_of_a_run_of_its_own(small):
    """Kept alongside, it equals the average of a run whose share it is, and changes neither run nor first average."""
    both, second, _ = mnist_gan.train_once(rounds=5, batch=16, ema_share=0.2, second_share=0.1, progress=False)
    alone, none, _ = mnist_gan.train_once(rounds=5, batch=16, ema_share=0.1, progress=False)
    first, _, _ = mnist_gan.train_once(rounds=5, batch=16, ema_share=0.2, progress=False)
    for one, other in ((second, alone.G_ema), (both.G_ema, first.G_ema), (both.G, alone.G)):
        assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    assert none is None and not torch.equal(second.layers[0].weight, both.G_ema.layers[0].weight)


def test_scores_along_the_way_change_nothing(small):
    """Looking draws random numbers and evaluates networks; the run that is looked at must be the one that is not."""
    watched, _, seen = mnist_gan.train_once(rounds=4, batch=16, looks=(2, 4), progress=False)
    alone, _, none = mnist_gan.train_once(rounds=4, batch=16, progress=False)
    assert [look["round"] for look in seen["along"]] == [2, 4] and none["along"] == []
    assert 0 <= seen["along"][0]["seconds"] <= seen["along"][1]["seconds"] <= seen["seconds"] + 0.06
    for a, b in zip(watched.G.state_dict().values(), alone.G.state_dict().values()):
        assert torch.equal(a, b)


def test_shared_rounds_are_rounds_of_train_if_both_turns_draw_the_same():
    """`train` with a G whose every second draw repeats the one before: the same fakes, so the same weights, in double."""
    images, runs = torch.rand(64, 1, 28, 28, dtype=torch.float64) * 2 - 1, []
    for play, repeated in ((shared_rounds, 1), (training.train, 2)):
        torch.manual_seed(0)
        G, D = networks.MLPGenerator(widths=(8, 16)).double(), networks.MLPDiscriminator(widths=(8,)).double()
        draws = [z for z in torch.randn(3, 16, 100, dtype=torch.float64) for _ in range(repeated)]
        average = copy.deepcopy(G).requires_grad_(False)
        G.sample_z = lambda n, draws=draws: draws.pop(0)
        run = bench.fresh_run(G, D)
        run.G_ema = average
        losses = list(play(run, data.batches(images, 16), objectives.nonsaturating, steps=3, ema_share=0.2))
        runs.append((run, losses, draws))
    (ours, our_losses, left), (theirs, their_losses, _) = runs
    assert not left and ours.step == 3
    assert [tuple(row) for row in our_losses] == [pytest.approx(tuple(row), abs=1e-6) for row in their_losses]
    for net in ("G", "D", "G_ema"):
        for one, other in zip(getattr(ours, net).parameters(), getattr(theirs, net).parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("way", ["fresh", "shared"])
def test_products_count_what_a_round_multiplies(way):
    """Against torch's own count of floating-point operations in a round of either kind."""
    from torch.utils.flop_counter import FlopCounterMode

    rounds = throughput.ours(throughput.recipe_in(), data.digits().images, 16, way)
    with FlopCounterMode(display=False) as counter:
        next(rounds)
    assert counter.get_total_flops() == sum(2 * a * b * c for a, b, c in throughput.products(16, way == "fresh"))


def test_every_way_is_timed():
    images, labels = data.digits("test")
    with usual.raw_mnist(images, labels) as folder:
        rounds = {"usual": usual.usual(folder, 32), "limit": throughput.limit(32)}
        for way, bfloat16 in (("fresh", False), ("shared", True)):
            rounds[way] = throughput.ours(throughput.recipe_in(bfloat16), images, 32, way)
        ways = {name: throughput.Way(way, 32) for name, way in rounds.items()}
        ways |= {part: eager["eager"] for part, eager in throughput.compiled_ways(images, 32).items()}
        rates = throughput.take_turns(ways, turns=3, images_a_turn=96)
    assert list(rates) == list(ways) and len(rates) == 7
    assert all(len(values) == 3 and min(values) > 0 for values in rates.values())


def test_turns_take_turns(monkeypatch):
    """Rates are those of a clock that only rounds move; beginners change; ratios are those of neighbours."""
    clock, order = [0.0], []
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock[0])

    def way(name, seconds):
        while True:
            clock[0] += seconds
            order.append(name)
            yield

    ways = {"a": throughput.Way(way("a", 0.5), 4), "b": throughput.Way(way("b", 0.25), 8)}
    rates = throughput.take_turns(ways, turns=2, images_a_turn=8)
    assert rates == {"a": [8, 8], "b": [32, 32]}
    assert order == list("bbbaaa") + list("aab") + list("baa")
    assert throughput.middle_ratio([1, 20, 3], [1, 10, 4]) == 1


def test_a_race_is_decided_by_the_first_look_as_good_as_the_best_of_the_usual_way(small):
    look = lambda *rows: [dict(zip(("round", "seconds", "times_floor"), row)) for row in rows]  # noqa: E731
    slow = look((500, 10.0, 90.0), (1000, 20.0, 40.0), (1500, 30.0, 60.0))
    fast = look((50, 1.0, 200.0), (100, 2.0, 41.0), (150, 4.0, 30.0), (200, 5.0, 20.0))
    assert race.result(slow, fast) == {"best_usual": slow[1], "reached": fast[2], "times_sooner": 5.0}
    assert race.result(slow, fast[:2])["reached"] is None
    half = race.usual_half(seed=0, epochs=1, batch=64, every=2, samples=200, limit=320)
    assert [row["round"] for row in half["along"]] == [2, 4, 5]
    assert all(row["times_floor"] > 1 and 0 <= row["seconds"] <= half["seconds"] + 0.06 for row in half["along"])
