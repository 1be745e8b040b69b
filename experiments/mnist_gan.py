"""The GAN of chapter 8, trained again from other seeds and in other ways, and scored.

    python experiments/mnist_gan.py seeds    # five seeds            -> results/mnist_gan.json
    python experiments/mnist_gan.py tried    # one change at a time  -> results/mnist_gan_tried.json
    python experiments/mnist_gan.py eps      # BatchNorm1d(n, 0.8)   -> results/mnist_gan_eps.json
    python experiments/mnist_gan.py shared   # one set of fakes a round, as many seconds -> results/mnist_gan_shared.json

Every finished run is kept in experiments/runs/, so that an interrupted experiment goes on where it stopped.
"""

import argparse
import copy
import functools
import hashlib
import inspect
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import data, eye, metrics, networks, objectives, penalties, record, training
from ganlib.types import Game

RUNS = Path(__file__).parent / "runs"
WEIGHTS = Path(networks.__file__).parent / "weights"


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


def fresh_run(
    G: nn.Module, D: nn.Module, lr: float = 1e-3, lr_D: float = 5e-4, betas: Sequence[float] = (0.0, 0.99)
) -> training.Run:
    """A run about to begin, with the optimisers of the chapter: Adam without momentum, G twice as fast as D."""
    opt_G = torch.optim.Adam(G.parameters(), lr=lr, betas=tuple(betas), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=lr_D, betas=tuple(betas), fused=True)
    return training.Run(G, D, opt_G, opt_D)


def train_once(
    seed: int = 0,
    rounds: int = 16_000,
    batch: int = 128,
    lr: float = 1e-3,
    lr_D: float = 5e-4,
    betas: Sequence[float] = (0.0, 0.99),
    decay_from: float = 0.25,
    decay_to: float = 0.2,
    ema_decay: float = 0.9998,
    ema_share: float = 0.2,
    gamma: float = 0.0,
    dropout: float = 0.0,
    objective: str = "nonsaturating",
    eps_08: bool = False,
    bfloat16: bool = False,
    shared: bool = False,
    looks: int = 0,
    opening: int = 0,
    progress: bool = True,
) -> tuple[training.Run, float, list[dict]]:
    """A run, its training time in seconds of the processor, and scores of its generators at `looks` evenly spaced rounds.

    From share `decay_from` of the rounds on, both learning rates fall in a line to share `decay_to` of themselves. With
    `shared`, both turns of a round look at the same fakes. With `opening`, only so many of the rounds are played, in double
    precision, weights drawn in it too, and their losses stand in place of the scores.
    """
    torch.manual_seed(seed)
    images, _ = data.mnist("train")
    G, D = networks.MLPGenerator(), networks.MLPDiscriminator()
    if eps_08:
        copy_batch_norm(G)
    if dropout:
        add_dropout(D, dropout)
    if opening:
        for layer in [*G.double().modules(), *D.double().modules()]:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
    run = fresh_run(G, D, lr, lr_D, betas)
    schedules = [linear_decay(opt, rounds, decay_from, decay_to) for opt in (run.opt_G, run.opt_D)]
    penalty = functools.partial(penalties.r1, gamma=gamma) if gamma else None
    game = getattr(objectives, objective)
    along, scoring, begun = [], 0.0, time.process_time()
    # Within one context autocast keeps the bfloat16 copies of weights; here weights change, so nothing may be kept.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16, cache_enabled=False):
        reals, memory = data.batches(images, batch, seed), {"ema_decay": ema_decay, "ema_share": ema_share}
        reals = (batch.double() for batch in reals) if opening else reals
        steps = (shared_rounds if shared else training.train)(run, reals, game, penalty, steps=rounds, **memory)
        steps = itertools.islice(steps, opening or rounds)
        for losses in tqdm(steps, total=opening or rounds, desc=f"seed {seed}", disable=not progress):
            for schedule in schedules:
                schedule.step()
            if opening:
                along.append({"loss_D": losses.loss_D, "loss_G": losses.loss_G})
            elif looks and losses.step % (rounds // looks) == 0:
                stopped = time.process_time()
                with torch.random.fork_rng(devices=[]), torch.autocast("cpu", enabled=False):
                    ema, raw = (score(copy.deepcopy(net)) for net in (refreshed(run.G_ema), run.G))
                along.append({"round": losses.step, "loss_D": losses.loss_D, "loss_G": losses.loss_G, "ema": ema, "raw": raw})
                scoring += time.process_time() - stopped
    return run, time.process_time() - begun - scoring, along


def shared_rounds(
    run: training.Run,
    batches: Iterator[Tensor],
    objective: Game,
    penalty: training.Penalty | None = None,
    *,
    steps: int,
    ema_decay: float,
    ema_share: float,
) -> Iterator[training.Losses]:
    """:func:`ganlib.training.train` for games whose G looks at no reals, but for one set of fakes a round, for both turns."""
    for _ in range(steps):
        reals = next(batches)
        fakes = run.G(run.G.sample_z(len(reals)))
        real_logits, fake_logits = run.D(reals), run.D(fakes.detach())
        loss_D = objective.d_loss(real_logits, fake_logits)
        if penalty is not None:
            loss_D = loss_D + penalty(run.D, reals, fakes.detach())
        training.check_finite(loss_D, "D", run.step + 1)
        run.opt_D.zero_grad()
        loss_D.backward()
        run.opt_D.step()
        with training.frozen(run.D):
            loss_G = objective.g_loss(None, run.D(fakes))
        training.check_finite(loss_G, "G", run.step + 1)
        run.opt_G.zero_grad()
        loss_G.backward()
        run.opt_G.step()
        run.step += 1
        memory = ema_share * run.step
        training.update_ema(run.G_ema, run.G, min(ema_decay, memory / (memory + 1)))
        prob_real, prob_fake = real_logits.sigmoid().mean(), fake_logits.sigmoid().mean()
        yield training.Losses(run.step, loss_D.item(), loss_G.item(), prob_real.item(), prob_fake.item())


def refreshed(G_ema: nn.Module, seed: int = 2) -> nn.Module:
    """A copy whose batch normalisation keeps the statistics of its own activations, measured on 20,000 latents."""
    G_ema = copy.deepcopy(G_ema)
    latents = torch.randn(20, 1000, G_ema.z_dim, generator=torch.Generator().manual_seed(seed))
    torch.optim.swa_utils.update_bn(latents, G_ema)
    return G_ema


def linear_decay(optimiser: torch.optim.Optimizer, rounds: int, start: float, end: float) -> torch.optim.lr_scheduler.LambdaLR:
    """Full learning rate until share `start` of the rounds, then in a straight line to share `end` of it."""
    left = lambda step: min(1.0, (1 - step / rounds) / (1 - start))  # noqa: E731 (the share of the way still to go)
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: end + (1 - end) * left(step))


