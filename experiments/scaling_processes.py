"""The processes of `scaling.py`: one program, as it is started once or several times, under Lightning Fabric.

    python experiments/scaling_processes.py '{"processes": 2, "device": "cpu", "folder": "/tmp", "rounds": 4, "batch": 8}'

Fabric starts the others itself. Each process leaves what it found in a file of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import bench
import throughput
import torch
from torch import Tensor

from ganlib import checkpoints, data, networks, objectives, penalties, training

GAME = objectives.nonsaturating


def wait(device: str) -> None:
    """Until the device has done what it was asked: a GPU answers before it has computed."""
    if device == "cuda":
        torch.cuda.synchronize()


def pair(width: float) -> tuple[networks.MLPGenerator, networks.MLPDiscriminator]:
    """Chapter 8's pair, every hidden layer `width` times as wide."""
    torch.manual_seed(0)
    wide = lambda sizes: [int(width * size) for size in sizes]  # noqa: E731
    G = networks.MLPGenerator(widths=wide(throughput.G_SIZES[1:-1]))
    return G, networks.MLPDiscriminator(widths=wide(throughput.D_SIZES[1:-1]))


def work(width: float) -> dict[str, float]:
    """Weights of a pair, hidden units, and the operations that its round asks for each image."""
    G, D = pair(width)
    sizes = [[w.numel() for w in net.parameters() if w.ndim == 2] for net in (G, D)]
    flops = 2 * (4 * sum(sizes[0]) - sizes[0][0] + 8 * sum(sizes[1]) - 2 * sizes[1][0])
    weights = sum(w.numel() for net in (G, D) for w in net.parameters())
    return {"weights": weights, "units": sum(len(w) for net in (G, D) for w in net.parameters() if w.ndim == 2), "flops": flops}


class OneDraw(networks.MLPGenerator):
    """Draws the latents of all processes and keeps its own, so that a round is the same in whatever number of them."""

    rank, processes = 0, 1

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return super().sample_z(n * self.processes, generator)[self.rank :: self.processes]


def shares(batches: Iterator[Tensor], rank: int, processes: int) -> Iterator[Tensor]:
    """Of every batch the rows of one process."""
    for batch in batches:
        yield batch[rank::processes]


def under_fabric(fabric: Any, G: torch.nn.Module, D: torch.nn.Module) -> training.Run:
    """The run about to begin, its networks and optimisers wrapped."""
    run = bench.fresh_run(G, D)
    (run.G, run.opt_G), (run.D, run.opt_D) = fabric.setup(run.G, run.opt_G), fabric.setup(run.D, run.opt_D)
    run.G_ema.to(fabric.device)
    return run


def timed(fabric: Any, settings: Sequence[tuple[float, int]], sweeps: int, rounds: int) -> list[float]:
    """Seconds a round of each setting (width, images a process): the least over sweeps of the mean of so many rounds."""
    images = torch.randint(0, 256, (4_096, 1, 28, 28), dtype=torch.uint8, device=fabric.device)
    plays = [
        training.train(under_fabric(fabric, *pair(width)), data.batches(images, batch), GAME, steps=10**9, look=rounds)
        for width, batch in settings
    ]
    best = [float("inf")] * len(plays)
    for sweep in range(sweeps + 1):
        for index, play in enumerate(plays):
            fabric.barrier()
            begun = time.perf_counter()
            next(play)
            wait(fabric.device.type)
            if sweep:
                best[index] = min(best[index], (time.perf_counter() - begun) / rounds)
    return best


def played(fabric: Any, rounds: int, batch: int, save: str = "", load: str = "") -> dict[str, Any]:
    """A short run in double precision of a pair without batch normalisation: its losses, and sums of its weights.

    With `load` it goes on from a file, written by whatever number of processes; with `save` the first process writes one.
    """
    torch.manual_seed(0)
    G, D = OneDraw(4, (16,), (1, 4, 4)), networks.MLPDiscriminator((1, 4, 4), (16,))
    bench.reset_in_double(G, D)
    G.rank, G.processes = fabric.global_rank, fabric.world_size
    run = under_fabric(fabric, G, D)
    if load:
        checkpoints.load(run, load)
    images = torch.randint(0, 256, (64, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))
    reals = (x.double().to(fabric.device) for x in data.batches(images, batch, start=run.step))
    own = shares(reals, fabric.global_rank, fabric.world_size)
    rows = list(training.train(run, own, GAME, partial(penalties.r1, gamma=0.1), steps=rounds))
    if save and fabric.global_rank == 0:
        checkpoints.save(run, save)
    fabric.barrier()
    sums = [float(sum(w.abs().sum() for w in net.state_dict().values())) for net in (run.G, run.D, run.G_ema)]
    losses = {name: [getattr(row, name) for row in rows] for name in ("loss_D", "loss_G")}
    return losses | {"step": run.step, "sums": sums}


def worker(job: dict[str, Any]) -> None:
    """One process of a job: plays or times, and leaves what it found in a file of its own."""
    from lightning_fabric import Fabric

    torch.set_num_threads(1)
    processes, folder = job.pop("processes"), Path(job.pop("folder"))
    strategy = "ddp" if processes > 1 else "auto"
    fabric = Fabric(accelerator=job.pop("device"), devices=processes, strategy=strategy)
    fabric.launch()
    found = played(fabric, **job) if "batch" in job else timed(fabric, **job)
    (folder / f"rank{fabric.global_rank}.json").write_text(json.dumps(found))


def in_processes(processes: int, device: str = "cpu", **job: Any) -> list[Any]:
    """What each of so many processes of a job found."""
    local = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    local |= {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        job = json.dumps(job | {"processes": processes, "device": device, "folder": folder})
        call = [sys.executable, "-W", "ignore", __file__, job]
        done = subprocess.run(call, env=os.environ | local | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise RuntimeError(f"{processes} processes failed:\n{done.stderr[-2000:]}")
        return [json.loads((Path(folder) / f"rank{rank}.json").read_text()) for rank in range(processes)]


if __name__ == "__main__":
    worker(json.loads(sys.argv[1]))
