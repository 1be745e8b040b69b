"""Stacked MNIST: three random digits as the channels of one picture, a thousand modes, and a plain and a packed GAN on them.

    python experiments/stacked_mnist.py    # -> results/stacked_mnist.json

The evaluation is the one of VEEGAN and PacGAN (Srivastava et al. 2017; Lin et al. 2018): 26,000 samples, a classifier reads
each channel, a mode is a triple of digits, and KL is that of the histogram over the 1,000 triples to the uniform one. The
networks are the fully connected pair of chapter 8 with three channels, not the convolutional pair of the published tables.

A run sees as many pictures as the published ones, 50 epochs of 128,000, in twice as large batches. It saves itself every
minute into experiments/runs/ and goes on from there when it is started again; `--pack 2` trains that one alone.
"""

import argparse
import copy
import functools
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from tqdm.auto import tqdm

from ganlib import checkpoints, data, eye, networks, objectives, record, training

RUNS = Path(__file__).parent / "runs"
THRESHOLDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
SAMPLES, TRIPLES = 26_000, 1_000
LOOKS = (4_000, 12_500, 25_000, 50_000)
CONFIGURATION = {"rounds": 50_000, "batch": 128, "lr": 1e-3, "lr_D": 5e-4, "betas": [0.0, 0.99], "ema_decay": 0.9995}


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


def fresh_run(pack: int, seed: int, config: dict, dtype: torch.dtype = torch.float32) -> training.Run:
    """A pair about to begin; in double precision its weights are drawn in it too."""
    torch.manual_seed(seed)
    G, D = networks.MLPGenerator(image_shape=(3, 28, 28)).to(dtype), PackedDiscriminator(pack).to(dtype)
    for layer in [*G.modules(), *D.modules()]:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    betas = tuple(config["betas"])
    opt_G = torch.optim.Adam(G.parameters(), lr=config["lr"], betas=betas, fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=config["lr_D"], betas=betas, fused=True)
    return training.Run(G, D, opt_G, opt_D)


def main(
    seed: int = 0,
    pack: int = 1,
    folder: Path | None = None,
    looks: Sequence[int] = LOOKS,
    minutes: float = 1.0,
    progress: bool = True,
    **changes,
) -> dict:
    """Trains one pair, going on from `folder` if a run lies there, and scores its averaged generator on the way.

    Args:
        folder: where the run is kept; None keeps nothing.
        looks: rounds after which samples are scored, the last round always.
        minutes: between two savings.
        changes: replace entries of CONFIGURATION.

    Returns:
        The last score, and "along" with one for each look.
    """
    config = CONFIGURATION | changes
    images, _ = data.mnist("train")
    run, story = fresh_run(pack, seed, config), {"seconds": 0.0, "along": []}
    path = folder / f"stacked_mnist_{pack}_{seed}.pt" if folder else None
    if path and path.exists():
        checkpoints.load(run, path)
        story = json.loads(path.with_suffix(".json").read_text())[str(run.step)]
    clock = saved = time.process_time()
    rounds = config["rounds"] - run.step
    batches = stacked_batches(images, config["batch"], seed, run.step)
    # Weights change within the context, so autocast may not keep the bfloat16 copies of them.
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        steps = training.train(run, batches, objectives.nonsaturating, steps=rounds, ema_decay=config["ema_decay"])
        for losses in tqdm(steps, total=rounds, desc=f"pack {pack}", disable=not progress, mininterval=10):
            looked = losses.step in looks or losses.step == config["rounds"]
            if looked:
                seen = {"rounds": losses.step, "images_seen": losses.step * config["batch"]}
                with torch.random.fork_rng(devices=[]), torch.autocast("cpu", enabled=False):  # a look changes nothing
                    story["along"].append(seen | score(samples(run.G_ema)))
            if looked or time.process_time() - saved > 60 * minutes:
                saved = time.process_time()
                story["seconds"], clock = story["seconds"] + saved - clock, saved
                keep(run, path, story)
    return {"pack": pack, "seed": seed, "seconds": round(story["seconds"], 1), "along": story["along"]} | story["along"][-1]


def keep(run: training.Run, path: Path | None, story: dict) -> None:
    """Saves the run; its story stands beside it under its round, with that of the round before."""
    if path is None:
        return
    beside = path.with_suffix(".json")
    known = json.loads(beside.read_text()) if beside.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside.with_suffix(".partial")
    temporary.write_text(json.dumps({**dict(list(known.items())[-1:]), str(run.step): story}))
    os.replace(temporary, beside)
    checkpoints.save(run, path)


@torch.no_grad()
def samples(G: nn.Module, n: int = SAMPLES, seed: int = 1) -> Tensor:
    """n pictures of a copy of G whose batch normalisation is measured anew on 20,000 latents."""
    G = copy.deepcopy(G)
    latents = torch.randn(20, 1000, G.z_dim, generator=torch.Generator().manual_seed(2))
    update_bn(latents, G)
    return networks.sample(G, n, seed)


def baselines(n: int = SAMPLES) -> dict[str, dict]:
    """Real stacked digits of both splits, one picture repeated, noise, and chapter 8's generator, three draws a picture."""
    (images, _), (unseen, _) = data.mnist("train"), data.mnist("test")
    noise = 2 * torch.rand(n, 3, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
    drawn = networks.sample(networks.mnist_generator(), 3 * n)
    real = stacked(images, n, seed=0)
    return {
        "real digits": score(real),
        "real digits, test images": score(stacked(unseen, n, seed=0)),
        "one picture": score(real[:1].expand(n, -1, -1, -1)),
        "uniform noise": score(noise),
        "chapter 8, three draws": score(drawn.view(n, 3, 28, 28)),
    }


def opening(pack: int, rounds: int = 10) -> dict[str, list[float]]:
    """Both losses of the first rounds in double precision: the slice that a test plays again and compares with the record."""
    images, _ = data.mnist("train")
    run = fresh_run(pack, 0, CONFIGURATION, torch.float64)
    doubles = (batch.double() for batch in stacked_batches(images, CONFIGURATION["batch"]))
    rows = list(training.train(run, doubles, objectives.nonsaturating, steps=rounds))
    return {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}


def kept(name: str, compute) -> dict:
    """What `compute` returned when it was last finished, or returns now."""
    path = RUNS / f"stacked_mnist_{name}.done.json"
    if not path.exists():
        outcome = compute()
        RUNS.mkdir(exist_ok=True)
        path.write_text(json.dumps(outcome))
    return json.loads(path.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=int, choices=(1, 2), help="train this one alone, and write no record")
    asked, rounds = parser.parse_args(), CONFIGURATION["rounds"]
    packs = [asked.pack] if asked.pack else [1, 2]
    runs = [kept(f"pack{pack}_{rounds}", functools.partial(main, pack=pack, folder=RUNS)) for pack in packs]
    if not asked.pack:
        figures = {
            "baselines": kept("baselines", baselines),
            "runs": runs,
            "opening": {str(pack): opening(pack) for pack in (1, 2)},
        }
        configuration = CONFIGURATION | {"samples": SAMPLES}
        record.write("stacked_mnist", configuration, figures, sum(run["seconds"] for run in runs), clock="processor")
