"""Remedies: seeds together are seeds alone, each remedy is what it is called, and the first rounds are those recorded."""

import json

import bench
import pytest
import remedies
import remedies_pair
import torch

from ganlib import objectives, penalties, record, training


def last(name, seeds, rounds=3):
    *_, (G, D) = remedies.play(remedies_pair.SETTINGS[name], "ring", seeds, rounds, dtype=torch.float64)
    return G, D


@pytest.mark.parametrize("name", remedies_pair.SETTINGS)
def test_seeds_together_are_the_seeds_alone(name):
    together = last(name, [0, 5])
    for place, seed in enumerate([0, 5]):
        for ours, alone in zip(together, last(name, [seed]), strict=True):
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


def plain_pair(setting):
    rows = []
    for salt, tensors in enumerate((remedies_pair.g_tensors(setting), remedies_pair.d_tensors(setting)), start=1):
        player = remedies_pair.fresh(tensors, setting.small_init, [3], salt, torch.float64)
        rows += [player, as_layers(tensors, remedies_pair.unpack(player.weights, tensors))]
    return rows


def flat(network):
    """A network's weights in the order in which `remedies` keeps them."""
    return torch.cat([weight.detach().t().flatten() for weight in network.parameters()])


def test_a_round_is_what_the_library_plays():
    """Networks, losses, order of turns and Adam against ganlib.training, with latents that are the same."""
    setting = remedies_pair.Setting()
    G, layers_G, D, layers_D = plain_pair(setting)
    layers_G.sample_z = lambda n: next(latents)
    scalar_D = torch.nn.Sequential(layers_D, torch.nn.Flatten(0))
    rates = {"lr": remedies_pair.LR_G, "betas": remedies_pair.BETAS}, {"lr": remedies_pair.LR_D, "betas": remedies_pair.BETAS}
    opts = [torch.optim.Adam(net.parameters(), **rate) for net, rate in zip((layers_G, scalar_D), rates, strict=True)]
    run = training.Run(layers_G, scalar_D, *opts, G_ema=torch.nn.Identity())
    source = remedies.chance("grid", [3], torch.float64)
    for _ in range(2):
        reals, z = next(source)
        latents = iter([z[0, 0], z[1, 0]])
        D = remedies_pair.turn_of_D(setting, G, D, reals, z[0])
        G = remedies_pair.turn_of_G(setting, G, D, reals, z[1])
        training.discriminator_step(run, reals[0], remedies_objective(setting))
        training.generator_step(run, reals[0], remedies_objective(setting))
    for network, player in ((layers_G, G), (layers_D, D)):
        apart = (flat(network) - player.weights[0]).abs()
        assert (apart < 1e-6).double().mean() > 0.95  # the rest have gradients near Adam's 1e-8, which stands elsewhere in ours
        assert apart.max() < 3e-4


def remedies_objective(setting):
    return objectives.relativistic if setting.relativistic else objectives.nonsaturating


@pytest.mark.parametrize("relativistic", [False, True])
def test_losses_are_those_of_the_library(relativistic):
    setting = remedies_pair.Setting(relativistic=relativistic, gamma=0.3)
    _, _, D, layers_D = plain_pair(setting)
    reals, fakes = torch.randn(2, 1, 16, 2, dtype=torch.float64)
    objective, net = remedies_objective(setting), lambda x: layers_D(x).squeeze(1)
    expected = objective.d_loss(net(reals[0]), net(fakes[0])) + penalties.r1(net, reals[0], fakes[0], gamma=0.3)
    assert remedies_pair.loss_of_D(setting, D.weights, reals, fakes).item() == pytest.approx(expected.item(), abs=1e-12)
    ours = remedies_pair.loss_of_G(setting, D.weights, reals, fakes).item()
    assert ours == pytest.approx(objective.g_loss(net(reals[0]), net(fakes[0])).item(), abs=1e-12)


