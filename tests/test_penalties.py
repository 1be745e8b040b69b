"""Penalties against gradients taken by hand."""

from functools import partial

import pytest
import torch
from torch import nn

from ganlib import networks
from ganlib.penalties import _squared_slope, gradient_penalty, input_grad, r1, r1_by_difference, r2, r2_by_difference
from ganlib.training import remembering

w = torch.tensor([3.0, -4.0], dtype=torch.float64)  # |w| = 5
A = torch.tensor([[2.0, 1.0], [1.0, -3.0]], dtype=torch.float64)


def linear(x):
    return x @ w + 7


def quadratic(x):
    """x'Ax/2, whose gradient is Ax."""
    return ((x @ A) * x).sum(dim=1) / 2


@pytest.fixture
def points():
    reals, fakes = torch.randn(2, 40, 2, dtype=torch.float64)
    return reals, fakes


def test_the_gradient_of_a_quadratic(points):
    reals, _ = points
    torch.testing.assert_close(input_grad(linear, reals), w.expand(40, 2))
    torch.testing.assert_close(input_grad(quadratic, reals), reals @ A)


def test_the_gradient_of_images():
    D = networks.MLPDiscriminator((1, 4, 4), (8,)).double()
    images = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    gradient = input_grad(D, images)
    assert gradient.shape == images.shape
    step = 1e-6 * torch.randn_like(images)
    rise = D(images + step) - D(images - step)
    torch.testing.assert_close(rise, 2 * (gradient * step).flatten(1).sum(dim=1), rtol=1e-6, atol=1e-12)


def test_the_samples_given_are_left_alone(points):
    reals, fakes = points
    fakes.requires_grad_()
    for penalty in (r1, r2):
        penalty(quadratic, reals, fakes)
    assert not reals.requires_grad
    assert fakes.grad is None


@pytest.mark.parametrize("gamma", [1.0, 10.0, 0.3])
def test_r1_and_r2_by_hand(points, gamma):
    reals, fakes = points
    for penalty, samples in ((r1, reals), (r2, fakes)):
        assert penalty(linear, reals, fakes, gamma=gamma).item() == pytest.approx(gamma / 2 * 25, rel=1e-14)
        by_hand = gamma / 2 * ((samples @ A) ** 2).sum() / len(samples)
        torch.testing.assert_close(penalty(quadratic, reals, fakes, gamma=gamma), by_hand)
    assert r1(linear, reals, fakes).item() == pytest.approx(10 / 2 * 25)  # the default weight is 10
    assert r2(linear, reals, fakes).item() == pytest.approx(10 / 2 * 25)


def test_points_on_a_line_without_a_second_axis():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert r1(lambda x: x**2, x, x, gamma=1.0).item() == pytest.approx((4 + 16 + 36) / 3 / 2)
    assert gradient_penalty(lambda x: 3 * x, x, x).item() == pytest.approx(40)


@pytest.mark.parametrize(("length", "expected"), [(1.0, 0.0), (5.0, 160.0), (0.5, 2.5)])
def test_gradient_penalty_of_a_plane(points, length, expected):
    """10 (|w| - 1)^2 wherever the points are: zero for |w| = 1 and for no other, smaller or larger."""
    reals, fakes = points
    found = gradient_penalty(lambda x: linear(x) * (length / 5), reals, fakes)
    assert found.item() == pytest.approx(expected, abs=1e-12)
    assert gradient_penalty(lambda x: linear(x) * (length / 5), reals, fakes, weight=0.1, target=0.0).item() == pytest.approx(
        0.1 * length**2
    )


def test_gradient_penalty_looks_between_the_pairs():
    """D(x) = x^2/2 has gradient x: on the segment from 0 to 1, E (u - 1)^2 = 1/3 for uniform u."""
    n = 40_000
    fakes, reals = torch.zeros(n, 1), torch.ones(n, 1)
    found = gradient_penalty(lambda x: x.square().sum(dim=1) / 2, reals, fakes, weight=1.0).item()
    assert abs(found - 1 / 3) < 5 * (4 / 45 / n) ** 0.5  # five standard errors; the variance of (u - 1)^2 is 1/5 - 1/9 = 4/45
    seen = []
    gradient_penalty(lambda x: (seen.append(x), x.sum(dim=1))[1], 2 * reals, -1 * reals)
    (x,) = seen
    assert x.min() >= -1 and x.max() <= 2 and x.min() < -0.99 and x.max() > 1.99


