"""Do samples obey the class they are told? Concatenation against projection, five seeds each; and what is shipped.

    python experiments/conditions.py                                  # all runs -> results/conditions.json, and the weights
    python experiments/conditions.py --rounds 500 --name conditions_short

Both ways share G, game, data, rounds and Adam; D is another. On MNIST, one thread; the clock is the processor's and stands
still while samples are scored. A finished run is kept in experiments/runs/.
"""

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm

from ganlib import conditional, data, eye, networks, record, training
from ganlib.metrics import precision_recall
from ganlib.objectives import nonsaturating

WAYS = {"concatenation": conditional.ConcatDiscriminator, "projection": conditional.ProjectionDiscriminator}
SEEDS, ROUNDS, OPENING = 5, 4_000, 5
RECIPE = {"batch": 64, "lr": 2e-3, "lr_D": 1e-3, "decay_from": 0.25, "decay_to": 0.2, "ema_share": 0.2, "samples": 10_000}
READER = {"images": 20_000, "epochs": 5, "batch": 100, "lr": 1e-3}  # the classifier of GAN-train
SHIPPED = "conditional_generator"


def conditional_run(seed: int, way: str, double: bool = False) -> training.Run:
    """The run about to begin, its products in bfloat16; in double precision, if asked for, for an opening."""
    torch.manual_seed(seed)
    G, D = conditional.ConditionalGenerator(), WAYS[way]()
    if double:
        bench.reset_in_double(G, D)
    else:
        G, D = networks.in_bfloat16(G), networks.in_bfloat16(D)
    return bench.fresh_run(G, D, lr=RECIPE["lr"], lr_D=RECIPE["lr_D"])


@torch.no_grad()
def refreshed_with_labels(G_ema: nn.Module, seed: int = 2) -> nn.Module:
    """As ``bench.refreshed``, for a G that is told a class: statistics measured on 20,000 latents, all classes alike."""
    G, dice = copy.deepcopy(bench.plain(G_ema)), torch.Generator().manual_seed(seed)
    for layer in G.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean
    G.train()
    for _ in range(20):
        G(G.sample_z(1000, dice), torch.arange(1000) % G.classes)
    return G.eval()


