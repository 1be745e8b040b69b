"""Stacked MNIST: three random digits as the channels of one picture, a thousand modes, and a plain and a packed GAN on them.

    python experiments/stacked_mnist.py    # -> results/stacked_mnist.json
    python experiments/stacked_mnist.py --packs 2 --rounds 4000 --name stacked_mnist_short

The evaluation is the one of VEEGAN and PacGAN (Srivastava et al. 2017; Lin et al. 2018): 26,000 samples, a classifier reads
each channel, a mode is a triple of digits, and KL is that of the histogram over the 1,000 triples to the uniform one. The
networks are the fully connected pair of chapter 8 with three channels, not the convolutional pair of the published tables.

A run sees as many pictures as the published ones, 50 epochs of 128,000, in twice as large batches. It saves itself every
minute into experiments/runs/ and goes on from there when it is started again. Its averaged generator remembers a tenth of the
rounds; that of the runs in the record remembered 2,000 rounds at most ("ema_decay").
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import bench
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import data, eye, networks, objectives, record, training

THRESHOLDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
SAMPLES, TRIPLES = 26_000, 1_000
ROUNDS, BATCH, RATES = 50_000, 128, {"lr": 1e-3, "lr_D": 5e-4, "betas": [0.0, 0.99]}
EMA_SHARE = 0.1
LOOKS = (4_000, 12_500, 25_000, 50_000)


def stacked(images: Tensor, n: int, seed: int) -> Tensor:
    """n pictures (n, 3, 28, 28) whose channels are images (N, 1, 28, 28) drawn with replacement, of the same dtype."""
    rows = torch.randint(len(images), (3 * n,), generator=torch.Generator().manual_seed(seed))
    return images[rows].view(n, 3, *images.shape[2:])


def stacked_batches(images: Tensor, size: int, seed: int = 0, start: int = 0) -> Iterator[Tensor]:
    """Endless batches of new pictures in [-1, 1]; batch i depends on (seed, i) alone."""
    while True:
        yield data.to_float(stacked(images, size, seed=(seed + 1) * 1_000_000 + start))
        start += 1


class PackedDiscriminator(nn.Module):
    """Chapter 8's D for `pack` pictures of three channels at a time: (batch, 3, 28, 28) to logits (batch / pack,)."""

    def __init__(self, pack: int = 1) -> None:
        super().__init__()
        self.pack = pack
        self.judge = networks.MLPDiscriminator(image_shape=(3 * pack, 28, 28))

    def forward(self, images: Tensor) -> Tensor:
        return self.judge(images.reshape(-1, 3 * self.pack, 28, 28))


