"""The living picture of the first page: chapter 0's own run of the ring, a few of its points and D's logits at some rounds.

python tools/ring_film.py    plays the run again and writes book/_static/ring_data.js

The networks, the data and the constants are those of the chapter's cells. Points and logits are bytes: 0 to 255 for -1.6 to
1.6 from left to right and from top to bottom, and for logits of -2 to 2, on a grid that spans the same square.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "book" / "_static" / "ring_data.js"
CHAPTER = ROOT / "notebooks" / "00_start_here.ipynb"
ROUNDS = [0, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400]
ROUNDS += [500, 600, 700, 800, 1000, 1200, 1400, 1600, 1800, 2000]
POINTS, GRID, HALF, LOGIT = 240, 25, 1.6, 2.0


def chapter() -> dict[str, Any]:
    """The names that the chapter's cells define before the run, and the constants of the run itself."""
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    run = next(place for place, source in enumerate(sources) if source.startswith("SEED, ROUNDS, STD ="))
    names: dict[str, Any] = {"print": lambda *_: None}
    for source in [*sources[1:run], sources[run].splitlines()[0]]:
        exec(source, names)
    return names


def to_bytes(values: torch.Tensor, half: float) -> np.ndarray:
    """Of any shape; what lies outside is put on the edge."""
    return ((values / half).clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8).numpy()


def frames(rounds: list[int], names: dict[str, Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """After each of the rounds named, in their order: G's points (POINTS, 2) and D's logits (GRID, GRID), as bytes."""
    data, seed = names["data"], names["SEED"]
    reals = data.gaussian_ring(10_000, modes=8, std=names["STD"], seed=seed)
    run = names["point_run"](seed)
    fixed_z = run.G.sample_z(1000)[:POINTS]
    ticks = torch.linspace(-HALF, HALF, GRID)
    places = torch.cartesian_prod(ticks, ticks).flip(1) * torch.tensor([1.0, -1.0])

    @torch.no_grad()
    def frame() -> tuple[np.ndarray, np.ndarray]:
        points = run.G(fixed_z) * torch.tensor([1.0, -1.0])
        return to_bytes(points, HALF), to_bytes(run.D(places).view(GRID, GRID), LOGIT)

    if 0 in rounds:
        yield frame()
    batches = data.batches(reals, 256, seed)
    for losses in names["train"](run, batches, names["objectives"].nonsaturating, steps=max(rounds)):
        if losses.step in rounds:
            yield frame()


def main() -> None:
    """Plays the whole run, about ten seconds, and writes the file."""
    torch.set_num_threads(1)
    names = chapter()
    reals = names["data"].gaussian_ring(10_000, modes=8, std=names["STD"], seed=names["SEED"])
    shown = list(islice(frames(ROUNDS, names), len(ROUNDS)))
    film = {
        "rounds": ROUNDS,
        "size": GRID,
        "logit": LOGIT,
        "data": b64encode(to_bytes(reals[:POINTS] * torch.tensor([1.0, -1.0]), HALF).tobytes()).decode(),
        "points": b64encode(np.stack([points for points, _ in shown]).tobytes()).decode(),
        "logits": b64encode(np.stack([logits for _, logits in shown]).tobytes()).decode(),
    }
    TARGET.write_text(f"window.ringFilm = {json.dumps(film, indent=0)};\n", encoding="utf-8")


if __name__ == "__main__":
    main()
