"""A thousand digits: what D says of reals that it was not trained on, and whether turning and shifting its images helps.

    python experiments/recipe_limited.py                                   # every run -> results/recipe_limited.json
    python experiments/recipe_limited.py --rounds 500 --seeds 1 --name recipe_limited_short

The pair of chapter 15 with the recipe of chapter 14: the paired game, R1 and R2. A row changes what D is shown. "plain" shows
images as they are; a row plays that with ten times the penalty. "each its own" turns, shifts and scales every real and every
fake by chance; "paired" gives the fake of a pair the move of its real. "all digits" is plain with 60,000 images. A finished run
is kept in experiments/runs/.
"""

import argparse
import functools
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench
import convolution_pair
import digits
import regularisers
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample
from tqdm.auto import tqdm

from ganlib import data, networks, objectives, record, training
from ganlib.types import Penalty

WAYS = ("plain", "plain, gamma 1", "each its own", "paired", "all digits")
FEW, ROUNDS, BATCH, SEEDS, LOOK, GAMMA = 1_000, 4_000, 64, 2, 500, 0.1
MOVES = {"turn": 15.0, "shift": 3.0, "scale": 0.1}  # at most: degrees, pixels, share


def drawn_moves(n: int, dice: torch.Generator | None = None) -> Tensor:
    """n affine maps (n, 2, 3) of the plane, uniformly turned, shifted and scaled up to MOVES, for images of 28 x 28."""
    turn, across, down, scale = (2 * torch.rand(4, n, generator=dice) - 1).unbind()
    angle, scale = turn * math.radians(MOVES["turn"]), 1 + MOVES["scale"] * scale
    cos, sin, pixel = angle.cos() / scale, angle.sin() / scale, MOVES["shift"] * 2 / 28
    return torch.stack([cos, -sin, pixel * across, sin, cos, pixel * down], dim=1).view(n, 2, 3)


def displaced(images: Tensor, maps: Tensor) -> Tensor:
    """Images (n, 1, 28, 28) in [-1, 1] under `maps`; what comes in from outside is background."""
    grid = affine_grid(maps.to(images.dtype), list(images.shape), align_corners=False)
    return grid_sample(images + 1, grid, align_corners=False) - 1


class MovedGenerator(nn.Module):
    """G behind the moves that it is given; without them, G."""

    def __init__(self, G: nn.Module, own: bool = False) -> None:
        super().__init__()
        self.G, self.own, self.z_dim = G, own, bench.plain(G).z_dim

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return bench.plain(self.G).sample_z(n, generator)

    def forward(self, z: Tensor, maps: Tensor | None = None) -> Tensor:
        fakes = self.G(z)
        return fakes if maps is None else displaced(fakes, drawn_moves(len(z)) if self.own else maps)


class UnmovedDiscriminator(nn.Module):
    """D, which does not look at the moves that it is given."""

    def __init__(self, D: nn.Module) -> None:
        super().__init__()
        self.D = D

    def forward(self, images: Tensor, maps: Tensor | None = None) -> Tensor:
        return self.D(images)


def shown(images: Tensor, way: str, seed: int) -> Iterator[Any]:
    """Batches as the row wants them: reals alone, or moved reals and their moves, which the loop hands to both players."""
    dice = torch.Generator().manual_seed(4_000_037 + seed)
    for reals in data.batches(images, BATCH, seed):
        if way in ("each its own", "paired"):
            maps = drawn_moves(len(reals), dice)
            yield displaced(reals, maps), maps
        else:
            yield reals


def begin(seed: int, way: str, double: bool = False) -> training.Run:
    """The run about to begin."""
    run = convolution_pair.begin(seed, double=double)
    G, D = MovedGenerator(run.G, own=way == "each its own"), UnmovedDiscriminator(run.D)
    return training.Run(G, D, run.opt_G, run.opt_D)


def penalty_of(way: str) -> Penalty:
    return functools.partial(regularisers.r1_and_r2, gamma=1.0 if way == "plain, gamma 1" else GAMMA)


