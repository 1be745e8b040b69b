"""Do D's logits mend a sampler? Samples weighted by the density ratio of a fresh D, beside samples unweighted.

    python experiments/ratio.py                                      # all runs -> results/ratio.json
    python experiments/ratio.py --turns 0.05 --name ratio_short

Two samplers: chapter 8's generator as it is shipped, and the same with too many ones, a fault of known size. Two Ds: one
that saw all digits, one that learned a thousand by heart; and both with logits scaled on digits held back. Samples are drawn
from a pool, all alike or in proportion to exp(logit). On MNIST, one thread; a finished run is kept in experiments/runs/.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from one_step import judge_turn, normals
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganlib import data, eye, metrics, networks, record, weighing
from ganlib.objectives import nonsaturating

SEEDS, OPENING = 5, 4
POOL, DRAWN, HELD = 6_000, 3_000, 4_000
JUDGES = {"all digits": (50_000, 600), "a thousand digits": (1_000, 1_000)}  # reals that D sees, turns
SAMPLERS = ("shipped", "too many ones")


def with_ones(images: Tensor, labels: Tensor, share: float = 0.5, seed: int = 0) -> Tensor:
    """The images, of which this share is replaced by ones from among them."""
    dice, ones = torch.Generator().manual_seed(seed), images[labels == 1]
    replaced = torch.rand(len(images), generator=dice) < share
    chosen = torch.randint(len(ones), (int(replaced.sum()),), generator=dice)
    spoiled = images.clone()
    spoiled[replaced] = ones[chosen]
    return spoiled


def fit_judge(D: nn.Module, reals: Any, fakes: Any, turns: int) -> list[float]:
    """D's turns against fakes that stand still; its losses."""
    opt_D = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.99))
    return [judge_turn(D, opt_D, x, y, nonsaturating) for _, x, y in zip(range(turns), reals, fakes)]


@torch.no_grad()
def logits_of(D: nn.Module, images: Tensor) -> Tensor:
    """D's logits, batch by batch."""
    return torch.cat([D(some) for some in images.split(1000)])


def calibrated(real_logits: Tensor, fake_logits: Tensor) -> float:
    """The factor between 0 and 2 on D's logits with which its loss on samples held back is least."""
    factors = torch.linspace(0, 2, 41, dtype=real_logits.dtype)
    losses = [softplus(-a * real_logits).mean() + softplus(a * fake_logits).mean() for a in factors]
    return factors[torch.stack(losses).argmin()].item()


def miscalibration(real_logits: Tensor, fake_logits: Tensor, bins: int = 10) -> tuple[float, list[list[float]]]:
    """Mean gap between what D says and the share of reals among samples of which it says so; and both, bin by bin."""
    said = torch.cat([real_logits, fake_logits]).sigmoid()
    real = torch.cat([torch.ones_like(real_logits), torch.zeros_like(fake_logits)])
    rows = [[said[part].mean().item(), real[part].mean().item()] for part in said.argsort().chunk(bins)]
    return sum(abs(says - is_real) for says, is_real in rows) / bins, rows


def sampled(sampler: str, n: int, seed: int) -> Tensor:
    """n samples of one of SAMPLERS."""
    images = networks.sample(networks.mnist_generator(), n, seed)
    if sampler == "shipped":
        return images
    labels = eye.classify(eye.digit_classifier(), images)[1].argmax(dim=1)
    return with_ones(images, labels, seed=seed)


def fresh_judge(seed: int = 0) -> nn.Module:
    """D of this seed."""
    torch.manual_seed(seed)
    return networks.MLPDiscriminator(widths=(256, 128))


