"""A run that is saved goes on as if nothing had happened; a file that is not whole, or not ours, changes nothing."""

import copy
import errno
import json
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlib import checkpoints, data, files, networks
from ganlib.checkpoints import load, save
from ganlib.objectives import nonsaturating
from ganlib.penalties import r1
from ganlib.taming import lazily
from ganlib.training import Run, train


def everything(run):
    """All that a run is, and torch's generator, as nested dictionaries of copies."""
    parts = {name: copy.deepcopy(getattr(run, name).state_dict()) for name in ("G", "D", "G_ema", "opt_G", "opt_D")}
    return parts | {"step": run.step, "rng": torch.get_rng_state()}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def play(run, images, rounds, d_steps=2):
    source = data.batches(images, 8, seed=4, start=run.step * d_steps)
    return list(train(run, source, nonsaturating, partial(r1, gamma=0.1), steps=rounds, d_steps=d_steps))


@pytest.fixture
def saved(make_run, images, tmp_path):
    """A run after three rounds, and its file."""
    run = make_run()
    play(run, images, 3)
    save(run, tmp_path / "run.pt")
    return run, tmp_path / "run.pt"


def refused(run, path, words, error=ValueError):
    before = everything(run)
    with pytest.raises(error, match=words):
        load(run, path)
    assert same(everything(run), before)


@pytest.mark.parametrize("optimiser", [torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9), torch.optim.RMSprop])
def test_ten_rounds_are_five_and_five(make_run, images, tmp_path, optimiser):
    whole = make_run(optimiser=optimiser)
    torch.manual_seed(11)
    losses = play(whole, images, 10)
    half = make_run(optimiser=optimiser)
    torch.manual_seed(11)
    assert play(half, images, 5) == losses[:5]
    save(half, tmp_path / "run.pt")
    rest = make_run(seed=99, optimiser=optimiser)  # other weights, another state of the generator: all of it is replaced
    load(rest, str(tmp_path / "run.pt"))
    assert play(rest, images, 5) == losses[5:]
    assert same(everything(rest), everything(whole))


def test_saving_changes_nothing(saved, images, tmp_path):
    run, _ = saved
    before = everything(run)
    save(run, tmp_path / "again.pt")
    assert same(everything(run), before)


def test_loading_brings_everything_back(saved, images):
    run, path = saved
    before = everything(run)
    play(run, images, 2)
    run.opt_G.param_groups[0]["lr"] = 123.0
    assert not same(everything(run), before)
    load(run, path)
    assert same(everything(run), before)
    assert run.opt_G.param_groups[0]["lr"] == 0.01
    assert run.opt_G.param_groups[0]["params"][0] is next(run.G.parameters())  # the optimiser still moves this G


def test_saved_over(saved, images):
    run, path = saved
    play(run, images, 1)
    save(run, path)
    after = everything(run)
    run.step = 0
    load(run, path)
    assert same(everything(run), after)
    assert [p.name for p in path.parent.iterdir()] == ["run.pt"]


# --- writing -------------------------------------------------------------------------------------------------------------


