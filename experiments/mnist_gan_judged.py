"""What the judges of other chapters say of chapter 8's generators.

    python experiments/mnist_gan_judged.py    # -> results/mnist_gan_judged.json

The five generators that mnist_gan.py has kept, by the two protocols of chapter 10, and the shipped one, drawn three times a
picture, by the count of triples of chapter 11. Scores are kept in experiments/runs/.
"""

import hashlib
from pathlib import Path
from typing import Any

import bench
import digits
import mnist_gan
import parzen_2014
import protocols
import stacked_mnist
import torch
from model_2014 import unit_batch
from safetensors.torch import load_file

from ganlib import eye, networks, record

SEEDS = range(5)


def by_protocols(seed: int, sha256: str) -> dict[str, Any]:
    """The averaged generator of one of the five seeds; `sha256` of its file tells one training from another."""
    G = networks.MLPGenerator()
    G.load_state_dict(load_file(mnist_gan.weights_of(seed)))
    return parzen_2014.by_both(lambda n: unit_batch(networks.sample(G, n)))


def by_triples(seed: None = None, n: int = stacked_mnist.SAMPLES) -> dict[str, Any]:
    """The shipped generator, three draws a picture."""
    drawn = networks.sample(networks.mnist_generator(), 3 * n)
    return stacked_mnist.score(drawn.view(n, 3, 28, 28))


def runs() -> list[dict[str, Any]]:
    """The scores of the five generators."""
    found = []
    for seed in SEEDS:
        sha256 = hashlib.sha256(Path(mnist_gan.weights_of(seed)).read_bytes()).hexdigest()
        uses = [parzen_2014.by_both, parzen_2014.by_windows, protocols, unit_batch, digits.seen, eye, networks.sample]
        settings = {"seed": seed, "sha256": sha256}
        found.append(bench.kept(f"judged seed {seed}", by_protocols, settings, uses) | {"sha256": sha256})
    return found


def triples() -> dict[str, Any]:
    """The count of triples; other weights are another run."""
    uses = [stacked_mnist.read_triples, stacked_mnist.count, stacked_mnist.score, eye, networks.sample]
    return bench.kept("judged triples", by_triples, {"seed": None}, [*uses, f"{digits.drawn_by('mnist_generator')}"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    figures = {"runs": runs(), "triples": triples()} | digits.drawn_by("mnist_generator")
    seconds = sum(part["seconds"] for part in [*figures["runs"], figures["triples"]])
    configuration = {"samples": parzen_2014.CONFIGURATION["samples"], "pictures": stacked_mnist.SAMPLES}
    print(record.write("mnist_gan_judged", configuration, figures, seconds, clock="processor"))
