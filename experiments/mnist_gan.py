"""The GAN of chapter 8, trained again from other seeds and in other ways, and scored.

    python experiments/mnist_gan.py seeds    # five seeds            -> results/mnist_gan.json
    python experiments/mnist_gan.py tried    # one change at a time  -> results/mnist_gan_tried.json
    python experiments/mnist_gan.py eps      # BatchNorm1d(n, 0.8)   -> results/mnist_gan_eps.json

Every finished run is kept in experiments/runs/, so that an interrupted experiment goes on where it stopped.
"""

import argparse
import functools
import inspect
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import data, metrics, networks, objectives, penalties, record, training

RUNS = Path(__file__).parent / "runs"


def copy_batch_norm(G: nn.Module) -> None:
    """``BatchNorm1d(n, 0.8)`` in place of every batch normalisation, as often copied: 0.8 is eps, momentum stays 0.1."""
    for index, layer in enumerate(G.layers):
        if isinstance(layer, nn.BatchNorm1d):
            G.layers[index] = nn.BatchNorm1d(layer.num_features, 0.8)


def add_dropout(D: nn.Module, share: float) -> None:
    """Dropout after each hidden layer of D, as the 2014 paper had it."""
    layers = []
    for layer in D.layers:
        layers += [layer, nn.Dropout(share)] if isinstance(layer, nn.LeakyReLU) else [layer]
    D.layers = nn.Sequential(*layers)


def fresh_run(G: nn.Module, D: nn.Module, lr: float = 1e-3, betas: Sequence[float] = (0.0, 0.99)) -> training.Run:
    """A run about to begin, with the optimisers of the chapter: Adam without momentum for both players."""
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), lr=lr, betas=tuple(betas), fused=True) for net in (G, D))
    return training.Run(G, D, opt_G, opt_D)


def train_once(
    seed: int = 0,
    rounds: int = 8_000,
    batch: int = 256,
    lr: float = 1e-3,
    betas: Sequence[float] = (0.0, 0.99),
    decay_from: float = 0.5,
    ema_decay: float = 0.999,
    gamma: float = 0.0,
    dropout: float = 0.0,
    objective: str = "nonsaturating",
    eps_08: bool = False,
    bfloat16: bool = False,
    progress: bool = True,
) -> tuple[training.Run, float]:
    """A run and its training seconds. From share `decay_from` of the rounds on, the learning rate falls in a line to zero."""
    torch.manual_seed(seed)
    images, _ = data.mnist("train")
    G, D = networks.MLPGenerator(), networks.MLPDiscriminator()
    if eps_08:
        copy_batch_norm(G)
    if dropout:
        add_dropout(D, dropout)
    run = fresh_run(G, D, lr, betas)
    schedules = [linear_decay(opt, rounds, decay_from) for opt in (run.opt_G, run.opt_D)]
    penalty = functools.partial(penalties.r1, gamma=gamma) if gamma else None
    game = getattr(objectives, objective)
    begun = time.perf_counter()
    # Within one context autocast keeps the bfloat16 copies of weights; here weights change, so nothing may be kept.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16, cache_enabled=False):
        steps = training.train(run, data.batches(images, batch, seed), game, penalty, steps=rounds, ema_decay=ema_decay)
        for _ in tqdm(steps, total=rounds, desc=f"seed {seed}", disable=not progress):
            for schedule in schedules:
                schedule.step()
    return run, time.perf_counter() - begun


