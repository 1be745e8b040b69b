"""Ring of 8 and grid of 25 modes by PacGAN's configuration (Lin et al. 2018), all seeds trained at once.

    python experiments/ring_grid.py                   # every row of ROWS -> results/ring_grid.json
    python experiments/ring_grid.py --rows grid1 ring1 --rounds 50000 --name ring_grid_short --device cuda

A run can be stopped at any moment, by kill -9 too, and goes on with the same command from experiments/runs/. Rows with `half`
multiply hidden layers in bfloat16; weights, averages and both ends of each network stay in float32. What this rounding adds to
a gradient is a twentieth to a quarter of what the choice of the batch adds, in both networks (packed ring after 133,500 rounds,
plain grid after 200,000, root mean square over 16 batches); its mean is no larger than chance makes it.

Most rounds of the record were played by an older program for the processor, which a commit keeps: "made_by" in the record
names it, its tag and, for each row, the first and the last of these rounds. The other rounds, and the rows in float32, are
PyTorch's.

Data: a seed's are 100,000 points; each place of a pack is drawn from them with replacement, once. An epoch is a random order of
the 100,000 packs in batches of 100. The networks, and what of the configuration could not be read, stand in pacgan.py.
"""

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import bench
import mixtures
import pacgan
import torch
from mixtures import Mixture
from torch import Tensor
from tqdm.auto import tqdm

from ganlib import metrics, record

LOOKS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 150_000, 200_000, 250_000, 300_000, 350_000, 400_000)
POINTS = 100_000  # an epoch is 1,000 rounds
ROUNDS, SEEDS = 400_000, 5
TASKS = mixtures.ring_and_grid(0.01, 0.05)
ROWS = {f"{task}{pack}": {"task": task, "pack": pack, "half": True} for task in TASKS for pack in (1, 2)}
ROWS |= {f"ring{pack}_beta0.2": ROWS[f"ring{pack}"] | {"beta1": 0.2, "rounds": 100_000} for pack in (1, 2)}
ROWS |= {f"{task}1_float32": {"task": task, "pack": 1, "rounds": 10_000} for task in TASKS}


