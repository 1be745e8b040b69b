"""Six objectives on one pair of networks and one budget: ring, grid and MNIST, five seeds; two of them with a penalty too.

    python experiments/objectives_table.py                               # every row -> results/objectives.json
    python experiments/objectives_table.py --games hinge --rounds 100 --name objectives_short

Points: the pair of remedies_pair.py with a second hidden layer in D, its Adam and its chance; digits: a smaller copy of chapter
8's pair, in bfloat16, with chapter 8's Adam. All rows of a task have the same networks, rounds, batches, learning rates
and one turn of D a round; none was tuned. They differ in the objective, in the penalty, and in the processor's time, which is
counted. The penalty is that of Gulrajani et al. 2017 with the weights of their programs: 10 on digits, 0.1 on points.

Each finished run is kept in experiments/runs/; an interrupted experiment goes on with the first that is not.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bench
import digits
import mixtures
import remedies
import remedies_pair
import torch
from remedies_pair import Player, Setting
from torch import Tensor

from ganlib import data, metrics, networks, objectives, penalties, record, training
from ganlib.types import Game

GAMES = ("minimax", "nonsaturating", "least_squares", "hinge", "wasserstein", "relativistic")
ROWS = [*((game, False) for game in GAMES), ("nonsaturating", True), ("wasserstein", True)]
SEEDS = 5
PAIR = Setting(d_widths=(128, 128))
POINTS = {"rounds": 3_000, "weight": 0.1}
DIGITS = {"rounds": 1_200, "weight": 10.0, "batch": 64, "ema_share": 0.1}
DIGITS |= {"g_widths": [128, 256, 512], "d_widths": [512, 256]}
SAMPLES = {"points": 2_500, "digits": 10_000, "neighbours": 2_500}

# Points


def moved(player: Player, loss: Callable[[Tensor], Tensor], lr: float) -> Player:
    """A player after a step of Adam down a loss () of its weights, the sum over the seeds."""
    weights = player.weights.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(weights), weights)
    return remedies_pair.adam(player, gradient, lr)


def judge(weights: Tensor, points: Tensor) -> Tensor:
    """Logits (seeds batch,) of points (seeds batch, 2) that lie seed after seed."""
    return remedies_pair.judge(PAIR, weights, points.unflatten(0, (len(weights), -1))).flatten()


def summed_loss_of_D(game: Game, weight: float, reals: Tensor, fakes: Tensor, weights: Tensor) -> Tensor:
    """The sum of all seeds' losses (): each is a mean over samples, and so their number times the mean over all samples."""
    D, reals, fakes = functools.partial(judge, weights), reals.flatten(0, 1), fakes.flatten(0, 1)
    loss = game.d_loss(D(reals), D(fakes))
    loss = loss + penalties.gradient_penalty(D, reals, fakes, weight=weight) if weight else loss
    return len(weights) * loss


def summed_loss_of_G(game: Game, weights_D: Tensor, reals: Tensor, z: Tensor, weights: Tensor) -> Tensor:
    """The same of G, against D's weights (seeds, weights)."""
    answers = judge(weights_D, remedies_pair.generate(PAIR, weights, z).flatten(0, 1))
    known = judge(weights_D, reals.flatten(0, 1)) if game.needs_reals else None
    return len(weights) * game.g_loss(known, answers)


def play_points(
    game: str, weight: float, task: str, seeds: Sequence[int], rounds: int, dtype: torch.dtype = torch.float32
) -> Iterator[tuple[Player, Player]]:
    """Both players after each round, `weight` being that of the penalty; rates fall to zero in the second half.

    The penalty's points are drawn from torch's generator, which is seeded here.
    """
    torch.manual_seed(0)
    objective, (G, D) = getattr(objectives, game), remedies_pair.pair(PAIR, seeds, dtype)
    for step, (reals, z) in enumerate(itertools.islice(remedies.chance(task, seeds, dtype), rounds)):
        share, fakes = bench.falling(step, rounds, start=0.5), remedies_pair.generate(PAIR, G.weights, z[0])
        D = moved(D, functools.partial(summed_loss_of_D, objective, weight, reals, fakes), share * remedies_pair.LR_D)
        loss_of_G = functools.partial(summed_loss_of_G, objective, D.weights, reals, z[1])
        G = moved(G, loss_of_G, share * remedies_pair.LR_G)
        yield G, D


