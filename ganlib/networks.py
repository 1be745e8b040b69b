"""The networks of the book: the MLP pair of chapter 8, and how to draw from a generator."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ganlib.arguments import as_tensor, seeded, whole
from ganlib.guards import check_generator, check_network, evaluating
from ganlib.inputs import check_images, check_latents, wholes
from ganlib.shipped import shipped_network
from ganlib.types import Array, Images, Latents, Logits, Samples


class MLPGenerator(nn.Module):
    """z -> image: fully connected layers with batch normalisation, tanh at the end. Introduced in chapter 8.

    Args:
        z_dim: length of z.
        widths: units of the hidden layers.
        image_shape: (channel, height, width) of the images made, in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int = 100,
        widths: Sequence[int] = (128, 256, 512, 1024),
        image_shape: Sequence[int] = (1, 28, 28),
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.image_shape, widths = tuple(image_shape), wholes(widths, "widths")
        layers = [nn.Linear(z_dim, widths[0]), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(widths, widths[1:]):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide, eps=1e-5, momentum=0.1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], prod(self.image_shape)), nn.Tanh())

    def forward(self, z: Latents) -> Images:
        check_latents(z, self.z_dim, self.layers[0].weight)
        return self.layers(z).unflatten(1, self.image_shape)

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Latents:
        """n draws from the standard normal, on the device of the weights.

        From torch's global generator; or from `generator`, on its device and in float32, so that a seed means the same latents
        everywhere, whatever the weights are.
        """
        n = whole(n, "n", 1)
        weight = self.layers[0].weight
        if generator is None:
            return torch.randn(n, self.z_dim, device=weight.device, dtype=weight.dtype)
        z = torch.randn(n, self.z_dim, device=generator.device, dtype=torch.float32, generator=generator)
        return z.to(weight)


class MLPDiscriminator(nn.Module):
    """Image -> one logit: two hidden layers, no sigmoid, no batch normalisation. Introduced in chapter 8.

    Args:
        image_shape: (channel, height, width) of the images judged.
        widths: units of the hidden layers.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), widths: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        sizes = [prod(self.image_shape), *wholes(widths, "widths", 0)]
        layers = [nn.Flatten()]
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, images: Images) -> Logits:
        check_images(images, self.image_shape)
        return self.layers(images).squeeze(1)


def mnist_generator() -> MLPGenerator:
    """Chapter 8's averaged generator of seed 0, in evaluation mode on the CPU; ``results/mnist_gan.json`` says how good it is.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``. Weights are
    kept in half precision; the record's figures are those of single precision.

    Raises:
        ValueError: the file's sum is another one.
    """
    return shipped_network("mnist_generator.safetensors", MLPGenerator)


class InBfloat16(nn.Module):
    """A network whose products are computed in bfloat16; what :func:`in_bfloat16` returns.

    Everything that is asked of it but a forward pass is answered by the network itself, ``.module``.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        # Within one context autocast keeps the bfloat16 copies of weights; here weights change, so nothing may be kept.
        with torch.autocast(x.device.type, dtype=torch.bfloat16, cache_enabled=False):
            return self.module(x, *given).to(x.dtype)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "module":  # a copy in the making has none yet
                raise
            return getattr(self.module, name)


def in_bfloat16(network: nn.Module) -> InBfloat16:
    """The same network, computing its matrix products and convolutions in bfloat16; its weights stay what they are.

    What goes in and comes out keeps its dtype, so that losses, averages and optimisers are in full precision. The two share
    weights: training one trains the other, and either's checkpoint loads into the other.

    Raises:
        TypeError: `network` is no torch.nn.Module.
    """
    check_network(network)
    return InBfloat16(network)


@torch.no_grad()
def sample(G: nn.Module, n: int, seed: int = 1, *given: Array) -> Samples:
    """n samples (n, ...) of G in evaluation mode, from a seed of their own; G is left as it was. Introduced in chapter 8.

    Args:
        G: draws its own latents, ``G.sample_z(n, generator)``, on the CPU, so that a seed means the same samples everywhere.
        n: number of samples.
        seed: of the latents.
        given: conditions, (n, ...) each, tensors or NumPy arrays, handed to G after the latents, on their device.

    Raises:
        TypeError: G is no network that draws latents, n or seed is no whole number, or a condition is no tensor or array.
        ValueError: n < 1, seed < 0, or a condition is not one of n.
    """
    check_generator(G)
    n, given = whole(n, "n", 1), [as_tensor(condition, "given") for condition in given]
    for condition in given:
        if condition.shape[:1] != (n,):
            raise ValueError(f"given must hold conditions for n = {n} samples, got shape {tuple(condition.shape)}.")
    z = G.sample_z(n, seeded(seed))
    parts = [z, *(condition.to(z.device) for condition in given)]
    with evaluating(G):
        return torch.cat([G(*(part[start : start + 1000] for part in parts)) for start in range(0, n, 1000)])
