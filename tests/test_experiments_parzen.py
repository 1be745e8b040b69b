"""The model and the protocol of 2014: a slice played again, the schedule, the dropped units, and a run that goes on."""

import json
import math
import warnings

import pytest
import torch
from test_experiments import experiment

from ganlib import data, record


@pytest.fixture(scope="module")
def parzen_2014():
    return experiment("parzen_2014")


@pytest.fixture
def short(parzen_2014, monkeypatch, tmp_path):
    """The experiment on the stand-in digits, of which 1,000 count as training images, in an empty folder."""
    monkeypatch.setattr(parzen_2014.data, "mnist", lambda split="train", **_: data.digits(split))
    monkeypatch.setattr(parzen_2014, "RUNS", tmp_path)
    settings = {"train_images": 1000, "validation": 100, "g_widths": [16, 16], "d_units": [6, 6], "sigmas": [0.2, 0.5]}
    monkeypatch.setattr(parzen_2014, "CONFIGURATION", parzen_2014.CONFIGURATION | settings)
    monkeypatch.setattr(parzen_2014.sample_2014, "__defaults__", (200, 1))
    return parzen_2014


def test_the_first_rounds_are_those_recorded(parzen_2014, real_mnist):
    played = parzen_2014.opening(rounds=3)
    assert played["loss_D"][0] == pytest.approx(math.log(4) / 2, abs=0.02)  # an untrained D says one half; theirs is halved
    if real_mnist is not None:
        recorded = record.read("parzen_2014")["opening"]
        for name in ("loss_D", "loss_G"):
            assert played[name] == pytest.approx(recorded[name][:3], abs=1e-6)


def test_the_schedule_of_2014(parzen_2014):
    assert parzen_2014.schedule(0, 500) == (0.1, 0.5)
    lr, momentum = parzen_2014.schedule(125_000 - 1, 500)
    assert lr == pytest.approx(0.1 * math.exp(-0.5), rel=1e-3) and momentum == pytest.approx(0.7, abs=1e-3)
    assert parzen_2014.schedule(10**8, 500) == (1e-6, 0.7)
    sigmas = parzen_2014.CONFIGURATION["sigmas"]
    assert sigmas == pytest.approx(torch.logspace(-1, 0, 10).tolist())


def test_the_discriminator_is_a_maximum_of_affine_functions(parzen_2014):
    """Convex in x once the dropped units are switched off, and with the 2014 number of weights."""
    torch.manual_seed(0)
    D = parzen_2014.Discriminator().eval()
    assert sum(p.numel() for p in D.parameters()) == 785 * 1200 + 241 * 1200 + 241
    first = D.layers[0]
    x = torch.rand(3, 784)
    hidden = first(x).unflatten(1, (240, 5)).max(dim=2).values
    second = D.layers[1](hidden).unflatten(1, (240, 5)).max(dim=2).values
    torch.testing.assert_close(D(x), D.layers[2](second)[:, 0])


def test_a_fifth_of_the_pixels_and_half_of_the_units_are_dropped(parzen_2014, monkeypatch):
    shares = []
    real = parzen_2014.dropout

    def watched(x, share, training):
        shares.append((share, training))
        return real(x, share, training)

    monkeypatch.setattr(parzen_2014, "dropout", watched)
    D = parzen_2014.Discriminator()
    D(torch.rand(2, 784))
    D.eval()(torch.rand(2, 784))
    assert [share for share, _ in shares] == pytest.approx([0.2, 0.5, 0.5] * 2)
    assert [training for _, training in shares] == [True] * 3 + [False] * 3


def test_the_generator_starts_at_the_marginals(parzen_2014):
    torch.manual_seed(0)
    marginals = torch.rand(784)
    G = parzen_2014.Generator(marginals)
    torch.testing.assert_close(G.layers[-1].bias.sigmoid(), marginals, atol=1e-5, rtol=0)
    z = G.sample_z(4000)
    assert 0.99 * 3**0.5 < z.abs().max() <= 3**0.5 and z.var().item() == pytest.approx(1, abs=0.01)
    z = parzen_2014.Generator(marginals, z="normal").sample_z(4000)
    assert z.var().item() == pytest.approx(1, abs=0.01) and z.pow(4).mean().item() == pytest.approx(3, abs=0.05)
    with pytest.raises(ValueError, match="z must be one of uniform, normal, got 'laplace'"):
        parzen_2014.Generator(marginals, z="laplace")
    assert [tuple(layer.weight.shape) for layer in G.layers] == [(1200, 100), (1200, 1200), (784, 1200)]
    assert all(layer.weight.abs().max() <= 0.05 for layer in G.layers)


