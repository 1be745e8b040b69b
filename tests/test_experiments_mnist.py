"""Slices of the experiments behind chapter 8, played again and compared with what they recorded."""

import copy
import functools
import math

import pytest
import torch
from test_experiments import experiment

from ganlib import data, networks, objectives, penalties, record, training
from ganlib.metrics import mean_interval


@pytest.fixture(scope="module")
def mnist_gan():
    return experiment("mnist_gan")


@pytest.fixture(scope="module")
def throughput():
    return experiment("throughput")


def test_the_first_rounds_are_those_recorded(mnist_gan, real_mnist):
    played = mnist_gan.opening()
    assert played == mnist_gan.opening(), "one seed must give one run"
    if real_mnist is not None:
        recorded = record.read("mnist_gan")["opening"]
        for name in ("loss_D", "loss_G"):  # another processor rounds otherwise, and twenty rounds amplify it
            assert played[name] == pytest.approx(recorded[name], abs=1e-6)
    assert played["loss_D"][0] == pytest.approx(math.log(4), abs=0.05)  # an untrained D answers one half


def test_the_first_rounds_of_the_variants_are_those_recorded(mnist_gan, real_mnist):
    """Each setting that was tried, the copied batch normalisation and shared fakes: no two of them begin alike."""
    settings = {name: mnist_gan.SHORT | change for name, change in mnist_gan.TRIED.items()}
    recorded = record.read("mnist_gan_tried")["opening"]
    assert settings.keys() == recorded.keys()
    recorded["copied"], settings["copied"] = record.read("mnist_gan_eps")["opening"], mnist_gan.SHORT | {"eps_08": True}
    recorded["shared"], settings["shared"] = record.read("mnist_gan_shared")["opening"], mnist_gan.SHARED
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


def test_what_was_tried_and_the_copied_eps_say_what_the_chapter_says():
    """Momentum is the large one, D may not be as fast as G, and eps = 0.8 learns more slowly in the mean of five seeds."""
    tried = {run["name"]: run["ema"]["times_floor"] for run in record.read("mnist_gan_tried")["runs"]}
    recipe = tried["the recipe, shortened"]
    assert tried["Adam's betas (0.5, 0.999)"] > 1.5 * recipe
    assert tried["learning rate 2e-3 for both"] > 1.5 * recipe
    eps = record.read("mnist_gan_eps")
    correct, copied = ([run["ema"]["times_floor"] for run in eps[name]] for name in ("correct", "copied"))
    assert len(correct) == len(copied) == 5
    assert sum(copied) > 1.1 * sum(correct)


def test_copied_batch_norm_has_eps_for_momentum(mnist_gan):
    G = networks.MLPGenerator()
    mnist_gan.copy_batch_norm(G)
    layers = [layer for layer in G.layers if isinstance(layer, torch.nn.BatchNorm1d)]
    assert [(layer.num_features, layer.eps, layer.momentum) for layer in layers] == [(n, 0.8, 0.1) for n in (256, 512, 1024)]


def test_the_rate_falls_to_zero_in_a_line(mnist_gan):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = mnist_gan.linear_decay(optimiser, rounds=8, start=0.5, end=0.0)
    rates = []
    for _ in range(8):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates == [2, 2, 2, 2, 2, 1.5, 1, 0.5] and optimiser.param_groups[0]["lr"] == 0
    half = mnist_gan.linear_decay(torch.optim.SGD([torch.zeros(1)], lr=2.0), rounds=8, start=0.0, end=0.5)
    assert [half.lr_lambdas[0](step) for step in (0, 4, 8)] == [1, 0.75, 0.5]


def test_a_short_run_is_scored(mnist_gan, monkeypatch, tmp_path):
    """Three rounds, kept and read back: a second call trains nothing."""
    monkeypatch.setattr(mnist_gan.data, "mnist", data.digits)
    monkeypatch.setattr(mnist_gan, "RUNS", tmp_path)
    monkeypatch.setattr(mnist_gan, "score", functools.partial(mnist_gan.score, n=500))
    first = mnist_gan.kept("slice", seed=0, rounds=3, batch=32, dropout=0.1, eps_08=True, gamma=0.1, progress=False)
    monkeypatch.setattr(mnist_gan, "train_once", lambda *a, **k: pytest.fail("it was finished already"))
    assert mnist_gan.kept("slice") == first
    assert first["ema"]["times_floor"] > 10 and 0 <= first["ema"]["rarest_class"] <= 0.1


