"""Statements that no chapter checks in a cell of their own, each against its definition over random instances."""

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlib.objectives import minimax
from ganlib.theory import kl_divergence, optimal_discriminator, value

often = settings(max_examples=200, deadline=None)
seeds = st.integers(0, 10**6)


def draw(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.decides("lem-sorted")
@settings(max_examples=30, deadline=None)
@given(seeds)
def test_sorting_beats_every_other_pairing(seed):
    x, y = draw(seed, 2, 6).sort(dim=1).values
    orders = torch.tensor(list(permutations(range(6))))
    costs = (x - y[orders]).square().sum(dim=1)
    assert costs[0] == (x - y).square().sum() and costs[0] <= costs.min() + 1e-12
    assert costs[0] < costs[-1]  # the reverse order is worse


@pytest.mark.decides("lem-one-point")
@often
@given(st.just(0.0) | st.floats(1e-6, 10), st.just(0.0) | st.floats(1e-6, 10))
def test_one_point(a, b):
    """On a fine grid of the open interval nothing exceeds the maximum, and only points beside a/(a + b) come near."""
    y = torch.arange(1, 10_000, dtype=torch.float64) / 10_000
    h = torch.xlogy(torch.full_like(y, a), y) + torch.xlogy(torch.full_like(y, b), 1 - y)
    if a + b == 0:
        assert (h == 0).all()
        return
    best = a / (a + b)
    highest = (a * math.log(best) if a else 0.0) + (b * math.log1p(-best) if b and best < 1 else 0.0)
    assert h.max() <= highest + 1e-9
    if a > 1e-3 and b > 1e-3:
        assert abs(y[h.argmax()] - best) <= 1e-4


@pytest.mark.decides("prop-equilibrium")
@often
@given(seeds)
def test_equilibrium(seed):
    """At (p, 1/2) neither gains; at any other p_g the best D beats one half, and at any other D some p_g beats p."""
    p, q = draw(seed, 2, 5).softmax(dim=1)
    half, other = torch.full_like(p, 0.5), draw(seed + 1, 5).sigmoid()
    assert abs(value(p, q, half) + math.log(4)) < 1e-12  # G cannot move V
    assert value(p, p, other) <= value(p, p, half) + 1e-12  # nor can D raise it
    assert value(p, q, optimal_discriminator(p, q)) > value(p, q, half)
    spot = torch.nn.functional.one_hot(other.argmax(), 5).double()  # all fakes where D believes most
    assert value(p, spot, other) < value(p, p, other)


class Step(torch.nn.Module):
    """A smooth D on the line: 1 up to 0, 0 from 1 on, its logit flat only outside; returns the probability itself."""

    def forward(self, x):
        bump = lambda t: torch.where(t > 0, torch.exp(-1 / t.clamp_min(1e-3)), torch.zeros_like(t))  # noqa: E731
        return bump(1 - x) / (bump(x) + bump(1 - x))


@pytest.mark.decides("thm-perfect-D")
@often
@given(seeds)
def test_a_perfect_discriminator_has_no_gradient(seed):
    """Reals at most 0, fakes at least 1: V is 0, its supremum, and the minimax loss does not move G."""
    reals = -draw(seed, 50).abs()
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    fakes = theta + draw(seed + 1, 50).abs()
    D = Step()
    assert D(reals).log().mean() + torch.log1p(-D(fakes)).mean() == 0
    (gradient,) = torch.autograd.grad(torch.log1p(-D(fakes)).mean(), theta)
    assert gradient == 0
    between = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(D(between), between)[0] < -1  # D is no constant
    logits = torch.full((50,), -40.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(minimax.g_loss(None, logits), logits)
    assert gradient.abs().max() < 1e-17  # the library's loss says the same of a D that is all but perfect


@pytest.mark.decides("thm-vanishing")
@often
@given(seeds, st.floats(1e-4, 0.9))
def test_the_gradient_through_a_nearly_perfect_discriminator_is_small(seed, eps):
    """Fakes 1 + theta |z|, where D* and its slope are 0; D = eps sin^2 and its slope are within eps of them."""
    z = draw(seed, 50).abs()
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    fakes = 1 + theta * z
    loss = torch.log1p(-eps * torch.sin(fakes).square()).mean()
    gradient, of_fakes = torch.autograd.grad(loss, (theta, fakes))
    bound = z.mean() * eps / (1 - eps)
    assert gradient.abs() <= bound
    assert (of_fakes * z).abs().sum() > 0.01 * bound  # the bound is not idle


CONVEX = {"square": torch.square, "exp": torch.exp, "absolute": torch.abs, "softplus": torch.nn.functional.softplus}


@pytest.mark.decides("thm-jensen")
@pytest.mark.parametrize("name", CONVEX)
@often
@given(seeds)
def test_jensen(name, seed):
    x, weights = draw(seed, 7), draw(seed + 1, 7).softmax(dim=0)
    gap = (weights * CONVEX[name](x)).sum() - CONVEX[name]((weights * x).sum())
    assert gap >= -1e-12
    if name in ("square", "exp", "softplus"):
        assert gap > 0  # strictly convex, and x is no constant
    assert abs((weights * CONVEX[name](x[:1])).sum() - CONVEX[name](x[0])) < 1e-12  # a constant: equality


@pytest.mark.decides("lem-subgradient-sup", "lem-sup-affine")
@often
@given(seeds)
def test_the_slope_of_the_best_piece_supports_the_supremum(seed):
    """The largest of six affine functions of three variables: convex, and above the tangent of the piece that attains it."""
    slopes, offsets, x, y = draw(seed, 6, 3), draw(seed + 1, 6), draw(seed + 2, 3), draw(seed + 3, 3)
    f = lambda point: (slopes @ point + offsets).max()  # noqa: E731
    best = slopes[(slopes @ x + offsets).argmax()]
    assert f(y) >= f(x) + best @ (y - x) - 1e-12
    assert f((x + y) / 2) <= (f(x) + f(y)) / 2 + 1e-12


@pytest.mark.decides("thm-radon-nikodym")
@often
@given(seeds)
def test_a_density_gives_back_the_measure(seed):
    """On six atoms, two of them without mass: dp/dmu reproduces every event's probability, and is unique where mu has mass."""
    mu = draw(seed, 6).exp() * torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    p = (draw(seed + 1, 6).exp() * (mu > 0)).double()
    p = p / p.sum()
    density = torch.where(mu > 0, p / mu, torch.full_like(mu, 7.0))  # whatever it is where mu has no mass
    events = torch.tensor([[int(bit) for bit in f"{index:06b}"] for index in range(64)]).double()
    torch.testing.assert_close(events @ (density * mu), events @ p, rtol=0, atol=1e-12)
    assert kl_divergence(p, mu / mu.sum()) < math.inf


def along_a_flow(field, x, step=0.25):
    """Where the flow of a field is after one unit of time, by fourth-order steps."""
    for _ in range(round(1 / step)):
        k1 = field(x)
        k2 = field(x + step / 2 * k1)
        k3 = field(x + step / 2 * k2)
        k4 = field(x + step * k3)
        x = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x


@pytest.mark.decides("thm-linear-stability")
@pytest.mark.parametrize("flow", [False, True], ids=["steps", "flow"])
@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0.6, 0.9) | st.floats(1.1, 1.5), st.floats(0, math.pi))
def test_linearised_stability(flow, seed, modulus, angle):
    """A curved field or map approaches at the rate of its linear part, or leaves a fixed neighbourhood."""
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    generator = math.log(modulus) * torch.eye(2, dtype=torch.float64) + angle * torch.tensor([[0.0, -1], [1, 0]]).double()
    shear = torch.tensor([[1, 0.5], [0, 1]], dtype=torch.float64)  # so that neither matrix is normal
    linear = shear @ (generator if flow else modulus * turn) @ torch.linalg.inv(shear)
    bend = draw(seed, 2, 2, 2)

    def curved(x):
        return linear @ x + torch.einsum("ijk,j,k->i", bend, x, x)

    x, length = torch.full((2,), 1e-6, dtype=torch.float64), []
    while len(length) < 300 and x.norm() < 1e-3:
        length.append(x.norm().item())
        x = along_a_flow(curved, x) if flow else curved(x)
    if modulus > 1:
        assert x.norm() >= 1e-3
    else:
        assert (length[-1] / length[99]) ** (1 / 200) == pytest.approx(modulus, rel=0.02)


@pytest.mark.decides("thm-linear-stability")
def test_modulus_one_decides_nothing():
    inward, outward = 0.1, 0.1
    for _ in range(10_000):
        inward, outward = inward - inward**3, min(1.0, outward + outward**3)
    assert inward == pytest.approx(1 / math.sqrt(2 * 10_000 + 100), rel=0.01)  # no fixed factor a step
    assert outward == 1.0