@functools.cache
def references() -> tuple[Tensor, float, list[float]]:
    """Features of the test set, and the floor: distances of five random sets of 10,000 training images, mean and each."""
    classifier = eye.digit_classifier()
    test_features, _ = eye.classify(classifier, data.mnist("test").images)
    train_features, _ = eye.classify(classifier, data.mnist("train").images)
    order = [torch.randperm(len(train_features), generator=torch.Generator().manual_seed(s))[:10_000] for s in range(5)]
    floors = [metrics.frechet_distance(train_features[rows], test_features) for rows in order]
    return test_features, sum(floors) / len(floors), floors


def score(G: nn.Module, n: int = 10_000) -> dict[str, float]:
    """What the classifier says of n samples: distance to the test set, its multiple of the floor, confidence, balance."""
    test_features, floor, _ = references()
    features, probabilities = eye.classify(eye.digit_classifier(), networks.sample(G, n))
    distance = metrics.frechet_distance(features, test_features)
    balance = metrics.class_balance(probabilities)
    return {
        "frechet": distance,
        "times_floor": distance / floor,
        "confidence": probabilities.max(dim=1).values.mean().item(),
        "rarest_class": balance.min().item(),
        "commonest_class": balance.max().item(),
    }


def main(seed: int = 0, **settings: float | str | bool) -> tuple[dict, nn.Module]:
    """Trains once, from the settings of :func:`train_once`, and scores the averaged and the raw generator.

    "ema" has its batch statistics measured anew, "stale" those that were averaged along with its weights.
    """
    run, seconds, along = train_once(seed, **settings)
    averaged = refreshed(run.G_ema)
    outcome = {"seed": seed, "seconds": round(seconds, 1), "settings": settings}
    outcome |= {"ema": score(averaged), "stale": score(run.G_ema), "raw": score(run.G), "along": along}
    return outcome, averaged


def kept(name: str, **settings: float | str | bool) -> dict:
    """``main(**settings)``, or what it returned when a run of this name was last finished."""
    path = RUNS / f"{name}.json"
    if not path.exists():
        outcome, averaged = main(**settings)
        RUNS.mkdir(exist_ok=True)
        save_file(averaged.state_dict(), RUNS / f"{name}.safetensors")
        path.write_text(json.dumps(outcome))
    outcome = json.loads(path.read_text())
    print(
        f"{name:28s} G_ema {outcome['ema']['times_floor']:.2f}, raw {outcome['raw']['times_floor']:.2f} times the floor",
        flush=True,
    )
    return outcome


