"""The MNIST model of 2014: its two networks, the update that moves both at once, its schedule, and its training.

    python experiments/model_2014.py [--z normal] [--seed 1]    # goes on where it stopped; parzen_2014.py scores it

Networks and schedule follow mnist.yaml of the authors' code (github.com/goodfeli/adversarial). The state is written to
experiments/runs/ after every epoch. An average of G's weights, which 2014 did not have, is kept beside it and changes nothing.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import bench
import protocols
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, softplus
from tqdm.auto import tqdm

from ganlib import data, networks, training

CONFIGURATION = {
    "z_dim": 100,
    "z": {"uniform": "on [-sqrt(3), sqrt(3)], variance 1", "normal": "variance 1"},
    "g_widths": [1200, 1200],
    "d_units": [240, 240],
    "d_pieces": 5,
    "init": [0.05, 0.005],  # weights uniform in +- this, G and D
    "keep": [0.8, 0.5, 0.5],  # of the pixels, of the first and of the second maxout layer
    "batch": 100,
    "train_images": 50_000,
    "lr": 0.1,
    "lr_decay": 1.000004,  # the rate is divided by this at every update
    "lr_least": 1e-6,
    "momentum": [0.5, 0.7],  # from epoch 1 in a line to epoch 250
    "epochs": 250,
    "samples": 10_000,  # of a score
    "ema_decay": 0.999,  # of the averaged G
}


class Generator(nn.Module):
    """z -> 784 pixels in [0, 1]: two layers of rectifiers, a sigmoid whose bias starts at the pixels' log odds."""

    def __init__(self, marginals: Tensor, dtype: torch.dtype = torch.float32, z: str = "uniform") -> None:
        super().__init__()
        if z not in CONFIGURATION["z"]:
            raise ValueError(f"z must be one of {', '.join(CONFIGURATION['z'])}, got {z!r}.")
        self.z = z
        sizes = [CONFIGURATION["z_dim"], *CONFIGURATION["g_widths"], len(marginals)]
        self.layers = nn.ModuleList([nn.Linear(a, b, dtype=dtype) for a, b in zip(sizes, sizes[1:])])
        for layer in self.layers:
            nn.init.uniform_(layer.weight, -CONFIGURATION["init"][0], CONFIGURATION["init"][0])
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.layers[-1].bias.copy_(marginals.clamp(1e-7, 1 - 1e-7).logit())

    def forward(self, z: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            z = layer(z).relu()
        return self.layers[-1](z).sigmoid()

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        size, dtype = (n, CONFIGURATION["z_dim"]), self.layers[0].weight.dtype
        if self.z == "normal":
            return torch.randn(size, dtype=dtype, generator=generator)
        return (torch.rand(size, dtype=dtype, generator=generator) * 2 - 1) * 3**0.5


class Discriminator(nn.Module):
    """784 pixels -> logit: two layers of maxout units, each the largest of five affine functions, with dropout."""

    def __init__(self, pixels: int = 784, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        sizes, pieces = [pixels, *CONFIGURATION["d_units"]], CONFIGURATION["d_pieces"]
        self.layers = nn.ModuleList([nn.Linear(a, b * pieces, dtype=dtype) for a, b in zip(sizes, sizes[1:])])
        self.layers.append(nn.Linear(sizes[-1], 1, dtype=dtype))
        for layer in self.layers:
            nn.init.uniform_(layer.weight, -CONFIGURATION["init"][1], CONFIGURATION["init"][1])
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer, keep in zip(self.layers[:-1], CONFIGURATION["keep"]):
            x = layer(dropout(x, 1 - keep, self.training)).unflatten(1, (-1, CONFIGURATION["d_pieces"])).amax(dim=2)
        return self.layers[-1](dropout(x, 1 - CONFIGURATION["keep"][-1], self.training)).squeeze(1)


def pair(images: Tensor, seed: int, dtype: torch.dtype = torch.float32, z: str = "uniform") -> tuple[Generator, Discriminator]:
    """G and D about to begin; G's last bias is made of the training images (n, 1, 28, 28), in bytes."""
    torch.manual_seed(seed)
    return Generator(images.flatten(1).to(dtype).mean(dim=0) / 255, dtype, z), Discriminator(dtype=dtype)


def run_of_2014(G: nn.Module, D: nn.Module) -> training.Run:
    """A run about to begin; rates and momenta of its optimisers are set anew at every update."""
    opts = (torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5, fused=True) for net in (G, D))
    return training.Run(G, D, *opts)


def schedule(step: int, per_epoch: int) -> tuple[float, float]:
    """Learning rate and momentum of update number `step`, counted from 0."""
    low, high = CONFIGURATION["momentum"]
    lr = max(CONFIGURATION["lr"] / CONFIGURATION["lr_decay"] ** step, CONFIGURATION["lr_least"])
    return lr, low + (high - low) * min(max((step // per_epoch - 1) / (CONFIGURATION["epochs"] - 1), 0), 1)


def both_turns(run: training.Run, reals: Tensor, lr: float, momentum: float) -> tuple[float, float]:
    """One update of both players at once, as in 2014: one batch of fakes, one set of dropped units, gradients at one place."""
    for opt in (run.opt_G, run.opt_D):
        opt.param_groups[0].update(lr=lr, momentum=momentum)
    fakes = run.G(run.G.sample_z(len(reals)))
    seen = fakes.detach().requires_grad_()
    real_logits, fake_logits = run.D(torch.cat([reals, seen])).split(len(reals))
    loss_D = (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2  # the halving is theirs
    loss_G = softplus(-fake_logits).mean()
    weights = list(run.D.parameters())
    (for_G,) = torch.autograd.grad(loss_G, seen, retain_graph=True)
    for weight, gradient in zip(weights, torch.autograd.grad(loss_D, weights)):
        weight.grad = gradient
    run.opt_G.zero_grad()
    fakes.backward(for_G)
    run.opt_G.step(), run.opt_D.step()
    run.step += 1
    return loss_D.item(), loss_G.item()


def train_images() -> Tensor:
    return data.mnist("train").images[: CONFIGURATION["train_images"]]


def unit_batch(batch: Tensor) -> Tensor:
    """What data.batches yields, in [-1, 1], -> (n, 784) in [0, 1]."""
    return batch.flatten(1).add(1).div(2)


def opening(seed: int = 0, rounds: int = 10) -> dict[str, list[float]]:
    """Both losses of the first rounds in double precision: the slice that a test plays again and compares with the record."""
    images = train_images()
    run, reals = run_of_2014(*pair(images, seed, torch.float64)), data.batches(images, CONFIGURATION["batch"], seed)
    losses = [both_turns(run, unit_batch(next(reals)).double(), *schedule(step, 500)) for step in range(rounds)]
    return {"loss_D": [row[0] for row in losses], "loss_G": [row[1] for row in losses]}


def validation_scores(run: training.Run) -> dict[str, float]:
    """Nats and sigma of the validation images, by the trained and by the averaged generator."""
    scores, validation = {}, protocols.validation_images(CONFIGURATION["train_images"])
    for prefix, G in {"": run.G, "averaged_": run.G_ema}.items():
        nats, sigma = protocols.validation_score(networks.sample(bench.plain(G), CONFIGURATION["samples"]), validation)
        scores |= {f"{prefix}validation_nats": nats, f"{prefix}sigma": sigma}
    return scores


def main(
    seed: int = 0,
    z: str = "uniform",
    epochs: int = 250,
    bfloat16: bool = True,
    score_every: int = 10,
    path: Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Trains up to `epochs` epochs, from the state at `path` if there is one; returns what was recorded along the way.

    Args:
        seed: of weights, latents and batches.
        z: "uniform", as in the paper's figure 1, or "normal", the default of the authors' code.
        epochs: where to stop; the schedule of rates does not depend on it: momentum grows until epoch 250 and stays, the
            learning rate goes on falling.
        bfloat16: matrix products in bfloat16; weights, momentum, losses and scores stay in float32.
        score_every: epochs between Parzen scores of the validation images along the way.
        path: where the state is kept after every epoch.
        progress: whether to draw a bar.

    Raises:
        ValueError: z is no such law, or the state at `path` is that of another model.
    """
    images = train_images()
    G, D = pair(images, seed, z=z)
    run = run_of_2014(*((networks.in_bfloat16(G), networks.in_bfloat16(D)) if bfloat16 else (G, D)))
    log = bench.go_on(run, path, {"z": z, "seed": seed, "bfloat16": bfloat16})
    per_epoch = len(images) // CONFIGURATION["batch"]
    reals = data.batches(images, CONFIGURATION["batch"], seed, start=run.step)
    for epoch in tqdm(range(run.step // per_epoch, epochs), initial=run.step // per_epoch, total=epochs, disable=not progress):
        begun = time.process_time()
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            losses = both_turns(run, unit_batch(next(reals)), *schedule(step, per_epoch))
            training.update_ema(run.G_ema, run.G, CONFIGURATION["ema_decay"])
        log |= {"epochs": epoch + 1, "seconds": log["seconds"] + time.process_time() - begun}
        if log["epochs"] % score_every == 0 or log["epochs"] == epochs:
            row = {"epoch": epoch + 1, "loss_D": losses[0], "loss_G": losses[1]}
            log["along"].append(row | validation_scores(run))
        bench.keep(run, path, log)
    return log


def finished(path: Path) -> tuple[Generator, Generator, dict[str, Any]]:
    """The generator kept at `path` as far as it has come, its average, and its log, which says what model it is."""
    run = run_of_2014(Generator(torch.full((784,), 0.5)), Discriminator())
    log = bench.go_on(run, path, {})
    run.G.z = run.G_ema.z = log["z"]
    return run.G, run.G_ema, log


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=CONFIGURATION["epochs"])
    parser.add_argument("--z", choices=list(CONFIGURATION["z"]), default="uniform")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    main(asked.seed, asked.z, asked.epochs, path=bench.RUNS / f"model_2014_{asked.z}_seed{asked.seed}.pt")
