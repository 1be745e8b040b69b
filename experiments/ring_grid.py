"""Ring of 8 and grid of 25 modes by PacGAN's configuration (Lin et al. 2018), all seeds trained at once.

    python experiments/ring_grid.py grid 1 ring 1 ring 2 grid 2 --fast    # task and packing, in this order
    python experiments/ring_grid.py record                                # as far as they are -> results/ring_grid.json

A run can be stopped at any moment, by kill -9 too, and goes on with the same command from experiments/runs/. With `--fast`
hidden layers multiply in bfloat16 (weights, averages and both ends of each network stay in float32), and a round is played by
ring_grid.cpp: on a processor with matrix units it then takes less than a fifth of the time. In the record, C++ played the
packed rows from round 50,000 on, the plain ones from 55,946 (ring) and 57,840 (grid), and the rows with beta1 = 0.2 whole;
PyTorch, in bfloat16 too, the other rounds. What rounding adds to a gradient is a twentieth to a quarter of what the choice of
the batch adds, in both networks (packed ring after 133,500 rounds, plain grid after 200,000, root mean square over 16
batches); its mean is no larger than chance makes it.

What was read in the authors' code (github.com/fjxmlzn/PacGAN, synthetic_data_experiments, and ALI's and Blocks' modules it
imports): the networks of the grid, the configuration of both tasks, data, losses, evaluation. G: four layers of 400 without
bias, each followed by batch normalisation (eps 1e-4, over the 100 samples of one place in the pack) and ReLU, then a linear
layer. D: three layers of 200 maxout units of 5 pieces, then a linear layer; neither normalisation nor dropout. All weights
start at N(0, 0.02^2), biases at 0. Both players move at once, from one batch, by Adam at 1e-4. A seed's data are 100,000
points; each place of a pack is drawn from them with replacement, once. An epoch is a random order of the 100,000 packs in
batches of 100. Samples are drawn with running statistics of the batch normalisation (mean and standard deviation, rate 0.05);
theirs have seen fifty further batches at fixed weights by then (see `renewed`), ours have not, and later looks score both.

What could not be read: the ring's own network file (the paper gives one architecture for both), and the version of Blocks.
Until January 2017 its Adam took 1 - beta for beta (github.com/mila-iqia/blocks/pull/1176), so that 0.8 meant a memory of 0.2.
We take the paper's reading, and `--beta1 0.2` plays the other, as runs of their own. Blocks puts Adam's 1e-8 where the paper
has it.
"""

import argparse
import copy
import functools
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import checkpoints, data, metrics, record, training

RUNS = Path(__file__).parent / "runs"
LOOKS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 150_000, 200_000, 250_000, 300_000, 350_000, 400_000)
POINTS, BATCH = 100_000, 100  # an epoch is 1,000 rounds
PIECES = 5  # of a maxout unit


class Task(NamedTuple):
    """A mixture of equally likely normals."""

    centres: Tensor
    std: float

    def sample(self, n: int, seed: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed)
        mode = torch.randint(len(self.centres), (n,), generator=dice)
        return self.centres.double()[mode] + self.std * torch.randn(n, 2, generator=dice, dtype=torch.float64)


TASKS = {"ring": Task(data.ring_centres(), 0.01), "grid": Task(data.grid_centres(), 0.05)}


class Stacked(nn.Module):
    """Weights of one network for every seed: each parameter has the seeds as its first axis, activations as well.

    A seed's weights depend on that seed alone. Activations are (seeds, features, batch).
    """

    def __init__(self, seeds: Sequence[int], shapes: dict[str, tuple[int, ...]], salt: int, dtype: torch.dtype) -> None:
        super().__init__()
        dice = [torch.Generator().manual_seed(1_000_003 * salt + seed) for seed in seeds]
        for name, shape in shapes.items():
            if name.startswith("weight"):
                start = torch.stack([0.02 * torch.randn(shape, generator=die, dtype=torch.float64) for die in dice])
            else:
                start = torch.full((len(seeds), *shape), 1.0 if name.startswith("scale") else 0.0)
            self.register_parameter(name, nn.Parameter(start.to(dtype)))

    def weights(self) -> dict[str, Tensor]:
        return {name: weight.detach() for name, weight in self.named_parameters()}


