"""The six games against the formulas as the papers print them, and against torch."""

import copy
import dataclasses
import math
import multiprocessing
import pickle

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from ganlib import data, objectives
from ganlib.objectives import hinge, minimax, nonsaturating, relativistic, wasserstein

GAMES = {
    name: getattr(objectives, name)
    for name in ("minimax", "nonsaturating", "least_squares", "hinge", "wasserstein", "relativistic")
}
each_game = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES.keys())


def D(logit):
    """The probability that the papers write."""
    return 1 / (1 + torch.exp(-logit))


def mean(x):
    return x.sum() / len(x)


# As printed, with r, f for D's outputs where these are no probabilities.
PRINTED = {
    "minimax": (lambda r, f: -mean(torch.log(D(r))) - mean(torch.log(1 - D(f))), lambda r, f: mean(torch.log(1 - D(f)))),
    "nonsaturating": (lambda r, f: -mean(torch.log(D(r))) - mean(torch.log(1 - D(f))), lambda r, f: -mean(torch.log(D(f)))),
    "least_squares": (lambda r, f: mean((r - 1) ** 2) / 2 + mean(f**2) / 2, lambda r, f: mean((f - 1) ** 2) / 2),
    "hinge": (
        lambda r, f: -mean(torch.minimum(torch.zeros_like(r), r - 1)) - mean(torch.minimum(torch.zeros_like(f), -f - 1)),
        lambda r, f: -mean(f),
    ),
    "wasserstein": (lambda r, f: mean(f) - mean(r), lambda r, f: -mean(f)),
    "relativistic": (lambda r, f: -mean(torch.log(D(r - f))), lambda r, f: -mean(torch.log(D(f - r)))),
}


@pytest.fixture
def logits():
    shuffle = torch.Generator().manual_seed(3)
    real, fake = 3 * torch.randn(2, 101, dtype=torch.float64, generator=shuffle)
    return real, fake


@pytest.mark.parametrize("name", GAMES)
def test_the_formula_as_printed(name, logits):
    for ours, printed in zip((GAMES[name].d_loss, GAMES[name].g_loss), PRINTED[name]):
        torch.testing.assert_close(ours(*logits), printed(*logits), rtol=1e-12, atol=1e-12)
        assert ours(*logits).shape == ()


def test_binary_cross_entropy(logits):
    real, fake = logits
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    torch.testing.assert_close(minimax.d_loss(real, fake), bce(real, ones) + bce(fake, zeros), rtol=1e-14, atol=0)
    torch.testing.assert_close(nonsaturating.g_loss(None, fake), bce(fake, ones), rtol=1e-14, atol=0)
    torch.testing.assert_close(minimax.g_loss(None, fake), -bce(fake, zeros), rtol=1e-14, atol=0)


def test_d_of_the_2014_game_is_the_same_with_either_loss_of_g(logits):
    assert minimax.d_loss(*logits) == nonsaturating.d_loss(*logits)


def test_the_two_losses_of_g_differ_by_the_mean_logit(logits):
    # log D - log(1 - D) is the logit, so the minimax loss is -(nonsaturating loss) - E f.
    _, fake = logits
    torch.testing.assert_close(minimax.g_loss(None, fake), -nonsaturating.g_loss(None, fake) - fake.mean(), rtol=1e-12, atol=0)


def test_zero_sum_games_sum_to_a_term_without_fakes(logits):
    real, fake = logits
    for game, rest in ((minimax, -torch.log(D(real)).mean()), (wasserstein, -real.mean())):
        torch.testing.assert_close(game.d_loss(real, fake) + game.g_loss(None, fake), rest, rtol=1e-12, atol=1e-12)


def test_relativistic_players_swap_sides(logits):
    real, fake = logits
    assert relativistic.d_loss(real, fake) == relativistic.g_loss(fake, real)
    torch.testing.assert_close(  # only differences matter
        relativistic.d_loss(real + 5, fake + 5), relativistic.d_loss(real, fake), rtol=1e-12, atol=0
    )


def gradients(loss, real, fake):
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    return torch.autograd.grad(loss(real, fake), (real, fake), allow_unused=True, materialize_grads=True)


DERIVATIVES = {  # of one sample's term, with respect to r and to f: D's loss, then G's
    "minimax": (lambda r, f: (D(r) - 1, D(f)), lambda r, f: (0 * r, -D(f))),
    "nonsaturating": (lambda r, f: (D(r) - 1, D(f)), lambda r, f: (0 * r, D(f) - 1)),
    "least_squares": (lambda r, f: (r - 1, f), lambda r, f: (0 * r, f - 1)),
    "hinge": (lambda r, f: (-1.0 * (r < 1), 1.0 * (f > -1)), lambda r, f: (0 * r, 0 * f - 1)),
    "wasserstein": (lambda r, f: (0 * r - 1, 0 * f + 1), lambda r, f: (0 * r, 0 * f - 1)),
    "relativistic": (lambda r, f: (D(r - f) - 1, 1 - D(r - f)), lambda r, f: (1 - D(f - r), D(f - r) - 1)),
}


