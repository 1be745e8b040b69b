"""PacGAN's pair (Lin et al. 2018) for all seeds at once, and one step of both players; `ring_grid.py` trains it.

What was read in the authors' code (github.com/fjxmlzn/PacGAN, synthetic_data_experiments, and ALI's and Blocks' modules it
imports): the networks of the grid, the configuration of both tasks, data, losses, evaluation. G: four layers of 400 without
bias, each followed by batch normalisation (eps 1e-4, over the 100 samples of one place in the pack) and ReLU, then a linear
layer. D: three layers of 200 maxout units of 5 pieces, then a linear layer; neither normalisation nor dropout. All weights
start at N(0, 0.02^2), biases at 0. Both players move at once, from one batch, by Adam at 1e-4. Samples are drawn with running
statistics of the batch normalisation (mean and standard deviation, rate 0.05); theirs have seen fifty further batches at fixed
weights by then (see `renewed`), ours have not, and the looks score both.

What could not be read: the ring's own network file (the paper gives one architecture for both), and the version of Blocks.
Until January 2017 its Adam took 1 - beta for beta (github.com/mila-iqia/blocks/pull/1176), so that 0.8 meant a memory of 0.2.
We take the paper's reading, and `--beta1 0.2` plays the other, as runs of their own. Blocks puts Adam's 1e-8 where the paper
has it.
"""

import copy
from collections.abc import Sequence

import mixtures
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib import training

BATCH = 100
PIECES = 5  # of a maxout unit


class Stacked(nn.Module):
    """Weights of one network for every seed: each parameter has the seeds as its first axis, activations as well.

    A seed's weights depend on that seed alone. Activations are (seeds, features, batch).
    """

    def __init__(self, seeds: Sequence[int], shapes: dict[str, tuple[int, ...]], salt: int, dtype: torch.dtype) -> None:
        super().__init__()
        dice = [mixtures.dice_of(seed, salt) for seed in seeds]
        for name, shape in shapes.items():
            if name.startswith("weight"):
                start = torch.stack([0.02 * torch.randn(shape, generator=die, dtype=torch.float64) for die in dice])
            else:
                start = torch.full((len(seeds), *shape), 1.0 if name.startswith("scale") else 0.0)
            self.register_parameter(name, nn.Parameter(start.to(dtype)))

    def weights(self) -> dict[str, Tensor]:
        return {name: weight.detach() for name, weight in self.named_parameters()}


class StackedGenerator(Stacked):
    """G's weights and the running statistics of its batch normalisation; :func:`generate` is its forward pass."""

    def __init__(self, seeds: Sequence[int], width: int = 400, dtype: torch.dtype = torch.float32) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(4):
            shapes |= {f"weight{i}": (width, width if i else 2), f"scale{i}": (width, 1), f"shift{i}": (width, 1)}
        super().__init__(seeds, shapes | {"weight_out": (2, width), "bias_out": (2, 1)}, salt=1, dtype=dtype)
        self.register_buffer("means", torch.zeros(len(seeds), 4, width, 1, dtype=dtype))
        self.register_buffer("stds", torch.ones(len(seeds), 4, width, 1, dtype=dtype))

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(seeds, 2, n), the same for every seed, drawn on the CPU."""
        return torch.randn(1, 2, n, generator=generator).to(self.weight0).expand(len(self.weight0), -1, -1)


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


def play_round(run: training.Run, reals: Tensor, z: Tensor, pack: int, half: bool = False):
    """One step of both players at once, and of the running statistics; the losses (seeds,) of D and G before it."""
    grads_G, grads_D, loss_D, loss_G, (means, stds) = gradients(run.G.weights(), run.D.weights(), reals, z, pack, half)
    for player, grads, optimiser in ((run.G, grads_G, run.opt_G), (run.D, grads_D, run.opt_D)):
        for name, weight in player.named_parameters():
            weight.grad = grads[name]
        optimiser.step()
    absorb(run.G, means, stds)
    run.step += 1
    return loss_D, loss_G


def absorb(G: StackedGenerator, means: Tensor, stds: Tensor) -> None:
    """Moves the running statistics a twentieth of the way to those of a batch."""
    G.means.lerp_(means, 0.05), G.stds.lerp_(stds, 0.05)


def run_of_seeds(
    seeds: Sequence[int],
    pack: int,
    lr: float = 1e-4,
    beta1: float = 0.8,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> training.Run:
    G, D = StackedGenerator(seeds, dtype=dtype).to(device), discriminator(seeds, pack, dtype=dtype).to(device)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), lr=lr, betas=(beta1, 0.999), fused=True) for net in (G, D))
    return training.Run(G, D, opt_G, opt_D, G_ema=nn.Identity())  # no average of G is kept


@torch.no_grad()
def renewed(G: StackedGenerator, pack: int, batches: int = 50) -> StackedGenerator:
    """A copy whose running statistics have seen fifty further batches, its weights standing still.

    So the authors' code has it: its monitoring of 5,000 training points after each epoch updates the statistics of the batch
    normalisation, and precedes the drawing of the samples.
    """
    G, dice = copy.deepcopy(G), torch.Generator().manual_seed(2334)
    for _ in range(batches):
        _, (means, stds) = generate(G.weights(), G.sample_z(pack * BATCH, dice), pack)
        absorb(G, means, stds)
    return G
