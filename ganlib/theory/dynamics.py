"""Does the game settle? Proposition 2 on the simplex, where it does, and the Dirac-GAN, where it need not.

Objectives and penalties come in as values; every derivative is taken by autograd through them, none by hand.
"""

import torch
from jaxtyping import Complex128, Float64
from torch import Tensor

from ganlib.theory.divergences import check_distributions
from ganlib.types import Game, Penalty

Path = Float64[Tensor, "time ..."]
"""Distributions, or states of the Dirac-GAN, one after the other."""

Coordinate = Float64[Tensor, ""] | float
"""theta, where the G of the Dirac-GAN puts its one point, or psi, the slope of its D."""

State = Float64[Tensor, "2"]
"""(theta, psi)."""


def simplex_descent(p: Tensor, q0: Tensor, steps: int, step_size: float = 1.0) -> Path:
    """Proposition 2 at work: q = p_g itself is moved, and D is at its optimum given q before every step.

    The step multiplies each q_i by exp(-step_size log(1 - D*_i)) and normalises: mirror descent in the geometry of the
    entropy, which never leaves the simplex. For step_size <= 1 the gap C(q) - C(p) after t steps is at most
    KL(p || q0)/(step_size t).

    Args:
        p: the data's distribution, (..., outcomes); zeros are allowed.
        q0: where q starts, (..., outcomes), positive everywhere: where q is 0 and p is not, the gradient is infinite.
        steps: number of steps.
        step_size: positive. Where p > 0 everywhere q reaches p from every start up to 2, beyond that only from some, and
            beyond 4 not from nearby either: q runs into the corners, and is NaN once a log-probability overflows.

    Returns:
        Tensor (steps + 1, ..., outcomes), q0 first.

    Raises:
        ValueError: p or q0 is no distribution, q0 has a zero, or steps or step_size is out of range.

    Source: Goodfellow et al. 2014, Proposition 2; the rate is that of relatively smooth functions (Bauschke et al. 2017).
    Introduced in chapter 6.
    """
    check_distributions(p=p, q0=q0)
    if not (q0 > 0).all():
        raise ValueError(f"q0 must be positive everywhere, got a smallest entry of {q0.min().item()}.")
    if steps < 0 or not step_size > 0:
        raise ValueError(f"steps must be >= 0 and step_size > 0, got {steps} and {step_size}.")
    log_p, log_q = torch.broadcast_tensors(p.log(), q0.log())
    path = [log_q]
    for _ in range(steps):
        gradient = log_q - torch.logaddexp(log_p, log_q)  # log(1 - D*) with D* = p/(p + q), optimal for this q
        log_q = torch.log_softmax(log_q - step_size * gradient, dim=-1)  # q_i exp(-step_size gradient_i), normalised
        path.append(log_q)
    return torch.stack(path).exp()


def dirac_field(objective: Game, theta: Coordinate, psi: Coordinate, penalty: Penalty | None = None) -> State:
    """Minus the gradient of each player's loss in the Dirac-GAN, (-dL_G/dtheta, -dL_D/dpsi), itself differentiable.

    The data are the point 0, G makes the point theta, and D's logit at x is psi x.

    Args:
        objective: a game of ``ganlib.objectives``.
        theta: G's only weight.
        psi: D's only weight.
        penalty: ``penalty(D, reals, fakes)``, added to D's loss, as in training.

    Returns:
        Tensor (2,): the direction in which G moves theta, and that in which D moves psi.

    Source: Mescheder et al. 2018, section 2. Introduced in chapter 6.
    """
    # A clone each: however psi came about, G takes it as given, and D takes theta as given.
    theta, psi = (torch.as_tensor(value, dtype=torch.float64).clone().requires_grad_(True) for value in (theta, psi))

    def D(x: Tensor) -> Tensor:
        return psi * x[:, 0]

    reals, fakes = torch.zeros(1, 1, dtype=torch.float64), theta.reshape(1, 1)
    loss_G = objective.g_loss(D(reals), D(fakes))
    loss_D = objective.d_loss(D(reals), D(fakes))
    if penalty is not None:
        loss_D = loss_D + penalty(D, reals, fakes)
    (grad_theta,) = torch.autograd.grad(loss_G, theta, create_graph=True)
    (grad_psi,) = torch.autograd.grad(loss_D, psi, create_graph=True)
    return -torch.stack([grad_theta, grad_psi])


def dirac_step(
    objective: Game,
    theta: Coordinate,
    psi: Coordinate,
    step_size: float,
    penalty: Penalty | None = None,
    alternating: bool = False,
    d_steps: int = 1,
) -> State:
    """One round of gradient steps in the Dirac-GAN: the new (theta, psi), differentiable in the old.

    Args:
        objective: a game of ``ganlib.objectives``.
        theta: G's only weight.
        psi: D's only weight.
        step_size: of both players.
        penalty: added to D's loss.
        alternating: True lets D step first and G answer the new D, as in Algorithm 1; False moves both at once.
        d_steps: D's steps a round, the k of Algorithm 1; more than one asks for alternating turns.

    Raises:
        ValueError: d_steps is below 1, or above 1 without alternating.

    Introduced in chapter 6.
    """
    if d_steps < 1 or (d_steps > 1 and not alternating):
        raise ValueError(f"d_steps must be 1, or more with alternating=True, got {d_steps} with alternating={alternating}.")
    if not alternating:
        move = dirac_field(objective, theta, psi, penalty)
        return torch.stack([theta + step_size * move[0], psi + step_size * move[1]])
    for _ in range(d_steps):
        psi = psi + step_size * dirac_field(objective, theta, psi, penalty)[1]
    theta = theta + step_size * dirac_field(objective, theta, psi, penalty)[0]
    return torch.stack([theta, psi])


def dirac_trajectory(
    objective: Game,
    start: State,
    step_size: float,
    steps: int,
    penalty: Penalty | None = None,
    alternating: bool = False,
    d_steps: int = 1,
) -> Path:
    """The states (theta, psi) that `steps` rounds of :func:`dirac_step` visit, the start first: (steps + 1, 2).

    Raises:
        ValueError: steps is negative, or as :func:`dirac_step`.

    Introduced in chapter 6.
    """
    if steps < 0:
        raise ValueError(f"steps must be >= 0, got {steps}.")
    path = [start.detach()]
    for _ in range(steps):
        theta, psi = path[-1]
        path.append(dirac_step(objective, theta, psi, step_size, penalty, alternating, d_steps).detach())
    return torch.stack(path)


def jacobian_spectrum(
    objective: Game, theta: Coordinate, psi: Coordinate, penalty: Penalty | None = None
) -> Complex128[Tensor, "2"]:
    """Eigenvalues of the Jacobian of :func:`dirac_field` at (theta, psi), by real part, then by imaginary part.

    A stationary state attracts the gradient flow if both real parts are negative and repels it if one is positive.

    Source: Mescheder et al. 2018, section 3. Introduced in chapter 6.
    """
    state = torch.tensor([theta, psi], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda at: dirac_field(objective, at[0], at[1], penalty), state)
    eigenvalues = torch.linalg.eigvals(jacobian)
    return torch.stack(sorted(eigenvalues, key=lambda value: (round(value.real.item(), 9), value.imag.item())))