# One change at a time from SHORT, which is the chapter's recipe with fewer rounds and in bfloat16, so that many can be tried.
# G_ema remembers a tenth of the rounds in them; the recipe's fifth helps at the end of a full run, and not before.
TENTH = {"ema_decay": 0.9995, "ema_share": 0.1}
SHORT = {"rounds": 2_000, "bfloat16": True} | TENTH
TRIED = {
    "the recipe, shortened": {},
    "Adam's betas (0.5, 0.999)": {"betas": (0.5, 0.999)},
    "the same, learning rate 2e-4 for both": {"betas": (0.5, 0.999), "lr": 2e-4, "lr_D": 2e-4},
    "learning rate 1e-3 for D too": {"lr_D": 1e-3},
    "learning rate 2e-3 for both": {"lr": 2e-3, "lr_D": 2e-3},
    "learning rate 5e-4 for both": {"lr": 5e-4},
    "no decay of the learning rates": {"decay_to": 1.0},
    "decay to zero": {"decay_to": 0.0},
    "batch 64, twice the rounds": {"batch": 64, "rounds": 4_000},
    "batch 256, half the rounds": {"batch": 256, "rounds": 1_000},
    "R1 with gamma 0.5": {"gamma": 0.5},
    "dropout 0.3 in D": {"dropout": 0.3},
    "relativistic": {"objective": "relativistic"},
}


def opening(seed: int = 0, first: int = 20, **changes: float | str | bool) -> dict[str, list[float]]:
    """Both losses of the first rounds: the slice that a test plays again and compares with the record.

    In double precision: Adam's first steps are signs of gradients, so that a processor which rounds otherwise strays by 0.03
    within twenty rounds of single precision.
    """
    _, _, rows = train_once(seed, opening=first, progress=False, **(changes | {"bfloat16": False}))
    return {player: [row[player] for row in rows] for player in ("loss_D", "loss_G")}


RECORDED = {"looks": 16, "bfloat16": True}  # scored sixteen times along the way; bfloat16 halves the hours of five seeds


def five_seeds() -> None:
    runs = [kept(f"seed{seed}", seed=seed, **RECORDED) for seed in range(5)]
    tenth = [kept(f"tenth{seed}", seed=seed, **(RECORDED | TENTH))["ema"]["times_floor"] for seed in range(5)]
    _, floor, floors = references()
    figures = {"floor": floor, "floors": floors, "runs": runs, "memory_of_a_tenth": tenth, "opening": opening()}
    figures |= {"sha256": ship(RUNS / "seed0.safetensors")}
    defaults = {name: value.default for name, value in inspect.signature(train_once).parameters.items()}
    record.write("mnist_gan", defaults | RECORDED, figures, sum(run["seconds"] for run in runs), clock="processor")


def ship(path: Path) -> str:
    """Puts the weights of a kept run into the library, in half precision, and returns their SHA-256."""
    halves = {name: value.half() if value.is_floating_point() else value for name, value in load_file(path).items()}
    content = to_bytes(halves)
    sha256 = hashlib.sha256(content).hexdigest()
    (WEIGHTS / "mnist_generator.safetensors").write_bytes(content)
    manifest = json.loads((WEIGHTS / "manifest.json").read_text())
    made = {"sha256": sha256, "made_by": "experiments/mnist_gan.py", "record": "results/mnist_gan.json"}
    manifest["mnist_generator.safetensors"] = made
    (WEIGHTS / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return sha256


def what_was_tried() -> None:
    runs = [{"name": name} | kept(f"tried{i}", seed=0, **(SHORT | change)) for i, (name, change) in enumerate(TRIED.items())]
    figures = {"runs": runs, "opening": {name: opening(first=5, **(SHORT | change)) for name, change in TRIED.items()}}
    record.write("mnist_gan_tried", SHORT, figures, sum(run["seconds"] for run in runs), clock="processor")


def eps_in_place_of_momentum() -> None:
    runs = {
        name: [kept(f"{name}{seed}", seed=seed, eps_08=copied, **SHORT) for seed in range(5)]
        for name, copied in (("correct", False), ("copied", True))
    }
    seconds = sum(run["seconds"] for rows in runs.values() for run in rows)
    record.write("mnist_gan_eps", SHORT, runs | {"opening": opening(eps_08=True, **SHORT)}, seconds, clock="processor")


# What sharing saves is spent on more rounds: by the record of throughput.py, a round with shared fakes takes 1/1.2 of the time
# of one with fresh fakes (batch 128, bfloat16).
SHARED = {"rounds": 19_200, "shared": True, "bfloat16": True}


def shared_fakes() -> None:
    runs = [kept(f"shared{seed}", seed=seed, **SHARED) for seed in range(5)]
    seconds = sum(run["seconds"] for run in runs)
    record.write("mnist_gan_shared", SHARED, {"runs": runs, "opening": opening(**SHARED)}, seconds, clock="processor")


if __name__ == "__main__":
    experiments = {"seeds": five_seeds, "tried": what_was_tried, "eps": eps_in_place_of_momentum, "shared": shared_fakes}
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=experiments)
    experiments[parser.parse_args().what]()
