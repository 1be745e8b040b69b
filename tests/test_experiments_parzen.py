"""The model and the protocol of 2014: a slice played again, the schedule, the dropped units, and a run that goes on."""

import json
import math
import warnings

import bench
import digits
import model_2014
import parzen_2014
import protocols
import pytest
import torch

from ganlib import data, record


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Small models of the stand-in digits, of which 1,000 count as training images, in an empty folder, which is returned."""
    monkeypatch.setattr(data, "mnist", lambda split="train", **_: data.digits(split))
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setattr(protocols, "SIGMAS", [0.2, 0.5])
    monkeypatch.setattr(protocols, "VALIDATION", 100)
    for name, value in {"train_images": 1000, "samples": 200, "g_widths": [16, 16], "d_units": [6, 6]}.items():
        monkeypatch.setitem(model_2014.CONFIGURATION, name, value)
    digits.seen.cache_clear()
    yield tmp_path
    digits.seen.cache_clear()


QUICK = {"bfloat16": False, "score_every": 1, "progress": False}


def test_the_first_rounds_are_those_recorded(real_mnist):
    played = model_2014.opening(rounds=3)
    assert played["loss_D"][0] == pytest.approx(math.log(4) / 2, abs=0.02)  # an untrained D says one half; theirs is halved
    if real_mnist is not None:
        recorded = record.read("parzen_2014")["opening"]
        for name in ("loss_D", "loss_G"):
            assert played[name] == pytest.approx(recorded[name][:3], abs=1e-6)


def test_the_schedule_of_2014():
    assert model_2014.schedule(0, 500) == (0.1, 0.5)
    lr, momentum = model_2014.schedule(125_000 - 1, 500)
    assert lr == pytest.approx(0.1 * math.exp(-0.5), rel=1e-3) and momentum == pytest.approx(0.7, abs=1e-3)
    assert model_2014.schedule(10**8, 500) == (1e-6, 0.7)
    sigmas = protocols.SIGMAS
    assert sigmas == pytest.approx(torch.logspace(-1, 0, 10).tolist())


def test_the_discriminator_is_a_maximum_of_affine_functions():
    """Convex in x once the dropped units are switched off, and with the 2014 number of weights."""
    torch.manual_seed(0)
    D = model_2014.Discriminator().eval()
    assert sum(p.numel() for p in D.parameters()) == 785 * 1200 + 241 * 1200 + 241
    first = D.layers[0]
    x = torch.rand(3, 784)
    hidden = first(x).unflatten(1, (240, 5)).max(dim=2).values
    second = D.layers[1](hidden).unflatten(1, (240, 5)).max(dim=2).values
    torch.testing.assert_close(D(x), D.layers[2](second)[:, 0])


def test_a_fifth_of_the_pixels_and_half_of_the_units_are_dropped(monkeypatch):
    shares = []
    real = model_2014.dropout

    def watched(x, share, training):
        shares.append((share, training))
        return real(x, share, training)

    monkeypatch.setattr(model_2014, "dropout", watched)
    D = model_2014.Discriminator()
    D(torch.rand(2, 784))
    D.eval()(torch.rand(2, 784))
    assert [share for share, _ in shares] == pytest.approx([0.2, 0.5, 0.5] * 2)
    assert [training for _, training in shares] == [True] * 3 + [False] * 3


def test_the_generator_starts_at_the_marginals():
    torch.manual_seed(0)
    marginals = torch.rand(784)
    G = model_2014.Generator(marginals)
    torch.testing.assert_close(G.layers[-1].bias.sigmoid(), marginals, atol=1e-5, rtol=0)
    z = G.sample_z(4000)
    assert 0.99 * 3**0.5 < z.abs().max() <= 3**0.5 and z.var().item() == pytest.approx(1, abs=0.01)
    z = model_2014.Generator(marginals, z="normal").sample_z(4000)
    assert z.var().item() == pytest.approx(1, abs=0.01) and z.pow(4).mean().item() == pytest.approx(3, abs=0.05)
    with pytest.raises(ValueError, match="z must be one of uniform, normal, got 'laplace'"):
        model_2014.Generator(marginals, z="laplace")
    assert [tuple(layer.weight.shape) for layer in G.layers] == [(1200, 100), (1200, 1200), (784, 1200)]
    assert all(layer.weight.abs().max() <= 0.05 for layer in G.layers)


def test_one_update_moves_both_by_their_own_gradients(short):
    """Against autograd's gradients of the two losses, each with respect to its own player, at the same place."""
    images = model_2014.train_images()
    G, D = model_2014.pair(images, 0, torch.float64)
    D.eval()  # no dropped units, so that the forward pass can be repeated
    reals, state = model_2014.unit_batch(next(data.batches(images, 10))).double(), torch.get_rng_state()
    fakes = G(G.sample_z(10))
    real_logits, fake_logits = D(reals), D(fakes)
    loss_D = 0.5 * (-real_logits.sigmoid().log() - (1 - fake_logits.sigmoid()).log()).mean()
    loss_G = -fake_logits.sigmoid().log().mean()
    moves = [torch.autograd.grad(loss, list(net.parameters()), retain_graph=True) for loss, net in ((loss_G, G), (loss_D, D))]
    before = [[p.detach().clone() for p in net.parameters()] for net in (G, D)]
    torch.set_rng_state(state)
    run = model_2014.run_of_2014(G, D)
    losses = model_2014.both_turns(run, reals, 0.1, 0.5)
    assert losses == pytest.approx((loss_D.item(), loss_G.item())) and run.step == 1
    for net, old, gradients in zip((G, D), before, moves):
        for weight, start, gradient in zip(net.parameters(), old, gradients):
            torch.testing.assert_close(weight.detach(), start - 0.1 * gradient)


