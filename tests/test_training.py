"""Algorithm 1, sentence by sentence: whose weights move in whose turn, with which samples, by which gradient."""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from ganlib import data, objectives, penalties, training
from ganlib.objectives import nonsaturating, relativistic
from ganlib.training import Run, discriminator_step, frozen, generator_step, train, update_ema

GAMES = [
    getattr(objectives, name) for name in ("minimax", "nonsaturating", "least_squares", "hinge", "wasserstein", "relativistic")
]


def weights(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def run(make_run):
    return make_run()


@pytest.fixture
def reals():
    return torch.rand(6, 1, 4, 4) * 2 - 1


# --- D's turn ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_ds_turn_leaves_g_alone(run, reals, game):
    G, D = weights(run.G), weights(run.D)
    discriminator_step(run, reals, game, penalties.r1)
    assert same(weights(run.G), G)
    assert all(p.grad is None for p in run.G.parameters())
    assert not run.opt_G.state
    assert not same(weights(run.D), D)


def test_ds_turn_moves_batch_statistics_of_g_only(run, reals):
    before = copy.deepcopy(run.G.state_dict())
    discriminator_step(run, reals, nonsaturating)
    moved = {name for name, value in run.G.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(name.split(".")[-1] in ("running_mean", "running_var", "num_batches_tracked") for name in moved)


@pytest.mark.parametrize("penalty", [None, partial(penalties.r1, gamma=2.0), partial(penalties.r2, gamma=3.0)])
def test_ds_turn_is_one_step_down_the_composed_loss(make_run, reals, penalty):
    run = make_run(optimiser=torch.optim.SGD, lr=0.5)
    D, G = copy.deepcopy(run.D), copy.deepcopy(run.G)
    torch.manual_seed(5)
    loss, real_logits, fake_logits = discriminator_step(run, reals, nonsaturating, penalty)
    torch.manual_seed(5)
    fakes = G(torch.randn(6, 3)).detach()
    by_hand = softplus(-D(reals)).mean() + softplus(D(fakes)).mean()
    assert torch.equal(real_logits, D(reals)) and torch.equal(fake_logits, D(fakes))
    if penalty is not None:
        x = (fakes if penalty.func is penalties.r2 else reals).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        by_hand = by_hand + penalty.keywords["gamma"] / 2 * gradient.square().sum() / 6
    torch.testing.assert_close(loss, by_hand.detach())
    slopes = torch.autograd.grad(by_hand, list(D.parameters()), allow_unused=True, materialize_grads=True)
    for new, old, slope in zip(run.D.parameters(), D.parameters(), slopes):
        torch.testing.assert_close(new, old - 0.5 * slope)


def test_what_a_turn_returns_is_detached(run, reals):
    returned = [*discriminator_step(run, reals, nonsaturating), generator_step(run, reals, nonsaturating)]
    assert not any(value.requires_grad for value in returned)


# --- G's turn ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_gs_turn_leaves_d_alone(run, reals, game):
    for p in run.D.parameters():
        p.grad = torch.full_like(p, 7.0)
    before, grads = weights(run.D), [p.grad for p in run.D.parameters()]
    G = weights(run.G)
    generator_step(run, reals, game)
    assert same(weights(run.D), before)
    for p, grad in zip(run.D.parameters(), grads):
        assert p.grad is grad and (grad == 7).all()
    assert not run.opt_D.state
    assert all(p.requires_grad for p in run.D.parameters())
    assert not same(weights(run.G), G)


@pytest.mark.parametrize("game", GAMES)
def test_gs_turn_is_one_step_down_the_composed_loss(make_run, reals, game):
    run = make_run(optimiser=torch.optim.SGD, lr=0.5)
    D, G = copy.deepcopy(run.D), copy.deepcopy(run.G)
    torch.manual_seed(5)
    loss = generator_step(run, reals, game)
    torch.manual_seed(5)
    by_hand = game.g_loss(D(reals), D(G(torch.randn(6, 3))))
    torch.testing.assert_close(loss, by_hand.detach())
    slopes = torch.autograd.grad(by_hand, list(G.parameters()))
    for new, old, slope in zip(run.G.parameters(), G.parameters(), slopes):
        torch.testing.assert_close(new, old - 0.5 * slope)


def test_reals_are_judged_in_gs_turn_only_if_the_game_needs_them(run, reals):
    judged = []
    run.D.register_forward_hook(lambda D, args, out: judged.append(args[0] is reals))
    generator_step(run, reals, nonsaturating)
    assert judged == [False]
    generator_step(run, reals, relativistic)
    assert judged == [False, False, True]


def test_old_gradients_do_not_add_up(make_run, reals):
    """Two turns on the same data from the same weights give the same gradient, not twice."""
    run = make_run(optimiser=torch.optim.SGD, lr=0.0)
    for turn, network in ((discriminator_step, run.D), (generator_step, run.G)):
        found = []
        for _ in range(2):
            torch.manual_seed(1)
            turn(run, reals, nonsaturating)
            found.append([p.grad.clone() for p in network.parameters()])
        assert all(torch.equal(a, b) for a, b in zip(*found))


@pytest.mark.parametrize("penalty", [None, penalties.r1, penalties.gradient_penalty])
def test_one_backward_and_one_step_a_turn(run, reals, penalty, monkeypatch):
    counts = {"backward": 0, "opt_D": 0, "opt_G": 0}
    backward = torch.Tensor.backward

    def counted(self, *args, **kwargs):
        counts["backward"] += 1
        return backward(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "backward", counted)
    for name in ("opt_D", "opt_G"):
        getattr(run, name).register_step_post_hook(lambda *_, name=name: counts.__setitem__(name, counts[name] + 1))
    discriminator_step(run, reals, nonsaturating, penalty)
    assert counts == {"backward": 1, "opt_D": 1, "opt_G": 0}
    generator_step(run, reals, nonsaturating)
    assert counts == {"backward": 2, "opt_D": 1, "opt_G": 1}


# --- frozen --------------------------------------------------------------------------------------------------------------


def test_frozen_lets_gradients_through_and_keeps_none():
    layer = nn.Linear(2, 1)
    x = torch.ones(1, 2, requires_grad=True)
    with frozen(layer):
        assert not any(p.requires_grad for p in layer.parameters())
        out = layer(x)
    assert all(p.requires_grad for p in layer.parameters())
    out.sum().backward()
    assert torch.equal(x.grad, layer.weight.detach())
    assert layer.weight.grad is None and layer.bias.grad is None


def test_frozen_leaves_frozen_what_was():
    network = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 1))
    with frozen(network):
        assert not any(p.requires_grad for p in network.parameters())
    assert [p.requires_grad for p in network.parameters()] == [False, False, True, True]