def generator(seeds: Sequence[int], width: int = 400, dtype: torch.dtype = torch.float32) -> Stacked:
    """Weights of G and the running statistics of its batch normalisation."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(4):
        shapes |= {f"weight{layer}": (width, width if layer else 2), f"scale{layer}": (width, 1), f"shift{layer}": (width, 1)}
    G = Stacked(seeds, shapes | {"weight_out": (2, width), "bias_out": (2, 1)}, salt=1, dtype=dtype)
    G.register_buffer("means", torch.zeros(len(seeds), 4, width, 1, dtype=dtype))
    G.register_buffer("stds", torch.ones(len(seeds), 4, width, 1, dtype=dtype))
    return G


def discriminator(seeds: Sequence[int], pack: int = 1, width: int = 200, dtype: torch.dtype = torch.float32) -> Stacked:
    """Weights of D: three layers of `width` maxout units of five pieces each, then a linear one."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(3):
        shapes |= {f"weight{layer}": (PIECES * width, width if layer else 2 * pack), f"bias{layer}": (PIECES * width, 1)}
    return Stacked(seeds, shapes | {"weight_out": (1, width), "bias_out": (1, 1)}, salt=2, dtype=dtype)


def generate(w: dict[str, Tensor], z: Tensor, pack: int = 1, half: bool = False, kept: Sequence[Tensor] | None = None):
    """Latents (seeds, 2, n) to samples (seeds, 2, n), and the means and standard deviations of the four hidden layers.

    Each of the `pack` parts of the batch is normalised by itself; or the whole by the statistics `kept`, if given. With
    `half`, products of hidden layers are in bfloat16; the first and the last layer, whose sides are points, never are.
    """
    h, means, stds = z, [], []
    for layer in range(4):
        h = product(w[f"weight{layer}"], h, half and layer > 0).to(z.dtype).unflatten(2, (pack, -1))
        if kept is None:
            mean = h.mean(dim=3, keepdim=True)
            std = (h.var(dim=3, correction=0, keepdim=True) + 1e-4).sqrt()
            means.append(mean.mean(dim=2)), stds.append(std.mean(dim=2))
        else:
            mean, std = (statistic[:, layer].unsqueeze(2) for statistic in kept)
        h = ((h - mean) / std).flatten(2)
        h = torch.relu(w[f"scale{layer}"] * h + w[f"shift{layer}"])
    samples = torch.bmm(w["weight_out"], h) + w["bias_out"]
    return samples, ((torch.stack(means, 1), torch.stack(stds, 1)) if kept is None else kept)


def judge(w: dict[str, Tensor], packs: Tensor, half: bool = False) -> Tensor:
    """Packs (seeds, 2 pack, n) to logits (seeds, n)."""
    h = packs
    for layer in range(3):
        h = maxout(product(w[f"weight{layer}"], h, half and layer > 0).to(packs.dtype) + w[f"bias{layer}"])
    return (torch.bmm(w["weight_out"], h.to(packs.dtype)) + w["bias_out"]).squeeze(1)


def product(weight: Tensor, h: Tensor, half: bool) -> Tensor:
    return torch.bmm(weight.bfloat16(), h.bfloat16()) if half else torch.bmm(weight, h.to(weight.dtype))


def maxout(h: Tensor) -> Tensor:
    """Largest of a unit's pieces, (seeds, pieces x width, n) to (seeds, width, n); its gradient goes to that piece.

    The second term is zero, and its derivative is the mask: equal pieces get the whole gradient each, where `amax` by itself
    would share it out, which takes longer. h has to be in full precision: a compiled function may round one side of `==` to
    bfloat16 and not the other, and then no piece is the largest.
    """
    pieces = h.unflatten(1, (PIECES, -1))
    largest = pieces.amax(dim=1, keepdim=True).detach()
    return largest.squeeze(1) + ((pieces - pieces.detach()) * (pieces == largest).detach()).sum(dim=1)


