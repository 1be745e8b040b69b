"""Table 1 of the 2014 paper: its MNIST model, its score, and what else reaches that score.

    python experiments/parzen_2014.py train [--z normal] [--seed 1]     # the model of 2014, goes on where it stopped
    python experiments/parzen_2014.py record    # scores what there is -> results/parzen_2014.json

The model and its schedule follow mnist.yaml of the authors' code (github.com/goodfeli/adversarial), the score its
parzen_ll.py. After every epoch the whole state is written to experiments/runs/, and a score every few epochs. The same
generators are measured by the protocol of Binkowski et al. (2018, Table 3) too, in the eye of the book's digit classifier.
"""

import argparse
import copy
import functools
import hashlib
import json
import os
import re
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import dropout, softplus
from tqdm.auto import tqdm

from ganlib import data, networks, record, training
from ganlib.eye import classify, digit_classifier
from ganlib.metrics import (
    frechet_distance,
    kernel_distance,
    parzen_log_likelihood,
    polynomial_mmd,
    precision_recall,
    select_sigma,
    squared_distances,
)

RUNS = Path(__file__).parent / "runs"
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
    "ema_decay": 0.999,  # of the averaged G, which 2014 did not have; it is scored beside the trained one and changes nothing
    "samples": 10_000,
    "sigmas": [10 ** (-1 + i / 9) for i in range(10)],
    "validation": 1_000,
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
    torch.manual_seed(seed)
    return Generator(images.flatten(1).to(dtype).mean(dim=0) / 255, dtype, z), Discriminator(dtype=dtype)


def optimisers(G: nn.Module, D: nn.Module) -> list[torch.optim.SGD]:
    return [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5, fused=True) for net in (G, D)]


