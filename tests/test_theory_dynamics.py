"""Chapter 6 in numbers: every formula of its proofs against autograd of the library's own objectives and penalties."""

import math
from functools import partial

import pytest
import torch
from test_theory_divergences import vector

from ganlib import objectives, penalties
from ganlib.theory.dynamics import dirac_field, dirac_step, dirac_trajectory, jacobian_spectrum, simplex_descent


def close(ours, theirs, tolerance=1e-12):
    ours, theirs = torch.as_tensor(ours), torch.as_tensor(theirs)
    return (ours - theirs.to(ours.dtype)).abs().max().item() <= tolerance


def gap(p, q):
    """C(q) - C(p) = 2 JSD, straight from its definition; p is positive."""
    return (p * (2 * p / (p + q)).log() + torch.xlogy(q, 2 * q / (p + q))).sum(-1)


P, Q = vector(0.5, 0.3, 0.15, 0.05), vector(0.05, 0.1, 0.25, 0.6)
STATES = [(0.0, 0.0), (0.3, -0.7), (1.0, 1.0), (-2.0, 0.5)]


def step_map_jacobian(objective, step_size, theta=0.0, psi=0.0, **options):
    return torch.autograd.functional.jacobian(
        lambda at: dirac_step(objective, at[0], at[1], step_size, **options), vector(theta, psi)
    )


# Proposition 2


def test_simplex_descent_moves_along_the_derivative_of_the_optimum():
    """A small step is a step along -grad C in the entropy's geometry: dq_i/dt = -q_i (g_i - sum_j q_j g_j)."""
    q = Q.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(gap(P, q), q)
    after = simplex_descent(P, Q, steps=1, step_size=1e-6)[1]
    assert close((after - Q) / 1e-6, -Q * (gradient - (Q * gradient).sum()), 1e-5)


@pytest.mark.parametrize("step_size", [0.25, 0.5, 1.0, 2.0])
def test_simplex_descent_has_its_closed_form(step_size):
    expected = Q ** (1 - step_size) * (P + Q) ** step_size
    assert close(simplex_descent(P, Q, 1, step_size)[1], expected / expected.sum())


def test_a_step_of_size_one_halves_the_distance():
    path = simplex_descent(P, Q, steps=30, step_size=1.0)
    halvings = 0.5 ** torch.arange(31, dtype=torch.float64)
    assert close(path - P, halvings[:, None] * (Q - P))


@pytest.mark.decides("thm-proposition-two")
@pytest.mark.parametrize("step_size", [0.1, 0.5, 1.0])
def test_the_gap_falls_and_stays_below_its_bound(step_size):
    start = (P * (P / Q).log()).sum()
    path = simplex_descent(P, Q, steps=200, step_size=step_size)
    gaps = gap(P, path)
    bound = start / (step_size * torch.arange(1, 201, dtype=torch.float64))
    assert (gaps[1:] <= bound + 1e-15).all()
    assert (gaps[1:] <= gaps[:-1] + 1e-15).all()
    assert gaps[-1] < 1e-8


def test_the_linear_rate_at_the_solution_is_one_minus_half_the_step():
    for step_size in (0.5, 1.5, 3.0):
        near = P + 1e-7 * vector(1, -1, 2, -2)
        after = simplex_descent(P, near, 1, step_size)[1]
        assert close((after - P) / (near - P), torch.full((4,), 1 - step_size / 2), 1e-4)


@pytest.mark.decides("thm-step-two")
def test_every_start_is_good_up_to_two_and_none_beyond_four():
    torch.manual_seed(0)
    starts = torch.distributions.Dirichlet(torch.ones(4, dtype=torch.float64)).sample((500,))
    p = P.expand(500, 4)
    assert gap(p, simplex_descent(p, starts, 400, 2.0)[-1]).max() < 1e-12
    assert gap(p, simplex_descent(p, starts, 20, 3.5)[-1]).max() > 0.1
    near = simplex_descent(P, P + vector(1e-6, -1e-6, 0, 0), 60, 4.5)
    assert gap(P, near).diff()[:30].min() > 0 and gap(P, near).max() > 0.1


