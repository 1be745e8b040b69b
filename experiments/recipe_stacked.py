"""Pairing x R1 x R2 on Stacked MNIST: eight cells, one small pair without normalisation, the same rounds for all.

    python experiments/recipe_stacked.py                                   # every run -> results/recipe_stacked.json
    python experiments/recipe_stacked.py --rounds 500 --seeds 1 --name recipe_stacked_short

The pair is that of chapter 15 for three channels, its batch normalisation taken out: 439,852 weights in G, 425,025 in D. All
runs share rates, batches and rounds; a cell differs from another in the game and in the penalties alone. R1 and R2 are exact;
"by difference" plays the full recipe without second derivatives. Scores are those of `stacked_mnist.py`, at every one of its
thresholds. A finished run is kept in experiments/runs/; one seed of all cells comes before the next.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench
import stacked_mnist
import torch
from convolution_pair import run_of
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import conv, data, networks, objectives, penalties, record, training
from ganlib.types import Network, Penalty, Samples, Scalar

GAMES = {"unpaired": objectives.nonsaturating, "paired": objectives.relativistic}
CELLS = {
    f"{game}{', R1' * r1}{', R2' * r2}": {"game": game, "r1": r1, "r2": r2}
    for game, r1, r2 in itertools.product(GAMES, (False, True), (False, True))
}
ROUNDS, BATCH, SEEDS = 10_000, 64, 2
LOOKS = (500, 1_000, 2_000, 4_000, 7_000, 10_000)
RECIPE = {"gamma": 1.0, "step": 0.1, "lr": 5e-4, "conv_times": 4.0, "betas": [0.0, 0.99], "ema_share": 0.1}
PAIR = {"z_dim": 64, "dense": [256], "channels": [32, 16], "d_channels": [32, 32], "d_dense": [256]}


def without_normalisation(network: nn.Module) -> nn.Module:
    """The network, changed in place: batch normalisation hands on what it is given."""
    for layer in network.modules():
        for name, inner in layer.named_children():
            if isinstance(inner, nn.modules.batchnorm._BatchNorm):
                setattr(layer, name, nn.Identity())
    return network


def begin(seed: int = 0, double: bool = False) -> training.Run:
    """The run about to begin; in double precision, if asked for, its weights are drawn anew in it."""
    torch.manual_seed(seed)
    G = without_normalisation(conv.DCGANGenerator(PAIR["z_dim"], PAIR["dense"], PAIR["channels"], (3, 28, 28)))
    D = conv.DCGANDiscriminator((3, 28, 28), PAIR["d_channels"], PAIR["d_dense"])
    return run_of(G, D, double, lr=RECIPE["lr"], lr_D=RECIPE["lr"], conv_times=RECIPE["conv_times"])


def penalty_of(r1: bool, r2: bool, difference: bool = False) -> Penalty | None:
    """R1, R2, both or none, exact or by difference."""
    chosen = [penalties.r1] * r1 + [penalties.r2] * r2
    if difference:
        forms = {penalties.r1: penalties.r1_by_difference, penalties.r2: penalties.r2_by_difference}
        chosen = [functools.partial(forms[penalty], step=RECIPE["step"]) for penalty in chosen]

    def both(D: Network, reals: Samples, fakes: Samples) -> Scalar:
        return sum(penalty(D, reals, fakes, gamma=RECIPE["gamma"]) for penalty in chosen)

    return both if chosen else None


def state_of_D(run: training.Run, reals: Tensor, seed: int = 5) -> dict[str, float]:
    """Means of D's logits on reals and on as many fakes, their standard deviation within each, and the rms of its gradient."""
    D, G = bench.plain(run.D), bench.plain(run.G)
    with torch.no_grad():
        fakes = G(G.sample_z(len(reals), torch.Generator().manual_seed(seed)))
    seen = {}
    for name, samples in (("real", reals), ("fake", fakes)):
        slope = penalties.input_grad(D, samples).flatten(1).square().sum(dim=1).mean().sqrt().item()
        logits = D(samples).detach()
        seen |= {f"mean_{name}": logits.mean().item(), f"std_{name}": logits.std().item(), f"slope_{name}": slope}
    return seen


