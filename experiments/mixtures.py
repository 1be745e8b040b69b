"""The ring of 8 and the grid of 25 that `ring_grid.py` and `remedies.py` train on, and how a row of scores is told."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ganlib import data, metrics


class Mixture(NamedTuple):
    """Equally likely normals in the plane: centres (modes, 2) and their common standard deviation."""

    centres: Tensor
    std: float

    def sample(self, n: int, seed: int) -> Tensor:
        """n points (n, 2) in double precision, from a seed of their own."""
        dice = torch.Generator().manual_seed(seed)
        mode = torch.randint(len(self.centres), (n,), generator=dice)
        return self.centres.double()[mode] + self.std * torch.randn(n, 2, generator=dice, dtype=torch.float64)

    def score(self, samples: Tensor) -> dict[str, float]:
        """Modes, share and reverse KL of samples (n, 2), by `metrics.mode_coverage`."""
        return metrics.mode_coverage(samples, self.centres.to(samples), self.std)._asdict()


def ring_and_grid(ring_std: float, grid_std: float) -> dict[str, Mixture]:
    return {"ring": Mixture(data.ring_centres(), ring_std), "grid": Mixture(data.grid_centres(), grid_std)}


def dice_of(seed: int, salt: int) -> torch.Generator:
    """What the weights of one seed's network are drawn from: of G with salt 1, of D with salt 2, whatever other seeds train."""
    return torch.Generator().manual_seed(1_000_003 * salt + seed)


def summary(scores: Sequence[dict[str, float]]) -> str:
    """Means over the seeds of a look, and the standard error of the modes."""
    modes, share, kl = torch.tensor([[float(score[key]) for score in scores] for key in ("modes", "share", "reverse_kl")])
    error = modes.std().item() / len(modes) ** 0.5 if len(modes) > 1 else 0.0
    return f"modes {modes.mean():4.1f} +- {error:.1f}, share {share.mean():.3f}, reverse KL {kl.mean():.2f}"
