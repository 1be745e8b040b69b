"""Where the modes are known: how many a sampler finds, how well it hits them, and how evenly."""

from typing import NamedTuple

import torch
from jaxtyping import Float

from ganlib.arguments import positive
from ganlib.metrics.likelihood import squared_distances
from ganlib.metrics.summaries import check_features
from ganlib.types import Array


class ModeCoverage(NamedTuple):
    """Modes with a sample within three standard deviations, share of samples within three of a mode, reverse KL in nats."""

    modes: int
    share: float
    reverse_kl: float


def mode_coverage(samples: Float[Array, "n dim"], centres: Float[Array, "modes dim"], std: float) -> ModeCoverage:
    """Modes, quality and balance of samples of a mixture of equally likely normals (Lin et al. 2018, section 4.1).

    Reverse KL is KL(samples || target) of the histogram over nearest centres, every sample counted: log of the number of
    modes when all lie at one. Introduced in chapter 11.

    Args:
        samples: (n, d).
        centres: (modes, d).
        std: standard deviation of every mode, along each axis.

    Raises:
        ValueError: a shape is wrong, std is not positive and finite, or a value is not finite.
    """
    samples, centres = check_features(1, samples=samples, centres=centres)
    std = positive(std, "std")
    distance, nearest = squared_distances(samples, centres).min(dim=1)
    close = distance <= (3 * std) ** 2
    modes = len(nearest[close].unique())
    shares = torch.bincount(nearest, minlength=len(centres)).double() / len(samples)
    reverse_kl = torch.special.xlogy(shares, shares * len(centres)).sum().item()
    return ModeCoverage(modes, close.double().mean().item(), max(reverse_kl, 0.0))
