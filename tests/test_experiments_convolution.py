"""The convolutional pair against the usual DCGAN: what differs between rows, what is kept, and the first rounds again."""

import bench
import convolution
import convolution_pair as pair
import dcgan_usual
import digits
import pytest
import torch
from torch import nn

from ganlib import conv, data, networks, record


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in digits, 200 samples a score, and an empty folder of runs."""
    monkeypatch.setattr(data, "mnist", lambda split="train", root=None, fallback=True: data.digits(split))
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setattr(pair, "score", lambda G, n=200: pair.judge(networks.sample(bench.plain(G), 200)))
    monkeypatch.setattr(convolution, "score", pair.score)
    monkeypatch.setattr(dcgan_usual, "usual_samples", lambda G, n=200, training=False: torch.rand(n, 1, 28, 28) * 2 - 1)
    monkeypatch.setattr(networks, "sample", lambda G, n, seed=1, sample=networks.sample: sample(G, min(n, 200), seed))
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()
    yield
    for cached in (digits.seen, digits.floor):
        cached.cache_clear()


def test_changes_change_what_they_say_alone():
    recipe = pair.begin(3)
    rates = [group["lr"] for group in recipe.opt_G.param_groups]
    assert rates == [1e-3, 4e-3]
    plain = pair.begin(3, **convolution.CHANGES["convolutions at the plain rate"])
    assert [group["lr"] for group in plain.opt_G.param_groups] == [1e-3, 1e-3]
    for ours, theirs in zip(recipe.G.parameters(), plain.G.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    bare = pair.begin(3, **convolution.CHANGES["no dense layers"])
    for player in ("G", "D"):
        assert sum(isinstance(layer, nn.Linear) for layer in getattr(bare, player).modules()) == 1
    other = pair.begin(3, **convolution.CHANGES["transposed, kernel 4"])
    assert sum(isinstance(layer, nn.ConvTranspose2d) for layer in other.G.modules()) == 2
    narrow = pair.begin(3, **convolution.CHANGES["N(0, 0.02^2) at the start"])
    for net in (narrow.G, narrow.D):
        for layer in net.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                assert layer.bias.abs().max() == 0 and 0.015 < layer.weight.std() < 0.025


def test_the_usual_pair_is_the_tutorial_s():
    G, D = dcgan_usual.usual_pair(0)
    assert G(torch.randn(2, 100, 1, 1)).shape == (2, 1, 28, 28) and D(torch.zeros(2, 1, 28, 28)).shape == (2, 1, 1, 1)
    for net, norms in ((G, 2), (D, 1)):
        assert sum(isinstance(layer, nn.BatchNorm2d) for layer in net) == norms
        for layer in net:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                assert layer.bias is None and 0.018 < layer.weight.std() < 0.022


def test_a_run_is_scored_on_the_way_and_kept(small):
    run = convolution.kept("ours", seed=0, seconds=0.5, looks=[0.2])
    assert run["rounds"] >= 5 and run["along"][0]["seconds"] >= 0.2 and run["seconds"] >= 0.5
    assert {"ema", "averaged", "copied", "raw", "spectrum"} <= run.keys() and len(run["spectrum"]) == 21
    assert convolution.kept("ours", seed=0, seconds=0.5, looks=[0.2]) == run
    theirs = dcgan_usual.main(0, 0.3, [0.1])
    assert theirs["seconds"] >= 0.3 and {"eval", "train"} <= theirs["along"][0].keys()


def test_statistics_are_copied_and_weights_are_the_average(small):
    run, _ = pair.train_once(0, 0.2, progress=False)
    copied = pair.with_statistics_of(run.G_ema, run.G)
    average, trained = bench.plain(run.G_ema), bench.plain(run.G)
    for name, weight in copied.named_parameters():
        assert torch.equal(weight, dict(average.named_parameters())[name])
    for name, buffer in copied.named_buffers():
        assert torch.equal(buffer, dict(trained.named_buffers())[name])


def test_the_pair_of_chapter_8_on_our_schedule(small):
    run = convolution.on_our_schedule(0, 0.3)
    assert run["seconds"] >= 0.3 and run["rounds"] >= 5 and run["ema"]["times_floor"] > 0


@pytest.fixture(scope="module")
def recorded():
    return record.read("convolution")


def test_the_first_rounds_are_those_recorded(recorded, real_mnist):
    assert recorded["opening"].keys() == {"ours", "usual"}
    if real_mnist is None:
        return
    for name, losses in convolution.opening().items():
        for player in ("loss_D", "loss_G"):  # another processor rounds otherwise
            assert losses[player] == pytest.approx(recorded["opening"][name][player], abs=1e-4), (name, player)


def test_the_record_is_whole(recorded):
    setup = recorded["configuration"]
    assert {key: setup[key] for key in pair.PAIR | pair.RECIPE} == pair.PAIR | pair.RECIPE
    assert setup["ours"] == convolution.RUNS and setup["changes"] == convolution.CHANGES
    assert [run["seed"] for run in recorded["runs"]] == list(range(convolution.SEEDS))
    assert [run["seed"] for run in recorded["usual"]] == list(range(convolution.USUAL_SEEDS))
    assert [run["seed"] for run in recorded["mlp"]] == list(range(convolution.MLP_SEEDS))
    assert recorded["changed"].keys() == convolution.CHANGES.keys()
    for several in recorded["changed"].values():
        assert [run["seed"] for run in several] == list(range(convolution.SHORT_SEEDS))
    for run in recorded["runs"]:
        assert setup["ours"]["seconds"] <= run["seconds"] < setup["ours"]["seconds"] + 5


def test_the_shipped_generator_is_the_one_recorded(recorded, real_mnist):
    G = conv.dcgan_generator()
    sizes = {"z_dim": G.z_dim, "G": sum(w.numel() for w in G.parameters())}
    assert sizes == {"z_dim": pair.PAIR["z_dim"], "G": recorded["parameters"]["G"]}
    manifest = digits.MANIFEST["dcgan_generator.safetensors"]
    assert manifest["sha256"] == recorded["sha256"]
    if real_mnist is not None:  # half precision moves the distance a little
        found = digits.score(networks.sample(G, 10_000))["times_floor"]
        assert found == pytest.approx(recorded["runs"][0]["ema"]["times_floor"], rel=0.05)
