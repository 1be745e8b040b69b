"""The pair of chapter 15 on MNIST: how a run of it begins, is trained for so many seconds, and is scored."""

import copy
import functools
import time
from collections.abc import Sequence
from typing import Any

import bench
import digits
import torch
from dcgan_usual import draw_narrow, draw_small, judge
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import conv, data, metrics, networks, penalties, training
from ganlib.metrics import spectra
from ganlib.objectives import nonsaturating
from ganlib.types import Penalty

PAIR = {"z_dim": 64, "dense": [128, 256], "channels": [24, 12], "d_channels": [24, 24], "d_dense": [256]}
RECIPE = {"batch": 128, "gamma": 3.0, "step": 0.1, "lr": 1e-3, "lr_D": 5e-4, "conv_times": 4.0, "betas": [0.0, 0.99]}
RECIPE |= {"decay_from": 0.4, "decay_to": 0.0, "ema_share": 0.15}
UPS = {"shuffled": conv.shuffled, "transposed": conv.transposed}


def begin(
    seed: int = 0,
    bfloat16: bool = True,
    double: bool = False,
    narrow: bool = False,
    whole: bool = True,
    conv_times: float = RECIPE["conv_times"],
    up: str = "shuffled",
) -> training.Run:
    """The run about to begin; in double precision, if asked for, its weights are drawn anew in it.

    Args:
        narrow: weights begin as N(0, 0.02^2), not as torch draws them.
        whole: False takes the dense layers away, before G's convolutions and behind D's.
        conv_times: the learning rate of convolutions over that of dense layers.
        up: a name in UPS.
    """
    torch.manual_seed(seed)
    dense, d_dense = (PAIR["dense"], PAIR["d_dense"]) if whole else ((), ())
    G = conv.DCGANGenerator(PAIR["z_dim"], dense, PAIR["channels"], up=UPS[up])
    D = conv.DCGANDiscriminator((1, 28, 28), PAIR["d_channels"], d_dense)
    if narrow:
        G.apply(draw_narrow), D.apply(draw_narrow)
    return run_of(G, D, double, bfloat16, conv_times=conv_times)


def run_of(
    G: nn.Module,
    D: nn.Module,
    double: bool = False,
    bfloat16: bool = True,
    lr: float = RECIPE["lr"],
    lr_D: float = RECIPE["lr_D"],
    conv_times: float = RECIPE["conv_times"],
) -> training.Run:
    """A run of these networks with the recipe's optimisers, products in bfloat16; in double the weights are drawn anew."""
    if double:
        bench.reset_in_double(G, D)
    elif bfloat16:
        G, D = networks.in_bfloat16(G), networks.in_bfloat16(D)
    groups = conv.faster_convolutions(G, lr, conv_times), conv.faster_convolutions(D, lr_D, conv_times)
    return training.Run(G, D, *(torch.optim.Adam(group, betas=tuple(RECIPE["betas"]), fused=True) for group in groups))


def penalty_of(gamma: float = RECIPE["gamma"]) -> Penalty | None:
    return functools.partial(penalties.r1_by_difference, gamma=gamma, step=RECIPE["step"]) if gamma else None


def train_once(
    seed: int = 0,
    seconds: float = 400.0,
    looks: Sequence[float] = (),
    gamma: float = RECIPE["gamma"],
    opening: int = 0,
    progress: bool = True,
    **changes: Any,
) -> tuple[training.Run, dict[str, Any]]:
    """A run of so many processor seconds, its learning rates falling with the share of them that is spent.

    Args:
        looks: seconds at which the averaged G is scored; scoring does not count.
        gamma: of R1 by difference; 0 plays without.
        opening: only so many rounds, at full rates and in double precision; their losses are returned.
        changes: of the pair and its rates, as :func:`begin` takes them.
    """
    run = begin(seed, double=bool(opening), **changes)
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], seed)
    penalty = penalty_of(gamma)
    if opening:
        return run, bench.opening(run, batches, nonsaturating, opening, penalty=penalty)
    rates = [(group, group["lr"]) for opt in (run.opt_G, run.opt_D) for group in opt.param_groups]
    left, along, aside, begun = list(looks), [], 0.0, time.process_time()
    play = training.train(run, batches, nonsaturating, penalty, steps=10**9, ema_share=RECIPE["ema_share"], look=5)
    for losses in tqdm(play, desc=f"seed {seed}", disable=not progress, mininterval=30):
        spent = time.process_time() - begun - aside
        if spent >= seconds:
            break
        share = bench.falling(spent, seconds, RECIPE["decay_from"], RECIPE["decay_to"])
        for group, rate in rates:
            group["lr"] = rate * share
        if left and spent >= left[0]:
            left.pop(0)
            stopped = time.process_time()
            row = {"round": losses.step, "seconds": round(spent, 1), "loss_D": losses.loss_D, "loss_G": losses.loss_G}
            along.append(row | score(bench.refreshed(run.G_ema)))
            aside += time.process_time() - stopped
    return run, {"seconds": round(spent, 1), "rounds": run.step, "along": along}


def score(G: nn.Module, n: int = 10_000) -> dict[str, float]:
    """What the eye for digits and the spectrum say of n samples of G, its products in float32."""
    return judge(networks.sample(bench.plain(G), n))


@torch.no_grad()
def logits(D: nn.Module, n: int = 5_000) -> dict[str, float]:
    """D's mean logit on images that it was trained on, and on as many that it was not."""
    judged = {split: bench.plain(D)(data.to_float(data.mnist(split).images[:n])) for split in ("train", "test")}
    return {split: found.mean().item() for split, found in judged.items()}


def with_statistics_of(G_ema: nn.Module, G: nn.Module) -> nn.Module:
    """The average, with the batch statistics of the G that was trained."""
    copied, theirs = copy.deepcopy(bench.plain(G_ema)), dict(bench.plain(G).named_buffers())
    for name, buffer in copied.named_buffers():
        buffer.copy_(theirs[name])
    return copied


def main(seed: int = 0, full: bool = True, **settings: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Trains once and scores the averaged G, whose weights are kept: "ema" with batch statistics measured anew.

    If `full`, "averaged" has them averaged along, "copied" those of the trained G, and "raw" is that G itself.
    """
    run, seen = train_once(seed, **settings)
    averaged = bench.refreshed(run.G_ema)
    outcome = seen | {"ema": score(averaged), "logits": logits(run.D)}
    if full:
        ways = {"averaged": run.G_ema, "copied": with_statistics_of(run.G_ema, run.G), "raw": run.G}
        outcome |= {name: score(G) for name, G in ways.items()}
        outcome |= {"spectrum": metrics.radial_spectrum(networks.sample(averaged, 10_000)).tolist()}
    return outcome, averaged.state_dict()


USES = (
    train_once,
    begin,
    run_of,
    penalty_of,
    score,
    logits,
    with_statistics_of,
    draw_small,
    draw_narrow,
    judge,
    spectra,
    *digits.USES,
)
USES += (conv.DCGANGenerator, conv.DCGANDiscriminator, conv.shuffled, conv.transposed, conv.divided, conv.faster_convolutions)
USES += (*bench.PLAYED, bench.fresh_run, bench.falling, bench.refreshed, bench.plain)
USES += (networks.in_bfloat16, networks.InBfloat16, f"numbers = {PAIR, RECIPE}")