def test_unrolling_differentiates_through_the_answers():
    """Against a central difference of G's loss, D's answers played again at each side; holding D's answers would not do."""
    setting = remedies_pair.Setting(unroll=3)
    G, _, D, _ = plain_pair(setting)
    reals, z = next(remedies.chance("ring", [3], torch.float64))
    D = remedies_pair.turn_of_D(setting, G, D, reals, z[0])  # Adam's averages are no longer zero
    along = torch.randn(G.weights.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = G.weights.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(remedies_pair.answered_loss(setting, weights, G, D, reals, z[1]).sum(), weights)
    sides = [
        remedies_pair.answered_loss(setting, (G.weights + step * along).requires_grad_(True), G, D, reals, z[1]).item()
        for step in (1e-6, -1e-6)
    ]
    slope = (gradient * along).sum().item()
    assert slope == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-3)
    ahead = D
    for _ in range(3):
        ahead = remedies_pair.turn_of_D(setting, G, ahead, reals, z[1])
    held = remedies_pair.loss_of_G(setting, ahead.weights.detach(), reals, remedies_pair.generate(setting, weights, z[1])).sum()
    (other,) = torch.autograd.grad(held, weights)
    assert abs((other * along).sum().item() - slope) > 1e-2 * abs(slope)


def test_a_pack_is_judged_together_and_the_spread_sees_repetition():
    packed = remedies_pair.Setting(pack=2)
    D = remedies_pair.fresh(remedies_pair.d_tensors(packed), False, [0], 2, torch.float64)
    samples = torch.randn(1, 6, 2, dtype=torch.float64)
    logits = remedies_pair.judge(packed, D.weights, samples)
    assert logits.shape == (1, 3)
    swapped = samples[:, [1, 0, 2, 3, 4, 5]]
    changed = (remedies_pair.judge(packed, D.weights, swapped) - logits).abs()[0] > 1e-9
    assert changed.tolist() == [True, False, False]
    shown = remedies_pair.Setting(spread=True)
    D = remedies_pair.fresh(remedies_pair.d_tensors(shown), False, [0], 2, torch.float64)
    alone = remedies_pair.judge(shown, D.weights, samples)
    moved = torch.cat([samples[:, :5], samples[:, 5:] + 10], dim=1)
    assert ((remedies_pair.judge(shown, D.weights, moved) - alone).abs()[0] > 1e-6).all(), "one sample changes all logits"


def test_a_finished_row_is_kept_and_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr(remedies, "SEEDS", 2)
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    short = {"rounds": 3, "looks": (2,), "progress": False}
    first = remedies.kept("packed by two", "grid", **short)
    assert [row["round"] for row in first["along"]] == [2, 3] and len(first["along"][0]["scores"]) == 2
    monkeypatch.setattr(remedies_pair, "pair", lambda *_: pytest.fail("it was finished already"))
    assert remedies.kept("packed by two", "grid", **short) == first
    with pytest.raises(pytest.fail.Exception):
        remedies.kept("packed by two", "grid", **short | {"rounds": 4})
    monkeypatch.setattr(remedies, "BATCH", 32)
    with pytest.raises(pytest.fail.Exception):
        remedies.kept("packed by two", "grid", **short)
    monkeypatch.setattr(remedies, "opening", dict)
    written = json.loads(remedies.write_record([first], "short", tmp_path).read_text())
    assert written["rows"] == [first] and first["seed"] == first["seeds"] == [0, 1]
    assert written["configuration"].keys() == record.read("remedies")["configuration"].keys()


def test_the_first_rounds_are_those_recorded():
    recorded = record.read("remedies")
    played = remedies.opening()
    assert played.keys() == recorded["opening"].keys() == remedies_pair.SETTINGS.keys()
    for name, ours in played.items():
        for here, there in zip(ours, recorded["opening"][name], strict=True):
            assert here == pytest.approx(there, rel=1e-6), name