def main(seed: int = 0, sampler: str = "shipped", turns: float = 1.0) -> dict[str, Any]:
    """A fresh D of each kind against one sampler, and what weighting by it does; a share of the turns for a trial."""
    train, pool = data.mnist("train").images, sampled(sampler, POOL, 1000 + seed)
    seen, held = sampled(sampler, POOL, 2000 + seed), data.to_float(train[-HELD:])
    with torch.random.fork_rng(devices=[]):
        features, probabilities = eye.classify(eye.digit_classifier(), pool)
    target = digits.seen("test")[0]

    def scored(rows: Tensor) -> dict[str, float]:
        ones = (probabilities[rows].argmax(dim=1) == 1).double().mean().item()
        return {"frechet": metrics.frechet_distance(features[rows], target), "ones": ones}

    equal, dice = torch.ones(POOL), torch.Generator().manual_seed(seed)
    alike = torch.multinomial(equal, DRAWN, replacement=True, generator=dice)  # some come twice, as in the weighted draws
    outcome = {"sampler": sampler, "unweighted": scored(alike), "judges": {}}
    for judge, (reals, most) in JUDGES.items():
        D = fresh_judge(seed)
        fit_judge(D, data.batches(train[:reals], 64, seed), data.batches(seen, 64, seed), max(1, round(turns * most)))
        real_logits, pool_logits = logits_of(D, held), logits_of(D, pool)
        half = HELD // 2
        factor = calibrated(real_logits[:half], pool_logits[:half])
        for name, a in {judge: 1.0, f"{judge}, scaled": factor}.items():
            weights, dice = weighing.ratio_weights(a * pool_logits), torch.Generator().manual_seed(seed)
            rows = torch.multinomial(weights, DRAWN, replacement=True, generator=dice)
            gap, table = miscalibration(a * real_logits[half:], a * pool_logits[half : 2 * half])
            about = {"factor": a, "miscalibration": gap, "table": table, "effective": weighing.effective_samples(weights)}
            outcome["judges"][name] = about | scored(rows)
    return outcome


USES = (with_ones, fit_judge, logits_of, calibrated, miscalibration, sampled, fresh_judge, judge_turn, weighing)
USES += (networks.sample, nonsaturating.d_loss.loss, data.batches, *digits.USES, f"numbers = {POOL, DRAWN, HELD, JUDGES}")
USES += (f"{digits.drawn_by('mnist_generator')}", networks.MLPDiscriminator)


def kept(sampler: str, seed: int, turns: float) -> dict[str, Any]:
    """``main`` of one sampler, rounded, or what it returned when that run was last finished."""
    outcome = bench.kept(f"ratio {sampler} {seed}", main, {"seed": seed, "sampler": sampler, "turns": turns}, USES)
    after = ", ".join(f"{name} {judged['frechet']:.1f}" for name, judged in outcome["judges"].items())
    print(f"{sampler}, seed {seed}: {outcome['unweighted']['frechet']:.1f}; {after}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def opening() -> dict[str, list[float]]:
    """D's first losses in double precision, against noise and against ones alone: the slice that a test plays again."""
    train, played = data.mnist("train"), {}
    ones = train.images[train.labels == 1][:500]
    for name, fakes in {"noise": normals(500, 784, 1).tanh().unflatten(1, (1, 28, 28)), "ones": ones}.items():
        reals, against = data.batches(train.images, 64, 0), data.batches(fakes, 64, 0)
        doubles = ((some.double() for some in batches) for batches in (reals, against))
        played[name] = fit_judge(fresh_judge().double(), *doubles, OPENING)
    return played


def write_record(runs: list[dict[str, Any]], name: str = "ratio", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"judges": JUDGES, "seeds": SEEDS, "pool": POOL, "drawn": DRAWN, "held": HELD}
    figures = {"floor": digits.floor(DRAWN)[0], "runs": runs, "opening": opening()} | digits.drawn_by("mnist_generator")
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=float, default=1.0, help="share of the turns of every D")
    asked = bench.asked(parser, "ratio", lambda asked: asked.turns != 1.0)
    torch.set_num_threads(1)
    table = itertools.product(range(SEEDS), SAMPLERS)
    print(write_record([kept(sampler, seed, asked.turns) for seed, sampler in table], asked.name))