def test_one_share_a_sample():
    """All pixels of an image move together: the point lies on the segment, not in the box around it."""
    reals, fakes = torch.ones(6, 1, 3, 3), torch.zeros(6, 1, 3, 3)
    seen = []
    gradient_penalty(lambda x: (seen.append(x.detach()), x.flatten(1).sum(dim=1))[1], reals, fakes)
    (x,) = seen
    assert (x.flatten(1).std(dim=1) == 0).all()
    assert x[:, 0, 0, 0].unique().numel() == 6


def test_a_flat_d_has_a_finite_gradient_penalty_to_learn_from():
    """|g| has no derivative at g = 0; it must count as 0 there, or one flat sample would make every weight NaN."""
    weight = torch.zeros(2, requires_grad=True)
    x = torch.randn(4, 2)
    penalty = gradient_penalty(lambda x: x @ weight, x, x)
    assert penalty.item() == 10
    (slope,) = torch.autograd.grad(penalty, weight)
    assert slope.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("penalty", [r1, r2, gradient_penalty])
def test_a_penalty_can_be_differentiated_in_the_weights(penalty, points):
    """For D(x) = v.x: d/dv gamma/2 |v|^2 = gamma v, and d/dv weight (|v| - 1)^2 = 2 weight (|v| - 1) v/|v|."""
    reals, fakes = points
    v = w.clone().requires_grad_()
    (slope,) = torch.autograd.grad(penalty(lambda x: x @ v, reals, fakes), v)
    torch.testing.assert_close(slope, 10 * w if penalty is not gradient_penalty else 20 * 4 / 5 * w)


@pytest.mark.parametrize("penalty", [r1, r2])
def test_the_order_of_a_batch_is_nothing(penalty, points):
    reals, fakes = points
    order = torch.randperm(40)
    torch.testing.assert_close(penalty(quadratic, reals[order], fakes[order]), penalty(quadratic, reals, fakes))


def test_weights_are_set_by_partial(points):
    reals, fakes = points
    assert partial(r1, gamma=2.0)(linear, reals, fakes).item() == pytest.approx(25)
    assert r1(linear, reals, fakes, gamma=0.0) == 0


def test_a_penalty_of_an_image_discriminator_trains_it():
    D = networks.MLPDiscriminator((1, 4, 4), (8,))
    images = torch.randn(5, 1, 4, 4)
    gradient_penalty(D, images, -images).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters() if p.ndim == 2)


@pytest.mark.usefixtures("unchecked")
class TestErrors:
    def test_empty(self):
        for penalty in (r1, r2, gradient_penalty):
            with pytest.raises(ValueError, match=r"at least one sample, got shape \(0, 2\)"):
                penalty(linear, torch.zeros(0, 2), torch.zeros(0, 2))

    def test_logits_of_the_wrong_shape(self):
        with pytest.raises(ValueError, match=r"D must return logits of shape \(3,\), got \(3, 1\)"):
            r1(nn.Linear(2, 1), torch.zeros(3, 2), torch.zeros(3, 2))

    def test_dtype(self):
        with pytest.raises(TypeError, match=r"x must be floating point, a dense tensor, got torch.uint8"):
            input_grad(linear, torch.zeros(3, 2, dtype=torch.uint8))

    @pytest.mark.parametrize(
        ("fakes", "words"),
        [
            (torch.zeros(4, 2), r"\(3, 2\).*\(4, 2\)"),
            (torch.zeros(3, 2, dtype=torch.float64), "torch.float32.*torch.float64"),
            (torch.zeros(3, 2, device="meta"), "cpu.*meta"),
        ],
    )
    def test_reals_and_fakes_that_do_not_match(self, fakes, words):
        with pytest.raises(ValueError, match="one shape, dtype and device.*" + words):
            gradient_penalty(linear, torch.zeros(3, 2), fakes)


# --- the forms without a second derivative --------------------------------------------------------------------------------


DIFFERENCES = [(r1, r1_by_difference, 0), (r2, r2_by_difference, 1)]


@pytest.mark.parametrize(("exact", "by_difference", "which"), DIFFERENCES)
def test_the_expectation_and_the_noise_of_a_difference(exact, by_difference, which):
    """For a plane the difference is v.w exactly: mean gamma/2 |w|^2 and standard deviation sqrt(2) gamma/2 |w|^2 a sample."""
    n = 200_000
    samples = [torch.randn(n, 2, dtype=torch.float64), torch.randn(n, 2, dtype=torch.float64)]
    expected = exact(linear, *samples, gamma=2.0).item()
    assert expected == pytest.approx(25)
    found = by_difference(linear, *samples, gamma=2.0).item()
    assert abs(found - expected) < 5 * expected * (2 / n) ** 0.5
    values = torch.stack([by_difference(linear, *(x[i : i + 1] for x in samples), gamma=2.0) for i in range(20_000)])
    error = expected * 2**0.5 * (60 / 8 / len(values)) ** 0.5  # of a standard deviation, by the moments of a chi-square
    assert abs(values.std().item() - expected * 2**0.5) < 5 * error


