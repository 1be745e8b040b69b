"""The convolutional pair of chapter 15 against the MLP pair and the usual DCGAN, at equal processor time.

    python experiments/convolution.py ours      # five seeds of the pair
    python experiments/convolution.py usual     # the usual DCGAN, two seeds
    python experiments/convolution.py changed   # one change at a time, short runs
    python experiments/convolution.py mlp       # the pair of chapter 8 on the schedule of ours, two seeds
    python experiments/convolution.py without   # the pair without its penalty, one seed
    python experiments/convolution.py record    # all of them and the clock -> results/convolution.json

One thread each. A finished run is kept in experiments/runs/, so that an interrupted experiment goes on where it stopped.
"""

import argparse
import time
from typing import Any

import bench
import dcgan_usual
import digits
import torch
import turns
from convolution_pair import PAIR, RECIPE, USES, begin, main, penalty_of, score, train_once
from dcgan_usual import judge
from safetensors.torch import load_file

from ganlib import data, metrics, networks, record, training
from ganlib.objectives import nonsaturating

RUNS = {"seconds": 300.0, "looks": [100.0, 200.0]}
USUAL = {"seconds": 400.0, "looks": [50.0, 100.0, 200.0, 300.0, 399.0]}
SHORT, WITHOUT = {"seconds": 20.0}, {"seconds": 150.0, "looks": [75.0]}
SEEDS, USUAL_SEEDS, SHORT_SEEDS, MLP_SEEDS = 5, 2, 2, 2


def kept(label: str, **settings: Any) -> dict[str, Any]:
    """``main(**settings)``, or what it returned when a run of this identity was last finished."""
    outcome = bench.kept(f"convolution {label}", main, settings, USES)
    found = f"{outcome['rounds']} rounds, {outcome['ema']['times_floor']:.2f} times the floor"
    print(f"{label} {settings['seed']}: {found}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def pair_runs() -> list[dict[str, Any]]:
    return [kept("ours", seed=seed, **RUNS) for seed in range(SEEDS)]


def usual_runs() -> list[dict[str, Any]]:
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


def changed_runs() -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CHANGES}
    for seed in range(SHORT_SEEDS):  # a part of it is balanced
        for name, change in CHANGES.items():
            runs[name].append(kept(name, seed=seed, full=False, **SHORT, **change))
    return runs


def penalty_free_runs() -> list[dict[str, Any]]:
    return [kept("no penalty", seed=0, gamma=0.0, **WITHOUT)]


def clocked() -> dict[str, float]:
    """Milliseconds a round of the ways to compute the pair, and of the pair of chapter 8 as its record trained it."""
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], 0)
    ways = {"float32": (begin(bfloat16=False), penalty_of()), "bfloat16": (begin(), penalty_of())}
    for name, bfloat16 in (("float32, channels last", False), ("bfloat16, channels last", True)):
        ways[name] = begin(bfloat16=bfloat16), penalty_of()
        for net in (ways[name][0].G, ways[name][0].D, ways[name][0].G_ema):
            net.to(memory_format=torch.channels_last)
    ways |= {"bfloat16, no penalty": (begin(), None), "the pair of chapter 8, bfloat16": (mlp_run(), None)}
    return turns.milliseconds({name: (run, batches, penalty) for name, (run, penalty) in ways.items()})


def mlp_run(seed: int = 0) -> training.Run:
    """The pair of chapter 8 about to begin, as its record trained it."""
    torch.manual_seed(seed)
    G, D = networks.MLPGenerator(), networks.MLPDiscriminator()
    return bench.fresh_run(networks.in_bfloat16(G), networks.in_bfloat16(D))


def on_our_schedule(seed: int, seconds: float) -> dict[str, Any]:
    """The pair of chapter 8 for so many seconds, its rates and its average as ours have them."""
    run, begun = mlp_run(seed), time.process_time()
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], seed)
    rates = [(opt.param_groups[0], opt.param_groups[0]["lr"]) for opt in (run.opt_G, run.opt_D)]
    for _ in training.train(run, batches, nonsaturating, steps=10**9, ema_share=RECIPE["ema_share"], look=5):
        spent = time.process_time() - begun
        if spent >= seconds:
            break
        for group, rate in rates:
            group["lr"] = rate * bench.falling(spent, seconds, RECIPE["decay_from"], RECIPE["decay_to"])
    return {"seconds": round(spent, 1), "rounds": run.step, "ema": score(bench.refreshed(run.G_ema)), "raw": score(run.G)}


def mlp_runs() -> list[dict[str, Any]]:
    uses, runs = (*USES, mlp_run, networks.MLPGenerator, networks.MLPDiscriminator), []
    for seed in range(MLP_SEEDS):
        settings = {"seed": seed, "seconds": RUNS["seconds"]}
        runs.append(bench.rounded(bench.kept(f"convolution mlp {seed}", on_our_schedule, settings, uses)))
        print(f"mlp {seed}: {runs[-1]['rounds']} rounds, {runs[-1]['ema']['times_floor']:.2f} times the floor", flush=True)
    return runs


def opening(first: int = 10) -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of ours and of the usual: the slice that a test plays again."""
    return {"ours": train_once(opening=first)[1], "usual": dcgan_usual.main(opening=first)}


def write_record(name: str = "convolution") -> None:
    """The record, the weights that are shipped, and the clock, which is read now."""
    runs, theirs, free, short, mlp = pair_runs(), usual_runs(), penalty_free_runs(), changed_runs(), mlp_runs()
    dice = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))[:10_000]
    known = {"training images": judge(data.to_float(data.mnist("train").images[dice]))}
    real_spectrum = metrics.radial_spectrum(data.mnist("test").images).tolist()
    least, floors = digits.floor()
    figures = {"floor": least, "floors": floors, "runs": runs, "usual": theirs, "without": free, "changed": short, "mlp": mlp}
    figures |= {"known": known, "spectrum": {"real": real_spectrum}}
    figures |= {"milliseconds": clocked(), "opening": opening()}
    weights = load_file(bench.place_of("convolution ours", main, {"seed": 0} | RUNS, USES).with_suffix(".safetensors"))
    sizes = begin()
    figures |= {"parameters": {n: sum(w.numel() for w in getattr(sizes, n).parameters()) for n in ("G", "D")}}
    figures |= {"sha256": bench.ship("dcgan_generator", bench.in_half(weights), "convolution")}
    configuration = PAIR | RECIPE | {"ours": RUNS, "usual": USUAL, "without": WITHOUT, "changed": SHORT, "changes": CHANGES}
    seconds = sum(run["seconds"] for run in [*runs, *theirs, *free, *mlp, *(run for way in short.values() for run in way)])
    record.write(
        name, configuration | {"usual_settings": dcgan_usual.USUAL}, bench.rounded(figures), seconds, clock="processor"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"ours": pair_runs, "usual": usual_runs, "changed": changed_runs, "without": penalty_free_runs}
    parts |= {"mlp": mlp_runs, "record": write_record}
    parser.add_argument("what", choices=parts)
    parts[parser.parse_args().what]()
