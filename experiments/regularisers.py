"""Who still trains at ten times the rate? Seven ways to hold D back, three learning rates, five seeds, one small pair.

    python experiments/regularisers.py                                     # all runs -> results/regularisers.json
    python experiments/regularisers.py --rounds 200 --name regularisers_short

All runs share networks, game, data, rounds and Adam; a row changes what holds D back, and nothing else. How strongly is
chosen first, by the same rule for every way that has a strength: of three, the best at the plain rate on a seed that is not in
the table. On MNIST, one thread; the clock is the processor's and stands still while samples are scored. A finished run is kept
in experiments/runs/.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from tqdm.auto import tqdm

from ganlib import data, networks, penalties, record, taming, training
from ganlib.objectives import nonsaturating
from ganlib.types import Network, Penalty, Samples, Scalar


def r1_and_r2(D: Network, reals: Samples, fakes: Samples, gamma: float) -> Scalar:
    """Both penalties with one weight."""
    return penalties.r1(D, reals, fakes, gamma) + penalties.r2(D, reals, fakes, gamma)


PENALTIES = {
    "gradient penalty": (penalties.gradient_penalty, "weight"),
    "R1": (penalties.r1, "gamma"),
    "R1 and R2": (r1_and_r2, "gamma"),
    "R1 by difference": (penalties.r1_by_difference, "gamma"),
}
WAYS = ("none", "weight clipping", "gradient penalty", "spectral norm", "R1", "R1 and R2", "R1 by difference")
STRENGTHS = {"weight clipping": (0.03, 0.1, 0.3)} | dict.fromkeys(PENALTIES, (0.1, 1.0, 10.0))
FACTORS = (1, 3, 10)
SEEDS, ASIDE = 5, 100  # seeds of the table; the seed on which strengths are chosen
PAIR = {"z_dim": 64, "g_widths": [64, 128], "d_widths": [128, 64]}
RECIPE = {"batch": 64, "lr": 2e-3, "lr_D": 1e-3, "decay_from": 0.25, "decay_to": 0.2, "ema_share": 0.2, "samples": 2_000}
ROUNDS, ROUNDS_ASIDE, OPENING = 1_200, 800, 5


def penalty_of(name: str, strength: float | None) -> Penalty | None:
    """The penalty of this way with its weight, if it is one."""
    if name not in PENALTIES:
        return None
    penalty, called = PENALTIES[name]
    return functools.partial(penalty, **{called: strength})


def tamed_run(seed: int, name: str, strength: float | None, factor: float, double: bool = False) -> training.Run:
    """The run about to begin, both learning rates times `factor`; in double precision, if asked for, for an opening."""
    torch.manual_seed(seed)
    G = networks.MLPGenerator(PAIR["z_dim"], PAIR["g_widths"])
    D = networks.MLPDiscriminator(widths=PAIR["d_widths"])
    if double:
        bench.reset_in_double(G, D)
    if name == "spectral norm":
        taming.normalise_spectra(D)
    run = bench.fresh_run(G, D, lr=factor * RECIPE["lr"], lr_D=factor * RECIPE["lr_D"])
    if name == "weight clipping":
        taming.clip_weights(run.opt_D, strength)
    return run


def main(
    seed: int = 0,
    name: str = "R1",
    strength: float | None = 10.0,
    factor: float = 1,
    rounds: int = ROUNDS,
    opening: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """One run that holds D back in one of WAYS; or its opening.

    Returns:
        Scores of the averaged G, its batch statistics measured anew; "rounds" played, fewer if a loss was not finite; "seconds"
        of training on the processor. With `opening`, the losses of so many rounds.
    """
    run, penalty = tamed_run(seed, name, strength, factor, bool(opening)), penalty_of(name, strength)
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], seed)
    if opening:
        return bench.opening(run, batches, nonsaturating, opening, penalty=penalty)
    schedules = [bench.linear_decay(opt, rounds, RECIPE["decay_from"], RECIPE["decay_to"]) for opt in (run.opt_G, run.opt_D)]
    play = training.train(run, batches, nonsaturating, penalty, steps=rounds, ema_share=RECIPE["ema_share"])
    begun = time.process_time()
    try:
        for _ in tqdm(
            play, total=rounds, desc=f"{name}, rate times {factor}, seed {seed}", disable=not progress, mininterval=10
        ):
            for schedule in schedules:
                schedule.step()
    except FloatingPointError:  # the weights are those of the last round that was finite
        pass
    seconds = round(time.process_time() - begun, 1)
    outcome = {"name": name, "strength": strength, "factor": factor, "rounds": run.step, "seconds": seconds}
    return outcome | score(bench.refreshed(run.G_ema))


def score(G: torch.nn.Module) -> dict[str, float]:
    """What the eye for digits says of this many samples, beside the floor of as many real images."""
    return digits.score(networks.sample(G, RECIPE["samples"]), floor_of=RECIPE["samples"])


USES = (tamed_run, penalty_of, r1_and_r2, score, taming, bench.fresh_run, bench.linear_decay, bench.refreshed)
USES += (*bench.PLAYED, *digits.USES, f"numbers = {PAIR, RECIPE}")


def kept(name: str, strength: float | None, factor: float, seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one run, rounded, or what it returned when that run was last finished."""
    settings = {"seed": seed, "name": name, "strength": strength, "factor": factor, "rounds": rounds}
    outcome = bench.kept(f"regularisers {name} {strength} {factor} {seed}", main, settings, USES)
    shown = f"strength {strength}, rate times {factor}, seed {seed}: {outcome['times_floor']:.1f} times the floor"
    print(f"{name}, {shown}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def best_strengths(aside: Iterable[dict[str, Any]]) -> dict[str, float | None]:
    """For each way, of the runs aside the strength whose averaged G came nearest to the test set; None where it has none."""
    best: dict[str, float | None] = dict.fromkeys(WAYS)
    for run in sorted(aside, key=lambda run: run["times_floor"], reverse=True):
        best[run["name"]] = run["strength"]
    return best


def known_samplers() -> dict[str, dict[str, float]]:
    """What the measure says of samplers that we understand."""
    n, images = RECIPE["samples"], data.mnist("train").images
    dice = torch.Generator().manual_seed(0)
    some = images[torch.randperm(len(images), generator=dice)[:n]]
    noise = torch.randint(0, 256, (n, *images.shape[1:]), dtype=torch.uint8, generator=dice)
    found = {"training images": some, "one image repeated": some[:1].expand_as(some), "uniform noise": noise}
    scores = {name: digits.score(data.to_float(shown), floor_of=n) for name, shown in found.items()}
    return scores | {"G before training": score(tamed_run(0, "none", None, 1).G)}


def opening(strengths: dict[str, float | None], factor: float = 3) -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of each row: the slice that a test plays again and compares with the record."""
    return {name: main(0, name, strength, factor, opening=OPENING) for name, strength in strengths.items()}


def write_record(
    aside: list[dict[str, Any]], runs: list[dict[str, Any]], name: str = "regularisers", folder: Path = record.RESULTS
) -> Path:
    """The record of these runs and of no others."""
    strengths = {run["name"]: run["strength"] for run in runs}
    configuration = {"strengths": strengths, "factors": FACTORS, "seeds": SEEDS, "rounds": runs[0]["rounds"]} | PAIR | RECIPE
    figures = {"floor": digits.floor(RECIPE["samples"])[0], "known": bench.rounded(known_samplers())}
    figures |= {"aside": aside, "runs": runs, "opening": opening(strengths)}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in aside + runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "regularisers", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    aside = [
        kept(name, strength, 1, ASIDE, min(ROUNDS_ASIDE, asked.rounds))
        for name, strengths in STRENGTHS.items()
        for strength in strengths
    ]
    table = itertools.product(range(SEEDS), FACTORS, best_strengths(aside).items())  # a part of it is balanced
    runs = [kept(name, strength, factor, seed, asked.rounds) for seed, factor, (name, strength) in table]
    print(write_record(aside, runs, asked.name))
