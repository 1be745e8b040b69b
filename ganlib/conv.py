"""The convolutional pair of chapter 15."""

from collections.abc import Sequence
from math import prod

from torch import nn

from ganlib import networks
from ganlib.types import Images, Latents, Logits


class DCGANGenerator(nn.Module):
    """z -> image: a linear layer, then two transposed convolutions that double height and width. Introduced in chapter 15.

    Batch normalisation and ReLU stand between the layers, tanh at the end (Radford et al. 2016, with fewer channels).

    Args:
        z_dim: length of z.
        channels: of the image at half of its size; twice as many at a quarter of it.
        image_shape: (channel, height, width) of the images made, in [-1, 1]; height and width are multiples of 4.

    Raises:
        ValueError: height or width is no multiple of 4.
    """

    def __init__(self, z_dim: int = 64, channels: int = 32, image_shape: Sequence[int] = (1, 28, 28)) -> None:
        super().__init__()
        colours, height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError(f"image_shape must have height and width in multiples of 4, got {tuple(image_shape)}.")
        self.z_dim = z_dim
        self.image_shape = tuple(image_shape)
        first = (2 * channels, height // 4, width // 4)
        self.layers = nn.Sequential(
            nn.Linear(z_dim, prod(first)),
            nn.Unflatten(1, first),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * channels, channels, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, colours, kernel_size=4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Latents) -> Images:
        if z.ndim != 2 or z.shape[1] != self.z_dim or len(z) == 0:
            raise ValueError(f"z must have shape (batch, {self.z_dim}) with batch >= 1, got {tuple(z.shape)}.")
        if z.dtype != self.layers[0].weight.dtype:
            raise TypeError(f"z must be {self.layers[0].weight.dtype} as the weights are, got {z.dtype}.")
        return self.layers(z)

    sample_z = networks.MLPGenerator.sample_z


class DCGANDiscriminator(nn.Module):
    """Image -> one logit: two convolutions that halve height and width, then two linear layers. Introduced in chapter 15.

    Args:
        image_shape: (channel, height, width) of the images judged; height and width are multiples of 4.
        channels: after the first convolution; twice as many after the second.
        hidden: units of the layer between the image's description and the logit.

    Raises:
        ValueError: height or width is no multiple of 4.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), channels: int = 16, hidden: int = 256) -> None:
        super().__init__()
        colours, height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError(f"image_shape must have height and width in multiples of 4, got {tuple(image_shape)}.")
        self.image_shape = tuple(image_shape)
        self.layers = nn.Sequential(
            nn.Conv2d(colours, channels, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * channels * (height // 4) * (width // 4), hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, images: Images) -> Logits:
        if images.shape[1:] != self.image_shape or len(images) == 0:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images must have shape (batch, {expected}) with batch >= 1, got {tuple(images.shape)}.")
        if not images.is_floating_point():
            raise TypeError(f"images must be floating point in [-1, 1], got {images.dtype}; data.to_float scales bytes.")
        return self.layers(images).squeeze(1)
