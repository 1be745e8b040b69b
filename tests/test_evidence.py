"""The evidence page is made from the book: every statement is decided by something, and everything named exists."""

import functools
import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

from ganlib import record

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def evidence():
    spec = importlib.util.spec_from_file_location("evidence", ROOT / "book" / "_ext" / "evidence.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_statement_is_decided_and_every_label_exists(evidence):
    labels = [theorem.label for theorem in evidence.theorems()]
    assert len(labels) == len(set(labels)) >= 37
    decided = evidence.deciding_cells().keys() | evidence.deciding_tests().keys()
    assert set(labels) - decided == set(), "no cell and no test decides these"
    assert decided - set(labels) == set(), "these are decided and nowhere stated"


def test_a_cell_that_decides_is_compared(evidence):
    """A tagged cell prints something that nbval compares, or asserts; it is not among those whose output is ignored."""
    for path, index, cell, source in evidence.notebook_cells():
        tags = cell["metadata"].get("tags", [])
        if any(tag.startswith("decides:") for tag in tags):
            assert "nbval-ignore-output" not in tags, (path.name, index)
            assert evidence.first_lines(cell) or evidence.claims(evidence.code_of(source)), (path.name, index)


def test_a_test_that_decides_asserts(evidence):
    times = evidence.recorded("test_times")["tests"]
    for label, checks in evidence.deciding_tests().items():
        for check in checks:
            assert check.claims, (label, check.name)
            assert check.seconds == times.get(f"{check.path}::{check.name}") is not None, (
                f"{check.name} has no run time: run tools/time_tests.py"
            )


def test_every_record_is_held_by_a_test(evidence):
    for recorded, tests, _ in evidence.records():
        assert tests, f"no test reads {recorded['experiment']}"


def test_a_book_in_miniature(evidence, tmp_path):
    """Labels, titles, tags, marks, places and tolerances are read as they stand."""
    for folder in ("notebooks", "book", "tests", "ganlib/results"):
        (tmp_path / folder).mkdir(parents=True)
    statement = "## A section\n\n```{prf:lemma} Small {cite}`x2000`\n:label: lem-small\n\nText.\n```\n"
    exercise = "## Exercises\n\n```{exercise} Check: it\n:label: ex-05-it\nText.\n```\n"
    printed = {"output_type": "stream", "text": ["a   = 1  :  2\n", "b   3   c\n"]}
    decides = {"tags": ["decides:lem-small"]}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [statement]},
        {"cell_type": "code", "metadata": decides, "source": ["%pip install x\nassert 0.9 < r < 1.1, 'm'"], "outputs": []},
        {"cell_type": "code", "metadata": decides, "source": ["print(1)"], "outputs": [printed]},
        {"cell_type": "code", "metadata": {}, "source": ["x = 1"], "outputs": []},
        {"cell_type": "markdown", "metadata": {}, "source": [exercise]},
        {"cell_type": "code", "metadata": {}, "source": ["assert r == 2"], "outputs": []},
    ]
    (tmp_path / "notebooks" / "05_small.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "notebooks" / "06_next.ipynb").write_text(json.dumps({"cells": cells[-1:]}))
    (tmp_path / "ganlib" / "results" / "notebook_times.json").write_text('{"notebooks": {"05_small": {"seconds": 3}}}')
    helper = "def near(a, b, tolerance=1e-10):\n    return abs(a - b) < tolerance\n\n\n"
    test = "def test_it():\n    if y:\n        assert near(x, y)\n    assert near(x, y, 1e-3)\n    assert_close(x, z, atol=2)\n"
    marked = f"@pytest.mark.decides('lem-small', 'thm-b')\n{test}"
    (tmp_path / "tests" / "test_small.py").write_text(helper + marked)
    assert evidence.theorems(tmp_path) == [("lem-small", "lemma", "Small", "notebooks/05_small")]
    first, second = evidence.deciding_cells(tmp_path)["lem-small"]
    assert first.claims == [("0.9 < r < 1.1", "")] and first.printed == []
    assert second.claims == [] and second.printed == ["a = 1 : 2", "b · 3 · c"]
    found = evidence.deciding_tests(tmp_path)
    assert found.keys() == {"lem-small", "thm-b"} and found["thm-b"][0].line == 6
    expected = [("near(x, y)", "1e-10"), ("near(x, y, 0.001)", ""), ("assert_close(x, z, atol=2)", "")]
    assert found["thm-b"][0].claims == expected
    places = [(band.name, band.section, band.label, band.seconds) for band in evidence.bands(tmp_path)]
    here, there = ("05, A section", "A section", "", 3), ("05, Check: it", "Check: it", "ex-05-it", 3)
    assert places == [here, there, ("06, ", "", "", None)]


def test_every_record_of_a_training_has_an_opening():
    """The slice that a test plays again; the others say how the test of their experiment holds them instead."""
    others = {
        "digit_classifier": "the shipped weights give the recorded accuracy",
        "digit_cards": "a short slice is played again, and the shipped generator draws its cards",
        "saturation": "the first looks of seed 0 are played again",
        "mnist_gan_judged": "the shipped generator's triples are counted again",
        "throughput": "times, of a machine",
        "race": "times, of a machine",
        "notebook_times": "times, of a machine",
        "test_times": "times, of a machine",
    }
    without = {path.stem for path in record.RESULTS.glob("*.json") if "opening" not in json.loads(path.read_text())}
    assert without == others.keys()


def test_a_record_that_scores_a_shipped_generator_scored_the_one_that_is_shipped():
    """An experiment that loads one writes its SHA-256; a later training would leave the score behind otherwise."""
    manifest = json.loads((record.RESULTS.parent / "weights" / "manifest.json").read_text())
    loads = {
        path.stem: set(re.findall(r"(\w+_generator)\(\)", path.read_text()))
        for path in (record.RESULTS.parents[1] / "experiments").glob("*.py")
    }
    loads = {name: {G for G in found if f"{G}.safetensors" in manifest} for name, found in loads.items()}
    users = {name for name, found in loads.items() if found}
    assert users == {"digit_cards", "ratio", "mnist_gan_judged"}
    for name in users:
        expected = {G: manifest[f"{G}.safetensors"]["sha256"] for G in loads[name]}
        assert record.read(name)["drawn_by"] == expected, f"{name} scored other weights: run experiments/{name}.py again"


def test_every_commit_that_a_record_names_is_there():
    """Where the history is whole; with it the program that played most rounds of ring and grid, which chapter 11 names."""
    root = record.RESULTS.parents[1]
    git = functools.partial(subprocess.run, cwd=root, capture_output=True, text=True)
    if git(["git", "rev-parse", "--is-shallow-repository"]).stdout.strip() != "false":
        return  # a copy without history, or with a part of it
    text = "".join(path.read_text() for path in record.RESULTS.glob("*.json"))
    commits = sorted(set(re.findall(r'"commit": "([0-9a-f]{40})', text)))
    assert len(commits) > 20
    lost = [commit for commit in commits if git(["git", "merge-base", "--is-ancestor", commit, "HEAD"]).returncode]
    assert not lost, f"these commits made records and are no part of the history: {lost}"
    made_by = record.read("ring_grid")["made_by"]
    assert git(["git", "cat-file", "-e", f"{made_by['revision']}:{made_by['file']}"]).returncode == 0
    assert f"`{made_by['revision'][:7]}`" in (root / "notebooks" / "11_mode_collapse.ipynb").read_text()


def test_seeds_are_found_wherever_they_stand(evidence):
    record = {"configuration": {"seed": 0}, "runs": [{"seed": 1}, {"seed": 2}], "seeds": [5, {"seed": 3}], "x": {"seeds": True}}
    assert evidence.seeds(record) == {0, 1, 2, 3, 5}
    assert evidence.seeds({"configuration": {"seeds": 3}, "runs": [{"seed": 7}]}) == {0, 1, 2, 7}
    assert evidence.took({"wall_seconds": 90}) == evidence.duration(90)
    assert evidence.took({"processor_seconds": 90}) == f"{evidence.duration(90)} of processor time"
    assert [evidence.spelled(numbers) for numbers in ({0, 1, 2}, {0, 1}, {0, 2, 3}, set())] == ["0 to 2", "0, 1", "0, 2, 3", ""]


def test_durations_are_written_as_readers_count(evidence):
    shown = [evidence.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") for seconds in (None, 0.031, 12.4, 5400)]
    assert shown == ["", "0.03 s", "12 s", "1.5 h"]


def test_the_times_of_one_test_are_added_up(tmp_path):
    from time_tests import durations

    cases = [("test_a", "test_x[1]", 0.25), ("test_a", "test_x[2]", 0.5), ("test_a", "test_y", 1)]
    rows = "".join(f'<testcase classname="tests.{file}" name="{name}" time="{time}"/>' for file, name, time in cases)
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{rows}</testsuite></testsuites>")
    assert durations(tmp_path / "report.xml") == {"tests/test_a.py::test_x": 0.75, "tests/test_a.py::test_y": 1.0}