def gradients(w_G: dict[str, Tensor], w_D: dict[str, Tensor], reals: Tensor, z: Tensor, pack: int, half: bool):
    """Both players' gradients from the same fakes; both losses (seeds,), non-saturating; G's batch statistics.

    One backward pass through D serves both. D's loss changes with the logit l of a fake at the rate sigmoid(l), G's at
    -sigmoid(-l), which is -exp(-l) times that; samples do not mix in D, so what D's pass brings to a fake, times -exp(-l), is
    what G's pass would bring. (Logits below -40 are taken for -40 there: sigmoid(-40) is 4e-18, sigmoid(-100) has no room in
    float32.) The seeds share no weight: each gets its own gradient.
    """
    n = reals.shape[2]
    fakes, back_G, statistics = torch.func.vjp(lambda w: generate(w, z, pack, half), w_G, has_aux=True)
    logits, back_D = torch.func.vjp(lambda w, x: judge(w, x, half), w_D, torch.cat([reals, packed(fakes, pack)], dim=2))
    real_logits, fake_logits = logits.split(n, dim=1)
    limited = fake_logits.clamp(min=-40)
    grads_D, at_packs = back_D(torch.cat([-torch.sigmoid(-real_logits), torch.sigmoid(limited)], dim=1) / n)
    at_fakes = at_packs[:, :, n:] * -torch.exp(-limited).unsqueeze(1)
    (grads_G,) = back_G(at_fakes.unflatten(1, (pack, -1)).transpose(1, 2).flatten(2))  # `packed` undone
    loss_D = (F.softplus(-real_logits) + F.softplus(fake_logits)).mean(dim=1)
    return grads_G, grads_D, loss_D, F.softplus(-fake_logits).mean(dim=1), statistics


def packed(samples: Tensor, pack: int) -> Tensor:
    """(seeds, 2, pack n) to (seeds, 2 pack, n): sample i of every part stands in pack i."""
    return samples.unflatten(2, (pack, -1)).transpose(1, 2).flatten(1, 2)


