"""What the book's eye for digits says of a sampler, as every experiment on MNIST asks it."""

import functools
import json
from pathlib import Path

import torch
from torch import Tensor

from ganlib import data, eye, metrics
from ganlib.metrics import distances, neighbours


@functools.cache
def seen(split: str) -> tuple[Tensor, Tensor]:
    """Features and class probabilities of all images of a split."""
    return eye.classify(eye.digit_classifier(), data.mnist(split).images)


@functools.cache
def floor(n: int = 10_000) -> tuple[float, list[float]]:
    """Distances to the test set of five random sets of n training images: mean and each."""
    features, (test_features, _) = seen("train")[0], seen("test")
    orders = [torch.randperm(len(features), generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    floors = [metrics.frechet_distance(features[order[:n]], test_features) for order in orders]
    return sum(floors) / len(floors), floors


def score(images: Tensor, floor_of: int = 10_000, with_neighbours: bool = False) -> dict[str, float]:
    """Distance to the test set, its multiple of the floor of `floor_of` images, confidence and class balance.

    With `with_neighbours`, precision and recall against as many test images too.
    """
    with torch.random.fork_rng(devices=[]):  # building a classifier draws weights; a look must not change the run
        features, probabilities = eye.classify(eye.digit_classifier(), images)
        test_features, least = seen("test")[0], floor(floor_of)[0]
    distance, balance = metrics.frechet_distance(features, test_features), metrics.class_balance(probabilities)
    scores = {
        "frechet": distance,
        "times_floor": distance / least,
        "confidence": probabilities.max(dim=1).values.mean().item(),
        "rarest_class": balance.min().item(),
        "commonest_class": balance.max().item(),
    }
    if with_neighbours:
        precision, recall = metrics.precision_recall(test_features[: len(features)], features, k=3)
        scores |= {"precision": float(precision), "recall": float(recall)}
    return scores


MANIFEST = json.loads((Path(eye.__file__).parent / "weights" / "manifest.json").read_text())
USES = (
    *(score, floor, seen, distances, neighbours, metrics.class_balance, eye.classify, eye.DigitClassifier),
    f"weights = {MANIFEST['digit_classifier.safetensors']['sha256']!r}",
)


def drawn_by(*generators: str) -> dict[str, dict[str, str]]:
    """What a record says of the shipped generators that it scores: the SHA-256 of each one's file, by name."""
    return {"drawn_by": {name: MANIFEST[f"{name}.safetensors"]["sha256"] for name in generators}}
