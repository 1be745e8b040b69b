"""A small MNIST GAN that trains, and what becomes of it when one line is changed, from five seeds: chapter 9 reads them.

    python experiments/failing_runs.py

`play` is the healthy loop. `CHANGES` names the line that each failing run has in place of one of its lines; the changed
source is compiled and run as it is, so that what the chapter shows is what ran. Every finished run is kept, so that an
interrupted experiment goes on where it stopped. Writes ganlib/results/failing_runs.json.
"""

import base64
import copy
import inspect
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import bench
import digits
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from tqdm.auto import tqdm

from ganlib import data, record
from ganlib.networks import MLPDiscriminator, MLPGenerator

SEEDS = 5
SETTINGS = {"rounds": 3000, "batch": 64, "samples": 1000, "looks": 10, "g_widths": (64, 128), "d_widths": (128, 64)}
CURVES = ("loss_D", "loss_G", "prob_real", "prob_fake", "norm_D", "norm_G")


def play(G, D, batches, rounds, look):
    """Plays a GAN's rounds and returns what each one saw; `look(step, G)` is called after every round."""
    settings = {"lr": 1e-3, "betas": (0.0, 0.99), "fused": True}
    opt_D = torch.optim.Adam(D.parameters(), **settings)
    opt_G = torch.optim.Adam(G.parameters(), **settings)
    rows = []
    for step in range(1, rounds + 1):
        G.train()
        reals = next(batches)
        fakes = G(G.sample_z(len(reals))).detach()
        real_logits, fake_logits = D(reals), D(fakes)
        loss_D = softplus(-real_logits).mean() + softplus(fake_logits).mean()
        opt_D.zero_grad()
        loss_D.backward()
        norm_D = grad_norm(D)
        opt_D.step()
        for _ in range(1):
            z = G.sample_z(len(reals))
            loss_G = softplus(-D(G(z))).mean()
            opt_G.zero_grad()
            loss_G.backward()
            norm_G = grad_norm(G)
            opt_G.step()
        probs = real_logits.sigmoid().mean(), fake_logits.sigmoid().mean()
        rows.append([value.item() for value in (loss_D, loss_G, *probs, norm_D, norm_G)])
        look(step, G)
    return rows


def grad_norm(network: nn.Module) -> Tensor:
    """Euclidean length of all gradients of a network together."""
    return torch.stack([p.grad.norm() for p in network.parameters()]).norm()


# name: (what the healthy loop says, what the failing one says instead)
CHANGES = {
    "healthy": [],
    "D too strong": [("Adam(G.parameters(), **settings)", 'Adam(G.parameters(), **settings | {"lr": 1e-5})')],
    "D too weak": [("Adam(D.parameters(), **settings)", 'Adam(D.parameters(), **settings | {"lr": 1e-5})')],
    "collapse": [("range(1)", "range(10)")],
    "oscillation": [("Adam(D.parameters(), **settings)", 'Adam(D.parameters(), **settings | {"betas": (0.9, 0.99)})')],
    "divergence": [("softplus(-real_logits).mean() + softplus(fake_logits).mean()", "fake_logits.mean() - real_logits.mean()")],
    "learning rate too high": [('"lr": 1e-3', '"lr": 2e-2')],
    "wrong sign": [("softplus(-D(G(z)))", "softplus(D(G(z)))")],
    "data in [0, 1]": [("reals = next(batches)", "reals = (next(batches) + 1) / 2")],
    "evaluation mode": [("G.train()", "G.eval()")],
    "no detach": [(".detach()", "")],
    "no detach, cleared late": [
        (".detach()", ""),
        ("            opt_G.zero_grad()\n            loss_G", "            loss_G"),
        ("            opt_G.step()\n", "            opt_G.step()\n            opt_G.zero_grad()\n"),
    ],
}


def loop(name: str) -> str:
    """The source of the healthy loop with the lines of this run put in the place of its own."""
    source = inspect.getsource(play)
    for old, new in CHANGES[name]:
        if source.count(old) != 1:
            raise ValueError(f"{name}: the loop must say {old!r} once, it does so {source.count(old)} times.")
        source = source.replace(old, new)
    return source


