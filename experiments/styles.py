"""What does each part of a style-based generator buy? Four small generators, one part added at a time, five seeds each.

    python experiments/styles.py                                  # all runs -> results/styles.json
    python experiments/styles.py --rounds 200 --name styles_short

All rows share D, game, data, rounds, Adam and the widths of G. On MNIST, one thread; the clock is the processor's and stands
still while samples are scored. A finished run is kept in experiments/runs/.
"""

import argparse
import base64
import time
from pathlib import Path
from typing import Any

import bench
import digits
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ganlib import data, eye, latents, modulation, networks, record, training
from ganlib.objectives import nonsaturating

ROWS = {
    "z at the bottom": {"mapping": 0, "styles": False},
    "z as the style": {"mapping": 0},
    "mapping and styles": {},
    "and mixing": {"mixing": 0.5},
}
SEEDS, ROUNDS, OPENING = 5, 8_000, 5
RECIPE = {"batch": 64, "lr": 2e-3, "lr_D": 1e-3, "decay_from": 0.4, "decay_to": 0.0, "ema_share": 0.15, "samples": 10_000}
D_WIDTHS, PAIRS = (256, 128), 4_000
PICTURED = ("and mixing", 0)  # the run whose mixtures are shown


def styled_run(seed: int, row: str, double: bool = False) -> training.Run:
    """The run about to begin, its products in bfloat16; in double precision, if asked for, for an opening."""
    torch.manual_seed(seed)
    G, D = modulation.StyleGenerator(**ROWS[row]), networks.MLPDiscriminator(widths=D_WIDTHS)
    if double:
        bench.reset_in_double(G, D)
    else:
        G, D = networks.in_bfloat16(G), networks.in_bfloat16(D)
    return bench.fresh_run(G, D, lr=RECIPE["lr"], lr_D=RECIPE["lr_D"])


@torch.no_grad()
def crossed(G: nn.Module, pairs: int = PAIRS, seed: int = 5) -> list[dict[str, float]]:
    """What a mixed sample keeps of its two sources, for each cut: layers below it have the style of a, those above that of b.

    "class" is the share that the eye reads as it reads a; "slant" and "ink" are correlations with those of a; "class_above" and
    so on, the same with b; "confidence" is the eye's.
    """
    judge, dice = eye.digit_classifier(), torch.Generator().manual_seed(seed)
    styles = [G.mapping(G.sample_z(pairs, dice)) for _ in range(2)]
    depth, rows = len(G.layers), []
    pure = [traits(judge, G.synthesis([w] * depth)) for w in styles]
    for cut in range(depth + 1):
        mixed = traits(judge, G.synthesis([styles[0]] * cut + [styles[1]] * (depth - cut)))
        row = {"cut": cut, "confidence": mixed["confidence"].mean().item()}
        for whose, source in zip(("", "_above"), pure):
            row["class" + whose] = (mixed["class"] == source["class"]).double().mean().item()
            for trait in ("slant", "ink"):
                row[trait + whose] = torch.corrcoef(torch.stack([mixed[trait], source[trait]]))[0, 1].item()
        rows.append(row)
    return rows


@torch.no_grad()
def mixed_sheet(G: nn.Module) -> str:
    """Thirty images for a picture, six a row, as bytes in base64: five samples of b, then a sample of a and its five mixtures.

    The two lower layers hear a, the upper one b; the first image is black.
    """
    a, b = (G.mapping(G.sample_z(n, torch.Generator().manual_seed(seed))) for n, seed in ((4, 9), (5, 10)))
    mixtures = G.synthesis([a.repeat_interleave(5, 0)] * 2 + [b.repeat(4, 1)]).unflatten(0, (4, 5))
    lines = torch.cat([G.synthesis([a] * 3).unsqueeze(1), mixtures], dim=1).flatten(0, 1)
    images = torch.cat([-torch.ones_like(lines[:1]), G.synthesis([b] * 3), lines])
    return base64.b64encode(images.add(1).mul(127.5).round().byte().numpy().tobytes()).decode()


def traits(judge: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Class and confidence by the eye, slant and ink of each image."""
    probabilities = eye.classify(judge, images)[1]
    read = {"class": probabilities.argmax(dim=1), "confidence": probabilities.max(dim=1).values}
    return read | {"slant": latents.slant(images), "ink": latents.ink(images)}


def main(
    seed: int = 0, row: str = "mapping and styles", rounds: int = ROUNDS, opening: int = 0, progress: bool = True
) -> dict[str, Any]:
    """One run and its scores; or the losses of its opening."""
    run = styled_run(seed, row, bool(opening))
    batches = data.batches(data.mnist("train").images, RECIPE["batch"], seed)
    if opening:
        return bench.opening(run, batches, nonsaturating, opening)
    schedules = [bench.linear_decay(opt, rounds, RECIPE["decay_from"], RECIPE["decay_to"]) for opt in (run.opt_G, run.opt_D)]
    play = training.train(run, batches, nonsaturating, steps=rounds, ema_share=RECIPE["ema_share"])
    begun = time.process_time()
    for _ in tqdm(play, total=rounds, desc=f"{row}, seed {seed}", disable=not progress, mininterval=10):
        for schedule in schedules:
            schedule.step()
    outcome = {"row": row, "rounds": run.step, "seconds": round(time.process_time() - begun, 1)}
    with torch.random.fork_rng(devices=[]):
        G = bench.plain(run.G_ema)
        outcome |= digits.score(networks.sample(G, RECIPE["samples"]))
        if G.constant is not None:
            outcome["crossed"] = crossed(G)
        return outcome | ({"sheet": mixed_sheet(G)} if (row, seed) == PICTURED else {})


USES = (styled_run, crossed, mixed_sheet, traits, modulation, latents, bench.fresh_run, bench.linear_decay)
USES += (networks.in_bfloat16, networks.InBfloat16, *bench.PLAYED, *digits.USES, f"numbers = {RECIPE, ROWS, D_WIDTHS}")


def kept(row: str, seed: int, rounds: int) -> dict[str, Any]:
    """``main`` of one run, rounded, or what it returned when that run was last finished."""
    outcome = bench.kept(f"styles {row} {seed}", main, {"seed": seed, "row": row, "rounds": rounds}, USES)
    print(f"{row}, seed {seed}: {outcome['times_floor']:.1f} times the floor, {outcome['seconds']} s", flush=True)
    return bench.rounded(outcome)


def opening() -> dict[str, dict[str, list[float]]]:
    """Both losses of the first rounds of each row: the slice that a test plays again and compares with the record."""
    return {row: main(0, row, opening=OPENING) for row in ROWS}


def write_record(runs: list[dict[str, Any]], name: str = "styles", folder: Path = record.RESULTS) -> Path:
    """The record of these runs and of no others."""
    configuration = {"seeds": SEEDS, "rounds": runs[0]["rounds"], "rows": ROWS, "pairs": PAIRS} | RECIPE
    fresh = digits.score(networks.sample(styled_run(0, "mapping and styles", double=True).G, RECIPE["samples"]).float())
    figures = {"untrained": bench.rounded(fresh), "runs": runs, "opening": opening()}
    return record.write(name, configuration, figures, sum(run["seconds"] for run in runs), folder, "processor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = bench.asked(parser, "styles", lambda asked: asked.rounds != ROUNDS)
    torch.set_num_threads(1)
    print(write_record([kept(row, seed, asked.rounds) for seed in range(SEEDS) for row in ROWS], asked.name))
