"""The convolutional pair of chapter 15, told the class by projection: 300 seconds of one core, two seeds.

    python experiments/conditions_pair.py                                  # both runs -> results/conditions_pair.json
    python experiments/conditions_pair.py --seconds 20 --name conditions_pair_short

Game, penalty, rates and average are those of `convolution_pair.py`, scores those of `conditions.py`. On MNIST, one thread; the
clock is the processor's and stands still while samples are scored. A finished run is kept in experiments/runs/.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import bench
import conditions
import digits
import torch
from convolution_pair import RECIPE, penalty_of, run_of
from safetensors.torch import load_file
from torch import Tensor
from tqdm.auto import tqdm

from ganlib import conditional, conv, data, networks, record, training
from ganlib.objectives import nonsaturating

SEEDS, SECONDS, OPENING, SAMPLES = 2, 300.0, 5, 10_000
SHIPPED = "conv_conditional_generator"


def begin(seed: int, double: bool = False) -> training.Run:
    """The run about to begin, its products in bfloat16; in double precision, if asked for, for an opening."""
    torch.manual_seed(seed)
    return run_of(conditional.ConvConditionalGenerator(), conditional.ConvProjectionDiscriminator(), double)


def main(
    seed: int = 0, seconds: float = SECONDS, opening: int = 0, progress: bool = True
) -> tuple[dict[str, Any], dict[str, Tensor]] | dict[str, list[float]]:
    """One run, its scores and the weights of the averaged G, batch statistics measured anew; or the losses of its opening."""
    run = begin(seed, bool(opening))
    batches = data.batches(tuple(data.mnist("train")), RECIPE["batch"], seed)
    if opening:
        doubled = ((reals.double(), labels) for reals, labels in batches)
        rows = list(training.train(run, doubled, nonsaturating, penalty_of(), steps=opening))
        return {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}
    rates = [(group, group["lr"]) for opt in (run.opt_G, run.opt_D) for group in opt.param_groups]
    play = training.train(run, batches, nonsaturating, penalty_of(), steps=10**9, ema_share=RECIPE["ema_share"], look=5)
    begun = time.process_time()
    for _ in tqdm(play, desc=f"seed {seed}", disable=not progress, mininterval=30):
        spent = time.process_time() - begun
        if spent >= seconds:
            break
        for group, rate in rates:
            group["lr"] = rate * bench.falling(spent, seconds, RECIPE["decay_from"], RECIPE["decay_to"])
    outcome = {"rounds": run.step, "seconds": round(spent, 1)}
    G, labels = conditions.refreshed_with_labels(run.G_ema), torch.arange(SAMPLES) % 10
    outcome |= conditions.score(networks.sample(G, len(labels), 1, labels), labels)
    labels = torch.arange(conditions.READER["images"]) % 10
    outcome["gan_train"] = conditions.read_by_a_classifier(networks.sample(G, len(labels), 3, labels), labels)
    return outcome, G.state_dict()


USES = (begin, penalty_of, conditions.refreshed_with_labels, conditions.read_by_a_classifier, conditions.spread_of)
USES += (conditions.score, conditional.ConvConditionalGenerator, conditional.ConvProjectionDiscriminator)
USES += (conditional.label_rows, conditional.ConditionalGenerator, conditional.ProjectionDiscriminator, conv.DCGANGenerator)
USES += (conv.DCGANDiscriminator, conv.shuffled, conv.divided, conv.faster_convolutions, bench.falling)
USES += (networks.in_bfloat16, networks.InBfloat16, *bench.PLAYED, *digits.USES)
USES += (f"numbers = {RECIPE, SAMPLES, conditions.READER}",)


def kept(seed: int, seconds: float) -> dict[str, Any]:
    """``main`` of one run, rounded, or what it returned when that run was last finished."""
    outcome = bench.kept(f"conditions_pair {seed}", main, {"seed": seed, "seconds": seconds}, USES)
    shown = f"agreement {outcome['agreement']:.4f}, {outcome['times_floor']:.2f} floors, GAN-train {outcome['gan_train']:.4f}"
    print(f"seed {seed}: {outcome['rounds']} rounds, {shown}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def write_record(
    runs: list[dict[str, Any]], name: str = "conditions_pair", folder: Path = record.RESULTS, sha256: str = ""
) -> Path:
    """The record of these runs and of no others."""
    configuration = {"seeds": len(runs), "seconds": SECONDS, "samples": SAMPLES} | RECIPE
    figures = {"runs": runs, "opening": main(0, opening=OPENING)} | ({"sha256": sha256} if sha256 else {})
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


def weights_to_ship(seed: int = 0) -> bytes:
    """The averaged generator of one run in half precision, as a file."""
    place = bench.place_of(f"conditions_pair {seed}", main, {"seed": seed, "seconds": SECONDS}, USES)
    weights = load_file(place.with_suffix(".safetensors"))
    return bench.in_half(weights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = bench.asked(parser, "conditions_pair", lambda asked: asked.seconds != SECONDS)
    torch.set_num_threads(1)
    runs = [kept(seed, asked.seconds) for seed in range(SEEDS)]
    whole = asked.name == "conditions_pair"  # a part ships nothing
    sha256 = bench.ship(SHIPPED, weights_to_ship(), "conditions_pair") if whole else ""
    print(write_record(runs, asked.name, sha256=sha256))