def read_by_a_classifier(images: Tensor, labels: Tensor, seed: int = 0) -> float:
    """Accuracy on the test set of a small classifier that was trained on these: GAN-train (Shmelkov et al. 2018)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    opt = torch.optim.Adam(reader.parameters(), lr=READER["lr"], fused=True)
    batches = data.batches((images, labels), READER["batch"], seed)
    for _ in range(READER["epochs"] * len(images) // READER["batch"]):
        x, y = next(batches)
        opt.zero_grad()
        cross_entropy(reader(x), y).backward()
        opt.step()
    test = data.mnist("test")
    with torch.no_grad():
        return (reader(data.to_float(test.images)).argmax(dim=1) == test.labels).double().mean().item()


def spread_of(features: Tensor, labels: Tensor) -> list[float]:
    """For each class, the mean distance between two of its first 500 feature vectors."""
    return [torch.pdist(features[labels == label][:500].double()).mean().item() for label in range(10)]


def score(images: Tensor, labels: Tensor) -> dict[str, Any]:
    """What the eye for digits says of images that are told to be of these classes.

    "agreement" is the share that the eye reads as told, "by_class" the same for each class, "read" the table of counts (told,
    read), "spread" the mean distance within a class as a multiple of that of test images.
    """
    with torch.random.fork_rng(devices=[]):
        features, probabilities = eye.classify(eye.digit_classifier(), images)
    read, (test_features, _), test = probabilities.argmax(dim=1), digits.seen("test"), data.mnist("test")
    counts = torch.bincount(10 * labels + read, minlength=100).view(10, 10)
    spread = torch.tensor(spread_of(features, labels)) / torch.tensor(spread_of(test_features, test.labels))
    some = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:2_000]
    precision, recall = precision_recall(test_features[:2_000], features[some])
    found = {"agreement": (read == labels).double().mean().item(), "precision": precision, "recall": recall}
    found |= {"by_class": (counts.diag() / counts.sum(dim=1)).tolist(), "read": counts.tolist(), "spread": spread.tolist()}
    return found | {"times_floor": digits.score(images)["times_floor"]}


def main(
    seed: int = 0, way: str = "projection", rounds: int = ROUNDS, opening: int = 0, progress: bool = True
) -> tuple[dict[str, Any], dict[str, Tensor]] | dict[str, list[float]]:
    """One run, its scores and the weights of the averaged G, batch statistics measured anew; or the losses of its opening."""
    run = conditional_run(seed, way, bool(opening))
    batches = data.batches(tuple(data.mnist("train")), RECIPE["batch"], seed)
    if opening:
        doubled = ((reals.double(), labels) for reals, labels in batches)
        rows = list(training.train(run, doubled, nonsaturating, steps=opening))
        return {"loss_D": [row.loss_D for row in rows], "loss_G": [row.loss_G for row in rows]}
    schedules = [bench.linear_decay(opt, rounds, RECIPE["decay_from"], RECIPE["decay_to"]) for opt in (run.opt_G, run.opt_D)]
    play = training.train(run, batches, nonsaturating, steps=rounds, ema_share=RECIPE["ema_share"])
    begun = time.process_time()
    for _ in tqdm(play, total=rounds, desc=f"{way}, seed {seed}", disable=not progress, mininterval=10):
        for schedule in schedules:
            schedule.step()
    outcome = {"way": way, "rounds": run.step, "seconds": round(time.process_time() - begun, 1)}
    G, labels = refreshed_with_labels(run.G_ema), torch.arange(RECIPE["samples"]) % 10
    outcome |= score(networks.sample(G, len(labels), 1, labels), labels)
    labels = torch.arange(READER["images"]) % 10
    outcome["gan_train"] = read_by_a_classifier(networks.sample(G, len(labels), 3, labels), labels)
    return outcome, G.state_dict()


USES = (conditional_run, refreshed_with_labels, read_by_a_classifier, spread_of, score, conditional.label_rows)
USES += (conditional.ConditionalGenerator, *WAYS.values())
USES += (bench.fresh_run, bench.linear_decay, networks.in_bfloat16, networks.InBfloat16, *bench.PLAYED, *digits.USES)
USES += (f"numbers = {RECIPE, READER}",)


def kept(way: str, seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one run, rounded, or what it returned when that run was last finished."""
    outcome = bench.kept(f"conditions {way} {seed}", main, {"seed": seed, "way": way, "rounds": rounds}, USES)
    shown = f"agreement {outcome['agreement']:.4f}, {outcome['times_floor']:.1f} floors, GAN-train {outcome['gan_train']:.4f}"
    print(f"{way}, seed {seed}: {shown}, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def known_labellings() -> dict[str, dict[str, Any]]:
    """What the measures say of samplers that we understand."""
    train = data.mnist("train")
    some = torch.randperm(len(train.images), generator=torch.Generator().manual_seed(0))[: READER["images"]]
    images, labels = data.to_float(train.images[some]), train.labels[some]
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    one_each = torch.stack([images[labels == label][0] for label in range(10)])[labels]
    found = {
        "training images": (images, labels),
        "labels shuffled": (images, shuffled),
        "one image a class": (one_each, labels),
    }
    n = RECIPE["samples"]
    return {name: score(x[:n], y[:n]) | {"gan_train": read_by_a_classifier(x, y)} for name, (x, y) in found.items()}


def error_of_the_eye() -> dict[str, Any]:
    """The agreement of the test set with its own labels: what samples of the data themselves would get."""
    test = data.mnist("test")
    right = digits.seen("test")[1].argmax(dim=1) == test.labels
    by_class = [right[test.labels == label].double().mean().item() for label in range(10)]
    return {"agreement": right.double().mean().item(), "by_class": by_class}


def opening() -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of each way: the slice that a test plays again and compares with the record."""
    return {way: main(0, way, opening=OPENING) for way in WAYS}


def write_record(runs: list[dict[str, Any]], name: str = "conditions", folder: Path = record.RESULTS, sha256: str = "") -> Path:
    """The record of these runs and of no others."""
    configuration = {"seeds": SEEDS, "rounds": runs[0]["rounds"], "reader": READER} | RECIPE
    figures = {"eye": bench.rounded(error_of_the_eye()), "known": bench.rounded(known_labellings()), "runs": runs}
    figures |= {"opening": opening()} | ({"sha256": sha256} if sha256 else {})
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


def shipped_bytes(way: str = "projection", seed: int = 0, rounds: int = ROUNDS) -> bytes:
    """The averaged generator of one run in half precision, as a file."""
    settings = {"seed": seed, "way": way, "rounds": rounds}
    weights = load_file(bench.place_of(f"conditions {way} {seed}", main, settings, USES).with_suffix(".safetensors"))
    return bench.in_half(weights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "conditions", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    runs = [kept(way, seed, asked.rounds) for seed in range(SEEDS) for way in WAYS]
    whole = asked.name == "conditions"  # a part ships nothing
    sha256 = bench.ship(SHIPPED, shipped_bytes(), "conditions") if whole else ""
    print(write_record(runs, asked.name, sha256=sha256))
