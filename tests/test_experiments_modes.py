"""Ring and grid, all seeds at once: the same as one seed alone, the same after a stop, and scored as PacGAN scores."""

import argparse
import copy
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bench
import pacgan
import pytest
import ring_grid
import torch

from ganlib import checkpoints, record

EXPERIMENTS = Path(ring_grid.__file__).parent
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def played(seeds, pack, rounds=3):
    """Losses (rounds, 2, seeds) and the run, in double precision."""
    run = pacgan.run_of_seeds(seeds, pack, dtype=torch.float64)
    source = ring_grid.rounds_of(ring_grid.TASKS["ring"], seeds, pack, 0, run.G.weight0)
    losses = [torch.stack(pacgan.play_round(run, *next(source), pack)) for _ in range(rounds)]
    return torch.stack(losses), run


@pytest.mark.parametrize("pack", [1, 3])
def test_seeds_together_are_the_seeds_alone(pack):
    together, stacked = played([0, 5, 2], pack)
    for place, seed in enumerate([0, 5, 2]):
        alone, single = played([seed], pack)
        assert torch.allclose(together[..., place], alone[..., 0], rtol=0, atol=1e-12)
        for net in ("G", "D"):
            ours, theirs = getattr(stacked, net).state_dict(), getattr(single, net).state_dict()
            assert all(torch.allclose(ours[name][place], theirs[name][0], rtol=0, atol=1e-10) for name in ours)
    assert (together[-1, 0, 0] - together[-1, 0, 1]).abs() > 1e-9, "two seeds must differ"
    assert all((getattr(stacked, net).weight0[0] != getattr(stacked, net).weight0[1]).all() for net in ("G", "D"))


def plain_networks(seed, pack):
    """The same two networks from torch's own layers, with the weights of that seed."""
    run = pacgan.run_of_seeds([seed], pack, dtype=torch.float64)
    hidden = []
    for layer in range(4):
        linear = torch.nn.Linear(400 if layer else 2, 400, bias=False).double()
        linear.weight.data = getattr(run.G, f"weight{layer}")[0].detach().clone()
        hidden += [linear, torch.nn.BatchNorm1d(400, eps=1e-4).double(), torch.nn.ReLU()]
    last = torch.nn.Linear(400, 2).double()
    last.weight.data, last.bias.data = run.G.weight_out[0].detach().clone(), run.G.bias_out[0, :, 0].detach().clone()
    return run, torch.nn.Sequential(*hidden, last)


def plain_D(D, packs):
    h = packs
    for layer in range(3):
        h = h @ getattr(D, f"weight{layer}")[0].T + getattr(D, f"bias{layer}")[0, :, 0]
        h = h.view(len(h), 5, 200).max(dim=1).values
    return (h @ D.weight_out[0].T + D.bias_out[0, :, 0])[:, 0]


def test_a_round_is_what_torch_layers_give():
    """Networks, packing, losses and Adam, written a second time with (batch, features) and without the seed axis."""
    pack = 2
    run, G = plain_networks(4, pack)
    reals, z = next(ring_grid.rounds_of(ring_grid.TASKS["grid"], [4], pack, 0, run.G.weight0))
    parts = [G(part.T) for part in z[0].chunk(pack, dim=1)]  # each place of the pack is normalised by itself
    fakes = torch.cat(parts, dim=1)
    softplus = torch.nn.functional.softplus
    real_logits, fake_logits = plain_D(run.D, reals[0].T), plain_D(run.D, fakes)
    loss_D, loss_G = softplus(-real_logits).mean() + softplus(fake_logits).mean(), softplus(-fake_logits).mean()
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.8, 0.999))
    G.zero_grad()
    gradients = torch.autograd.grad(loss_G, list(G.parameters()), retain_graph=True)
    D_gradients = torch.autograd.grad(loss_D, list(run.D.parameters()))
    for weight, gradient in zip(G.parameters(), gradients, strict=True):
        weight.grad = gradient
    opt_G.step()
    D_before = [weight.detach().clone() for weight in run.D.parameters()]
    ours_D, ours_G = pacgan.play_round(run, reals, z, pack)
    assert ours_D.item() == pytest.approx(loss_D.item(), abs=1e-12) and ours_G.item() == pytest.approx(loss_G.item(), abs=1e-12)
    assert torch.allclose(run.G.weight2[0], G[6].weight, rtol=0, atol=1e-9)
    assert torch.allclose(run.G.weight_out[0], G[12].weight, rtol=0, atol=1e-9)
    for before, after, gradient in zip(D_before, run.D.parameters(), D_gradients, strict=True):
        step = 1e-4 * gradient / (gradient.abs() + 1e-8)  # Adam's first
        assert torch.allclose(after, before - step, rtol=0, atol=1e-9)


