"""How much gradient reaches G: Arjovsky and Bottou's experiment on MNIST, with both losses, and what Adam makes of it.

    python experiments/saturation.py

Ten seeds, two at a time, one thread each; finished seeds are kept, so that an interrupted run goes on where it stopped.
Writes ganlib/results/saturation.json, which chapter 7 reads.
"""

from concurrent.futures import ProcessPoolExecutor

import bench
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ganlib import data, record
from ganlib.networks import MLPDiscriminator, MLPGenerator
from ganlib.objectives import minimax, nonsaturating
from ganlib.training import Run, discriminator_step, frozen, train

LOSSES = {"minimax": minimax, "nonsaturating": nonsaturating}
CONFIGURATION = {
    "batch": 64,
    "g_widths": [64, 128],
    "d_widths": [128, 64],
    "lr": 2e-4,
    "betas": [0.5, 0.999],
    "sgd_lrs": [0.02, 0.1],
    "stages": [0, 300],  # rounds G has been trained for when it is frozen
    "looks": [0, 5, 10, 20, 50, 100, 200],  # steps of the fresh D at which G's gradient is measured
    "rounds": 250,  # of each of the six runs: two losses by three optimisers of G
}
SEEDS = 10


def pair(config: dict) -> tuple[MLPGenerator, MLPDiscriminator]:
    return MLPGenerator(widths=config["g_widths"]), MLPDiscriminator(widths=config["d_widths"])


def adam_of(network: torch.nn.Module, config: dict) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=config["lr"], betas=tuple(config["betas"]))


def gradient_norm(G: MLPGenerator, D: MLPDiscriminator, z: Tensor, g_loss) -> float:
    """Euclidean norm of the gradient of G's loss with respect to all of G's weights, D held as it is."""
    with frozen(D):
        gradients = torch.autograd.grad(g_loss(None, D(G(z))), list(G.parameters()))
    return torch.cat([gradient.flatten() for gradient in gradients]).norm().item()


def look(G: MLPGenerator, D: MLPDiscriminator, z: Tensor) -> dict[str, float]:
    """Both gradient norms on the same fakes, and D's mean verdict on them."""
    norms = {name: gradient_norm(G, D, z, objective.g_loss) for name, objective in LOSSES.items()}
    with torch.no_grad():
        return norms | {"prob_fake": D(G(z)).sigmoid().mean().item()}


def fresh_discriminator(run: Run, images: Tensor, seed: int, config: dict) -> list[dict[str, float]]:
    """A new D is trained against run.G, which stands still; both gradients at each of config["looks"]."""
    _, D = pair(config)
    against = Run(run.G, D, run.opt_G, adam_of(D, config), G_ema=run.G)
    reals = data.batches(images, config["batch"], seed)
    z = run.G.sample_z(512)
    seen = []
    for step in range(max(config["looks"]) + 1):
        if step in config["looks"]:
            seen.append({"step": step, **look(run.G, D, z)})
        discriminator_step(against, next(reals), minimax)
    return seen


def frozen_generator(images: Tensor, seed: int, config: dict) -> dict[str, list[dict[str, float]]]:
    """The experiment of 2017: G trained for some rounds, then frozen, and a D from scratch that learns to see through it."""
    torch.manual_seed(seed)
    G, D = pair(config)
    run = Run(G, D, adam_of(G, config), adam_of(D, config))
    reals = data.batches(images, config["batch"], seed)
    stages = {}
    for stage in config["stages"]:
        for _ in train(run, reals, nonsaturating, steps=stage - run.step):
            pass
        stages[str(stage)] = fresh_discriminator(run, images, seed, config)
    return stages


def six_runs(images: Tensor, seed: int, config: dict) -> dict[str, dict[str, float]]:
    """Two losses by three optimisers of G, D's side the same in all: how far G moves, and what D thinks of its fakes."""
    outcomes = {}
    for name, objective in LOSSES.items():
        for optimiser in ("adam", *config["sgd_lrs"]):
            torch.manual_seed(seed)
            G, D = pair(config)
            opt_G = adam_of(G, config) if optimiser == "adam" else torch.optim.SGD(G.parameters(), lr=optimiser)
            run = Run(G, D, opt_G, adam_of(D, config))
            start = torch.nn.utils.parameters_to_vector(G.parameters()).detach()
            losses = list(train(run, data.batches(images, config["batch"], seed), objective, steps=config["rounds"]))
            moved = torch.nn.utils.parameters_to_vector(G.parameters()).detach() - start
            outcomes[f"{name} {'adam' if optimiser == 'adam' else f'sgd {optimiser}'}"] = {
                "moved": moved.norm().item(),
                "prob_fake": sum(entry.prob_fake for entry in losses[-100:]) / len(losses[-100:]),
            }
    return outcomes


def main(seed: int = 0, **changes) -> dict:
    """One seed: ``{"frozen": ..., "runs": ...}``; keyword arguments replace entries of CONFIGURATION."""
    config = CONFIGURATION | changes
    images, _ = data.mnist("train", fallback=False)
    return {"seed": seed, "frozen": frozen_generator(images, seed, config), "runs": six_runs(images, seed, config)}


def kept(seed: int) -> dict:
    """``main`` of one seed on one thread, rounded, or what it returned when that seed was last finished."""
    torch.set_num_threads(1)
    uses = (main, pair, adam_of, gradient_norm, look, fresh_discriminator, frozen_generator, six_runs, *bench.PLAYED)
    return bench.rounded(bench.kept(f"saturation {seed}", main, {"seed": seed} | CONFIGURATION, uses))


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        seeds = list(tqdm(pool.map(kept, range(SEEDS)), total=SEEDS, desc="saturation"))
    torch.set_num_threads(1)  # so that the record says how many threads a seed had
    seconds = sum(seed["seconds"] for seed in seeds)
    record.write("saturation", CONFIGURATION, {"seeds": seeds}, seconds, clock="processor")
