"""Scaling: any number of processes plays one run, the cost model finds costs that are known, and the record is whole."""

import itertools

import bench
import pytest
import scaling
import scaling_processes
import torch
from torch.utils.flop_counter import FlopCounterMode

from ganlib import objectives, record, training


def in_double(run):
    return [run["loss_D"], run["loss_G"], run["sums"]]


def agree(ours, theirs, within):
    for a, b in zip(in_double(ours), in_double(theirs), strict=True):
        assert a == pytest.approx(b, abs=within)


@pytest.fixture(scope="module")
def played():
    return scaling.opening()


@pytest.fixture(scope="module")
def recorded():
    return record.read("scaling")


def test_two_processes_play_the_run_of_one(played):
    """Under Fabric, with R1: weights equal in both, and those of one process but for rounding; each has its own half."""
    (one,), (first, second) = played["1"], played["2"]
    assert first["sums"] == second["sums"] and first["loss_D"] != second["loss_D"]
    assert first["sums"] == pytest.approx(one["sums"], abs=1e-12)
    for player in ("loss_D", "loss_G"):
        means = [(a + b) / 2 for a, b in zip(first[player], second[player], strict=True)]
        assert means == pytest.approx(one[player], abs=1e-12)


def test_one_process_goes_on_where_two_stopped(played):
    (one,), (taken,) = played["1"], played["taken over"]
    assert taken["step"] == one["step"] == scaling.OPENING["rounds"]
    assert taken["sums"] == pytest.approx(one["sums"], abs=1e-12)
    assert taken["loss_D"] == pytest.approx(one["loss_D"][2:], abs=1e-12)


def test_the_first_rounds_are_those_recorded(played, recorded):
    assert recorded["opening"].keys() == played.keys()
    for name, runs in played.items():
        for ours, theirs in zip(runs, recorded["opening"][name], strict=True):
            agree(ours, theirs, 1e-9)


def test_a_failed_process_says_why():
    with pytest.raises(RuntimeError, match=r"1 processes failed[\s\S]*look must be at least 1"):
        scaling_processes.in_processes(1, settings=[(0.1, 8)], sweeps=1, rounds=0)


def test_rounds_are_timed():
    (seconds,) = scaling_processes.in_processes(1, settings=[(0.1, 8), (0.1, 16)], sweeps=1, rounds=1)
    assert len(seconds) == 2 and all(0 < value < 60 for value in seconds)


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_work_is_what_is_counted(width):
    run = bench.fresh_run(*scaling_processes.pair(width))
    with FlopCounterMode(display=False) as counter:
        training.discriminator_step(run, torch.rand(4, 1, 28, 28), objectives.nonsaturating)
        training.generator_step(run, torch.rand(4, 1, 28, 28), objectives.nonsaturating)
    work = scaling_processes.work(width)
    assert counter.get_total_flops() == 4 * work["flops"]
    assert work["weights"] == sum(w.numel() for net in (run.G, run.D) for w in net.parameters())


def test_costs_that_are_known_are_found():
    known = [2e-3, 1e-9, 1e-11, 1e-8, 5e-3, 3e-9]
    rows = [
        {"processes": n, "width": w, "batch": b} | scaling_processes.work(w)
        for n, (w, b) in itertools.product((1, 2), scaling.FIT + scaling.HELD_OUT)
    ]
    rows = [row | {"seconds": scaling.predicted(known, row)} for row in rows]
    costs = scaling.fitted(rows[:9] + rows[13:22])
    assert costs == pytest.approx(known, rel=1e-6)
    assert [scaling.predicted(costs, row) for row in rows] == pytest.approx([row["seconds"] for row in rows], rel=1e-9)


def test_machine_and_parts_are_measured():
    found = scaling.machine_speeds("cpu", side=64, floats=2**12)
    assert set(found) == {"float32_flops", "bfloat16_flops", "bytes"} and min(found.values()) > 0
    parts = scaling.parts("cpu", batch=4, turns=1)
    assert parts["matrix products"]["flops"] == 4 * scaling_processes.work(1.0)["flops"]
    assert parts["whole round"]["seconds"] > parts["average of G"]["seconds"] > 0


def test_the_record_is_whole(recorded):
    """Every setting in every number of processes; the costs are those of the rows; held-out rows are within a fifth."""
    rows = recorded["rows"]
    settings = {(row["processes"], row["width"], row["batch"]) for row in rows}
    assert settings == {(n, *pair) for n in (1, 2) for pair in scaling.FIT + scaling.HELD_OUT} and len(rows) == len(settings)
    costs = scaling.fitted([row for row in rows if not row["held_out"]])
    for row in rows:
        assert row["held_out"] == ((row["width"], row["batch"]) in scaling.HELD_OUT)
        assert scaling.predicted(costs, row) == pytest.approx(row["predicted"], rel=0.01)
        assert {name: row[name] for name in ("weights", "units", "flops")} == scaling_processes.work(row["width"])
        if row["held_out"]:
            assert row["predicted"] == pytest.approx(row["seconds"], rel=0.2)
    parts = recorded["parts"]
    assert sum(part["seconds"] for name, part in parts.items() if name != "whole round") < parts["whole round"]["seconds"]
