"""Stacked digits: what is counted, a packed D, a run that goes on, and the first rounds of the record."""

import json
import math

import bench
import pytest
import stacked_mnist
import torch

from ganlib import data, record


def test_stacked_pictures_and_their_batches():
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 28, 28)
    pictures = stacked_mnist.stacked(images, 5000, seed=1)
    assert pictures.shape == (5000, 3, 28, 28) and pictures.dtype == torch.uint8
    triples = pictures[:, :, 0, 0].long() @ torch.tensor([100, 10, 1])
    assert stacked_mnist.count(triples)["modes"] > 980
    source, later = stacked_mnist.stacked_batches(images, 4, seed=2), stacked_mnist.stacked_batches(images, 4, seed=2, start=2)
    third = [next(source) for _ in range(3)][2]
    assert torch.equal(third, next(later)) and third.dtype == torch.float32


def test_modes_and_kl_of_known_histograms():
    everything = torch.arange(1000)
    assert stacked_mnist.count(everything) == {"modes": 1000, "kl": pytest.approx(0, abs=1e-12)}
    assert stacked_mnist.count(everything[:250]) == {"modes": 250, "kl": pytest.approx(math.log(4))}
    assert stacked_mnist.count(everything[:0]) == {"modes": 0, "kl": None}


def test_real_pictures_are_read_and_a_higher_threshold_counts_less():
    images, labels = data.digits("test")
    rows = torch.randint(len(images), (300, 3), generator=torch.Generator().manual_seed(0))
    pictures = images[rows].flatten(1, 2)
    triples, confidence = stacked_mnist.read_triples(pictures)
    truth = labels[rows] @ torch.tensor([100, 10, 1])
    assert (triples == truth).double().mean() > 0.5 and confidence.min() > 0.1
    thresholds = stacked_mnist.score(pictures)["thresholds"]
    for entry in ("share", "modes"):
        values = [row[entry] for row in thresholds]
        assert values == sorted(values, reverse=True)
    assert thresholds[0]["share"] == 1


def test_a_packed_D_judges_packs():
    D = stacked_mnist.PackedDiscriminator(2)
    pictures = torch.rand(6, 3, 28, 28) * 2 - 1
    logits = D(pictures)
    assert logits.shape == (3,)
    assert ((D(pictures[[1, 0, 2, 3, 4, 5]]) - logits).abs() > 1e-6).tolist() == [True, False, False]


@pytest.mark.parametrize("pack", [1, 2])
def test_five_rounds_are_three_and_two(unchecked, monkeypatch, tmp_path, pack):
    """Bit for bit; unchecked, because a packed D returns fewer logits than samples, which the annotations do not foresee."""
    monkeypatch.setattr(stacked_mnist.data, "mnist", data.digits)
    monkeypatch.setattr(stacked_mnist, "samples", lambda G: G(torch.ones(2, 100)).detach())
    settings = {"pack": pack, "batch": 8, "progress": False}
    whole = stacked_mnist.main(path=tmp_path / "whole.pt", rounds=5, **settings)
    first = stacked_mnist.main(path=tmp_path / "parts.pt", rounds=3, **settings)
    torch.manual_seed(9)  # whatever happened in between
    parts = stacked_mnist.main(path=tmp_path / "parts.pt", rounds=5, **settings)
    assert parts["along"] == first["along"] + whole["along"]  # the look after three rounds changed nothing
    assert [row["images_seen"] for row in parts["along"]] == [24, 40] and parts["seconds"] >= first["seconds"]
    assert all(parts[name] == whole[name] == parts["along"][-1][name] for name in ("rounds", "modes", "kl", "thresholds"))
    runs = [stacked_mnist.run_of_pack(pack, 0) for _ in range(2)]
    for run, name in zip(runs, ("whole", "parts"), strict=True):
        bench.go_on(run, tmp_path / f"{name}.pt", {"pack": pack, "seed": 0, "batch": 8})
    ours, theirs = (run.G.state_dict() | run.G_ema.state_dict() for run in runs)
    assert runs[0].step == 5 and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_sampled_generator_stays_as_it_was_and_its_old_statistics_do_not_matter():
    G = stacked_mnist.run_of_pack(1, 0).G
    before = {name: value.clone() for name, value in G.state_dict().items()}
    pictures = stacked_mnist.samples(G, n=8)
    assert pictures.shape == (8, 3, 28, 28) and pictures.abs().max() <= 1
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items()) and G.training
    for layer in G.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_var.fill_(4.0)
    assert torch.equal(stacked_mnist.samples(G, n=8), pictures)


def test_the_first_stacked_rounds_are_those_recorded(unchecked, real_mnist, monkeypatch):
    if real_mnist is None:
        monkeypatch.setattr(stacked_mnist.data, "mnist", data.digits)
    recorded = record.read("stacked_mnist")["opening"]
    assert list(recorded) == ["1", "2"]
    for pack, openings in recorded.items():
        played = stacked_mnist.opening(int(pack), rounds=6)
        assert played["loss_D"][0] == pytest.approx(math.log(4), abs=0.1)  # an untrained D answers one half
        if real_mnist is not None:
            for name, losses in openings.items():
                assert played[name] == pytest.approx(losses[:6], abs=1e-6)


def test_the_recorded_runs_saw_as_many_pictures_as_the_published_ones():
    """And were looked at where the chapter says; that packing is behind at every look, its own cell compares."""
    recorded = record.read("stacked_mnist")
    plain, packed = recorded["runs"]
    assert (plain["pack"], packed["pack"]) == (1, 2)
    for run in recorded["runs"]:
        assert run["images_seen"] == stacked_mnist.ROUNDS * stacked_mnist.BATCH == 50 * 128_000
        assert [row["rounds"] for row in run["along"]] == list(stacked_mnist.LOOKS)
        falling = [row["kl"] for row in run["along"]]
        assert falling == sorted(falling, reverse=True)


def test_a_record_of_stacked_runs_holds_what_ran(monkeypatch, tmp_path):
    run = bench.go_on(None, None, {"pack": 1, "seed": 0}) | {"seconds": 2.0}
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setattr(stacked_mnist, "baselines", baselines)
    monkeypatch.setattr(stacked_mnist, "opening", lambda pack: [pack])
    written = json.loads(stacked_mnist.write_record([run], "short", tmp_path).read_text())
    assert written["runs"] == [run] and written["baselines"] == {"noise": 26_000} and written["processor_seconds"] == 2
    configuration, recorded = (content["configuration"] for content in (written, record.read("stacked_mnist")))
    del configuration["ema_share"], recorded["ema_decay"]  # the record's averages remembered 2,000 rounds
    assert configuration == recorded


def baselines(n):
    return {"rows": {"noise": n}}
