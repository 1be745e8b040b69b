"""The Frechet distance against closed forms and scipy's matrix root; intervals against scipy's."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from ganlib import latents, metrics, weighing
from ganlib.metrics import class_balance, feature_statistics, frechet_distance, mean_interval


def sample_with(mean, cov, n=50):
    """n points whose sample mean and covariance are exactly these."""
    mean, cov = torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(cov, dtype=torch.float64)
    x = torch.randn(n, len(mean), dtype=torch.float64)
    x = x - x.mean(dim=0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.atleast_2d(torch.cov(x.T))), x.T, upper=False).T
    return mean + white @ torch.linalg.cholesky(cov).T


def random_covariance(d):
    root = torch.randn(d, d, dtype=torch.float64)
    return root @ root.T + 0.1 * torch.eye(d, dtype=torch.float64)


def test_statistics():
    mean, cov = torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    found = feature_statistics(sample_with(mean, cov))
    torch.testing.assert_close(found, (mean, cov))
    assert feature_statistics(torch.randn(5, 3))[0].dtype == torch.float64
    assert feature_statistics(torch.tensor([[1.0], [3.0]]))[1].tolist() == [[2.0]]  # d = 1: still a matrix; divided by n - 1


def test_errors_say_which_set_is_wrong():
    good, short, broken = torch.randn(9, 3), torch.randn(3, 3), torch.full((9, 3), float("nan"))
    for a, b, words in ((short, good, "a must have"), (good, short, "b must have"), (good, broken, "b must be finite, got 27")):
        with pytest.raises(ValueError, match=words):
            frechet_distance(a, b)


def test_equal_covariances_leave_the_means():
    cov = random_covariance(4)
    a, b = sample_with([0.0] * 4, cov), sample_with([1.0, 2.0, 0.0, -2.0], cov, n=70)
    assert frechet_distance(a, b) == pytest.approx(9, rel=1e-9)


def test_commuting_covariances_compare_standard_deviations():
    """On the same axes: sum of (m_a - m_b)^2 + (s_a - s_b)^2."""
    basis = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    s_a, s_b = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([4.0, 0.5, 3.0]).double()
    a = sample_with([1.0, 1.0, 1.0], basis * s_a**2 @ basis.T)
    b = sample_with([1.0, 1.0, 3.0], basis * s_b**2 @ basis.T)
    assert frechet_distance(a, b) == pytest.approx(4 + 9 + 2.25, rel=1e-9)


def test_one_dimension():
    a, b = sample_with([0.0], [[4.0]]), sample_with([3.0], [[25.0]])
    assert frechet_distance(a, b) == pytest.approx(9 + 9, rel=1e-9)


def test_the_formula_with_scipys_root():
    for d in (2, 8, 20):
        mean_a, mean_b = torch.randn(2, d, dtype=torch.float64)
        cov_a, cov_b = random_covariance(d), random_covariance(d)
        root = scipy.linalg.sqrtm((cov_a @ cov_b).numpy())
        expected = ((mean_a - mean_b) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * np.trace(root).real
        assert frechet_distance(sample_with(mean_a, cov_a), sample_with(mean_b, cov_b)) == pytest.approx(
            expected.item(), rel=1e-7
        )


def test_properties_of_a_distance():
    a, b = torch.randn(60, 5, dtype=torch.float64), 2 * torch.randn(80, 5, dtype=torch.float64) + 1
    distance = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a.flip(0)) >= 0
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    shift = torch.randn(5, dtype=torch.float64)
    assert frechet_distance(a @ turn + shift, b @ turn + shift) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * distance, rel=1e-9)
    assert frechet_distance(a[torch.randperm(60)], b) == pytest.approx(distance, rel=1e-9)


def test_features_on_a_line_in_space():
    """A singular covariance, as of dead features, makes neither complex numbers nor NaN."""
    line = torch.randn(30, 1, dtype=torch.float64) * torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    assert frechet_distance(line, line) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(line, line + torch.tensor([0.0, 0.0, 2.0])) == pytest.approx(4, abs=1e-6)


def test_float32_features_are_compared_in_float64():
    a, b = torch.randn(500, 16) + 1000, torch.randn(500, 16) + 1000
    assert frechet_distance(a, b) == frechet_distance(a.double(), b.double())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (torch.randn(5, 5), torch.randn(9, 5), r"n > d >= 1, got \(5, 5\)"),
        (torch.randn(9, 5), torch.randn(0, 5), r"n > d >= 1, got \(0, 5\)"),
        (torch.randn(9), torch.randn(9), r"\(n, d\) with n > d >= 1, got \(9,\)"),
        (torch.tensor(1.0), torch.tensor(1.0), r"\(n, d\) with n > d >= 1, got \(\)"),
        (torch.zeros(5, 0), torch.zeros(5, 0), r"n > d >= 1, got \(5, 0\)"),
        (torch.randn(9, 3), torch.full((9, 3), 1e60, dtype=torch.float64), r"b must lie within 1e\+50 of 0, got 27 values"),
        (torch.randn(9, 3), torch.randn(9, 4), "one number of features, got 3 and 4"),
        (torch.randn(9, 3), torch.full((9, 3), torch.nan), "must be finite, got 27 values"),
        (torch.randn(9, 3), torch.randn(9, 3, device="meta"), 'b must hold values, got a tensor on the device "meta"'),
    ],
)
def test_bad_features_are_refused(a, b, words):
    with pytest.raises(ValueError, match=words):
        frechet_distance(a, b)


def test_class_balance():
    probabilities = torch.tensor([[0.1, 0.9, 0.0], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.4, 0.6, 0.0]])
    assert class_balance(probabilities).tolist() == [0.25, 0.75, 0.0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(0, 3), (3,), (3, 0)])
def test_no_probabilities(shape):
    with pytest.raises(ValueError, match=rf"\(n, classes\) with n >= 1 and classes >= 1, got \({shape[0]}"):
        class_balance(torch.zeros(shape))
    with pytest.raises(ValueError, match="probabilities must be finite, got 2 values that are not"):
        class_balance(torch.tensor([[0.5, 0.5], [torch.nan, torch.nan]]))


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_mean_interval(level):
    values = [1.0, 2.5, 0.3, 4.0, 2.2]
    mean, half = mean_interval(values, level)
    low, high = scipy.stats.t.interval(level, 4, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 0.0)
    assert mean_interval(values) == mean_interval(values, 0.95)


def test_intervals_that_make_no_sense():
    with pytest.raises(ValueError, match="values must hold two numbers at least, got 1"):
        mean_interval([1.0])
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 95"):
        mean_interval([1.0, 2.0], 95.0)


def test_real_against_real_is_the_floor_that_theory_gives():
    """Two samples of n from N(0, I) in d dimensions: on average 2d/n from the means and, for large n, d(d + 1)/2n from the
    covariances, since tr(S + T - 2 (ST)^(1/2)) is |S - T|^2 / 4 near the identity."""
    n, d, draws = 1000, 4, 200
    torch.manual_seed(0)
    found = [frechet_distance(*torch.randn(2, n, d, dtype=torch.float64)) for _ in range(draws)]
    expected = 2 * d / n + d * (d + 1) / (2 * n)
    assert sum(found) / draws == pytest.approx(expected, rel=0.08)  # one standard error is about 3 %


class OnMPS(torch.Tensor):
    """A tensor that says it is on Apple's MPS and refuses what that device refuses: to become float64."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.device.__get__:
            return torch.device("mps:0")
        plain = [x.as_subclass(torch.Tensor) if isinstance(x, OnMPS) else x for x in args]
        found = function(*plain, **kwargs or {})
        if function is torch.Tensor.cpu:
            return found
        if isinstance(found, torch.Tensor) and found.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64.")
        return found.as_subclass(cls) if isinstance(found, torch.Tensor) else found