def points(game: str, weight: float, task: str, seeds: Sequence[int], rounds: int) -> dict[str, Any]:
    """Scores of each seed at the end, and the processor's seconds of one seed; the seeds are trained together."""
    begun = time.process_time()
    *_, (G, _) = play_points(game, weight, task, seeds, rounds)
    seconds = (time.process_time() - begun) / len(seeds)
    return {"scores": remedies.look(PAIR, G, task, SAMPLES["points"]), "seconds_of_a_seed": round(seconds, 2)}


# Digits


def digits_run(seed: int, g_widths: Sequence[int], d_widths: Sequence[int], double: bool) -> training.Run:
    """The small pair about to begin, in bfloat16, or in double precision with weights drawn in it."""
    torch.manual_seed(seed)
    G, D = networks.MLPGenerator(widths=g_widths), networks.MLPDiscriminator(widths=d_widths)
    if double:
        bench.reset_in_double(G, D)
        return bench.fresh_run(G, D)
    return bench.fresh_run(networks.in_bfloat16(G), networks.in_bfloat16(D))


def of_penalty(weight: float) -> Callable | None:
    return functools.partial(penalties.gradient_penalty, weight=weight) if weight else None


def digit_scores(images: Tensor) -> dict[str, float]:
    """What `digits.score` says, and precision and recall of the first 2,500 against as many test images."""
    n = SAMPLES["neighbours"]
    near = digits.score(images[:n], floor_of=n, with_neighbours=True)
    return digits.score(images) | {name: near[name] for name in ("precision", "recall")}


def pictures(
    game: str, weight: float, seed: int, rounds: int, batch: int, ema_share: float, g_widths: list[int], d_widths: list[int]
) -> dict[str, Any]:
    """Scores of the averaged generator and the processor's seconds of training; rates fall as in chapter 8."""
    run, objective = digits_run(seed, g_widths, d_widths, double=False), getattr(objectives, game)
    batches = data.batches(data.mnist("train").images, batch, seed)
    schedules = [bench.linear_decay(opt, rounds, 0.25, 0.2) for opt in (run.opt_G, run.opt_D)]
    begun = time.process_time()
    for _ in training.train(run, batches, objective, of_penalty(weight), steps=rounds, ema_share=ema_share):
        for schedule in schedules:
            schedule.step()
    seconds = round(time.process_time() - begun, 2)
    return {
        "scores": digit_scores(networks.sample(bench.refreshed(run.G_ema), SAMPLES["digits"])),
        "seconds_of_a_seed": seconds,
    }


# Rows

USES_POINTS = (
    play_points,
    moved,
    judge,
    summed_loss_of_D,
    summed_loss_of_G,
    remedies.chance,
    remedies.look,
    remedies_pair,
    mixtures,
    objectives,
    penalties,
)
USES_DIGITS = (digits_run, of_penalty, digit_scores, *bench.PLAYED, *digits.USES, bench.fresh_run, bench.linear_decay)
USES_DIGITS += (bench.refreshed, networks.in_bfloat16, networks.InBfloat16, f"samples = {SAMPLES}")


def kept(game: str, penalised: bool, task: str, **changes: Any) -> list[dict[str, Any]]:
    """The runs of a row on a task: one of all seeds on points, one a seed on digits; finished ones are read from the disk."""
    label = f"objectives {task} {game}{' gp' * penalised}"
    if task == "mnist":
        setting = DIGITS | changes
        setting = setting | {"game": game, "weight": setting["weight"] * penalised}
        return [bench.kept(f"{label} {s}", pictures, setting | {"seed": s}, USES_DIGITS) for s in range(SEEDS)]
    setting = POINTS | changes
    setting = setting | {"game": game, "task": task, "seeds": list(range(SEEDS)), "weight": setting["weight"] * penalised}
    numbers = f"numbers = {remedies.TASKS[task].std, remedies.BATCH, remedies.BLOCK, SAMPLES['points'], PAIR}"
    return [bench.kept(label, points, setting, (*USES_POINTS, numbers))]


def row_of(game: str, penalised: bool, **changes: Any) -> dict[str, Any]:
    """A row of the table: for each task its runs; scores of seeds lie in "scores", a list on points."""
    row = {"game": game, "penalty": penalised}
    return row | {task: kept(game, penalised, task, **changes) for task in (*remedies.TASKS, "mnist")}