def test_samples_are_drawn_with_running_statistics():
    run = pacgan.run_of_seeds([0], 1, dtype=torch.float64)
    w, z = run.G.weights(), torch.randn(1, 2, 100, generator=torch.Generator().manual_seed(0)).double()
    trained, statistics = pacgan.generate(w, z)
    assert torch.allclose(pacgan.generate(w, z, kept=statistics)[0], trained, rtol=0, atol=1e-12)
    one_by_one = torch.cat([pacgan.generate(w, z[..., i : i + 1], kept=statistics)[0] for i in range(3)], dim=2)
    assert torch.allclose(one_by_one, trained[..., :3], rtol=0, atol=1e-12)
    reals = torch.randn(1, 2, 100, generator=torch.Generator().manual_seed(1)).double()
    means, stds = run.G.means.clone(), run.G.stds.clone()
    pacgan.play_round(run, reals, z, 1)
    assert torch.allclose(run.G.means, 0.95 * means + 0.05 * statistics[0], rtol=0, atol=1e-15)
    assert torch.allclose(run.G.stds, 0.95 * stds + 0.05 * statistics[1], rtol=0, atol=1e-15)


def test_bfloat16_loses_three_digits_and_no_more():
    """Hidden products in bfloat16 turn the gradients by a few hundredths; first and last layers are as they were."""
    run = pacgan.run_of_seeds([0, 1], 2)
    reals, z = next(ring_grid.rounds_of(ring_grid.TASKS["grid"], [0, 1], 2, 0, run.G.weight0))
    exact, rough = (pacgan.gradients(run.G.weights(), run.D.weights(), reals, z, 2, half) for half in (False, True))
    for ours, theirs in zip(exact[:2], rough[:2], strict=True):
        for name, gradient in ours.items():
            error = (theirs[name] - gradient).norm() / gradient.norm()
            assert theirs[name].dtype == torch.float32 and error < 0.1, (name, error)
    points = torch.cat([pacgan.generate(run.G.weights(), z, 2, half)[0] for half in (False, True)])
    logits = torch.cat([pacgan.judge(run.D.weights(), reals, half) for half in (False, True)])
    for network in (points, logits):
        assert 0 < (network[:2] - network[2:]).norm() < 0.1 * network[:2].norm(), "the products must be rounded"


