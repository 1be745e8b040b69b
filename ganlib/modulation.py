"""A generator in the manner of StyleGAN, small: z becomes a style w, and w sets scale and shift of every layer."""

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import layer_norm, leaky_relu

from ganlib.arguments import number, whole
from ganlib.inputs import check_latents, wholes
from ganlib.types import Images, Latents


class StyledLayer(nn.Module):
    """A linear layer whose units are normalised, then scaled and shifted as the style w says. Introduced in chapter 16.

    Args:
        units_in: length of its input.
        units_out: length of its output.
        w_dim: length of w; 0 makes scale and shift plain weights, the same for every sample.
    """

    def __init__(self, units_in: int, units_out: int, w_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(units_in, units_out)
        self.style = nn.Linear(w_dim, 2 * units_out) if w_dim else None
        self.plain = None if w_dim else nn.Parameter(torch.zeros(2 * units_out))

    def forward(self, h: Float[Tensor, "batch units_in"], w: Latents) -> Float[Tensor, "batch units_out"]:
        h = layer_norm(self.linear(h), self.linear.bias.shape)
        scale, shift = (self.plain if self.style is None else self.style(w)).chunk(2, dim=-1)
        return leaky_relu((1 + scale) * h + shift, 0.2)


class StyleGenerator(nn.Module):
    """z -> w -> image; w enters at every layer, a learned constant at the bottom. Introduced in chapter 16.

    Args:
        z_dim: length of z and of w.
        widths: units of the styled layers.
        mapping: hidden layers between z and w; 0 makes w = z.
        styles: False lets w enter at the bottom, as in chapter 8, and nowhere else.
        mixing: in training, share of batches in which the upper layers are given the style of a second z.
        image_shape: (channel, height, width) of the images made, in [-1, 1].

    Raises:
        TypeError, ValueError: widths are no whole numbers from 1 on, two of them where styles are mixed; or mixing is no share.
    """

    def __init__(
        self,
        z_dim: int = 64,
        widths: Sequence[int] = (128, 256, 384),
        mapping: int = 2,
        styles: bool = True,
        mixing: float = 0.0,
        image_shape: Sequence[int] = (1, 28, 28),
    ) -> None:
        super().__init__()
        self.mixing = number(mixing, "mixing", 0.0, 1.0)
        self.z_dim, self.image_shape = z_dim, tuple(image_shape)
        widths = wholes(widths, "widths", least=2 if mixing else 1)
        steps = [nn.Sequential(nn.Linear(z_dim, z_dim), nn.LeakyReLU(0.2)) for _ in range(mapping)]
        self.mapping = nn.Sequential(*steps)
        self.constant = nn.Parameter(torch.randn(z_dim)) if styles else None
        sizes = [z_dim, *widths]
        self.layers = nn.ModuleList(StyledLayer(a, b, z_dim if styles else 0) for a, b in zip(sizes, widths))
        self.to_image = nn.Linear(widths[-1], prod(image_shape))

    def synthesis(self, styles: Sequence[Latents]) -> Images:
        """The image of one w a layer, from the bottom up."""
        h = styles[0]
        if self.constant is not None:
            h = self.constant.expand(len(h), -1)
        for layer, w in zip(self.layers, styles):
            h = layer(h, w)
        return self.to_image(h).tanh().unflatten(1, self.image_shape)

    def forward(self, z: Latents) -> Images:
        check_latents(z, self.z_dim, self.to_image.weight)
        w, depth = self.mapping(z), len(self.layers)
        styles = [w] * depth
        # One draw a batch whatever the share is, so that a seed means the same latents; on the CPU, where none waits for it.
        drawn = torch.rand((), dtype=torch.float32, device="cpu") if self.training else 1.0
        if self.mixing and drawn < self.mixing:
            cut = int(torch.randint(1, depth, (), device="cpu"))
            other = self.mapping(self.sample_z(len(z)))
            styles = styles[:cut] + [other] * (depth - cut)
        return self.synthesis(styles)

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Latents:
        """n draws from the standard normal, as :meth:`ganlib.networks.MLPGenerator.sample_z`."""
        weight, n = self.to_image.weight, whole(n, "n", 1)
        if generator is None:
            return torch.randn(n, self.z_dim, device=weight.device, dtype=weight.dtype)
        place = {"device": generator.device, "dtype": torch.float32}
        return torch.randn(n, self.z_dim, generator=generator, **place).to(weight)
