"""Remedies for mode collapse on one small task and one budget: ring of 8 and grid of 25, five seeds trained at once.

    python experiments/remedies.py    # -> results/remedies.json

The pair that collapses is as small as in VEEGAN's comparison (Srivastava et al. 2017): G has two hidden layers of 128 ReLU
units, D one, neither is normalised. Every row of SETTINGS but the last two changes one thing. All rows see the same number of
rounds, of real samples and of latents a round, with the same Adam; they differ in processor time, which is counted. The modes
are wider than in the published comparisons (standard deviations 0.05 on the ring and 0.1 on the grid, not 0.01 and 0.05), so
that a short budget can reach them.

All seeds of a row are trained together: a network's weights are one tensor (seeds, weights), activations are (seeds, batch,
features), and the seeds share no weight, so that the gradient of the summed losses holds each seed's own gradient. A finished
row is kept in experiments/runs/; an interrupted experiment goes on with the first that is not.
"""

import argparse
import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus
from tqdm.auto import tqdm

from ganlib import data, metrics, record

RUNS = Path(__file__).parent / "runs"
TASKS = {"ring": (data.ring_centres(), 0.05), "grid": (data.grid_centres(), 0.1)}
SEEDS, ROUNDS, BATCH, LR_G, LR_D, BETAS = 5, 10_000, 64, 2e-4, 1e-3, (0.5, 0.999)
LOOKS = (1_000, 2_500, 5_000, 10_000)
BLOCK = 200  # rounds whose chance is drawn at once


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
        dice, row, fan_in = torch.Generator().manual_seed(1_000_003 * salt + seed), [], 1
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


def chance(task: str, seeds: Sequence[int], dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Reals (seeds, BATCH, 2) and both turns' latents (2, seeds, BATCH, 2) of round after round, each seed's its own."""
    centres, std = TASKS[task]
    for block in itertools.count():
        reals, latents = [], []
        for seed in seeds:
            dice = torch.Generator().manual_seed((seed + 1) * 1_000_000 + block)
            mode = torch.randint(len(centres), (BLOCK, BATCH), generator=dice)
            noise = torch.randn(3, BLOCK, BATCH, 2, generator=dice, dtype=torch.float64)
            reals.append(centres.double()[mode] + std * noise[0])
            latents.append(noise[1:])
        reals, latents = torch.stack(reals, dim=1).to(dtype), torch.stack(latents, dim=2).to(dtype)
        for step in range(BLOCK):
            yield reals[step], latents[:, step]


def play(
    setting: Setting, task: str, seeds: Sequence[int], rounds: int, dtype: torch.dtype = torch.float32
) -> Iterator[tuple[Player, Player]]:
    """Both players after each round; from half of the rounds on, the learning rate falls to zero in a line."""
    G = fresh(g_tensors(setting), setting.small_init, seeds, salt=1, dtype=dtype)
    D = fresh(d_tensors(setting), setting.small_init, seeds, salt=2, dtype=dtype)
    for step, (reals, z) in enumerate(itertools.islice(chance(task, seeds, dtype), rounds)):
        share = min(1.0, 2 * (1 - step / rounds))
        D = turn_of_D(setting, G, D, reals, z[0], share)
        G = turn_of_G(setting, G, D, reals, z[1], share)
        yield G, D


@torch.no_grad()
def look(setting: Setting, G: Player, task: str, n: int = 2_500) -> list[dict[str, float]]:
    """Modes, share and reverse KL of n samples of each seed's G, from the same latents; normalised as one batch."""
    centres, std = TASKS[task]
    z = torch.randn(1, n, 2, generator=torch.Generator().manual_seed(2333)).to(G.weights)
    samples = generate(setting, G.weights, z.expand(len(G.weights), -1, -1)).float()
    return [metrics.mode_coverage(points, centres, std)._asdict() for points in samples]


def main(
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    name: str = "plain",
    task: str = "ring",
    rounds: int = ROUNDS,
    looks: Sequence[int] = LOOKS,
    progress: bool = True,
) -> dict:
    """Trains `seeds` (or `seed` alone) together in one of SETTINGS.

    Returns:
        "along", the scores of each seed at the rounds `looks`; "cpu_seconds" of training, looks not counted.
    """
    seeds, setting, along, seconds = [seed] if seeds is None else list(seeds), SETTINGS[name], [], 0.0
    players = play(setting, task, seeds, rounds)
    begun = time.process_time()
    for step in tqdm(range(1, rounds + 1), desc=f"{task}, {name}", disable=not progress, mininterval=10):
        G, _ = next(players)
        if step in looks or step == rounds:
            seconds += time.process_time() - begun
            along.append({"round": step, "scores": look(setting, G, task)})
            begun = time.process_time()
    return {"name": name, "task": task, "seeds": seeds, "rounds": rounds, "along": along, "cpu_seconds": round(seconds, 1)}


def kept(name: str, task: str, runs: Path = RUNS, **changes) -> dict:
    """``main`` of all seeds in a row, or what it returned when that row, with these numbers, was last finished."""
    identity = {"rounds": ROUNDS, "seeds": SEEDS, "batch": BATCH, "rates": [LR_G, LR_D], "std": TASKS[task][1]} | changes
    identity = json.loads(json.dumps(identity | {"setting": SETTINGS[name]._asdict()}))
    path = runs / f"remedies_{task}_{name.replace(' ', '_').replace(',', '')}.json"
    if path.exists():
        story = json.loads(path.read_text())
        if story["identity"] == identity:
            return story["outcome"]
    outcome = main(seeds=range(SEEDS), name=name, task=task, **changes)
    runs.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps({"identity": identity, "outcome": outcome}))
    os.replace(temporary, path)
    print(summary(outcome), flush=True)
    return outcome


