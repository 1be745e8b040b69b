"""What a round is made of, what two processes save, and a cost model that is checked on settings it has not seen.

    python experiments/scaling.py                                      # everything on the processor -> results/scaling.json
    python experiments/scaling.py --device cuda --name scaling_cuda    # the same rows on GPUs, a process each

First the machine: the fastest matrix product in float32 and bfloat16, and the fastest copy. Then one round of chapter 8's pair,
part by part. Then whole rounds of pairs of several widths and batches, in one process and in two, all by the same program under
Lightning Fabric, one thread a process. The cost model is fitted to some of these rows and asked about the others.

Others may use the machine, and they only add time: a time is the least of many short turns, and every row has its turn in
every sweep. Nothing here depends on the values of the images, which are random bytes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bench
import numpy as np
import throughput
import torch
from scaling_processes import GAME, in_processes, wait, work
from scipy.optimize import nnls

from ganlib import data, record, training

FIT = [(width, batch) for width in (0.5, 1.0, 2.0) for batch in (32, 128, 512)]  # widths: factors of chapter 8's
HELD_OUT = [(0.75, 64), (0.75, 256), (1.5, 64), (1.5, 256)]
SWEEPS, ROUNDS, BATCH = 15, 4, 128
OPENING = {"rounds": 4, "batch": 8}

# The machine and the parts of a round


def least(call: Callable[[], Any], device: str, turns: int = 40) -> float:
    """Seconds of the fastest of so many calls, two more going before."""
    times = []
    for _ in range(turns + 2):
        begun = time.perf_counter()
        call()
        wait(device)
        times.append(time.perf_counter() - begun)
    return min(times[2:])


def machine_speeds(device: str, side: int = 1024, floats: int = 2**25) -> dict[str, float]:
    """Operations a second of a square product in two precisions; bytes a second of a copy that no cache can hold."""
    speeds = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        left, right = torch.randn(2, side, side, device=device).to(dtype)
        speeds[f"{name}_flops"] = 2 * side**3 / least(lambda: left @ right, device)  # noqa: B023
    source, target = torch.ones(2, floats, device=device)
    return speeds | {"bytes": 2 * 4 * floats / least(lambda: target.copy_(source), device, 20)}


def parts(device: str, batch: int = BATCH, turns: int = 40) -> dict[str, dict[str, float]]:
    """Seconds, operations and least bytes of the parts of a round of chapter 8's pair, and of the whole."""
    run = throughput.with_gradients(on(device, bench.recipe()))
    for weight in (*run.G.parameters(), *run.D.parameters()):
        weight.grad.normal_()  # zeros would all be read from one page of memory
    products = throughput.products(batch, fresh=True)
    operands = [[torch.randn(*shape, device=device) for shape in ((a, b), (b, c), (a, c))] for a, b, c in products]
    weights = {name: sum(w.numel() for w in getattr(run, name).parameters()) for name in ("G", "D")}
    images = torch.randint(0, 256, (10_000, 1, 28, 28), dtype=torch.uint8, device=device)
    reals = data.batches(images, batch)

    def multiply() -> None:
        for left, right, out in operands:
            torch.mm(left, right, out=out)

    def step() -> None:
        run.opt_G.step()
        run.opt_D.step()

    both = sum(weights.values())
    moved = 4 * sum(a * b + b * c + a * c for a, b, c in products)
    calls = {
        "matrix products": (multiply, sum(2 * a * b * c for a, b, c in products), moved),
        "both steps of Adam": (step, 12 * both, 28 * both),  # reads weight, gradient, two averages; writes three of them
        "average of G": (lambda: training.update_ema(run.G_ema, run.G, 0.9), 3 * weights["G"], 12 * weights["G"]),
        "a batch, bytes to floats": (lambda: next(reals), 2 * batch * 784, 17 * batch * 784),
    }
    rows = {name: {"seconds": least(call, device, turns), "flops": f, "bytes": b} for name, (call, f, b) in calls.items()}
    whole = training.train(on(device, bench.recipe()), reals, GAME, steps=10**9)
    return rows | {"whole round": {"seconds": least(lambda: next(whole), device, turns)}}


def on(device: str, run: training.Run) -> training.Run:
    """The run with networks on the device and new optimisers."""
    return bench.fresh_run(run.G.to(device), run.D.to(device))


# The cost model


def causes(row: dict[str, Any]) -> list[float]:
    """What the seconds of a round are a weighted sum of: one, weights, operations, values between layers, and what is sent."""
    more = row["processes"] > 1
    inside = [1.0, row["weights"], row["flops"] * row["batch"], row["units"] * row["batch"]]
    return [*inside, more * 1.0, more * row["weights"]]


def fitted(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds for each cause, none negative, so that the relative errors have the least sum of squares."""
    table = np.array([causes(row) for row in rows])
    seconds = np.array([row["seconds"] for row in rows])
    scale = table.max(axis=0)
    relative = table / scale / seconds[:, None]
    return (nnls(relative, np.ones(len(rows)))[0] / scale).tolist()


def predicted(costs: Sequence[float], row: dict[str, Any]) -> float:
    """Seconds a round of this row."""
    return float(np.dot(costs, causes(row)))


def opening(device: str = "cpu", processes: Sequence[int] = (1, 2)) -> dict[str, list[dict[str, Any]]]:
    """Short runs in each number of processes, and one that the fewest finish where the most were stopped half-way."""
    found = {str(count): in_processes(count, device, **OPENING) for count in processes}
    half = OPENING | {"rounds": OPENING["rounds"] // 2}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "half")
        in_processes(max(processes), device, **half, save=file)
        return found | {"taken over": in_processes(min(processes), device, **half, load=file)}


def main(device: str = "cpu", processes: Sequence[int] = (1, 2), sweeps: int = SWEEPS, turns: int = 40) -> dict[str, Any]:
    """All figures of the record; nothing of it is kept: a time belongs to its hour."""
    said = record.provenance(seed=0)
    figures: dict[str, Any] = {"machine": machine_speeds(device), "parts": parts(device, turns=turns)}
    rows = []
    for count in processes:
        seconds = in_processes(count, device, settings=[*FIT, *HELD_OUT], sweeps=sweeps, rounds=ROUNDS)[0]
        for (width, batch), time_taken in zip([*FIT, *HELD_OUT], seconds, strict=True):
            row = {"processes": count, "width": width, "batch": batch, "seconds": time_taken}
            rows.append(row | work(width) | {"held_out": (width, batch) in HELD_OUT} | said)
    costs = fitted([row for row in rows if not row["held_out"]])
    for row in rows:
        row["predicted"] = predicted(costs, row)
    return bench.rounded(figures | {"costs": costs, "rows": rows}, 4) | {"opening": opening(device, processes)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    asked = bench.asked(parser, "scaling", lambda asked: asked.device != "cpu")
    torch.set_num_threads(1)
    begun, many = time.perf_counter(), torch.cuda.device_count() if asked.device == "cuda" else 2
    configuration = {"device": asked.device, "processes": sorted({1, many}), "sweeps": SWEEPS, "turns": 40}
    print(record.write(asked.name, configuration, main(**configuration), time.perf_counter() - begun))