def main(
    seed: int = 0,
    game: str = "paired",
    r1: bool = True,
    r2: bool = True,
    difference: bool = False,
    rounds: int = ROUNDS,
    looks: Sequence[int] = LOOKS,
    progress: bool = True,
) -> dict[str, Any]:
    """Plays one cell and scores its averaged G at `looks` and at the end; "seconds" of training, looks not counted.

    A run whose loss is no longer finite ends there, "ended" says how, and its last sound average is scored.
    """
    run, images = begin(seed), data.mnist("train").images
    held = data.to_float(stacked_mnist.stacked(images, 1_000, seed=99))
    batches, along, aside, ended = stacked_mnist.stacked_batches(images, BATCH, seed), [], 0.0, None
    settings = {"steps": rounds, "ema_share": RECIPE["ema_share"], "look": 100}
    play = training.train(run, batches, GAMES[game], penalty_of(r1, r2, difference), **settings)
    begun = time.process_time()
    bar, losses = tqdm(total=rounds, desc=f"{game} {r1:d}{r2:d} seed {seed}", disable=not progress, mininterval=30), None
    while run.step < rounds and not ended:
        try:
            losses = next(play)
        except FloatingPointError as error:
            ended = str(error)
        bar.update(run.step - bar.n)
        if run.step in looks or run.step >= rounds or ended:
            stopped = time.process_time()
            with torch.random.fork_rng(devices=[]):  # a look changes nothing
                scores = stacked_mnist.score(networks.sample(bench.plain(run.G_ema), stacked_mnist.SAMPLES))
            seen = losses._asdict() if losses else {"step": run.step}
            along.append(seen | {"images": run.step * BATCH} | state_of_D(run, held) | scores)
            aside += time.process_time() - stopped
    return {"along": along, "ended": ended, "seconds": round(time.process_time() - begun - aside, 1)}


USES = (begin, run_of, without_normalisation, penalty_of, state_of_D, *bench.PLAYED, bench.plain, data.to_float)
USES += (
    stacked_mnist.stacked,
    stacked_mnist.stacked_batches,
    stacked_mnist.score,
    stacked_mnist.count,
    stacked_mnist.read_triples,
)
USES += (conv.DCGANGenerator, conv.DCGANDiscriminator, conv.shuffled, conv.divided, conv.faster_convolutions)
USES += (networks.in_bfloat16, networks.InBfloat16, f"numbers = {PAIR, RECIPE, BATCH, stacked_mnist.SAMPLES}")


def kept(name: str, seed: int, rounds: int = ROUNDS, **settings: Any) -> dict[str, Any]:
    """``main`` of a cell and a seed, or what it returned when that run was last finished."""
    given = {"seed": seed, "rounds": rounds, "looks": list(LOOKS), **settings}
    return {"name": name} | bench.kept(f"recipe_stacked {name} {seed}", main, given, USES)


def opening(rounds: int = 4) -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of every cell, in double precision: the slice that a test plays again."""
    images, played = data.mnist("train").images, {}
    for name, cell in CELLS.items():
        run, penalty = begin(0, double=True), penalty_of(cell["r1"], cell["r2"])
        batches = stacked_mnist.stacked_batches(images, 16)
        played[name] = bench.opening(run, batches, GAMES[cell["game"]], rounds, penalty=penalty)
    return played


def write_record(runs: list[dict], rounds: int, name: str = "recipe_stacked", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"rounds": rounds, "batch": BATCH, "samples": stacked_mnist.SAMPLES, **RECIPE, **PAIR, "cells": CELLS}
    figures = bench.rounded({"runs": runs}) | {"opening": opening()}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of every cell, from 0 on")
    asked = bench.asked(parser, "recipe_stacked", lambda asked: (asked.rounds, asked.seeds) != (ROUNDS, SEEDS))
    torch.set_num_threads(1)
    runs = []
    for seed in range(asked.seeds):
        for cell in [*CELLS, "by difference"]:
            settings = CELLS["paired, R1, R2"] | {"difference": True} if cell == "by difference" else CELLS[cell]
            runs.append(kept(cell, seed, asked.rounds, **settings))
            last = runs[-1]["along"][-1]
            print(
                f"{cell:18s} seed {seed}: {last['modes']:4d} modes, KL {last['kl']:.3f}, {runs[-1]['seconds']:.0f} s",
                flush=True,
            )
    print(write_record(runs, asked.rounds, asked.name))