def test_one_update_moves_both_by_their_own_gradients(short):
    """Against autograd's gradients of the two losses, each with respect to its own player, at the same place."""
    images = short.train_images()
    G, D = short.pair(images, 0, torch.float64)
    D.eval()  # no dropped units, so that the forward pass can be repeated
    reals, state = short.unit_batch(next(data.batches(images, 10))).double(), torch.get_rng_state()
    fakes = G(G.sample_z(10))
    real_logits, fake_logits = D(reals), D(fakes)
    loss_D = 0.5 * (-real_logits.sigmoid().log() - (1 - fake_logits.sigmoid()).log()).mean()
    loss_G = -fake_logits.sigmoid().log().mean()
    moves = [torch.autograd.grad(loss, list(net.parameters()), retain_graph=True) for loss, net in ((loss_G, G), (loss_D, D))]
    before = [[p.detach().clone() for p in net.parameters()] for net in (G, D)]
    torch.set_rng_state(state)
    losses = short.both_turns(G, D, short.optimisers(G, D), reals, 0.1, 0.5)
    assert losses == pytest.approx((loss_D.item(), loss_G.item()))
    for net, old, gradients in zip((G, D), before, moves):
        for weight, start, gradient in zip(net.parameters(), old, gradients):
            torch.testing.assert_close(weight.detach(), start - 0.1 * gradient)


@pytest.mark.parametrize("z", ["uniform", "normal"])
def test_an_interrupted_run_goes_on_where_it_stopped(short, z):
    whole = short.main(z=z, epochs=2, bfloat16=False, score_every=1, progress=False)
    state = torch.load(short.kept(z, 0), weights_only=True)
    short.kept(z, 0).unlink()
    short.main(z=z, epochs=1, bfloat16=False, score_every=1, progress=False)
    resumed = short.main(z=z, epochs=2, bfloat16=False, score_every=1, progress=False)
    again = torch.load(short.kept(z, 0), weights_only=True)
    for net in ("G", "D", "G_ema"):
        assert all(torch.equal(a, b) for a, b in zip(state[net].values(), again[net].values(), strict=True))
    assert resumed["along"] == whole["along"] and [row["epoch"] for row in whole["along"]] == [1, 2]
    G, G_ema, log = short.finished(z)
    assert (log["z"], log["epochs"], G.z) == (z, 2, z) and torch.equal(G.layers[0].weight, state["G"]["layers.0.weight"])
    assert torch.equal(G_ema.layers[0].weight, state["G_ema"]["layers.0.weight"])


def test_the_averaged_generator_is_an_average_and_changes_nothing(short, monkeypatch):
    """With a memory of no round it is the trained one; with another memory the trained one stays what it was."""
    ends = {}
    for decay in (0.0, 0.9):
        monkeypatch.setitem(short.CONFIGURATION, "ema_decay", decay)
        short.main(epochs=1, bfloat16=False, progress=False)
        ends[decay] = short.finished()
        short.kept("uniform", 0).unlink()
    (plain, same, _), (again, averaged, log) = ends[0.0], ends[0.9]
    for a, b, c, d in zip(plain.parameters(), same.parameters(), again.parameters(), averaged.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c) and not torch.equal(c, d)
    (row,) = log["along"]
    assert row["averaged_validation_nats"] != row["validation_nats"]


def test_the_record_keeps_what_is_not_there(short, tmp_path, monkeypatch):
    """Two models, one record; with one model's state gone, the record still has both, and a longer run stands beside it."""
    monkeypatch.setattr(short, "both_scores", lambda name, samples, n=0: ({"nats": 1.0}, {"score": name}))
    monkeypatch.setattr(short, "of_2018", lambda name, images: {"score": name})
    monkeypatch.setattr(short, "k_means", lambda points: points[:50])
    for z in ("uniform", "normal"):
        short.main(z=z, epochs=1, bfloat16=False, progress=False)
    read = lambda: json.loads(short.write_record(tmp_path / "results").read_text())  # noqa: E731
    first = read()
    assert [(log["z"], log["epochs"]) for log in first["models_2014"]] == [("normal", 1), ("uniform", 1)]
    short.kept("normal", 0).unlink()
    short.main(epochs=2, bfloat16=False, progress=False)
    second = read()
    kept = [(log["z"], log["epochs"]) for log in second["models_2014"]]
    assert kept == [("normal", 1), ("uniform", 1), ("uniform", 2)]
    assert second["models_2014"][:2] == first["models_2014"]
    names = [row["name"] for row in second["protocol_2018"]]
    assert len(names) == len(set(names)) == 4 + 2 * 3
    assert all(row in second["protocol_2018"] for row in first["protocol_2018"])
    trained = sum(log["seconds"] for log in second["models_2014"])
    assert trained < second["processor_seconds"] < trained + 60


