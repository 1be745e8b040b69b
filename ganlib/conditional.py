"""Networks that are told a class: by concatenation, by projection, and chapter 15's pair by projection."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganlib.conv import DCGANDiscriminator, DCGANGenerator
from ganlib.shipped import shipped_network
from ganlib.types import Images, Labels, Latents, Logits


def label_rows(labels: Labels, classes: int, beside: Tensor) -> Tensor:
    """Labels as rows of 0 and 1, (batch, classes), of the dtype of what they stand beside. Introduced in chapter 16.

    Args:
        labels: (batch,), int64, from 0 to classes - 1.
        classes: number of classes.
        beside: (batch, ...), what a network reads together with them.

    Raises:
        TypeError: labels are not int64.
        ValueError: labels are not one for each row of `beside`.
        RuntimeError: a label is not one of the classes, as torch's one_hot says.
    """
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {labels.dtype}.")
    if labels.shape != beside.shape[:1]:
        raise ValueError(f"labels must have shape ({len(beside)},), one a sample, got {tuple(labels.shape)}.")
    return one_hot(labels, classes).to(beside)


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
        layers = [nn.Linear(z_dim + classes, widths[0]), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(widths, widths[1:]):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], prod(self.image_shape)), nn.Tanh())

    def forward(self, z: Latents, labels: Labels) -> Images:
        seen = torch.cat([z, label_rows(labels, self.classes, z)], dim=1)
        return self.layers(seen).unflatten(1, self.image_shape)

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Latents:
        """n draws from the standard normal, on the device of the weights."""
        weight = self.layers[0].weight
        if generator is None:
            return torch.randn(n, self.z_dim, device=weight.device, dtype=weight.dtype)
        return torch.randn(n, self.z_dim, generator=generator, device=generator.device).to(weight)


class ConcatDiscriminator(nn.Module):
    """(image, label) -> logit: the label, one-hot, is appended to the pixels. Introduced in chapter 16.

    Args:
        image_shape: (channel, height, width) of the images judged.
        classes: number of classes.
        widths: units of the hidden layers.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), classes: int = 10, widths: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        self.classes = classes
        sizes, layers = [prod(image_shape) + classes, *widths], []
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, images: Images, labels: Labels) -> Logits:
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
        sizes, layers = [prod(image_shape), *widths], [nn.Flatten()]
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.phi = nn.Sequential(*layers)
        self.psi = nn.Linear(sizes[-1], 1)
        self.V = nn.Embedding(classes, sizes[-1])
        nn.init.zeros_(self.V.weight)  # at first the label says nothing

    def forward(self, images: Images, labels: Labels) -> Logits:
        phi = self.phi(images)
        return self.psi(phi).squeeze(1) + (self.V(labels) * phi).sum(dim=1)


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
