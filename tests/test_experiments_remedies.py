"""Remedies and stacked digits: seeds together are seeds alone, each remedy is what it is called, and the records hold."""

import math

import pytest
import torch
from test_experiments import experiment

from ganlib import checkpoints, data, penalties, record, training


@pytest.fixture(scope="module")
def remedies():
    return experiment("remedies")


@pytest.fixture(scope="module")
def stacked_mnist():
    return experiment("stacked_mnist")


NAMES = tuple(experiment("remedies").SETTINGS)


def last(remedies, name, seeds, rounds=3):
    *_, (G, D) = remedies.play(remedies.SETTINGS[name], "ring", seeds, rounds, dtype=torch.float64)
    return G, D


@pytest.mark.parametrize("name", NAMES)
def test_seeds_together_are_the_seeds_alone(remedies, name):
    together = last(remedies, name, [0, 5])
    for place, seed in enumerate([0, 5]):
        for ours, alone in zip(together, last(remedies, name, [seed]), strict=True):
            assert torch.allclose(ours.weights[place], alone.weights[0], rtol=0, atol=1e-9)
            assert ours.steps == alone.steps == 3
    assert (together[0].weights[0] - together[0].weights[1]).abs().max() > 1e-3, "two seeds must differ"


def as_layers(tensors, weights):
    """torch's own layers with the weights of the first seed."""
    layers, values = [], iter([piece[0] for piece in weights])
    for _ in range(len(tensors) // 2):
        matrix, bias = next(values), next(values)
        linear = torch.nn.Linear(*matrix.shape).double()
        linear.weight.data, linear.bias.data = matrix.T.clone(), bias[0].clone()
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def plain_pair(remedies, setting):
    rows = []
    for salt, tensors in enumerate((remedies.g_tensors(setting), remedies.d_tensors(setting)), start=1):
        player = remedies.fresh(tensors, setting.small_init, [3], salt, torch.float64)
        rows += [player, as_layers(tensors, remedies.unpack(player.weights, tensors))]
    return rows


def flat(network):
    """A network's weights in the order in which `remedies` keeps them."""
    return torch.cat([weight.detach().t().flatten() for weight in network.parameters()])


def test_a_round_is_what_the_library_plays(remedies):
    """Networks, losses, order of turns and Adam against ganlib.training, with latents that are the same."""
    setting = remedies.Setting()
    G, layers_G, D, layers_D = plain_pair(remedies, setting)
    layers_G.sample_z = lambda n: next(latents)
    scalar_D = torch.nn.Sequential(layers_D, torch.nn.Flatten(0))
    rates = {"lr": remedies.LR_G, "betas": remedies.BETAS}, {"lr": remedies.LR_D, "betas": remedies.BETAS}
    opts = [torch.optim.Adam(net.parameters(), **rate) for net, rate in zip((layers_G, scalar_D), rates, strict=True)]
    run = training.Run(layers_G, scalar_D, *opts, G_ema=torch.nn.Identity())
    source = remedies.chance("grid", [3], torch.float64)
    for _ in range(2):
        reals, z = next(source)
        latents = iter([z[0, 0], z[1, 0]])
        D = remedies.turn_of_D(setting, G, D, reals, z[0])
        G = remedies.turn_of_G(setting, G, D, reals, z[1])
        training.discriminator_step(run, reals[0], remedies_objective(setting))
        training.generator_step(run, reals[0], remedies_objective(setting))
    for network, player in ((layers_G, G), (layers_D, D)):
        apart = (flat(network) - player.weights[0]).abs()
        assert (apart < 1e-6).double().mean() > 0.95  # the rest have gradients near Adam's 1e-8, which stands elsewhere in ours
        assert apart.max() < 3e-4


def remedies_objective(setting):
    from ganlib import objectives

    return objectives.relativistic if setting.relativistic else objectives.nonsaturating


@pytest.mark.parametrize("relativistic", [False, True])
def test_losses_are_those_of_the_library(remedies, relativistic):
    setting = remedies.Setting(relativistic=relativistic, gamma=0.3)
    _, _, D, layers_D = plain_pair(remedies, setting)
    reals, fakes = torch.randn(2, 1, 16, 2, dtype=torch.float64)
    objective, net = remedies_objective(setting), lambda x: layers_D(x).squeeze(1)
    expected = objective.d_loss(net(reals[0]), net(fakes[0])) + penalties.r1(net, reals[0], fakes[0], gamma=0.3)
    assert remedies.loss_of_D(setting, D.weights, reals, fakes).item() == pytest.approx(expected.item(), abs=1e-12)
    ours = remedies.loss_of_G(setting, D.weights, reals, fakes).item()
    assert ours == pytest.approx(objective.g_loss(net(reals[0]), net(fakes[0])).item(), abs=1e-12)


def test_unrolling_differentiates_through_the_answers(remedies):
    """Against a central difference of G's loss, D's answers played again at each side; holding D's answers would not do."""
    setting = remedies.Setting(unroll=3)
    G, _, D, _ = plain_pair(remedies, setting)
    reals, z = next(remedies.chance("ring", [3], torch.float64))
    D = remedies.turn_of_D(setting, G, D, reals, z[0])  # Adam's averages are no longer zero
    along = torch.randn(G.weights.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = G.weights.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(remedies.answered_loss(setting, weights, G, D, reals, z[1]).sum(), weights)
    sides = [
        remedies.answered_loss(setting, (G.weights + step * along).requires_grad_(True), G, D, reals, z[1]).item()
        for step in (1e-6, -1e-6)
    ]
    slope = (gradient * along).sum().item()
    assert slope == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-3)
    ahead = D
    for _ in range(3):
        ahead = remedies.turn_of_D(setting, G, ahead, reals, z[1])
    held = remedies.loss_of_G(setting, ahead.weights.detach(), reals, remedies.generate(setting, weights, z[1])).sum()
    (other,) = torch.autograd.grad(held, weights)
    assert abs((other * along).sum().item() - slope) > 1e-2 * abs(slope)


def test_a_pack_is_judged_together_and_the_spread_sees_repetition(remedies):
    packed = remedies.Setting(pack=2)
    D = remedies.fresh(remedies.d_tensors(packed), False, [0], 2, torch.float64)
    samples = torch.randn(1, 6, 2, dtype=torch.float64)
    logits = remedies.judge(packed, D.weights, samples)
    assert logits.shape == (1, 3)
    swapped = samples[:, [1, 0, 2, 3, 4, 5]]
    changed = (remedies.judge(packed, D.weights, swapped) - logits).abs()[0] > 1e-9
    assert changed.tolist() == [True, False, False]
    shown = remedies.Setting(spread=True)
    D = remedies.fresh(remedies.d_tensors(shown), False, [0], 2, torch.float64)
    alone = remedies.judge(shown, D.weights, samples)
    moved = torch.cat([samples[:, :5], samples[:, 5:] + 10], dim=1)
    assert ((remedies.judge(shown, D.weights, moved) - alone).abs()[0] > 1e-6).all(), "one sample changes all logits"


def test_a_finished_row_is_kept(remedies, monkeypatch, tmp_path):
    monkeypatch.setattr(remedies, "SEEDS", 2)
    first = remedies.kept("packed by two", "grid", tmp_path, rounds=3, looks=(2,), progress=False)
    assert [row["round"] for row in first["along"]] == [2, 3] and len(first["along"][0]["scores"]) == 2
    monkeypatch.setattr(remedies, "main", lambda **settings: pytest.fail("it was finished already"))
    assert remedies.kept("packed by two", "grid", tmp_path, rounds=3, looks=(2,), progress=False) == first
    with pytest.raises(pytest.fail.Exception):
        remedies.kept("packed by two", "grid", tmp_path, rounds=4, looks=(2,), progress=False)


def test_the_first_rounds_are_those_recorded(remedies):
    recorded = record.read("remedies")
    played = remedies.opening()
    assert played.keys() == recorded["opening"].keys() == remedies.SETTINGS.keys()
    for name, ours in played.items():
        for here, there in zip(ours, recorded["opening"][name], strict=True):
            assert here == pytest.approx(there, rel=1e-6), name


def test_the_record_of_remedies_says_what_the_chapter_says(remedies):
    rows = {(row["task"], row["name"]): row for row in record.read("remedies")["rows"]}
    assert set(rows) == {(task, name) for task in remedies.TASKS for name in remedies.SETTINGS}
    scores = {}
    for key, row in rows.items():
        assert row["seeds"] == [0, 1, 2, 3, 4] and row["along"][-1]["round"] == row["rounds"] == remedies.ROUNDS
        scores[key] = row["along"][-1]["scores"]
    for name in remedies.SETTINGS:
        complete = name not in ("plain", "relativistic", "R1", "relativistic, R1")
        assert all(score["modes"] == 8 for score in scores["ring", name]) == complete, name
        assert all(score["share"] > 0.6 for score in scores["ring", name]) == complete, name
    assert {score["modes"] for score in scores["ring", "plain"]} == {0, 8}
    shares = {name: [score["share"] for score in scores["grid", name]] for name in remedies.SETTINGS}
    deep = [min(values) for name, values in shares.items() if "second" in name]
    assert min(deep) > max(max(values) for name, values in shares.items() if "second" not in name)


def test_stacked_pictures_and_their_batches(stacked_mnist):
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 28, 28)
    pictures = stacked_mnist.stacked(images, 5000, seed=1)
    assert pictures.shape == (5000, 3, 28, 28) and pictures.dtype == torch.uint8
    triples = pictures[:, :, 0, 0].long() @ torch.tensor([100, 10, 1])
    assert stacked_mnist.count(triples)["modes"] > 980
    source, later = stacked_mnist.stacked_batches(images, 4, seed=2), stacked_mnist.stacked_batches(images, 4, seed=2, start=2)
    third = [next(source) for _ in range(3)][2]
    assert torch.equal(third, next(later)) and third.dtype == torch.float32


