"""The convolutional pair of chapter 15, for images of any number of channels whose sides can be divided by four."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from torch import nn

from ganlib.arguments import whole
from ganlib.inputs import wholes
from ganlib.networks import MLPDiscriminator, MLPGenerator
from ganlib.shipped import shipped_network


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


def shuffled(channels: int, out: int) -> nn.Module:
    """A layer that doubles the side: four numbers a pixel, dealt out to four pixels. Introduced in chapter 15.

    It is the transposed convolution with kernel 6 and stride 2, computed at half the side.
    """
    return nn.Sequential(nn.Conv2d(channels, 4 * out, 3, padding=1), nn.PixelShuffle(2))


def divided(image_shape: Sequence[int], factor: int) -> tuple[int, int]:
    """Height and width of images divided by a factor. Introduced in chapter 15.

    Args:
        image_shape: (channel, height, width).
        factor: 1 or more.

    Raises:
        TypeError: a number is not whole.
        ValueError: image_shape is not three numbers from 1 on, a side cannot be divided, or factor < 1.
    """
    shape, factor = wholes(image_shape, "image_shape", 0, 0), whole(factor, "factor", 1)
    sides = shape[1:]
    if len(shape) != 3 or min(shape) < 1 or any(side % factor for side in sides):
        raise ValueError(f"image_shape must be (channel, height, width) with sides divisible by {factor}, got {shape}.")
    return sides[0] // factor, sides[1] // factor


class DCGANGenerator(nn.Module):
    """z -> image: dense layers, then a small picture of many channels, doubled layer by layer. Introduced in chapter 15.

    Args:
        z_dim: length of z.
        dense: units of the dense layers, which lay out the figure; may be empty.
        channels: before each doubling; the picture begins halved as often as there are entries.
        image_shape: (channel, height, width) of the images made, in [-1, 1].
        up: ``up(channels, out)`` makes the layer that doubles the side: :func:`shuffled`, :func:`transposed`, :func:`resized`.

    Raises:
        TypeError: a number is not whole.
        ValueError: the sides of image_shape cannot be halved so often, or there are no channels.
    """

    def __init__(
        self,
        z_dim: int = 64,
        dense: Sequence[int] = (128, 256),
        channels: Sequence[int] = (24, 12),
        image_shape: Sequence[int] = (1, 28, 28),
        up: Callable[[int, int], nn.Module] = shuffled,
    ) -> None:
        super().__init__()
        self.z_dim, self.image_shape = z_dim, tuple(image_shape)
        dense, channels = wholes(dense, "dense", 0), wholes(channels, "channels")
        small = channels[0], *divided(image_shape, 2 ** len(channels))
        layers = []
        for narrow, wide in zip((z_dim, *dense), dense):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(0.2)]
        layers += [nn.Linear((z_dim, *dense)[-1], prod(small)), nn.Unflatten(1, small)]
        for wide, narrow in zip(channels, (*channels[1:], image_shape[0])):
            layers += [nn.BatchNorm2d(wide), nn.LeakyReLU(0.2), up(wide, narrow)]
        self.layers = nn.Sequential(*layers, nn.Tanh(), nn.Flatten())

    forward = MLPGenerator.forward  # the same check of z; a row of pixels becomes an image
    sample_z = MLPGenerator.sample_z


class DCGANDiscriminator(nn.Module):
    """Image -> one logit: convolutions on patches, then dense layers that see the whole figure. Introduced in chapter 15.

    No batch normalisation, no sigmoid. The first convolution has a kernel of three patches and the stride of one.

    Args:
        image_shape: (channel, height, width) of the images judged.
        channels: of the convolutions.
        dense: units of the dense layers; may be empty.
        patch: side of the patches that the image is cut into.

    Raises:
        TypeError: a number is not whole.
        ValueError: the sides of image_shape cannot be divided by patch, or there are no channels.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (1, 28, 28),
        channels: Sequence[int] = (24, 24),
        dense: Sequence[int] = (256,),
        patch: int = 4,
    ) -> None:
        super().__init__()
        self.image_shape, patch = tuple(image_shape), whole(patch, "patch", 1)
        dense, channels = wholes(dense, "dense", 0), wholes(channels, "channels")
        sizes = channels[-1] * prod(divided(image_shape, patch)), *dense
        layers = [nn.PixelUnshuffle(patch)]
        for before, after in zip((image_shape[0] * patch**2, *channels), channels):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.Flatten()]
        for wide, narrow in zip(sizes, dense):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    forward = MLPDiscriminator.forward  # the same check of images


def faster_convolutions(network: nn.Module, lr: float, times: float = 4.0) -> list[dict[str, Any]]:
    """The weights in two groups for an optimiser: dense layers and norms at `lr`, convolutions at so many times it.

    Raises:
        TypeError: network is no torch.nn.Module.

    Introduced in chapter 15.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module, got {type(network).__name__}.")
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    fast = [weight for layer in convolutions for weight in layer.parameters()]
    chosen = {id(weight) for weight in fast}
    slow = [weight for weight in network.parameters() if id(weight) not in chosen]
    return [{"params": slow, "lr": lr}, {"params": fast, "lr": times * lr}]


def dcgan_generator() -> DCGANGenerator:
    """Chapter 15's averaged generator of seed 0, in evaluation mode on the CPU; ``results/convolution.json`` scores it.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``. Weights are
    kept in half precision; the record's figures are those of single precision.

    Raises:
        ValueError: the file's sum is another one.
    """
    return shipped_network("dcgan_generator.safetensors", DCGANGenerator)