def compiled(name: str) -> Callable:
    """That source as a function: what is shown is what runs."""
    namespace = dict(globals())
    exec(compile(loop(name), f"<{name}>", "exec"), namespace)
    return namespace["play"]


def new_pair(seed: int, g_widths: Sequence[int], d_widths: Sequence[int]) -> tuple[MLPGenerator, MLPDiscriminator]:
    """Chapter 8's networks at half the widths."""
    torch.manual_seed(seed)
    return MLPGenerator(widths=g_widths), MLPDiscriminator(widths=d_widths)


@torch.no_grad()
def sample(G: nn.Module, n: int, train: bool = False, batch: int = 1000, seed: int = 1) -> Tensor:
    """n images from a seed of their own, in evaluation mode or, for `train`, normalised by batches of this size."""
    z = torch.randn(n, G.z_dim, generator=torch.Generator().manual_seed(seed))
    G = copy.deepcopy(G).train(train)  # in training mode a forward pass changes what batch normalisation keeps
    return torch.cat([G(chunk) for chunk in z.split(batch)])


def score(images: Tensor, neighbours: bool = False) -> dict[str, float]:
    """Distance to the test set in multiples of the floor, confidence and class balance; precision and recall on request."""
    scores = digits.score(images, floor_of=len(images), with_neighbours=neighbours)
    return bench.rounded({name: value for name, value in scores.items() if name != "frechet"}, 4)


def variety(images: Tensor) -> float:
    """Mean Euclidean distance between two of these images (n, 1, 28, 28), in pixels from -1 to 1."""
    return float(f"{torch.pdist(images.flatten(1)).mean().item():.4g}")


