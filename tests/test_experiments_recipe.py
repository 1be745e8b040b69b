"""The modern recipe: rows are what they are called, seeds together are seeds alone, and first rounds are those recorded."""

import pytest
import recipe_limited as limited
import recipe_plane as plane
import recipe_stacked as stacks
import remedies
import remedies_pair
import torch
from torch import nn

from ganlib import data, objectives, penalties, record, training


def last(name, seeds, rounds=3):
    *_, (G, D) = plane.play(plane.ROWS[name], "ring", seeds, rounds, dtype=torch.float64)
    return G, D


@pytest.mark.parametrize("name", ["unpaired", "paired, R1, R2", "every 4", "by difference"])
def test_seeds_together_are_the_seeds_alone(name):
    together = last(name, [0, 5])
    for place, seed in enumerate([0, 5]):
        for ours, alone in zip(together, last(name, [seed]), strict=True):
            assert torch.allclose(ours.weights[place], alone.weights[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("cell", "remedy"), [("unpaired", "plain"), ("paired", "relativistic")])
def test_cells_without_penalties_are_rows_of_chapter_11(cell, remedy):
    *_, theirs = remedies.play(remedies_pair.SETTINGS[remedy], "ring", [0, 1], 3, dtype=torch.float64)
    for ours, other in zip(last(cell, [0, 1]), theirs, strict=True):
        assert torch.equal(ours.weights, other.weights)


@pytest.mark.parametrize("name", plane.CELLS)
def test_losses_are_those_of_the_library(name):
    """Value and gradient at D's weights, of a D of chapter 11, against ganlib's objectives and penalties."""
    recipe = plane.ROWS[name]
    _, D = remedies_pair.pair(recipe.setting(), [3], torch.float64)
    weights = D.weights.clone().requires_grad_()
    reals, fakes = torch.randn(2, 1, 16, 2, dtype=torch.float64)
    ours = plane.penalised_loss(recipe, weights, reals, fakes, 0, []).sum()

    def judge(x):
        return remedies_pair.judge(recipe.setting(), weights, x[None])[0]

    game = objectives.relativistic if recipe.paired else objectives.nonsaturating
    expected = game.d_loss(judge(reals[0]), judge(fakes[0]))
    for penalty, gamma in ((penalties.r1, recipe.r1), (penalties.r2, recipe.r2)):
        expected = expected + penalty(judge, reals[0], fakes[0], gamma=gamma)
    for one, other in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    assert ours.item() == pytest.approx(expected.item(), abs=1e-12)


def test_a_lazy_penalty_comes_in_every_kth_turn_k_times_as_strong():
    full, lazy, bare = (plane.ROWS[name] for name in ("paired, R1, R2", "every 4", "paired"))
    _, D = remedies_pair.pair(full.setting(), [3], torch.float64)
    reals, fakes = torch.randn(2, 1, 16, 2, dtype=torch.float64)
    always, never = (plane.penalised_loss(recipe, D.weights, reals, fakes, 0, []).item() for recipe in (full, bare))
    found = [plane.penalised_loss(lazy, D.weights, reals, fakes, turn, []).item() - never for turn in range(6)]
    assert found == pytest.approx([4 * (always - never), 0, 0, 0, 4 * (always - never), 0], abs=1e-12)


def test_the_difference_has_the_mean_of_the_square():
    exact, difference = plane.FULL, plane.ROWS["by difference"]
    _, D = remedies_pair.pair(exact.setting(), [3], torch.float64)
    x = torch.randn(1, 8, 2, dtype=torch.float64).repeat(1, 4000, 1).requires_grad_()
    logits = remedies_pair.judge(exact.setting(), D.weights, x)
    dice = [torch.Generator().manual_seed(1)]
    found = [plane.squared_slope(recipe, D.weights, x, logits, dice).item() for recipe in (exact, difference)]
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_the_stacked_pair_is_without_normalisation_and_its_cells_are_what_they_say():
    run = stacks.begin(0)
    assert not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for net in (run.G, run.D) for layer in net.modules())
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0))
    reals, fakes = torch.randn(2, 6, 1, 2, 2)
    one, two = (penalty(D, reals, fakes, gamma=1.0).item() for penalty in (penalties.r1, penalties.r2))
    for cell in stacks.CELLS.values():
        penalty = stacks.penalty_of(cell["r1"], cell["r2"])
        assert (penalty is None) == (not cell["r1"] and not cell["r2"])
        if penalty:
            assert penalty(D, reals, fakes).item() == pytest.approx(one * cell["r1"] + two * cell["r2"], abs=1e-6)