def test_shared_rounds_are_rounds_of_train_if_both_turns_draw_the_same(mnist_gan):
    """`train` with a G whose every second draw repeats the one before: the same fakes, so the same weights, in double."""
    images = torch.rand(64, 1, 28, 28, dtype=torch.float64) * 2 - 1
    settings, runs = {"steps": 3, "ema_decay": 0.9, "ema_share": 0.2}, []
    for play, repeated in ((mnist_gan.shared_rounds, 1), (training.train, 2)):
        torch.manual_seed(0)
        G, D = networks.MLPGenerator(widths=(8, 16)).double(), networks.MLPDiscriminator(widths=(8,)).double()
        draws = [z for z in torch.randn(3, 16, 100, dtype=torch.float64) for _ in range(repeated)]
        G.sample_z = lambda n, draws=draws: draws.pop(0)
        run, penalty = mnist_gan.fresh_run(G, D), functools.partial(penalties.r1, gamma=0.5)
        run.G_ema = copy.deepcopy(G).requires_grad_(False)
        runs.append((run, list(play(run, data.batches(images, 16), objectives.nonsaturating, penalty, **settings)), draws))
    (ours, our_losses, left), (theirs, their_losses, _) = runs
    assert not left and ours.step == 3
    assert [tuple(row) for row in our_losses] == [pytest.approx(tuple(row), abs=1e-12) for row in their_losses]
    for net in ("G", "D", "G_ema"):
        for one, other in zip(getattr(ours, net).parameters(), getattr(theirs, net).parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_scores_along_the_way_change_nothing(mnist_gan, monkeypatch):
    """Looking draws random numbers and evaluates networks; the run that is looked at must be the one that is not."""
    monkeypatch.setattr(mnist_gan.data, "mnist", data.digits)
    monkeypatch.setattr(mnist_gan, "score", functools.partial(mnist_gan.score, n=200))
    watched, _, along = mnist_gan.train_once(rounds=4, batch=16, looks=2, progress=False)
    alone, _, none = mnist_gan.train_once(rounds=4, batch=16, progress=False)
    assert [look["round"] for look in along] == [2, 4] and none == []
    for a, b in zip(watched.G.state_dict().values(), alone.G.state_dict().values()):
        assert torch.equal(a, b)


def test_refreshed_statistics_are_those_of_the_averaged_network(mnist_gan):
    """The output of a normalised layer, on other latents, has mean 0 and variance 1; with stale statistics it has not."""
    torch.manual_seed(0)
    G = networks.MLPGenerator(widths=(16, 32))
    for layer in G.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_var.fill_(4.0)
    fresh = mnist_gan.refreshed(G)
    normalised = [torch.nn.Sequential(*net.eval().layers[:4])(torch.randn(20_000, 100)) for net in (G, fresh)]
    assert normalised[1].mean(dim=0).abs().max() < 0.05 and (normalised[1].var(dim=0) - 1).abs().max() < 0.05
    assert normalised[0].var(dim=0).max() < 0.5
    assert all(layer.running_var.eq(4).all() for layer in G.modules() if isinstance(layer, torch.nn.BatchNorm1d))


@pytest.mark.parametrize("fresh", [True, False])
def test_products_count_what_a_round_multiplies(throughput, fresh):
    """Against torch's own count of floating-point operations in a round of either kind."""
    from torch.utils.flop_counter import FlopCounterMode

    batch = 16
    run = throughput.new_run()
    reals = torch.zeros(batch, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        if fresh:
            next(throughput.training.train(run, iter([reals]), throughput.objectives.nonsaturating, steps=1))
        else:
            throughput.shared_round(run, reals)
    assert counter.get_total_flops() == sum(2 * a * b * c for a, b, c in throughput.products(batch, fresh))


def test_every_way_is_timed(throughput):
    images, labels = data.digits("test")
    with throughput.raw_mnist(images, labels) as folder:
        rounds = {
            "usual": throughput.usual(folder, 32),
            "ours": throughput.ours(images, 32),
            "shared": throughput.ours(images, 32, "shared"),
            "limit": throughput.limit(32),
        }
        ways = {name: throughput.Way(way, 32, autocast=name == "shared") for name, way in rounds.items()}
        rates = throughput.take_turns(ways, turns=3, images_a_turn=96)
    assert list(rates) == list(ways) and all(len(values) == 3 and min(values) > 0 for values in rates.values())


def test_turns_take_turns(throughput, monkeypatch):
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


def test_the_record_of_speed_says_what_the_chapter_says(throughput):
    """In every repetition over one and a half times the usual way, and between six and eight tenths of the limit."""
    speed = record.read("throughput")
    assert len(speed["repetitions"]) == speed["configuration"]["repeats"] == 3
    for outcome in [*speed["repetitions"], speed["all"]]:
        assert outcome["ratio_to_usual"] > 1.5 and 0.6 < outcome["share_of_limit"] < 0.8
    assert list(speed["variants"]) == list(throughput.VARIANTS)
    rows = speed["variants"]
    plain, large, half = rows["fresh fakes, batch 64"], rows["fresh fakes, batch 512"], rows["fresh fakes, batch 128, bfloat16"]
    assert large["images_per_second"] > 2 * plain["images_per_second"]
    assert large["times_floor"] == max(row["times_floor"] for row in rows.values())
    assert half["times_floor"] < rows["fresh fakes, batch 128"]["times_floor"]


def test_autocast_without_its_cache_sees_weights_change():
    """Why the bfloat16 runs switch the cache off: with it a second forward pass in one context uses the old weights."""
    answers = {}
    for cached in (True, False):
        layer, x = torch.nn.Linear(4, 1, bias=False), torch.ones(1, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=cached):
            layer(x)
            with torch.no_grad():
                layer.weight.fill_(1.0)
            answers[cached] = layer(x).item()
    assert answers[False] == 4 and answers[True] != 4


def test_shared_fakes_at_full_length_end_where_fresh_ones_do(mnist_gan):
    """As chapter 8 says: with a fifth more rounds, from the ratio of the speeds, the two intervals overlap."""
    fresh, shared = record.read("mnist_gan")["runs"], record.read("mnist_gan_shared")["runs"]
    assert [row["seed"] for row in shared] == [row["seed"] for row in fresh] == [0, 1, 2, 3, 4]
    assert all(row["settings"] == mnist_gan.SHARED for row in shared)
    speeds = record.read("throughput")["variants"]
    ratio = (
        speeds["shared fakes, batch 128, bfloat16"]["times_plain"] / speeds["fresh fakes, batch 128, bfloat16"]["times_plain"]
    )
    assert mnist_gan.SHARED["rounds"] / 16_000 == pytest.approx(ratio, abs=0.02)
    (a, half_a), (b, half_b) = (mean_interval([row["ema"]["times_floor"] for row in rows]) for rows in (fresh, shared))
    assert abs(a - b) < min(half_a, half_b)
