"""How much a term of a loss counts, and how much a sample: weights read off gradients and off D's logits."""

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganlib.arguments import as_values, in_float64, positive
from ganlib.types import Array, Scalar


def adaptive_weight(loss: Scalar, adversarial: Scalar, layer: Tensor, most: float = 1e4) -> Scalar:
    """The factor that gives the second loss the first one's pull on a layer: the ratio of the two gradients' norms.

    Both graphs are kept, and the factor is a constant: no gradient flows through it.

    Args:
        loss: (), of the samples, reconstruction for one.
        adversarial: (), G's loss of the same samples.
        layer: the weights at which the pulls are compared, the last layer's as a rule.
        most: the largest factor that is given.

    Returns:
        (), between 0 and `most`; NaN if a gradient is, or if both are infinite.

    Raises:
        TypeError: most is no number, or a loss or the layer no tensor.
        ValueError: most is not positive, a loss is no real number of shape (), or does not depend on the layer.

    Source: Esser et al. 2021; the constants are those of its code. Introduced in chapter 18.
    """
    most = positive(most, "most")
    for name, value in {"loss": loss, "adversarial": adversarial, "layer": layer}.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}.")
        if name != "layer" and (value.ndim or value.is_complex()):
            raise ValueError(f"{name} must be a real number of shape (), got {value.dtype} of shape {tuple(value.shape)}.")
    pulls = [_pull(loss, layer, "loss"), _pull(adversarial, layer, "adversarial")]
    return (pulls[0] / (pulls[1] + 1e-4)).clamp(max=most).detach()


def _pull(loss: Scalar, layer: Tensor, name: str) -> Scalar:
    reaches = loss.requires_grad and layer.requires_grad
    (gradient,) = torch.autograd.grad(loss, layer, retain_graph=True, allow_unused=True) if reaches else (None,)
    if gradient is None:
        raise ValueError(f"{name} must depend on the layer, got a loss whose gradient there does not exist.")
    return gradient.norm()


def ratio_weights(logits: Float[Array, " batch"]) -> Float64[Tensor, " batch"]:
    """Weights, of sum 1, that make fakes count as reals would, if D is the best answer: in proportion to exp(logit).

    Args:
        logits: D's on fakes, (batch,).

    Raises:
        TypeError: logits are no tensor or array.
        ValueError: logits are not (batch,) with batch >= 1, or one is not finite.

    Source: Azadi et al. 2019, section 3. Introduced in chapter 18.
    """
    return _finite_row(logits, "logits").softmax(dim=0)


def effective_samples(weights: Float[Array, " batch"]) -> float:
    """As how many equal samples weighted ones count in the variance of a mean: (sum of w)^2 over the sum of w^2.

    Raises:
        TypeError: weights are no tensor or array.
        ValueError: weights are not (batch,) with batch >= 1, not finite, negative, or all 0.

    Introduced in chapter 18.
    """
    weights = _finite_row(weights, "weights")
    if weights.min() < 0 or not weights.max() > 0:
        raise ValueError(f"weights must be at least 0 and not all 0, got {weights.min():.4g} to {weights.max():.4g}.")
    weights = weights / weights.max()  # their squares may be too small for a double
    return (weights.sum().square() / weights.square().sum()).item()


def _finite_row(values: Any, name: str) -> Tensor:
    values = as_values(values, name).detach()
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} must have shape (batch,) with batch >= 1, got {tuple(values.shape)}.")
    if values.is_complex() or not values.isfinite().all():
        raise ValueError(f"{name} must be finite real numbers.")
    return in_float64(values)