def test_moves_are_bounded_and_leave_the_background():
    maps = limited.drawn_moves(4000)
    scale = 1 / torch.linalg.det(maps[:, :, :2]).sqrt()
    turn = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0])).abs()
    assert 0.9 <= scale.min() < 0.91 and 1.09 < scale.max() <= 1.1 and 14 < turn.max() <= 15.001
    assert 2.9 < (maps[:, :, 2] * 14).abs().max() <= 3.001
    same = torch.eye(2, 3).expand(5, -1, -1)
    images = data.to_float(data.digits("test").images[:5])
    torch.testing.assert_close(limited.displaced(images, same), images, rtol=0, atol=1e-5)
    black = torch.full((5, 1, 28, 28), -1.0)
    assert torch.equal(limited.displaced(black, maps[:5]), black)


def test_the_fake_of_a_pair_makes_the_move_of_its_real():
    images = data.digits("test").images
    reals, maps = next(limited.shown(images, "paired", 0))
    assert torch.equal(reals, limited.displaced(next(data.batches(images, limited.BATCH, 0)), maps))
    run, other = limited.begin(0, "paired"), limited.begin(0, "each its own")
    z = run.G.sample_z(len(reals))
    torch.testing.assert_close(run.G(z, maps), limited.displaced(run.G(z), maps))
    assert (other.G(z, maps) - limited.displaced(other.G(z), maps)).abs().max() > 0.1
    assert isinstance(next(limited.shown(images, "plain", 0)), torch.Tensor)
    training.discriminator_step(run, reals, objectives.relativistic, given=(maps,))  # the loop takes it as it is


@pytest.mark.parametrize("experiment", [plane, stacks, limited], ids=lambda module: module.__name__)
def test_the_first_rounds_are_those_recorded(experiment, real_mnist):
    recorded = record.read(experiment.__name__)["opening"]
    if experiment is not plane and real_mnist is None:
        assert recorded
        return
    played = experiment.opening()
    assert played.keys() == recorded.keys()
    for name, values in played.items():
        one, other = (list(x.values()) if isinstance(x, dict) else x for x in (values, recorded[name]))
        torch.testing.assert_close(torch.tensor(one), torch.tensor(other), rtol=1e-4, atol=1e-4)  # another processor rounds


def test_the_records_are_whole():
    recorded = record.read("recipe_plane")
    assert [(row["task"], row["name"]) for row in recorded["rows"]] == [
        (task, name) for group in plane.GROUPS.values() for task in remedies.TASKS for name in group
    ]
    assert all(row["seeds"] == list(range(plane.SEEDS)) and row["rounds"] == plane.ROUNDS for row in recorded["rows"])
    assert recorded["configuration"]["gamma"] == plane.GAMMA
    runs = record.read("recipe_stacked")["runs"]
    wanted = {(name, seed) for name in [*stacks.CELLS, "by difference"] for seed in range(stacks.SEEDS)}
    assert {(run["name"], run["seed"]) for run in runs} == wanted and len(runs) == len(wanted)
    assert all(run["ended"] or run["along"][-1]["step"] == stacks.ROUNDS for run in runs)
    runs = record.read("recipe_limited")["runs"]
    assert {(run["way"], run["seed"]) for run in runs} == {(way, seed) for way in limited.WAYS for seed in range(limited.SEEDS)}
    assert all(run["along"][-1]["step"] == limited.ROUNDS for run in runs)
