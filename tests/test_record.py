"""Records are whole, say where they were made, and name no machine."""

import json
import platform

import numpy as np
import pytest
import torch

from ganlib import record


def test_written_and_found(tmp_path):
    path = record.write("trial", {"seed": 0}, {"loss": [1.5, 2.0]}, 12.345, folder=tmp_path / "new")
    assert path == tmp_path / "new" / "trial.json"
    content = json.loads(path.read_text())
    assert list(content) == ["experiment", "configuration", "environment", "wall_seconds", "loss"]
    assert content["experiment"] == "trial"
    assert content["configuration"] == {"seed": 0}
    assert content["wall_seconds"] == 12.3
    assert content["environment"] == record.environment()
    assert content["loss"] == [1.5, 2.0]
    assert [p.name for p in path.parent.iterdir()] == ["trial.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_arrays_and_tensors_are_written_as_lists(tmp_path):
    figures = {"a": np.float32(0.5), "b": np.arange(3), "c": torch.ones(2, 1), "d": [torch.tensor(1.5)]}
    content = json.loads(record.write("trial", {"seed": np.int64(3)}, figures, 1.0, folder=tmp_path).read_text())
    assert [content[name] for name in "abcd"] == [0.5, [0, 1, 2], [[1.0], [1.0]], [1.5]]
    assert content["configuration"] == {"seed": 3}


def test_the_clock_is_named(tmp_path):
    path = record.write("trial", {}, {}, 7.0, folder=tmp_path, clock="processor")
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
        ({"loss": float("nan")}, ValueError, "not JSON compliant"),
        ({"loss": torch.tensor([0.0, torch.inf])}, ValueError, "figures and configuration must hold finite numbers"),
        ({"loss": torch.nn.ReLU}, TypeError, "figures and configuration must hold .*: type is none of these"),
        ({"wall_seconds": 1, "configuration": {}}, ValueError, "must not be called configuration, wall_seconds"),
    ],
)
def test_a_bad_record_leaves_the_old_one(tmp_path, figures, error, words):
    path = record.write("trial", {}, {"loss": 1.0}, 1.0, folder=tmp_path)
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
        assert {"python", "torch", "machine"} <= set(content["environment"])


def test_what_is_not_there():
    with pytest.raises(
        FileNotFoundError, match=r"no recorded experiment has the name 'nothing'; there are:.* digit_classifier|: digit"
    ):
        record.read("nothing")
