"""What nearest neighbours tell: quality apart from variety, copies of the training set, and whether two samples differ."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ganlib.arguments import seeded, whole
from ganlib.metrics.likelihood import squared_distances
from ganlib.metrics.summaries import check_features
from ganlib.types import Array


class PrecisionRecall(NamedTuple):
    """Share of fakes within the reals' region, and share of reals within the fakes'."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Mean number of real balls that hold a fake, over k, and share of real balls that hold one."""

    density: float
    coverage: float


class TwoSample(NamedTuple):
    """Held-out accuracy of a classifier of origin, and the probability of as much or more by chance."""

    accuracy: float
    p_value: float


class Memorisation(NamedTuple):
    """Share of samples whose nearest neighbour is a training point, the share expected of an honest sampler, p-value."""

    closer: float
    expected: float
    p_value: float


def ball_radii(features: Float[Array, "n dim"], k: int, block: int = 1000) -> Float[Tensor, " n"]:
    """Squared distance (n,) of every row to its k-th nearest other row. Introduced in chapter 10."""
    (features,) = check_features(2, features=features)
    k, block = whole(k, "k", 1, len(features) - 1), whole(block, "block", 1)
    near = (squared_distances(chunk, features).topk(k + 1, largest=False).values for chunk in features.split(block))
    return torch.cat([distances[:, k] for distances in near])


def precision_recall(real: Float[Array, "n_real dim"], fake: Float[Array, "n_fake dim"], k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkaanniemi et al. 2019, eqs. 1-2).

    A set's region is the union of balls around its points, each reaching to the point's k-th nearest neighbour in the set.
    Both figures depend on n and k: quote them, and what two real samples give. Introduced in chapter 10.

    Args:
        real: (n_real, d).
        fake: (n_fake, d).
        k: neighbour that a ball reaches to.

    Raises:
        ValueError: a shape is wrong, k < 1, a set has k rows or fewer, or a feature is not finite.
    """
    real, fake = check_features(2, real=real, fake=fake)
    k = whole(k, "k", 1, min(len(real), len(fake)) - 1)
    shares = []
    for centres, points in ((real, fake), (fake, real)):
        radii = ball_radii(centres, k)
        inside = [(squared_distances(chunk, centres) <= radii).any(dim=1) for chunk in points.split(1000)]
        shares.append(torch.cat(inside).double().mean().item())
    return PrecisionRecall(*shares)


def density_coverage(real: Float[Array, "n_real dim"], fake: Float[Array, "n_fake dim"], k: int = 5) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020, eqs. 5-6): balls around real points only; one odd fake widens nothing.

    For two samples of one continuous distribution and of one size density is 1 on average and coverage about 1 - 2^-k;
    where points repeat, balls of radius 0 hold many, and density is larger.
    Introduced in chapter 10.

    Raises:
        ValueError: a shape is wrong, k < 1, real has k rows or fewer, or a feature is not finite.
    """
    real, fake = check_features(1, real=real, fake=fake)
    k = whole(k, "k", 1, len(real) - 1)
    radii = ball_radii(real, k)
    holds = torch.zeros(len(real), dtype=torch.int64, device=real.device)
    for chunk in fake.split(1000):
        holds += (squared_distances(chunk, real) <= radii).sum(dim=0)
    return DensityCoverage(holds.sum().item() / (k * len(fake)), (holds > 0).double().mean().item())


def memorisation_test(
    samples: Float[Array, "n dim"], train: Float[Array, "n_train dim"], held_out: Float[Array, "n_held_out dim"]
) -> Memorisation:
    """Do samples lie nearer to the training set than to held-out data of the same distribution?

    Each sample looks for its nearest neighbour among both together. Of a sampler that has not seen `train` in particular,
    training points find as many as their share of the pool. Points at one distance share the sample between them. The
    p-value is one-sided, from the exact mean and variance over all ways to split the pool (a permutation test, normal
    approximation): samples may crowd around few points.
    Introduced in chapter 10.

    Args:
        samples: (n, d).
        train: (n_train, d), what the generator was trained on, or a random part of it.
        held_out: (n_held_out, d), of the same origin, never trained on.

    Raises:
        ValueError: a shape is wrong, a set is empty, or a feature is not finite.
    """
    from scipy.stats import norm

    samples, train, held_out = check_features(1, samples=samples, train=train, held_out=held_out)
    pool, n = torch.cat([train, held_out]), len(train)
    centre = pool.mean(dim=0)
    found = torch.zeros(len(pool), dtype=torch.float64, device=pool.device)  # samples that each point of the pool attracts
    for chunk in samples.split(500):
        distances = squared_distances(chunk, pool)
        least = distances.amin(dim=1, keepdim=True)
        rounding = 1e-12 * (least + (chunk - centre).square().sum(dim=1, keepdim=True))
        rows, points = (distances <= least + rounding).nonzero(as_tuple=True)
        found.index_add_(0, points, 1 / torch.bincount(rows)[rows].double())
    share = n / len(pool)
    variance = n * found.var(correction=0) * (len(pool) - n) / (len(pool) - 1)
    different = variance > 1e-20 * len(samples) ** 2  # less is rounding: every point attracts equally
    z = ((found[:n].sum() - share * len(samples)) / variance.sqrt()).item() if different else 0.0
    return Memorisation(found[:n].sum().item() / len(samples), share, float(norm.sf(z)))


def classifier_two_sample_test(
    a: Float[Array, "n_a dim"], b: Float[Array, "n_b dim"], k: int | None = None, seed: int = 0
) -> TwoSample:
    """Can a classifier tell a from b? Majority of k nearest neighbours (Lopez-Paz and Oquab 2017).

    The larger set is cut to the size of the smaller; of all rows one half, drawn at random, votes, the other is judged.
    Where the two distributions are one, the right answers are about binomial with probability 1/2, a little less spread.
    Introduced in chapter 10.

    Args:
        a: (n_a, d).
        b: (n_b, d).
        k: neighbours that vote, an odd number; about the square root of their number when left out.
        seed: of the shuffles.

    Raises:
        ValueError: a shape is wrong, k is even or larger than half the rows, or a feature is not finite.
    """
    from scipy.stats import binom

    a, b = check_features(2, a=a, b=b)
    n, shuffle = min(len(a), len(b)), seeded(seed)
    k = int(n**0.5 - 1) // 2 * 2 + 1 if k is None else whole(k, "k", 1, n)
    if k % 2 == 0:
        raise ValueError(f"k must be odd, got {k}.")
    rows = torch.cat([x[torch.randperm(len(x), generator=shuffle, device="cpu")[:n]] for x in (a, b)])
    order = torch.randperm(2 * n, generator=shuffle, device="cpu").to(rows.device)
    voters, judged = order[:n], order[n:]
    near = [squared_distances(chunk, rows[voters]).topk(k, largest=False).indices for chunk in rows[judged].split(1000)]
    says_b = (voters[torch.cat(near)] >= n).sum(dim=1) > k / 2
    right = int((says_b == (judged >= n)).sum())
    return TwoSample(right / n, float(binom.sf(right - 1, n, 0.5)))
