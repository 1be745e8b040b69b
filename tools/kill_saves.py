"""Kills a process that saves a run, again and again, and counts what is lost: nothing may be.

python tools/kill_saves.py 200    # so many kills at random moments, after six at chosen ones; prints a report as JSON

POSIX only: it forks and sends SIGKILL.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ganlib import checkpoints, networks, training

Do = Callable[..., object]


def new_run() -> training.Run:
    G, D = networks.MLPGenerator(3, (200, 200), (1, 8, 8)), networks.MLPDiscriminator((1, 8, 8), (300,))
    opt_G, opt_D = (torch.optim.SGD(network.parameters(), lr=0.1) for network in (G, D))
    return training.Run(G, D, opt_G, opt_D)


def mark(run: training.Run, number: int) -> None:
    """Writes the number into every weight: a mixture of two saves would show."""
    run.step = number
    for network in (run.G, run.D, run.G_ema):
        for value in network.state_dict().values():
            value.fill_(number)


def die(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half(path: Path, write: Do, whole: Do = checkpoints.write_whole) -> None:
    """Dies with half of the bytes on the disk."""

    def cut(file) -> None:
        write(file)
        file.flush()
        os.ftruncate(file.fileno(), file.tell() // 2)
        die()

    whole(path, cut)


def after(function: Do) -> Do:
    def called(*args: object) -> None:
        function(*args)
        die()

    return called


def check(run: training.Run, path: Path) -> tuple[int, int]:
    """The number that the file holds, and how many temporary files lie beside it.

    Raises:
        ValueError: the file does not load, or mixes two saves; leftovers add up.
    """
    checkpoints.load(run, path)
    if not all((v == run.step).all() for net in (run.G, run.D, run.G_ema) for v in net.state_dict().values()):
        raise ValueError("the file mixes two saves")
    leftovers = len(list(path.parent.iterdir())) - 1
    if leftovers > 1:
        raise ValueError(f"{leftovers} temporary files have added up")
    return run.step, leftovers


def at_chosen_moments(run: training.Run, path: Path) -> list[int]:
    """Which save the file holds after a death in the middle of the bytes, and before and after each call to the disk."""
    moments = [(checkpoints, "write_whole", half), (os, "fsync", die), (os, "fsync", after(os.fsync)), (os, "replace", die)]
    moments += [(os, "replace", after(os.replace)), (os, "close", after(os.close))]
    found = []
    for number, (module, name, patched) in enumerate(moments, start=2):
        if (pid := os.fork()) == 0:
            mark(run, number)
            setattr(module, name, patched)
            checkpoints.save(run, path)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -signal.SIGKILL:
            raise ValueError(f"the process was to die at {name}")
        found.append(check(run, path)[0])
    return found


def at_random_moments(run: training.Run, path: Path, kills: int) -> dict[str, int]:
    dice, number, interrupted, lost, saves = random.Random(0), 100, 0, 0, set()
    for _ in range(kills):
        if (pid := os.fork()) == 0:
            while True:
                number += 1
                mark(run, number)
                checkpoints.save(run, path)
        time.sleep(dice.uniform(0.001, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        try:
            number, leftovers = check(run, path)
        except ValueError:
            lost, leftovers = lost + 1, 0
        saves.add(number)
        interrupted += leftovers
        number = max(number, 100)
    return {"kills": kills, "interrupted": interrupted, "saves": len(saves), "lost": lost}


def main(kills: int) -> dict[str, int]:
    torch.set_num_threads(1)
    run = new_run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        mark(run, 1)
        checkpoints.save(run, path)
        found = at_chosen_moments(run, path)
        if found != [1, 1, 1, 1, 6, 7]:  # a death before the new name leaves the old file
            raise ValueError(f"after the six chosen moments the file held the saves {found}")
        return at_random_moments(run, path, kills)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
