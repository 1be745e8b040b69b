"""From strokes to digits: what an L1 term beside the adversary buys and costs; four weights, five seeds each.

    python experiments/strokes.py                                  # all runs -> results/strokes.json
    python experiments/strokes.py --rounds 200 --name strokes_short

G is given thin strokes and makes the digit; D sees strokes and digit together. On MNIST, one thread; the clock is the
processor's and stands still while samples are scored. A finished run is kept in experiments/runs/.
"""

import argparse
import functools
import time
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from tqdm.auto import tqdm

from ganlib import data, latents, networks, record, training
from ganlib.objectives import Objective, nonsaturating

WEIGHTS: dict[str, float | None] = {"adversary alone": 0.0, "L1 times 1": 1.0, "L1 times 10": 10.0, "L1 alone": None}
SEEDS, ROUNDS, OPENING = 5, 1_000, 5
RECIPE = {"batch": 64, "lr": 2e-3, "lr_D": 1e-3, "decay_from": 0.25, "decay_to": 0.2, "ema_share": 0.2}


def strokes_of(images: Tensor) -> Tensor:
    """The middle of the strokes, 1 on -1: pixels that are the brightest of their row's or column's neighbours, once blurred."""
    blurred = avg_pool2d(images, 5, stride=1, padding=2, count_include_pad=False)
    ridge = torch.zeros_like(images, dtype=torch.bool)
    for axis in (2, 3):
        before, after = (blurred.roll(step, axis) for step in (1, -1))
        ridge |= (blurred >= before) & (blurred > after)
    return (ridge & (images > 0)).to(images) * 2 - 1


class StrokeGenerator(nn.Module):
    """(z, strokes) -> image: both are appended to one another."""

    def __init__(self, z_dim: int = 16, widths: tuple[int, ...] = (256, 256)) -> None:
        super().__init__()
        self.z_dim, layers = z_dim, [nn.Linear(784 + z_dim, widths[0]), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(widths, widths[1:]):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 784), nn.Tanh())

    def forward(self, z: Tensor, strokes: Tensor) -> Tensor:
        return self.layers(torch.cat([strokes.flatten(1), z], dim=1)).view_as(strokes)

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.z_dim, generator=generator).to(self.layers[0].weight)


class StrokeDiscriminator(nn.Module):
    """(image, strokes) -> logit: is this the digit of these strokes?"""

    def __init__(self, widths: tuple[int, ...] = (256, 128)) -> None:
        super().__init__()
        sizes, layers = [2 * 784, *widths], []
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, images: Tensor, strokes: Tensor) -> Tensor:
        return self.layers(torch.cat([images, strokes], dim=1).flatten(1)).squeeze(1)


def l1_loss(z: Tensor, reals: Tensor, fakes: Tensor, weight: float) -> Tensor:
    """The mean distance of a pixel to the digit that the strokes were taken from, times a weight."""
    return weight * (fakes - reals).abs().mean()


def silent_g_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """What G gets from D where only L1 counts: nothing."""
    return 0 * fake_logits.sum()


def stroke_run(seed: int, double: bool = False) -> training.Run:
    """The run about to begin, its products in bfloat16; in double precision, if asked for, for an opening."""
    torch.manual_seed(seed)
    G, D = StrokeGenerator(), StrokeDiscriminator()
    if double:
        bench.reset_in_double(G, D)
    else:
        G, D = networks.in_bfloat16(G), networks.in_bfloat16(D)
    return bench.fresh_run(G, D, lr=RECIPE["lr"], lr_D=RECIPE["lr_D"])


def tensors() -> tuple[Tensor, Tensor]:
    """Training digits and their strokes, as bytes and floats."""
    images = data.mnist("train").images
    return images, torch.cat([strokes_of(data.to_float(chunk)) for chunk in images.split(10_000)])


