"""How fast the book's loop is: against the usual tutorial's, against the machine's own limit, and compiled.

    python experiments/throughput.py            # everything, about eight minutes on two quiet cores -> results/throughput.json
    python experiments/throughput.py --speed    # images a second only; writes nothing
    python experiments/throughput.py race       # which way is as good sooner, on one thread -> results/race.json

Three things take turns in one process: the usual tutorial's way of training the MLP pair, the book's, and the limit, which is
the matrix products of a round of Algorithm 1 with one optimiser step a player, nothing else. Then the book's way with shared
fakes, larger batches and bfloat16, in images a second and in quality after equal time. Then parts of a round by torch.compile,
each in turns with itself as it is.

A machine's speed can halve from one second to the next, so turns are short, a tenth of a second or two, there are many of
them, and ratios are those of neighbouring turns: their median, over each repetition and over all.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import bench
import digits
import race
import torch
from shared_fakes import shared_rounds
from torch import Tensor
from tqdm.auto import tqdm
from usual import raw_mnist, usual

from ganlib import data, networks, objectives, record, training

G_SIZES = (100, 128, 256, 512, 1024, 784)
D_SIZES = (784, 512, 256, 1)
GAME = objectives.nonsaturating
ENDLESS = 10**9


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
    run = with_gradients(bench.recipe())
    operands = [(torch.randn(a, b), torch.randn(b, c), torch.empty(a, c)) for a, b, c in products(batch, fresh)]
    while True:
        for left, right, out in operands:
            torch.mm(left, right, out=out)
        run.opt_D.step()
        run.opt_G.step()
        yield


def with_gradients(run: training.Run) -> training.Run:
    """The run, ready for steps of its optimisers alone."""
    for parameter in [*run.G.parameters(), *run.D.parameters()]:
        parameter.grad = torch.zeros_like(parameter)
    return run


def ours(run: training.Run, images: Tensor, batch: int, way: str = "fresh") -> Iterator[training.Losses]:
    """Round after round of the book's loop, G_ema, losses and probabilities included; or with shared fakes."""
    play = {"fresh": training.train, "shared": shared_rounds}[way]
    return play(run, data.batches(images, batch), GAME, steps=ENDLESS, ema_share=0.2)


def recipe_in(bfloat16: bool = False) -> training.Run:
    """The pair of chapter 8 from seed 0, with the optimisers of :func:`bench.fresh_run`."""
    run = bench.recipe()
    if not bfloat16:
        return run
    return bench.fresh_run(networks.in_bfloat16(run.G), networks.in_bfloat16(run.D))


class Way(NamedTuple):
    """Rounds to be timed: a generator of them, and their batch size."""

    rounds: Iterator[Any]
    batch: int


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
            begun = time.perf_counter()
            for _ in range(count):
                next(way.rounds)
            seconds = time.perf_counter() - begun
            if turn >= 0:
                rates[name].append(count * way.batch / seconds)
    return rates


def middle_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of neighbouring turns."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def compiled_ways(images: Tensor, batch: int) -> dict[str, dict[str, Way]]:
    """What torch.compile may speed up, "eager" and "compiled"; no number is read from the device in any of them.

    The networks are compiled whole (fullgraph), forward and backward; D's turn as a function, which breaks at its backward
    pass; both optimisers' steps as one function.
    """

    def turns(compiled: bool) -> Iterator[None]:
        run = bench.recipe()
        if compiled:
            run.G, run.D = (torch.compile(net, fullgraph=True) for net in (run.G, run.D))
        for reals in data.batches(images, batch):
            training.discriminator_step(run, reals, GAME)
            training.generator_step(run, reals, GAME)
            yield

    def repeated(call: Callable, compiled: bool, *arguments: Any) -> Iterator[None]:
        call = torch.compile(call) if compiled else call
        while True:
            call(*arguments)
            yield

    def of_D(compiled: bool) -> Iterator[None]:
        return repeated(training.discriminator_step, compiled, bench.recipe(), next(data.batches(images, batch)), GAME)

    def steps(compiled: bool) -> Iterator[None]:
        run = with_gradients(bench.recipe())
        return repeated(lambda: (run.opt_G.step(), run.opt_D.step()), compiled)

    parts = {"both networks, forward and backward": turns, "D's turn": of_D, "both steps of Adam": steps}
    ways = {"eager": False, "compiled": True}
    return {part: {name: Way(make(how), batch) for name, how in ways.items()} for part, make in parts.items()}


