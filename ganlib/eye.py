"""The book's eye for digits: the small classifier in whose features distances on MNIST are measured."""

import warnings
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ganlib.arguments import as_values, check_signed, whole
from ganlib.data import to_float
from ganlib.shipped import shipped_network
from ganlib.types import Array, Features, Images


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
    """The trained classifier in float32, in evaluation mode on the CPU; ``results/digit_classifier.json`` has its accuracy.

    The file is safetensors, so no code is executed, and its SHA-256 is compared with ``weights/manifest.json``.

    Raises:
        ValueError: the file's sum is another one.
    """
    return shipped_network("digit_classifier.safetensors", DigitClassifier)


def classify(
    classifier: DigitClassifier,
    images: Float[Array, "batch channel height width"] | UInt8[Array, "batch channel height width"],
    batch: int = 1000,
) -> tuple[Features, Tensor]:
    """Features (n, 64) and class probabilities (n, 10) of images, batch by batch, on the classifier's device.

    Floats that are nowhere below 0 are refused: they are most likely in [0, 1], where the classifier would take black for grey.
    So is a set that is 0 everywhere, black in one scale and grey in the other; the bytes of :func:`ganlib.data.to_uint8` leave
    no doubt. A set that is -1 everywhere is black in both, and taken.

    Args:
        classifier: what :func:`digit_classifier` returns; it must be in evaluation mode.
        images: (n, 1, 28, 28), floats in [-1, 1] or uint8, light digits on black, a tensor or a NumPy array.
        batch: images a forward pass.

    Raises:
        TypeError: images are neither floating point nor uint8, classifier is no such network, or batch is no whole number.
        ValueError: images are not (n, 1, 28, 28) with n >= 1, are floats more than 0.001 outside [-1, 1] or nowhere below 0,
            batch < 1, or the classifier is in training mode.

    Warns:
        UserWarning: the borders of the images are light, as of dark digits on white.
    """
    images, batch = as_values(images, "images").detach(), whole(batch, "batch", 1)
    _check_digits(images)
    _check_scale(images)
    _check_classifier(classifier)
    weight, rows = next(classifier.parameters()), []
    with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        for chunk in images.split(batch):
            chunk = (to_float(chunk) if chunk.dtype == torch.uint8 else chunk).to(weight.device, weight.dtype)
            features = classifier.features(chunk)
            rows.append((features, classifier.head(features).softmax(dim=1)))
    return torch.cat([features for features, _ in rows]), torch.cat([probs for _, probs in rows])


def _check_scale(images: Tensor) -> None:
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"images must be floating point in [-1, 1] or uint8, got {images.dtype}.")
    values = images.float() if images.is_floating_point() and images.dtype.itemsize < 4 else images
    low, high = (bound.item() for bound in values.aminmax())
    if images.dtype != torch.uint8:
        if not (low >= -1.001 and high <= 1.001):  # half precision may round beyond 1; nan fails both comparisons
            found = f"from {low:.4g} to {high:.4g}"
            raise ValueError(f"images must lie in [-1, 1], got values {found}; data.to_float scales bytes.")
        check_signed(values)
    border = torch.cat([values[..., [0, -1], :].flatten(1), values[..., [0, -1]].flatten(1)], dim=1)
    light = border.float().mean().item()
    if light > (191 if images.dtype == torch.uint8 else 0.5):
        warnings.warn(
            f"images look like dark digits on white, their borders being {light:.3g} on average; the classifier knows light "
            "digits on black: hand over -images, or 255 - images of bytes.",
            stacklevel=3,
        )


def _check_classifier(classifier: Any) -> None:
    if not (isinstance(classifier, nn.Module) and hasattr(classifier, "features") and hasattr(classifier, "head")):
        raise TypeError(f"classifier must be a DigitClassifier, got {type(classifier).__name__}.")
    if classifier.training:
        raise ValueError("classifier must be in evaluation mode, where it drops no units; classifier.eval() puts it there.")