def nearest(images: Tensor) -> float:
    """Mean distance of each of the first 16 to the nearest other one of them, in the 16 greys that a run's samples keep."""
    greys = data.to_float(data.to_uint8(images[:16]) // 16 * 17).flatten(1)
    distances = torch.cdist(greys, greys, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    return float(f"{distances.min(dim=1).values.mean().item():.4g}")


def samplers_we_understand(samples: int) -> dict[str, dict[str, float]]:
    """The scores of what no training made: as many training images, the same one again and again, uniform noise, and what a
    collapse would be that is as good as can be, training images of one class."""
    images, labels = data.mnist("train")
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(5))
    reals, ones = data.to_float(images[rows[:samples]]), data.to_float(images[rows[labels[rows] == 1][:samples]])
    noise = 2 * torch.rand(samples, 1, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
    kinds = {"training images": reals, "training images of ones": ones, "one training image": reals[:1].expand_as(reals)}
    kinds["uniform noise"] = noise
    return {
        kind: score(pictures, neighbours=True) | {"variety": variety(pictures), "nearest": nearest(pictures)}
        for kind, pictures in kinds.items()
    }


def autocorrelation(values: Tensor, lags: int = 100) -> Tensor:
    """Correlation of a curve with itself, 1 to `lags` rounds later, once its straight-line trend is taken away."""
    time_axis = torch.linspace(-1, 1, len(values), dtype=values.dtype)
    centred = values - values.mean()
    centred = centred - time_axis * (centred @ time_axis) / (time_axis @ time_axis)
    variance = centred @ centred
    return torch.stack([centred[:-lag] @ centred[lag:] for lag in range(1, lags + 1)]) / variance.clamp_min(1e-30)


def in_a_line(values: Tensor) -> str:
    """Numbers with four digits, in one string: a record of many curves stays readable."""
    return " ".join(f"{value:.4g}" for value in values.tolist())


def main(
    seed: int,
    name: str,
    rounds: int,
    batch: int,
    samples: int,
    looks: int,
    g_widths: Sequence[int],
    d_widths: Sequence[int],
    progress: bool = True,
) -> dict[str, Any]:
    """One run: its curves as means of 50 stretches of rounds, `looks` scores along it, and 16 samples in 16 greys."""
    G, D = new_pair(seed, g_widths, d_widths)
    images, _ = data.mnist("train")
    along, bar = [], tqdm(total=rounds, desc=f"{name}, seed {seed}", disable=not progress, mininterval=5)

    def look(step: int, G: nn.Module) -> None:
        bar.update()
        if step % (rounds // looks) == 0:
            along.append({"round": step, **score(sample(G, samples), neighbours=step == rounds)})

    rows = torch.tensor(compiled(name)(G, D, data.batches(images, batch, seed), rounds, look), dtype=torch.float64)
    bar.close()
    stretches = rows[: len(rows) // 50 * 50].unflatten(0, (50, -1)).mean(dim=1)
    greys = (data.to_uint8(sample(G, 16)).flatten() // 16).numpy().tobytes()
    outcome = {
        "seed": seed,
        "curves": {curve: in_a_line(stretches[:, i]) for i, curve in enumerate(CURVES)},
        "autocorrelation": in_a_line(autocorrelation(rows[len(rows) // 2 :, CURVES.index("prob_fake")])),
        "last_tenth": dict(zip(CURVES, bench.rounded(rows[-len(rows) // 10 :].mean(dim=0).tolist(), 4))),
        "looks": along,
        "samples": base64.b64encode(zlib.compress(greys, 9)).decode(),
    }
    if name == "healthy":
        ways = {"train, 1000": (True, 1000), "train, 16": (True, 16), "train, 2": (True, 2)}
        modes = {way: score(sample(G, samples, train=train, batch=size)) for way, (train, size) in ways.items()}
        outcome["modes"] = modes
    return outcome


def kept(name: str, seed: int, **changes: Any) -> dict[str, Any]:
    """``main`` of this loop and these settings, or what it returned when that run was last finished."""
    uses = (loop(name), grad_norm, new_pair, sample, score, in_a_line, autocorrelation, MLPGenerator, MLPDiscriminator)
    settings = {"seed": seed, "name": name} | SETTINGS | changes
    outcome = bench.kept(f"failing {name} {seed}", main, settings, (*uses, data.batches, data.to_float, *digits.USES))
    last = outcome["looks"][-1]["times_floor"]
    print(f"{name:26s} seed {seed}  {last:8.1f} times the floor  {outcome['seconds']:5.1f} s", flush=True)
    return outcome


def opening(name: str, seed: int = 0, rounds: int = 8) -> dict[str, list[float]]:
    """What the first rounds see, in double precision: the slice that a test plays again and compares with the record."""
    G, D = new_pair(seed, SETTINGS["g_widths"], SETTINGS["d_widths"])
    bench.reset_in_double(G, D)
    doubles = (reals.double() for reals in data.batches(data.mnist("train").images, SETTINGS["batch"], seed))
    rows = compiled(name)(G, D, doubles, rounds, lambda step, G: None)
    return {curve: [row[i] for row in rows] for i, curve in enumerate(CURVES)}


def whole_experiment() -> None:
    torch.set_num_threads(1)
    played = [name for name in CHANGES if name != "no detach"]  # its opening shows it to be the healthy run
    runs = {name: [] for name in played}
    for seed in range(SEEDS):  # every failure once before any twice
        for name in played:
            runs[name].append(kept(name, seed))
    least, floors = digits.floor(SETTINGS["samples"])
    figures = {
        "loop": loop("healthy"),
        "changes": CHANGES,
        "floor": least,
        "floors": floors,
        "baselines": samplers_we_understand(SETTINGS["samples"]),
        "runs": runs,
        "opening": {name: opening(name) for name in CHANGES},
    }
    configuration = {name: value for name, value in SETTINGS.items() if name != "looks"}
    seconds = sum(run["seconds"] for rows in runs.values() for run in rows)
    record.write("failing_runs", configuration, figures, seconds, clock="processor")


if __name__ == "__main__":
    whole_experiment()
