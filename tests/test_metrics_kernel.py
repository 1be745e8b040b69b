"""The kernel distance: unbiased where the Frechet distance is not, against scikit-learn's kernel, with honest intervals."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from ganlib.metrics import kernel_distance, polynomial_mmd


def test_agreement_with_scikit_learn():
    a, b = torch.randn(30, 5).double(), torch.randn(20, 5).double() + 0.3
    aa, bb, ab = (polynomial_kernel(x, y, degree=3, gamma=1 / 5, coef0=1) for x, y in ((a, a), (b, b), (a, b)))
    expected = (aa.sum() - np.trace(aa)) / (30 * 29) + (bb.sum() - np.trace(bb)) / (20 * 19) - 2 * ab.mean()
    assert polynomial_mmd(a, b) == pytest.approx(expected, rel=1e-10)


def test_one_dimension_in_closed_form():
    """(xy + 1)^3 = sum of c_j x^j y^j: the distance is a weighted sum of squared differences of the first three moments.

    N(1, 1) against N(0, 1): means 1 and 0, second moments 2 and 1, third 4 and 0: 3 (1) + 3 (1) + 16 = 22.
    """
    values = [polynomial_mmd(torch.randn(2000, 1).double() + 1, torch.randn(2000, 1).double()) for _ in range(60)]
    error = np.std(values, ddof=1) / len(values) ** 0.5
    assert abs(np.mean(values) - 22) < 4 * error and error < 0.5


def test_no_bias_at_any_size():
    """Both sets from one distribution: zero on average with 5 rows as with 50, and negative about as often as not."""
    for n in (5, 50):
        values = np.array([polynomial_mmd(torch.randn(n, 2), torch.randn(n, 2)) for _ in range(400)])
        assert abs(values.mean()) < 4 * values.std() / 20
        assert 0.2 < (values < 0).mean() < 0.8


def test_symmetry_order_and_turns():
    a, b = torch.randn(40, 4).double(), torch.randn(50, 4).double() + 1
    turn, before = torch.linalg.qr(torch.randn(4, 4).double()).Q, polynomial_mmd(a, b)
    assert polynomial_mmd(b, a) == pytest.approx(before)
    assert polynomial_mmd(a.flip(0) @ turn, b[torch.randperm(50)] @ turn) == pytest.approx(before)


def test_the_interval_holds_the_distance():
    """95 % intervals from six disjoint blocks: of 200 all but a few hold the truth, 0, and some do not."""
    hits = 0
    for seed in range(200):
        mean, half = kernel_distance(torch.randn(120, 2), torch.randn(130, 2), size=20, seed=seed)
        hits += abs(mean) <= half
    assert 180 <= hits <= 197
    a, b = torch.randn(200, 2), torch.randn(200, 2) + 1
    assert kernel_distance(a, b, size=50) == kernel_distance(a, b, size=50) != kernel_distance(a, b, size=50, seed=1)
    mean, half = kernel_distance(a, b, size=50)
    assert mean - half > 0


def test_rows_in_two_blocks_are_all_used():
    """Blocks are disjoint: with two blocks of half the rows each row counts once, so one wild row is always seen."""
    a, b = torch.zeros(10, 1), torch.zeros(10, 1)
    a[3] = 1e3
    assert all(kernel_distance(a, b, size=5, seed=seed)[1] > 0 for seed in range(20))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: kernel_distance(x, x, size=4), "size must fill two blocks of 6 rows, got 4"),
        (lambda x: kernel_distance(x, x, size=1), "size must be at least 2, got 1"),
        (lambda x: kernel_distance(x, x[:, :1], size=2), "a and b must have one width, got 2 and 1"),
        (lambda x: polynomial_mmd(x[:1], x), r"a must have shape \(n, d\) with n >= 2 and d >= 1, got \(1, 2\)"),
        (lambda x: polynomial_mmd(x, x * torch.nan), "b must be finite, got 12 values"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.ones(6, 2))
