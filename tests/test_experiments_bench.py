"""The bench of the experiments: what is kept is found again only by the run that it belongs to."""

import json
import math

import bench
import pytest
import torch

from ganlib import data, networks, objectives, record


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "RUNS", tmp_path / "runs")
    return tmp_path / "runs"


SOURCE = '''
def f(x: int, *rest: str) -> int:
    """Twice x."""
    y: float = 2 * x  # doubled
    return y
'''


def test_bare_source_is_what_computes():
    """Comments, docstrings, annotations and layout go; a number, a name or a string that is used stays."""
    same = "def f(x, *rest):\n    'Another.'\n    y: int = (2 *\n        x)\n    return y"
    assert bench.bare(SOURCE) == bench.bare(same)
    assert bench.bare(SOURCE) == bench.bare(SOURCE.replace('"""Twice x."""', ""))
    for old, new in (("2 * x", "3 * x"), ("return y", "return x"), ("*rest", "**rest")):
        assert bench.bare(SOURCE.replace(old, new)) != bench.bare(SOURCE)
    assert bench.bare("def f():\n    return 'a'") != bench.bare("def f():\n    return 'b'")
    assert bench.bare("class A(NamedTuple):\n    x: int = 1") != bench.bare("class A(NamedTuple):\n    x: int = 2")


def compute(seed, scale=2.0):
    return {"value": scale * torch.randn(2, generator=torch.Generator().manual_seed(seed)).sum().item()}


def test_a_finished_run_is_kept_and_one_of_another_identity_lies_beside_it(runs):
    settings = {"seed": 3, "scale": 2.0}
    first = bench.kept("a run", compute, settings)
    assert first["value"] == compute(**settings)["value"] and first["seconds"] >= 0
    assert {name: first[name] for name in record.PROVENANCE} == record.provenance(3)
    (path,) = runs.iterdir()
    state = json.loads(path.read_text())
    state["outcome"]["value"] = 7.0  # a call that finds it does not compute
    bench.write_json(path, state)
    assert bench.kept("a run", compute, settings)["value"] == 7.0
    others = [({"seed": 4}, ()), ({"seed": 3, "scale": 3.0}, ()), (settings, (networks,)), (settings, (networks, objectives))]
    for other, uses in others:
        assert bench.kept("a run", compute, other, uses)["value"] == pytest.approx(compute(**other)["value"])
    assert len(list(runs.iterdir())) == 5
    assert bench.kept("a run", compute, settings)["value"] == 7.0


def test_neither_name_nor_place_makes_a_run(runs):
    """A file that lies where this run's would, but tells of another, is not taken for it."""
    settings = {"seed": 0}
    bench.kept("x", compute, settings)
    path = bench.place_of("x", compute, settings)
    state = json.loads(path.read_text())
    state["identity"]["settings"]["seed"], state["outcome"]["value"] = 1, 7.0
    bench.write_json(path, state)
    assert bench.kept("x", compute, settings)["value"] != 7.0


def test_what_is_not_finite_is_not_kept(runs):
    with pytest.raises(ValueError, match="not JSON compliant"):
        bench.kept("x", compute, {"seed": 0, "scale": math.inf})
    assert not list(runs.glob("*.json"))


def test_tensors_are_kept_beside(runs):
    def with_weights(seed):
        return {"sum": 3.0}, {"w": torch.ones(3)}

    outcome = bench.kept("net", with_weights, {"seed": 0})
    path = bench.place_of("net", with_weights, {"seed": 0})
    from safetensors.torch import load_file

    assert outcome["sum"] == 3.0 and torch.equal(load_file(path.with_suffix(".safetensors"))["w"], torch.ones(3))


def test_a_run_goes_on_where_it_was_kept(make_run, tmp_path):
    path, identity = tmp_path / "new" / "a.pt", {"seed": 0, "betas": (0.5, 0.9)}
    run = make_run()
    story = bench.go_on(run, path, identity)
    assert story["along"] == [] and story["seconds"] == 0.0 and story["commit"] == record.commit()
    for run.step in (3, 5):
        story["along"].append(run.step)
        bench.keep(run, path, story)
    assert sorted(file.name for file in path.parent.iterdir()) == ["a.pt", "a.round5.json"]
    other = make_run(seed=1)
    assert bench.go_on(other, path, identity)["along"] == [3, 5]
    assert other.step == 5 and all(map(torch.equal, other.G.parameters(), run.G.parameters()))
    with pytest.raises(ValueError, match=r"holds .*'seed': 0.*asked for is .*'seed': 1"):
        bench.go_on(other, path, identity | {"seed": 1})
    bench.keep(run, None, story)


