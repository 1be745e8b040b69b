"""How fast the book's loop is: against the usual tutorial's, and against the machine's own limit.

    python experiments/throughput.py            # everything, about six minutes on two quiet cores -> results/throughput.json
    python experiments/throughput.py --speed    # images a second only; writes nothing

Three things take turns in one process: the usual tutorial's way of training the MLP pair, the book's, and the limit, which is
the matrix products of a round of Algorithm 1 with one optimiser step a player, nothing else. Then the book's way with shared
fakes, larger batches and bfloat16, in images a second and in quality after equal time.

A machine's speed can halve from one second to the next, so turns are short, a tenth of a second or two, there are many of
them, and ratios are those of neighbouring turns: their median, over each repetition and over all.
"""

import argparse
import contextlib
import io
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST
from tqdm.auto import tqdm

from ganlib import data, eye, metrics, networks, objectives, record, training

G_SIZES = (100, 128, 256, 512, 1024, 784)
D_SIZES = (784, 512, 256, 1)


def new_run(seed: int = 0) -> training.Run:
    """Networks and optimisers of chapter 8."""
    torch.manual_seed(seed)
    G, D = networks.MLPGenerator(), networks.MLPDiscriminator()
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.99), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.0, 0.99), fused=True)
    return training.Run(G, D, opt_G, opt_D)


def usual(folder: Path, batch: int) -> Iterator[None]:
    """Round after round the way of the usual tutorial: each choice below is the one commonly taught."""
    torch.manual_seed(0)
    steps = [transforms.Resize(28), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    loader = DataLoader(MNIST(folder, transform=transforms.Compose(steps)), batch_size=batch, shuffle=True, drop_last=True)
    run = new_run()
    G, D = run.G, nn.Sequential(run.D, nn.Sigmoid())
    loss = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    while True:
        for index, (images, _) in enumerate(loader):
            ones, zeros = torch.ones(len(images)), torch.zeros(len(images))
            opt_G.zero_grad()
            fakes = G(torch.randn(len(images), 100))
            loss_G = loss(D(fakes), ones)
            loss_G.backward()
            opt_G.step()
            opt_D.zero_grad()
            loss_D = (loss(D(images), ones) + loss(D(fakes.detach()), zeros)) / 2
            loss_D.backward()
            opt_D.step()
            with contextlib.redirect_stdout(io.StringIO()):  # the line is made, and not shown
                print(f"[{index}/{len(loader)}] [D loss: {loss_D.item():f}] [G loss: {loss_G.item():f}]")
            yield


def ours(images: Tensor, batch: int, way: str = "fresh") -> Iterator[None]:
    """Round after round of the book's loop, G_ema, losses and probabilities included; or of `shared_round`."""
    run, batches = new_run(), data.batches(images, batch)
    for _ in _rounds(run, batches, way):
        yield


def shared_round(run: training.Run, reals: Tensor) -> None:
    """A round in which both turns look at the same fakes: D judges them detached, then G climbs through the new D."""
    fakes = run.G(run.G.sample_z(len(reals)))
    loss_D = objectives.nonsaturating.d_loss(run.D(reals), run.D(fakes.detach()))
    run.opt_D.zero_grad()
    loss_D.backward()
    run.opt_D.step()
    with training.frozen(run.D):
        loss_G = objectives.nonsaturating.g_loss(None, run.D(fakes))
    run.opt_G.zero_grad()
    loss_G.backward()
    run.opt_G.step()
    run.step += 1
    training.update_ema(run.G_ema, run.G, 0.2 * run.step / (0.2 * run.step + 1))


def _precision(autocast: bool) -> contextlib.AbstractContextManager:
    # Within one context autocast keeps the bfloat16 copies of weights; here weights change, so nothing may be kept.
    return torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False) if autocast else nullcontext()


def products(batch: int, fresh: bool) -> list[tuple[int, int, int]]:
    """(rows, inner, columns) of every matrix product in a round.

    A linear layer from m to n units costs (batch, m, n) forward, (m, batch, n) for its weights' gradient and (batch, n, m) for
    its input's. D's turn: G forward, D forward twice, D's weight gradients twice, input gradients twice but for layer one.
    G's turn: G forward when fakes are fresh, D forward, input gradients through all of D, weight gradients of G, and input
    gradients of G but for its first layer.
    """
    forward = lambda sizes: [(batch, m, n) for m, n in pairwise(sizes)]  # noqa: E731
    weight = lambda sizes: [(m, batch, n) for m, n in pairwise(sizes)]  # noqa: E731
    through = lambda sizes: [(batch, n, m) for m, n in pairwise(sizes)]  # noqa: E731
    d_turn = 2 * (forward(D_SIZES) + weight(D_SIZES) + through(D_SIZES)[1:])
    g_turn = forward(D_SIZES) + through(D_SIZES) + weight(G_SIZES) + through(G_SIZES)[1:]
    return forward(G_SIZES) * (2 if fresh else 1) + d_turn + g_turn


def limit(batch: int, fresh: bool = True) -> Iterator[None]:
    """Round after round of the products of a round and one fused Adam step a player, nothing else."""
    run = new_run()
    for parameter in [*run.G.parameters(), *run.D.parameters()]:
        parameter.grad = torch.zeros_like(parameter)
    operands = [(torch.randn(a, b), torch.randn(b, c), torch.empty(a, c)) for a, b, c in products(batch, fresh)]
    while True:
        for left, right, out in operands:
            torch.mm(left, right, out=out)
        run.opt_D.step()
        run.opt_G.step()
        yield