@pytest.mark.parametrize("z", ["uniform", "normal"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_an_interrupted_run_goes_on_where_it_stopped(short, z, bfloat16):
    quick = QUICK | {"z": z, "seed": 3, "bfloat16": bfloat16}
    whole = model_2014.main(**quick, epochs=2, path=short / "whole.pt")
    model_2014.main(**quick, epochs=1, path=short / "parts.pt")
    torch.manual_seed(9)  # whatever happened in between
    resumed = model_2014.main(**quick, epochs=2, path=short / "parts.pt")
    assert resumed["along"] == whole["along"] and [row["epoch"] for row in whole["along"]] == [1, 2]
    ends = [model_2014.finished(short / f"{name}.pt") for name in ("whole", "parts")]
    for nets in zip(*(end[:2] for end in ends), strict=True):
        assert all(map(torch.equal, *(net.state_dict().values() for net in nets)))
    G, G_ema, log = ends[1]
    assert (log["z"], log["seed"], log["epochs"], G.z, G_ema.z) == (z, 3, 2, z, z), "the log says what model it is"
    assert log["commit"] == record.commit()
    with pytest.raises(ValueError, match="asked for"):
        model_2014.main(**quick | {"seed": 4}, epochs=2, path=short / "parts.pt")


def test_the_averaged_generator_is_an_average_and_changes_nothing(short, monkeypatch):
    """With a memory of no round it is the trained one; with another memory the trained one stays what it was."""
    ends = {}
    for decay in (0.0, 0.9):
        monkeypatch.setitem(model_2014.CONFIGURATION, "ema_decay", decay)
        model_2014.main(**QUICK, epochs=1, path=short / f"{decay}.pt")
        ends[decay] = model_2014.finished(short / f"{decay}.pt")
    (plain, same, _), (again, averaged, log) = ends[0.0], ends[0.9]
    for a, b, c, d in zip(plain.parameters(), same.parameters(), again.parameters(), averaged.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c) and not torch.equal(c, d)
    (row,) = log["along"]
    assert row["averaged_validation_nats"] != row["validation_nats"]


def test_a_record_holds_what_is_there_under_what_its_log_says(short, monkeypatch):
    """Two models, one of them under another's name; what is gone is not in the next record."""
    monkeypatch.setattr(protocols, "protocol_2018", lambda features, probabilities: {"n": len(features)})
    monkeypatch.setattr(parzen_2014.by_both, "__defaults__", (300,))
    monkeypatch.setattr(protocols.k_means, "__defaults__", (50, 1, 0))
    for z, seed in {"uniform": 4, "normal": 0}.items():
        model_2014.main(**QUICK, z=z, seed=seed, epochs=1, path=short / f"model_2014_{z}.pt")
    for old in list(short.glob("model_2014_normal.*")):  # the state, and the story beside it
        old.rename(old.with_name(old.name.replace("normal", "uniform_seed7")))
    found, nulls = parzen_2014.models(), parzen_2014.nulls()
    assert parzen_2014.is_part(parzen_2014.logs_there().values())
    path = parzen_2014.write_record(found, nulls, "short", short / "results")
    written = json.loads(path.read_text())
    logs = written["models_2014"]
    assert [(log["z"], log["seed"], log["epochs"]) for log in logs] == [("normal", 0, 1), ("uniform", 4, 1)]
    names = [row["name"] for row in written["protocol_2018"]]
    assert {"2014, normal z, seed 0, 1 epochs, averaged", "2014, uniform z, seed 4, 1 epochs"} <= set(names)
    assert all(log["nats"] != log["averaged"]["nats"] for log in logs) and len(names) == len(set(names)) == 4 + 2 * 2
    assert written.keys() == record.read("parzen_2014").keys()
    assert [row["n"] for row in written["protocol_2018"]][4:] == [300] * 4
    assert {"nats", "error", "sigma", "seed", "commit", "environment"} <= logs[0]["averaged"].keys() | logs[0].keys()
    trained = sum(log["seconds"] for log in logs)
    assert trained < written["processor_seconds"] < trained + 120
    monkeypatch.setattr(protocols, "seen_by_eye", lambda _: pytest.fail("it was scored already"))
    assert parzen_2014.models() == found
    for gone in short.glob("*seed7*"):
        gone.unlink()
    path = parzen_2014.write_record(parzen_2014.models(), nulls, "short", short / "results")
    assert [log["z"] for log in json.loads(path.read_text())["models_2014"]] == ["uniform"]


def test_the_whole_of_the_experiment_is_both_laws_at_length():
    logs = [{"z": z, "seed": 0, "epochs": 250} for z in ("uniform", "normal")]
    assert not parzen_2014.is_part(logs)
    assert parzen_2014.is_part(logs[:1]) and parzen_2014.is_part([logs[0], logs[1] | {"epochs": 240}])


def test_the_protocol_and_its_nulls(short):
    """Centres of the training images score above the images themselves, and noise far below."""
    images = model_2014.train_images()
    centres = protocols.k_means(protocols.unit(images), count=200)
    assert centres.shape == (200, 784) and centres.min() >= 0 and centres.max() <= 1
    chosen = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:200]]
    real, means = parzen_2014.by_windows(protocols.unit(chosen)), parzen_2014.by_windows(centres)
    noise = parzen_2014.by_windows(torch.rand(200, 784))
    assert means["nats"] > real["nats"] + 10 and noise["nats"] < real["nats"] - 100 and real["error"] > 0