def rounds_of(mixture: Mixture, seeds: Sequence[int], pack: int, start: int, like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Real packs (seeds, 2 pack, batch) and latents (seeds, 2, pack batch) of round `start`, of the next one, and so on.

    All chance of an epoch comes from (seed, epoch), so that a resumed run, or a seed alone, sees what it would have seen.
    """
    packs, batch = [], pacgan.BATCH
    for seed in seeds:
        points, dice = mixture.sample(POINTS, seed), torch.Generator().manual_seed(7_000_003 + seed)
        packs.append(torch.cat([points[torch.randint(POINTS, (POINTS,), generator=dice)] for _ in range(pack)], dim=1))
    epoch, first = divmod(start, POINTS // batch)
    while True:
        reals, latents = [], []
        for seed, rows in zip(seeds, packs, strict=True):
            dice = torch.Generator().manual_seed((seed + 1) * 1_000_000 + epoch)
            reals.append(rows[torch.randperm(POINTS, generator=dice)].view(-1, batch, 2 * pack).transpose(1, 2))
            latents.append(torch.randn(POINTS // batch, 2, pack * batch, generator=dice, dtype=torch.float64).to(like))
        reals, latents = torch.stack(reals, dim=1).contiguous().to(like), torch.stack(latents, dim=1)
        for step in range(first, POINTS // batch):
            yield reals[step], latents[step]
        epoch, first = epoch + 1, 0


def evaluate(samples: Tensor, mixture: Mixture) -> dict[str, float]:
    """Modes, share and reverse KL of `metrics.mode_coverage`, and the reverse KL of PacGAN's code.

    The latter counts only samples within three standard deviations of a mode, ours all; null when there are none.
    """
    distance, nearest = metrics.squared_distances(samples, mixture.centres.to(samples)).min(dim=1)
    counts = torch.bincount(nearest[distance < (3 * mixture.std) ** 2], minlength=len(mixture.centres)).double()
    p = counts / counts.sum()
    among_good = torch.special.xlogy(p, p * len(p)).sum().clamp(min=0).item() if counts.sum() else None
    return mixture.score(samples) | {"reverse_kl_of_good": among_good}


@torch.no_grad()
def look(G: pacgan.StackedGenerator, mixture: Mixture, n: int = 2_500) -> list[dict[str, float]]:
    """Scores of n samples of every seed's generator, from the same latents, with running statistics."""
    z = G.sample_z(n, torch.Generator().manual_seed(2333))
    samples, _ = pacgan.generate(G.weights(), z, kept=(G.means, G.stds))
    return [evaluate(points, mixture) for points in samples.transpose(1, 2).float().cpu()]


def main(
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    task: str = "ring",
    pack: int = 1,
    rounds: int = ROUNDS,
    looks: Sequence[int] = LOOKS,
    lr: float = 1e-4,
    beta1: float = 0.8,
    half: bool = False,
    device: str = "cpu",
    path: Path | None = None,
    minutes: float = 3.0,
    progress: bool = True,
) -> dict:
    """Trains `seeds` (or `seed` alone) together, going on from `path` if it exists and saving there every few minutes.

    Args:
        half: products of hidden layers in bfloat16.
        device: a run that stopped on one device goes on on another.
        minutes: between two savings.

    Returns:
        "along", the scores of each seed at the rounds `looks`, with the running statistics and with those `renewed`; "seconds"
        of the processor, "rounds", the settings, and the commit and the environment that the run began with.

    Raises:
        FloatingPointError: a loss is not finite.
        ValueError: the file at `path` belongs to another configuration.
    """
    seeds, mixture = [seed] if seeds is None else list(seeds), TASKS[task]
    run = pacgan.run_of_seeds(seeds, pack, lr, beta1, device=device)
    identity = {"task": task, "pack": pack, "seeds": seeds, "lr": lr, "beta1": beta1, "half": half}
    story = bench.go_on(run, path, identity)
    source = rounds_of(mixture, seeds, pack, run.step, run.G.weight0)
    clock, saved, name = time.process_time(), time.perf_counter(), f"{task} pack {pack}"
    ahead = range(run.step + 1, rounds + 1)
    for step in tqdm(ahead, initial=run.step, total=rounds, desc=name, disable=not progress, mininterval=10):
        losses = pacgan.play_round(run, *next(source), pack, half)
        looked = step in looks or step == rounds
        if looked:
            if not all(loss.isfinite().all() for loss in losses):
                raise FloatingPointError(f"round {step}: a loss is not finite.")
            row = {"round": step, "loss_D": losses[0].tolist(), "loss_G": losses[1].tolist(), "scores": look(run.G, mixture)}
            story["along"].append(row | {"renewed": look(pacgan.renewed(run.G, pack), mixture)})
            tqdm.write(f"{name} round {step}: {mixtures.summary(row['scores'])}") if progress else None
        if looked or time.perf_counter() - saved > 60 * minutes:
            story["seconds"], clock = story["seconds"] + time.process_time() - clock, time.process_time()
            bench.keep(run, path, story)
            saved = time.perf_counter()
    return story | {"rounds": run.step}


def opening(seeds: Sequence[int] = (0, 1), rounds: int = 20) -> dict[str, dict[str, list]]:
    """Both losses of the first rounds of every row in double precision: the slice that a test plays again."""
    played = {}
    for task, pack, beta1 in itertools.product(TASKS, (1, 2), (0.8, 0.2)):
        run = pacgan.run_of_seeds(seeds, pack, beta1=beta1, dtype=torch.float64)
        source = rounds_of(TASKS[task], seeds, pack, 0, run.G.weight0)
        losses = [[loss.tolist() for loss in pacgan.play_round(run, *next(source), pack)] for _ in range(rounds)]
        name = f"{task}{pack}" if beta1 == 0.8 else f"{task}{pack}_beta{beta1:g}"
        played[name] = {"loss_D": [d for d, _ in losses], "loss_G": [g for _, g in losses]}
    return played


def write_record(stories: dict[str, dict], name: str = "ring_grid", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"points": POINTS, "batch": pacgan.BATCH, "lr": 1e-4, "beta1": 0.8, "beta2": 0.999, "samples": 2_500}
    configuration |= {"rounds": ROUNDS, "g_widths": [400] * 4, "d_units": [200] * 3, "d_pieces": pacgan.PIECES}
    figures = {"runs": stories, "opening": opening()}
    return record.write(name, configuration, figures, sum(story["seconds"] for story in stories.values()), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="which of ROWS, in this order; all of them")
    parser.add_argument("--rounds", type=int, help="where to stop, for now; a later call goes on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = bench.asked(parser, "ring_grid", lambda asked: set(asked.rows) != set(ROWS) or asked.rounds is not None)
    shorter = {"rounds": asked.rounds} if asked.rounds else {}
    stories = {}
    for row in asked.rows:
        path = bench.RUNS / f"ring_grid_{row}.pt"
        stories[row] = main(seeds=range(SEEDS), **ROWS[row] | shorter, device=asked.device, path=path)
    print(write_record(stories, asked.name))