def schedule(step: int, per_epoch: int) -> tuple[float, float]:
    """Learning rate and momentum of update number `step`, counted from 0."""
    low, high = CONFIGURATION["momentum"]
    lr = max(CONFIGURATION["lr"] / CONFIGURATION["lr_decay"] ** step, CONFIGURATION["lr_least"])
    return lr, low + (high - low) * min(max((step // per_epoch - 1) / (CONFIGURATION["epochs"] - 1), 0), 1)


def both_turns(G: nn.Module, D: nn.Module, opts: list, reals: Tensor, lr: float, momentum: float) -> tuple[float, float]:
    """One update of both players at once, as in 2014: one batch of fakes, one set of dropped units, gradients at one place."""
    for opt in opts:
        opt.param_groups[0].update(lr=lr, momentum=momentum)
    fakes = G(G.sample_z(len(reals)))
    seen = fakes.detach().requires_grad_()
    real_logits, fake_logits = D(torch.cat([reals, seen])).to(reals.dtype).split(len(reals))
    loss_D = (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2  # the halving is theirs
    loss_G = softplus(-fake_logits).mean()
    weights = list(D.parameters())
    (for_G,) = torch.autograd.grad(loss_G, seen, retain_graph=True)
    for weight, gradient in zip(weights, torch.autograd.grad(loss_D, weights)):
        weight.grad = gradient
    opts[0].zero_grad()
    fakes.backward(for_G)
    for opt in opts:
        opt.step()
    return loss_D.item(), loss_G.item()


def train_images() -> Tensor:
    return data.mnist("train").images[: CONFIGURATION["train_images"]]


def unit(images: Tensor) -> Tensor:
    """Bytes -> (n, 784) in [0, 1], the scale of the score."""
    return images.flatten(1).float() / 255


def opening(seed: int = 0, rounds: int = 10) -> dict[str, list[float]]:
    """Both losses of the first rounds in double precision: the slice that a test plays again and compares with the record."""
    images = train_images()
    G, D = pair(images, seed, torch.float64)
    opts, reals = optimisers(G, D), data.batches(images, CONFIGURATION["batch"], seed)
    losses = [both_turns(G, D, opts, unit_batch(next(reals)).double(), *schedule(step, 500)) for step in range(rounds)]
    return {"loss_D": [row[0] for row in losses], "loss_G": [row[1] for row in losses]}


def unit_batch(batch: Tensor) -> Tensor:
    """What data.batches yields, in [-1, 1], -> (n, 784) in [0, 1]."""
    return batch.flatten(1).add(1).div(2)


def parzen(samples: Tensor) -> dict[str, float]:
    """The protocol of 2014 on samples (n, 784) in [0, 1]: sigma from the validation images, then the test images once."""
    last = data.mnist("train").images[CONFIGURATION["train_images"] :]
    validation = unit(last[: CONFIGURATION["validation"]])
    sigma = select_sigma(samples, validation, CONFIGURATION["sigmas"])
    scores = parzen_log_likelihood(samples, unit(data.mnist("test").images), sigma)
    return {"nats": scores.mean().item(), "error": (scores.std(correction=0) / len(scores) ** 0.5).item(), "sigma": sigma}


@torch.no_grad()
def sample_2014(G: Generator, n: int = 10_000, seed: int = 1) -> Tensor:
    z = G.sample_z(n, torch.Generator().manual_seed(seed))
    return torch.cat([G(chunk) for chunk in z.split(1000)])


def write_atomically(path: Path, write) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    write(unfinished)
    os.replace(unfinished, path)


def kept(z: str, seed: int) -> Path:
    return RUNS / f"parzen_2014_{z}_seed{seed}.pt"


def main(
    seed: int = 0,
    z: str = "uniform",
    epochs: int = 250,
    bfloat16: bool = True,
    score_every: int = 10,
    progress: bool = True,
) -> dict:
    """Trains up to `epochs` epochs, from the kept state if there is one; returns what was recorded along the way.

    Args:
        seed: of weights, latents and batches.
        z: "uniform", as in the paper's figure 1, or "normal", the default of the authors' code.
        epochs: where to stop; the schedule of rates does not depend on it: momentum grows until epoch 250 and stays, the
            learning rate goes on falling.
        bfloat16: matrix products in bfloat16; weights, momentum, losses and scores stay in float32.
        score_every: epochs between Parzen scores of the validation images along the way.
        progress: whether to draw a bar.
    """
    images = train_images()
    per_epoch = len(images) // CONFIGURATION["batch"]
    G, D = pair(images, seed, z=z)
    G_ema = copy.deepcopy(G).requires_grad_(False)
    opts = optimisers(G, D)
    log = {"z": z, "seed": seed, "bfloat16": bfloat16, "epochs": 0, "seconds": 0.0, "along": []}
    if kept(z, seed).exists():
        state = torch.load(kept(z, seed), weights_only=True)
        for name, net in {"G": G, "D": D, "G_ema": G_ema}.items():
            net.load_state_dict(state[name])
        for opt, opt_state in zip(opts, state["opts"]):
            opt.load_state_dict(opt_state)
        torch.set_rng_state(state["rng"])
        log = state["log"]
    validation = unit(data.mnist("train").images[CONFIGURATION["train_images"] :][: CONFIGURATION["validation"]])
    reals = data.batches(images, CONFIGURATION["batch"], seed, start=log["epochs"] * per_epoch)
    for epoch in tqdm(range(log["epochs"], epochs), initial=log["epochs"], total=epochs, disable=not progress):
        begun = time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16, cache_enabled=False):
            for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
                losses = both_turns(G, D, opts, unit_batch(next(reals)), *schedule(step, per_epoch))
                training.update_ema(G_ema, G, CONFIGURATION["ema_decay"])
        log["seconds"] += time.process_time() - begun
        log["epochs"] = epoch + 1
        if log["epochs"] % score_every == 0 or log["epochs"] == epochs:
            row = {"epoch": epoch + 1, "loss_D": losses[0], "loss_G": losses[1]}
            for prefix, net in {"": G, "averaged_": G_ema}.items():
                samples = sample_2014(net)
                sigma = select_sigma(samples, validation, CONFIGURATION["sigmas"])
                nats = parzen_log_likelihood(samples, validation, sigma).mean().item()
                row |= {f"{prefix}validation_nats": nats, f"{prefix}sigma": sigma}
            log["along"].append(row)
        state = {"G": G.state_dict(), "D": D.state_dict(), "G_ema": G_ema.state_dict()}
        state |= {"opts": [opt.state_dict() for opt in opts], "rng": torch.get_rng_state(), "log": log}
        write_atomically(kept(z, seed), lambda path, state=state: torch.save(state, path))
    return log


def finished(z: str = "uniform", seed: int = 0) -> tuple[Generator, Generator, dict]:
    """The generator of 2014 as far as it has come, its average, and its log."""
    state = torch.load(kept(z, seed), weights_only=True)
    G, G_ema = (Generator(torch.full((784,), 0.5), z=z) for _ in range(2))
    G.load_state_dict(state["G"]), G_ema.load_state_dict(state["G_ema"])
    return G, G_ema, state["log"]


def k_means(points: Tensor, count: int = 10_000, rounds: int = 2, seed: int = 0) -> Tensor:
    """Lloyd's algorithm from `count` of the points: each point joins its nearest centre, each centre moves to their mean."""
    centres = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:count]]
    for _ in range(rounds):
        nearest = torch.cat([squared_distances(chunk, centres).argmin(dim=1) for chunk in points.split(2000)])
        sizes = torch.bincount(nearest, minlength=count).unsqueeze(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
    return centres


def reals_of(images: Tensor, count: int = 10_000, seed: int = 0) -> Tensor:
    return unit(images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]])