def test_the_protocol_of_2018_and_its_nulls(short):
    """Training digits stand near the floor; noise is far away and, as chapter 10 says, recalls nothing."""
    real = protocols.protocol_2018(*digits.seen("train"), size=100)
    noise = protocols.protocol_2018(*protocols.seen_by_eye(torch.rand(1000, 784)), size=100)
    itself = protocols.protocol_2018(*digits.seen("test"), size=100)
    assert 10 * real["frechet"] < noise["frechet"] and noise["kernel"] > 10 * abs(real["kernel"]) and real["kernel_half"] > 0
    assert real["precision"] > 0.5 and real["recall"] > 0.5 and noise["recall"] < 0.1
    assert 6 < real["score"] <= 10 and 1 <= noise["score"] < 3
    # A set is at distance 0 from itself, and drawn again from itself it is not; so every redrawn distance is too large.
    assert abs(itself["frechet"]) < 1e-6 < itself["frechet_redrawn"][0] and real["frechet_redrawn"][0] > real["frechet"]
    for row in (real, noise):  # pairs of subsets estimate the same quantity, disjoint or not
        mean, spread = row["kernel_paired"]
        assert abs(mean - row["kernel"]) < 3 * max(spread / 10, row["kernel_half"])
    pixels = protocols.unit(model_2014.train_images()[:5])
    for got, expected in zip(protocols.seen_by_eye(pixels), digits.seen("train")):
        torch.testing.assert_close(got, expected[:5], atol=1e-4, rtol=0)


