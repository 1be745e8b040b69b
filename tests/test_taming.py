"""What holds D back, against matrices and steps by hand; each famous way to get it wrong fails the test of the right one."""

import copy
import itertools
import pickle
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from ganlib import networks, penalties, taming, training
from ganlib.objectives import hinge, nonsaturating


def largest(network):
    return max(weight.abs().max().item() for weight in network.parameters())


OPTIMISERS = [torch.optim.SGD, torch.optim.Adam, partial(torch.optim.Adam, fused=True)]


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_weights_are_within_the_bound_whenever_g_looks(make_run, optimiser):
    run = make_run(optimiser=optimiser, lr=0.5)
    taming.clip_weights(run.opt_D, 0.05)
    assert largest(run.D) <= 0.05 + 1e-7
    for _ in range(3):
        training.discriminator_step(run, torch.rand(6, 1, 4, 4), nonsaturating)
        assert largest(run.D) <= 0.05 + 1e-7


def clipped_before(optimiser, bound):
    """The wrong way: weights are clipped, and then the step moves them."""

    def clip(optimiser, *_):
        with torch.no_grad():
            for weight in optimiser.param_groups[0]["params"]:
                weight.clamp_(-bound, bound)

    return optimiser.register_step_pre_hook(clip)


def test_clipping_before_the_step_fails_it(make_run):
    run = make_run(lr=0.5)
    clipped_before(run.opt_D, 0.05)
    training.discriminator_step(run, torch.rand(6, 1, 4, 4), nonsaturating)
    assert largest(run.D) > 0.4


def test_a_step_is_the_optimisers_with_its_ends_cut_off(make_run):
    clipped, free = make_run(lr=0.02), make_run(lr=0.02)
    taming.clip_weights(clipped.opt_D, 10.0)  # changes nothing yet
    reals = torch.rand(6, 1, 4, 4)
    for run in (clipped, free):
        torch.manual_seed(1)
        training.discriminator_step(run, reals, nonsaturating)
    for ours, theirs in zip(clipped.D.parameters(), free.D.parameters()):
        assert torch.equal(ours, theirs)
    handle = taming.clip_weights(clipped.opt_D, 0.1)
    for ours, theirs in zip(clipped.D.parameters(), free.D.parameters()):
        assert torch.equal(ours, theirs.clamp(-0.1, 0.1))
    handle.remove()
    training.discriminator_step(clipped, 100 * reals, hinge)
    assert largest(clipped.D) > 0.1


def test_a_turn_that_is_not_finite_moves_nothing(make_run):
    run = make_run()
    taming.clip_weights(run.opt_D, 0.05)
    before = copy.deepcopy(run.D.state_dict())
    training.discriminator_step(run, torch.full((6, 1, 4, 4), torch.nan), nonsaturating)
    assert all(torch.equal(weight, before[name]) for name, weight in run.D.state_dict().items())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan"), float("inf"), "0.1", None])
def test_a_bound_out_of_range(make_run, bound):
    with pytest.raises((ValueError, TypeError), match="bound must"):
        taming.clip_weights(make_run().opt_D, bound)


# --- spectral norms


def deep():
    return nn.Sequential(
        *(nn.Conv2d(1, 3, 3), nn.LeakyReLU(0.2), nn.ConvTranspose2d(3, 2, 3), nn.Flatten(), nn.Linear(32, 5), nn.ReLU()),
        *(nn.Linear(5, 1), nn.Flatten(0)),
    )


def test_every_matrix_is_brought_to_norm_one():
    D = taming.normalise_spectra(deep(), power_iterations=3)
    for _ in range(60):
        D(torch.rand(4, 1, 4, 4))
    assert taming.spectral_norms(D) == pytest.approx([1.0] * 4, abs=1e-3)


def test_the_norms_are_those_of_a_decomposition():
    D = deep()
    kernel = D[2].weight.detach()  # (in, out, height, width)
    by_hand = torch.linalg.svdvals(kernel.permute(1, 0, 2, 3).reshape(2, -1).double())[0].item()
    assert taming.spectral_norms(D)[1] == pytest.approx(by_hand, rel=1e-12)
    assert taming.spectral_norms(D)[3] == pytest.approx(D[6].weight.norm().item(), rel=1e-6)


def test_asking_moves_no_estimate_on():
    D = taming.normalise_spectra(deep()).train()
    before = copy.deepcopy(D.state_dict())
    taming.spectral_norms(D)
    assert all(torch.equal(value, before[name]) for name, value in D.state_dict().items())
    assert all(module.training for module in D.modules())


def test_estimates_move_in_training_mode_alone():
    D = taming.normalise_spectra(networks.MLPDiscriminator((1, 4, 4), (8,)))
    vectors = [value for name, value in D.state_dict().items() if name.endswith("_u")]
    for mode, moved in ((False, False), (True, True)):
        with torch.no_grad():
            for layer in D.layers:
                if isinstance(layer, nn.Linear):
                    layer.parametrizations.weight.original.normal_()
        before = [vector.clone() for vector in vectors]
        D.train(mode)(torch.rand(3, 1, 4, 4))
        assert any(not torch.equal(now, then) for now, then in zip(vectors, before)) == moved


def test_a_normalised_discriminator_is_1_lipschitz():
    """Leaky ReLU has slopes of at most 1, so the logit changes by no more than the image does."""
    D = taming.normalise_spectra(networks.MLPDiscriminator((1, 4, 4), (16, 8)), power_iterations=5).double()
    for _ in range(40):
        D(torch.rand(2, 1, 4, 4, dtype=torch.float64))
    D.eval()
    one, other = torch.randn(2, 500, 1, 4, 4, dtype=torch.float64)
    assert ((D(one) - D(other)).abs() <= (1 + 1e-6) * (one - other).flatten(1).norm(dim=1)).all()


