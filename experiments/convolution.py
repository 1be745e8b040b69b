"""The convolutional pair of chapter 15 against the MLP pair and the usual DCGAN, at equal processor time.

    python experiments/convolution.py ours      # five seeds of the pair
    python experiments/convolution.py usual     # the usual DCGAN, three seeds
    python experiments/convolution.py changed   # one change at a time, short runs
    python experiments/convolution.py record    # all of them and the clock -> results/convolution.json

One thread each. A finished run is kept in experiments/runs/, so that an interrupted experiment goes on where it stopped.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Sequence
from typing import Any

import bench
import dcgan_usual
import digits
import torch
from dcgan_usual import draw_narrow, draw_small, judge
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import conv, data, metrics, networks, record, training
from ganlib.metrics import spectra
from ganlib.objectives import nonsaturating

PAIR = {"z_dim": 64, "dense": [128, 256], "channels": [24, 12], "d_channels": [24, 24], "d_dense": [256]}
RECIPE = {"batch": 64, "lr": 1e-3, "lr_D": 5e-4, "conv_times": 4.0, "betas": [0.0, 0.99]}
RECIPE |= {"decay_from": 0.25, "decay_to": 0.2, "ema_share": 0.2}
RUNS = {"seconds": 300.0, "looks": [50.0, 100.0, 150.0, 200.0, 250.0]}
USUAL = {"seconds": 400.0, "looks": [50.0, 100.0, 200.0, 300.0, 399.0]}
SHORT = {"seconds": 20.0}
SEEDS, USUAL_SEEDS, SHORT_SEEDS, SPEED_ROUNDS = 5, 3, 3, 20


UPS = {"shuffled": conv.shuffled, "transposed": conv.transposed}


def begin(
    seed: int = 0,
    bfloat16: bool = True,
    double: bool = False,
    narrow: bool = False,
    whole: bool = True,
    conv_times: float = RECIPE["conv_times"],
    up: str = "shuffled",
) -> training.Run:
    """The run about to begin; in double precision, if asked for, its weights are drawn anew in it.

    Args:
        narrow: weights begin as N(0, 0.02^2), not as torch draws them.
        whole: False takes the dense layers away, before G's convolutions and behind D's.
        conv_times: the learning rate of convolutions over that of dense layers.
        up: a name in UPS.
    """
    torch.manual_seed(seed)
    dense, d_dense = (PAIR["dense"], PAIR["d_dense"]) if whole else ((), ())
    G = conv.DCGANGenerator(PAIR["z_dim"], dense, PAIR["channels"], up=UPS[up])
    D = conv.DCGANDiscriminator((1, 28, 28), PAIR["d_channels"], d_dense)
    if double:
        bench.reset_in_double(G, D)
        for layer in [layer for net in (G, D) for layer in net.modules()]:
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
    if narrow:
        G.apply(draw_narrow), D.apply(draw_narrow)
    if bfloat16 and not double:
        G, D = networks.in_bfloat16(G), networks.in_bfloat16(D)
    groups = conv.faster_convolutions(G, RECIPE["lr"], conv_times), conv.faster_convolutions(D, RECIPE["lr_D"], conv_times)
    opts = [torch.optim.Adam(group, betas=tuple(RECIPE["betas"]), fused=True) for group in groups]
    return training.Run(G, D, *opts)


def train_once(
    seed: int = 0,
    seconds: float = RUNS["seconds"],
    looks: Sequence[float] = (),
    opening: int = 0,
    progress: bool = True,
    **changes: Any,
) -> tuple[training.Run, dict[str, Any]]:
    """A run of so many processor seconds, its learning rates falling with the share of them that is spent.

    Args:
        looks: seconds at which the averaged G is scored; scoring does not count.
        opening: only so many rounds, at full rates and in double precision; their losses are returned.
        changes: of the pair and its rates, as :func:`begin` takes them.
    """
    run = begin(seed, double=bool(opening), **changes)
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], seed)
    if opening:
        return run, bench.opening(run, batches, nonsaturating, opening)
    rates = [(group, group["lr"]) for opt in (run.opt_G, run.opt_D) for group in opt.param_groups]
    left, along, aside, begun = list(looks), [], 0.0, time.process_time()
    play = training.train(run, batches, nonsaturating, steps=10**9, ema_share=RECIPE["ema_share"], look=5)
    for losses in tqdm(play, desc=f"seed {seed}", disable=not progress, mininterval=30):
        spent = time.process_time() - begun - aside
        if spent >= seconds:
            break
        share = bench.falling(spent, seconds, RECIPE["decay_from"], RECIPE["decay_to"])
        for group, rate in rates:
            group["lr"] = rate * share
        if left and spent >= left[0]:
            left.pop(0)
            stopped = time.process_time()
            row = {"round": losses.step, "seconds": round(spent, 1), "loss_D": losses.loss_D, "loss_G": losses.loss_G}
            along.append(row | score(bench.refreshed(run.G_ema)))
            aside += time.process_time() - stopped
    return run, {"seconds": round(spent, 1), "rounds": run.step, "along": along}


def score(G: nn.Module, n: int = 10_000) -> dict[str, float]:
    """What the eye for digits and the spectrum say of n samples of G, its products in float32."""
    return judge(networks.sample(bench.plain(G), n))


def with_statistics_of(G_ema: nn.Module, G: nn.Module) -> nn.Module:
    """The average, with the batch statistics of the G that was trained."""
    copied, theirs = copy.deepcopy(bench.plain(G_ema)), dict(bench.plain(G).named_buffers())
    for name, buffer in copied.named_buffers():
        buffer.copy_(theirs[name])
    return copied


def main(seed: int = 0, full: bool = True, **settings: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Trains once and scores the averaged G, whose weights are kept: "ema" with batch statistics measured anew.

    If `full`, "averaged" has them averaged along, "copied" those of the trained G, and "raw" is that G itself.
    """
    run, seen = train_once(seed, **settings)
    averaged = bench.refreshed(run.G_ema)
    outcome = seen | {"ema": score(averaged)}
    if full:
        ways = {"averaged": run.G_ema, "copied": with_statistics_of(run.G_ema, run.G), "raw": run.G}
        outcome |= {name: score(G) for name, G in ways.items()}
        outcome |= {"spectrum": metrics.radial_spectrum(networks.sample(averaged, 10_000)).tolist()}
    return outcome, averaged.state_dict()


