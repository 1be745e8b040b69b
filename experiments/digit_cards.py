"""Digits for the reader to judge, real and of an early and a late G, what a trained D says of them, and digits to compare with.

    python experiments/digit_cards.py

One seed, one thread. Writes ganlib/results/digit_cards.json, which chapter 2 shows; the digits of the training set in it are
those that the latent plane of chapter 8 looks for neighbours among. Pictures are PNG files of sixteen greys, in base64.
"""

import base64
import io
import time

import bench
import digits
import torch
from PIL import Image
from torch import Tensor

from ganlib import data, record
from ganlib.networks import MLPDiscriminator, MLPGenerator, mnist_generator, sample
from ganlib.objectives import minimax, nonsaturating
from ganlib.training import discriminator_step, train

CONFIGURATION = {
    "seed": 0,
    "early_rounds": 250,  # of chapter 8's pair; the late G is the one that ganlib ships
    "judge_rounds": 750,  # turns of a new D against both, which stand still
    "batch": 128,
    "cards": [24, 12, 12],  # real test digits, early fakes, late fakes
    "neighbours": 300,  # digits of the training set
    "columns": 12,
}


def sheet(images: Tensor, columns: int) -> str:
    """Images (n, 1, 28, 28) in [-1, 1] as one picture of sixteen greys, row by row; a whole number of rows."""
    greys = ((images[:, 0] + 1) * 7.5).round().to(torch.uint8).unflatten(0, (-1, columns))
    rows, _, height, width = greys.shape
    picture = Image.fromarray(greys.permute(0, 2, 1, 3).reshape(rows * height, columns * width).numpy())
    picture.putpalette([17 * level for level in range(16) for _ in range(3)])
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True, bits=4)
    return base64.b64encode(file.getvalue()).decode()


def early_generator(images: Tensor, config: dict) -> MLPGenerator:
    """Chapter 8's G after its first few rounds; both players are trained by :func:`bench.fresh_run`."""
    run = bench.recipe(config["seed"])
    for _ in train(run, data.batches(images, config["batch"], config["seed"]), nonsaturating, steps=config["early_rounds"]):
        pass
    return run.G.eval()


class EitherGenerator(torch.nn.Module):
    """Half of its fakes are drawn by one G, half by another."""

    def __init__(self, early: MLPGenerator, late: MLPGenerator) -> None:
        super().__init__()
        self.early, self.late = early, late

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.late.sample_z(n, generator)

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([self.early(z[0::2]), self.late(z[1::2])])


def trained_judge(G: torch.nn.Module, images: Tensor, config: dict) -> MLPDiscriminator:
    """A new D that is trained against a G that stands still; its rate falls to zero, so that its answers settle."""
    torch.manual_seed(config["seed"] + 1)
    run = bench.fresh_run(G.eval(), MLPDiscriminator())
    reals = data.batches(images, config["batch"], config["seed"] + 1)
    schedule = bench.linear_decay(run.opt_D, config["judge_rounds"], 0.0, 0.0)
    for _ in range(config["judge_rounds"]):
        discriminator_step(run, next(reals), minimax)
        schedule.step()
    return run.D.eval()


@torch.no_grad()
def main(**changes) -> dict:
    """The cards, D's logits on them and its V on 10,000 test digits and as many fakes; changes replace CONFIGURATION's."""
    config = CONFIGURATION | changes
    (images, _), (test_images, _) = (data.mnist(split, fallback=False) for split in ("train", "test"))
    late = mnist_generator()
    with torch.enable_grad():
        early = early_generator(images, config)
        D = trained_judge(EitherGenerator(early, late), images, config)
    reals, drew, draws = config["cards"]
    order = torch.randperm(len(test_images), generator=torch.Generator().manual_seed(config["seed"]))
    cards = torch.cat([data.to_float(test_images[order[:reals]]), sample(early, drew, seed=5), sample(late, draws, seed=5)])
    own = torch.randperm(len(images), generator=torch.Generator().manual_seed(config["seed"]))[: config["neighbours"]]
    real_logits = D(data.to_float(test_images))
    value = {name: -minimax.d_loss(real_logits, D(sample(G, 10_000))).item() for name, G in (("early", early), ("late", late))}
    return {
        "cards": sheet(cards, config["columns"]),
        "logits": [round(logit, 3) for logit in D(cards).tolist()],
        "value": value | {"either": (value["early"] + value["late"]) / 2},
        "neighbours": sheet(data.to_float(images[own]), config["columns"]),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    start = time.process_time()
    figures = main() | record.provenance(CONFIGURATION["seed"]) | digits.drawn_by("mnist_generator")
    record.write("digit_cards", CONFIGURATION, figures, time.process_time() - start, clock="processor")