VARIANTS = {
    "fresh fakes, batch 64": ("fresh", 64, False),
    "shared fakes, batch 64": ("shared", 64, False),
    "fresh fakes, batch 128": ("fresh", 128, False),
    "fresh fakes, batch 256": ("fresh", 256, False),
    "fresh fakes, batch 512": ("fresh", 512, False),
    "fresh fakes, batch 128, bfloat16": ("fresh", 128, True),
    "shared fakes, batch 128, bfloat16": ("shared", 128, True),
}


def repetition(batch: int, turns: int) -> dict[str, list[float]]:
    """Images a second of the usual way, ours and the limit, in turns."""
    images, labels = data.mnist("train", fallback=False)
    with raw_mnist(images, labels) as folder:
        ways = {"usual": usual(folder, batch, copied=False), "ours": ours(recipe_in(), images, batch), "limit": limit(batch)}
        return take_turns({name: Way(rounds, batch) for name, rounds in ways.items()}, turns)


def speeds_of_variants(turns: int) -> dict[str, list[float]]:
    images, _ = data.mnist("train", fallback=False)
    return take_turns({n: Way(ours(recipe_in(half), images, b, way), b) for n, (way, b, half) in VARIANTS.items()}, turns)


def speeds_compiled(batch: int, turns: int) -> dict[str, Any]:
    images, _ = data.mnist("train", fallback=False)
    return {part: take_turns(ways, turns) for part, ways in compiled_ways(images, batch).items()}


def quality_after(seconds: float, way: str, batch: int, bfloat16: bool) -> dict[str, Any]:
    """Frechet distance of G_ema after `seconds` of training by the wall's clock, without the time for measuring it."""
    run, (images, _) = recipe_in(bfloat16), data.mnist("train", fallback=False)
    rounds, begun = ours(run, images, batch, way), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        next(rounds)
    score = digits.score(networks.sample(bench.refreshed(run.G_ema), 10_000))
    return {"rounds": run.step, "seconds": seconds, "times_floor": score["times_floor"]}


def outcome_of(rates: dict[str, list[float]]) -> dict[str, float]:
    medians = {f"{name}_images_per_second": round(statistics.median(values), 1) for name, values in rates.items()}
    shares = {"ratio_to_usual": ("ours", "usual"), "share_of_limit": ("ours", "limit")}
    return medians | {name: round(middle_ratio(rates[a], rates[b]), 3) for name, (a, b) in shares.items()}


def main(batch: int = 128, repeats: int = 3, turns: int = 30, seconds: float = 15.0) -> dict[str, Any]:
    """Images a second of every way, both ratios by repetition and over all, and (if seconds > 0) quality after equal time.

    Nothing of it is kept: a speed belongs to its hour.
    """
    said = record.provenance(seed=0)
    measured = [repetition(batch, turns) for _ in range(repeats)]
    everything = {name: [rate for rates in measured for rate in rates[name]] for name in measured[0]}
    figures = {"repetitions": [outcome_of(rates) | said for rates in measured], "all": outcome_of(everything)}
    rates, plain = speeds_of_variants(turns), next(iter(VARIANTS))
    figures |= {"variants": {}, "compiled": {}}
    for name, (way, size, half) in VARIANTS.items():
        row = {"images_per_second": round(statistics.median(rates[name]), 1)}
        row |= {"times_plain": round(middle_ratio(rates[name], rates[plain]), 3)}
        row |= quality_after(seconds, way, size, half) if seconds else {}
        figures["variants"][name] = row | said
    for part, ways in speeds_compiled(batch, turns).items():
        row = {f"{name}_images_per_second": round(statistics.median(values), 1) for name, values in ways.items()}
        figures["compiled"][part] = row | {"times_eager": round(middle_ratio(ways["compiled"], ways["eager"]), 3)} | said
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=["race"], help="the race alone")
    parser.add_argument("--speed", action="store_true", help="images a second only; writes nothing")
    asked = parser.parse_args()
    if asked.what == "race":
        race.main()
    elif asked.speed:
        print(main(seconds=0.0))
    else:
        begun = time.perf_counter()
        configuration = {"batch": 128, "repeats": 3, "turns": 30, "seconds": 15.0}
        record.write("throughput", configuration, main(**configuration), time.perf_counter() - begun)
