"""Networks that are told a class: by concatenation, by projection, and chapter 15's pair by projection."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from ganlib.arguments import whole
from ganlib.conv import DCGANDiscriminator, DCGANGenerator
from ganlib.inputs import check_images, check_latents, rows_of, wholes
from ganlib.networks import MLPGenerator
from ganlib.shipped import shipped_network
from ganlib.types import Images, Labels, Latents, Logits


def label_rows(labels: Labels, classes: int, beside: Tensor) -> Tensor:
    """Labels as rows of 0 and 1, (batch, classes), of the dtype of what they stand beside. Introduced in chapter 16.

    Args:
        labels: (batch,), int64, from 0 to classes - 1.
        classes: number of classes.
        beside: (batch, ...), what a network reads together with them.

    Raises:
        TypeError, ValueError: as :func:`ganlib.inputs.rows_of`, or classes is no whole number from 1 on.
    """
    classes = whole(classes, "classes", 1)
    diagonal = torch.eye(classes, dtype=beside.dtype, device=beside.device)
    return rows_of(diagonal, labels, beside)


class ConditionalGenerator(nn.Module):
    """(z, label) -> image: the label, one-hot, is appended to z; then chapter 8's layers. Introduced in chapter 16.

    Args:
        z_dim: length of z.
        classes: number of classes.
        widths: units of the hidden layers.
        image_shape: (channel, height, width) of the images made, in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int = 64,
        classes: int = 10,
        widths: Sequence[int] = (128, 256, 384),
        image_shape: Sequence[int] = (1, 28, 28),
    ) -> None:
        super().__init__()
        self.z_dim, self.classes, self.image_shape = z_dim, classes, tuple(image_shape)
        widths = wholes(widths, "widths")
        layers = [nn.Linear(z_dim + classes, widths[0]), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(widths, widths[1:]):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], prod(self.image_shape)), nn.Tanh())

    def forward(self, z: Latents, labels: Labels) -> Images:
        check_latents(z, self.z_dim, self.layers[0].weight)
        seen = torch.cat([z, label_rows(labels, self.classes, z)], dim=1)
        return self.layers(seen).unflatten(1, self.image_shape)

    sample_z = MLPGenerator.sample_z


class ConcatDiscriminator(nn.Module):
    """(image, label) -> logit: the label, one-hot, is appended to the pixels. Introduced in chapter 16.

    Args:
        image_shape: (channel, height, width) of the images judged.
        classes: number of classes.
        widths: units of the hidden layers.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), classes: int = 10, widths: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        self.classes, self.image_shape = classes, tuple(image_shape)
        sizes = [prod(self.image_shape) + classes, *wholes(widths, "widths", 0)]
        layers = []
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, images: Images, labels: Labels) -> Logits:
        check_images(images, self.image_shape)
        seen = torch.cat([images.flatten(1), label_rows(labels, self.classes, images)], dim=1)
        return self.layers(seen).squeeze(1)


class ProjectionDiscriminator(nn.Module):
    """(image, label) -> logit = psi(phi) + <V_label, phi>, phi being features of the image (Miyato and Koyama 2018, eq. 4).

    Introduced in chapter 16.

    Args:
        image_shape: (channel, height, width) of the images judged.
        classes: number of classes.
        widths: units of the hidden layers; the last is the length of phi.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), classes: int = 10, widths: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        self.image_shape, widths = tuple(image_shape), wholes(widths, "widths", 0)
        sizes, layers = [prod(self.image_shape), *widths], [nn.Flatten()]
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.phi = nn.Sequential(*layers)
        self.psi = nn.Linear(sizes[-1], 1)
        self.V = nn.Embedding(classes, sizes[-1])
        nn.init.zeros_(self.V.weight)  # at first the label says nothing

    def forward(self, images: Images, labels: Labels) -> Logits:
        check_images(images, self.image_shape)
        phi, rows = self.phi(images), self.V.weight
        return self.psi(phi).squeeze(1) + (rows_of(rows, labels, phi) * phi).sum(dim=1)


class ConvConditionalGenerator(nn.Module):
    """(z, label) -> image: the label, one-hot, is appended to z; then chapter 15's layers. Introduced in chapter 16.

    Args:
        z_dim: length of z.
        classes: number of classes.
        image_shape: (channel, height, width) of the images made, in [-1, 1].

    Raises:
        ValueError: the sides of image_shape cannot be divided by four.
    """

    def __init__(self, z_dim: int = 64, classes: int = 10, image_shape: Sequence[int] = (1, 28, 28)) -> None:
        super().__init__()
        self.z_dim, self.classes, self.image_shape = z_dim, classes, tuple(image_shape)
        self.layers = DCGANGenerator(z_dim + classes, image_shape=image_shape).layers

    forward = ConditionalGenerator.forward
    sample_z = ConditionalGenerator.sample_z


class ConvProjectionDiscriminator(nn.Module):
    """(image, label) -> logit = psi(phi) + <V_label, phi>; phi is what the last layer of chapter 15's D reads, psi that layer.

    Introduced in chapter 16.

    Args:
        image_shape: (channel, height, width) of the images judged.
        classes: number of classes.

    Raises:
        ValueError: the sides of image_shape cannot be divided by four.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), classes: int = 10) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        layers = DCGANDiscriminator(image_shape).layers
        self.phi, self.psi = layers[:-1], layers[-1]
        self.V = nn.Embedding(classes, self.psi.in_features)
        nn.init.zeros_(self.V.weight)

    forward = ProjectionDiscriminator.forward


def conditional_generator() -> ConditionalGenerator:
    """Chapter 16's averaged generator, projection, seed 0, in evaluation mode on the CPU; results/conditions.json scores it.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``. Weights are
    kept in half precision; the record's figures are those of single precision.

    Raises:
        ValueError: the file's sum is another one.
    """
    return shipped_network("conditional_generator.safetensors", ConditionalGenerator)


def conv_conditional_generator() -> ConvConditionalGenerator:
    """Chapter 16's averaged convolutional generator of seed 0, in evaluation mode on the CPU; results/conditions_pair.json.

    The file and its precision are as those of :func:`conditional_generator`.

    Raises:
        ValueError: the file's sum is another one.
    """
    return shipped_network("conv_conditional_generator.safetensors", ConvConditionalGenerator)
