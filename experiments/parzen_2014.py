"""Table 1 of the 2014 paper: its MNIST model by its own score, what else reaches that score, and all of it by another protocol.

    python experiments/parzen_2014.py    # scores what there is in experiments/runs/ -> results/parzen_2014.json

It scores the models that model_2014.py has trained, as far as they are there, beside data, k-means centres, noise and one
repeated image. Scores are kept in experiments/runs/. The record is of what was there: if it was not the models of both laws of
z at full length, the record needs another --name. (What the same two protocols say of chapter 8's generators is the record of
mnist_gan_judged.py.)
"""

import argparse
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bench
import digits
import model_2014
import protocols
import torch
from model_2014 import CONFIGURATION
from torch import Tensor

from ganlib import data, eye, networks, record


def by_windows(samples: Tensor) -> dict[str, float]:
    return protocols.parzen(samples, CONFIGURATION["train_images"])


def by_both(sampler: Callable[[int], Tensor], many: int = 100_000) -> dict[str, dict]:
    """`sampler(n)` makes n samples: CONFIGURATION["samples"] for the protocol of 2014, `many` for that of 2018."""
    features, probabilities = protocols.seen_by_eye(sampler(many))
    scores = protocols.protocol_2018(features, probabilities)
    scores |= {"score_redrawn": protocols.score_redrawn(probabilities)}
    return {"parzen": by_windows(sampler(CONFIGURATION["samples"])), "protocol_2018": scores}


def of_images(seed: int, split: str) -> dict[str, dict]:
    """All images of a split by the protocol of 2018; the training images by that of 2014 too, as many as a sampler gives."""
    features, probabilities = digits.seen(split)
    scores = protocols.protocol_2018(features, probabilities)
    outcome = {"protocol_2018": scores | {"score_redrawn": protocols.score_redrawn(probabilities)}}
    if split == "train":
        images = model_2014.train_images()
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        outcome["parzen"] = by_windows(protocols.unit(images[order[: CONFIGURATION["samples"]]]))
    return outcome


def of_k_means(seed: int) -> dict[str, dict]:
    centres = protocols.k_means(protocols.unit(model_2014.train_images()), CONFIGURATION["samples"], seed=seed)
    return {"parzen": by_windows(centres)}


def of_noise(seed: int) -> dict[str, dict]:
    return by_both(lambda n: torch.rand(n, 784, generator=torch.Generator().manual_seed(seed)), many=10_000)


def of_one_image(seed: None = None) -> dict[str, dict]:
    return by_both(lambda n: protocols.unit(model_2014.train_images()[:1]).expand(n, -1).contiguous(), many=10_000)


def of_model(seed: int, file: str, sha256: str, averaged: bool) -> dict[str, dict]:
    """A kept model of 2014, as it is or averaged."""
    G = model_2014.finished(bench.RUNS / file)[averaged]
    return by_both(lambda n: networks.sample(G, n))


def kept(label: str, compute: Callable, **settings: Any) -> dict[str, Any]:
    """The scores by this code, or those remembered; `sha256` of a file among the settings tells one training from another."""
    uses = [by_both, by_windows, protocols, model_2014, digits.seen, eye, data.to_float, networks.sample]
    return bench.kept(f"parzen_2014 {label}", compute, settings, uses)


def origin_of(run: dict[str, Any]) -> dict[str, Any]:
    return {name: run[name] for name in record.PROVENANCE}


def row(name: str, outcome: dict[str, Any]) -> dict[str, Any]:
    """A line of the table of 2018."""
    return {"name": name} | outcome["protocol_2018"] | origin_of(outcome)


def nulls() -> dict[str, dict]:
    return {
        "test": kept("test", of_images, seed=0, split="test"),
        "real": kept("train", of_images, seed=0, split="train"),
        "noise": kept("noise", of_noise, seed=0),
        "one_image": kept("one image", of_one_image, seed=None),
        "k_means": kept("k-means", of_k_means, seed=0),
    }


def logs_there() -> dict[Path, dict]:
    """The log of every kept model of 2014, which says what model it is, sorted by that."""
    logs = {path: model_2014.finished(path)[2] for path in bench.RUNS.glob("model_2014_*.pt")}
    return dict(sorted(logs.items(), key=lambda item: [item[1][key] for key in ("z", "seed", "epochs")]))


def is_part(logs: Iterable[dict]) -> bool:
    """Whether one of the models of seed 0 at full length is not among these."""
    whole = {(z, 0, CONFIGURATION["epochs"]) for z in CONFIGURATION["z"]}
    return not whole <= {(log["z"], log["seed"], log["epochs"]) for log in logs}


def models() -> list[tuple[dict, dict, dict]]:
    """The log of every kept model of 2014, with its scores and those of its average."""
    found = []
    for path, log in logs_there().items():
        settings = {"seed": log["seed"], "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        ends = [kept(f"{path.stem} {end}", of_model, **settings, averaged=end == "averaged") for end in ("trained", "averaged")]
        found.append((log, *ends))
    return found


def title(log: dict[str, Any]) -> str:
    at_length = "" if log["epochs"] == CONFIGURATION["epochs"] else f", {log['epochs']} epochs"
    return f"2014, {log['z']} z, seed {log['seed']}{at_length}"


def write_record(
    models: list[tuple],
    nulls: dict[str, dict],
    name: str = "parzen_2014",
    folder: Path = record.RESULTS,
) -> Path:
    """The record of these models and of no others.

    Its time is that of the training of the models and of all scores.
    """
    rows = [row("the test images themselves", nulls["test"]), row("all training images", nulls["real"])]
    rows += [row("uniform noise", nulls["noise"]), row("one image repeated", nulls["one_image"])]
    lines = []
    for log, own, averaged in models:
        lines.append(log | own["parzen"] | {"averaged": averaged["parzen"]})
        rows += [row(title(log), own), row(f"{title(log)}, averaged", averaged)]
    figures = {"models_2014": lines}
    figures |= {name: nulls[name]["parzen"] | origin_of(nulls[name]) for name in ("real", "k_means", "noise", "one_image")}
    figures |= {"protocol_2018": rows}
    timed = [*nulls.values(), *(entry for model in models for entry in model)]
    configuration = CONFIGURATION | {"sigmas": protocols.SIGMAS, "validation": protocols.VALIDATION}
    seconds = sum(entry["seconds"] for entry in timed)
    return record.write(name, configuration, figures | {"opening": model_2014.opening()}, seconds, folder, "processor")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = bench.asked(parser, "parzen_2014", lambda _: is_part(logs_there().values()))
    print(write_record(models(), nulls(), asked.name))