def rounds_of(task: Task, seeds: Sequence[int], pack: int, start: int, like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Real packs (seeds, 2 pack, batch) and latents (seeds, 2, pack batch) of round `start`, of the next one, and so on.

    All chance of an epoch comes from (seed, epoch), so that a resumed run, or a seed alone, sees what it would have seen.
    """
    packs = []
    for seed in seeds:
        points, dice = task.sample(POINTS, seed), torch.Generator().manual_seed(7_000_003 + seed)
        packs.append(torch.cat([points[torch.randint(POINTS, (POINTS,), generator=dice)] for _ in range(pack)], dim=1))
    epoch, first = divmod(start, POINTS // BATCH)
    while True:
        reals, latents = [], []
        for seed, rows in zip(seeds, packs, strict=True):
            dice = torch.Generator().manual_seed((seed + 1) * 1_000_000 + epoch)
            reals.append(rows[torch.randperm(POINTS, generator=dice)].view(-1, BATCH, 2 * pack).transpose(1, 2))
            latents.append(torch.randn(POINTS // BATCH, 2, pack * BATCH, generator=dice, dtype=torch.float64).to(like))
        reals, latents = torch.stack(reals, dim=1).contiguous().to(like), torch.stack(latents, dim=1)
        for step in range(first, POINTS // BATCH):
            yield reals[step], latents[step]
        epoch, first = epoch + 1, 0


def play_round(run: training.Run, reals: Tensor, z: Tensor, pack: int, half: bool = False):
    """One step of both players at once, and of the running statistics; the losses (seeds,) of D and G before it."""
    grads_G, grads_D, loss_D, loss_G, (means, stds) = gradients(run.G.weights(), run.D.weights(), reals, z, pack, half)
    for player, grads, optimiser in ((run.G, grads_G, run.opt_G), (run.D, grads_D, run.opt_D)):
        for name, weight in player.named_parameters():
            weight.grad = grads[name]
        optimiser.step()
    run.G.means.lerp_(means, 0.05), run.G.stds.lerp_(stds, 0.05)
    run.step += 1
    return loss_D, loss_G


def play_round_fast(run: training.Run, reals: Tensor, z: Tensor, pack: int):
    """`play_round` with `half`, in C++: the same weights, averages of Adam and running statistics are changed, in place."""
    arguments = []
    for player, optimiser in ((run.G, run.opt_G), (run.D, run.opt_D)):
        weights = list(player.parameters())
        for weight in weights:
            if not optimiser.state[weight]:
                empty = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
                optimiser.state[weight] = {"step": torch.zeros(())} | empty
        states = [optimiser.state[weight] for weight in weights]
        torch._foreach_add_([state["step"] for state in states], 1)
        arguments += [[weight.detach() for weight in weights]] + [[s[a] for s in states] for a in ("exp_avg", "exp_avg_sq")]
    run.step += 1
    settings = run.opt_G.param_groups[0]
    arguments += [run.G.means, run.G.stds, reals, z, pack, run.step, settings["lr"], *settings["betas"]]
    return in_cpp().play_round(*arguments)


@functools.cache
def in_cpp():
    """What ring_grid.cpp defines, compiled for this processor.

    Raises:
        RuntimeError: there is no g++.
    """
    if shutil.which("g++") is None:
        raise RuntimeError("`fast` needs g++, a C++ compiler, and there is none on the path; leave `fast` out.")
    sums = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]  # in any order; NaN stays NaN
    headers, libraries = (Path(torch.__file__).parent / name for name in ("include", "lib"))
    with tempfile.TemporaryDirectory() as folder:
        library, source = Path(folder) / "ring_grid.so", Path(__file__).with_suffix(".cpp")
        flags = ["-std=c++20", "-O3", "-march=native", *sums, "-shared", "-fPIC"]
        links = [f"-I{headers}", f"-L{libraries}", "-ltorch_cpu", "-lc10"]
        subprocess.run(["g++", *flags, source, "-o", library, *links], check=True)
        torch.ops.load_library(library)
    return torch.ops.ring_grid


def check_fast(run: training.Run, reals: Tensor, z: Tensor, pack: int) -> None:
    """Plays a round in C++ on a copy of the run and takes the gradients out of Adam's averages again.

    Adam divides a gradient by its usual size, and so does this check, unless the gradient is larger: that of a single batch may
    be next to nothing, and its rounding error is not. Rounding moves a sample over a kink now and then, and one seed's gradient
    turns; so the median seed is asked.

    Raises:
        RuntimeError: a gradient is off by half its usual length, or is not finite.
    """
    exact = gradients(run.G.weights(), run.D.weights(), reals, z, pack, half=False)[:2]
    played, beta1 = copy.deepcopy(run), run.opt_G.param_groups[0]["betas"][0]
    play_round_fast(played, reals, z, pack)
    for player, right in zip(("G", "D"), exact, strict=True):
        before, after, usual_size = averages(run, player), averages(played, player), usual_sizes(run, player)
        for name, gradient in right.items():
            error = (after[name] - beta1 * before[name]) / (1 - beta1) - gradient
            error, length, usual = (x.flatten(1).norm(dim=1) for x in (error, gradient, usual_size[name]))
            off = (error / torch.maximum(length, usual)).median()
            if not off < 0.5:
                raise RuntimeError(f"ring_grid.cpp gives {name} of {player} another gradient: off by {off:.0%}.")


def averages(run: training.Run, player: str, which: str = "exp_avg") -> dict[str, Tensor]:
    """Adam's averages of each gradient, or with "exp_avg_sq" of its square; zero before the first step."""
    states = getattr(run, f"opt_{player}").state
    return {name: states[w].get(which, torch.zeros_like(w)) for name, w in getattr(run, player).named_parameters()}


def usual_sizes(run: training.Run, player: str) -> dict[str, Tensor]:
    """The root of Adam's average of each squared gradient, corrected for its start."""
    missing = 1 - run.opt_G.param_groups[0]["betas"][1] ** max(run.step, 1)
    return {name: (squares / missing).sqrt() for name, squares in averages(run, player, "exp_avg_sq").items()}


def fresh_run(
    seeds: Sequence[int],
    pack: int,
    lr: float = 1e-4,
    beta1: float = 0.8,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> training.Run:
    G, D = generator(seeds, dtype=dtype).to(device), discriminator(seeds, pack, dtype=dtype).to(device)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), lr=lr, betas=(beta1, 0.999), fused=True) for net in (G, D))
    return training.Run(G, D, opt_G, opt_D, G_ema=nn.Identity())  # no average of G is kept


def evaluate(samples: Tensor, task: Task) -> dict[str, float]:
    """Modes, share and reverse KL of `metrics.mode_coverage`, and the reverse KL of PacGAN's code.

    The latter counts only samples within three standard deviations of a mode, ours all; null when there are none.
    """
    modes, share, reverse_kl = metrics.mode_coverage(samples, task.centres.to(samples), task.std)
    distance, nearest = metrics.squared_distances(samples, task.centres.to(samples)).min(dim=1)
    counts = torch.bincount(nearest[distance < (3 * task.std) ** 2], minlength=len(task.centres)).double()
    p = counts / counts.sum()
    among_good = torch.special.xlogy(p, p * len(p)).sum().clamp(min=0).item() if counts.sum() else None
    return {"modes": modes, "share": share, "reverse_kl": reverse_kl, "reverse_kl_of_good": among_good}


