"""The divergences of two densities on a line, by adaptive quadrature, each with an estimate of its own error; in nats.

Densities are given by their logarithms, minus infinity where a density is zero: tails that a density cannot hold in a float
(exp(-800) is 0) still have a logarithm, and so a zero that is meant is told from one that is rounding.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ganlib.arguments import number, several

LogDensity = Callable[[float], float]
"""x -> log p(x); minus infinity where the density is zero."""

MASS_TOLERANCE = 1e-8
ERROR_TOLERANCE = 1e-9


class Integral(NamedTuple):
    """What a quadrature found, and its own estimate of how far off it may be. Introduced in chapter 4."""

    value: float
    error: float


def integrate(
    integrand: Callable[[float], float], bounds: tuple[float, float] = (-math.inf, math.inf), points: Sequence[float] = ()
) -> Integral:
    """Adaptive Gauss-Kronrod quadrature (scipy's quad) over a line cut at `points`. Introduced in chapter 4.

    An integrand that is infinite at a node makes the integral infinite, without error.

    Args:
        integrand: x -> number; a node is never an end or a cut.
        bounds: the two ends, which may be infinite.
        points: where to cut: peaks, kinks, ends of supports, in any order.

    Raises:
        TypeError: bounds or points are no sequences of numbers.
        ValueError: the integrand is NaN somewhere, bounds are not two, or points do not lie inside them.
        ArithmeticError: the error estimate stays above 1e-9, or quad says that the integral looks divergent.
    """
    from scipy.integrate import quad

    ends = several(bounds, "bounds", number, 2)
    edges = [ends[0], *sorted(several(points, "points", number, 0)), ends[1]]
    if len(ends) != 2 or any(not left < right for left, right in pairwise(edges)):
        raise ValueError(f"points must be different and lie inside bounds, got {points} and {bounds}.")
    infinite = []

    def finite_part(x: float) -> float:
        y = integrand(x)
        if math.isnan(y):
            raise ValueError(f"the integrand is NaN at x = {x}.")
        if math.isinf(y):
            infinite.append(y)
            return 0.0
        return y

    pieces = [
        quad(finite_part, left, right, epsabs=1e-12, epsrel=1e-12, limit=400, full_output=1) for left, right in pairwise(edges)
    ]
    if infinite:
        return Integral(infinite[0], 0.0)
    total, error = sum(piece[0] for piece in pieces), sum(piece[1] for piece in pieces)
    complaints = [piece[3] for piece in pieces if len(piece) > 3 and "roundoff" not in piece[3]]
    if complaints or error > ERROR_TOLERANCE * max(1.0, abs(total)):
        raise ArithmeticError(f"the quadrature did not settle, error {error:.3g}: {' '.join(complaints) or 'too large.'}")
    return Integral(total, error)


def mass_times(log_mass: float, term: float) -> float:
    """exp(log_mass) * term: no mass times anything is 0, some mass times infinity is infinite. Introduced in chapter 4."""
    if log_mass == -math.inf:
        return 0.0
    return term if math.isinf(term) else math.exp(log_mass) * term


def log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b)), exact where the exponentials are not; log 0 is minus infinity. Introduced in chapter 4."""
    high = max(a, b)
    return high if math.isinf(high) else high + math.log1p(math.exp(-abs(a - b)))


def integrate_pair(
    integrand: Callable[[float, float, float], float],
    log_p: LogDensity,
    log_q: LogDensity,
    bounds: tuple[float, float],
    points: Sequence[float],
) -> Integral:
    """Integral of integrand(x, log p(x), log q(x)), once both masses are found to be one. Introduced in chapter 4.

    Raises:
        ValueError: a density does not integrate to one within 1e-8 over these bounds with these points.
    """
    masses = {
        "log_p": integrate(lambda x: mass_times(log_p(x), 1.0), bounds, points),
        "log_q": integrate(lambda x: mass_times(log_q(x), 1.0), bounds, points),
    }
    for name, mass in masses.items():
        if not abs(mass.value - 1) <= MASS_TOLERANCE:
            raise ValueError(
                f"exp({name}) must integrate to one, got {mass.value:.10g}: check bounds, and name peaks in points."
            )
    return integrate(lambda x: integrand(x, log_p(x), log_q(x)), bounds, points)


def optimal_discriminator_line(log_p: LogDensity, log_q: LogDensity) -> Callable[[float], float]:
    """x -> D*(x) = sigmoid(log p(x) - log q(x)); NaN where both densities are zero. Introduced in chapter 4."""
    return lambda x: math.exp(-log_add(0.0, log_q(x) - log_p(x)))


def value_line(
    log_p: LogDensity,
    log_q: LogDensity,
    logit: Callable[[float], float],
    bounds: tuple[float, float] = (-math.inf, math.inf),
    points: Sequence[float] = (),
) -> Integral:
    """V = E_p log D + E_q log(1 - D) on a line, for D = sigmoid(logit). Introduced in chapter 4.

    Args:
        log_p: x -> log density of the data, minus infinity where it is zero.
        log_q: x -> log density of p_g.
        logit: x -> log D/(1 - D), possibly infinite.
        bounds: the two ends of the line.
        points: peaks, kinks and ends of supports, where the quadrature is cut.

    Raises:
        ValueError: a density does not integrate to one.
        ArithmeticError: the quadrature did not settle.
    """

    def integrand(x: float, at_p: float, at_q: float) -> float:
        log_d, log_not_d = -log_add(0.0, -logit(x)), -log_add(0.0, logit(x))
        return mass_times(at_p, log_d) + mass_times(at_q, log_not_d)

    return integrate_pair(integrand, log_p, log_q, bounds, points)


def value_at_optimum_line(
    log_p: LogDensity,
    log_q: LogDensity,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    points: Sequence[float] = (),
) -> Integral:
    """C(G) on a line, arguments and errors as in :func:`value_line`. Introduced in chapter 4."""

    def integrand(x: float, at_p: float, at_q: float) -> float:
        log_sum = log_add(at_p, at_q)
        return mass_times(at_p, at_p - log_sum) + mass_times(at_q, at_q - log_sum)

    return integrate_pair(integrand, log_p, log_q, bounds, points)


def kl_divergence_line(
    log_p: LogDensity,
    log_q: LogDensity,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    points: Sequence[float] = (),
) -> Integral:
    """KL(p || q) on a line, arguments and errors as in :func:`value_line`. Introduced in chapter 5.

    Infinite when a node of the quadrature finds q = 0 < p: name the ends of supports in `points`.
    """
    return integrate_pair(lambda x, at_p, at_q: mass_times(at_p, at_p - at_q), log_p, log_q, bounds, points)


def js_divergence_line(
    log_p: LogDensity,
    log_q: LogDensity,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    points: Sequence[float] = (),
) -> Integral:
    """JSD on a line, arguments and errors as in :func:`value_line`. Introduced in chapter 5."""

    def integrand(x: float, at_p: float, at_q: float) -> float:
        log_m = log_add(at_p, at_q) - math.log(2)
        return (mass_times(at_p, at_p - log_m) + mass_times(at_q, at_q - log_m)) / 2

    return integrate_pair(integrand, log_p, log_q, bounds, points)


def total_variation_line(
    log_p: LogDensity,
    log_q: LogDensity,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    points: Sequence[float] = (),
) -> Integral:
    """TV on a line, arguments and errors as in :func:`value_line`; cut it where p = q. Introduced in chapter 5."""
    return integrate_pair(lambda x, at_p, at_q: abs(math.exp(at_p) - math.exp(at_q)) / 2, log_p, log_q, bounds, points)