def test_modes_and_kl_of_known_histograms(stacked_mnist):
    everything = torch.arange(1000)
    assert stacked_mnist.count(everything) == {"modes": 1000, "kl": pytest.approx(0, abs=1e-12)}
    assert stacked_mnist.count(everything[:250]) == {"modes": 250, "kl": pytest.approx(math.log(4))}
    assert stacked_mnist.count(everything[:0]) == {"modes": 0, "kl": None}


def test_real_pictures_are_read_and_a_higher_threshold_counts_less(stacked_mnist):
    images, labels = data.digits("test")
    rows = torch.randint(len(images), (300, 3), generator=torch.Generator().manual_seed(0))
    pictures = images[rows].flatten(1, 2)
    triples, confidence = stacked_mnist.read_triples(pictures)
    truth = labels[rows] @ torch.tensor([100, 10, 1])
    assert (triples == truth).double().mean() > 0.5 and confidence.min() > 0.1
    thresholds = stacked_mnist.score(pictures)["thresholds"]
    for entry in ("share", "modes"):
        values = [row[entry] for row in thresholds]
        assert values == sorted(values, reverse=True)
    assert thresholds[0]["share"] == 1


def test_a_packed_D_judges_packs(stacked_mnist):
    D = stacked_mnist.PackedDiscriminator(2)
    pictures = torch.rand(6, 3, 28, 28) * 2 - 1
    logits = D(pictures)
    assert logits.shape == (3,)
    assert ((D(pictures[[1, 0, 2, 3, 4, 5]]) - logits).abs() > 1e-6).tolist() == [True, False, False]


