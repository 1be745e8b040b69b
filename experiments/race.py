"""Which way is as good sooner: the usual tutorial's with its usual settings, or chapter 8's recipe; on one thread.

`python experiments/throughput.py race` writes ganlib/results/race.json. The clock is the processor's and stands still while
generators are scored. A finished half is kept, so that an interrupted race goes on with the other.
"""

import time
from typing import Any

import bench
import digits
import mnist_gan
import torch
from tqdm.auto import tqdm
from usual import copy_batch_norm, raw_mnist, usual

from ganlib import data, networks, record

USUAL = {"seed": 0, "epochs": 20, "batch": 64, "every": 500, "samples": 10_000}
EARLY = (*range(50, 1_000, 50), *range(1_000, 3_000, 100), *range(3_000, 16_001, 1_000))
OURS = {"seed": 0, "looks": EARLY}


def usual_half(seed: int, epochs: int, batch: int, every: int, samples: int, limit: int | None = None) -> dict[str, Any]:
    """The usual way: its scores every so many rounds, G's batch statistics measured anew for them as the recipe's are.

    `limit` keeps the first so many training images.
    """
    images, labels = data.mnist("train")
    images, labels = images[:limit], labels[:limit]
    total, along, aside, begun = epochs * (len(images) // batch), [], 0.0, time.process_time()
    with raw_mnist(images, labels) as folder:
        for step, G in zip(tqdm(range(1, total + 1), desc="the usual way"), usual(folder, batch, seed)):
            if step % every == 0 or step == total:
                stopped = time.process_time()
                with torch.random.fork_rng(devices=[]):
                    score = digits.score(networks.sample(bench.refreshed(G), samples))
                along.append({"round": step, "seconds": round(stopped - begun - aside, 2), "times_floor": score["times_floor"]})
                aside += time.process_time() - stopped
    return {"seed": seed, "seconds": round(time.process_time() - begun - aside, 1), "along": along}


def our_half() -> dict[str, Any]:
    """Chapter 8's recipe as the reader plays it, in single precision: the averaged generator's scores along its way."""
    outcome = mnist_gan.kept("race", **OURS)
    along = [
        {key: look[key] for key in ("round", "seconds")} | {"times_floor": look["ema"]["times_floor"]}
        for look in outcome["along"]
    ]
    return {key: outcome[key] for key in ("seconds", *record.PROVENANCE)} | {"along": along}


def result(usual_way: list[dict[str, float]], our_way: list[dict[str, float]]) -> dict[str, Any]:
    """The usual way's best look, the first of ours that is as good (None if none is), and how many times sooner it comes."""
    best = min(usual_way, key=lambda look: look["times_floor"])
    reached = next((look for look in our_way if look["times_floor"] <= best["times_floor"]), None)
    return {"best_usual": best, "reached": reached, "times_sooner": reached and round(best["seconds"] / reached["seconds"], 2)}


def main() -> None:
    torch.set_num_threads(1)
    uses = (usual, copy_batch_norm, raw_mnist, networks.MLPGenerator, networks.MLPDiscriminator, bench.refreshed, *digits.USES)
    halves = {"usual": bench.kept("race usual", usual_half, USUAL, uses), "ours": our_half()}
    figures = halves | result(halves["usual"]["along"], halves["ours"]["along"])
    print({key: value for key, value in figures.items() if key not in halves})
    seconds = sum(half["seconds"] for half in halves.values())
    record.write("race", {"usual": USUAL, "ours": OURS}, figures, seconds, clock="processor")
