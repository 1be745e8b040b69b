"""Two protocols that score a sampler of digits: the Parzen windows of 2014, and the distances of Binkowski et al. (2018).

The first follows parzen_ll.py of the authors' code (github.com/goodfeli/adversarial). The second sees with the book's digit
classifier. Samples are (n, 784) in [0, 1].
"""

import digits
import torch
from torch import Tensor

from ganlib import data, eye
from ganlib.metrics import (
    frechet_distance,
    kernel_distance,
    parzen_log_likelihood,
    polynomial_mmd,
    precision_recall,
    select_sigma,
    squared_distances,
)

SIGMAS = [10 ** (-1 + i / 9) for i in range(10)]
VALIDATION = 1_000


def unit(images: Tensor) -> Tensor:
    """Bytes -> (n, 784) in [0, 1], the scale of the score."""
    return images.flatten(1).float() / 255


def validation_images(train_images: int) -> Tensor:
    """The first of the training split that the model did not see."""
    return unit(data.mnist("train").images[train_images:][:VALIDATION])


def validation_score(samples: Tensor, validation: Tensor) -> tuple[float, float]:
    """Mean log-likelihood of the validation images in nats, at the best of SIGMAS, and that sigma."""
    sigma = select_sigma(samples, validation, SIGMAS)
    return parzen_log_likelihood(samples, validation, sigma).mean().item(), sigma


def parzen(samples: Tensor, train_images: int) -> dict[str, float]:
    """The protocol of 2014: sigma from the validation images, then the test images once."""
    sigma = select_sigma(samples, validation_images(train_images), SIGMAS)
    scores = parzen_log_likelihood(samples, unit(data.mnist("test").images), sigma)
    return {"nats": scores.mean().item(), "error": (scores.std(correction=0) / len(scores) ** 0.5).item(), "sigma": sigma}


def k_means(points: Tensor, count: int = 10_000, rounds: int = 2, seed: int = 0) -> Tensor:
    """Lloyd's algorithm from `count` of the points: each point joins its nearest centre, each centre moves to their mean."""
    centres = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:count]]
    for _ in range(rounds):
        nearest = torch.cat([squared_distances(chunk, centres).argmin(dim=1) for chunk in points.split(2000)])
        sizes = torch.bincount(nearest, minlength=count).unsqueeze(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
    return centres


def seen_by_eye(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Features (n, 64) and class probabilities (n, 10)."""
    return eye.classify(eye.digit_classifier(), samples.mul(2).sub(1).view(-1, 1, 28, 28))


def protocol_2018(features: Tensor, probabilities: Tensor, size: int = 1000, times: int = 10, pairs: int = 100) -> dict:
    """Samples against all test images: the classifier's score, Frechet and kernel distances, precision and recall.

    Binkowski et al. (2018, Table 3) draw both sets again with replacement ten times for the Frechet distance, and take the
    kernel distance over a hundred pairs of random subsets of a thousand, which overlap. Each is given as [mean, standard
    deviation]. Beside them stand the distance of the sets as they are, the kernel distance over disjoint pairs with the
    interval that they allow, and precision and recall of the first 5,000 of each.
    """
    test, _ = digits.seen("test")
    dice = torch.Generator().manual_seed(0)
    again = lambda x: x[torch.randint(len(x), (len(x),), generator=dice)]  # noqa: E731
    some = lambda x: x[torch.randperm(len(x), generator=dice)[:size]]  # noqa: E731
    redrawn = torch.tensor([frechet_distance(again(features), again(test)) for _ in range(times)])
    paired = torch.tensor([polynomial_mmd(some(features), some(test)) for _ in range(pairs)])
    kernel, half = kernel_distance(features, test, size=size)
    precision, recall = precision_recall(test[:5000], features[:5000])
    return {
        "n": len(features),
        "score": classifier_score(probabilities),
        "frechet": frechet_distance(features, test),
        "frechet_redrawn": [redrawn.mean().item(), redrawn.std().item()],
        "kernel": kernel,
        "kernel_half": half,
        "kernel_paired": [paired.mean().item(), paired.std().item()],
        "precision": precision,
        "recall": recall,
    }


def classifier_score(probabilities: Tensor) -> float:
    """Exponential of the mean KL divergence of p(y | x) from p(y), 1 to 10 (Salimans et al. 2016's score in this eye)."""
    p = probabilities.double()
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, p.mean(dim=0))).sum(dim=1).mean().exp().item()


def score_redrawn(probabilities: Tensor, times: int = 10) -> list[float]:
    """Mean and standard deviation of the classifier's score over samples drawn again with replacement."""
    dice, n = torch.Generator().manual_seed(0), len(probabilities)
    scores = [classifier_score(probabilities[torch.randint(n, (n,), generator=dice)]) for _ in range(times)]
    return [torch.tensor(scores).mean().item(), torch.tensor(scores).std().item()]
