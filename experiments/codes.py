"""InfoGAN on the convolutional pair from ten seeds: do its codes find the classes, and what do its numbers turn?

    python experiments/codes.py                                  # all runs -> results/codes.json
    python experiments/codes.py --rounds 200 --name codes_short

On MNIST without its labels, one thread; the clock is the processor's and stands still while samples are scored. A finished
run is kept in experiments/runs/.
"""

import argparse
import functools
import time
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from convolution_pair import run_of
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import conv, data, eye, information, latents, networks, record, training
from ganlib.objectives import nonsaturating

SEEDS, ROUNDS, OPENING = 10, 4_500, 5
RECIPE = {"batch": 64, "lr": 1e-3, "lr_D": 5e-4, "conv_times": 4.0, "decay_from": 0.4, "decay_to": 0.0, "ema_share": 0.15}
RECIPE |= {"samples": 10_000}
WEIGHT, OF_NUMBERS = 1.0, 0.1


def coded_run(seed: int, double: bool = False) -> training.Run:
    """The run about to begin, its products in bfloat16; in double precision, if asked for, for an opening."""
    torch.manual_seed(seed)
    rates = {name: RECIPE[name] for name in ("lr", "lr_D", "conv_times")}
    return run_of(information.InfoGenerator(), conv.DCGANDiscriminator(), double, **rates)


def agreement_of(codes: Tensor, labels: Tensor) -> tuple[float, list[int]]:
    """Share of samples whose code stands for their label, each code for another one, in the best way; and that way."""
    counts = torch.bincount(10 * codes + labels, minlength=100).view(10, 10)
    _, named = linear_sum_assignment(-counts.numpy())
    return counts[torch.arange(10), torch.from_numpy(named)].sum().item() / len(codes), named.tolist()


@torch.no_grad()
def score(G: nn.Module, n: int = RECIPE["samples"], seed: int = 1) -> dict[str, Any]:
    """What the codes of G do.

    "samples" is the agreement of codes with what the eye reads in the samples, "test" that of Q's guesses with the labels of
    the test set; "information" the bound log 10 - E[-log Q(c | x)] in nats; "numbers" for each number its correlations with
    slant and ink, where the code and all else are drawn; "turned" slant and ink on average at nine values of it.
    """
    test, judge = data.mnist("test"), eye.digit_classifier()
    z = G.eval().sample_z(n, torch.Generator().manual_seed(seed))
    images, code = G(z), z[:, : G.codes].argmax(dim=1)
    read = eye.classify(judge, images)[1].argmax(dim=1)
    guess, of_test = G.Q(images), G.Q(data.to_float(test.images))[:, : G.codes].argmax(dim=1)
    of_samples, named = agreement_of(code, read)
    surprise = torch.nn.functional.cross_entropy(guess[:, : G.codes], code).item()
    numbers = z[:, G.codes : G.codes + G.numbers]
    seen = torch.stack([latents.slant(images), latents.ink(images)])
    corr = torch.corrcoef(torch.cat([numbers.T.double(), seen]))[: G.numbers, G.numbers :]
    outcome = {"samples": of_samples, "test": agreement_of(of_test, test.labels)[0], "named": named}
    outcome |= {"information": torch.tensor(float(G.codes)).log().item() - surprise, "numbers": corr.tolist()}
    return outcome | {"turned": [turned(G, z[:1_000], k) for k in range(G.numbers)]} | digits.score(images)


def turned(G: nn.Module, z: Tensor, number: int, places: int = 9) -> list[list[float]]:
    """[value, mean slant, mean ink] of the same latents with one of their numbers set to each of `places` values."""
    rows = []
    for value in torch.linspace(-1, 1, places).tolist():
        moved = z.clone()
        moved[:, G.codes + number] = value
        images = G(moved)
        rows.append([value, latents.slant(images).mean().item(), latents.ink(images).mean().item()])
    return rows


def main(seed: int = 0, rounds: int = ROUNDS, opening: int = 0, progress: bool = True) -> dict[str, Any]:
    """One run and its scores; or the losses of its opening."""
    run = coded_run(seed, bool(opening))
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], seed)
    extra = functools.partial(information.code_loss, bench.plain(run.G), weight=WEIGHT, of_numbers=OF_NUMBERS)
    if opening:
        return bench.opening(run, batches, nonsaturating, opening, extra=extra)
    schedules = [bench.linear_decay(opt, rounds, RECIPE["decay_from"], RECIPE["decay_to"]) for opt in (run.opt_G, run.opt_D)]
    play = training.train(run, batches, nonsaturating, extra=extra, steps=rounds, ema_share=RECIPE["ema_share"])
    begun = time.process_time()
    for _ in tqdm(play, total=rounds, desc=f"codes, seed {seed}", disable=not progress, mininterval=10):
        for schedule in schedules:
            schedule.step()
    outcome = {"rounds": run.step, "seconds": round(time.process_time() - begun, 1)}
    with torch.random.fork_rng(devices=[]):
        return outcome | score(bench.refreshed(run.G_ema))


USES = (coded_run, agreement_of, score, turned, information, latents, bench.linear_decay, bench.falling, bench.refreshed)
USES += (conv.DCGANGenerator, conv.DCGANDiscriminator, conv.shuffled, conv.divided, conv.faster_convolutions)
USES += (networks.in_bfloat16, networks.InBfloat16, *bench.PLAYED, *digits.USES, f"numbers = {RECIPE, WEIGHT, OF_NUMBERS}")


def kept(seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one run, rounded, or what it returned when that run was last finished."""
    outcome = bench.kept(f"codes {seed}", main, {"seed": seed, "rounds": rounds}, USES)
    print(f"seed {seed}: samples {outcome['samples']:.3f}, test {outcome['test']:.3f}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def guesses(seeds: int = SEEDS) -> list[float]:
    """Agreement of codes drawn without looking with the labels of the test set, in the best way to name them: the null."""
    labels = data.mnist("test").labels
    dice = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    return [agreement_of(torch.randint(10, labels.shape, generator=each), labels)[0] for each in dice]


def write_record(runs: list[dict[str, Any]], name: str = "codes", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"seeds": len(runs), "rounds": runs[0]["rounds"], "weight": WEIGHT, "of_numbers": OF_NUMBERS} | RECIPE
    figures = {"guesses": bench.rounded(guesses()), "runs": runs, "opening": main(0, opening=OPENING)}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "codes", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    print(write_record([kept(seed, asked.rounds) for seed in range(SEEDS)], asked.name))