def test_the_protocol_and_its_nulls(short, tmp_path):
    """Centres of the training images score above the images themselves, and noise far below."""
    images = short.train_images()
    centres = short.k_means(short.unit(images), count=200)
    assert centres.shape == (200, 784) and centres.min() >= 0 and centres.max() <= 1
    real, means = short.parzen(short.reals_of(images, 200)), short.parzen(centres)
    noise = short.parzen(torch.rand(200, 784))
    assert means["nats"] > real["nats"] + 10 and noise["nats"] < real["nats"] - 100 and real["error"] > 0
    kept = short.remembered("real", lambda: real)
    assert short.remembered("real", lambda: pytest.fail("it was computed already")) == kept == real
    assert not short.kept_by_chapter_8(0).exists()


def test_the_protocol_of_2018_and_its_nulls(short):
    """Training digits stand near the floor; noise is far away and, as chapter 10 says, recalls nothing."""
    short.seen.cache_clear()
    real = short.protocol_2018(*short.seen("train"), size=100)
    noise = short.protocol_2018(*short.eye(torch.rand(1000, 784)), size=100)
    itself = short.protocol_2018(*short.seen("test"), size=100)
    assert 10 * real["frechet"] < noise["frechet"] and noise["kernel"] > 10 * abs(real["kernel"]) and real["kernel_half"] > 0
    assert real["precision"] > 0.5 and real["recall"] > 0.5 and noise["recall"] < 0.1
    assert 6 < real["score"] <= 10 and 1 <= noise["score"] < 3
    # A set is at distance 0 from itself, and drawn again from itself it is not; so every redrawn distance is too large.
    assert abs(itself["frechet"]) < 1e-6 < itself["frechet_redrawn"][0] and real["frechet_redrawn"][0] > real["frechet"]
    for row in (real, noise):  # pairs of subsets estimate the same quantity, disjoint or not
        mean, spread = row["kernel_paired"]
        assert abs(mean - row["kernel"]) < 3 * max(spread / 10, row["kernel_half"])
    pixels = short.unit(short.train_images()[:5])
    for got, expected in zip(short.eye(pixels), short.seen("train")):
        torch.testing.assert_close(got, expected[:5], atol=1e-4, rtol=0)
    short.seen.cache_clear()


def test_the_classifier_score_reaches_both_its_ends(parzen_2014):
    assert parzen_2014.classifier_score(torch.eye(10).repeat(3, 1)) == pytest.approx(10)
    assert parzen_2014.classifier_score(torch.full((7, 10), 0.1)) == pytest.approx(1)
    assert parzen_2014.classifier_score(torch.eye(10)[:1].expand(5, -1)) == pytest.approx(1)  # sure, and always of one class


def test_one_round_of_k_means_is_scikit_learns(parzen_2014):
    from sklearn.cluster import KMeans

    points = torch.rand(300, 5)
    start = points[torch.randperm(300, generator=torch.Generator().manual_seed(0))[:20]]
    found = parzen_2014.k_means(points, 20, rounds=4)
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


def test_the_score_drawn_again(parzen_2014):
    """Its spread is that of a mean of n divergences, to first order, times the score: the mean distribution hardly matters."""
    torch.manual_seed(0)
    probabilities = torch.randn(2000, 10).softmax(dim=1)
    mean, spread = parzen_2014.score_redrawn(probabilities, times=200)
    score, p = parzen_2014.classifier_score(probabilities), probabilities.double()
    divergences = (p * (p / p.mean(dim=0)).log()).sum(dim=1)
    expected = score * divergences.std().item() / 2000**0.5
    assert spread == pytest.approx(expected, rel=0.2)  # 200 draws know it to 5 %
    assert abs(mean - score) < 5 * spread / 200**0.5 + 0.01
    assert parzen_2014.score_redrawn(probabilities[:1].expand(50, -1)) == pytest.approx([1, 0], abs=1e-6)