def read_triples(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The triple 0..999 that the shipped classifier reads in each picture, and its confidence in the least certain channel."""
    _, probabilities = eye.classify(eye.digit_classifier(), pictures.flatten(0, 1).unsqueeze(1))
    confidence, digit = probabilities.max(dim=1)
    return digit.view(-1, 3) @ torch.tensor([100, 10, 1]), confidence.view(-1, 3).amin(dim=1)


def count(triples: Tensor) -> dict[str, float]:
    """Modes seen, and KL in nats of the histogram of triples to the uniform one (None if there are no triples)."""
    shares = torch.bincount(triples, minlength=TRIPLES).double() / max(len(triples), 1)
    kl = torch.special.xlogy(shares, shares * TRIPLES).sum().clamp(min=0).item() if len(triples) else None
    return {"modes": int((shares > 0).sum()), "kl": kl}


def score(pictures: Tensor) -> dict:
    """Modes and KL of pictures, and the same at each of THRESHOLDS, counting only what is read with that confidence."""
    triples, confidence = read_triples(pictures)
    rows = []
    for threshold in THRESHOLDS:
        sure = confidence >= threshold
        rows.append({"threshold": threshold, "share": sure.double().mean().item()} | count(triples[sure]))
    return count(triples) | {"thresholds": rows}


def run_of_pack(pack: int, seed: int) -> training.Run:
    """A pair about to begin, with chapter 8's Adam, D half as fast as G; its products are computed in bfloat16."""
    torch.manual_seed(seed)
    G, D = networks.MLPGenerator(image_shape=(3, 28, 28)), PackedDiscriminator(pack)
    return bench.fresh_run(networks.in_bfloat16(G), networks.in_bfloat16(D), **RATES)


def samples(G: nn.Module, n: int = SAMPLES) -> Tensor:
    """n pictures of a copy of G whose batch normalisation is measured anew."""
    return networks.sample(bench.refreshed(G), n)


def main(
    seed: int = 0,
    pack: int = 1,
    rounds: int = ROUNDS,
    batch: int = BATCH,
    looks: Sequence[int] = LOOKS,
    path: Path | None = None,
    minutes: float = 1.0,
    progress: bool = True,
) -> dict:
    """Trains one pair, going on from `path` if a run lies there, and scores its averaged generator on the way.

    Args:
        looks: rounds after which samples are scored, the last round always.
        path: where the run is kept; None keeps nothing.
        minutes: between two savings.

    Returns:
        The last score, and "along" with one for each look; the seed, commit and environment that the run began with.

    Raises:
        ValueError: the file at `path` belongs to another pair.
    """
    run, images = run_of_pack(pack, seed), data.mnist("train").images
    story = bench.go_on(run, path, {"pack": pack, "seed": seed, "batch": batch})
    clock = saved = time.process_time()
    batches, ahead = stacked_batches(images, batch, seed, run.step), max(0, rounds - run.step)
    settings = {"steps": ahead, "ema_share": EMA_SHARE, "look": math.gcd(*looks)}
    played = training.train(run, batches, objectives.nonsaturating, **settings)
    with tqdm(total=rounds, initial=run.step, desc=f"pack {pack}", disable=not progress, mininterval=10) as bar:
        for losses in played:
            bar.update(losses.step - bar.n)
            looked = losses.step in looks or losses.step == rounds
            if looked:
                seen = {"rounds": losses.step, "images_seen": losses.step * batch}
                with torch.random.fork_rng(devices=[]):  # a look changes nothing
                    story["along"].append(seen | score(samples(run.G_ema)))
            if looked or time.process_time() - saved > 60 * minutes:
                saved = time.process_time()
                story["seconds"], clock = story["seconds"] + saved - clock, saved
                bench.keep(run, path, story)
    return story | story["along"][-1]


def baselines(n: int = SAMPLES) -> dict[str, dict]:
    """Real stacked digits of both splits, one picture repeated, and noise."""
    (images, _), (unseen, _) = data.mnist("train"), data.mnist("test")
    noise = 2 * torch.rand(n, 3, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
    real = stacked(images, n, seed=0)
    rows = {
        "real digits": score(real),
        "real digits, test images": score(stacked(unseen, n, seed=0)),
        "one picture": score(real[:1].expand(n, -1, -1, -1)),
        "uniform noise": score(noise),
    }
    return {"rows": rows}


def opening(pack: int, rounds: int = 10) -> dict[str, list[float]]:
    """Both losses of the first rounds in double precision: the slice that a test plays again and compares with the record."""
    images, _ = data.mnist("train")
    torch.manual_seed(0)
    G, D = networks.MLPGenerator(image_shape=(3, 28, 28)), PackedDiscriminator(pack)
    bench.reset_in_double(G, D)
    run = bench.fresh_run(G, D, **RATES)
    return bench.opening(run, stacked_batches(images, BATCH), objectives.nonsaturating, rounds=rounds)


def write_record(runs: list[dict], name: str = "stacked_mnist", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others, beside the baselines."""
    nulls = bench.kept("stacked_mnist baselines", baselines, {"n": SAMPLES}, [stacked, read_triples, count, score, eye])
    configuration = {"rounds": ROUNDS, "batch": BATCH, **RATES, "ema_share": EMA_SHARE, "samples": SAMPLES}
    figures = {"baselines": nulls["rows"], "runs": runs, "opening": {str(pack): opening(pack) for pack in (1, 2)}}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packs", type=int, nargs="+", choices=(1, 2), default=[1, 2], help="which to train; both")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="where to stop, for now; a later call goes on")
    asked = bench.asked(parser, "stacked_mnist", lambda asked: set(asked.packs) != {1, 2} or asked.rounds != ROUNDS)
    paths = {pack: bench.RUNS / f"stacked_mnist_pack{pack}.pt" for pack in asked.packs}
    runs = [main(pack=pack, rounds=asked.rounds, path=path) for pack, path in paths.items()]
    print(write_record(runs, asked.name))