def test_the_classifier_score_reaches_both_its_ends():
    assert protocols.classifier_score(torch.eye(10).repeat(3, 1)) == pytest.approx(10)
    assert protocols.classifier_score(torch.full((7, 10), 0.1)) == pytest.approx(1)
    assert protocols.classifier_score(torch.eye(10)[:1].expand(5, -1)) == pytest.approx(1)  # sure, and always of one class


def test_one_round_of_k_means_is_scikit_learns():
    from sklearn.cluster import KMeans

    points = torch.rand(300, 5)
    start = points[torch.randperm(300, generator=torch.Generator().manual_seed(0))[:20]]
    found = protocols.k_means(points, 20, rounds=4)
    expected = KMeans(20, init=start.double().numpy(), n_init=1, max_iter=4, tol=0, algorithm="lloyd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # four rounds are too few to converge, as is meant here
        expected = expected.fit(points.double().numpy()).cluster_centers_
    assert found.numpy() == pytest.approx(expected, abs=1e-5)


def test_the_record_keeps_its_promises():
    recorded = record.read("parzen_2014")
    assert recorded["k_means"]["nats"] > recorded["real"]["nats"] + 20
    models_2014 = {(log["z"], log["seed"], log["epochs"]): log for log in recorded["models_2014"]}
    assert {("uniform", 0, 250), ("normal", 0, 250)} <= models_2014.keys()
    itself, real, noise, repeated, *models = recorded["protocol_2018"]
    assert noise["recall"] == repeated["recall"] == 0 and repeated["score"] == pytest.approx(1) and noise["score"] < 1.2
    assert min(noise["frechet"], repeated["frechet"]) > 100 * real["frechet"]
    for row in recorded["protocol_2018"]:  # of a finite set the score has little spread, and drawing again moves it little
        mean, spread = row["score_redrawn"]
        assert spread < 0.05 and abs(mean - row["score"]) < 0.02
    assert recorded["noise"]["nats"] < recorded["real"]["nats"] - 200
    assert abs(itself["frechet"]) < 1e-3 < real["frechet"]
    assert all(row["frechet"] > real["frechet"] and row["recall"] < real["recall"] and row["n"] == 100_000 for row in models)
    for row in (recorded["real"], recorded["k_means"], *models_2014.values()):
        assert row["sigma"] in recorded["configuration"]["sigmas"]


def test_the_recorded_score_of_one_image_is_that_of_one_normal(real_mnist):
    """Ten thousand equal kernels are one: mean of -|x - x_0|^2 / 2 sigma^2, less 784/2 log(2 pi sigma^2)."""
    recorded = record.read("parzen_2014")["one_image"]
    assert 0.1 <= recorded["sigma"] <= 1
    if real_mnist is not None:
        image, points = (data.mnist(split).images.flatten(1).double() / 255 for split in ("train", "test"))
        squares = (points - image[0]).square().sum(dim=1)
        logs = -squares / (2 * recorded["sigma"] ** 2) - 392 * math.log(2 * math.pi * recorded["sigma"] ** 2)
        assert recorded["nats"] == pytest.approx(logs.mean().item(), rel=1e-5)
        assert recorded["error"] == pytest.approx(logs.std(correction=0).item() / 100, rel=1e-4)


def test_the_score_drawn_again():
    """Its spread is that of a mean of n divergences, to first order, times the score: the mean distribution hardly matters."""
    torch.manual_seed(0)
    probabilities = torch.randn(2000, 10).softmax(dim=1)
    mean, spread = protocols.score_redrawn(probabilities, times=200)
    score, p = protocols.classifier_score(probabilities), probabilities.double()
    divergences = (p * (p / p.mean(dim=0)).log()).sum(dim=1)
    expected = score * divergences.std().item() / 2000**0.5
    assert spread == pytest.approx(expected, rel=0.2)  # 200 draws know it to 5 %
    assert abs(mean - score) < 5 * spread / 200**0.5 + 0.01
    assert protocols.score_redrawn(probabilities[:1].expand(50, -1)) == pytest.approx([1, 0], abs=1e-6)