@pytest.mark.parametrize("step", [0.01, 0.5, 1.0])
def test_what_curvature_adds_to_a_difference(points, step):
    """For x'Ax/2 the mean over v is |Ax|^2 + step^2/4 E (v'Av)^2, and E (v'Av)^2 = 2 tr A^2 + (tr A)^2: no more terms."""
    reals, _ = points
    reals = reals.repeat(10_000, 1)
    found = 2 * _squared_slope(quadratic, reals, step) / 2
    extra = step**2 / 4 * (2 * (A @ A).trace() + A.trace() ** 2)
    expected = (reals @ A).square().sum(dim=1) + extra
    spread = found.std().item() / len(reals) ** 0.5
    assert abs((found - expected).mean().item()) < 5 * spread


@pytest.mark.parametrize(("exact", "by_difference", "which"), DIFFERENCES)
def test_a_difference_trains_d_as_the_exact_form_does(exact, by_difference, which):
    """The gradients of both forms point the same way: over many directions v the mean of one is the other."""
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)).double()
    samples = [torch.randn(50, 1, 4, 4, dtype=torch.float64) for _ in range(2)]
    weights = list(D.parameters())[:-1]  # the last bias moves no slope
    exactly = torch.autograd.grad(exact(D, *samples), weights, materialize_grads=True, allow_unused=True)
    many = [x.repeat(4000, 1, 1, 1) for x in samples]
    nearly = torch.autograd.grad(by_difference(D, *many, step=1e-4), weights, materialize_grads=True, allow_unused=True)
    one, other = (torch.cat([slope.flatten() for slope in slopes]) for slopes in (exactly, nearly))
    assert (one - other).norm() < 0.03 * one.norm()  # seeds 0 to 4: 0.007 to 0.013


PENALTIES = [r1, r2, gradient_penalty, r1_by_difference, r2_by_difference]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_reaches_d_in_its_turn(penalty):
    """By the loop's own way: samples that ask for a gradient, and a D that answers from memory."""
    torch.manual_seed(0)
    D = networks.MLPDiscriminator((1, 4, 4), (8,))
    reals, fakes = (torch.randn(5, 1, 4, 4) for _ in range(2))
    slopes = []
    for remembered in (False, True):
        torch.manual_seed(1)
        if remembered:
            x, y = reals.clone().requires_grad_(), fakes.clone().requires_grad_()
            value = penalty(remembering(D, (), (x, D(x)), (y, D(y))), x, y)
        else:
            value = penalty(D, reals, fakes)
        slopes.append(torch.autograd.grad(value, list(D.parameters()), materialize_grads=True, allow_unused=True))
    for fresh, remembered in zip(*slopes):
        torch.testing.assert_close(remembered, fresh)
    assert all(slope.abs().sum() > 0 for slope, weight in zip(slopes[0], D.parameters()) if weight.ndim == 2)


@pytest.mark.parametrize("penalty", [r1_by_difference, r2_by_difference])
def test_a_difference_can_be_compiled(penalty):
    """One derivative only, and so D may be a compiled function; of the exact forms PyTorch says that it cannot."""
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))
    compiled = torch.compile(D, backend="aot_eager", fullgraph=True)
    reals, fakes = (torch.randn(5, 1, 4, 4) for _ in range(2))
    slopes = []
    for network in (D, compiled):
        torch.manual_seed(1)
        slopes.append(torch.autograd.grad(penalty(network, reals, fakes), list(D.parameters()), allow_unused=True)[:-1])
    for eager, other in zip(*slopes):
        torch.testing.assert_close(other, eager)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        r1(compiled, reals, fakes).backward()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("step", [0.0, -1.0, float("inf"), float("nan")])
def test_a_step_out_of_range(step):
    with pytest.raises(ValueError, match=f"step must (be positive|lie in .*), got {step}"):
        r1_by_difference(linear, torch.zeros(3, 2), torch.zeros(3, 2), step=step)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_hold_whatever_the_callers_mode(penalty, points):
    values = []
    for mode in (torch.enable_grad, torch.no_grad):
        torch.manual_seed(0)
        with mode():
            values.append(penalty(quadratic, *points).item())
    assert values[0] == values[1]