@torch.no_grad()
def look(G: Stacked, task: Task, n: int = 2_500) -> list[dict[str, float]]:
    """Scores of n samples of every seed's generator, from the same latents, with running statistics."""
    z = torch.randn(1, 2, n, generator=torch.Generator().manual_seed(2333)).to(G.weight0)
    samples, _ = generate(G.weights(), z.expand(len(G.weight0), -1, -1), kept=(G.means, G.stds))
    samples = samples.transpose(1, 2).float().cpu()
    return [evaluate(points, task) for points in samples]


@torch.no_grad()
def renewed(G: Stacked, pack: int, batches: int = 50) -> Stacked:
    """A copy whose running statistics have seen fifty further batches, its weights standing still.

    So the authors' code has it: its monitoring of 5,000 training points after each epoch updates the statistics of the batch
    normalisation, and precedes the drawing of the samples.
    """
    G, dice = copy.deepcopy(G), torch.Generator().manual_seed(2334)
    for _ in range(batches):
        z = torch.randn(1, 2, pack * BATCH, generator=dice).to(G.weight0)
        _, (means, stds) = generate(G.weights(), z.expand(len(G.weight0), -1, -1), pack)
        G.means.lerp_(means, 0.05), G.stds.lerp_(stds, 0.05)
    return G


def main(
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    task: str = "ring",
    pack: int = 1,
    rounds: int = 400_000,
    looks: Sequence[int] = LOOKS,
    lr: float = 1e-4,
    beta1: float = 0.8,
    half: bool = False,
    fast: bool = False,
    device: str = "cpu",
    path: Path | None = None,
    minutes: float = 3.0,
    progress: bool = True,
) -> dict:
    """Trains `seeds` (or `seed` alone) together, going on from `path` if it exists and saving there every few minutes.

    Args:
        half: products of hidden layers in bfloat16.
        fast: rounds in C++, on the CPU, which implies `half`; needs g++.
        minutes: between two savings.

    Returns:
        "along", the scores of each seed at the rounds `looks`, with the running statistics and with those `renewed`; "seconds"
        of the processor, "rounds" and "seeds".
    """
    seeds, half = [seed] if seeds is None else list(seeds), half or fast
    mixture, run, kept = TASKS[task], fresh_run(seeds, pack, lr, beta1, device=device), {"along": [], "seconds": 0.0}
    identity = {"task": task, "pack": pack, "seeds": seeds, "lr": lr, "beta1": beta1, "half": half}
    if path is not None and path.exists():
        kept = go_on(run, path, identity)
    source = rounds_of(mixture, seeds, pack, run.step, run.G.weight0)
    clock, saved = time.process_time(), time.perf_counter()
    loss_D = loss_G = torch.zeros(())
    bar = tqdm(total=rounds, initial=run.step, desc=f"{task} pack {pack}", disable=not progress, mininterval=10)
    while run.step < rounds:
        batch = next(source)
        if fast and (run.step % 1_000 == 100 or run.step < 2):
            check_fast(run, *batch, pack)
        loss_D, loss_G = play_round_fast(run, *batch, pack) if fast else play_round(run, *batch, pack, half)
        bar.update()
        looked = run.step in looks or run.step == rounds
        if looked:
            if not (loss_D.isfinite().all() and loss_G.isfinite().all()):
                raise FloatingPointError(f"round {run.step}: a loss is not finite.")
            kept["along"].append({"round": run.step, "loss_D": loss_D.tolist(), "loss_G": loss_G.tolist()})
            kept["along"][-1]["scores"] = look(run.G, mixture)
            kept["along"][-1]["renewed"] = look(renewed(run.G, pack), mixture)
            print("\n" + summary(kept["along"][-1], f"{task} pack {pack}"), flush=True) if progress else None
        now = time.perf_counter()
        if path is not None and (looked or now - saved > 60 * minutes):
            kept["seconds"], clock = kept["seconds"] + time.process_time() - clock, time.process_time()
            keep(run, path, kept | identity)
            saved = now
    bar.close()
    kept["seconds"] = round(kept["seconds"] + time.process_time() - clock, 1)
    return kept | identity | {"rounds": run.step}


