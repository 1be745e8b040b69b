"""Records are whole, say where they were made, and name no machine."""

import json
import platform
import shutil
import subprocess

import numpy as np
import pytest
import torch

from ganlib import record

RUN = {"seed": 0, "commit": "abc", "environment": {"torch": "2"}}
"""What a run says of itself."""


def test_written_and_found(tmp_path):
    path = record.write("trial", {"seed": 0}, {"runs": [RUN], "loss": [1.5, 2.0]}, 12.345, folder=tmp_path / "new")
    assert path == tmp_path / "new" / "trial.json"
    content = json.loads(path.read_text())
    assert list(content) == ["experiment", "configuration", "environment", "wall_seconds", "runs", "loss"]
    assert content["experiment"] == "trial"
    assert content["configuration"] == {"seed": 0}
    assert content["wall_seconds"] == 12.3
    assert content["environment"] == record.environment()
    assert content["loss"] == [1.5, 2.0]
    assert [p.name for p in path.parent.iterdir()] == ["trial.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_arrays_and_tensors_are_written_as_lists(tmp_path):
    figures = RUN | {"a": np.float32(0.5), "b": np.arange(3), "c": torch.ones(2, 1), "d": [torch.tensor(1.5)]}
    content = json.loads(record.write("trial", {"seed": np.int64(3)}, figures, 1.0, folder=tmp_path).read_text())
    assert [content[name] for name in "abcd"] == [0.5, [0, 1, 2], [[1.0], [1.0]], [1.5]]
    assert content["configuration"] == {"seed": 3}


def test_the_clock_is_named(tmp_path):
    path = record.write("trial", {}, RUN, 7.0, folder=tmp_path, clock="processor")
    content = json.loads(path.read_text())
    assert content["processor_seconds"] == 7.0 and "wall_seconds" not in content
    with pytest.raises(ValueError, match=r"clock must be .*, got 'sun'"):
        record.write("other", {}, {}, 1.0, folder=tmp_path, clock="sun")
    assert not (tmp_path / "other.json").exists()


def test_environment():
    found = record.environment()
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert found["python"] == platform.python_version()
    assert found["threads"] == torch.get_num_threads()
    assert set(found) == {"python", "torch", "numpy", "machine", "cores", "threads", "instructions"}
    assert platform.node() not in json.dumps(found)


@pytest.mark.parametrize(
    ("figures", "error", "words"),
    [
        (RUN | {"loss": float("nan")}, ValueError, "not JSON compliant"),
        (RUN | {"loss": torch.tensor([0.0, torch.inf])}, ValueError, "figures and configuration must hold finite numbers"),
        (RUN | {"loss": torch.nn.ReLU}, TypeError, "figures and configuration must hold .*: type is none of these"),
        ({"wall_seconds": 1, "configuration": {}}, ValueError, "must not be called configuration, wall_seconds"),
        ({"loss": 1.0}, ValueError, "must hold a run that says its seed, commit, environment"),
        (
            {"rows": {"a": [RUN, {"seed": 1, "loss": 2.0}]}},
            ValueError,
            "must say its commit, environment; one has only seed, loss",
        ),
        ({"seed": 0}, ValueError, "must say its commit; one"),
    ],
)
def test_a_bad_record_leaves_the_old_one(tmp_path, figures, error, words):
    path = record.write("trial", {}, RUN | {"loss": 1.0}, 1.0, folder=tmp_path)
    before = path.read_bytes()
    with pytest.raises(error, match=words):
        record.write("trial", {}, figures, 1.0, folder=tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_every_shipped_record_has_its_provenance():
    names = sorted(path.stem for path in record.RESULTS.glob("*.json"))
    assert "digit_classifier" in names
    for name in names:
        content = record.read(name)
        assert content["experiment"] == name
        assert content.get("wall_seconds", content.get("processor_seconds")) > 0
        figures = {key: value for key, value in content.items() if key not in ("configuration", "environment")}
        runs = list(record._runs_in(figures))
        assert runs
        for run in runs:
            said = run | ({"environment": content["environment"]} if run is figures else {})
            assert {"python", "torch", "machine"} <= set(said["environment"]), name
            assert "seed" in said and len(said["commit"].rstrip("+")) == 40, name


def test_the_commit_says_whether_code_differs_from_it(tmp_path, monkeypatch):
    """In a repository of its own: a record that is written again is no change of the code, a line of Python is."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "ganlib").mkdir()
    shutil.copy(record.__file__, tmp_path / "ganlib" / "record.py")
    (tmp_path / "ganlib" / "x.json").write_text("1")
    monkeypatch.setattr(record, "__file__", str(tmp_path / "ganlib" / "record.py"))
    asked_anew = record.commit.__wrapped__
    assert asked_anew() == "unknown"
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "ganlib" / "x.json").write_text("2")
    assert asked_anew() == head
    (tmp_path / "ganlib" / "record.py").write_text("1")
    assert asked_anew() == head + "+"


def test_a_run_says_its_seed_commit_and_environment():
    assert record.provenance(3) == {"seed": 3, "commit": record.commit(), "environment": record.environment()}
    assert tuple(record.provenance(None)) == record.PROVENANCE


def test_what_is_not_there():
    with pytest.raises(
        FileNotFoundError, match=r"no recorded experiment has the name 'nothing'; there are:.* digit_classifier|: digit"
    ):
        record.read("nothing")