@pytest.mark.parametrize("name", GAMES)
def test_derivatives(name, logits):
    for loss, derivative in zip((GAMES[name].d_loss, GAMES[name].g_loss), DERIVATIVES[name]):
        for found, expected in zip(gradients(loss, *logits), derivative(*logits)):
            torch.testing.assert_close(found, expected.double() / len(found), rtol=1e-10, atol=1e-14)


@each_game
def test_higher_means_more_real(game):
    """Between 0 and 1, where no game is content: raising r pleases D, raising f pleases G and displeases D."""
    real, fake = torch.rand(2, 50, dtype=torch.float64) * 0.98 + 0.01
    real_slope, fake_slope = gradients(game.d_loss, real, fake)
    assert (real_slope < 0).all()
    assert (fake_slope > 0).all()
    _, fake_slope = gradients(game.g_loss, real, fake)
    assert (fake_slope < 0).all()
    assert game.d_loss(real + 0.01, fake) < game.d_loss(real, fake) < game.d_loss(real, fake + 0.01)
    assert game.g_loss(real, fake + 0.01) < game.g_loss(real, fake)


AT_ZERO = {
    "minimax": (2 * math.log(2), -math.log(2)),
    "nonsaturating": (2 * math.log(2), math.log(2)),
    "least_squares": (0.5, 0.5),
    "hinge": (2.0, 0.0),
    "wasserstein": (0.0, 0.0),
    "relativistic": (math.log(2), math.log(2)),
}


@pytest.mark.parametrize("name", GAMES)
def test_the_values_where_d_knows_nothing(name):
    zero = torch.zeros(7, dtype=torch.float64)
    found = GAMES[name].d_loss(zero, zero).item(), GAMES[name].g_loss(zero, zero).item()
    assert found == pytest.approx(AT_ZERO[name], abs=1e-15)


@pytest.mark.parametrize("game", [minimax, nonsaturating, relativistic])
def test_sure_players_in_float32(game):
    """At logits of 10,000 the printed formula is infinite or not a number; ours is exact, and so is its derivative."""
    high, low = torch.full((4,), 1e4), torch.full((4,), -1e4)
    for real, fake, scale in ((high, low, 0.0), (low, high, 1.0)):
        value = game.d_loss(real, fake).item()
        assert value == scale * 2e4
        slopes = gradients(game.d_loss, real, fake)
        assert [slope.tolist() for slope in slopes] == [[-scale / 4] * 4, [scale / 4] * 4]
        assert torch.isfinite(game.g_loss(real, fake))
    name = next(name for name, value in GAMES.items() if value is game)
    assert not torch.isfinite(PRINTED[name][0](low, high))
    assert gradients(nonsaturating.g_loss, high, low)[1].tolist() == [-0.25] * 4  # G learns most where D is sure
    assert gradients(minimax.g_loss, high, low)[1].tolist() == [0.0] * 4  # and here nothing: saturation


@each_game
def test_losses_are_means_over_the_batch(game, logits):
    real, fake = logits
    for loss in (game.d_loss, game.g_loss):
        torch.testing.assert_close(loss(real.repeat(3), fake.repeat(3)), loss(real, fake), rtol=1e-12, atol=1e-12)
        order = torch.randperm(len(real))
        torch.testing.assert_close(loss(real[order], fake[order]), loss(real, fake), rtol=1e-12, atol=1e-12)


@each_game
def test_needs_reals_says_whether_g_looks_at_them(game):
    real, fake = torch.randn(2, 5)
    assert game.needs_reals == (game is relativistic)
    if game.needs_reals:
        with pytest.raises(ValueError, match="relativistic_g_loss needs real_logits"):
            game.g_loss(None, fake)
    else:
        assert game.g_loss(None, fake) == game.g_loss(real, fake)


def test_games_that_share_a_loss():
    fake = torch.randn(5)
    assert hinge.g_loss(None, fake) == wasserstein.g_loss(None, fake)
    assert hinge.d_loss(torch.full((3,), 2.0), torch.full((3,), -2.0)) == 0  # beyond the margin D is content