def summary(outcome: dict) -> str:
    """A line: means over the seeds at the last look, with the standard error of the modes."""
    scores = outcome["along"][-1]["scores"]
    modes = torch.tensor([float(score["modes"]) for score in scores])
    share, kl = (sum(score[key] for score in scores) / len(scores) for key in ("share", "reverse_kl"))
    error = modes.std().item() / math.sqrt(len(modes)) if len(modes) > 1 else 0.0
    return (
        f"{outcome['task']}, {outcome['name']:30s} modes {modes.mean():4.1f} +- {error:.1f}, share {share:.3f}, "
        f"reverse KL {kl:.2f}, {outcome['cpu_seconds']:.0f} s"
    )


def opening(seeds: Sequence[int] = (0, 1), rounds: int = 8) -> dict[str, list[list[float]]]:
    """Sums of the absolute weights of G and of D, a list a seed, after a few rounds in double precision, in every row.

    The slice that a test plays again and compares with the record.
    """
    played = {}
    for name, setting in SETTINGS.items():
        *_, (G, D) = play(setting, "ring", seeds, rounds, dtype=torch.float64)
        played[name] = torch.stack([G.weights.abs().sum(dim=1), D.weights.abs().sum(dim=1)]).tolist()
    return played


def write_record(rows: list[dict], folder: Path = record.RESULTS) -> Path:
    configuration = {"seeds": SEEDS, "rounds": ROUNDS, "batch": BATCH, "lr_G": LR_G, "lr_D": LR_D, "betas": list(BETAS)}
    configuration |= {"std": {task: std for task, (_, std) in TASKS.items()}, "samples": 2_500}
    configuration["settings"] = {name: setting._asdict() for name, setting in SETTINGS.items()}
    figures = {"rows": rows, "opening": opening()}
    return record.write("remedies", configuration, figures, sum(row["cpu_seconds"] for row in rows), folder, "processor")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    write_record([kept(name, task) for task in TASKS for name in SETTINGS])
