"""Trains the book's eye for digits: the classifier whose features every distance on MNIST is measured in.

    python experiments/digit_classifier.py

Writes ganlib/weights/digit_classifier.safetensors with its SHA-256 in manifest.json, and results/digit_classifier.json.
Augmented with shifts of up to two pixels, so that the features describe shape rather than place.
"""

import time

import bench
import torch
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.nn.functional import cross_entropy, pad
from tqdm.auto import tqdm

from ganlib import data, eye, record


def shifted(images: Tensor, pixels: int = 2) -> Tensor:
    """Each image moved by up to `pixels` in both directions; the border is black (-1)."""
    height, width = images.shape[-2:]
    padded = pad(images, [pixels] * 4, value=-1.0)
    top, left = torch.randint(2 * pixels + 1, (2, len(images)))
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    return padded[torch.arange(len(images))[:, None, None], 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


def accuracy(classifier: eye.DigitClassifier, images: Tensor, labels: Tensor) -> float:
    _, probabilities = eye.classify(classifier.eval(), images)
    return (probabilities.argmax(dim=1) == labels).double().mean().item()


def main(seed: int = 0, epochs: int = 10, batch: int = 128, lr: float = 2e-3, limit: int | None = None) -> dict:
    """Trains and returns accuracies; `limit` keeps the first so many training images (for the test of this file)."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    images, labels = data.mnist("train", fallback=False)
    images, labels = images[:limit], labels[:limit]
    classifier = eye.DigitClassifier()
    optimiser = torch.optim.Adam(classifier.parameters(), lr=lr)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=lr, total_steps=steps)
    order = data.batches(torch.arange(len(images), dtype=torch.float64), batch, seed)
    classifier.train()
    for _, index in zip(tqdm(range(steps), desc="digit_classifier"), order):
        index = index.long()
        loss = cross_entropy(classifier(shifted(data.to_float(images[index]))), labels[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    figures = {"train_accuracy": accuracy(classifier, images, labels)}
    figures["test_accuracy"] = accuracy(classifier, *data.mnist("test", fallback=False))
    return {"classifier": classifier, "figures": figures, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    provenance, configuration = record.provenance(seed=0), {"seed": 0, "epochs": 10, "batch": 128, "lr": 2e-3}
    outcome = main(**configuration)
    sha256 = bench.ship("digit_classifier", to_bytes(outcome["classifier"].state_dict()), "digit_classifier")
    figures = outcome["figures"] | {"sha256": sha256} | provenance
    record.write("digit_classifier", configuration, figures, outcome["seconds"])
    print(figures)