@pytest.mark.parametrize("pack", [1, 2])
def test_five_rounds_are_three_and_two(stacked_mnist, unchecked, monkeypatch, tmp_path, pack):
    """Bit for bit; unchecked, because a packed D returns fewer logits than samples, which the annotations do not foresee."""
    monkeypatch.setattr(stacked_mnist.data, "mnist", data.digits)
    monkeypatch.setattr(stacked_mnist, "samples", lambda G: G(torch.ones(2, 100)).detach())
    settings = {"pack": pack, "batch": 8, "progress": False}
    whole = stacked_mnist.main(folder=tmp_path / "whole", rounds=5, **settings)
    first = stacked_mnist.main(folder=tmp_path / "parts", rounds=3, **settings)
    torch.manual_seed(9)  # whatever happened in between
    parts = stacked_mnist.main(folder=tmp_path / "parts", rounds=5, **settings)
    assert parts["along"] == first["along"] + whole["along"]  # the look after three rounds changed nothing
    assert [row["images_seen"] for row in parts["along"]] == [24, 40] and parts["seconds"] >= first["seconds"]
    assert all(parts[name] == whole[name] == parts["along"][-1][name] for name in ("rounds", "modes", "kl", "thresholds"))
    runs = [stacked_mnist.fresh_run(pack, 0, stacked_mnist.CONFIGURATION) for _ in range(2)]
    for run, folder in zip(runs, ("whole", "parts"), strict=True):
        checkpoints.load(run, tmp_path / folder / f"stacked_mnist_{pack}_0.pt")
    ours, theirs = (run.G.state_dict() for run in runs)
    assert runs[0].step == 5 and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_sampled_generator_stays_as_it_was(stacked_mnist):
    G = stacked_mnist.fresh_run(1, 0, stacked_mnist.CONFIGURATION).G
    before = {name: value.clone() for name, value in G.state_dict().items()}
    pictures = stacked_mnist.samples(G, n=8)
    assert pictures.shape == (8, 3, 28, 28) and pictures.abs().max() <= 1
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items()) and G.training


