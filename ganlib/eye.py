"""The book's eye for digits: the small classifier in whose features distances on MNIST are measured."""

import torch
from torch import Tensor, nn

from ganlib.data import to_float
from ganlib.shipped import shipped_weights
from ganlib.types import ByteImages, Features, Images


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
    classifier.load_state_dict(shipped_weights("digit_classifier.safetensors"))
    return classifier.eval()


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
        chunk = to_float(chunk) if chunk.dtype == torch.uint8 else chunk.float()
        features = classifier.features(chunk)
        rows.append((features, classifier.head(features).softmax(dim=1)))
    return torch.cat([features for features, _ in rows]), torch.cat([probs for _, probs in rows])