def kept_by_chapter_8(seed: int) -> Path:
    """Where experiments/mnist_gan.py keeps the averaged generator of one of its seeds."""
    return RUNS / f"seed{seed}.safetensors"


def chapter_8(seed: int, n: int = 10_000) -> Tensor:
    """n samples (n, 784) in [0, 1] of the averaged generator of chapter 8."""
    G = networks.MLPGenerator()
    G.load_state_dict(load_file(kept_by_chapter_8(seed)))
    return networks.sample(G, n).flatten(1).add(1).div(2)


@functools.cache
def seen(split: str) -> tuple[Tensor, Tensor]:
    """Features and class probabilities of all images of a split."""
    return classify(digit_classifier(), data.mnist(split).images)


def protocol_2018(features: Tensor, probabilities: Tensor, size: int = 1000, times: int = 10, pairs: int = 100) -> dict:
    """Samples against all test images: the classifier's score, Frechet and kernel distances, precision and recall.

    Binkowski et al. (2018, Table 3) draw both sets again with replacement ten times for the Frechet distance, and take the
    kernel distance over a hundred pairs of random subsets of a thousand, which overlap. Each is given as [mean, standard
    deviation]. Beside them stand the distance of the sets as they are, the kernel distance over disjoint pairs with the
    interval that they allow, and precision and recall of the first 5,000 of each.
    """
    test, _ = seen("test")
    dice = torch.Generator().manual_seed(0)
    again = lambda x: x[torch.randint(len(x), (len(x),), generator=dice)]  # noqa: E731
    some = lambda x: x[torch.randperm(len(x), generator=dice)[:size]]  # noqa: E731
    redrawn = torch.tensor([frechet_distance(again(features), again(test)) for _ in range(times)])
    paired = torch.tensor([polynomial_mmd(some(features), some(test)) for _ in range(pairs)])
    kernel, half = kernel_distance(features, test, size=size)
    precision, recall = precision_recall(test[:5000], features[:5000])
    return {
        "n": len(features),
        "score": classifier_score(probabilities),
        "frechet": frechet_distance(features, test),
        "frechet_redrawn": [redrawn.mean().item(), redrawn.std().item()],
        "kernel": kernel,
        "kernel_half": half,
        "kernel_paired": [paired.mean().item(), paired.std().item()],
        "precision": precision,
        "recall": recall,
    }


def classifier_score(probabilities: Tensor) -> float:
    """Exponential of the mean KL divergence of p(y | x) from p(y), 1 to 10 (Salimans et al. 2016's score in this eye)."""
    p = probabilities.double()
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, p.mean(dim=0))).sum(dim=1).mean().exp().item()