def keep(run: training.Run, path: Path, story: dict) -> None:
    """Saves what was seen on the way, then the run; each file whole or not at all, whenever the process dies.

    A story bears its round in its name: if the process dies between the two, the older run still has the older story.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    story_path = path.with_suffix(f".round{run.step}.json")
    temporary = story_path.with_suffix(".partial")
    with temporary.open("w") as file:
        file.write(json.dumps(story))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, story_path)  # it is on the disk before the run that needs it
    checkpoints.save(run, path)
    for older in path.parent.glob(f"{path.stem}.round*.json"):
        if older != story_path:
            older.unlink()


def go_on(run: training.Run, path: Path, identity: dict) -> dict:
    """Brings `run` to the saved state; "along" and "seconds" up to there.

    Raises:
        ValueError: the file belongs to another configuration.
    """
    checkpoints.load(run, path)
    story = json.loads(path.with_suffix(f".round{run.step}.json").read_text())
    theirs = {name: story[name] for name in identity}
    if theirs != identity:
        raise ValueError(f"{path} holds {theirs}, asked for is {identity}.")
    return {"along": story["along"], "seconds": story["seconds"]}


def summary(row: dict, name: str) -> str:
    """A line: means over the seeds, with standard errors of the modes."""
    modes = torch.tensor([float(score["modes"]) for score in row["scores"]])
    share, kl = (sum(score[key] for score in row["scores"]) / len(modes) for key in ("share", "reverse_kl"))
    error = modes.std().item() / math.sqrt(len(modes)) if len(modes) > 1 else 0.0
    return f"{name} round {row['round']}: modes {modes.mean():.1f} +- {error:.1f}, share {share:.3f}, reverse KL {kl:.2f}"


def opening(seeds: Sequence[int] = (0, 1), rounds: int = 20) -> dict[str, dict[str, list]]:
    """Both losses of the first rounds of every row in double precision: the slice that a test plays again."""
    played = {}
    for task, pack, beta1 in itertools.product(TASKS, (1, 2), (0.8, 0.2)):
        run = fresh_run(seeds, pack, beta1=beta1, dtype=torch.float64)
        source = rounds_of(TASKS[task], seeds, pack, 0, run.G.weight0)
        losses = [[loss.tolist() for loss in play_round(run, *next(source), pack)] for _ in range(rounds)]
        name = f"{task}{pack}" if beta1 == 0.8 else f"{task}{pack}_beta{beta1:g}"
        played[name] = {"loss_D": [d for d, _ in losses], "loss_G": [g for _, g in losses]}
    return played


def write_record(runs: Path = RUNS, folder: Path = record.RESULTS) -> Path | None:
    """The record of all configurations, each as far as it has come in `runs` or in the record before, whichever is farther.

    None, and no record, if there is nothing in `runs`.
    """
    stories = {}
    for path in sorted(runs.glob("ring_grid_*.round*.json")):
        name, rounds = re.fullmatch(r"ring_grid_(.+)\.round(\d+)\.json", path.name).groups()
        stories[name] = json.loads(path.read_text()) | {"rounds": int(rounds)}
    if not stories:
        return None
    if (folder / "ring_grid.json").exists():
        before = json.loads((folder / "ring_grid.json").read_text())["runs"]
        farther = {name: now for name, now in stories.items() if now["rounds"] >= before.get(name, now)["rounds"]}
        stories = before | farther
    configuration = {"points": POINTS, "batch": BATCH, "lr": 1e-4, "beta1": 0.8, "beta2": 0.999, "samples": 2_500}
    configuration |= {"rounds": 400_000, "g_widths": [400] * 4, "d_units": [200] * 3, "d_pieces": PIECES}
    figures = {"runs": stories, "opening": opening()}
    seconds = sum(story["seconds"] for story in stories.values())
    return record.write("ring_grid", configuration, figures, seconds, folder, clock="processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="+", help="task and packing, by turns: grid 1 ring 1 ring 2 grid 2; or: record")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=400_000, help="where to stop, for now; a later call goes on")
    parser.add_argument("--beta1", type=float, default=0.8, help="Adam's memory of gradients; another is a run of its own")
    parser.add_argument("--name", default="", help="kept and recorded under a name of its own")
    parser.add_argument("--fast", action="store_true", help="hidden products in bfloat16, rounds in C++")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = parser.parse_args()
    settings = {"rounds": asked.rounds, "fast": asked.fast, "device": "cpu" if asked.fast else asked.device}
    settings |= {"seeds": range(asked.seeds), "beta1": asked.beta1}
    reading = ("" if asked.beta1 == 0.8 else f"_beta{asked.beta1:g}") + (asked.name and f"_{asked.name}")
    if asked.what != ["record"]:
        for task, pack in zip(asked.what[::2], map(int, asked.what[1::2]), strict=True):
            main(task=task, pack=pack, path=RUNS / f"ring_grid_{task}{pack}{reading}.pt", **settings)
    write_record()
