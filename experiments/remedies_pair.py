"""The small pair of `remedies.py` and its two turns, written so that one can differentiate through D's answers.

The pair that collapses is as small as in VEEGAN's comparison (Srivastava et al. 2017): G has two hidden layers of 128 ReLU
units, D one, neither is normalised. Every row of SETTINGS but the last two changes one thing.

All seeds of a row are trained together: a network's weights are one tensor (seeds, weights), activations are (seeds, batch,
features), and the seeds share no weight, so that the gradient of the summed losses holds each seed's own gradient. Networks,
losses and Adam are functions without side effects: unrolling (Metz et al. 2017) is a derivative through several turns of D, and
`ganlib.training`, which changes weights in place, has none to offer.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import mixtures
import torch
from torch import Tensor
from torch.nn.functional import softplus

LR_G, LR_D, BETAS = 2e-4, 1e-3, (0.5, 0.999)


class Setting(NamedTuple):
    """What a row changes; the defaults are the small pair with the non-saturating game."""

    g_widths: tuple[int, ...] = (128, 128)
    d_widths: tuple[int, ...] = (128,)
    norm: bool = False  # batch normalisation in G
    small_init: bool = False  # weights from N(0, 0.02^2) and biases 0, in place of torch's own
    pack: int = 1  # samples that D judges together
    spread: bool = False  # D reads how far the batch is spread out (Karras et al. 2018)
    unroll: int = 0  # steps that D is moved ahead in G's turn (Metz et al. 2017)
    relativistic: bool = False
    gamma: float = 0.0  # of R1


SETTINGS = {
    "plain": Setting(),
    "second hidden layer in D": Setting(d_widths=(128, 128)),
    "batch normalisation in G": Setting(norm=True),
    "weights start small": Setting(small_init=True),
    "packed by two": Setting(pack=2),
    "spread of the batch shown to D": Setting(spread=True),
    "unrolled five steps": Setting(unroll=5),
    "relativistic": Setting(relativistic=True),
    "R1": Setting(gamma=0.02),
    "relativistic, R1": Setting(relativistic=True, gamma=0.02),
    "relativistic, R1, second layer": Setting(d_widths=(128, 128), relativistic=True, gamma=0.02),
}


class Player(NamedTuple):
    """Weights of one network for every seed, and Adam's two averages: (seeds, weights) each."""

    weights: Tensor
    mean: Tensor
    square: Tensor
    steps: int = 0


def g_tensors(setting: Setting) -> list[tuple[str, int, int]]:
    """Name, rows and columns of G's tensors, in order."""
    tensors = []
    for narrow, wide in itertools.pairwise((2, *setting.g_widths)):
        tensors += [("matrix", narrow, wide), ("bias", 1, wide)]
        tensors += [("scale", 1, wide), ("bias", 1, wide)] if setting.norm else []
    return [*tensors, ("matrix", setting.g_widths[-1], 2), ("bias", 1, 2)]


def d_tensors(setting: Setting) -> list[tuple[str, int, int]]:
    """Name, rows and columns of D's tensors, in order; the spread of a batch is one more input of the last layer."""
    tensors = []
    for narrow, wide in itertools.pairwise((2 * setting.pack, *setting.d_widths)):
        tensors += [("matrix", narrow, wide), ("bias", 1, wide)]
    return [*tensors, ("matrix", setting.d_widths[-1] + setting.spread, 1), ("bias", 1, 1)]


def unpack(weights: Tensor, tensors: list[tuple[str, int, int]]) -> Iterator[Tensor]:
    """The tensors (seeds, rows, columns) that lie one after another in (seeds, weights)."""
    pieces = weights.split([rows * columns for _, rows, columns in tensors], dim=1)
    return (piece.unflatten(1, (rows, columns)) for piece, (_, rows, columns) in zip(pieces, tensors, strict=True))


def fresh(tensors: list[tuple[str, int, int]], small: bool, seeds: Sequence[int], salt: int, dtype: torch.dtype) -> Player:
    """A network for every seed, whose weights depend on (seed, salt) alone: torch's own start, or N(0, 0.02^2) if `small`."""
    rows = []
    for seed in seeds:
        dice, row, fan_in = mixtures.dice_of(seed, salt), [], 1
        for name, *shape in tensors:
            fan_in = shape[0] if name == "matrix" else fan_in  # a bias starts like the matrix before it
            if name == "scale":
                start, fan_in = torch.ones(shape, dtype=torch.float64), math.inf  # and the shift beside it at 0
            elif small:
                start = 0.02 * torch.randn(shape, generator=dice, dtype=torch.float64) * (name == "matrix")
            else:
                start = (2 * torch.rand(shape, generator=dice, dtype=torch.float64) - 1) / fan_in**0.5
            row.append(start.flatten())
        rows.append(torch.cat(row))
    weights = torch.stack(rows).to(dtype)
    return Player(weights, torch.zeros_like(weights), torch.zeros_like(weights))