def test_the_first_stacked_rounds_are_those_recorded(stacked_mnist, unchecked, real_mnist, monkeypatch):
    if real_mnist is None:
        monkeypatch.setattr(stacked_mnist.data, "mnist", data.digits)
    recorded = record.read("stacked_mnist")["opening"]
    assert list(recorded) == ["1", "2"]
    for pack, openings in recorded.items():
        played = stacked_mnist.opening(int(pack), rounds=6)
        assert played["loss_D"][0] == pytest.approx(math.log(4), abs=0.1)  # an untrained D answers one half
        if real_mnist is not None:
            for name, losses in openings.items():
                assert played[name] == pytest.approx(losses[:6], abs=1e-6)


def test_the_stacked_record_keeps_its_promises(stacked_mnist):
    recorded = record.read("stacked_mnist")
    assert [run["pack"] for run in recorded["runs"]] == [1, 2]
    for run in recorded["runs"]:
        assert run["rounds"] == recorded["configuration"]["rounds"]
        assert run["images_seen"] == run["rounds"] * recorded["configuration"]["batch"] == 50 * 128_000  # as many as published
        assert [row["rounds"] for row in run["along"]] == list(stacked_mnist.LOOKS)
        assert all(run[key] == value for key, value in run["along"][-1].items())
        falling = [row["kl"] for row in run["along"]]
        assert falling == sorted(falling, reverse=True) and run["modes"] == 1000
    plain, packed = (run["along"] for run in recorded["runs"])
    assert all(one["kl"] < other["kl"] for one, other in zip(plain, packed, strict=True)), "chapter 11: packing is behind"
    real, one, noise = (recorded["baselines"][name] for name in ("real digits", "one picture", "uniform noise"))
    assert real["modes"] == recorded["baselines"]["real digits, test images"]["modes"] == 1000 and real["kl"] < 0.1
    assert one["modes"] == 1 and one["kl"] == pytest.approx(math.log(1000))
    assert noise["modes"] < 100