@torch.no_grad()
def score(G: nn.Module, seed: int = 1) -> dict[str, float]:
    """Of the digits made from the test set's strokes: L1 per pixel, distance to the test set, what z changes.

    "spread" is the mean distance of a pixel between two digits of the same strokes; "ink_error" the mean of the differences of
    their ink from that of the digit, in pixels.
    """
    reals, dice = data.to_float(data.mnist("test").images), torch.Generator().manual_seed(seed)
    strokes = strokes_of(reals)
    one, two = (G.eval()(G.sample_z(len(reals), dice), strokes) for _ in range(2))
    outcome = {"l1": (one - reals).abs().mean().item(), "spread": (one - two).abs().mean().item()}
    outcome["ink_error"] = (latents.ink(one) - latents.ink(reals)).abs().mean().item()
    grey = ((one > -0.8) & (one < 0.8)).double().sum() / (one > -0.8).sum()
    return outcome | {"grey": grey.item()} | digits.score(one)


def main(
    seed: int = 0, way: str = "L1 times 10", rounds: int = ROUNDS, opening: int = 0, progress: bool = True
) -> dict[str, Any]:
    """One run and its scores; or the losses of its opening."""
    run, weight = stroke_run(seed, bool(opening)), WEIGHTS[way]
    game = nonsaturating if weight is not None else Objective(nonsaturating.d_loss, silent_g_loss)
    extra = functools.partial(l1_loss, weight=1.0 if weight is None else weight)
    batches = data.batches(tensors(), RECIPE["batch"], seed)
    if opening:
        doubled = ((reals.double(), strokes.double()) for reals, strokes in batches)
        rows = list(training.train(run, doubled, game, extra=extra, steps=opening))
        return {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}
    schedules = [bench.linear_decay(opt, rounds, RECIPE["decay_from"], RECIPE["decay_to"]) for opt in (run.opt_G, run.opt_D)]
    play = training.train(run, batches, game, extra=extra, steps=rounds, ema_share=RECIPE["ema_share"])
    begun = time.process_time()
    for _ in tqdm(play, total=rounds, desc=f"{way}, seed {seed}", disable=not progress, mininterval=10):
        for schedule in schedules:
            schedule.step()
    outcome = {"way": way, "rounds": run.step, "seconds": round(time.process_time() - begun, 1)}
    with torch.random.fork_rng(devices=[]):
        return outcome | score(bench.plain(run.G_ema))


USES = (strokes_of, StrokeGenerator, StrokeDiscriminator, l1_loss, silent_g_loss, stroke_run, tensors, score, latents)
USES += (bench.fresh_run, bench.linear_decay, networks.in_bfloat16, networks.InBfloat16, *bench.PLAYED, *digits.USES)
USES += (Objective, f"numbers = {RECIPE, WEIGHTS}")


def kept(way: str, seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one run, rounded, or what it returned when that run was last finished."""
    outcome = bench.kept(f"strokes {way} {seed}", main, {"seed": seed, "way": way, "rounds": rounds}, USES)
    shown = f"L1 {outcome['l1']:.4f}, {outcome['times_floor']:.1f} floors, spread {outcome['spread']:.4f}"
    print(f"{way}, seed {seed}: {shown}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def known_answers() -> dict[str, dict[str, float]]:
    """What the measures say of answers that we understand: black, the strokes themselves, the digits of shuffled strokes."""
    reals = data.to_float(data.mnist("test").images)
    shuffled = reals[torch.randperm(len(reals), generator=torch.Generator().manual_seed(0))]
    found = {"black": -torch.ones_like(reals), "the strokes": strokes_of(reals), "another test digit": shuffled}
    return {name: {"l1": (x - reals).abs().mean().item()} | digits.score(x) for name, x in found.items()}


def opening() -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of each way: the slice that a test plays again and compares with the record."""
    return {way: main(0, way, opening=OPENING) for way in WEIGHTS}


def write_record(runs: list[dict[str, Any]], name: str = "strokes", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"seeds": SEEDS, "rounds": runs[0]["rounds"], "weights": WEIGHTS} | RECIPE
    figures = {"known": bench.rounded(known_answers()), "runs": runs, "opening": opening()}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "strokes", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    print(write_record([kept(way, seed, asked.rounds) for seed in range(SEEDS) for way in WEIGHTS], asked.name))
