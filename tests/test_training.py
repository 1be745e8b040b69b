"""Algorithm 1, sentence by sentence: whose weights move in whose turn, with which samples, by which gradient."""

import copy
import itertools
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot, softplus
from torch.utils._python_dispatch import TorchDispatchMode

from ganlib import conditional, conv, data, information, modulation, networks, objectives, penalties, training
from ganlib.checkpoints import load, save
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


OPTIMISERS = {
    "Adam": torch.optim.Adam,
    "fused Adam": partial(torch.optim.Adam, fused=True),
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "fused momentum": partial(torch.optim.SGD, momentum=0.9, fused=True),
}
BROKEN = {
    "nan": lambda x: x * float("nan"),
    "inf": lambda x: x * float("inf"),
    "gradient": lambda x: (x - x.detach()).abs().sqrt() + 1,  # finite, and its derivative is not
}


def whole_state(run):
    """Weights, average, and what both optimisers remember."""
    parts = {name: copy.deepcopy(getattr(run, name).state_dict()) for name in ("G", "D", "G_ema")}
    return parts | {name: copy.deepcopy(getattr(run, name).state_dict()["state"]) for name in ("opt_G", "opt_D")}


def weights_of(state, name):
    return {key: value for key, value in state[name].items() if "running" not in key and "num_batches" not in key}


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("first", [True, False])
def test_a_step_that_is_not_finite_moves_nothing(make_run, reals, optimiser, how, first):
    """Whether it is the first step of the optimiser or a later one, weights and what the optimiser remembers stay."""
    run = make_run(optimiser=OPTIMISERS[optimiser])
    healthy = objectives.Objective(lambda r, f: f.mean(), lambda r, f: f.mean())
    game = objectives.Objective(lambda r, f: BROKEN[how](f.mean()), lambda r, f: BROKEN[how](f.mean()))
    for player, turn in (("D", discriminator_step), ("G", generator_step)):
        network, opt = getattr(run, player), getattr(run, f"opt_{player}")
        if not first:
            turn(run, reals, healthy)
        before, moments = weights(network), [copy.deepcopy(opt.state[w]) for w in network.parameters() if w in opt.state]
        turn(run, reals, game)
        assert same(weights(network), before)
        after = [opt.state[w] for w in network.parameters() if w in opt.state]
        zeros = [{key: torch.zeros_like(value) for key, value in state.items()} for state in after]
        for now, then in zip(after, moments or zeros, strict=True):
            assert all(torch.equal(now[key], then[key]) for key in now)
        turn(run, reals, healthy)  # and it goes on as if nothing had been
        assert not same(weights(network), before) and all(p.isfinite().all() for p in network.parameters())


