"""Chapters 4 and 5 in numbers: every identity of their proofs over random pairs, discrete and on a line, to 1e-10."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize

from ganlib import theory
from ganlib.theory import (
    f_divergence,
    js_divergence,
    js_divergence_line,
    kl_divergence,
    kl_divergence_line,
    optimal_discriminator,
    optimal_discriminator_line,
    relativistic_value,
    total_variation,
    total_variation_line,
    value,
    value_at_optimum,
    value_at_optimum_line,
    value_line,
)
from ganlib.theory.divergences import check_distributions
from ganlib.theory.line import integrate, log_add, mass_times

often = settings(max_examples=80, deadline=None, derandomize=True, database=None)
seldom = settings(max_examples=12, deadline=None, derandomize=True, database=None)
LOG2, LOG4 = math.log(2), math.log(4)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def near(ours, theirs, tolerance=1e-10):
    ours, theirs = (float(x.detach()) if isinstance(x, torch.Tensor) else float(x) for x in (ours, theirs))
    return ours == theirs or abs(ours - theirs) <= tolerance * max(1.0, abs(theirs))


# Random distributions. Zeros are common; the mass of an outcome is otherwise at least about 1e-7, or 1e-300 in `extreme`.


@st.composite
def distributions(draw, count=2, zeros=True, extreme=False, outcomes=None):
    size = draw(st.integers(1, 6)) if outcomes is None else outcomes
    weight = st.floats(-300, 0).map(lambda power: 10.0**power) if extreme else st.floats(1e-6, 1)
    if zeros:
        weight = st.one_of(st.just(0.0), weight)
    made = []
    for _ in range(count):
        weights = draw(st.lists(weight, min_size=size, max_size=size))
        assume(sum(weights) > 1e-3)
        made.append(vector(*weights) / math.fsum(weights))
    return made


pairs, positive_pairs, extreme_pairs = distributions(), distributions(zeros=False), distributions(extreme=True)
DISJOINT = [vector(0.25, 0.75, 0.0), vector(0.0, 0.0, 1.0)]
NESTED = [vector(0.5, 0.5, 0.0), vector(0.25, 0.25, 0.5)]
EQUAL = [vector(0.2, 0.0, 0.8), vector(0.2, 0.0, 0.8)]


def edge_cases(test):
    for case in (DISJOINT, NESTED, NESTED[::-1], EQUAL):
        test = example(case)(test)
    return test


# The same quantities outcome by outcome, from their definitions


def plain_kl(p, q):
    if any(a > 0 and b == 0 for a, b in zip(p, q)):
        return math.inf
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q) if a > 0)


def plain_value(p, q, D):
    terms = [a * math.log(d) for a, d in zip(p, D) if a > 0] + [b * math.log(1 - d) for b, d in zip(q, D) if b > 0]
    return math.fsum(terms)


def bernoulli_kl(a, b):
    return plain_kl([a, 1 - a], [b, 1 - b])


# Values known by hand, conventions included


def test_values_worked_out_by_hand():
    p, q = vector(0.5, 0.5), vector(0.25, 0.75)
    assert near(kl_divergence(p, q), LOG2 / 2 + math.log(2 / 3) / 2)
    assert near(kl_divergence(q, p), math.log(1 / 2) / 4 + 3 * math.log(3 / 2) / 4)
    point, fair = vector(1.0, 0.0), vector(0.5, 0.5)
    assert near(js_divergence(point, fair), (math.log(4 / 3) + math.log(2 / 3) / 2 + LOG2 / 2) / 2)
    assert near(value_at_optimum(point, fair), math.log(2 / 3) + math.log(1 / 3) / 2)
    assert near(total_variation(point, fair), 0.5)
    assert near(total_variation(p, q), 0.25)
    assert near(relativistic_value(point, fair), -LOG2 / 2)
    assert optimal_discriminator(p, q).tolist() == [2 / 3, 0.4]
    assert near(value(p, q, vector(0.5, 0.5)), -LOG4)
    assert near(value(p, q, vector(0.25, 0.5)), math.log(1 / 8) / 2 + math.log(3 / 4) / 4 + 3 * math.log(1 / 2) / 4)


def test_zero_conventions():
    p, q = vector(0.5, 0.5, 0.0), vector(0.0, 0.5, 0.5)
    assert kl_divergence(p, q) == math.inf
    assert near(kl_divergence(vector(1.0, 0.0), vector(0.5, 0.5)), LOG2)  # 0 log 0 = 0
    assert kl_divergence(vector(0.0, 1.0), vector(0.0, 1.0)) == 0  # an outcome without any mass
    D = optimal_discriminator(vector(0.5, 0.5, 0.0, 0.0), vector(0.0, 0.5, 0.5, 0.0))
    assert D[:3].tolist() == [1.0, 0.5, 0.0]
    assert D[3].isnan()
    assert near(value(vector(0.5, 0.5, 0, 0), vector(0, 0.5, 0.5, 0), D), -LOG2)
    assert value(p, q, vector(0.0, 0.5, 0.0)) == -math.inf  # D = 0 on mass of p
    assert value(p, q, vector(1.0, 0.5, 1.0)) == -math.inf  # D = 1 on mass of q
    assert near(value(p, q, vector(1.0, 0.5, 0.0)), -LOG2)
    assert value_at_optimum(*DISJOINT) == 0
    assert near(js_divergence(*DISJOINT), LOG2)
    assert total_variation(*DISJOINT) == 1
    assert relativistic_value(*DISJOINT) == 0


def test_smallest_masses_do_not_turn_into_zeros():
    tiny = math.ulp(0.0)  # its half is zero
    p, q = vector(tiny, 1.0), vector(0.0, 1.0)
    assert js_divergence(p, q) == 0
    assert near(value_at_optimum(p, q), -LOG4)
    assert kl_divergence(p, q) == math.inf
    assert near(kl_divergence(q, p), 0)


# Chapter 4: the best discriminator


@often
@given(pairs, st.lists(st.floats(0.001, 0.999), min_size=6, max_size=6))
def test_value_is_its_definition(pair, D):
    D = D[: len(pair[0])]
    assert near(value(*pair, vector(*D)), plain_value(*(x.tolist() for x in pair), D))


@pytest.mark.decides("thm-optimal-discriminator")
@often
@edge_cases
@given(pairs)
def test_value_at_the_optimal_discriminator(pair):
    D = optimal_discriminator(*pair)
    assert near(value(*pair, D), value_at_optimum(*pair))
    expected = [a / (a + b) if a + b > 0 else math.nan for a, b in zip(*(x.tolist() for x in pair))]
    torch.testing.assert_close(D, vector(*expected), rtol=0, atol=1e-15, equal_nan=True)


@pytest.mark.decides("prop-discriminator-gap", "thm-optimal-discriminator")
@often
@given(pairs, st.lists(st.floats(0.001, 0.999), min_size=6, max_size=6))
def test_what_another_discriminator_loses(pair, D):
    """V(D*) - V(D) = 2 E_m KL(Bernoulli(D*) || Bernoulli(D)), so nothing beats D*, and only D* ties."""
    p, q = (x.tolist() for x in pair)
    lost = math.fsum((a + b) * bernoulli_kl(a / (a + b), d) for a, b, d in zip(p, q, D) if a + b > 0)
    gap = value_at_optimum(*pair) - value(*pair, vector(*D[: len(p)]))
    assert near(gap, lost)
    assert gap >= -1e-12


@often
@given(positive_pairs)
def test_logit_of_the_optimal_discriminator(pair):
    p, q = pair
    torch.testing.assert_close(optimal_discriminator(p, q).logit(), (p / q).log(), rtol=0, atol=1e-8)


@pytest.mark.decides("thm-optimal-discriminator")
@often
@given(pairs, st.integers(2, 10_000))
def test_discriminators_inside_the_open_interval_come_as_close_as_they_like(pair, n):
    D = (1 - 1 / n) * optimal_discriminator(*pair) + 1 / (2 * n)
    best, inside = value_at_optimum(*pair), value(*pair, D)
    assert best + 2 * math.log(1 - 1 / n) - 1e-12 <= inside <= best + 1e-12


# Chapter 5: Kullback and Leibler, Jensen and Shannon


@pytest.mark.decides("lem-gibbs")
@often
@edge_cases
@given(pairs)
def test_kl_is_its_definition_and_obeys_gibbs(pair):
    p, q = pair
    kl = kl_divergence(p, q)
    assert near(kl, plain_kl(p.tolist(), q.tolist()))
    assert kl >= 2 * total_variation(p, q) ** 2 - 1e-12  # Pinsker: at least 0, and 0 only where p = q
    assert kl_divergence(p, p) == 0


@often
@edge_cases
@given(pairs)
def test_js_is_its_definition(pair):
    p, q = (x.tolist() for x in pair)
    m = [(a + b) / 2 for a, b in zip(p, q)]
    assert near(js_divergence(*pair), (plain_kl(p, m) + plain_kl(q, m)) / 2)
    assert near(total_variation(*pair), math.fsum(max(a - b, 0) for a, b in zip(p, q)))


@pytest.mark.decides("prop-js-bounds")
@often
@edge_cases
@given(st.one_of(pairs, extreme_pairs))
def test_js_bounds_and_symmetry(pair):
    p, q = pair
    js, tv = js_divergence(p, q).item(), total_variation(p, q).item()
    assert js == js_divergence(q, p)
    upper = LOG2 * tv
    lower = LOG2 + sum(x * math.log(x) for x in ((1 + tv) / 2, (1 - tv) / 2) if x > 0)
    assert lower - 1e-12 <= js <= upper + 1e-12
    assert -1e-15 <= js <= LOG2 + 1e-15


@pytest.mark.decides("thm-js-metric")
@often
@example([vector(1.0, 0.0), vector(0.0, 1.0), vector(0.5, 0.5)])
@given(distributions(count=3))
def test_root_of_js_obeys_the_triangle_inequality(triple):
    p, q, r = triple
    ab, bc, ac = (js_divergence(*pair).clamp_min(0).sqrt() for pair in ((p, q), (q, r), (p, r)))
    assert ac <= ab + bc + 1e-7  # a root turns rounding of 1e-15 into 3e-8


def test_js_itself_and_kl_do_not():
    p, m, q = vector(1.0, 0.0), vector(0.5, 0.5), vector(0.0, 1.0)
    assert js_divergence(p, q) > js_divergence(p, m) + js_divergence(m, q) + 0.1
    p, m, q = vector(0.5, 0.5), vector(0.25, 0.75), vector(0.1, 0.9)
    assert kl_divergence(p, q) > kl_divergence(p, m) + kl_divergence(m, q) + 0.1


@pytest.mark.decides("thm-js-metric")
@seldom
@edge_cases
@given(pairs)
def test_js_is_a_squared_distance_between_curves(pair):
    """JSD = 1/2 sum over x of the integral of (exp(-p t/2) - exp(-q t/2))^2 / t^2, the proof that its root is a metric."""

    def apart(t, a, b):
        return (math.exp(-a * t / 2) - math.exp(-b * t / 2)) ** 2 / t**2

    total = 0.0
    for a, b in zip(*(x.tolist() for x in pair)):
        if a == b:
            continue
        cuts = [0, 1, 1 / max(a, b) + 2, 10 / max(a, b) + 3]  # beyond, in u = 1/t, the integrand is a square alone
        total += sum(quad(apart, s, t, args=(a, b), epsabs=1e-13, limit=200)[0] for s, t in pairwise(cuts))
        far = lambda u, a=a, b=b: (math.exp(-a / (2 * u)) - math.exp(-b / (2 * u))) ** 2  # noqa: E731
        total += quad(far, 0, 1 / cuts[-1], epsabs=1e-13, limit=400)[0]
    assert near(js_divergence(*pair), total / 2, 1e-9)


@pytest.mark.decides("prop-js-information")
@often
@edge_cases
@given(pairs)
def test_js_is_the_information_a_sample_has_about_its_label(pair):
    joint = torch.stack(pair) / 2  # rows: the label, real or fake, of a fair coin
    product = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0)
    information = plain_kl(joint.flatten().tolist(), product.flatten().tolist())
    assert near(js_divergence(*pair), information)


# Chapter 5: the global optimum


@pytest.mark.decides("thm-global-optimum")
@often
@edge_cases
@given(st.one_of(pairs, extreme_pairs))
def test_global_optimum(pair):
    C = value_at_optimum(*pair)
    assert near(C, -LOG4 + 2 * js_divergence(*pair), 1e-12)
    assert -LOG4 - 1e-12 <= C <= 1e-15
    assert total_variation(*pair) ** 2 - 1e-12 <= C + LOG4  # so that -log 4 needs p = q


@pytest.mark.decides("prop-c-convex", "lem-sup-affine")
@often
@given(distributions(count=3), st.floats(0, 1))
def test_c_is_convex_in_the_generator(triple, share):
    p, q, r = triple
    chord = (1 - share) * value_at_optimum(p, q) + share * value_at_optimum(p, r)
    mixed = (1 - share) * q + share * r
    assert value_at_optimum(p, mixed / mixed.sum()) <= chord + 1e-12


@pytest.mark.decides("lem-danskin")
@often
@given(positive_pairs)
def test_slope_of_c_is_the_slope_of_v_at_the_optimal_discriminator(pair):
    """dC/dq_i = log(1 - D*_i): how D* changes with q makes no difference (chapter 6 builds on it)."""
    p, q = pair
    q = q.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(value_at_optimum(p, q), q)
    torch.testing.assert_close(slope, torch.log(q / (p + q)).detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.decides("thm-global-optimum")
def test_an_optimiser_finds_the_minimum():
    p = vector(0.5, 0.3, 0.2)
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=100, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = value_at_optimum(p, logits.softmax(0))
        loss.backward()
        return loss

    assert near(optimiser.step(closure), -LOG4 + 2 * js_divergence(p, vector(1, 1, 1) / 3))
    assert abs(value_at_optimum(p, logits.softmax(0)).item() + LOG4) < 1e-10
    torch.testing.assert_close(logits.softmax(0).detach(), p, rtol=0, atol=1e-6)


# f-divergences


def js_generator(t):
    return (t * t.log() - (t + 1) * ((t + 1) / 2).log()) / 2


FAMILY = {
    "KL": (lambda t: t * t.log(), 0.0, math.inf, kl_divergence),
    "reverse KL": (lambda t: -t.log(), math.inf, 0.0, lambda p, q: kl_divergence(q, p)),
    "JS": (js_generator, LOG2 / 2, LOG2 / 2, js_divergence),
    "TV": (lambda t: (t - 1).abs() / 2, 0.5, 0.5, total_variation),
    "chi-squared": (lambda t: (t - 1) ** 2, 1.0, math.inf, lambda p, q: torch.where(p == q, 0, (p - q) ** 2 / q).sum(-1)),
}


@pytest.mark.parametrize("f, at_zero, slope, named", FAMILY.values(), ids=FAMILY)
@often
@edge_cases
@given(pairs)
def test_f_divergences(f, at_zero, slope, named, pair):
    assert near(f_divergence(*pair, f, at_zero, slope), named(*pair))


def test_f_divergence_asks_for_the_limits_it_needs():
    f = FAMILY["TV"][0]
    assert near(f_divergence(vector(0.5, 0.5), vector(0.25, 0.75), f), 0.25)
    with pytest.raises(ValueError, match="at_zero"):
        f_divergence(NESTED[0], NESTED[1], f)
    with pytest.raises(ValueError, match="slope"):
        f_divergence(NESTED[1], NESTED[0], f)
    with pytest.raises(ValueError, match=r"f\(1\) must be 0, got 1"):
        f_divergence(*NESTED, lambda t: t, 0.0, 1.0)
    with pytest.raises(ValueError, match="overflows"):
        f_divergence(vector(0.5, 0.5), vector(1e-310, 1.0), f)


# The relativistic game


@pytest.mark.decides("prop-relativistic")
@often
@edge_cases
@given(pairs)
def test_relativistic_value_is_js_of_the_pair_and_its_swap(pair):
    p, q = pair
    in_order, swapped = (p[:, None] * q).flatten(), (q[:, None] * p).flatten()
    expected = js_divergence(in_order / in_order.sum(), swapped / swapped.sum()) - LOG2
    assert near(relativistic_value(p, q), expected)
    assert -LOG2 - 1e-12 <= relativistic_value(p, q) <= 1e-15


def relativistic_payoff(p, q, D):
    return (p[:, None] * q * torch.nn.functional.logsigmoid(D[:, None] - D)).sum()


@pytest.mark.decides("prop-relativistic")
@often
@given(positive_pairs, st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_no_critic_beats_the_relativistic_value(pair, D):
    p, q = pair
    assert relativistic_payoff(p, q, vector(*D[: len(p)])) <= relativistic_value(p, q) + 1e-12
    assert near(relativistic_payoff(p, q, (p / q).log()), relativistic_value(p, q))


@seldom
@given(distributions(zeros=False, outcomes=3))
def test_an_optimiser_finds_the_relativistic_value(pair):
    p, q = pair
    assume(min(p.min(), q.min()) > 1e-3)

    def loss_and_gradient(D):
        D = torch.tensor(D, dtype=torch.float64, requires_grad=True)
        loss = -relativistic_payoff(p, q, D)
        loss.backward()
        return loss.item(), D.grad.numpy()

    found = minimize(loss_and_gradient, [0.0] * 3, jac=True, method="BFGS", options={"gtol": 1e-9})
    assert near(relativistic_value(p, q), -found.fun)


# Batches, and what is refused

EVERY = [kl_divergence, js_divergence, total_variation, value_at_optimum, relativistic_value]
EVERY += [partial(f_divergence, f=js_generator, at_zero=LOG2 / 2, slope=LOG2 / 2), lambda p, q: value(p, q, p / (p + q))]


@pytest.mark.parametrize("function", EVERY)
def test_batch_axes_broadcast(function):
    p, q = torch.rand(4, 1, 3, dtype=torch.float64).softmax(-1), torch.rand(5, 3, dtype=torch.float64).softmax(-1)
    together = function(p, q)
    assert together.shape == (4, 5)
    for i, j in ((0, 0), (3, 1), (2, 4)):
        assert near(together[i, j], function(p[i, 0], q[j]))
    assert optimal_discriminator(p, q).shape == (4, 5, 3)


GOOD = vector(0.5, 0.5)
BAD = {
    "p must be a float64 tensor, got torch.float32": GOOD.float(),
    "p must be a float64 tensor, got torch.int64": torch.tensor([1, 0]),
    "p must be a float64 tensor, got list": [0.5, 0.5],
    "p must be finite, got nan": vector(math.nan, 1.0),
    "p must be finite, got inf": vector(math.inf, 1.0),
    "p must not be negative, got -0.5": vector(1.5, -0.5),
    r"p must sum to one along its last axis, it is off by 0.25": vector(0.5, 0.25),
    r"p must have shape \(\.\.\., outcomes\)": vector(1.0)[0],
    "the last axes must have one length": vector(0.5, 0.25, 0.25),
}
TWO_SIDED = {**{f.__name__: f for f in EVERY[:5]}, "optimal_discriminator": optimal_discriminator}
TWO_SIDED |= {"f_divergence": EVERY[5], "value": lambda p, q: value(p, q, GOOD)}


@pytest.mark.parametrize("message, wrong", BAD.items())
@pytest.mark.parametrize("function", TWO_SIDED.values(), ids=TWO_SIDED.keys())
def test_what_is_no_distribution_is_refused(function, message, wrong, unchecked):
    with pytest.raises(ValueError, match=message):
        function(wrong, GOOD)
    with pytest.raises(ValueError, match=message.replace("p must", "q must")):
        function(GOOD, wrong)


def test_further_refusals():
    with pytest.raises(ValueError, match="batch axes must broadcast"):
        kl_divergence(GOOD.expand(2, 2), GOOD.expand(3, 2))
    with pytest.raises(ValueError, match=r"off by 1e-11"):
        check_distributions(p=GOOD + 0.5e-11)
    check_distributions(p=GOOD + 1e-14)
    for wrong in (vector(1.5, 0.5), vector(-0.5, 0.5), vector(math.nan, 0.5)):
        with pytest.raises(ValueError, match=r"D must lie in .*, got (-|1\.|nan)"):
            value(GOOD, GOOD, wrong)
    with pytest.raises(ValueError, match="D must be a float64"):
        value(GOOD, GOOD, GOOD.float())


# On a line


def gaussian(mean, sd):
    return lambda x: -(((x - mean) / sd) ** 2) / 2 - math.log(sd) - math.log(2 * math.pi) / 2


def mixture(share, mean_a, sd_a, mean_b, sd_b):
    a, b = gaussian(mean_a, sd_a), gaussian(mean_b, sd_b)

    def log_density(x):
        high, low = sorted((math.log(share) + a(x), math.log(1 - share) + b(x)), reverse=True)
        return high + math.log1p(math.exp(low - high))

    return log_density


def steps(weights):
    """The density that is weights[i] on the unit cell (i, i + 1)."""
    return lambda x: math.log(weights[int(x)]) if 0 <= x < len(weights) and weights[int(x)] > 0 else -math.inf


means, sds = st.floats(-3, 3), st.floats(0.3, 3)
mixtures = st.tuples(st.floats(0.05, 0.95), means, sds, means, sds)


def cuts(*parameters):
    return tuple(sorted({round(mean, 3) for share, a, _, b, _ in parameters for mean in (a, b)}))


@seldom
@given(means, sds, means, sds)
def test_line_against_the_closed_form_of_two_gaussians(m, s, n, t):
    found = kl_divergence_line(gaussian(m, s), gaussian(n, t), points=sorted({m, n}) if abs(m - n) > 1e-3 else [m])
    expected = math.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    assert abs(found.value - expected) <= found.error + 1e-10 * max(1, expected)
    assert found.error <= 1e-9 * max(1, expected)


@seldom
@given(means, means, sds)
def test_line_total_variation_of_two_shifted_gaussians(m, n, s):
    assume(abs(m - n) > 1e-3)
    found = total_variation_line(gaussian(m, s), gaussian(n, s), points=[(m + n) / 2])
    assert abs(found.value - math.erf(abs(m - n) / (2 * math.sqrt(2) * s))) <= found.error + 1e-10


@pytest.mark.decides("thm-global-optimum")
@seldom
@given(mixtures, mixtures)
def test_line_identities(first, second):
    log_p, log_q, points = mixture(*first), mixture(*second), cuts(first, second)

    def log_m(x):
        return float(np.logaddexp(log_p(x), log_q(x))) - LOG2

    C = value_at_optimum_line(log_p, log_q, points=points)
    js = js_divergence_line(log_p, log_q, points=points)
    at_best = value_line(log_p, log_q, lambda x: log_p(x) - log_q(x), points=points)
    assert abs(C.value + LOG4 - 2 * js.value) <= C.error + 2 * js.error + 1e-12
    assert abs(C.value - at_best.value) <= C.error + at_best.error + 1e-12
    halves = [kl_divergence_line(log_density, log_m, points=points) for log_density in (log_p, log_q)]
    assert abs(js.value - sum(half.value for half in halves) / 2) <= js.error + sum(half.error for half in halves) + 1e-12
    assert -1e-12 <= js.value <= LOG2 + 1e-12
    assert js.value == pytest.approx(js_divergence_line(log_q, log_p, points=points).value, abs=1e-11)


@pytest.mark.decides("prop-discriminator-gap")
@seldom
@given(mixtures, mixtures, st.floats(-1, 1), st.floats(-2, 2))
def test_line_what_another_discriminator_loses(first, second, slope, shift):
    log_p, log_q, points = mixture(*first), mixture(*second), cuts(first, second)
    D_star, logit = optimal_discriminator_line(log_p, log_q), lambda x: slope * x + shift

    def lost(x):
        a, b = math.exp(log_p(x)), math.exp(log_q(x))
        best, other = D_star(x), 1 / (1 + math.exp(-logit(x)))
        gap = best * math.log(best / other) if best > 0 else 0.0
        return (a + b) * (gap + ((1 - best) * math.log((1 - best) / (1 - other)) if best < 1 else 0.0))

    C = value_at_optimum_line(log_p, log_q, points=points)
    V = value_line(log_p, log_q, logit, points=points)
    loss = integrate(lost, (-25.0, 25.0), points)
    assert abs(C.value - V.value - loss.value) <= C.error + V.error + loss.error + 1e-9
    assert C.value >= V.value - 1e-10


@seldom
@edge_cases
@given(pairs)
def test_line_agrees_with_the_discrete_functions_on_step_densities(pair):
    p, q = (x.tolist() for x in pair)
    both = steps(p), steps(q), (0.0, float(len(p))), [float(i) for i in range(1, len(p))]
    for line, discrete in (
        (kl_divergence_line, kl_divergence),
        (js_divergence_line, js_divergence),
        (total_variation_line, total_variation),
        (value_at_optimum_line, value_at_optimum),
    ):
        found = line(*both)
        assert near(found.value, discrete(*pair), 1e-10)
        assert found.error <= 1e-9
    D = vector(*[0.1 + 0.8 * i / 6 for i in range(len(p))])
    found = value_line(*both[:2], lambda x: D.logit()[int(x)].item(), *both[2:])
    assert near(found.value, value(*pair, D))
    at_half = [optimal_discriminator_line(*both[:2])(i + 0.5) for i in range(len(p))]
    torch.testing.assert_close(vector(*at_half), optimal_discriminator(*pair), rtol=0, atol=1e-14, equal_nan=True)


def test_line_zeros_and_tails():
    left, right = steps([1.0, 0.0]), steps([0.5, 0.5])
    options = {"bounds": (0.0, 2.0), "points": (1.0,)}
    assert kl_divergence_line(right, left, **options) == (math.inf, 0.0)
    assert near(kl_divergence_line(left, right, **options).value, LOG2)
    assert value_line(left, right, lambda x: -math.inf, **options) == (-math.inf, 0.0)
    # exp(-800) is 0 in a float, and yet the density is not zero there: an infinite logit costs what it should
    assert mass_times(-800.0, -math.inf) == -math.inf
    assert mass_times(-math.inf, -math.inf) == 0.0
    assert mass_times(-1.0, 2.0) == 2 * math.exp(-1)
    assert (log_add(-math.inf, -math.inf), log_add(-math.inf, 1.0), log_add(math.inf, 0.0)) == (-math.inf, 1.0, math.inf)
    assert near(log_add(-1000.0, -1000.0), -1000 + LOG2)
    assert near(log_add(1.0, 2.0), math.log(math.e + math.e**2))
    far = kl_divergence_line(gaussian(50.0, 0.01), gaussian(0, 1), points=(0.0, 50.0))
    assert near(far.value, -math.log(0.01) + (0.01**2 + 2500) / 2 - 0.5)


def test_line_refusals():
    def cauchy(x):
        return -math.log(math.pi * (1 + x * x))

    with pytest.raises(ArithmeticError, match="did not settle"):
        kl_divergence_line(cauchy, gaussian(0, 1))  # infinite, by its tails
    assert 0.2 < kl_divergence_line(gaussian(0, 1), cauchy).value < 0.3
    with pytest.raises(ValueError, match=r"exp\(log_p\) must integrate to one, got 0"):
        js_divergence_line(gaussian(50.0, 0.01), gaussian(0, 1))  # a peak that was not named, and missed
    with pytest.raises(ValueError, match=r"exp\(log_q\) must integrate to one, got 2"):
        js_divergence_line(gaussian(0, 1), lambda x: gaussian(0, 1)(x) + LOG2)
    with pytest.raises(ValueError, match="NaN at x"):
        integrate(lambda x: math.nan, (0.0, 1.0))
    for points in ((2.0,), (0.5, 0.5), (0.0,)):
        with pytest.raises(ValueError, match="points must be different and lie inside bounds"):
            integrate(lambda x: x, (0.0, 1.0), points)
    assert near(integrate(lambda x: x, (0.0, 1.0), (0.7, 0.2)).value, 0.5)


def test_public_names():
    assert {"kl_divergence", "value_line", "relativistic_value", "f_divergence"} <= set(theory.__all__)
    assert all(hasattr(theory, name) for name in theory.__all__)