def pair(setting: Setting, seeds: Sequence[int], dtype: torch.dtype) -> tuple[Player, Player]:
    """G and D about to begin."""
    G = fresh(g_tensors(setting), setting.small_init, seeds, salt=1, dtype=dtype)
    return G, fresh(d_tensors(setting), setting.small_init, seeds, salt=2, dtype=dtype)


def generate(setting: Setting, weights: Tensor, z: Tensor) -> Tensor:
    """Latents (seeds, batch, 2) to samples (seeds, batch, 2)."""
    tensors, h = unpack(weights, g_tensors(setting)), z
    for _ in setting.g_widths:
        matrix, bias = next(tensors), next(tensors)
        h = torch.baddbmm(bias, h, matrix)
        if setting.norm:
            h = (h - h.mean(dim=1, keepdim=True)) / (h.var(dim=1, correction=0, keepdim=True) + 1e-5).sqrt()
            h = next(tensors) * h + next(tensors)
        h = torch.relu(h)
    matrix, bias = tensors
    return torch.baddbmm(bias, h, matrix)


def judge(setting: Setting, weights: Tensor, samples: Tensor) -> Tensor:
    """Samples (seeds, batch, 2) to logits (seeds, batch / pack)."""
    tensors, h = unpack(weights, d_tensors(setting)), samples.unflatten(1, (-1, setting.pack)).flatten(2)
    for _ in setting.d_widths:
        matrix, bias = next(tensors), next(tensors)
        h = torch.relu(torch.baddbmm(bias, h, matrix))
    if setting.spread:  # one number: each unit's standard deviation over the batch, averaged over the units
        stds = (h.var(dim=1, correction=0, keepdim=True) + 1e-8).sqrt()
        h = torch.cat([h, stds.mean(dim=2, keepdim=True).expand(-1, h.shape[1], -1)], dim=2)
    matrix, bias = tensors
    return torch.baddbmm(bias, h, matrix).squeeze(2)


def loss_of_D(setting: Setting, weights: Tensor, reals: Tensor, fakes: Tensor) -> Tensor:
    """(seeds,), with R1 added if the setting has it."""
    reals = reals.requires_grad_(setting.gamma > 0)
    r, f = judge(setting, weights, reals), judge(setting, weights, fakes)
    loss = softplus(f - r).mean(dim=1) if setting.relativistic else (softplus(-r) + softplus(f)).mean(dim=1)
    if setting.gamma:
        (slope,) = torch.autograd.grad(r.sum(), reals, create_graph=True)
        loss = loss + setting.gamma / 2 * slope.square().sum(dim=2).mean(dim=1)
    return loss


def loss_of_G(setting: Setting, weights_D: Tensor, reals: Tensor, fakes: Tensor) -> Tensor:
    """(seeds,)"""
    f = judge(setting, weights_D, fakes)
    return softplus(judge(setting, weights_D, reals) - f).mean(dim=1) if setting.relativistic else softplus(-f).mean(dim=1)


def adam(player: Player, gradient: Tensor, lr: float) -> Player:
    """One step of Adam as a function without side effects, so that one can differentiate through it."""
    steps = player.steps + 1
    mean = BETAS[0] * player.mean + (1 - BETAS[0]) * gradient
    square = BETAS[1] * player.square + (1 - BETAS[1]) * gradient**2
    size = (square / (1 - BETAS[1] ** steps) + 1e-16).sqrt()  # under the root, where Adam's 1e-8 has a derivative at 0
    return Player(player.weights - lr / (1 - BETAS[0] ** steps) * mean / size, mean, square, steps)


def turn_of_D(
    setting: Setting, G: Player, D: Player, reals: Tensor, z: Tensor, share: float = 1.0, differentiable: bool = False
) -> Player:
    """D after a step against G; with `differentiable`, as a function of G's weights."""
    weights = D.weights if D.weights.requires_grad else D.weights.detach().requires_grad_(True)
    fakes = generate(setting, G.weights, z)
    loss = loss_of_D(setting, weights, reals, fakes if differentiable else fakes.detach())
    (gradient,) = torch.autograd.grad(loss.sum(), weights, create_graph=differentiable)
    return adam(D._replace(weights=weights if differentiable else D.weights), gradient, share * LR_D)


def answered_loss(
    setting: Setting, weights: Tensor, G: Player, D: Player, reals: Tensor, z: Tensor, share: float = 1.0
) -> Tensor:
    """G's loss (seeds,) as a function of its weights, against D or, with `unroll`, the D that as many answers would lead to."""
    for _ in range(setting.unroll):
        D = turn_of_D(setting, G._replace(weights=weights), D, reals, z, share, differentiable=True)
    return loss_of_G(setting, D.weights, reals, generate(setting, weights, z))


def turn_of_G(setting: Setting, G: Player, D: Player, reals: Tensor, z: Tensor, share: float = 1.0) -> Player:
    """G after a step."""
    weights = G.weights.detach().requires_grad_(True)
    loss = answered_loss(setting, weights, G, D, reals, z, share)
    (gradient,) = torch.autograd.grad(loss.sum(), weights)
    return adam(G, gradient, share * LR_G)
