"""The convolutional pair of chapter 15, for images of any even size and number of channels."""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import nn

from ganlib.networks import MLPDiscriminator, MLPGenerator
from ganlib.shipped import shipped_weights


def transposed(channels: int, out: int, kernel: int = 4) -> nn.Module:
    """A layer that doubles the side: each pixel lays down its kernel, two from its neighbour's. Introduced in chapter 15.

    Args:
        channels: of what comes in.
        out: channels of what goes out.
        kernel: its side; 4 covers every pixel equally often, 3 does not.
    """
    return nn.ConvTranspose2d(channels, out, kernel, stride=2, padding=1, output_padding=kernel % 2)


def resized(channels: int, out: int) -> nn.Module:
    """A layer that doubles the side: each pixel becomes four, then a convolution of 3 x 3. Introduced in chapter 15."""
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, out, 3, padding=1))


def halved(image_shape: Sequence[int], times: int) -> tuple[int, int]:
    """Height and width of images halved so many times. Introduced in chapter 15.

    Args:
        image_shape: (channel, height, width).
        times: 1 or more.

    Raises:
        ValueError: image_shape is not three numbers, times is less than 1, or a side cannot be halved so often.
    """
    sides, factor = tuple(image_shape[1:]), 2**times
    if len(image_shape) != 3 or times < 1 or min(image_shape) < 1 or any(side % factor for side in sides):
        raise ValueError(
            f"image_shape must be (channel, height, width) with sides divisible by {factor}, once for every layer in channels, "
            f"got {tuple(image_shape)}."
        )
    return sides[0] // factor, sides[1] // factor


class DCGANGenerator(nn.Module):
    """z -> image: a small picture of many channels, doubled layer by layer, tanh at the end. Introduced in chapter 15.

    Args:
        z_dim: length of z.
        channels: before each doubling; the picture begins halved as often as there are entries.
        image_shape: (channel, height, width) of the images made, in [-1, 1].
        up: ``up(channels, out)`` makes the layer that doubles the side, as :func:`transposed` and :func:`resized` do.

    Raises:
        ValueError: image_shape cannot be halved so often.
    """

    def __init__(
        self,
        z_dim: int = 64,
        channels: Sequence[int] = (64, 32),
        image_shape: Sequence[int] = (1, 28, 28),
        up: Callable[[int, int], nn.Module] = transposed,
    ) -> None:
        super().__init__()
        self.z_dim, self.image_shape = z_dim, tuple(image_shape)
        small = channels[0], *halved(image_shape, len(channels))
        layers = [nn.Linear(z_dim, prod(small)), nn.Unflatten(1, small)]
        for wide, narrow in zip(channels, (*channels[1:], image_shape[0])):
            layers += [nn.BatchNorm2d(wide), nn.LeakyReLU(0.2), up(wide, narrow)]
        self.layers = nn.Sequential(*layers, nn.Tanh(), nn.Flatten())

    forward = MLPGenerator.forward  # the same check of z; a row of pixels becomes an image
    sample_z = MLPGenerator.sample_z


class DCGANDiscriminator(nn.Module):
    """Image -> one logit: convolutions that halve the side, no batch normalisation, no sigmoid. Introduced in chapter 15.

    Args:
        image_shape: (channel, height, width) of the images judged.
        channels: after each halving.
        kernel: side of the kernels, 3 or 4.

    Raises:
        ValueError: image_shape cannot be halved so often.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (1, 28, 28),
        channels: Sequence[int] = (32, 64),
        kernel: int = 4,
    ) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        small = channels[-1], *halved(image_shape, len(channels))
        layers = []
        for before, after in zip((image_shape[0], *channels), channels):
            layers += [nn.Conv2d(before, after, kernel, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(prod(small), 1))

    forward = MLPDiscriminator.forward  # the same check of images


def dcgan_generator() -> DCGANGenerator:
    """Chapter 15's averaged generator of seed 0, in evaluation mode on the CPU; ``results/convolution.json`` scores it.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``. Weights are
    kept in half precision; the record's figures are those of single precision.

    Raises:
        ValueError: the file's sum is another one.
    """
    weights = shipped_weights("dcgan_generator.safetensors")
    with torch.device("meta"):  # no weights of its own: torch's random generator is left alone
        G = DCGANGenerator()
    G.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in weights.items()}, assign=True)
    return G.eval()