def spoiled(source, at, value=float("nan")):
    for number, batch in enumerate(source, start=1):
        yield batch * value if number == at else batch


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize(
    ("look", "d_steps", "at", "left"), [(1, 1, 4, 3), (1, 2, 8, 3), (5, 1, 4, 3), (10, 2, 7, 3), (5, 3, 1, 0)]
)
def test_a_batch_that_is_not_finite_stops_the_run_as_it_was(make_run, images, optimiser, look, d_steps, at, left):
    """Whenever the loop looks, it names the round and the player; weights, average and optimisers are those of its start."""
    run, other = (make_run(optimiser=OPTIMISERS[optimiser]) for _ in range(2))
    torch.manual_seed(2)
    source = data.batches(images, 8)
    cause = "D's loss, logits on reals" if at == d_steps * -(-at // d_steps) and look == 1 else "its loss or a gradient"
    with pytest.raises(FloatingPointError, match=f"round {left + 1}, turn of D: not finite: {cause}; its weights"):
        list(train(run, spoiled(source, at), nonsaturating, steps=10, d_steps=d_steps, look=look))
    assert run.step == left and run.watch is None
    torch.manual_seed(2)
    list(train(other, data.batches(images, 8), nonsaturating, steps=left, d_steps=d_steps))
    ours, theirs = whole_state(run), whole_state(other)
    if at == 1 + left * d_steps:  # D's first turn of the round failed; else its turns before that one have moved D
        assert same(weights_of(ours, "D"), weights_of(theirs, "D"))
    assert same(weights_of(ours, "G"), weights_of(theirs, "G")) and same(ours["G_ema"], theirs["G_ema"])
    source = data.batches(images, 8)
    assert [losses.step for losses in train(run, source, nonsaturating, steps=2)] == [left + 1, left + 2]


@pytest.mark.parametrize("look", [1, 4])
def test_a_loss_of_g_that_is_not_finite_names_g(run, images, look):
    calls = itertools.count(1)
    game = objectives.Objective(nonsaturating.d_loss, lambda r, f: f.mean() * (float("inf") if next(calls) >= 3 else 1))
    G = weights(run.G_ema)
    with pytest.raises(FloatingPointError, match="round 3, turn of G: not finite: G's loss; its weights"):
        for _ in train(run, data.batches(images, 8), game, steps=10, look=look):
            G = weights(run.G_ema)
    assert run.step == 2
    assert look > 1 or same(weights(run.G_ema), G)


def test_fakes_that_are_not_finite_are_said_to_be_fakes(run, images):
    run.G.sample_z = lambda n, draw=run.G.sample_z: draw(n) * float("nan")
    with pytest.raises(FloatingPointError, match=r"round 1, turn of D: not finite: D's loss, .*logits on fakes; its"):
        list(train(run, data.batches(images, 8), nonsaturating, steps=3))


def test_a_penalty_that_is_not_finite_moves_nothing(run, reals):
    before = weights(run.D)
    loss, *_ = discriminator_step(run, reals, nonsaturating, lambda D, reals, fakes: torch.tensor(float("nan")))
    assert loss.isnan() and same(weights(run.D), before)


class Reads(TorchDispatchMode):
    """Counts numbers that are read from the device, one by one or by a copy to the host."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.numbers += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimiser", ["fused Adam", "momentum", "fused momentum"])
@pytest.mark.parametrize("penalty", [None, penalties.r1, penalties.r2_by_difference, penalties.gradient_penalty])
def test_a_turn_reads_nothing_and_a_look_once(make_run, images, reals, monkeypatch, optimiser, penalty):
    run, looks = make_run(optimiser=OPTIMISERS[optimiser]), []
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda self, tolist=torch.Tensor.tolist: looks.append(len(self)) or tolist(self)
    )
    source = data.batches(images, 8)
    with Reads() as reads:
        discriminator_step(run, reals, relativistic, penalty)
        generator_step(run, reals, relativistic, lambda z, reals, fakes: fakes.mean())
        assert reads.numbers == 0 and not looks
        seen = [losses.step for losses in train(run, source, nonsaturating, penalty, steps=7, look=3)]
    assert seen == [3, 6, 7]
    assert reads.numbers == 0 and looks == [5, 5, 5]  # five numbers in one piece


def a_pair(name):
    """G, D, what is given with a batch of six and the extra, of the pairs beside chapter 8's."""
    labels, shape = (torch.tensor([0, 1, 2, 0, 1, 2]),), (1, 4, 4)
    if name in ("concatenation", "projection"):
        D = conditional.ConcatDiscriminator if name == "concatenation" else conditional.ProjectionDiscriminator
        return conditional.ConditionalGenerator(3, 3, (4, 5), shape), D(shape, 3, (4,)), labels, None
    if name == "convolutions":
        return (
            conditional.ConvConditionalGenerator(3, 3, shape),
            conditional.ConvProjectionDiscriminator(shape, 3),
            labels,
            None,
        )
    if name == "codes":
        G = information.InfoGenerator(3, 2, 2, shape)
        return G, conv.DCGANDiscriminator(shape), (), partial(information.code_loss, G)
    return modulation.StyleGenerator(3, (4, 5), image_shape=shape), networks.MLPDiscriminator(shape, (4,)), (), None


@pytest.mark.parametrize("default", ["cpu", "meta"])
@pytest.mark.parametrize("name", ["concatenation", "projection", "convolutions", "codes", "styles"])
def test_a_turn_of_every_pair_reads_nothing(reals, name, default):
    """Nor does it draw or make anything on another device than that of the weights."""
    G, D, given, extra = a_pair(name)
    run = Run(G, D, *(torch.optim.Adam(net.parameters(), fused=True) for net in (G, D)))
    with torch.device(default), Reads() as reads:
        discriminator_step(run, reals, nonsaturating, given=given)
        generator_step(run, reals, nonsaturating, extra, given)
    assert reads.numbers == 0


@pytest.mark.parametrize("look", [1, 2, 3, 100])
def test_looking_changes_nothing(make_run, images, look):
    runs = [make_run(), make_run()]
    seen = []
    for run, every in zip(runs, (1, look)):
        torch.manual_seed(2)
        seen.append({row.step: row for row in train(run, data.batches(images, 8), nonsaturating, steps=7, look=every)})
    assert list(seen[1]) == sorted({*range(look, 8, look), 7})
    assert all(seen[0][step] == row for step, row in seen[1].items())
    for name in ("G", "D", "G_ema"):
        assert same(getattr(runs[0], name).state_dict(), getattr(runs[1], name).state_dict())


# --- penalties see D's verdict -------------------------------------------------------------------------------------------


def counted(D):
    asked = []
    D.register_forward_hook(lambda D, args, out: asked.append(len(args[0])))
    return asked


@pytest.mark.parametrize(
    ("penalty", "asked"),
    [
        (None, 2),
        (penalties.r1, 2),
        (lambda D, reals, fakes: penalties.r1(D, reals, fakes) + penalties.r2(D, reals, fakes), 2),
        (penalties.r1_by_difference, 3),
        (penalties.gradient_penalty, 3),
    ],
)
def test_d_is_not_asked_again_about_what_it_has_judged(run, reals, penalty, asked):
    times = counted(run.D)
    discriminator_step(run, reals, nonsaturating, penalty)
    assert len(times) == asked
    assert not reals.requires_grad and reals.grad is None


def test_a_penalty_of_a_d_with_dropout_differentiates_the_verdict_it_gave(make_run, reals):
    """D asked twice would drop other units the second time."""
    run = make_run()
    run.D.layers.insert(2, nn.Dropout(0.5))
    logits, slopes = [], []

    def penalty(D, reals, fakes):
        logits.append(D(reals))
        slopes.append(penalties.input_grad(D, reals))
        return 0 * slopes[0].sum()

    _, real_logits, _ = discriminator_step(run, reals, nonsaturating, penalty)
    assert torch.equal(logits[0].detach(), real_logits) and slopes[0].abs().sum() > 0


# --- conditions and extra losses -----------------------------------------------------------------------------------------


class ConditionalG(nn.Module):
    """(z, label) to a point: a mean for every label and a learned spread."""

    def __init__(self, classes=8):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(nn.Linear(2 + classes, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))

    def sample_z(self, n, generator=None):
        return torch.randn(n, 2, generator=generator)

    def forward(self, z, labels):
        return self.layers(torch.cat([z, one_hot(labels, self.classes).to(z)], dim=1))


class ConditionalD(nn.Module):
    def __init__(self, classes=8):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(nn.Linear(2 + classes, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2))
        self.last = nn.Linear(64, 1)

    def forward(self, x, labels):
        return self.last(self.layers(torch.cat([x, one_hot(labels, self.classes).to(x)], dim=1))).squeeze(1)


def adam_run(G, D, lr=1e-3):
    return Run(G, D, *(torch.optim.Adam(net.parameters(), lr, betas=(0.0, 0.99), fused=True) for net in (G, D)))


def ring_batches(size=128, seed=0):
    centres, dice = data.ring_centres(), torch.Generator().manual_seed(seed)
    while True:
        labels = torch.randint(8, (size,), generator=dice)
        yield centres[labels] + 0.05 * torch.randn(size, 2, generator=dice), labels


def test_a_conditional_ring_puts_every_label_where_it_belongs():
    """Four seeds: accuracy 1.0 in all after 600 rounds."""
    run = adam_run(ConditionalG(), ConditionalD())
    list(train(run, ring_batches(), nonsaturating, partial(penalties.r1, gamma=0.1), steps=600, look=600))
    labels = torch.arange(8).repeat(50)
    points = networks.sample(run.G_ema, 400, 1, labels)
    assert torch.cdist(points, data.ring_centres()).argmin(dim=1).eq(labels).all()


def test_both_players_are_given_what_came_with_the_batch(reals):
    """In every turn, whatever the game and the penalty, the labels stand beside the samples they came with."""
    seen, labels = [], torch.arange(6)
    G, D = ConditionalG(), ConditionalD()
    for player in (G, D):
        player.register_forward_pre_hook(lambda net, args: seen.append((type(net).__name__[-1], args[1])))
    run, points = adam_run(G, D), torch.randn(6, 2)
    discriminator_step(run, points, relativistic, penalties.gradient_penalty, (labels,))
    generator_step(run, points, relativistic, None, (labels,))
    assert "".join(name for name, _ in seen) == "GDDD" + "GDD"
    assert all(given is labels for _, given in seen)


class Coded(nn.Module):
    """InfoGAN's G on the ring: a code of eight in z, and Q, which reads it back, as a part of G."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
        self.Q = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 8))

    def sample_z(self, n, generator=None):
        code = one_hot(torch.randint(8, (n,), generator=generator), 8).float()
        return torch.cat([torch.randn(n, 2, generator=generator), code], dim=1)

    def forward(self, z):
        return self.layers(z)


def test_infogan_finds_a_code_for_every_mode(tmp_path):
    """The bound on the mutual information reaches its maximum log 8, each code has a mode of its own, and Q is kept.

    Seeds 0 to 5 reach 2.075 to 2.079 (log 8 = 2.0794) with one code a mode.
    """
    G, D = (
        Coded(),
        nn.Sequential(
            nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1), nn.Flatten(0)
        ),
    )
    run = adam_run(G, D)

    def information(z, reals, fakes):  # H(c) - E log Q(c | x) is the bound; its second term is trained
        return cross_entropy(run.G.Q(fakes), z[:, 2:].argmax(dim=1))

    points = (batch for batch, _ in ring_batches())
    list(train(run, points, nonsaturating, partial(penalties.r1, gamma=0.1), information, steps=1500, look=1500))
    z = run.G.sample_z(2000)
    code, x = z[:, 2:].argmax(dim=1), run.G(z).detach()
    bound = math.log(8) - cross_entropy(run.G.Q(x), code).item()
    assert math.log(8) - 0.05 < bound <= math.log(8)
    nearest = torch.cdist(x, data.ring_centres()).argmin(dim=1)
    modes = [nearest[code == c].mode().values.item() for c in range(8)]
    assert sorted(modes) == list(range(8))
    save(run, tmp_path / "run.pt")
    other = adam_run(Coded(), copy.deepcopy(D))
    load(other, tmp_path / "run.pt")
    assert same(other.G.Q.state_dict(), run.G.Q.state_dict()) and same(other.G_ema.Q.state_dict(), run.G_ema.Q.state_dict())


def test_an_extra_loss_is_added_to_gs_and_sees_its_samples(make_run, reals):
    run, seen = make_run(optimiser=torch.optim.SGD, lr=0.5), []
    G, D = copy.deepcopy(run.G), copy.deepcopy(run.D)

    def extra(z, real, fakes):
        seen.append((z, real))
        return 3 * fakes.square().mean()

    torch.manual_seed(5)
    loss = generator_step(run, reals, nonsaturating, extra)
    ((z, real),) = seen
    assert real is reals
    by_hand = softplus(-D(G(z))).mean() + 3 * G(z).square().mean()
    torch.testing.assert_close(loss, by_hand.detach())
    slopes = torch.autograd.grad(by_hand, list(G.parameters()))
    for new, old, slope in zip(run.G.parameters(), G.parameters(), slopes):
        torch.testing.assert_close(new, old - 0.5 * slope, rtol=1e-4, atol=1e-6)


def test_g_sees_the_reals_of_ds_last_turn(run, images):
    """In a relativistic game with two turns of D a round, G's rivals are the second batch, not the first."""
    judged = []
    d_loss = lambda r, f: relativistic.d_loss(r, f)  # noqa: E731
    run.D.register_forward_pre_hook(lambda D, args: judged.append(args[0]))
    seen, source = recorded(data.batches(images, 8))
    game = objectives.Objective(d_loss, relativistic.g_loss, needs_reals=True)
    list(train(run, source, game, steps=2, d_steps=2))
    per_round = [judged[:6], judged[6:]]  # reals and fakes twice, then fakes and reals
    for (first, _, second, _, _, in_gs_turn), batches in zip(per_round, (seen[:2], seen[2:]), strict=True):
        assert first is batches[0] and second is batches[1] and in_gs_turn is batches[1]


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
    with pytest.raises(ValueError, match=rf"decay must (lie in \[0, 1\)|be a number), got {decay}"):
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
    found = list(train(ours, data.batches(images, 8), nonsaturating, penalty, steps=3, d_steps=2, ema_share=0.2))
    torch.manual_seed(2)
    source = data.batches(images, 8)
    for number, losses in enumerate(found, start=1):
        discriminator_step(theirs, next(source), nonsaturating, penalty)
        reals = next(source)
        loss_D, real_logits, fake_logits = discriminator_step(theirs, reals, nonsaturating, penalty)
        loss_G = generator_step(theirs, reals, nonsaturating)
        update_ema(theirs.G_ema, theirs.G, 0.2 * number / (0.2 * number + 1))
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


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        *[(name, value, "a whole number") for name in ("steps", "d_steps", "look") for value in (None, "a", 1.5)],
        ("steps", -1, "at least 0, got -1"),
        ("d_steps", 0, "at least 1, got 0"),
        ("look", -2, "at least 1, got -2"),
        ("ema_share", "a", "a number, got 'a'"),
        *[("ema_share", value, r"lie in \[0, 1\], got") for value in (-1.0, math.nan, math.inf, 1e300)],
    ],
)
def test_settings_out_of_range(run, images, name, value, words):
    before = weights(run.G)
    with pytest.raises((TypeError, ValueError), match=f"{name} must (be )?{words}"):
        next(train(run, data.batches(images, 8), nonsaturating, **({"steps": 1} | {name: value})))
    assert run.step == 0 and same(weights(run.G), before)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        (None, ValueError, "batches must be endless.*got an end"),
        (torch.zeros(0, 1, 4, 4), ValueError, "hold one sample at least, in parts of one length, got none"),
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
    for _ in train(run, source, game, partial(penalties.r1, gamma=1.0), steps=500):
        pass
    assert 2.9 < run.G_ema.b.item() < 3.05
