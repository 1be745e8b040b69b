"""The Parzen score against scipy and closed forms, where float32 would fail, and the choice of its width."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from ganlib.metrics import parzen_log_likelihood, select_sigma, squared_distances


def test_one_sample_is_one_normal():
    samples, points = torch.randn(1, 3), torch.randn(7, 3)
    expected = multivariate_normal(samples[0].numpy(), 0.25).logpdf(points.numpy())
    assert parzen_log_likelihood(samples, points, 0.5).numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("block", [1, 4, 500])
def test_the_mean_of_normals_block_by_block(block):
    samples, points = torch.randn(40, 5).double(), torch.randn(9, 5).double()
    exponents = -cdist(points.numpy(), samples.numpy(), "sqeuclidean") / (2 * 0.3**2)
    expected = logsumexp(exponents, axis=1) - math.log(40) - 5 / 2 * math.log(2 * math.pi * 0.3**2)
    assert parzen_log_likelihood(samples, points, 0.3, block).numpy() == pytest.approx(expected, abs=1e-10)


def test_it_is_a_density():
    """It integrates to one; a mixture of n normals around draws of a normal tends to the normal's own convolution."""
    samples, line = torch.randn(50, 1), torch.linspace(-12, 12, 4001).unsqueeze(1)
    density = parzen_log_likelihood(samples, line, 0.7).exp()
    assert torch.trapezoid(density, line[:, 0].double()).item() == pytest.approx(1, abs=1e-9)
    many, points = torch.randn(200_000, 1), torch.tensor([[-1.0], [0.0], [2.0]])
    wide = torch.distributions.Normal(0.0, math.sqrt(1 + 0.5**2)).log_prob(points[:, 0])
    torch.testing.assert_close(parzen_log_likelihood(many, points, 0.5).float(), wide, atol=0.02, rtol=0)


def test_no_underflow_far_away_and_no_cancellation_far_from_the_origin():
    samples, points = torch.randn(30, 784).double(), torch.randn(4, 784).double()
    near = parzen_log_likelihood(samples, points, 0.1)
    assert near.isfinite().all() and (near < -10_000).all()
    far = parzen_log_likelihood(samples + 1e6, points + 1e6, 0.1)
    torch.testing.assert_close(far, near, rtol=1e-8, atol=0)
    pixels = torch.rand(20, 784)
    torch.testing.assert_close(parzen_log_likelihood(pixels, pixels, 0.1), parzen_log_likelihood(pixels.double(), pixels, 0.1))


def test_squared_distances_are_scipys():
    a, b = torch.randn(6, 4) + 100, torch.randn(5, 4) + 100
    assert squared_distances(a, b).numpy() == pytest.approx(cdist(a.double(), b.double(), "sqeuclidean"), abs=1e-9)
    many = torch.randn(200, 50)
    own = squared_distances(many, many)
    assert own.diagonal().max() < 1e-9 and own.min() >= 0  # rounding alone would make some of them negative


def test_order_and_turns_change_nothing():
    samples, points = torch.randn(30, 6).double(), torch.randn(8, 6).double()
    turn, before = torch.linalg.qr(torch.randn(6, 6).double()).Q, parzen_log_likelihood(samples, points, 0.4)
    torch.testing.assert_close(parzen_log_likelihood(samples.flip(0) @ turn, points @ turn, 0.4), before)
    order = torch.randperm(8)
    torch.testing.assert_close(parzen_log_likelihood(samples, points[order], 0.4), before[order])


def test_scaling_the_data_costs_the_logarithm_of_the_volume():
    samples, points = torch.randn(30, 6).double(), torch.randn(8, 6).double()
    scaled = parzen_log_likelihood(3 * samples, 3 * points, 1.2)
    torch.testing.assert_close(scaled, parzen_log_likelihood(samples, points, 0.4) - 6 * math.log(3))


def test_the_width_with_the_highest_score_is_selected():
    samples, points, sigmas = torch.randn(200, 2), torch.randn(60, 2), np.logspace(-2, 1, 9).tolist()
    scores = [parzen_log_likelihood(samples, points, sigma).mean() for sigma in sigmas]
    chosen = select_sigma(samples, points, sigmas, block=7)
    assert chosen == sigmas[int(np.argmax(scores))] and isinstance(chosen, float)
    assert 0.1 < chosen < 1
    assert select_sigma(samples, samples, sigmas) == sigmas[0]  # tuned on the samples themselves it falls to the least


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("samples", "points", "sigma", "words"),
    [
        (torch.zeros(0, 3), torch.zeros(2, 3), 1.0, r"samples must have shape .* n >= 1 and d >= 1, got \(0, 3\)"),
        (torch.zeros(2, 3), torch.zeros(3), 1.0, r"points must have shape .* got \(3,\)"),
        (torch.zeros(2, 3), torch.zeros(2, 4), 1.0, "samples and points must have one width, got 3 and 4"),
        (torch.zeros(2, 3), torch.full((2, 3), torch.nan), 1.0, "points must be finite, got 6"),
        (
            torch.zeros(2, 3),
            torch.zeros(2, 3, device="meta"),
            1.0,
            'points must hold values, got a tensor on the device "meta"',
        ),
        (torch.zeros(2, 3), torch.zeros(2, 3), 0.0, r"sigma must be positive, got 0\.0"),
        (torch.zeros(2, 3), torch.zeros(2, 3), math.inf, "got inf"),
    ],
)
def test_what_makes_no_sense_is_refused(samples, points, sigma, words):
    with pytest.raises(ValueError, match=words):
        parzen_log_likelihood(samples, points, sigma)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("sigmas", "words"),
    [
        ([], "hold numbers, 1 or more, got 0"),
        ([0.1, -1.0], "be positive, got -1.0"),
        ([math.inf], r"lie in \[1e-100, 1e\+100\], got inf"),
        ([1e-170], r"lie in .* got 1e-170"),
        (np.array([1.0, np.nan]), "be positive, got nan"),
    ],
)
def test_widths_that_make_no_sense(sigmas, words):
    with pytest.raises(ValueError, match=f"sigmas must {words}"):
        select_sigma(torch.zeros(2, 3), torch.zeros(2, 3), sigmas)
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        select_sigma(torch.zeros(2, 3), torch.zeros(2, 3), [1.0], block=0)
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        parzen_log_likelihood(torch.zeros(2, 3), torch.zeros(2, 3), 1.0, block=0)


def test_ten_thousand_against_ten_thousand_images_fit_a_laptop():
    """784 dimensions, within 60 seconds and 2 GiB for the whole process.

    The process measured is the child of a small one: at its start a process is charged with the peak of the one that made it,
    here that of every test before this.
    """
    program = """
import resource, sys, time, torch
from ganlib.metrics import parzen_log_likelihood
samples, points = torch.rand(2, 10_000, 784)
start = time.perf_counter()
assert parzen_log_likelihood(samples, points, 0.2).shape == (10_000,)
unit = 1 if sys.platform == "darwin" else 1024
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""
    small = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
    done = subprocess.run([sys.executable, "-c", small, program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seconds, size = map(float, done.stdout.split())
    assert seconds < 60 and 2 * 31_360_000 < size < 2 * 1024**3