class Way(NamedTuple):
    """Rounds to be timed: a generator of them, their batch size, and whether their products are in bfloat16."""

    rounds: Iterator[None]
    batch: int
    autocast: bool = False


def take_turns(ways: dict[str, Way], turns: int, images_a_turn: int = 1_280) -> dict[str, list[float]]:
    """Images a second of each way in each of its turns; whoever began a turn goes last in the next one.

    A turn is `images_a_turn` images in rounds of the way's batch size. Three rounds each go before, unmeasured.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in tqdm(range(-1, turns), desc="turns"):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            way = ways[name]
            count = images_a_turn // way.batch if turn >= 0 else 3
            with _precision(way.autocast):
                start = time.perf_counter()
                for _ in range(count):
                    next(way.rounds)
                seconds = time.perf_counter() - start
            if turn >= 0:
                rates[name].append(count * way.batch / seconds)
    return rates


def middle_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of neighbouring turns."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def quality_after(seconds: float, images: Tensor, test_features: Tensor, batch: int, way: str, autocast: bool) -> dict:
    """Frechet distance of G_ema after `seconds` of training, without the time for measuring it."""
    run, batches = new_run(), data.batches(images, batch)
    rounds = _rounds(run, batches, way)
    start = time.perf_counter()
    with _precision(autocast):
        while time.perf_counter() - start < seconds:
            next(rounds)
    torch.optim.swa_utils.update_bn((run.G_ema.sample_z(1000) for _ in range(20)), run.G_ema)
    features, _ = eye.classify(eye.digit_classifier(), networks.sample(run.G_ema, 10_000))
    distance = metrics.frechet_distance(features, test_features)
    return {"rounds": run.step, "seconds": seconds, "times_floor": distance / record.read("mnist_gan")["floor"]}


def _rounds(run: training.Run, batches: Iterator[Tensor], way: str) -> Iterator:
    if way == "fresh":
        yield from training.train(run, batches, objectives.nonsaturating, steps=10**9, ema_decay=0.9998, ema_share=0.2)
    while True:
        yield shared_round(run, next(batches))


@contextlib.contextmanager
def raw_mnist(images: Tensor, labels: Tensor) -> Iterator[Path]:
    """A folder in which torchvision's MNIST finds these images as its training set, there for the time of the run."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for kind, tensor in (("images-idx3", images.squeeze(1)), ("labels-idx1", labels.to(torch.uint8))):
            header = bytes([0, 0, 8, tensor.ndim]) + struct.pack(f">{tensor.ndim}I", *tensor.shape)
            (raw / f"train-{kind}-ubyte").write_bytes(header + tensor.numpy().tobytes())
            (raw / f"t10k-{kind}-ubyte").write_bytes(b"torchvision asks for it and, for the training set, never reads it")
        yield Path(folder)


VARIANTS = {
    "fresh fakes, batch 64": ("fresh", 64, False),
    "shared fakes, batch 64": ("shared", 64, False),
    "fresh fakes, batch 128": ("fresh", 128, False),
    "fresh fakes, batch 256": ("fresh", 256, False),
    "fresh fakes, batch 512": ("fresh", 512, False),
    "fresh fakes, batch 128, bfloat16": ("fresh", 128, True),
    "shared fakes, batch 128, bfloat16": ("shared", 128, True),
}


def main(seed: int = 0, batch: int = 128, repeats: int = 3, turns: int = 30, seconds: float = 15.0) -> dict:
    """Images a second of every way, both ratios by repetition and over all, and (if seconds > 0) quality after equal time."""
    images, labels = data.mnist("train", fallback=False)
    everything: dict[str, list[float]] = {"usual": [], "ours": [], "limit": []}
    repetitions = []
    with raw_mnist(images, labels) as folder:
        for _ in range(repeats):
            ways = {"usual": usual(folder, batch), "ours": ours(images, batch), "limit": limit(batch)}
            rates = take_turns({name: Way(rounds, batch) for name, rounds in ways.items()}, turns)
            for name, values in rates.items():
                everything[name] += values
            repetitions.append(outcome_of(rates))
            print(repetitions[-1], flush=True)
    figures = {"repetitions": repetitions, "all": outcome_of(everything), "variants": {}}
    variants = {name: Way(ours(images, size, way), size, half) for name, (way, size, half) in VARIANTS.items()}
    rates = take_turns(variants, turns)
    features, _ = eye.classify(eye.digit_classifier(), data.mnist("test", fallback=False).images)
    plain = next(iter(VARIANTS))
    for name, (way, size, autocast) in VARIANTS.items():
        row = {"images_per_second": round(statistics.median(rates[name]), 1)}
        row["times_plain"] = round(middle_ratio(rates[name], rates[plain]), 3)
        if seconds:
            row |= quality_after(seconds, images, features, size, way, autocast)
        figures["variants"][name] = row
        print(name, row, flush=True)
    return figures


def outcome_of(rates: dict[str, list[float]]) -> dict[str, float]:
    medians = {f"{name}_images_per_second": round(statistics.median(values), 1) for name, values in rates.items()}
    share = middle_ratio(rates["ours"], rates["limit"])
    return medians | {
        "ratio_to_usual": round(middle_ratio(rates["ours"], rates["usual"]), 3),
        "share_of_limit": round(share, 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--speed", action="store_true", help="images a second only; writes nothing")
    if parser.parse_args().speed:
        print(main(seconds=0.0))
    else:
        begun = time.perf_counter()
        configuration = {"seed": 0, "batch": 128, "repeats": 3, "turns": 30, "seconds": 15.0}
        record.write("throughput", configuration, main(**configuration), time.perf_counter() - begun)