def test_simplex_descent_is_batched_and_takes_zeros_in_p():
    p, q0 = torch.stack([P, vector(0.5, 0.5, 0, 0)]), torch.stack([Q, Q])
    path = simplex_descent(p, q0, 60)
    assert path.shape == (61, 2, 4)
    assert close(path[-1], p, 1e-15)
    assert close(path.sum(-1), torch.ones(61, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((P, vector(0.5, 0.5), 1), "one length"),
        ((P, vector(0.5, 0.5, 0, 0), 1), "positive everywhere"),
        ((P, Q * 2, 1), "sum to one"),
        ((vector(1.5, -0.5, 0, 0), Q, 1), "not be negative"),
        ((P, Q, -1), "steps"),
        ((P, Q, 1, 0.0), "step_size"),
    ],
)
def test_simplex_descent_names_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        simplex_descent(*arguments)


# The Dirac-GAN


@pytest.mark.parametrize(("theta", "psi"), STATES)
def test_fields_are_those_of_the_book(theta, psi):
    up, down = torch.sigmoid(vector(theta * psi))[0], torch.sigmoid(vector(-theta * psi))[0]
    assert close(dirac_field(objectives.minimax, theta, psi), torch.stack([psi * up, -theta * up]))
    assert close(dirac_field(objectives.nonsaturating, theta, psi), torch.stack([psi * down, -theta * up]))
    assert close(dirac_field(objectives.relativistic, theta, psi), torch.stack([psi * down, -theta * up]))
    assert close(dirac_field(objectives.wasserstein, theta, psi), vector(psi, -theta))
    r1 = partial(penalties.r1, gamma=0.3)
    assert close(dirac_field(objectives.minimax, theta, psi, r1), torch.stack([psi * up, -theta * up - 0.3 * psi]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minimax", (-0.5j, 0.5j)),
        ("nonsaturating", (-0.5j, 0.5j)),
        ("relativistic", (-0.5j, 0.5j)),
        ("wasserstein", (-1j, 1j)),
        ("hinge", (-1j, 1j)),
        ("least_squares", (0j, 0j)),
    ],
)
def test_spectrum_of_each_game_at_the_solution(name, expected):
    assert close(jacobian_spectrum(getattr(objectives, name), 0.0, 0.0), torch.tensor(expected, dtype=torch.complex128))


@pytest.mark.parametrize("penalty", [penalties.r1, penalties.r2])
@pytest.mark.parametrize("gamma", [0.3, 0.9, 1.5, 4.0])
def test_spectrum_with_r1_and_r2(penalty, gamma):
    root = torch.sqrt(torch.tensor(gamma**2 / 4 - 1 / 4, dtype=torch.complex128))
    expected = torch.stack([-gamma / 2 - root, -gamma / 2 + root])
    assert close(jacobian_spectrum(objectives.minimax, 0.0, 0.0, partial(penalty, gamma=gamma)), expected)


def test_spectrum_away_from_the_solution():
    """At (theta, 0) the minimax Jacobian is [[0, 1/2], [-1/2, -theta^2/4]]."""
    root = torch.sqrt(torch.tensor(1 / 64 - 1 / 4, dtype=torch.complex128))
    assert close(jacobian_spectrum(objectives.minimax, 1.0, 0.0), torch.stack([-1 / 8 - root, -1 / 8 + root]))


def test_critical_gamma_is_one():
    """At gamma = 1 both eigenvalues are -1/2 and the matrix is defective, so rounding enters as its square root."""
    spectrum = jacobian_spectrum(objectives.minimax, 0.0, 0.0, partial(penalties.r1, gamma=1.0))
    assert close(spectrum, torch.full((2,), -0.5, dtype=torch.complex128), 1e-7)
    below, above = (
        jacobian_spectrum(objectives.minimax, 0.0, 0.0, partial(penalties.r1, gamma=gamma)) for gamma in (0.999, 1.001)
    )
    assert below.imag.abs().min() > 0.01 and above.imag.abs().max() < 1e-12


