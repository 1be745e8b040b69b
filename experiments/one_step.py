"""One step for a whole flow: students of a teacher that is known exactly, fitted by squared error, by a judge, and by both.

    python experiments/one_step.py                                   # all runs -> results/one_step.json
    python experiments/one_step.py --rounds 200 --name one_step_short

The teacher is the probability-flow equation of a mixture of normals, whose score has a closed form: two modes on a line, eight
on a ring. Its pairs of noise and sample are handed to the students as they are, or shuffled, so that noise says nothing about
the sample. Rows differ by pairs, loss and width alone; one thread. A finished run is kept in experiments/runs/.
"""

import argparse
import copy
import functools
import itertools
import math
from pathlib import Path
from typing import Any

import bench
import torch
from torch import Tensor, nn

from ganlib import data, metrics, penalties, record
from ganlib.objectives import nonsaturating
from ganlib.training import frozen, remembering, update_ema

TASKS = {"line": (torch.tensor([[-2.0], [2.0]]), 0.5), "ring": (data.ring_centres(), 0.05)}
ROWS = {  # pairs, weight of the squared error, weight of the judge, width of the student
    "shuffled, squared": ("shuffled", 1.0, 0.0, 64),
    "shuffled, both": ("shuffled", 0.1, 1.0, 64),
    "teacher's, squared": ("teacher's", 1.0, 0.0, 64),
    "teacher's, both": ("teacher's", 0.1, 1.0, 64),
    "judge alone": ("shuffled", 0.0, 1.0, 64),
    "narrow, squared": ("teacher's", 1.0, 0.0, 8),
    "narrow, both": ("teacher's", 0.1, 1.0, 8),
    "narrow, judge alone": ("shuffled", 0.0, 1.0, 8),
}
ON_THE_LINE = ("shuffled, squared", "shuffled, both", "teacher's, squared", "teacher's, both")
SEEDS, ROUNDS, PAIRS, SAMPLES = 5, 1_500, 20_000, 10_000
OPENING = 5


def denoised(x: Tensor, noise: float, centres: Tensor, std: float) -> Tensor:
    """The mean of what x was before normal noise of this standard deviation came on it, of a mixture of equal normals."""
    variance = std**2 + noise**2
    shares = (-torch.cdist(x, centres).square() / (2 * variance)).softmax(dim=1)
    return (std**2 * x + noise**2 * (shares @ centres)) / variance


def teacher(z: Tensor, centres: Tensor, std: float, top: float = 40.0, steps: int = 80) -> Tensor:
    """The probability flow from noise of standard deviation `top` to almost none, by Heun's steps."""
    noises = torch.logspace(math.log10(top), -2, steps + 1).tolist()
    x = top * z
    for now, then in itertools.pairwise(noises):
        slope = (x - denoised(x, now, centres, std)) / now
        guess = x + (then - now) * slope
        slope_then = (guess - denoised(guess, then, centres, std)) / then
        x = x + (then - now) * (slope + slope_then) / 2
    return denoised(x, noises[-1], centres, std)


def layers(inputs: int, outputs: int, width: int) -> nn.Sequential:
    """Three linear layers and ReLUs; a single output is a number a sample."""
    body = nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
    return nn.Sequential(*body, nn.Linear(width, outputs))


def judge_turn(
    D: nn.Module, opt_D: torch.optim.Optimizer, reals: Tensor, fakes: Tensor, game: Any, gamma: float = 0.0
) -> float:
    """D's turn on these reals and fakes, with R1 and R2 where gamma is not 0; its loss."""
    reals, fakes = reals.detach().requires_grad_(), fakes.detach().requires_grad_()
    real_logits, fake_logits = D(reals), D(fakes)
    loss_D = game.d_loss(real_logits, fake_logits)
    if gamma:
        answers = remembering(D, (), (reals, real_logits), (fakes, fake_logits))
        loss_D = loss_D + penalties.r1(answers, reals, fakes, gamma)
        loss_D = loss_D + penalties.r2(answers, reals, fakes, gamma)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()
    return loss_D.item()


