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


@pytest.fixture
def reals():
    return torch.rand(6, 1, 4, 4) * 2 - 1


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