def eye(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features (n, 64) and class probabilities (n, 10) of images (n, 784) in [0, 1]."""
    return classify(digit_classifier(), pixels.mul(2).sub(1).view(-1, 1, 28, 28))


def remembered(name: str, compute) -> dict:
    """What `compute` returned when it was last asked, kept in experiments/runs/."""
    path = RUNS / f"parzen_{name}.json"
    if not path.exists():
        row = compute()
        write_atomically(path, lambda unfinished: unfinished.write_text(json.dumps(row)))
    return json.loads(path.read_text())


def score_redrawn(probabilities: Tensor, times: int = 10) -> list[float]:
    """Mean and standard deviation of the classifier's score over samples drawn again with replacement."""
    dice, n = torch.Generator().manual_seed(0), len(probabilities)
    scores = [classifier_score(probabilities[torch.randint(n, (n,), generator=dice)]) for _ in range(times)]
    return [torch.tensor(scores).mean().item(), torch.tensor(scores).std().item()]


def of_2018(name: str, images) -> dict:
    """The protocol of 2018 for what `images()` returns, features and probabilities; called only if it is needed."""
    scores = remembered(
        f"{name}_2018" if name in ("test", "train") else f"{name}_2018_100000", lambda: protocol_2018(*images())
    )
    return scores | remembered(f"{name}_score", lambda: {"score_redrawn": score_redrawn(images()[1])})


def both_scores(name: str, samples, n: int = 100_000) -> tuple[dict, dict]:
    """By the protocols of 2014, from 10,000 samples, and of 2018, from n; `samples(n)` makes them if they are needed."""
    return remembered(name, lambda: parzen(samples(10_000))), of_2018(name, lambda: eye(samples(n)))


def model_rows(path: Path) -> tuple[dict, list[dict]]:
    """A kept model of 2014 by both protocols: its log with the scores of 2014, and its rows of the 2018 table."""
    z, seed = re.fullmatch(r"parzen_2014_([a-z]+)_seed(\d+)", path.stem).groups()
    G, G_ema, log = finished(z, int(seed))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]  # another training must not find these scores
    name, title = f"{path.stem}_{log['epochs']}_{digest}", f"2014, {z} z, seed {seed}"
    title += "" if log["epochs"] == CONFIGURATION["epochs"] else f", {log['epochs']} epochs"
    own, own_2018 = both_scores(name, lambda n: sample_2014(G, n))
    averaged, averaged_2018 = both_scores(f"{name}_averaged", lambda n: sample_2014(G_ema, n))
    rows = [{"name": title} | own_2018, {"name": f"{title}, averaged"} | averaged_2018]
    return log | own | {"averaged": averaged}, rows


def write_record(folder: Path = record.RESULTS) -> Path:
    """Writes what the generators in experiments/runs/ score; of those that are not there it keeps what the record says.

    Its time is that of the training, and of the scores that this call did not find remembered.
    """
    begun, images = time.process_time(), train_images()
    before = json.loads((folder / "parzen_2014.json").read_text()) if (folder / "parzen_2014.json").exists() else {}
    noise = both_scores("noise", lambda n: torch.rand(n, 784, generator=torch.Generator().manual_seed(0)), 10_000)
    repeated = both_scores("one_image", lambda n: unit(images[:1]).expand(n, -1).contiguous(), 10_000)
    rows = {"the test images themselves": of_2018("test", lambda: seen("test"))}
    rows |= {"all training images": of_2018("train", lambda: seen("train"))}
    rows |= {"uniform noise": noise[1], "one image repeated": repeated[1]}
    models = {(log["z"], log["seed"], log["epochs"]): log for log in before.get("models_2014", [])}
    eights = {row["seed"]: row for row in before.get("chapter_8", [])}
    old = {row["name"]: row for row in before.get("protocol_2018", []) if row["name"] not in rows}
    for path in RUNS.glob("parzen_2014_*_seed*.pt"):
        log, both = model_rows(path)
        models[log["z"], log["seed"], log["epochs"]] = log
        old |= {row["name"]: row for row in both}
    for seed in range(5):
        if (weights := kept_by_chapter_8(seed)).exists():
            digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
            nats, scores = both_scores(f"eight_{seed}_{digest}", lambda n, seed=seed: chapter_8(seed, n))
            eights[seed] = {"seed": seed} | nats
            old[f"the generator of chapter 8, seed {seed}"] = scores
    rows |= dict(sorted(old.items()))
    figures = {
        "models_2014": [log for _, log in sorted(models.items())],
        "real": remembered("real", lambda: parzen(reals_of(images))),
        "k_means": remembered("k_means", lambda: parzen(k_means(unit(images)))),
        "noise": noise[0],
        "one_image": repeated[0],
        "chapter_8": [row for _, row in sorted(eights.items())],
        "protocol_2018": [{"name": name} | {k: v for k, v in row.items() if k != "name"} for name, row in rows.items()],
        "opening": opening(),
    }
    seconds = sum(log["seconds"] for log in models.values()) + time.process_time() - begun
    return record.write("parzen_2014", CONFIGURATION, figures, seconds, folder, clock="processor")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "record"])
    parser.add_argument("--epochs", type=int, default=CONFIGURATION["epochs"])
    parser.add_argument("--z", choices=list(CONFIGURATION["z"]), default="uniform")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(write_record()) if asked.what == "record" else main(asked.seed, asked.z, asked.epochs)