def test_the_largest_piece_alone_has_a_gradient():
    h = torch.randn(2, 10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    largest = pacgan.maxout(h)
    assert torch.equal(largest, h.view(2, 5, 2, 3).max(dim=1).values)
    (gradient,) = torch.autograd.grad(largest.sum(), h)
    assert torch.equal(gradient.view(2, 5, 2, 3), (h.view(2, 5, 2, 3) == largest.unsqueeze(1)).double())


def test_logits_far_below_zero_leave_gradients_finite():
    """D sure of itself: its own gradient fades, G's by the non-saturating loss is that of -log sigmoid, whose rate is 1."""
    run = pacgan.run_of_seeds([0], 1)
    with torch.no_grad():
        run.D.bias_out.fill_(-200.0)
    reals, z = next(ring_grid.rounds_of(ring_grid.TASKS["grid"], [0], 1, 0, run.G.weight0))
    grads_G, grads_D, _, loss_G, _ = pacgan.gradients(run.G.weights(), run.D.weights(), reals, z, 1, False)
    assert all(gradient.isfinite().all() for gradient in (*grads_G.values(), *grads_D.values()))
    assert loss_G.item() == pytest.approx(200, abs=1)
    w = {name: weight.requires_grad_() for name, weight in run.G.weights().items()}
    fakes, _ = pacgan.generate(w, z)
    (expected,) = torch.autograd.grad(-pacgan.judge(run.D.weights(), fakes).mean(), w["weight3"])
    assert torch.allclose(grads_G["weight3"], expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_packs_and_epochs(monkeypatch):
    samples = torch.arange(12.0).view(1, 2, 6)
    assert torch.equal(pacgan.packed(samples, 2)[0, :, 0], torch.tensor([0.0, 6.0, 3.0, 9.0]))
    monkeypatch.setattr(ring_grid, "POINTS", 400)
    monkeypatch.setattr(pacgan, "BATCH", 100)
    like, task = torch.zeros((), dtype=torch.float64), ring_grid.TASKS["ring"]
    source = ring_grid.rounds_of(task, [1], 2, 0, like)
    rounds = [next(source) for _ in range(8)]
    epochs = [torch.cat([reals[0] for reals, _ in rounds[half : half + 4]], dim=1) for half in (0, 4)]
    in_order = [epoch[:, epoch[0].argsort()] for epoch in epochs]
    assert torch.equal(in_order[0].sort(dim=1).values, in_order[1].sort(dim=1).values), "an epoch shows every pack once"
    assert not torch.equal(*epochs)
    later = ring_grid.rounds_of(task, [1], 2, 6, like)
    assert all(torch.equal(a, b) for a, b in zip(next(later), rounds[6], strict=True))


SHORT = {"seeds": [0, 1], "task": "ring", "pack": 2, "looks": (2, 4), "minutes": 0.0, "progress": False}


@pytest.mark.parametrize("device", DEVICES)
def test_five_rounds_are_three_and_two(tmp_path, device):
    """Bit for bit, the scores on the way as well; another configuration's file is refused."""
    settings = SHORT | {"device": device}
    whole = ring_grid.main(**settings, rounds=5, path=tmp_path / "whole.pt")
    ring_grid.main(**settings, rounds=3, path=tmp_path / "parts.pt")
    parts = ring_grid.main(**settings, rounds=5, path=tmp_path / "parts.pt")
    assert [row["round"] for row in whole["along"]] == [2, 4, 5]
    parts["along"] = [row for row in parts["along"] if row["round"] != 3]  # the end of the first part was looked at, too
    assert parts["along"] == whole["along"]
    runs = [pacgan.run_of_seeds([0, 1], 2) for _ in range(2)]
    for run, name in zip(runs, ("whole", "parts"), strict=True):
        checkpoints.load(run, tmp_path / f"{name}.pt")
    for net in ("G", "D"):
        ours, theirs = (getattr(run, net).state_dict() for run in runs)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for other in ({"task": "grid"}, {"half": True}, {"seeds": [0, 2]}, {"lr": 2e-4}):
        with pytest.raises(ValueError, match="asked for"):
            ring_grid.main(**SHORT | other, rounds=6, path=tmp_path / "whole.pt")


def test_a_killed_process_leaves_a_run_that_goes_on(tmp_path):
    """It saves after every round, so that a kill -9 falls into a checkpoint more often than not."""
    path = tmp_path / "run.pt"
    code = (
        f"import sys; sys.path.insert(0, {str(EXPERIMENTS)!r}); import ring_grid; from pathlib import Path; "
        f"ring_grid.main(seeds=[0, 1], pack=2, rounds=10**6, looks=(), minutes=0.0, progress=False, path=Path({str(path)!r}))"
    )
    for pause in (0.0, 0.13, 0.31):
        process = subprocess.Popen([sys.executable, "-c", code])
        before = path.stat().st_mtime_ns if path.exists() else 0
        deadline = time.monotonic() + 240
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        run = pacgan.run_of_seeds([0, 1], 2)
        checkpoints.load(run, path)
        assert run.step > 0 and path.with_suffix(f".round{run.step}.json").exists()
    step = run.step
    outcome = ring_grid.main(seeds=[0, 1], pack=2, rounds=step + 1, looks=(), progress=False, path=path)
    assert outcome["rounds"] == step + 1 and outcome["along"][-1]["round"] == step + 1


def test_the_score_of_exact_data_and_of_one_mode():
    for task in ring_grid.TASKS.values():
        n = len(task.centres)
        exact = ring_grid.evaluate(task.sample(2_500, seed=1), task)
        assert exact["modes"] == n and 0.98 < exact["share"] < 0.996  # 1 - exp(-9/2) = 0.989
        assert exact["reverse_kl"] < 0.02 and exact["reverse_kl_of_good"] < 0.02
        one = ring_grid.evaluate(task.centres[:1].double().expand(100, 2), task)
        assert one == {
            "modes": 1,
            "share": 1,
            "reverse_kl": pytest.approx(math.log(n)),
            "reverse_kl_of_good": one["reverse_kl"],
        }
    far = ring_grid.evaluate(torch.full((10, 2), 0.2), ring_grid.TASKS["ring"])
    assert far["modes"] == 0 and far["share"] == 0 and far["reverse_kl_of_good"] is None


def test_a_record_holds_what_ran_and_a_part_has_a_name_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ring_grid, "opening", dict)
    story = ring_grid.main(**SHORT, rounds=3)
    written = json.loads(ring_grid.write_record({"ring2": story}, "short", tmp_path).read_text())
    assert written["runs"] == {"ring2": json.loads(json.dumps(story))} and [row["round"] for row in story["along"]] == [2, 3]
    assert written["configuration"] == record.read("ring_grid")["configuration"]
    assert written["processor_seconds"] == pytest.approx(story["seconds"], abs=0.1)
    assert (story["rounds"], story["seed"], story["commit"]) == (3, [0, 1], record.commit())
    assert all(row.keys() == {"round", "loss_D", "loss_G", "scores", "renewed"} for row in story["along"])
    ring_grid.write_record({"grid1": story}, "short", tmp_path)
    assert list(json.loads((tmp_path / "short.json").read_text())["runs"]) == ["grid1"], "it was merged with its own past"
    for name, refused in (("ring_grid", True), ("another", False)):
        monkeypatch.setattr(sys, "argv", ["ring_grid.py", "--name", name])
        parse = lambda: bench.asked(argparse.ArgumentParser(), "ring_grid", lambda asked: True)  # noqa: E731
        if refused:
            with pytest.raises(SystemExit):
                parse()
            assert "give it a --name" in capsys.readouterr().err
        else:
            assert parse().name == "another"


def test_the_tag_played_the_rounds_that_the_record_says():
    """Every row in bfloat16 was ended by it, none in float32 was begun by it."""
    recorded = record.read("ring_grid")
    rounds, runs = recorded["made_by"]["rounds"], recorded["runs"]
    assert {name for name, run in runs.items() if run["half"]} == rounds.keys()
    assert runs.keys() == ring_grid.ROWS.keys()
    for name, run in runs.items():
        settings = ring_grid.ROWS[name]
        assert run["rounds"] == settings.get("rounds", ring_grid.ROUNDS) and run["half"] == settings.get("half", False)
        assert name not in rounds or 1 <= rounds[name][0] < rounds[name][1] == run["rounds"]


def test_renewed_statistics_forget_the_old_ones_and_nothing_else():
    """After fifty batches 0.95^50 of the old statistics is left; what they would become does not depend on them."""
    G = pacgan.run_of_seeds([0, 1], 2, dtype=torch.float64).G
    other = copy.deepcopy(G)
    other.means.add_(1), other.stds.mul_(3)
    (a, b), before = (pacgan.renewed(net, 2) for net in (G, other)), copy.deepcopy(other.state_dict())
    torch.testing.assert_close(b.means - a.means, 0.95**50 * (other.means - G.means))
    torch.testing.assert_close(b.stds - a.stds, 0.95**50 * (other.stds - G.stds))
    z = torch.randn(1, 2, 20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).expand(2, -1, -1)
    _, (means, stds) = pacgan.generate(G.weights(), z)
    many = pacgan.renewed(G, 2, batches=400)
    torch.testing.assert_close(many.stds, stds, rtol=0.15, atol=0)
    assert (many.means - means).abs().max() < 0.15 * stds.max()
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    assert all(torch.equal(x, y) for x, y in zip(b.parameters(), other.parameters(), strict=True))


def test_the_first_rounds_are_those_recorded():
    first = ring_grid.opening(rounds=4)
    assert first["ring1"]["loss_D"][0] == pytest.approx([math.log(4)] * 2, abs=0.01)  # an untrained D answers one half
    recorded = record.read("ring_grid")
    assert first.keys() == recorded["opening"].keys() >= {name.removesuffix("_float32") for name in recorded["runs"]}
    for name, losses in recorded["opening"].items():
        for player in ("loss_D", "loss_G"):
            for ours, theirs in zip(first[name][player], losses[player], strict=False):
                assert ours == pytest.approx(theirs, abs=1e-6)