def test_a_death_between_the_two_files_leaves_the_older_run_with_its_story(make_run, tmp_path, monkeypatch):
    path, run = tmp_path / "a.pt", make_run()
    story = bench.go_on(run, path, {"seed": 0})
    bench.keep(run, path, story)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.checkpoints, "save", die)
    run.step = 9
    with pytest.raises(KeyboardInterrupt):
        bench.keep(run, path, story | {"along": [9]})
    assert bench.go_on(make_run(), path, {"seed": 0})["along"] == []


def test_the_rate_falls_in_a_line():
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = bench.linear_decay(optimiser, rounds=8, start=0.5, end=0.0)
    rates = []
    for _ in range(8):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates == [2, 2, 2, 2, 2, 1.5, 1, 0.5] and optimiser.param_groups[0]["lr"] == 0
    half = bench.linear_decay(torch.optim.SGD([torch.zeros(1)], lr=2.0), rounds=8, start=0.0, end=0.5)
    assert [half.lr_lambdas[0](step) for step in (0, 4, 8)] == [1, 0.75, 0.5]


def test_rounding_keeps_the_structure():
    assert bench.rounded({"a": [1.23456789, 2], "b": "x", "c": (0.5,)}) == {"a": [1.2346, 2], "b": "x", "c": [0.5]}


def test_weights_are_shipped_with_their_line_in_the_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(bench.networks, "__file__", str(tmp_path / "networks.py"))
    (tmp_path / "weights").mkdir()
    bench.write_json(tmp_path / "weights" / "manifest.json", {"other.safetensors": {"sha256": "0"}})
    sha256 = bench.ship("new", b"abc", "made_here")
    manifest = json.loads((tmp_path / "weights" / "manifest.json").read_text())
    assert sha256.startswith("ba7816bf") and (tmp_path / "weights" / "new.safetensors").read_bytes() == b"abc"
    assert manifest["new.safetensors"] == {
        "sha256": sha256,
        "made_by": "experiments/made_here.py",
        "record": "results/made_here.json",
    }
    assert manifest["other.safetensors"] == {"sha256": "0"}


def test_the_opening_is_that_of_the_run_in_double(images):
    """Weights are double and have the digits of doubles; one seed gives one opening."""
    openings = []
    for _ in range(2):
        torch.manual_seed(0)
        G, D = networks.MLPGenerator(3, (8, 6), (1, 4, 4)), networks.MLPDiscriminator((1, 4, 4), (7,))
        bench.reset_in_double(G, D)
        assert all((p.double() != p.float().double()).any() for p in G.layers[0].parameters())
        run = bench.fresh_run(G, D)
        openings.append(bench.opening(run, data.batches(images, 8), objectives.nonsaturating, rounds=3))
    assert openings[0] == openings[1] and [len(row) for row in openings[0].values()] == [3, 3]


def test_refreshed_statistics_are_those_of_the_averaged_network():
    """The output of a normalised layer, on other latents, has mean 0 and variance 1; with stale statistics it has not."""
    torch.manual_seed(0)
    G = networks.MLPGenerator(widths=(16, 32))
    for layer in G.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_var.fill_(4.0)
    fresh = bench.refreshed(G)
    normalised = [torch.nn.Sequential(*net.eval().layers[:4])(torch.randn(20_000, 100)) for net in (G, fresh)]
    assert normalised[1].mean(dim=0).abs().max() < 0.05 and (normalised[1].var(dim=0) - 1).abs().max() < 0.05
    assert normalised[0].var(dim=0).max() < 0.5
    assert all(layer.running_var.eq(4).all() for layer in G.modules() if isinstance(layer, torch.nn.BatchNorm1d))