def test_frozen_ends_when_something_fails():
    layer = nn.Linear(2, 1)
    with pytest.raises(ZeroDivisionError), frozen(layer):
        1 / 0  # noqa: B018
    assert all(p.requires_grad for p in layer.parameters())


# --- what is not finite --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_before_the_weights(run, reals, value):
    game = {
        "D": objectives.Objective(lambda r, f: f.sum() * value, lambda r, f: f.sum()),
        "G": objectives.Objective(lambda r, f: f.sum(), lambda r, f: f.sum() * value),
    }
    run.step = 41
    for player, turn, network in (("D", discriminator_step, run.D), ("G", generator_step, run.G)):
        before = weights(network)
        with pytest.raises(FloatingPointError, match=f"round 42: the loss of {player} is -?(nan|inf); its weights were not"):
            turn(run, reals, game[player])
        assert same(weights(network), before)
        assert all(p.grad is None for p in network.parameters())
        assert all(p.requires_grad for p in network.parameters())


def test_a_penalty_that_is_not_finite_stops_d(run, reals):
    with pytest.raises(FloatingPointError, match="round 1: the loss of D is nan"):
        discriminator_step(run, reals, nonsaturating, lambda D, reals, fakes: torch.tensor(float("nan")))


def test_a_sample_that_is_not_finite_stops_the_loop(run, images):
    def spoiled():
        for number, batch in enumerate(data.batches(images, 8)):
            yield batch if number < 3 else batch * float("nan")

    with pytest.raises(FloatingPointError, match="round 4: the loss of D is nan"):
        list(train(run, spoiled(), nonsaturating, steps=10))
    assert run.step == 3


# --- the average ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_ema_of_a_constant(make_run, decay):
    """After n updates with G held at g: g + decay^n (start - g), the batch statistics too."""
    G, G_ema = make_run(1, dtype=torch.float64).G, make_run(2, dtype=torch.float64).G
    G(G.sample_z(9))
    start = copy.deepcopy(G_ema.state_dict())
    for _ in range(7):
        update_ema(G_ema, G, decay)
    for name, value in G_ema.state_dict().items():
        goal = G.state_dict()[name]
        expected = goal + decay**7 * (start[name] - goal) if goal.is_floating_point() else goal
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-14)
    assert any("running_var" in name for name in start)
    assert any(name.endswith("num_batches_tracked") and value == 1 for name, value in G_ema.state_dict().items())