CALLS = {
    "class_balance": lambda a, b: metrics.class_balance(a),
    "ball_radii": lambda a, b: metrics.ball_radii(a, 3),
    "classifier_two_sample_test": metrics.classifier_two_sample_test,
    "density_coverage": metrics.density_coverage,
    "feature_statistics": lambda a, b: metrics.feature_statistics(a),
    "frechet_distance": metrics.frechet_distance,
    "kernel_distance": lambda a, b: metrics.kernel_distance(a, b, size=7),
    "memorisation_test": lambda a, b: metrics.memorisation_test(a, b, b.flip(0) if isinstance(b, torch.Tensor) else b[::-1]),
    "mode_coverage": lambda a, b: metrics.mode_coverage(a, b, 0.5),
    "parzen_log_likelihood": lambda a, b: metrics.parzen_log_likelihood(a, b, 0.7, block=6),
    "polynomial_mmd": metrics.polynomial_mmd,
    "precision_recall": metrics.precision_recall,
    "select_sigma": lambda a, b: metrics.select_sigma(a, b, [0.3, 1.0]),
    "squared_distances": metrics.squared_distances,
    "check_features": lambda a, b: metrics.check_features(2, a=a, b=b),
    "power_spectrum": lambda a, b: metrics.power_spectrum(a.reshape(15, 1, 2, 2)),
    "radial_spectrum": lambda a, b: metrics.radial_spectrum(a.reshape(15, 1, 2, 2)),
    "spectral_distance": lambda a, b: metrics.spectral_distance(a.reshape(15, 1, 2, 2), b.reshape(15, 1, 2, 2)),
}


BESIDE = {  # no metrics, but they compute in float64 too
    "ink": lambda a, b: latents.ink(a.reshape(15, 1, 2, 2) / 8),
    "slant": lambda a, b: latents.slant(a.reshape(15, 1, 2, 2) / 8),
    "slerp": lambda a, b: latents.slerp(a, b, 0.3),
    "ratio_weights": lambda a, b: weighing.ratio_weights(a[:, 0]),
    "effective_samples": lambda a, b: weighing.effective_samples(abs(a[:, 0])),
}
CALLS |= BESIDE


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("held", ["in NumPy's arrays", "read only", "on MPS", "with gradients", "in half precision"])
@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_metric_takes_what_people_hold(name, held):
    """The same numbers as tensors of float32 on the CPU give the same answer to the last bit, and stay what they were."""
    a, b = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(4)).half().float()
    expected = CALLS[name](a, b)
    if held == "in half precision":
        given = a.half(), b.half()
    elif held == "with gradients":
        given = a.clone().requires_grad_(), b.clone().requires_grad_()
    else:
        given = (a.as_subclass(OnMPS), b.as_subclass(OnMPS)) if held == "on MPS" else (a.numpy(), b.numpy())
        for array in given if held == "read only" else ():
            array.flags.writeable = False
    before = a.clone(), b.clone()
    found = CALLS[name](*given)
    for x, y in zip(*((z if isinstance(z, tuple) else (z,)) for z in (found, expected)), strict=True):
        assert torch.equal(x, y) if isinstance(y, torch.Tensor) else x == y
    assert torch.equal(a, before[0]) and torch.equal(b, before[1])


def test_every_metric_is_among_them():
    functions = {name for name in metrics.__all__ if not isinstance(getattr(metrics, name), type)}
    assert functions - {"mean_interval"} == set(CALLS) - set(BESIDE)
