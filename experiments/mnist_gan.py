"""The GAN of chapter 8, trained again from other seeds and in other ways, and scored.

    python experiments/mnist_gan.py seeds    # five seeds            -> results/mnist_gan.json
    python experiments/mnist_gan.py half     # D at half of G's rate -> results/mnist_gan_half.json
    python experiments/mnist_gan.py tried    # one change at a time  -> results/mnist_gan_tried.json
    python experiments/mnist_gan.py eps      # BatchNorm1d(n, 0.8)   -> results/mnist_gan_eps.json

One thread each. Every finished run is kept, so that an interrupted experiment goes on where it stopped.
"""

import argparse
import copy
import functools
import inspect
import time
from collections.abc import Sequence
from typing import Any

import bench
import digits
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm.auto import tqdm
from usual import copy_batch_norm

from ganlib import data, networks, objectives, penalties, record, training

LOOKS = tuple(range(1_000, 16_001, 1_000))


def add_dropout(D: nn.Module, share: float) -> None:
    """Dropout after each hidden layer of D, as the 2014 paper had it."""
    layers = []
    for layer in D.layers:
        layers += [layer, nn.Dropout(share)] if isinstance(layer, nn.LeakyReLU) else [layer]
    D.layers = nn.Sequential(*layers)


def begin(seed: int, eps_08: bool, dropout: float, bfloat16: bool, double: bool, **rates: Any) -> training.Run:
    """The run about to begin; in double precision, if asked for, its weights are drawn in it too."""
    torch.manual_seed(seed)
    G, D = networks.MLPGenerator(), networks.MLPDiscriminator()
    if eps_08:
        copy_batch_norm(G)
    if dropout:
        add_dropout(D, dropout)
    if double:
        bench.reset_in_double(G, D)
    if bfloat16:
        G, D = networks.in_bfloat16(G), networks.in_bfloat16(D)
    return bench.fresh_run(G, D, **rates)


def remember(average: nn.Module, G: nn.Module, step: int, share: float) -> None:
    """The average of G's weights that remembers this share of the rounds played."""
    training.update_ema(average, G, share * step / (share * step + 1))


def train_once(
    seed: int = 0,
    rounds: int = 16_000,
    batch: int = 128,
    lr: float = 1e-3,
    lr_D: float = 3.5e-4,
    betas: Sequence[float] = (0.0, 0.99),
    decay_from: float = 0.25,
    decay_to: float = 0.2,
    ema_share: float = 0.2,
    gamma: float = 0.0,
    dropout: float = 0.0,
    objective: str = "nonsaturating",
    eps_08: bool = False,
    bfloat16: bool = False,
    looks: Sequence[int] = (),
    second_share: float = 0.0,
    opening: int = 0,
    progress: bool = True,
) -> tuple[training.Run, nn.Module | None, dict[str, Any]]:
    """A run, a second average of it, and "seconds" of training on the processor with "along", the scores at the rounds `looks`.

    Args:
        decay_from: from this share of the rounds on, both learning rates fall in a line.
        decay_to: the share of themselves to which they fall.
        gamma: of R1.
        second_share: of the rounds played that a second average remembers, kept alongside; 0 keeps none.
        opening: only so many of the rounds are played, in double precision, and their losses are returned in place of the
            seconds and the scores.
    """
    run = begin(seed, eps_08, dropout, bfloat16 and not opening, bool(opening), lr=lr, lr_D=lr_D, betas=betas)
    batches, game = data.batches(data.mnist("train").images, batch, seed), getattr(objectives, objective)
    play = functools.partial(training.train, ema_share=ema_share)
    if gamma:
        play = functools.partial(play, penalty=functools.partial(penalties.r1, gamma=gamma))
    if opening:
        return run, None, bench.opening(run, batches, game, opening, play)
    schedules = [bench.linear_decay(opt, rounds, decay_from, decay_to) for opt in (run.opt_G, run.opt_D)]
    second = copy.deepcopy(run.G_ema) if second_share else None
    along, aside, begun = [], 0.0, time.process_time()
    for losses in tqdm(play(run, batches, game, steps=rounds), total=rounds, desc=f"seed {seed}", disable=not progress):
        for schedule in schedules:
            schedule.step()
        if second is None and losses.step not in looks:
            continue
        stopped = time.process_time()
        if second is not None:
            remember(second, run.G, losses.step, second_share)
        if losses.step in looks:
            row = {"round": losses.step, "seconds": round(stopped - begun - aside, 2)}
            row |= {"loss_D": losses.loss_D, "loss_G": losses.loss_G}
            along.append(row | {"ema": score(bench.refreshed(run.G_ema)), "raw": score(run.G)})
        aside += time.process_time() - stopped
    return run, second, {"seconds": round(time.process_time() - begun - aside, 1), "along": along}


def score(G: nn.Module, n: int = 10_000) -> dict[str, float]:
    """What the eye for digits says of n samples of G, its products in float32."""
    return digits.score(networks.sample(bench.plain(G), n))