@pytest.mark.usefixtures("unchecked")
@each_game
@pytest.mark.parametrize(
    ("real", "fake", "error", "words"),
    [
        (torch.zeros(3, 1), torch.zeros(3), ValueError, r"real_logits must have shape \(batch,\).*got \(3, 1\)"),
        (torch.zeros(3), torch.zeros(3, 1), ValueError, r"fake_logits must have shape \(batch,\).*got \(3, 1\)"),
        (torch.zeros(()), torch.zeros(3), ValueError, r"real_logits must have shape \(batch,\).*got \(\)"),
        (torch.zeros(0), torch.zeros(0), ValueError, r"batch >= 1, got \(0,\)"),
        (torch.zeros(3), torch.zeros(4), ValueError, "one length, got 3 and 4"),
        (torch.zeros(3), torch.zeros(3, device="meta"), ValueError, "real_logits are on cpu, fake_logits on meta"),
        (
            torch.zeros(3),
            torch.zeros(3, dtype=torch.int64),
            TypeError,
            "fake_logits must be a dense floating-point.*torch.int64",
        ),
        (torch.zeros(3, dtype=torch.bool), torch.zeros(3), TypeError, "real_logits must be a dense floating-point.*torch.bool"),
        (torch.zeros(3), None, TypeError, "fake_logits must be a dense floating-point.*NoneType"),
        ([0.0], torch.zeros(1), TypeError, "real_logits must be a dense floating-point.*list"),
    ],
)
def test_bad_logits_are_refused(game, real, fake, error, words):
    for loss in (game.d_loss, game.g_loss):
        with pytest.raises(error, match=words):
            loss(real, fake)


@pytest.mark.usefixtures("unchecked")
@each_game
def test_d_always_needs_reals(game):
    with pytest.raises(ValueError, match=r"needs real_logits, a tensor of shape \(batch,\), got None"):
        game.d_loss(None, torch.zeros(3))


@each_game
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_of_half_precision_are_computed_in_float32(game, dtype):
    """Seven bits of a mantissa do not hold a mean: rounded to them, most of these losses would be others."""
    real, fake = (3 * torch.randn(2, 1000, generator=torch.Generator().manual_seed(5))).to(dtype)
    for loss in (game.d_loss, game.g_loss):
        found = loss(real, fake)
        assert found.dtype == torch.float32 and torch.equal(found, loss(real.float(), fake.float()))
        assert found.to(dtype).float() != found
        assert gradients(loss, real, fake)[1].dtype == dtype
        assert loss(real.double(), fake.double()).dtype == torch.float64


@each_game
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, dataclasses.replace, lambda x: pickle.loads(pickle.dumps(x))])
def test_an_objective_survives_copies(game, way):
    twin, logits = way(game), torch.randn(2, 5)
    assert twin == game and hash(twin) == hash(game)
    assert twin.d_loss(*logits) == game.d_loss(*logits) and twin.g_loss(*logits) == game.g_loss(*logits)
    assert twin.g_loss.__name__ == game.g_loss.__name__ != ""


def test_objectives_and_digits_reach_another_process():
    """A pool that starts fresh processes gets everything by pickle; what it cannot unpickle it waits for, for ever."""
    digits = data.digits("test")
    real, fake = torch.randn(2, 7)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap_async(nonsaturating.d_loss, [(real, fake)]).get(timeout=120)
        # The whole objective and the whole pair go there and come back, each as an argument of a function of Python's own.
        there = pool.map_async(copy.copy, [nonsaturating, digits]).get(timeout=120)
    assert found == [nonsaturating.d_loss(real, fake)]
    assert there[0] == nonsaturating and there[1].source == digits.source
    assert torch.equal(there[1].images, digits.images)


@pytest.mark.usefixtures("unchecked")
def test_an_objective_is_made_of_functions():
    with pytest.raises(TypeError, match=r"g_loss must be a function of \(real_logits, fake_logits\), got float"):
        objectives.Objective(objectives.hinge_d_loss, 1.0)


def test_an_objective_of_ones_own():
    game = objectives.Objective(lambda r, f: (r * f).sum(), lambda r, f: f.sum())
    assert game.d_loss(torch.tensor([2.0]), torch.tensor([3.0])) == 6
    with pytest.raises(ValueError, match="one length"):
        game.d_loss(torch.zeros(2), torch.zeros(3))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("loss", "found"), [(lambda r, f: f, r"\(3,\)"), (lambda r, f: f.mean().item(), "float")])
def test_a_loss_that_is_no_scalar_is_refused(loss, found):
    game = objectives.Objective(objectives.minimax_d_loss, loss)
    with pytest.raises(ValueError, match=rf"<lambda> must return a tensor of shape \(\), the mean over the batch, got {found}"):
        game.g_loss(None, torch.zeros(3))