def test_the_minimax_flow_conserves_the_radius_and_the_nonsaturating_flow_shrinks_it():
    for theta, psi in STATES:
        minimax = dirac_field(objectives.minimax, theta, psi)
        assert abs((minimax * vector(theta, psi)).sum().item()) < 1e-12
        ours = (dirac_field(objectives.nonsaturating, theta, psi) * vector(theta, psi)).sum()
        logit = theta * psi
        assert close(ours, vector(-logit * math.tanh(logit / 2))[0])


@pytest.mark.parametrize("step_size", [0.05, 0.2, 1.0])
def test_every_simultaneous_step_grows_by_its_exact_factor(step_size):
    path = dirac_trajectory(objectives.minimax, vector(1, 1), step_size, 100)
    assert path.shape == (101, 2) and torch.equal(path[0], vector(1, 1))
    radius = path.norm(dim=1)
    slope = torch.sigmoid(path.prod(dim=1))
    assert close(radius[1:] / radius[:-1], torch.sqrt(1 + (step_size * slope[:-1]) ** 2))
    growth = torch.linalg.eigvals(step_map_jacobian(objectives.minimax, step_size)).abs()
    assert close(growth, vector(*[math.sqrt(1 + step_size**2 / 4)] * 2))


@pytest.mark.parametrize("name", ["minimax", "nonsaturating"])
@pytest.mark.parametrize("d_steps", [1, 2, 5])
@pytest.mark.parametrize("step_size", [0.2, 1.0, 1.7])
def test_alternating_steps_keep_the_area_whatever_k(name, d_steps, step_size):
    jacobian = step_map_jacobian(getattr(objectives, name), step_size, alternating=True, d_steps=d_steps)
    assert close(torch.linalg.det(jacobian), torch.tensor(1.0))
    assert close(jacobian.trace(), vector(2 - d_steps * step_size**2 / 4)[0])
    assert close(torch.linalg.eigvals(jacobian).abs(), torch.ones(2))


def test_alternating_steps_leave_the_unit_circle_at_four():
    below, above = (torch.linalg.eigvals(step_map_jacobian(objectives.minimax, h, alternating=True)) for h in (3.99, 4.01))
    assert close(below.abs(), torch.ones(2)) and above.abs().max() > 1.05


def test_D_steps_first_and_G_answers_the_new_D():
    theta, psi, h = 0.4, 0.9, 0.3
    new_psi = psi + h * dirac_field(objectives.minimax, theta, psi)[1]
    new_theta = theta + h * dirac_field(objectives.minimax, theta, new_psi.item())[0]
    ours = dirac_step(objectives.minimax, theta, psi, h, alternating=True)
    assert close(ours, torch.stack([new_theta, new_psi]))


def test_where_the_runs_end():
    start = vector(1, 1)
    simultaneous = dirac_trajectory(objectives.minimax, start, 0.2, 500).norm(dim=1)
    assert (simultaneous.diff() > 0).all() and simultaneous[-1] > 3
    for d_steps in (1, 5):
        alternating = dirac_trajectory(objectives.minimax, start, 0.2, 200, alternating=True, d_steps=d_steps).norm(dim=1)
        assert alternating[-100:].min() > 0.3
    tamed = dirac_trajectory(objectives.minimax, start, 0.2, 500, partial(penalties.r1, gamma=0.3)).norm(dim=1)
    assert tamed[-1] < 1e-4


def test_step_and_trajectory_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="d_steps"):
        dirac_step(objectives.minimax, 0.0, 0.0, 0.1, d_steps=2)
    with pytest.raises(ValueError, match="d_steps"):
        dirac_step(objectives.minimax, 0.0, 0.0, 0.1, alternating=True, d_steps=0)
    with pytest.raises(ValueError, match="steps"):
        dirac_trajectory(objectives.minimax, vector(1, 1), 0.1, -1)