def main(seed: int = 0, **settings: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Trains once, from the settings of :func:`train_once`; scores, and the weights of the averaged generator.

    "ema" has its batch statistics measured anew, "stale" those that were averaged along with its weights; "second" is the
    second average, measured anew.
    """
    run, second, seen = train_once(seed, **settings)
    averaged = bench.refreshed(run.G_ema)
    outcome = {"seed": seed, "seconds": seen["seconds"], "settings": settings, "ema": score(averaged)}
    outcome |= {"stale": score(run.G_ema), "raw": score(run.G)}
    outcome |= {"second": score(bench.refreshed(second))} if second is not None else {}
    return outcome | {"along": seen["along"]}, averaged.state_dict()


USES = (train_once, begin, remember, score, add_dropout, copy_batch_norm, *bench.PLAYED, *digits.USES)
USES += (bench.fresh_run, bench.linear_decay, bench.refreshed, networks.in_bfloat16, networks.InBfloat16)


def kept(label: str, **settings: Any) -> dict[str, Any]:
    """``main(**settings)``, or what it returned when a run of this identity was last finished."""
    outcome = bench.kept(label, main, settings, USES)
    scores = {which: outcome[which]["times_floor"] for which in ("ema", "raw")}
    print(f"{label:48s} G_ema {scores['ema']:.2f}, raw {scores['raw']:.2f} times the floor", flush=True)
    return outcome


# One change at a time from SHORT, which is the chapter's recipe with fewer rounds and in bfloat16, so that many can be tried.
# G_ema remembers a tenth of the rounds in them; the recipe's fifth helps at the end of a full run, and not before.
SHORT = {"rounds": 2_000, "bfloat16": True, "ema_share": 0.1}
TRIED = {
    "the recipe, shortened": {},
    "Adam's betas (0.5, 0.999)": {"betas": (0.5, 0.999)},
    "the same, learning rate 2e-4 for both": {"betas": (0.5, 0.999), "lr": 2e-4, "lr_D": 2e-4},
    "learning rate 1e-3 for D too": {"lr_D": 1e-3},
    "learning rate 5e-4 for D": {"lr_D": 5e-4},
    "learning rate 2e-3 for both": {"lr": 2e-3, "lr_D": 2e-3},
    "learning rate 5e-4 for both": {"lr": 5e-4, "lr_D": 5e-4},
    "no decay of the learning rates": {"decay_to": 1.0},
    "decay to zero": {"decay_to": 0.0},
    "batch 64, twice the rounds": {"batch": 64, "rounds": 4_000},
    "batch 256, half the rounds": {"batch": 256, "rounds": 1_000},
    "R1 with gamma 0.5": {"gamma": 0.5},
    "dropout 0.3 in D": {"dropout": 0.3},
    "relativistic": {"objective": "relativistic"},
}
# Scored sixteen times along the way; bfloat16 halves the hours of five seeds; a tenth is what the loop remembers by default.
RECORDED = {"looks": LOOKS, "bfloat16": True, "second_share": 0.1}


def opening(seed: int = 0, first: int = 20, **changes: Any) -> dict[str, list[float]]:
    """Both losses of the first rounds: the slice that a test plays again and compares with the record."""
    return train_once(seed, opening=first, **changes)[2]


def five_seeds() -> tuple[dict, dict, list[dict]]:
    runs = [kept(f"seed {seed}", seed=seed, **RECORDED) for seed in range(5)]
    least, floors = digits.floor()
    figures = {"floor": least, "floors": floors, "runs": runs, "opening": opening()}
    figures |= {"memory_of_a_tenth": [run["second"]["times_floor"] for run in runs]}
    weights = load_file(weights_of(seed=0))
    figures |= {"sha256": bench.ship("mnist_generator", bench.in_half(weights), "mnist_gan")}
    defaults = {name: value.default for name, value in inspect.signature(train_once).parameters.items()}
    return defaults | RECORDED, figures, runs


def half_the_rate() -> tuple[dict, dict, list[dict]]:
    """D at half of G's rate from the same five seeds: ahead of the recipe after 2,000 rounds, and behind at the end."""
    setting = {"lr_D": 5e-4}
    runs = [kept(f"half {seed}", seed=seed, **RECORDED, **setting) for seed in range(5)]
    defaults = {name: value.default for name, value in inspect.signature(train_once).parameters.items()}
    return defaults | RECORDED | setting, {"runs": runs, "opening": opening(**setting)}, runs


def weights_of(seed: int) -> Any:
    """The file of the averaged generator of one of the five seeds, in single precision."""
    return bench.place_of(f"seed {seed}", main, {"seed": seed, **RECORDED}, USES).with_suffix(".safetensors")


def what_was_tried() -> tuple[dict, dict, list[dict]]:
    runs = [{"name": name} | kept(f"tried {name}", seed=0, **(SHORT | change)) for name, change in TRIED.items()]
    return SHORT, {"runs": runs, "opening": {name: opening(first=5, **(SHORT | TRIED[name])) for name in TRIED}}, runs


def eps_in_place_of_momentum() -> tuple[dict, dict, list[dict]]:
    ways = {"correct": False, "copied": True}
    runs = {way: [kept(f"{way} {seed}", seed=seed, eps_08=eps, **SHORT) for seed in range(5)] for way, eps in ways.items()}
    return SHORT, runs | {"opening": opening(eps_08=True, **SHORT)}, runs["correct"] + runs["copied"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    experiments = {
        "seeds": ("mnist_gan", five_seeds),
        "half": ("mnist_gan_half", half_the_rate),
        "tried": ("mnist_gan_tried", what_was_tried),
        "eps": ("mnist_gan_eps", eps_in_place_of_momentum),
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=experiments)
    name, experiment = experiments[parser.parse_args().what]
    configuration, figures, runs = experiment()
    record.write(name, configuration, figures, sum(run["seconds"] for run in runs), clock="processor")
