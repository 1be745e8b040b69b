"""Pairing x R1 x R2 on ring and grid: eight cells, ten seeds trained at once, then gamma, lazy penalties and the difference.

    python experiments/recipe_plane.py                                          # every row -> results/recipe_plane.json
    python experiments/recipe_plane.py --rows cells --rounds 1000 --name recipe_plane_short

Tasks, pair, rates, batches and rounds are those of `remedies.py`, whose plain row is the cell without anything. A row
changes the game, the penalties, or how a penalty is taken. A finished row is kept in experiments/runs/.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import bench
import mixtures
import remedies
import remedies_pair
import torch
from remedies_pair import BETAS, LR_D, LR_G, Player, Setting
from torch import Tensor
from torch.nn.functional import softplus

from ganlib import record

SEEDS, ROUNDS, LOOKS, GAMMA = 10, 10_000, (1_000, 2_500, 5_000, 10_000), 1.0
GAMMAS, EVERY, STEP = (0.01, 0.1, 1.0, 10.0, 100.0), (4, 16, 64), 0.01


class Recipe(NamedTuple):
    """The game, the weights of both penalties, the turns of D from one penalty to the next, and the step of the difference."""

    paired: bool = False
    r1: float = 0.0
    r2: float = 0.0
    every: int = 1  # a penalty in every such turn, times as much
    step: float = 0.0  # of the finite difference; 0 is the exact gradient

    def setting(self) -> Setting:
        """The small pair of `remedies_pair.py`; its penalties are ours."""
        return Setting(relativistic=self.paired)


FULL = Recipe(paired=True, r1=GAMMA, r2=GAMMA)
CELLS = {
    f"{'paired' if paired else 'unpaired'}{', R1' * r1}{', R2' * r2}": Recipe(paired, GAMMA * r1, GAMMA * r2)
    for paired, r1, r2 in itertools.product((False, True), repeat=3)
}
SWEEP = {f"gamma {gamma:g}": FULL._replace(r1=gamma, r2=gamma) for gamma in GAMMAS if gamma != GAMMA}
LAZY = {f"every {every}": FULL._replace(every=every) for every in EVERY}
WAYS = {"by difference": FULL._replace(step=STEP)}
GROUPS = {"cells": CELLS, "gamma": SWEEP, "lazy": LAZY, "ways": WAYS}
ROWS = {name: recipe for group in GROUPS.values() for name, recipe in group.items()}


def squared_slope(recipe: Recipe, weights: Tensor, x: Tensor, logits: Tensor, dice: list[torch.Generator]) -> Tensor:
    """Mean over the batch of |grad D|^2 at x, (seeds,); by difference, along a normal direction, if the recipe says so."""
    if not recipe.step:
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return slope.square().sum(dim=2).mean(dim=1)
    v = torch.stack([torch.randn(x.shape[1:], generator=die, dtype=torch.float64) for die in dice]).to(x)
    there = remedies_pair.judge(recipe.setting(), weights, x.detach() + recipe.step * v)
    return ((there - logits) / recipe.step).square().mean(dim=1)


def penalised_loss(
    recipe: Recipe, weights: Tensor, reals: Tensor, fakes: Tensor, turn: int, dice: list[torch.Generator]
) -> Tensor:
    """(seeds,), in D's turn number `turn`, counted from 0."""
    reals, fakes = reals.detach().requires_grad_(), fakes.detach().requires_grad_()
    r, f = (remedies_pair.judge(recipe.setting(), weights, x) for x in (reals, fakes))
    loss = softplus(f - r).mean(dim=1) if recipe.paired else (softplus(-r) + softplus(f)).mean(dim=1)
    if turn % recipe.every == 0:
        for gamma, x, logits in ((recipe.r1, reals, r), (recipe.r2, fakes, f)):
            if gamma:
                loss = loss + recipe.every * gamma / 2 * squared_slope(recipe, weights, x, logits, dice)
    return loss


