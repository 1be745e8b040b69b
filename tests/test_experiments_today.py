"""Where adversarial losses live: a student of each row, a tokeniser and a reweighted sampler begin as they are recorded."""

import itertools
import json

import bench
import digits
import one_step
import pytest
import ratio
import tokeniser
import torch

from ganlib import data, metrics, record


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in digits, few samples, and an empty folder of runs."""
    monkeypatch.setattr(data, "mnist", lambda split="train", root=None, fallback=True: data.digits(split))
    monkeypatch.setattr(bench, "RUNS", tmp_path)
    monkeypatch.setattr(tokeniser, "SCORED", 200)
    for name, value in {"POOL": 300, "DRAWN": 200, "HELD": 100, "JUDGES": {"all": (500, 3), "few": (64, 3)}}.items():
        monkeypatch.setattr(ratio, name, value)
    cached = (digits.seen, digits.floor, one_step.pairs_of)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


# One step for a flow


def test_the_teacher_takes_noise_to_the_mixture():
    """On the line quantile to quantile; on the ring to all modes alike; and the denoiser is the mean over the components."""
    normal = torch.distributions.Normal(0.0, 1.0)
    z = torch.linspace(-2.5, 2.5, 41, dtype=torch.float64)[:, None]
    x = one_step.teacher(z, one_step.TASKS["line"][0].double(), 0.5)
    assert ((normal.cdf((x + 2) / 0.5) + normal.cdf((x - 2) / 0.5)) / 2 - normal.cdf(z)).abs().max() < 1e-3
    centres, std = one_step.TASKS["ring"]
    modes, share, reverse_kl = metrics.mode_coverage(one_step.teacher(one_step.normals(4000, 2, 0), centres, std), centres, std)
    assert modes == 8 and share > 0.975 and reverse_kl < 0.01
    clean = data.gaussian_mixture_1d(200_000, seed=0)
    noisy = clean + 1.5 * one_step.normals(200_000, 1, 1)
    near = (noisy - 0.7).abs().flatten() < 0.05
    found = one_step.denoised(torch.tensor([[0.7]]), 1.5, one_step.TASKS["line"][0], 0.5).item()
    assert clean[near].mean().item() == pytest.approx(found, abs=4 * (clean[near].std() / near.sum().sqrt()).item())


def test_pairs_are_the_teachers_or_the_same_in_another_order():
    (z, x), (same_z, shuffled) = (one_step.pairs_of("line", kind) for kind in ("teacher's", "shuffled"))
    assert torch.equal(z, same_z) and torch.equal(x.sort(dim=0).values, shuffled.sort(dim=0).values)
    correlations = [torch.corrcoef(torch.cat([z, pair], dim=1).T)[0, 1].item() for pair in (x, shuffled)]
    assert correlations[0] > 0.8 and abs(correlations[1]) < 0.03


def test_a_judge_is_asked_only_where_it_has_a_weight(monkeypatch):
    asked = []
    monkeypatch.setattr(one_step, "judge_turn", lambda *args, **settings: asked.append(1))
    z, x = one_step.pairs_of("line", "shuffled")
    one_step.distil(z, x, 1.0, 0.0, rounds=2)
    assert not asked
    one_step.distil(z, x, 1.0, 1.0, rounds=2)
    assert len(asked) == 2


def test_the_judges_turn_moves_the_judge_alone_and_is_penalised():
    torch.manual_seed(0)
    D, z, x = torch.nn.Sequential(one_step.layers(1, 1, 8), torch.nn.Flatten(0)), torch.randn(16, 1), torch.randn(16, 1)
    fakes = z.clone().requires_grad_()
    still = torch.optim.SGD(D.parameters(), lr=0.0)
    plain = one_step.judge_turn(D, still, x, fakes, one_step.nonsaturating)
    slopes = [torch.autograd.grad(D(s.requires_grad_()).sum(), s)[0].square().sum(dim=1).mean().item() for s in (x, z)]
    penalised = one_step.judge_turn(D, still, x.detach(), fakes, one_step.nonsaturating, gamma=0.5)
    assert penalised - plain == pytest.approx(0.25 * sum(slopes), rel=1e-4) and fakes.grad is None


def test_students_are_scored_and_kept(small):
    run = one_step.kept("line", "shuffled, squared", seed=1, rounds=40)
    assert (run["task"], run["seed"], run["rounds"]) == ("line", 1, 40) and run["wasserstein"] > 1
    assert one_step.kept("line", "shuffled, squared", seed=1, rounds=40) == run
    known = one_step.known_points()
    assert known["ring"]["mixture"]["share"] > 0.98 > known["ring"]["mean"]["share"] == 0
    assert known["line"]["teacher"]["wasserstein"] < 0.05 < 1.9 < known["line"]["mean"]["wasserstein"]


# A tiny tokeniser


def test_the_judge_of_patches_sees_eighteen_pixels():
    torch.manual_seed(0)
    D, image = tokeniser.patch_judge(), torch.randn(1, 1, 28, 28, requires_grad=True)
    logits = D(image)
    assert logits.shape == (49,) and D(image.expand(3, 1, 28, 28)).shape == (147,)
    (slope,) = torch.autograd.grad(logits[24], image)
    rows, columns = (slope[0, 0].abs().sum(dim=side).nonzero() for side in (1, 0))
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == 18


def test_short_waves_of_known_pictures():
    pixels = torch.arange(28, dtype=torch.float32)
    for cycles, share in ((3, 0.0), (6, 0.0), (8, 1.0), (14, 1.0)):  # a quarter of a cycle a pixel is 7
        wave = torch.cos(2 * torch.pi * cycles * pixels / 28).expand(2, 1, 28, 28) + 5
        assert tokeniser.high_share(wave) == pytest.approx(share, abs=1e-4), cycles


def test_an_autoencoder_meets_its_judge_when_it_should(small):
    torch.manual_seed(0)
    A, D = tokeniser.Autoencoder(), tokeniser.patch_judge()
    batches = data.batches(data.mnist().images, 16, 0)
    before = [weight.clone() for weight in D.parameters()]
    alone = list(tokeniser.fit_autoencoder(A, D, batches, 3, start=3, weight=0.8))
    assert all(torch.equal(old, new) for old, new in zip(before, D.parameters())) and alone[-1][1:] == (0.0, 0.0)
    judged = list(tokeniser.fit_autoencoder(A, D, batches, 3, start=1, weight=0.8))
    assert [look[1] > 0 for look in judged] == [False, True, True] and judged[-1][2] > 0
    assert next(tokeniser.fit_autoencoder(A, D, batches, 1, start=0, weight=0.8, matched=False))[2] == 1.0


def test_a_tokeniser_is_scored_and_kept(small, tmp_path):
    runs = [tokeniser.kept(row, seed=1, rounds=4) for row in ("no judge", "judge from the start")]
    assert runs[0]["factor"] == 0 < runs[1]["factor"] and tokeniser.kept("no judge", seed=1, rounds=4) == runs[0]
    written = json.loads(tokeniser.write_record(runs, "trial", tmp_path).read_text())
    assert written["runs"] == runs and written["known"]["test images"]["error"] == 0
    assert written["known"]["their mean"]["high_share"] < written["known"]["training images"]["high_share"]


# D's verdict as a weight


def test_half_of_the_samples_become_ones():
    labels = torch.arange(10).repeat(100)
    images = labels.float()[:, None].expand(-1, 4)
    spoiled = ratio.with_ones(images, labels, seed=3)
    assert 0.5 < (spoiled[:, 0] == 1).double().mean() < 0.6
    assert torch.equal(images[:, 0], labels.float()) and torch.equal(spoiled, ratio.with_ones(images, labels, seed=3))


def test_calibration_finds_the_factor_and_the_gap():
    """Logits of two normals, right, and three times too large."""
    x, y = one_step.normals(40_000, 1, 5).double() + 1, one_step.normals(40_000, 1, 6).double()
    right = [(2 * points - 1).flatten() / 2 for points in (x, y)]
    assert ratio.calibrated(*right) == pytest.approx(1.0, abs=0.051)
    assert ratio.calibrated(*(2 * logits for logits in right)) == pytest.approx(0.5, abs=0.051)
    assert ratio.miscalibration(*right)[0] < 0.01 < 0.1 < ratio.miscalibration(*(4 * logits for logits in right))[0]


def test_a_sampler_is_weighed_and_kept(small, tmp_path):
    run = ratio.kept("too many ones", seed=1, turns=1.0)
    assert run["unweighted"]["ones"] > 0.4 and set(run["judges"]) == {"all", "all, scaled", "few", "few, scaled"}
    assert all(0 < judged["effective"] <= 300.1 for judged in run["judges"].values())
    written = json.loads(ratio.write_record([run], "trial", tmp_path).read_text())
    assert written["runs"] == [run]


# The records


@pytest.mark.parametrize("experiment", [one_step, tokeniser, ratio], ids=lambda module: module.__name__)
def test_the_first_rounds_are_those_recorded(experiment, real_mnist):
    if real_mnist is None and experiment is not one_step:
        return
    recorded, played = record.read(experiment.__name__)["opening"], experiment.opening()
    assert played.keys() == recorded.keys()
    for name, losses in played.items():
        ours, theirs = (torch.tensor(rows, dtype=torch.float64) for rows in (losses, recorded[name]))
        assert ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5), name


def test_the_records_are_whole():
    steps, tokens, ratios = record.read("one_step"), record.read("tokeniser"), record.read("ratio")
    rows = {(run["seed"], run["task"], run["row"]) for run in steps["runs"]}
    line = itertools.product(range(one_step.SEEDS), ["line"], one_step.ON_THE_LINE)
    assert rows == {*line, *itertools.product(range(one_step.SEEDS), ["ring"], one_step.ROWS)}
    assert {name: tuple(row) for name, row in steps["configuration"]["rows"].items()} == one_step.ROWS
    assert {run["rounds"] for run in steps["runs"]} == {one_step.ROUNDS} and len(steps["runs"]) == len(rows)
    rows = {(run["seed"], run["row"]) for run in tokens["runs"]}
    assert rows == set(itertools.product(range(tokeniser.SEEDS), tokeniser.ROWS)) and len(tokens["runs"]) == len(rows)
    assert {run["rounds"] for run in tokens["runs"]} == {tokeniser.ROUNDS}
    rows = {(run["seed"], run["sampler"]) for run in ratios["runs"]}
    assert rows == set(itertools.product(range(ratio.SEEDS), ratio.SAMPLERS)) and len(ratios["runs"]) == len(rows)
