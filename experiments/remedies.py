"""Remedies for mode collapse on one small task and one budget: ring of 8 and grid of 25, five seeds trained at once.

    python experiments/remedies.py                                         # every row -> results/remedies.json
    python experiments/remedies.py --rows plain R1 --rounds 1000 --name remedies_short

All rows see the same number of rounds, of real samples and of latents a round, with the same Adam; they differ in processor
time, which is counted. The modes are wider than in the published comparisons (standard deviations 0.05 on the ring and 0.1 on
the grid, not 0.01 and 0.05), so that a short budget can reach them. What a row changes, the networks and the turns stand in
remedies_pair.py. A finished row is kept in experiments/runs/; an interrupted experiment goes on with the first that is not.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import bench
import mixtures
import remedies_pair
import torch
from remedies_pair import BETAS, LR_D, LR_G, SETTINGS, Player, Setting
from torch import Tensor
from tqdm.auto import tqdm

from ganlib import record

TASKS = mixtures.ring_and_grid(0.05, 0.1)
SEEDS, ROUNDS, BATCH = 5, 10_000, 64
LOOKS = (1_000, 2_500, 5_000, 10_000)
BLOCK = 200  # rounds whose chance is drawn at once


def chance(task: str, seeds: Sequence[int], dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Reals (seeds, BATCH, 2) and both turns' latents (2, seeds, BATCH, 2) of round after round, each seed's its own."""
    mixture = TASKS[task]
    for block in itertools.count():
        reals, latents = [], []
        for seed in seeds:
            dice = torch.Generator().manual_seed((seed + 1) * 1_000_000 + block)
            mode = torch.randint(len(mixture.centres), (BLOCK, BATCH), generator=dice)
            noise = torch.randn(3, BLOCK, BATCH, 2, generator=dice, dtype=torch.float64)
            reals.append(mixture.centres.double()[mode] + mixture.std * noise[0])
            latents.append(noise[1:])
        reals, latents = torch.stack(reals, dim=1).to(dtype), torch.stack(latents, dim=2).to(dtype)
        for step in range(BLOCK):
            yield reals[step], latents[:, step]


def play(
    setting: Setting, task: str, seeds: Sequence[int], rounds: int, dtype: torch.dtype = torch.float32
) -> Iterator[tuple[Player, Player]]:
    """Both players after each round; from half of the rounds on, the learning rate falls to zero in a line."""
    G, D = remedies_pair.pair(setting, seeds, dtype)
    for step, (reals, z) in enumerate(itertools.islice(chance(task, seeds, dtype), rounds)):
        share = bench.falling(step, rounds, start=0.5)
        D = remedies_pair.turn_of_D(setting, G, D, reals, z[0], share)
        G = remedies_pair.turn_of_G(setting, G, D, reals, z[1], share)
        yield G, D


@torch.no_grad()
def look(setting: Setting, G: Player, task: str, n: int = 2_500) -> list[dict[str, float]]:
    """Modes, share and reverse KL of n samples of each seed's G, from the same latents; normalised as one batch."""
    z = torch.randn(1, n, 2, generator=torch.Generator().manual_seed(2333)).to(G.weights).expand(len(G.weights), -1, -1)
    return [TASKS[task].score(points) for points in remedies_pair.generate(setting, G.weights, z).float()]


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
    seeds, setting = [seed] if seeds is None else list(seeds), SETTINGS[name]
    players, told = play(setting, task, seeds, rounds), f"{task}, {name}" * progress
    seen = followed(players, rounds, looks, lambda G: look(setting, G, task), told)
    return {"name": name, "task": task, "seeds": seeds, "rounds": rounds} | seen


def followed(
    players: Iterator[tuple[Player, Player]],
    rounds: int,
    looks: Sequence[int],
    scores: Callable[[Player], list[dict]],
    told: str,
) -> dict:
    """The scores of G "along", after the rounds `looks` and the last, and "cpu_seconds" of play, looks not counted.

    Args:
        told: title of the bar of progress; empty shows none.
    """
    along, seconds, begun = [], 0.0, time.process_time()
    for step in tqdm(range(1, rounds + 1), desc=told, disable=not told, mininterval=10):
        G, _ = next(players)
        if step in looks or step == rounds:
            seconds += time.process_time() - begun
            along.append({"round": step, "scores": scores(G)})
            begun = time.process_time()
    return {"along": along, "cpu_seconds": round(seconds, 1)}


def kept(name: str, task: str, **changes) -> dict:
    """``main`` of all seeds in a row, or what it returned when that row, with this code and numbers, was last finished."""
    numbers = {"seeds": list(range(SEEDS)), "name": name, "task": task, "rounds": ROUNDS, "looks": LOOKS} | changes
    uses = (play, chance, look, remedies_pair, mixtures, f"numbers = {TASKS[task].std, BATCH, BLOCK}")
    return bench.kept(f"remedies {task} {name}", main, numbers, uses)


def opening(seeds: Sequence[int] = (0, 1), rounds: int = 8) -> dict[str, list[list[float]]]:
    """Sums of the absolute weights of G and of D, a list a seed, after a few rounds in double precision, in every row.

    The slice that a test plays again and compares with the record.
    """
    played = {}
    for name, setting in SETTINGS.items():
        *_, (G, D) = play(setting, "ring", seeds, rounds, dtype=torch.float64)
        played[name] = torch.stack([G.weights.abs().sum(dim=1), D.weights.abs().sum(dim=1)]).tolist()
    return played


def write_record(rows: list[dict], name: str = "remedies", folder: Path = record.RESULTS) -> Path:
    """The record of these rows and of no others."""
    configuration = {"seeds": SEEDS, "rounds": rows[0]["rounds"], "batch": BATCH, "lr_G": LR_G, "lr_D": LR_D}
    configuration |= {"betas": list(BETAS), "std": {task: mixture.std for task, mixture in TASKS.items()}, "samples": 2_500}
    configuration["settings"] = {name: setting._asdict() for name, setting in SETTINGS.items()}
    figures = {"rows": rows, "opening": opening()}
    return record.write(name, configuration, figures, sum(row["cpu_seconds"] for row in rows), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="which of SETTINGS; all of them")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "remedies", lambda asked: set(asked.rows) != set(SETTINGS) or asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    rows = []
    for task, name in itertools.product(TASKS, asked.rows):
        rows.append(kept(name, task, rounds=asked.rounds))
        print(f"{task}, {name:30s} {mixtures.summary(rows[-1]['along'][-1]['scores'])}, {rows[-1]['cpu_seconds']:.0f} s")
    print(write_record(rows, asked.name))
