"""Precision, recall, density, coverage, copies, classifiers and modes: by construction, and against scikit-learn."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, entropy, norm
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from ganlib.metrics import (
    ball_radii,
    classifier_two_sample_test,
    density_coverage,
    memorisation_test,
    mode_coverage,
    precision_recall,
)


def radii_of_sklearn(x, k):
    return NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, k]


def regions(real, fake, k):
    """inside[i, j]: point j of fake lies in the ball of point i of real."""
    distances = np.linalg.norm(real[:, None] - fake[None], axis=2)
    return distances <= radii_of_sklearn(real, k)[:, None]


@pytest.mark.parametrize("k", [1, 3, 6])
def test_agreement_with_scikit_learn(k):
    real, fake = torch.randn(70, 4).double(), 1.3 * torch.randn(50, 4).double() + 0.5
    a, b = real.numpy(), fake.numpy()
    assert ball_radii(real, k, block=16).sqrt().numpy() == pytest.approx(radii_of_sklearn(a, k))
    found = precision_recall(real, fake, k)
    assert found.precision == pytest.approx(regions(a, b, k).any(axis=0).mean())
    assert found.recall == pytest.approx(regions(b, a, k).any(axis=0).mean())
    found = density_coverage(real, fake, k)
    assert found.density == pytest.approx(regions(a, b, k).sum(axis=0).mean() / k)
    assert found.coverage == pytest.approx(regions(a, b, k).any(axis=1).mean())


def test_collapse_has_precision_without_recall():
    """Fakes that all sit near one real point are precise; they cover next to nothing, and density does not notice."""
    real = torch.randn(1500, 2)
    collapsed = 0.02 * torch.randn(1500, 2)
    assert precision_recall(real, collapsed).precision > 0.99 and precision_recall(real, collapsed).recall < 0.02
    assert density_coverage(real, collapsed).density > 0.8 and density_coverage(real, collapsed).coverage < 0.03
    one = collapsed[:1].expand(1500, 2)  # one image repeated
    assert precision_recall(real, one).recall == 0


def test_noise_has_recall_without_precision():
    real, noise = torch.randn(1500, 2), 30 * torch.rand(1500, 2) - 15
    found = precision_recall(real, noise)
    assert found.precision < 0.2 and found.recall > 0.9
    assert density_coverage(real, noise).density < 0.2


def test_two_samples_of_one_distribution_give_the_floor():
    """Density 1 and coverage 1 - 2^-k; ten seeds of 2,000 points spread by 0.02."""
    a, b = torch.randn(2000, 3), torch.randn(2000, 3)
    found = density_coverage(a, b, k=5)
    assert found.density == pytest.approx(1, abs=0.06) and found.coverage == pytest.approx(1 - 2**-5, abs=0.02)
    precision, recall = precision_recall(a, b)
    assert precision == pytest.approx(recall, abs=0.04) and precision > 0.85
    assert precision_recall(a, a) == (1, 1)


def test_swapping_swaps_and_order_and_turns_change_nothing():
    real, fake = torch.randn(90, 3).double(), torch.randn(80, 3).double() + 1
    before = precision_recall(real, fake)
    assert tuple(precision_recall(fake, real)) == (before.recall, before.precision)
    turn, shift = torch.linalg.qr(torch.randn(3, 3).double()).Q, torch.randn(3).double()
    turned = real.flip(0) @ turn + shift, fake[torch.randperm(80)] @ turn + shift
    assert precision_recall(*turned) == pytest.approx(before)
    assert density_coverage(*turned) == pytest.approx(density_coverage(real, fake))


def test_copies_of_the_training_set_are_caught():
    train, held_out = torch.randn(600, 8), torch.randn(600, 8)
    copies = train[torch.randint(600, (800,))] + 0.01 * torch.randn(800, 8)
    found = memorisation_test(copies, train, held_out)
    assert found.closer > 0.98 and found.expected == 0.5 and found.p_value < 1e-6
    assert memorisation_test(copies, held_out, train).p_value > 1 - 1e-6  # one-sided
    tenth = torch.cat([copies[:80], torch.randn(720, 8)])
    assert memorisation_test(tenth, train, held_out).closer == pytest.approx(0.55, abs=0.05)


def test_an_honest_sampler_is_not_accused():
    """p-values of 200 honest samplers are uniform, also where the training set is larger or all samples crowd in one place."""
    for spread, n_train in ((1.0, 120), (0.05, 60)):
        found = [
            memorisation_test(spread * torch.randn(90, 2), torch.randn(n_train, 2), torch.randn(60, 2)) for _ in range(200)
        ]
        p_values = torch.tensor([test.p_value for test in found])
        assert found[0].expected == n_train / (n_train + 60)
        assert p_values.mean().item() == pytest.approx(0.5, abs=0.07)
        assert (p_values < 0.05).double().mean().item() < 0.1


def test_points_at_one_distance_share_a_sample():
    """Whatever is both in train and in held_out speaks for neither; on a lattice, full of ties, honest samplers stay honest."""
    a = torch.randn(300, 5)
    for samples in (a, torch.randn(200, 5)):
        found = memorisation_test(samples, a, a)
        assert (found.closer, found.p_value) == pytest.approx((0.5, 0.5), abs=1e-9)
    for k, j in ((5, 2), (10, 4), (7, 3)):  # sums of thirds and sevenths: what varies is rounding
        for samples, point in ((torch.randn(50, 5), a[:1]), (a[:20], a[:20])):
            assert memorisation_test(samples, point.repeat(k, 1), point.repeat(j, 1)).p_value == pytest.approx(0.5)
    half = memorisation_test(torch.randn(200, 5), a, torch.cat([a[:150], torch.randn(150, 5)]))
    assert half.closer == pytest.approx(0.5, abs=0.15) and half.p_value > 1e-3
    p_values = []
    for _ in range(200):
        samples, train, held_out = (torch.randint(6, (n, 3)).float() + 1e3 for n in (80, 100, 60))  # off the origin: rounding
        there, back = memorisation_test(samples, train, held_out), memorisation_test(samples, held_out, train)
        assert there.closer + back.closer == pytest.approx(1) and there.p_value + back.p_value == pytest.approx(1)
        p_values.append(there.p_value)
    p_values = torch.tensor(p_values)
    assert p_values.mean().item() == pytest.approx(0.5, abs=0.07) and (p_values < 0.05).double().mean().item() < 0.1


def test_the_variance_is_that_over_all_splits_of_the_pool():
    """Five points, every choice of two of them as training set: mean and variance of the share, taken over all ten."""
    samples, pool = torch.tensor([[0.1], [0.2], [1.1], [3.9]]), torch.arange(5.0).unsqueeze(1)
    splits = [list(split) for split in itertools.combinations(range(5), 2)]
    found = [memorisation_test(samples, pool[split], pool[[i for i in range(5) if i not in split]]) for split in splits]
    shares = np.array([test.closer for test in found])
    assert shares.mean() == pytest.approx(0.4)
    for test in found:
        assert test.p_value == pytest.approx(norm.sf((test.closer - 0.4) / shares.std()))


def test_every_point_of_the_pool_equally_often():
    """No split of the pool differs from another: the test says nothing, which is a p-value of one half."""
    train, held_out = torch.tensor([[0.0], [1.0]]), torch.tensor([[10.0], [11.0]])
    assert memorisation_test(torch.cat([train, held_out]), train, held_out) == (0.5, 0.5, 0.5)


def test_a_classifier_tells_what_differs():
    a, far, same = torch.randn(800, 3), torch.randn(900, 3) + 2, torch.randn(800, 3)
    assert classifier_two_sample_test(a, far).accuracy > 0.85 and classifier_two_sample_test(a, far).p_value < 1e-6
    found = classifier_two_sample_test(a, same)
    assert found.accuracy == pytest.approx(0.5, abs=0.06) and found.p_value > 0.01
    wide = classifier_two_sample_test(a, 3 * torch.randn(800, 3))  # one mean, another spread: a line could not tell
    assert wide.accuracy > 0.65
    assert classifier_two_sample_test(a, far, seed=1) == classifier_two_sample_test(a, far, seed=1)


def test_its_errors_are_as_rare_as_it_says():
    p_values = torch.tensor(
        [classifier_two_sample_test(torch.randn(60, 2), torch.randn(60, 2), seed=s).p_value for s in range(200)]
    )
    assert (p_values < 0.05).double().mean() < 0.1 and p_values.mean().item() == pytest.approx(0.55, abs=0.1)


def test_it_is_scikit_learns_classifier():
    a, b = torch.randn(100, 4).double(), torch.randn(100, 4).double() + 0.7
    shuffle = torch.Generator().manual_seed(3)
    rows = torch.cat([x[torch.randperm(100, generator=shuffle)] for x in (a, b)]).numpy()
    order = torch.randperm(200, generator=shuffle).numpy()
    fitted = KNeighborsClassifier(n_neighbors=5).fit(rows[order[:100]], order[:100] >= 100)
    expected = fitted.score(rows[order[100:]], order[100:] >= 100)
    found = classifier_two_sample_test(a, b, k=5, seed=3)
    assert found.accuracy == pytest.approx(expected)
    assert found.p_value == pytest.approx(binomtest(round(100 * expected), 100, alternative="greater").pvalue)


def test_modes():
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    even = centres.repeat(5, 1)
    assert mode_coverage(even, centres, 0.01) == (4, 1, 0)
    one = centres[:1].repeat(9, 1)
    assert mode_coverage(one, centres, 0.01) == (1, 1, pytest.approx(math.log(4)))
    # at 2.9 standard deviations a sample counts, at 3.1 it does not, but it is still assigned to its nearest centre
    near_and_far = torch.cat([centres[:1] + torch.tensor([0.029, 0.0]), centres[1:2] + torch.tensor([0.0, -0.031])])
    assert mode_coverage(near_and_far, centres, 0.01) == (1, 0.5, pytest.approx(math.log(2)))
    found = mode_coverage(torch.cat([centres[:3], centres[:1]]), centres, 0.1)
    assert found.modes == 3 and found.reverse_kl == pytest.approx(entropy([0.5, 0.25, 0.25, 0], [0.25] * 4))


def test_samples_of_the_mixture_itself():
    """Within three standard deviations of a normal in the plane lie 1 - exp(-9/2) of it."""
    centres = torch.cartesian_prod(torch.arange(5.0), torch.arange(5.0))
    samples = centres[torch.randint(25, (20_000,))] + 0.05 * torch.randn(20_000, 2)
    found = mode_coverage(samples, centres, 0.05)
    assert found.modes == 25 and found.share == pytest.approx(1 - math.exp(-4.5), abs=0.003) and found.reverse_kl < 0.002


GOOD = torch.zeros(6, 2)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: precision_recall(GOOD[:3], GOOD, 3), "k must lie between 1 and 2, got 3"),
        (lambda: precision_recall(GOOD, GOOD, 0), "got 0"),
        (lambda: precision_recall(GOOD, GOOD[:, :1]), "real and fake must have one width, got 2 and 1"),
        (lambda: density_coverage(GOOD, GOOD, 6), "k must lie between 1 and 5, got 6"),
        (lambda: density_coverage(GOOD, GOOD + torch.inf), "fake must be finite, got 12"),
        (lambda: memorisation_test(GOOD, GOOD[:0], GOOD), r"train must have shape .* got \(0, 2\)"),
        (lambda: classifier_two_sample_test(GOOD, GOOD, k=2), "k must be odd, got 2"),
        (lambda: classifier_two_sample_test(GOOD, GOOD, k=7), "k must lie between 1 and 6, got 7"),
        (lambda: classifier_two_sample_test(GOOD[:1], GOOD), "n >= 2"),
        (lambda: mode_coverage(GOOD, GOOD, 0.0), "std must be positive, got 0.0"),
        (lambda: mode_coverage(GOOD, GOOD[0], 0.1), r"centres must have shape .* got \(2,\)"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_turns_and_order_change_no_count_and_no_verdict():
    turn, order = torch.linalg.qr(torch.randn(3, 3).double()).Q, torch.randperm(200)
    centres, samples = 3 * torch.randn(5, 3).double(), 2 * torch.randn(200, 3).double()
    counted, turned = mode_coverage(samples, centres, 0.5), mode_coverage(samples[order] @ turn, centres.flip(0) @ turn, 0.5)
    assert counted.modes == turned.modes and counted.share == turned.share
    assert counted.reverse_kl == pytest.approx(turned.reverse_kl, abs=1e-12)
    train, held_out = torch.randn(300, 3).double(), torch.randn(100, 3).double()
    plain = memorisation_test(samples, train, held_out)
    moved = memorisation_test(samples[order] @ turn, train.flip(0) @ turn, held_out.flip(0) @ turn)
    assert plain == pytest.approx(moved, rel=1e-9)
    others = torch.randn(200, 3).double() + 0.4
    assert classifier_two_sample_test(train @ turn, others @ turn) == classifier_two_sample_test(train, others)
