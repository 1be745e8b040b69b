"""The usual DCGAN, as PyTorch's DCGAN tutorial builds and trains it, written anew and scaled to digits of 28 x 28."""

import copy
import time
from collections.abc import Sequence
from typing import Any

import digits
import torch
from torch import Tensor, nn

from ganlib import data, metrics, networks
from ganlib.metrics import spectra

USUAL = {"z_dim": 100, "width": 64, "batch": 128, "lr": 2e-4, "betas": (0.5, 0.999), "std": 0.02}


def draw_small(layer: nn.Module) -> None:
    """The tutorial's weights: normal with standard deviation 0.02, those of batch normalisation about 1."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, USUAL["std"])
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, USUAL["std"])
        nn.init.zeros_(layer.bias)


def draw_narrow(layer: nn.Module) -> None:
    """The tutorial's weights for every layer, a linear one included."""
    draw_small(layer)
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, USUAL["std"])
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def usual_pair(seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """G from z of shape (n, 100, 1, 1), batch normalisation and ReLU; D with batch normalisation and a sigmoid at its end."""
    torch.manual_seed(seed)
    z_dim, width = USUAL["z_dim"], USUAL["width"]
    G = nn.Sequential(
        *(nn.ConvTranspose2d(z_dim, 2 * width, 7, 1, 0, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU()),
        *(nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
        *(nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False), nn.Tanh()),
    )
    D = nn.Sequential(
        *(nn.Conv2d(1, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(2 * width, 1, 7, 1, 0, bias=False), nn.Sigmoid()),
    )
    return G.apply(draw_small), D.apply(draw_small)


def usual_round(G: nn.Module, D: nn.Module, opt_G: Any, opt_D: Any, reals: Tensor) -> tuple[float, float]:
    """One round of the tutorial: reals, then fakes, then G by the same fakes; both losses."""
    loss, n = nn.BCELoss(), len(reals)
    ones, zeros = torch.ones(n, dtype=reals.dtype), torch.zeros(n, dtype=reals.dtype)
    D.zero_grad()
    loss_real = loss(D(reals).view(-1), ones)
    loss_real.backward()
    fakes = G(torch.randn(n, USUAL["z_dim"], 1, 1, dtype=reals.dtype))
    loss_fake = loss(D(fakes.detach()).view(-1), zeros)
    loss_fake.backward()
    opt_D.step()
    G.zero_grad()
    loss_G = loss(D(fakes).view(-1), ones)
    loss_G.backward()
    opt_G.step()
    return (loss_real + loss_fake).item(), loss_G.item()


@torch.no_grad()
def usual_samples(G: nn.Module, n: int = 10_000, training: bool = False) -> Tensor:
    """From a seed of their own; with the statistics kept in training, or as the tutorial draws them, with their batch's."""
    G = copy.deepcopy(G).train(training)
    z = torch.randn(n, USUAL["z_dim"], 1, 1, generator=torch.Generator().manual_seed(1))
    return torch.cat([G(part) for part in z.split(1000)])


def judge(images: Tensor) -> dict[str, float]:
    """What the eye for digits says, and how far the spectrum is from the test set's, in decibels."""
    distance = metrics.spectral_distance(images, data.mnist("test").images)
    return digits.score(images) | {"spectral_distance": distance}


def main(seed: int = 0, seconds: float = 400.0, looks: Sequence[float] = (), opening: int = 0) -> dict[str, Any]:
    """A run of so many processor seconds, scored at `looks`; or the losses of its first rounds, in double precision.

    Returns:
        "rounds", "seconds", "parameters" of G, and "along" with the round, the seconds and the scores of G with the kept
        ("eval") and with the batch's own statistics ("train"); scoring does not count.
    """
    G, D = usual_pair(seed)
    if opening:
        for net in (G.double(), D.double()):
            torch.manual_seed(seed)
            net.apply(draw_small)
    opts = [torch.optim.Adam(net.parameters(), lr=USUAL["lr"], betas=USUAL["betas"]) for net in (G, D)]
    batches, losses = data.batches(data.mnist("train").images, USUAL["batch"], seed), []
    if opening:
        losses = [usual_round(G, D, *opts, next(batches).double()) for _ in range(opening)]
        return {"loss_D": [row[0] for row in losses], "loss_G": [row[1] for row in losses]}
    left, along, spent, step = list(looks), [], 0.0, 0
    while spent < seconds:
        begun = time.process_time()
        usual_round(G, D, *opts, next(batches))
        spent, step = spent + time.process_time() - begun, step + 1
        if left and spent >= left[0]:
            left.pop(0)
            row = {"round": step, "seconds": round(spent, 1)}
            along.append(row | {mode: judge(usual_samples(G, training=mode == "train")) for mode in ("eval", "train")})
    count = sum(weight.numel() for weight in G.parameters())
    final = metrics.radial_spectrum(usual_samples(G)).tolist()
    return {"seconds": round(spent, 1), "rounds": step, "parameters": count, "spectrum": final, "along": along}


USES = (usual_pair, usual_round, usual_samples, draw_small, judge, spectra, data.batches, data.to_float, networks.sample)
USES += (*digits.USES, f"usual = {USUAL}")