USES = (train_once, begin, score, with_statistics_of, draw_small, draw_narrow, judge, spectra, *digits.USES)
USES += (conv.DCGANGenerator, conv.DCGANDiscriminator, conv.shuffled, conv.transposed, conv.divided, conv.faster_convolutions)
USES += (*bench.PLAYED, bench.fresh_run, bench.falling, bench.refreshed, bench.plain)
USES += (networks.in_bfloat16, networks.InBfloat16, f"numbers = {PAIR, RECIPE}")


def kept(label: str, **settings: Any) -> dict[str, Any]:
    """``main(**settings)``, or what it returned when a run of this identity was last finished."""
    outcome = bench.kept(f"convolution {label}", main, settings, USES)
    found = f"{outcome['rounds']} rounds, {outcome['ema']['times_floor']:.2f} times the floor"
    print(f"{label} {settings['seed']}: {found}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def ours() -> list[dict[str, Any]]:
    return [kept("ours", seed=seed, **RUNS) for seed in range(SEEDS)]


def usual() -> list[dict[str, Any]]:
    runs = []
    for seed in range(USUAL_SEEDS):
        runs.append(
            bench.rounded(bench.kept(f"convolution usual {seed}", dcgan_usual.main, {"seed": seed} | USUAL, dcgan_usual.USES))
        )
        print(f"usual {seed}: {runs[-1]['rounds']} rounds, {runs[-1]['along'][-1]['eval']['times_floor']:.2f}", flush=True)
    return runs


CHANGES = {
    "the recipe": {},
    "convolutions at the plain rate": {"conv_times": 1.0},
    "no dense layers": {"whole": False},
    "transposed, kernel 4": {"up": "transposed"},
    "N(0, 0.02^2) at the start": {"narrow": True},
}


def changed() -> dict[str, list[dict[str, Any]]]:
    return {
        name: [kept(name, seed=seed, full=False, **SHORT, **change) for seed in range(SHORT_SEEDS)]
        for name, change in CHANGES.items()
    }


def milliseconds() -> dict[str, float]:
    """Processor milliseconds a round of each way to compute, the ways taking turns: the median of seven turns of 20 rounds."""
    batches, ways = data.batches(data.mnist("train").images, RECIPE["batch"], 0), {}
    ways["float32"], ways["bfloat16"] = begin(bfloat16=False), begin()
    last = {"float32, channels last": begin(bfloat16=False), "bfloat16, channels last": begin()}
    for name, run in last.items():
        for net in (run.G, run.D, run.G_ema):
            net.to(memory_format=torch.channels_last)
        ways[name] = run
    ways["the MLP pair, batch 128"] = mlp_run()
    large = data.batches(data.mnist("train").images, 128, 0)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(8):
        for name, run in ways.items():
            begun = time.process_time()
            source = large if name.startswith("the MLP") else batches
            list(training.train(run, source, nonsaturating, steps=SPEED_ROUNDS, look=SPEED_ROUNDS))
            if turn:  # the first makes room for Adam's averages
                times[name].append(1000 * (time.process_time() - begun) / SPEED_ROUNDS)
    return {name: statistics.median(found) for name, found in times.items()}


def mlp_run() -> training.Run:
    """The pair of chapter 8 as its record trained it."""
    torch.manual_seed(0)
    G, D = networks.MLPGenerator(), networks.MLPDiscriminator()
    return bench.fresh_run(networks.in_bfloat16(G), networks.in_bfloat16(D))


def opening(first: int = 10) -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of ours and of the usual: the slice that a test plays again."""
    return {"ours": train_once(opening=first)[1], "usual": dcgan_usual.main(opening=first)}


def write_record(name: str = "convolution") -> None:
    """The record, the weights that are shipped, and the clock, which is read now."""
    runs, theirs, short = ours(), usual(), changed()
    shown = {"train": data.mnist("train").images, "test": data.mnist("test").images}
    dice = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))[:10_000]
    known = {"training images": judge(data.to_float(shown["train"][dice])), "MLP": score(networks.mnist_generator())}
    spectrum = {"real": shown["test"], "MLP": networks.sample(networks.mnist_generator(), 10_000)}
    least, floors = digits.floor()
    figures = {"floor": least, "floors": floors, "runs": runs, "usual": theirs, "changed": short}
    figures |= {"known": known, "spectrum": {name: metrics.radial_spectrum(x).tolist() for name, x in spectrum.items()}}
    figures |= {"milliseconds": milliseconds(), "opening": opening()}
    weights = load_file(bench.place_of("convolution ours", main, {"seed": 0} | RUNS, USES).with_suffix(".safetensors"))
    halves = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    sizes = begin()
    figures |= {"parameters": {n: sum(w.numel() for w in getattr(sizes, n).parameters()) for n in ("G", "D")}}
    figures |= {"sha256": bench.ship("dcgan_generator", to_bytes(halves), "convolution")}
    configuration = PAIR | RECIPE | {"ours": RUNS, "usual": USUAL, "changed": SHORT, "changes": CHANGES}
    seconds = sum(run["seconds"] for run in [*runs, *theirs, *(run for way in short.values() for run in way)])
    record.write(
        name, configuration | {"usual_settings": dcgan_usual.USUAL}, bench.rounded(figures), seconds, clock="processor"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"ours": ours, "usual": usual, "changed": changed, "record": write_record}
    parser.add_argument("what", choices=parts)
    parts[parser.parse_args().what]()
