"""A tiny autoencoder of digits with and without a judge: what a reconstruction loses and what its samples gain.

    python experiments/tokeniser.py                                  # all runs -> results/tokeniser.json
    python experiments/tokeniser.py --rounds 100 --name tokeniser_short

Eight numbers a digit. Rows differ by when the judge begins and by how its term is weighed, and by nothing else; all play as
many rounds on the same batches from the same weights. Scored on test images, which no run has seen. On MNIST, one thread; a
finished run is kept in experiments/runs/.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from one_step import judge_turn
from torch import Tensor, nn

from ganlib import data, metrics, record, weighing
from ganlib.objectives import hinge
from ganlib.training import frozen
from ganlib.weighing import adaptive_weight

ROUNDS, SEEDS, OPENING, SCORED = 600, 5, 3, 5_000
ROWS = {  # share of the rounds before the judge begins, weight of its term, whether its pull is matched first
    "no judge": (1.0, 0.0, True),
    "judge from half-time": (0.5, 0.8, True),
    "judge from the start": (0.0, 0.8, True),
    "judge from half-time, plain sum": (0.5, 0.8, False),
}


class Autoencoder(nn.Module):
    """Image -> a few numbers -> image."""

    def __init__(self, code: int = 8, width: int = 256) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.LeakyReLU(0.2), nn.Linear(width, code))
        hidden = nn.Linear(code, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)
        self.decode = nn.Sequential(*hidden, nn.Linear(width, 784), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images)).unflatten(1, (1, 28, 28))


def patch_judge(width: int = 16) -> nn.Module:
    """Image -> 49 logits, one for each patch, in a row; each sees 18 x 18 pixels."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 3, padding=1),
        nn.Flatten(0),
    )


def fit_autoencoder(
    A: nn.Module, D: nn.Module, batches: Any, rounds: int, start: int, weight: float, matched: bool = True
) -> Any:
    """Plays the rounds and yields what each saw: squared error, D's loss and the factor of the adversarial term."""
    opt_A, opt_D = (torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.99)) for net, lr in ((A, 1e-3), (D, 5e-4)))
    last = A.decode[-2].weight
    for step, images in zip(range(rounds), batches):
        made = A(images)
        loss = error = (images - made).square().mean()
        loss_D = factor = 0.0
        if step >= start and weight:
            loss_D = judge_turn(D, opt_D, images, made, hinge)
            with frozen(D):
                adversarial = hinge.g_loss(None, D(made))
            factor = adaptive_weight(error, adversarial, last) if matched else 1.0
            loss = error + weight * factor * adversarial
        opt_A.zero_grad()
        loss.backward()
        opt_A.step()
        yield error.item(), loss_D, float(factor)


def high_share(images: Tensor) -> float:
    """Of the power of the images, the mean over all pixels aside, the share in waves shorter than four pixels."""
    power = torch.fft.fft2(images[:, 0]).abs().square().mean(dim=0)
    waves = torch.fft.fftfreq(images.shape[-1], device=images.device)
    cycles = (waves[:, None] ** 2 + waves**2).sqrt()
    power[0, 0] = 0
    return (power[cycles > 0.25].sum() / power.sum()).item()


@torch.no_grad()
def score(A: nn.Module, images: Tensor) -> dict[str, float]:
    """Squared error, distance in the eye for digits and share of short waves of the images' reconstructions."""
    made = A(images)
    scored = digits.score(made, floor_of=SCORED)
    return {
        "error": (made - images).square().mean().item(),
        "frechet": scored["frechet"],
        "times_floor": scored["times_floor"],
        "high_share": high_share(made),
    }


def main(seed: int = 0, row: str = "no judge", rounds: int = ROUNDS, opening: int = 0) -> dict[str, Any]:
    """One autoencoder: its scores at the end; with `opening`, its first errors in double precision."""
    share, weight, matched = ROWS[row]
    torch.manual_seed(seed)
    A, D = Autoencoder(), patch_judge()
    batches = data.batches(data.mnist("train").images, 64, seed)
    if opening:
        batches = (images.double() for images in batches)
        played = fit_autoencoder(A.double(), D.double(), batches, opening, 0, weight, matched)
        return {"losses": [list(seen) for seen in played]}
    seen = list(fit_autoencoder(A, D, batches, rounds, round(share * rounds), weight, matched))
    factors = sorted(look[2] for look in seen[-rounds // 4 :])
    outcome = {"row": row, "rounds": rounds, "factor": factors[len(factors) // 2]}
    return outcome | score(A, data.to_float(data.mnist("test").images[:SCORED]))


USES = (Autoencoder, patch_judge, fit_autoencoder, high_share, score, judge_turn, weighing, *digits.USES)
USES += (hinge.d_loss.loss, hinge.g_loss.loss, data.batches, data.to_float, metrics.distances)


def kept(row: str, seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one row, rounded, or what it returned when that run was last finished."""
    settings = {"seed": seed, "row": row, "rounds": rounds}
    outcome = bench.kept(f"tokeniser {row} {seed}", main, settings, [*USES, f"row = {ROWS[row]}"])
    shown = f"error {outcome['error']:.4f}, distance {outcome['frechet']:.1f}, {outcome['seconds']} s"
    print(f"{row}, seed {seed}: {shown}", flush=True)
    return bench.rounded(outcome)


def known_reconstructions() -> dict[str, dict[str, float]]:
    """What the measures say of the test images themselves and of their mean image in place of each."""
    images = data.to_float(data.mnist("test").images[:SCORED])
    mean = images.mean(dim=0, keepdim=True).expand_as(images)
    some = data.to_float(data.mnist("train").images[: len(images)])
    found = {"training images": digits.score(some, floor_of=SCORED) | {"high_share": high_share(some)}}
    found["test images"] = {"error": 0.0, "high_share": high_share(images)}
    found["their mean"] = digits.score(mean, floor_of=SCORED) | {
        "error": (mean - images).square().mean().item(),
        "high_share": high_share(mean),
    }
    return found


def opening() -> dict[str, list[list[float]]]:
    """The first rounds of every row, judged from the first: the slice that a test plays again."""
    return {row: main(0, row, opening=OPENING)["losses"] for row in ROWS}


def write_record(runs: list[dict[str, Any]], name: str = "tokeniser", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"rows": ROWS, "seeds": SEEDS, "rounds": runs[0]["rounds"], "batch": 64, "code": 8, "samples": SCORED}
    figures = {
        "floor": digits.floor(SCORED)[0],
        "known": bench.rounded(known_reconstructions()),
        "runs": runs,
        "opening": opening(),
    }
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "tokeniser", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    table = itertools.product(range(SEEDS), ROWS)
    print(write_record([kept(row, seed, asked.rounds) for seed, row in table], asked.name))