def test_the_bytes_reach_the_disk_before_the_name(saved, monkeypatch):
    run, path = saved
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle):
        name = os.readlink(f"/proc/self/fd/{handle}") if Path("/proc/self/fd").exists() else ""
        calls.append("folder" if Path(name).is_dir() else "file")
        fsync(handle)

    def noted_replace(source, target):
        assert Path(source).parent == Path(target).parent  # one file system: a rename, not a copy
        assert Path(source).stat().st_size == path.stat().st_size
        calls.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save(run, path)
    assert calls == ["file", "name", "folder"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_leaves_the_previous_file(saved, images, monkeypatch, error):
    run, path = saved
    before, content = everything(run), path.read_bytes()
    play(run, images, 1)

    def full(path, write):
        def half(file):
            file.write(b"half a checkpoint")
            raise error

        files.write_whole(path, half)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_whole", full)
        with pytest.raises(type(error)):
            save(run, path)
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ["run.pt"]
    load(run, path)
    assert same(everything(run), before)


def test_leftovers_of_killed_processes_go_with_the_next_save(saved):
    run, path = saved
    mine, others = path.parent / ".run.pt.abcdefgh.partial", path.parent / ".other.pt.abcdefgh.partial"
    for file in (mine, others):
        file.write_bytes(b"half")
    save(run, path)
    assert not mine.exists() and others.exists()


@pytest.mark.parametrize(("umask", "before", "mode"), [(0o022, None, 0o644), (0o077, None, 0o600), (0o022, 0o664, 0o664)])
def test_a_file_has_the_mode_of_the_umask_or_of_the_one_it_replaces(saved, umask, before, mode):
    run, path = saved
    path.unlink(missing_ok=True)
    if before is not None:
        path.write_bytes(b"")
        path.chmod(before)
    usual = os.umask(umask)
    try:
        save(run, path)
    finally:
        os.umask(usual)
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_cannot_be_synced(saved, monkeypatch, code):
    """Network and virtual folders answer EINVAL or ENOTSUP: the file is whole. No descriptor is left open in any case."""
    run, path = saved
    sync, opened, closed = os.fsync, [], []
    open_, close_ = os.open, os.close

    def refusing(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(code, os.strerror(code))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refusing)
    monkeypatch.setattr(os, "open", lambda *args: opened.append(open_(*args)) or opened[-1])
    monkeypatch.setattr(os, "close", lambda handle: closed.append(handle) or close_(handle))
    if code == errno.EIO:
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            save(run, path)
    else:
        save(run, path)
        load(run, path)
    assert opened and closed == opened


class Opaque:
    """What no file without code can hold."""


@pytest.mark.parametrize("part", ["opt_D", "G", "step"])
def test_what_could_not_be_read_back_is_not_written(saved, monkeypatch, part):
    run, path = saved
    content = path.read_bytes()
    if part == "opt_D":
        run.opt_D.param_groups[0]["note"] = Opaque()
    elif part == "G":
        monkeypatch.setattr(type(run.G), "get_extra_state", lambda self: Opaque(), raising=False)
    else:
        run.step = Opaque()
    words = "step must be a whole number, got Opaque" if part == "step" else f"{part} holds more than tensors, numbers, strings"
    with pytest.raises(TypeError if part == "step" else ValueError, match=f"^{words}"):
        save(run, path)
    assert path.read_bytes() == content and [p.name for p in path.parent.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("step", ["a", -1, 1.5, None])
def test_a_step_that_load_would_refuse_is_not_written(saved, make_run, step):
    run, path = saved
    content, run.step = path.read_bytes(), step
    with pytest.raises((TypeError, ValueError), match=r"^step must be"):
        save(run, path)
    assert path.read_bytes() == content


def test_a_lazy_penalty_goes_on_where_it_was(make_run, images, tmp_path):
    """Its count is no part of the file: ten rounds are five and five, if the rest is told how many turns there were."""

    def played(run, penalty, rounds):
        source = data.batches(images, 8, seed=4, start=run.step * 2)
        return list(train(run, source, nonsaturating, penalty, steps=rounds, d_steps=2))

    rest, run = make_run(99), make_run()
    losses = played(run, lazily(r1, 4), 10)
    start = make_run()
    assert played(start, lazily(r1, 4), 5) == losses[:5]
    save(start, tmp_path / "run.pt")
    load(rest, tmp_path / "run.pt")
    assert played(rest, lazily(r1, 4, start=rest.step * 2), 5) == losses[5:]
    load(rest, tmp_path / "run.pt")
    assert played(rest, lazily(r1, 4), 5) != losses[5:]


def test_numbers_of_numpy_are_kept_as_numbers(make_run, tmp_path):
    runs = [make_run(lr=np.float64(0.01)), make_run(lr=0.5)]
    runs[0].step = np.int64(7)
    save(runs[0], tmp_path / "run.pt")
    load(runs[1], tmp_path / "run.pt")
    assert runs[1].step == 7 and runs[1].opt_G.param_groups[0]["lr"] == 0.01


WRAPPERS = {
    "bare": lambda net: net,
    "compiled": lambda net: torch.compile(net, backend="eager"),
    "bfloat16": networks.in_bfloat16,
    "both": lambda net: torch.compile(networks.in_bfloat16(net), backend="eager"),
    "parallel": lambda net: torch.nn.DataParallel(net),
}


@pytest.mark.parametrize("there", WRAPPERS)
@pytest.mark.parametrize("here", WRAPPERS)
def test_a_wrapper_is_no_architecture(make_run, images, tmp_path, here, there):
    ours, theirs = make_run(1), make_run(2)
    play(ours, images, 1)
    for run, wrap in ((ours, WRAPPERS[here]), (theirs, WRAPPERS[there])):
        for name in ("G", "D", "G_ema"):
            setattr(run, name, wrap(getattr(run, name)))
    save(ours, tmp_path / "run.pt")
    load(theirs, tmp_path / "run.pt")
    for name in ("G", "D", "G_ema"):
        pairs = zip(getattr(ours, name).state_dict().values(), getattr(theirs, name).state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_folder_that_is_not_there(saved, tmp_path):
    with pytest.raises(FileNotFoundError):
        save(saved[0], tmp_path / "nowhere" / "run.pt")


def test_kill_at_any_moment_leaves_one_loadable_file():
    """Six chosen moments and twenty random ones; `python tools/kill_saves.py 200` asks for more."""
    program = Path(__file__).parents[1] / "tools" / "kill_saves.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(program), "20"]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report["kills"] == 20 and report["lost"] == 0
    assert report["interrupted"] >= 1  # some did strike in the middle of a file


# --- reading -------------------------------------------------------------------------------------------------------------


def test_a_file_cut_short(saved, make_run, tmp_path):
    _, path = saved
    content, run = path.read_bytes(), make_run(5)
    cut = tmp_path / "cut.pt"
    lengths = {0, 1, 2, 3, 4, 5, 64, len(content) - 1, len(content) - 22, *range(0, len(content), len(content) // 40)}
    for length in sorted(lengths):
        cut.write_bytes(content[:length])
        refused(run, cut, r"cut.pt is no readable checkpoint \(cut short, altered, or holding more than tensors\)")


def test_altered_bytes_are_noticed(saved, make_run, tmp_path):
    """A byte that differs is in a value, and refused, or between values, and without effect. torch.load alone sees few."""
    run, path = saved
    content, altered = path.read_bytes(), tmp_path / "altered.pt"
    other = make_run(5)
    start, refusals = everything(other), 0
    goal = everything(run) | {"rng": torch.load(path, weights_only=True)["cpu_rng"]}
    for position in range(7, len(content), len(content) // 150):
        altered.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            load(other, altered)
        except ValueError:
            refusals += 1
            assert same(everything(other), start)
        else:
            assert same(everything(other), goal)
            start = goal
    assert refusals > 75


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"widths": (8, 6, 4)},
            r"another architecture: G\.layers\.5\.weight is torch.float32 \(5, 6\) in the file, .*\(4, 6\) in",
        ),
        ({"widths": (8, 6)}, r"another architecture: G\."),
        ({"widths": (8, 6, 5, 5)}, r"another architecture: G\."),
        ({"d_widths": (9,)}, r"another architecture: D\.layers\.1\.weight is torch.float32 \(7, 16\) in the file"),
        ({"d_widths": (7, 7)}, r"another architecture: D\."),
        ({"dtype": torch.float64}, r"another architecture: G\.layers\.0\.weight is torch.float32.*torch.float64"),
        ({"optimiser": torch.optim.SGD}, r"another optimiser: optimisers\.opt_G is .*Adam.* in the file, .*SGD.* in the run"),
        ({"optimiser": torch.optim.AdamW}, r"another optimiser: .*AdamW"),
    ],
)
def test_of_another_run(saved, make_run, options, words):
    refused(make_run(5, **options), saved[1], words)


def test_an_optimiser_of_other_weights(saved, make_run):
    run = make_run(5)
    run.opt_D = torch.optim.Adam(list(run.D.parameters())[:2], lr=0.01)
    refused(run, saved[1], r"another optimiser: optimisers\.opt_D")
    run.opt_D = torch.optim.Adam([{"params": [p]} for p in run.D.parameters()], lr=0.01)
    refused(run, saved[1], r"another optimiser: optimisers\.opt_D")


class Payload:
    """What an attacker puts into a pickle: an order to run a command when it is read."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch '{self.target}'",)


@pytest.mark.parametrize("kind", ["pickle", "torch", "inside"])
def test_code_is_not_run(saved, make_run, tmp_path, kind):
    _, path = saved
    target, evil = tmp_path / "it ran", tmp_path / "evil.pt"
    payload = Payload(str(target))
    if kind == "pickle":
        evil.write_bytes(pickle.dumps(payload))
    elif kind == "torch":
        torch.save(payload, evil)
    else:
        torch.save(torch.load(path, weights_only=True) | {"step": payload}, evil)
    refused(make_run(5), evil, "evil.pt is no readable checkpoint .*holding more than tensors")
    assert not target.exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"weights": torch.zeros(2)}, r"no checkpoint of a Run: expected the entries \['D', 'G',.*found \['weights'\]"),
        (torch.zeros(2), "found Tensor"),
        ([1, 2], "found list"),
        ({}, r"found \[\]"),
        ({1: 2}, r"found \['1'\]"),
    ],
)
def test_no_checkpoint_at_all(make_run, tmp_path, state, words):
    torch.save(state, tmp_path / "other.pt")
    refused(make_run(5), tmp_path / "other.pt", words)


def test_a_file_of_text(make_run, tmp_path):
    (tmp_path / "notes.pt").write_text("Dear reader,")
    refused(make_run(5), tmp_path / "notes.pt", "no readable checkpoint")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("G", 3),
        ("D", {}),
        ("G_ema", {"layers.0.weight": "a word"}),
        ("opt_G", {}),
        ("opt_D", {"state": {}, "param_groups": []}),
        ("opt_D", 4),
        ("optimisers", None),
        ("step", "seven"),
        ("step", 1.5),
        ("step", -1),
        ("step", None),
        ("cpu_rng", torch.zeros(3)),
        ("cpu_rng", "state"),
    ],
)
def test_entries_that_make_no_sense(saved, make_run, images, tmp_path, entry, value):
    _, path = saved
    torch.save(torch.load(path, weights_only=True) | {entry: value}, tmp_path / "strange.pt")
    run = make_run(5)
    play(run, images, 1)
    refused(run, tmp_path / "strange.pt", r"strange.pt (is of another|holds a state that does not fit)")


def test_no_file(make_run, tmp_path):
    refused(make_run(5), tmp_path / "nothing.pt", "nothing.pt", FileNotFoundError)
    refused(make_run(5), tmp_path, "directory", IsADirectoryError)


def test_every_part_of_a_run_is_in_the_file(saved):
    fields = set(Run.__dataclass_fields__)
    assert fields <= set(torch.load(saved[1], weights_only=True))


def test_the_generators_of_the_gpus_are_kept(make_run, tmp_path, monkeypatch):
    """Two GPUs when saving, one when loading: its generator is set, the other's state is passed over."""
    states, given = [torch.tensor([1], dtype=torch.uint8), torch.tensor([2], dtype=torch.uint8)], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    run = make_run()
    save(run, tmp_path / "run.pt")
    load(run, tmp_path / "run.pt")
    assert [[int(state) for state in call] for call in given] == [[1]]