def play(
    recipe: Recipe, task: str, seeds: Sequence[int], rounds: int, dtype: torch.dtype = torch.float32
) -> Iterator[tuple[Player, Player]]:
    """Both players after each round; from half of the rounds on, the learning rate falls to zero in a line."""
    setting, dice = recipe.setting(), [torch.Generator().manual_seed(9_000_011 + seed) for seed in seeds]
    G, D = remedies_pair.pair(setting, seeds, dtype)
    for turn, (reals, z) in enumerate(itertools.islice(remedies.chance(task, seeds, dtype), rounds)):
        share, weights = bench.falling(turn, rounds, start=0.5), D.weights.detach().requires_grad_()
        fakes = remedies_pair.generate(setting, G.weights, z[0])
        (gradient,) = torch.autograd.grad(penalised_loss(recipe, weights, reals, fakes, turn, dice).sum(), weights)
        D = remedies_pair.adam(D, gradient, share * LR_D)
        G = remedies_pair.turn_of_G(setting, G, D, reals, z[1], share)
        yield G, D


def main(
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    name: str = "paired, R1, R2",
    task: str = "ring",
    rounds: int = ROUNDS,
    looks: Sequence[int] = LOOKS,
    progress: bool = True,
) -> dict:
    """Trains `seeds` (or `seed` alone) together in one of ROWS.

    Returns:
        "along", the scores of each seed at the rounds `looks`; "cpu_seconds" of training, looks not counted.
    """
    seeds, recipe = [seed] if seeds is None else list(seeds), ROWS[name]
    players, told = play(recipe, task, seeds, rounds), f"{task}, {name}" * progress
    seen = remedies.followed(players, rounds, looks, lambda G: remedies.look(recipe.setting(), G, task), told)
    return {"name": name, "task": task, "seeds": seeds, "rounds": rounds} | seen


def kept(name: str, task: str, **changes) -> dict:
    """``main`` of all seeds in a row, or what it returned when that row was last finished."""
    numbers = {"seeds": list(range(SEEDS)), "name": name, "task": task, "rounds": ROUNDS, "looks": LOOKS} | changes
    uses = (
        play,
        penalised_loss,
        squared_slope,
        Recipe,
        remedies.chance,
        remedies.look,
        remedies.followed,
        remedies_pair,
        mixtures,
        bench.falling,
    )
    told = f"numbers = {ROWS[name], remedies.TASKS[task].std, remedies.BATCH, remedies.BLOCK}"
    return bench.kept(f"recipe_plane {task} {name}", main, numbers, (*uses, told))


def opening(seeds: Sequence[int] = (0, 1), rounds: int = 6) -> dict[str, list[list[float]]]:
    """Sums of the absolute weights of G and of D, a list a seed, after a few rounds in double precision, in every row."""
    played = {}
    for name, recipe in ROWS.items():
        *_, (G, D) = play(recipe, "ring", seeds, rounds, dtype=torch.float64)
        played[name] = torch.stack([G.weights.abs().sum(dim=1), D.weights.abs().sum(dim=1)]).tolist()
    return played


def write_record(rows: list[dict], name: str = "recipe_plane", folder: Path = record.RESULTS) -> Path:
    """The record of these rows and of no others."""
    configuration = {"seeds": SEEDS, "rounds": rows[0]["rounds"], "batch": remedies.BATCH, "lr_G": LR_G, "lr_D": LR_D}
    configuration |= {"betas": list(BETAS), "std": {task: mixture.std for task, mixture in remedies.TASKS.items()}}
    configuration |= {"gamma": GAMMA, "step": STEP, "rows": {name: recipe._asdict() for name, recipe in ROWS.items()}}
    configuration |= {"groups": {group: list(rows) for group, rows in GROUPS.items()}}
    figures = {"rows": bench.rounded(rows), "opening": opening()}
    return record.write(name, configuration, figures, sum(row["cpu_seconds"] for row in rows), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=GROUPS, default=list(GROUPS), help="which of GROUPS; all of them")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "recipe_plane", lambda asked: set(asked.rows) != set(GROUPS) or asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    rows = []
    for group, task in itertools.product(asked.rows, remedies.TASKS):
        for name in GROUPS[group]:
            rows.append(kept(name, task, rounds=asked.rounds))
            told = mixtures.summary(rows[-1]["along"][-1]["scores"])
            print(f"{task}, {name:24s} {told}, {rows[-1]['cpu_seconds']:.0f} s", flush=True)
    print(write_record(rows, asked.name))