def linear_decay(optimiser: torch.optim.Optimizer, rounds: int, start: float) -> torch.optim.lr_scheduler.LambdaLR:
    """Full learning rate until `start` of the rounds, then in a straight line to zero."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (1 - step / rounds) / (1 - start)))


@torch.no_grad()
def sample(G: nn.Module, n: int = 10_000, seed: int = 1) -> Tensor:
    """n images of G in evaluation mode from a seed of their own."""
    z = torch.randn(n, G.z_dim, generator=torch.Generator().manual_seed(seed))
    return torch.cat([G.eval()(chunk) for chunk in z.split(1000)])


@functools.cache
def references() -> tuple[Tensor, float, list[float]]:
    """Features of the test set, and the floor: distances of five random sets of 10,000 training images, mean and each."""
    classifier = networks.digit_classifier()
    test_features, _ = networks.classify(classifier, data.mnist("test").images)
    train_features, _ = networks.classify(classifier, data.mnist("train").images)
    order = [torch.randperm(len(train_features), generator=torch.Generator().manual_seed(s))[:10_000] for s in range(5)]
    floors = [metrics.frechet_distance(train_features[rows], test_features) for rows in order]
    return test_features, sum(floors) / len(floors), floors


def score(G: nn.Module) -> dict[str, float]:
    """What the classifier says of 10,000 samples: distance to the test set, its multiple of the floor, confidence, balance."""
    test_features, floor, _ = references()
    features, probabilities = networks.classify(networks.digit_classifier(), sample(G))
    distance = metrics.frechet_distance(features, test_features)
    balance = metrics.class_balance(probabilities)
    return {
        "frechet": distance,
        "times_floor": distance / floor,
        "confidence": probabilities.max(dim=1).values.mean().item(),
        "rarest_class": balance.min().item(),
        "commonest_class": balance.max().item(),
    }


def main(seed: int = 0, **settings: float | str | bool) -> dict:
    """Trains once, from the settings of :func:`train_once`, and scores the averaged and the raw generator."""
    run, seconds = train_once(seed, **settings)
    return {"seed": seed, "seconds": round(seconds, 1), "ema": score(run.G_ema), "raw": score(run.G), "settings": settings}


def kept(name: str, **settings: float | str | bool) -> dict:
    """``main(**settings)``, or what it returned when a run of this name was last finished."""
    path = RUNS / f"{name}.json"
    if not path.exists():
        outcome = main(**settings)
        RUNS.mkdir(exist_ok=True)
        path.write_text(json.dumps(outcome))
    outcome = json.loads(path.read_text())
    print(
        f"{name:28s} G_ema {outcome['ema']['times_floor']:.2f}, raw {outcome['raw']['times_floor']:.2f} times the floor",
        flush=True,
    )
    return outcome


# One change at a time from SHORT, which is the chapter's recipe with fewer rounds and in bfloat16, so that many can be tried.
SHORT = {"rounds": 600, "ema_decay": 0.99, "bfloat16": True}
TRIED = {
    "the recipe, shortened": {},
    "Adam's betas (0.5, 0.999)": {"betas": (0.5, 0.999)},
    "the same, learning rate 2e-4": {"betas": (0.5, 0.999), "lr": 2e-4},
    "learning rate 2e-3": {"lr": 2e-3},
    "no decay of the learning rate": {"decay_from": 1.0 - 1e-9},
    "batch 64, twice the rounds": {"batch": 64, "rounds": 1_200},
    "R1 with gamma 0.5": {"gamma": 0.5},
    "dropout 0.3 in D": {"dropout": 0.3},
    "relativistic": {"objective": "relativistic"},
}


def opening(seed: int = 0, rounds: int = 20) -> dict[str, list[float]]:
    """Both losses of the first rounds of the recipe: the slice that a test plays again and compares with the record.

    In double precision, weights drawn in it too: Adam's first steps are signs of gradients, so that a processor which rounds
    otherwise strays by 0.03 within twenty rounds of single precision.
    """
    torch.manual_seed(seed)
    images, _ = data.mnist("train")
    G, D = networks.MLPGenerator().double(), networks.MLPDiscriminator().double()
    for layer in [*G.modules(), *D.modules()]:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    run = fresh_run(G, D)
    doubles = (reals.double() for reals in data.batches(images, 256, seed))
    rows = list(training.train(run, doubles, objectives.nonsaturating, steps=rounds))
    return {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}


def five_seeds() -> None:
    begun = time.perf_counter()
    runs = [kept(f"seed{seed}", seed=seed) for seed in range(5)]
    _, floor, floors = references()
    figures = {"floor": floor, "floors": floors, "runs": runs, "opening": opening()}
    defaults = {name: value.default for name, value in inspect.signature(train_once).parameters.items()}
    record.write("mnist_gan", defaults, figures, time.perf_counter() - begun)


def what_was_tried() -> None:
    begun = time.perf_counter()
    runs = [{"name": name} | kept(f"tried{i}", seed=0, **(SHORT | change)) for i, (name, change) in enumerate(TRIED.items())]
    record.write("mnist_gan_tried", SHORT, {"runs": runs}, time.perf_counter() - begun)


def eps_in_place_of_momentum() -> None:
    begun = time.perf_counter()
    figures = {
        name: [kept(f"{name}{seed}", seed=seed, eps_08=copied, **SHORT) for seed in range(5)]
        for name, copied in (("correct", False), ("copied", True))
    }
    record.write("mnist_gan_eps", SHORT, figures, time.perf_counter() - begun)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["seeds", "tried", "eps"])
    {"seeds": five_seeds, "tried": what_was_tried, "eps": eps_in_place_of_momentum}[parser.parse_args().what]()
