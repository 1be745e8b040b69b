"""How long a round takes: several runs take turns, so that what else the machine does falls on all of them."""

import statistics
import time
from collections.abc import Iterator

from torch import Tensor

from ganlib import training
from ganlib.objectives import nonsaturating
from ganlib.types import Penalty


def milliseconds(
    ways: dict[str, tuple[training.Run, Iterator[Tensor], Penalty | None]], rounds: int = 20, turns: int = 7
) -> dict[str, float]:
    """Processor milliseconds a round of each run: the median of its turns.

    Args:
        ways: name -> the run, its batches and its penalty.
        rounds: in a turn.
        turns: that count; one before them makes room for Adam's averages.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, (run, batches, penalty) in ways.items():
            begun = time.process_time()
            list(training.train(run, batches, nonsaturating, penalty, steps=rounds, look=rounds))
            if turn:
                times[name].append(1000 * (time.process_time() - begun) / rounds)
    return {name: statistics.median(found) for name, found in times.items()}
