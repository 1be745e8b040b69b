"""The norm of each term's gradient, against gradients by hand; asking changes nothing."""

import copy

import pytest
import torch
from torch.nn.functional import softplus

from ganlib import objectives, penalties
from ganlib.diagnostics import term_norms
from ganlib.objectives import nonsaturating, relativistic


def norm(term, network):
    slopes = torch.autograd.grad(term, list(network.parameters()), retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([slope.flatten() for slope in slopes]).norm().item()


def test_every_norm_by_hand(make_run, reals):
    run = make_run()
    G, D = copy.deepcopy(run.G), copy.deepcopy(run.D)
    torch.manual_seed(3)
    z = G.sample_z(6)
    torch.manual_seed(3)
    found = term_norms(run, reals, nonsaturating, penalties.r1, lambda z, reals, fakes: fakes.square().mean())
    fakes = G(z)
    drawn = fakes.detach()
    x = reals.clone().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    by_hand = {
        "loss_D": norm(softplus(-D(reals)).mean() + softplus(D(drawn)).mean(), D),
        "penalty": norm(5 * slope.flatten(1).square().sum(dim=1).mean(), D),
        "loss_G": norm(softplus(-D(fakes)).mean(), G),
        "extra": norm(fakes.square().mean(), G),
    }
    assert found == pytest.approx(by_hand, rel=1e-5)


def test_terms_that_are_not_there_are_left_out(make_run, reals):
    assert list(term_norms(make_run(), reals, relativistic)) == ["loss_D", "loss_G"]


def test_a_term_that_reaches_no_weight_has_norm_zero(make_run, reals):
    found = term_norms(make_run(), reals, objectives.hinge, lambda D, reals, fakes: torch.ones(()))
    assert found["penalty"] == 0 and found["loss_D"] > 0


def test_asking_changes_nothing(make_run, reals):
    run = make_run()
    before = copy.deepcopy([net.state_dict() for net in (run.G, run.D, run.G_ema)])
    state = torch.get_rng_state()
    with torch.no_grad():
        term_norms(run, reals, relativistic, penalties.gradient_penalty)
    assert torch.equal(torch.get_rng_state(), state)
    for network, then in zip((run.G, run.D, run.G_ema), before):
        assert all(torch.equal(value, then[name]) for name, value in network.state_dict().items())
        assert all(weight.grad is None for weight in network.parameters())
    assert run.G.training and all(weight.requires_grad for weight in run.D.parameters()) and not reals.requires_grad


@pytest.mark.usefixtures("unchecked")
def test_reals_that_d_cannot_judge_are_refused(make_run, reals):
    run = make_run()
    for wrong in (None, reals.numpy(), reals.double(), (255 * reals).to(torch.uint8), reals[:0], torch.tensor(1.0)):
        with pytest.raises((TypeError, ValueError), match=r"^reals and given must"):
            term_norms(run, wrong, nonsaturating)
    with pytest.raises(ValueError, match=r"^reals and given must .* got parts of 6 and 2"):
        term_norms(run, reals, nonsaturating, given=(torch.zeros(2),))
    with pytest.raises(TypeError, match=r"^objective must"):
        term_norms(run, reals, None)


# --- penalties without effect: each of these is met in programs, and fails a test that the right ones pass


def slope_of(D, x, **options):
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(D(x).sum(), x, **options)[0]


PENALTIES = {
    "right": penalties.r1,
    "by difference": penalties.r1_by_difference,
    "detached": lambda D, reals, fakes: penalties.r1(D, reals, fakes).detach(),
    "graph dropped": lambda D, reals, fakes: 5 * slope_of(D, reals).flatten(1).square().sum(dim=1).mean(),
    "mean of pixels": lambda D, reals, fakes: 5 * slope_of(D, reals, create_graph=True).square().mean(),
}


def right_value(penalty):
    """On a plane of slope 3, where R1 with its default weight is 5 * 9."""
    x = torch.rand(20_000, 1, 4, 4)
    value = penalty(lambda x: 0.75 * x.flatten(1).sum(dim=1), x, x).item()
    return value == pytest.approx(45, rel=0.05)  # the difference has noise


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_without_effect_is_found(make_run, reals, name):
    pull = term_norms(make_run(), reals, nonsaturating, PENALTIES[name])["penalty"]
    assert (pull > 0) == (name not in ("detached", "graph dropped"))
    assert right_value(PENALTIES[name]) == (name != "mean of pixels")


def test_a_norm_along_the_wrong_axis_is_found():
    """Each pixel's slope is asked to be 1: on a plane of slope 1 the right penalty is 0 and this one is not."""

    def wrong_axis(D, reals, fakes):
        return 10 * (slope_of(D, reals, create_graph=True).norm(dim=1) - 1).square().mean()

    x = torch.rand(6, 1, 4, 4)

    def plane(x):
        return x.flatten(1).sum(dim=1) / 4

    assert penalties.gradient_penalty(plane, x, x).item() == pytest.approx(0, abs=1e-9)
    assert wrong_axis(plane, x, x).item() == pytest.approx(10 * (1 - 1 / 4) ** 2)


def test_batch_normalisation_in_d_takes_the_penalty_away():
    """Before a linear layer it makes the sum of a batch's logits a constant, and that sum is what is differentiated."""
    torch.manual_seed(0)
    D = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1), torch.nn.Flatten(0))
    x = torch.randn(16, 5)
    values = {mode: penalties.r1(D.train(mode), x, x).item() for mode in (True, False)}
    assert values[True] < 1e-8 < 0.01 < values[False]