def plain_adam(network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Adam without momentum."""
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.99), fused=True)


def distil(
    z: Tensor, x: Tensor, squared: float, adversarial: float, width: int = 64, rounds: int = 1500, seed: int = 0
) -> tuple[nn.Module, list[float]]:
    """A student's averaged weights, and its loss in every round."""
    torch.manual_seed(seed)
    G = layers(z.shape[1], x.shape[1], width)
    D = nn.Sequential(layers(x.shape[1], 1, 64), nn.Flatten(0))
    G, D = G.to(x.dtype), D.to(x.dtype)
    opt_G, opt_D, average, losses = plain_adam(G, 1e-3), plain_adam(D, 1e-3), copy.deepcopy(G), []
    for _, (noise, target) in zip(range(rounds), data.batches((z, x), 256, seed)):
        made = G(noise)
        loss = squared * (made - target).square().sum(dim=1).mean()
        if adversarial:
            judge_turn(D, opt_D, target, made, nonsaturating, gamma=0.1)
            with frozen(D):
                loss = loss + adversarial * nonsaturating.g_loss(None, D(made))
        opt_G.zero_grad()
        loss.backward()
        opt_G.step()
        update_ema(average, G, 0.99)
        losses.append(loss.item())
    return average, losses


def normals(n: int, dim: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers (n, dim) from a seed of their own."""
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)).to(dtype)


@functools.cache
def pairs_of(task: str, kind: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Noise and sample: the teacher's own pairs, or the same samples in another order."""
    centres, std = TASKS[task]
    z = normals(PAIRS, centres.shape[1], 1, dtype)
    x = teacher(z, centres.to(dtype), std)
    order = torch.randperm(PAIRS, generator=torch.Generator().manual_seed(2)) if kind == "shuffled" else slice(None)
    return z, x[order]


@torch.no_grad()
def score(samples: Tensor, task: str) -> dict[str, float]:
    """Modes, share near one, reverse KL over modes; on the line Wasserstein's distance to as many draws of the mixture too."""
    centres, std = TASKS[task]
    modes, share, reverse_kl = metrics.mode_coverage(samples, centres, std)
    scores = {"modes": modes, "share": share, "reverse_kl": reverse_kl}
    if task == "line":
        other = data.gaussian_mixture_1d(len(samples), seed=3)
        scores["wasserstein"] = (samples.sort(dim=0).values - other.sort(dim=0).values).abs().mean().item()
    return scores


def main(seed: int = 0, task: str = "line", row: str = "shuffled, squared", rounds: int = ROUNDS) -> dict[str, Any]:
    """One student: its scores, and its mean squared distance from the teacher's own answers."""
    kind, squared, adversarial, width = ROWS[row]
    G, _ = distil(*pairs_of(task, kind), squared, adversarial, width, rounds, seed)
    z = normals(SAMPLES, TASKS[task][0].shape[1], 4)
    with torch.no_grad():
        made, asked = G(z), teacher(z, *TASKS[task])
    error = (made - asked).square().sum(dim=1).mean().item()
    return {"task": task, "row": row, "rounds": rounds, "from_teacher": error} | score(made, task)


USES = (denoised, teacher, layers, judge_turn, plain_adam, distil, normals, pairs_of, score, metrics.mode_coverage, penalties)
USES += (nonsaturating.d_loss.loss, nonsaturating.g_loss.loss, remembering, update_ema, f"numbers = {PAIRS, SAMPLES}")


def kept(task: str, row: str, seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one student, rounded, or what it returned when that run was last finished."""
    settings = {"seed": seed, "task": task, "row": row, "rounds": rounds}
    outcome = bench.kept(f"one step {task} {row} {seed}", main, settings, [*USES, f"row = {ROWS[row]}"])
    print(
        f"{task}, {row}, seed {seed}: {outcome['modes']} modes, share {outcome['share']:.2f}, {outcome['seconds']} s",
        flush=True,
    )
    return bench.rounded(outcome)


def known_points() -> dict[str, dict[str, dict[str, float]]]:
    """What the measures say of the mixture itself, of the teacher, and of its mean."""
    draws = {"line": data.gaussian_mixture_1d(SAMPLES, seed=5), "ring": data.gaussian_ring(SAMPLES, std=0.05, seed=5)}
    found = {}
    for task, (centres, std) in TASKS.items():
        samples = {"mixture": draws[task], "teacher": teacher(normals(SAMPLES, centres.shape[1], 4), centres, std)}
        samples["mean"] = torch.zeros_like(draws[task])
        found[task] = {name: score(some, task) for name, some in samples.items()}
    return found


def opening(rounds: int = OPENING) -> dict[str, list[float]]:
    """G's first losses of every row on the ring, in double precision: the slice that a test plays again."""
    played = {}
    for row, (kind, squared, adversarial, width) in ROWS.items():
        played[row] = distil(*pairs_of("ring", kind, torch.float64), squared, adversarial, width, rounds)[1]
    return played


def write_record(runs: list[dict[str, Any]], name: str = "one_step", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"rows": ROWS, "seeds": SEEDS, "rounds": runs[0]["rounds"], "pairs": PAIRS, "samples": SAMPLES}
    figures = {"known": bench.rounded(known_points()), "runs": runs, "opening": opening()}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "one_step", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    students = [*(("line", row) for row in ON_THE_LINE), *(("ring", row) for row in ROWS)]
    table = [(seed, *student) for seed, student in itertools.product(range(SEEDS), students)]
    print(write_record([kept(task, row, seed, asked.rounds) for seed, task, row in table], asked.name))
