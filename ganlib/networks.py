"""The networks of the book: the MLP pair of chapter 8 and the small classifier that looks at its digits."""

import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from math import prod

import torch
from torch import Tensor, nn

from ganlib.types import ByteImages, Features, Images, Latents, Logits, Samples


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
        self.image_shape = tuple(image_shape)
        layers = [nn.Linear(z_dim, widths[0]), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(widths, widths[1:]):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide, eps=1e-5, momentum=0.1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], prod(self.image_shape)), nn.Tanh())

    def forward(self, z: Latents) -> Images:
        if z.ndim != 2 or z.shape[1] != self.z_dim or len(z) == 0:
            raise ValueError(f"z must have shape (batch, {self.z_dim}) with batch >= 1, got {tuple(z.shape)}.")
        if z.dtype != self.layers[0].weight.dtype:
            raise TypeError(f"z must be {self.layers[0].weight.dtype} as the weights are, got {z.dtype}.")
        return self.layers(z).unflatten(1, self.image_shape)

    def sample_z(self, n: int) -> Latents:
        """n draws from the standard normal, on the device of the weights, from torch's global generator."""
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}.")
        weight = self.layers[0].weight
        return torch.randn(n, self.z_dim, device=weight.device, dtype=weight.dtype)


class MLPDiscriminator(nn.Module):
    """Image -> one logit: two hidden layers, no sigmoid, no batch normalisation. Introduced in chapter 8.

    Args:
        image_shape: (channel, height, width) of the images judged.
        widths: units of the hidden layers.
    """

    def __init__(self, image_shape: Sequence[int] = (1, 28, 28), widths: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        sizes = [prod(self.image_shape), *widths]
        layers = [nn.Flatten()]
        for wide, narrow in zip(sizes, sizes[1:]):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, images: Images) -> Logits:
        if images.shape[1:] != self.image_shape or len(images) == 0:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images must have shape (batch, {expected}) with batch >= 1, got {tuple(images.shape)}.")
        if not images.is_floating_point():
            raise TypeError(f"images must be floating point in [-1, 1], got {images.dtype}; data.to_float scales bytes.")
        return self.layers(images).squeeze(1)


class DigitClassifier(nn.Module):
    """Image of a digit -> ten class logits; the 64 activations that the last layer reads are the book's eye for digits.

    Two convolutions of 16 and 32 channels with 2x2 max pooling, then 64 units, then ten. Trained once by
    ``experiments/digit_classifier.py``; :func:`digit_classifier` brings the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(32 * 7 * 7, 64),
        )
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(64, 10))

    def features(self, images: Images) -> Features:
        """(batch, 64): the activations that the last layer reads, at least 0. Images are floats in [-1, 1]."""
        _check_digits(images)
        return self.body(images).relu()

    def forward(self, images: Images) -> Features:
        """(batch, 10): class logits."""
        return self.head(self.features(images))


def _check_digits(images: Tensor) -> None:
    if images.shape[1:] != (1, 28, 28) or len(images) == 0:
        raise ValueError(f"images must have shape (batch, 1, 28, 28) with batch >= 1, got {tuple(images.shape)}.")


def digit_classifier() -> DigitClassifier:
    """The trained classifier, in evaluation mode on the CPU; its test accuracy stands in ``results/digit_classifier.json``.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``.

    Raises:
        ValueError: the file's sum is another one.
    """
    classifier = DigitClassifier()
    classifier.load_state_dict(_shipped_weights("digit_classifier.safetensors"))
    return classifier.eval()


def mnist_generator() -> MLPGenerator:
    """Chapter 8's averaged generator of seed 0, in evaluation mode on the CPU; ``results/mnist_gan.json`` says how good it is.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``. Weights are
    kept in half precision; the record's figures are those of single precision.

    Raises:
        ValueError: the file's sum is another one.
    """
    G = MLPGenerator()
    G.load_state_dict(_shipped_weights("mnist_generator.safetensors"))
    return G.eval()


def _shipped_weights(name: str) -> dict[str, Tensor]:
    from safetensors.torch import load

    folder = files("ganlib") / "weights"
    expected = json.loads((folder / "manifest.json").read_text())[name]["sha256"]
    content = (folder / name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{name} has SHA-256 {found}, expected {expected}: reinstall ganlib.")
    return load(content)


@torch.no_grad()
def sample(G: nn.Module, n: int, seed: int = 1) -> Samples:
    """n samples (n, ...) of G, which is left in evaluation mode, from a seed of their own. Introduced in chapter 8.

    The latents are drawn on the CPU in float32, so that a seed means the same samples everywhere.
    """
    z = torch.randn(n, G.z_dim, generator=torch.Generator().manual_seed(seed)).to(next(G.parameters()))
    return torch.cat([G.eval()(chunk) for chunk in z.split(1000)])


@torch.no_grad()
def classify(classifier: DigitClassifier, images: Images | ByteImages, batch: int = 1000) -> tuple[Features, Tensor]:
    """Features (n, 64) and class probabilities (n, 10) of images, batch by batch.

    Args:
        classifier: what :func:`digit_classifier` returns.
        images: (n, 1, 28, 28), floats in [-1, 1] or uint8.
        batch: images a forward pass.

    Raises:
        TypeError: images are neither floating point nor uint8.
        ValueError: images are not (n, 1, 28, 28) with n >= 1, or are floats more than 0.001 outside [-1, 1].
    """
    _check_digits(images)
    if images.is_floating_point():
        low, high = (bound.item() for bound in images.aminmax())
        if not (low >= -1.001 and high <= 1.001):  # half precision may round beyond 1; nan fails both comparisons
            values = f"from {low:.4g} to {high:.4g}"
            raise ValueError(f"images must lie in [-1, 1], got values {values}; data.to_float scales bytes.")
    elif images.dtype != torch.uint8:
        raise TypeError(f"images must be floating point in [-1, 1] or uint8, got {images.dtype}.")
    rows = []
    for chunk in images.split(batch):
        chunk = chunk.to(torch.float32) / 127.5 - 1 if chunk.dtype == torch.uint8 else chunk.float()
        features = classifier.features(chunk)
        rows.append((features, classifier.head(features).softmax(dim=1)))
    return torch.cat([features for features, _ in rows]), torch.cat([probs for _, probs in rows])
