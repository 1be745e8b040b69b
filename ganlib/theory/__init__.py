"""The theory of the game, to compute with: divergences and the best discriminator, and the dynamics of learning."""

from ganlib.theory.divergences import (
    f_divergence,
    js_divergence,
    kl_divergence,
    optimal_discriminator,
    relativistic_value,
    total_variation,
    value,
    value_at_optimum,
)
from ganlib.theory.dynamics import (
    dirac_field,
    dirac_step,
    dirac_trajectory,
    jacobian_spectrum,
    simplex_descent,
)
from ganlib.theory.line import (
    Integral,
    js_divergence_line,
    kl_divergence_line,
    optimal_discriminator_line,
    total_variation_line,
    value_at_optimum_line,
    value_line,
)

__all__ = [
    "Integral",
    "dirac_field",
    "dirac_step",
    "dirac_trajectory",
    "f_divergence",
    "jacobian_spectrum",
    "js_divergence",
    "js_divergence_line",
    "kl_divergence",
    "kl_divergence_line",
    "optimal_discriminator",
    "optimal_discriminator_line",
    "relativistic_value",
    "simplex_descent",
    "total_variation",
    "total_variation_line",
    "value",
    "value_at_optimum",
    "value_at_optimum_line",
    "value_line",
]