@torch.no_grad()
def verdicts(run: training.Run, seen: Tensor, held: Tensor, way: str) -> dict[str, float]:
    """D's mean logits on reals that it was trained on, on reals that it was not, and on fakes, shown as in training."""
    G, D, dice = bench.plain(run.G.G), bench.plain(run.D.D), torch.Generator().manual_seed(7)
    sets = {"seen": seen, "held": held, "fake": G(G.sample_z(len(held), dice))}
    if way in ("each its own", "paired"):
        sets = {name: displaced(images, drawn_moves(len(images), dice)) for name, images in sets.items()}
    return {name: D(images).mean().item() for name, images in sets.items()}


def main(seed: int = 0, way: str = "paired", rounds: int = ROUNDS, progress: bool = True) -> dict[str, Any]:
    """Plays one row and looks at it every LOOK rounds; "seconds" of training, looks not counted."""
    images, run = data.mnist("train").images, begin(seed, way)
    images = images if way == "all digits" else images[:FEW]
    seen, held = data.to_float(images[:FEW]), data.to_float(data.mnist("test").images[:FEW])
    groups = [(group, group["lr"]) for opt in (run.opt_G, run.opt_D) for group in opt.param_groups]
    settings = {"steps": rounds, "ema_share": convolution_pair.RECIPE["ema_share"], "look": 20}
    play = training.train(run, shown(images, way, seed), objectives.relativistic, penalty_of(way), **settings)
    along, aside, begun = [], 0.0, time.process_time()
    for losses in tqdm(play, total=rounds // 20, desc=f"{way}, seed {seed}", disable=not progress, mininterval=30):
        share = bench.falling(losses.step, rounds, convolution_pair.RECIPE["decay_from"])
        for group, rate in groups:
            group["lr"] = rate * share
        if losses.step % LOOK == 0 or losses.step == rounds:
            stopped = time.process_time()
            with torch.random.fork_rng(devices=[]):
                G = bench.refreshed(bench.plain(run.G_ema).G)
                scores = digits.score(networks.sample(G, 10_000))
                along.append({"step": losses.step} | verdicts(run, seen, held, way) | scores)
            aside += time.process_time() - stopped
    return {"along": along, "seconds": round(time.process_time() - begun - aside, 1)}


USES = (
    penalty_of,
    drawn_moves,
    displaced,
    MovedGenerator,
    UnmovedDiscriminator,
    shown,
    begin,
    verdicts,
    regularisers.r1_and_r2,
)
USES += (convolution_pair.begin, *convolution_pair.USES, f"numbers = {MOVES, FEW, BATCH, LOOK, GAMMA}")


def kept(way: str, seed: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """``main`` of a row and a seed, or what it returned when that run was last finished."""
    outcome = bench.kept(f"recipe_limited {way} {seed}", main, {"seed": seed, "way": way, "rounds": rounds}, USES)
    return {"way": way} | outcome


def opening(rounds: int = 4) -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of every row, in double precision: the slice that a test plays again."""
    played, images = {}, data.mnist("train").images[:FEW]
    for way in WAYS:
        run, penalty = begin(0, way, double=True), penalty_of(way)
        rows = list(training.train(run, map(in_double, shown(images, way, 0)), objectives.relativistic, penalty, steps=rounds))
        played[way] = {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}
    return played


def in_double(batch: Any) -> Any:
    """The same batch, its reals in double precision."""
    return (batch[0].double(), *batch[1:]) if isinstance(batch, tuple) else batch.double()


def write_record(runs: list[dict], rounds: int, name: str = "recipe_limited", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"rounds": rounds, "batch": BATCH, "few": FEW, "moves": MOVES, "gamma": GAMMA}
    figures = bench.rounded({"runs": runs, "floor": digits.floor()[0]}) | {"opening": opening()}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of every row, from 0 on")
    asked = bench.asked(parser, "recipe_limited", lambda asked: (asked.rounds, asked.seeds) != (ROUNDS, SEEDS))
    torch.set_num_threads(1)
    runs = []
    for seed in range(asked.seeds):
        for way in WAYS:
            runs.append(kept(way, seed, asked.rounds))
            last = runs[-1]["along"][-1]
            told = ", ".join(f"{name} {last[name]:.2f}" for name in ("seen", "held", "fake", "times_floor"))
            print(f"{way:12s} seed {seed}: {told}, {runs[-1]['seconds']:.0f} s", flush=True)
    print(write_record(runs, asked.rounds, asked.name))