def scores_of(row: dict[str, Any], task: str) -> list[dict[str, float]]:
    """The scores of a row on a task, one a seed."""
    return [run["scores"] for run in row[task]] if task == "mnist" else row[task][0]["scores"]


def untrained() -> dict[str, dict[str, list[dict[str, float]]]]:
    """What no training made, five draws each: real data, and noise, uniform over the square or over the pixels."""
    found = {"real data": {}, "noise": {}}
    for task, mixture in remedies.TASKS.items():
        side = {"ring": 1.2, "grid": 5.0}[task]
        dice = [torch.Generator().manual_seed(100 + seed) for seed in range(SEEDS)]
        flat = [side * (2 * torch.rand(SAMPLES["points"], 2, generator=d, dtype=torch.float64) - 1) for d in dice]
        found["real data"][task] = [mixture.score(mixture.sample(SAMPLES["points"], 100 + seed)) for seed in range(SEEDS)]
        found["noise"][task] = [mixture.score(uniform) for uniform in flat]
    images = data.mnist("train").images
    orders = [torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)) for seed in range(SEEDS)]
    reals = [data.to_float(images[order[: SAMPLES["digits"]]]) for order in orders]
    dice = [torch.Generator().manual_seed(seed) for seed in range(SEEDS)]
    found["real data"]["mnist"] = [digit_scores(sample) for sample in reals]
    found["noise"]["mnist"] = [digit_scores(2 * torch.rand(reals[0].shape, generator=d) - 1) for d in dice]
    return found


def opening(rounds: int = 3) -> dict[str, dict[str, list[float]]]:
    """The slice that a test plays again: of every row, sums of absolute weights on the ring, and losses on digits.

    In double precision, three rounds; the first seed, on digits, and two seeds on the ring.
    """
    played, images = {}, data.mnist("train").images
    for game, penalised in ROWS:
        *_, (G, D) = play_points(game, POINTS["weight"] * penalised, "ring", (0, 1), rounds, dtype=torch.float64)
        run, batches = (
            digits_run(0, DIGITS["g_widths"], DIGITS["d_widths"], double=True),
            data.batches(images, DIGITS["batch"], 0),
        )
        penalty = of_penalty(DIGITS["weight"] * penalised)
        losses = bench.opening(run, batches, getattr(objectives, game), rounds, penalty=penalty)
        sums = [weight for player in (G, D) for weight in player.weights.abs().sum(dim=1).tolist()]
        played[f"{game}{', penalty' * penalised}"] = {"sums": sums, **losses}
    return played


def write_record(rows: list[dict], name: str = "objectives", folder: Path = record.RESULTS) -> Path:
    """The record of these rows and of no others."""
    runs = [run for row in rows for task in (*remedies.TASKS, "mnist") for run in row[task]]
    std = {task: mixture.std for task, mixture in remedies.TASKS.items()}
    rates = {"lr_G": remedies_pair.LR_G, "lr_D": remedies_pair.LR_D, "betas": list(remedies_pair.BETAS)}
    configuration = {"seeds": SEEDS, "samples": SAMPLES, "std": std, "digits": DIGITS | {"lr_G": 1e-3, "lr_D": 5e-4}}
    configuration |= {"points": POINTS | rates | {"batch": remedies.BATCH, "d_widths": list(PAIR.d_widths)}}
    figures = bench.rounded({"rows": rows, "untrained": untrained(), "floor": digits.floor()[0]}) | {"opening": opening()}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--rounds", type=int, help="of every task, in place of its own")
    asked = bench.asked(parser, "objectives", lambda asked: set(asked.games) != set(GAMES) or asked.rounds is not None)
    torch.set_num_threads(1)
    rows, shorter = [], {} if asked.rounds is None else {"rounds": asked.rounds}
    for game, penalised in (row for row in ROWS if row[0] in asked.games):
        rows.append(row_of(game, penalised, **shorter))
        for task in remedies.TASKS:
            print(f"{task}, {game}, penalty {penalised}: {mixtures.summary(scores_of(rows[-1], task))}", flush=True)
        mean = metrics.mean_interval([score["times_floor"] for score in scores_of(rows[-1], "mnist")])
        print(f"mnist, {game}, penalty {penalised}: {mean[0]:.1f} +- {mean[1]:.1f} times the floor", flush=True)
    print(write_record(rows, asked.name))