def test_ema_follows_the_recursion_and_leaves_g_alone(make_run):
    G, G_ema = make_run(1, dtype=torch.float64).G, make_run(2, dtype=torch.float64).G
    expected = weights(G_ema)
    for _ in range(5):
        with torch.no_grad():
            for p in G.parameters():
                p.add_(torch.randn_like(p))
        before = weights(G)
        update_ema(G_ema, G, 0.9)
        assert same(weights(G), before)
        expected = {name: 0.9 * expected[name] + 0.1 * before[name] for name in expected}
    for name, value in weights(G_ema).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 999.0, float("nan")])
def test_ema_decay_out_of_range(make_run, decay):
    run = make_run()
    with pytest.raises(ValueError, match=rf"decay must lie in \[0, 1\), got {decay}"):
        update_ema(run.G_ema, run.G, decay)


def test_an_average_of_another_architecture_is_refused(make_run):
    run, before = make_run(), weights(make_run().G)
    for other in (nn.Linear(2, 2), nn.Sequential(*[nn.Linear(2, 2)] * len(list(run.G.state_dict())))):
        with pytest.raises(ValueError, match="G_ema must have the architecture of G"):
            update_ema(run.G_ema, other, 0.9)
    assert same(weights(run.G_ema), before)


def test_the_average_starts_as_a_copy(run, make_run):
    assert same(weights(run.G_ema), weights(run.G))
    assert run.G_ema is not run.G and not run.G_ema.training and run.G.training
    assert not any(p.requires_grad for p in run.G_ema.parameters())
    other = make_run(3)
    own = Run(run.G, run.D, run.opt_G, run.opt_D, G_ema=other.G)
    assert own.G_ema is other.G
    assert Run(run.G, run.D, run.opt_G, run.opt_D).G_ema is not run.G_ema


# --- the loop ------------------------------------------------------------------------------------------------------------


def recorded(batches):
    seen = []

    def copying():
        for batch in batches:
            seen.append(batch)
            yield batch

    return seen, copying()


@pytest.mark.parametrize("d_steps", [1, 2, 5])
def test_a_round_is_k_turns_of_d_and_one_of_g(run, images, d_steps, monkeypatch):
    turns = []
    for player in ("discriminator", "generator"):
        step = getattr(training, f"{player}_step")

        def noted(run, reals, *args, step=step, player=player):
            turns.append((player[0], reals))
            return step(run, reals, *args)

        monkeypatch.setattr(training, f"{player}_step", noted)
    seen, source = recorded(data.batches(images, 8))
    assert [losses.step for losses in train(run, source, nonsaturating, steps=3, d_steps=d_steps)] == [1, 2, 3]
    assert "".join(player for player, _ in turns) == ("d" * d_steps + "g") * 3
    assert len(seen) == 3 * d_steps  # fresh reals for every turn of D
    judged = [reals for player, reals in turns if player == "d"]
    assert all(a is b for a, b in zip(judged, seen, strict=True))


def test_every_turn_draws_its_own_latents(run, images):
    drawn = []
    sample_z = run.G.sample_z

    def noted(n):
        drawn.append(sample_z(n))
        return drawn[-1]

    run.G.sample_z = noted
    list(train(run, data.batches(images, 8), nonsaturating, steps=2, d_steps=2))
    assert [len(z) for z in drawn] == [8] * 6
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))


def test_rounds_by_hand(make_run, images):
    """train is the two turns and the average, in this order, and reports D's last turn."""
    ours, theirs = make_run(), make_run()
    penalty = partial(penalties.r1, gamma=0.1)
    torch.manual_seed(2)
    found = list(train(ours, data.batches(images, 8), nonsaturating, penalty, steps=3, d_steps=2, ema_decay=0.2, ema_share=0.2))
    torch.manual_seed(2)
    source = data.batches(images, 8)
    for number, losses in enumerate(found, start=1):
        discriminator_step(theirs, next(source), nonsaturating, penalty)
        reals = next(source)
        loss_D, real_logits, fake_logits = discriminator_step(theirs, reals, nonsaturating, penalty)
        loss_G = generator_step(theirs, reals, nonsaturating)
        update_ema(theirs.G_ema, theirs.G, 0.2 * number / (0.2 * number + 1) if number == 1 else 0.2)
        prob_real, prob_fake = (x.sigmoid().mean().item() for x in (real_logits, fake_logits))
        assert losses == (number, loss_D.item(), loss_G.item(), prob_real, prob_fake)
    for part in ("G", "D", "G_ema"):
        assert same(getattr(ours, part).state_dict(), getattr(theirs, part).state_dict())