def test_slopes_stay_below_the_product_of_the_norms():
    """Of random networks; c sqrt(nm) is attained by equal entries, and by none of the random ones."""
    for seed in range(20):
        torch.manual_seed(seed)
        activations = (nn.LeakyReLU(0.2), nn.Tanh(), nn.ReLU())
        layers = [nn.Linear(6, 9), activations[seed % 3], nn.Linear(9, 4), activations[(seed + 1) % 3], nn.Linear(4, 1)]
        f = nn.Sequential(*layers, nn.Flatten(0)).double()
        bound = torch.tensor(taming.spectral_norms(f)).prod().item()
        x, y = torch.randn(2, 300, 6, dtype=torch.float64)
        assert ((f(x) - f(y)).abs() <= bound * (x - y).norm(dim=1) * (1 + 1e-12)).all()
        assert penalties.input_grad(f, x).norm(dim=1).max().item() <= bound * (1 + 1e-12)
        entries = 0.3 * (2 * torch.rand(5, 7, dtype=torch.float64) - 1)
        assert torch.linalg.matrix_norm(entries, ord=2).item() < 0.3 * 35**0.5
    equal = torch.full((5, 7), 0.3, dtype=torch.float64)
    assert torch.linalg.matrix_norm(equal, ord=2).item() == pytest.approx(0.3 * 35**0.5, rel=1e-12)


def test_a_normalised_run_trains_is_copied_and_is_saved(make_run, tmp_path):
    from ganlib import checkpoints

    def normalised_run():
        run = make_run()
        D = taming.normalise_spectra(networks.MLPDiscriminator((1, 4, 4), (7,)))
        return training.Run(run.G, D, run.opt_G, torch.optim.Adam(D.parameters(), lr=0.01))

    run, other = normalised_run(), normalised_run()
    for _ in training.train(run, itertools.repeat(torch.rand(6, 1, 4, 4)), nonsaturating, steps=3):
        pass
    checkpoints.save(run, tmp_path / "run.pt")
    checkpoints.load(other, tmp_path / "run.pt")
    for name, value in run.D.state_dict().items():
        assert torch.equal(other.D.state_dict()[name], value), name


@pytest.mark.usefixtures("unchecked")
class TestErrors:
    def test_no_network(self):
        for function in (taming.normalise_spectra, taming.spectral_norms):
            with pytest.raises(TypeError, match=r"network must be a torch.nn.Module, got int"):
                function(3)

    def test_nothing_to_normalise_or_done_already(self):
        with pytest.raises(ValueError, match=r"network must have .* got none"):
            taming.normalise_spectra(nn.ReLU())
        D = taming.normalise_spectra(deep())
        with pytest.raises(ValueError, match=r"network must have .* one that is normalised already"):
            taming.normalise_spectra(D)
        assert sum(parametrize.is_parametrized(layer) for layer in D) == 4

    @pytest.mark.parametrize("count", [0, 1.5])
    def test_counts(self, count):
        with pytest.raises((ValueError, TypeError), match="power_iterations must"):
            taming.normalise_spectra(deep(), power_iterations=count)
        with pytest.raises((ValueError, TypeError), match="every must"):
            taming.lazily(penalties.r1, count)
        with pytest.raises((ValueError, TypeError), match="start must"):
            taming.lazily(penalties.r1, 4, start=count - 1)
        with pytest.raises(TypeError, match="penalty must be a function, got None"):
            taming.lazily(None, 4)


# --- lazy penalties


def plane(x):
    return 3 * x[:, 0]


def test_a_lazy_penalty_has_the_same_mean():
    """Over whole periods; with the factor left out, as some programs have it, it has not."""
    x = torch.zeros(4, 2)
    exact = penalties.r1(plane, x, x).item()
    lazy = taming.lazily(penalties.r1, every=4)
    values = [lazy(plane, x, x).item() for _ in range(12)]
    assert values == [4 * exact, 0, 0, 0] * 3

    turns = itertools.count()

    def without_factor(D, reals, fakes):
        return penalties.r1(D, reals, fakes) if next(turns) % 4 == 0 else torch.zeros(())

    assert sum(without_factor(plane, x, x).item() for _ in range(12)) == pytest.approx(sum(values) / 4)


def test_a_lazy_penalty_is_copied_with_its_count():
    """By copy and by pickle: three calls, and then the next, are as four in a row."""
    x = torch.zeros(4, 2)
    lazy = taming.lazily(penalties.r1, every=4, start=2)
    assert [lazy(plane, x, x).item() > 0 for _ in range(3)] == [False, False, True]
    for again in (copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy))):
        assert again.turns == 5 and [again(plane, x, x).item() > 0 for _ in range(4)] == [False, False, False, True]


def test_norms_need_no_float64_on_the_device(monkeypatch):
    """As Apple's MPS, which has none: what is made double has been brought to the CPU before."""
    brought, D = [], deep()
    right = taming.spectral_norms(D)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: brought.append(self) or self)

    def double(self):
        if not any(self is tensor for tensor in brought):
            raise TypeError("the device has no float64")
        return self.to(torch.float64)

    monkeypatch.setattr(torch.Tensor, "double", double)
    assert taming.spectral_norms(D) == right


def test_a_lazy_penalty_trains_in_its_turns(make_run):
    run, seen = make_run(), []
    lazy = taming.lazily(lambda D, reals, fakes: (seen.append(1), penalties.r1(D, reals, fakes))[1], every=3)
    for _ in training.train(run, itertools.repeat(torch.rand(6, 1, 4, 4)), nonsaturating, lazy, steps=7):
        pass
    assert len(seen) == 3