def test_the_loop_can_be_left_and_taken_up(make_run, images):
    one, two = make_run(), make_run()
    torch.manual_seed(2)
    list(train(one, data.batches(images, 8), nonsaturating, steps=6))
    torch.manual_seed(2)
    source = data.batches(images, 8)
    for losses in train(two, source, nonsaturating, steps=100):
        if losses.step == 4:
            break
    assert two.step == 4
    assert [losses.step for losses in train(two, source, nonsaturating, steps=2)] == [5, 6]
    assert same(one.G.state_dict(), two.G.state_dict()) and same(one.G_ema.state_dict(), two.G_ema.state_dict())


def test_no_rounds(run, images):
    before = weights(run.G)
    assert list(train(run, data.batches(images, 8), nonsaturating, steps=0)) == []
    assert run.step == 0 and same(weights(run.G), before)


@pytest.mark.parametrize(("steps", "d_steps"), [(-1, 1), (1, 0), (1, -2)])
def test_counts_out_of_range(run, images, steps, d_steps):
    with pytest.raises(ValueError, match=rf"steps must be >= 0 and d_steps >= 1, got {steps} and {d_steps}"):
        next(train(run, data.batches(images, 8), nonsaturating, steps=steps, d_steps=d_steps))


@pytest.mark.parametrize(("decay", "share"), [(1.0, 0.1), (-0.1, 0.1), (2.0, 0.1), (0.9, -1.0), (float("nan"), 0.1)])
def test_memory_out_of_range(run, images, decay, share):
    with pytest.raises(ValueError, match=r"ema_decay must lie in \[0, 1\) and ema_share be >= 0, got"):
        next(train(run, data.batches(images, 8), nonsaturating, steps=1, ema_decay=decay, ema_share=share))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        (None, ValueError, "batches must be endless.*got an end"),
        (torch.zeros(0, 1, 4, 4), ValueError, "of one sample at least; got none"),
        (torch.zeros(5, 1, 4, 4, dtype=torch.uint8), TypeError, "must be torch.float32 as D's weights are, got torch.uint8"),
        (torch.zeros(5, 1, 4, 4, dtype=torch.float64), TypeError, "must be torch.float32.*got torch.float64"),
        (torch.zeros(5, 1, 4, 4, device="meta"), ValueError, "must be on cpu as D is, got meta"),
    ],
)
def test_bad_batches_stop_the_run_before_a_turn(run, reals, batch, error, words):
    rounds = train(run, iter([reals] if batch is None else [reals, batch]), nonsaturating, steps=5)
    next(rounds)
    before = weights(run.D), weights(run.G)
    with pytest.raises(error, match=words):
        next(rounds)
    assert same(weights(run.D), before[0]) and same(weights(run.G), before[1]) and run.step == 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("reals", "error", "words"),
    [
        (torch.zeros(0, 1, 4, 4), ValueError, "at least 1, got 0"),
        (torch.zeros(5, 16), ValueError, r"images must have shape \(batch, 1, 4, 4\).*got \(5, 16\)"),
        (torch.zeros(5, 1, 4, 4, dtype=torch.uint8), TypeError, "floating point in .*got torch.uint8"),
        (torch.zeros(5, 1, 4, 4, dtype=torch.float64), RuntimeError, "same dtype, but got Double and Float"),
        (torch.zeros(5, 1, 4, 4, device="meta"), RuntimeError, "cpu.*meta"),
    ],
)
def test_bad_reals_change_nothing(run, reals, error, words):
    before = weights(run.D), weights(run.G)
    with pytest.raises(error, match=words):
        discriminator_step(run, reals, nonsaturating)
    assert same(weights(run.D), before[0]) and same(weights(run.G), before[1])


@pytest.mark.usefixtures("unchecked")
def test_a_d_that_keeps_its_last_axis_is_refused(run, reals):
    """(batch, 1) logits would broadcast to (batch, batch) in the relativistic game, in silence."""
    run.D = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    with pytest.raises(ValueError, match=r"real_logits must have shape \(batch,\) with batch >= 1, got \(6, 1\)"):
        discriminator_step(run, reals, relativistic)


@pytest.mark.parametrize("game", [objectives.minimax, nonsaturating])
def test_a_shift_is_learned(game):
    """G(z) = z + b against N(3, 1), with R1: b settles at 3. Six seeds and both games gave 2.961 to 2.981."""

    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.b = nn.Parameter(torch.zeros(1))

        def forward(self, z):
            return z + self.b

        def sample_z(self, n):
            return torch.randn(n, 1)

    G, D = Shift(), nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    run = Run(G, D, torch.optim.SGD(G.parameters(), lr=0.2), torch.optim.SGD(D.parameters(), lr=0.2))
    source = iter(lambda: 3 + torch.randn(64, 1), None)
    for _ in train(run, source, game, partial(penalties.r1, gamma=1.0), steps=500, ema_decay=0.99):
        pass
    assert 2.9 < run.G_ema.b.item() < 3.05
