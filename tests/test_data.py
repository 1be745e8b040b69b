"""Where samples come from: files, cache, mirrors, the stand-in, batches and toy distributions. No test needs a network."""

import copy
import gzip
import hashlib
import io
import itertools
import math
import os
import pickle
import struct
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from ganlib import data, mnist

NAMES = list(mnist.MNIST_SHA256)


def idx(values):
    """The IDX format, written from its description: 0, 0, 8 (unsigned bytes), number of axes, their big-endian sizes, bytes."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def tiny(monkeypatch):
    """A data set of MNIST's format with other sizes, so that an axis taken for another shows; name -> content."""
    rng = np.random.default_rng(0)
    files = {}
    for split, n in (("train", 5), ("t10k", 3)):
        files[f"{split}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 6, 4), dtype=np.uint8))
        files[f"{split}-labels-idx1-ubyte"] = idx(rng.integers(0, 10, n, dtype=np.uint8))
    for name, content in files.items():
        monkeypatch.setitem(mnist.MNIST_SHA256, name, hashlib.sha256(content).hexdigest())
    return files


def lay_out(folder, files, gz=False):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / (name + ".gz" * gz)).write_bytes(gzip.compress(content) if gz else content)
    return raw


def check_tiny(digits, files, split="train"):
    images, labels = digits
    prefix = {"train": "train", "test": "t10k"}[split]
    expected = np.frombuffer(files[f"{prefix}-images-idx3-ubyte"][16:], np.uint8).reshape(-1, 1, 6, 4)
    assert images.dtype == torch.uint8 and labels.dtype == torch.int64
    np.testing.assert_array_equal(images.numpy(), expected)
    np.testing.assert_array_equal(labels.numpy(), np.frombuffer(files[f"{prefix}-labels-idx1-ubyte"][8:], np.uint8))
    assert digits.source == "MNIST"


# --- files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_that_is_only_read(tmp_path, tiny, cache, offline, gz, split):
    raw = lay_out(tmp_path / "root", tiny, gz)
    before = {path: path.stat().st_mtime_ns for path in [raw, *raw.iterdir()]}
    for path in (raw, raw.parent, raw.parent.parent):
        path.chmod(0o555)
    try:
        check_tiny(data.mnist(split, root=tmp_path / "root", fallback=False), tiny, split)
    finally:
        for path in (raw, raw.parent, raw.parent.parent):
            path.chmod(0o755)
    assert {path: path.stat().st_mtime_ns for path in [raw, *raw.iterdir()]} == before
    assert not cache.exists()
    assert offline == []


@pytest.mark.parametrize("given", ["root", "root/MNIST", "root/MNIST/raw"])
@pytest.mark.parametrize("named", ["MNIST/raw/{}", "mnist/raw/{}.gz", "Mnist/{}", "{}", "MNIST/raw/{}.gz as plain bytes"])
def test_files_one_level_off_are_found(tmp_path, tiny, cache, offline, given, named):
    """What a reader may take for the root, and the names under which the files go round."""
    root = tmp_path / "root"
    for name, content in tiny.items():
        for spelled in {name, name.replace("-idx", ".idx")} if ".gz" not in named else [name.replace("-idx", ".idx")]:
            path = root / named.partition(" ")[0].format(spelled)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(content) if named.endswith(".gz") else content)
    if (tmp_path / given).is_dir():
        check_tiny(data.mnist(root=tmp_path / given, fallback=False), tiny)
        assert offline == [] and not cache.exists()
    else:
        with pytest.raises(ValueError, match=r"root .* must be a folder"):
            data.mnist(root=tmp_path / given, fallback=False)


def test_a_good_file_beside_a_damaged_one_is_taken(tmp_path, tiny, cache, offline):
    raw = lay_out(tmp_path / "root", dict.fromkeys(tiny, b"damaged"))
    for name, content in tiny.items():
        (raw / f"{name}.gz").write_bytes(gzip.compress(content))
    check_tiny(data.mnist(root=tmp_path / "root", fallback=False), tiny)


def test_a_folder_without_the_files_is_said_to_be_one(tmp_path, tiny, cache, offline, capsys):
    (tmp_path / "root" / "FashionMNIST").mkdir(parents=True)
    (tmp_path / "root" / "notes.txt").write_text("nothing")
    words = r"root holds no train-images-idx3-ubyte\[.gz\], nor do MNIST/raw.*; it holds FashionMNIST, notes.txt; train-images"
    with pytest.raises(ConnectionError, match=words):
        data.mnist(root=tmp_path / "root", fallback=False)
    data.mnist(root=tmp_path / "root")
    assert "it holds FashionMNIST, notes.txt; " in capsys.readouterr().err


def test_the_environment_names_the_folder_and_root_takes_its_place(tmp_path, tiny, cache, offline, monkeypatch):
    lay_out(tmp_path / "root", tiny)
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "root"))
    check_tiny(data.mnist(fallback=False), tiny)
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "nowhere"))
    check_tiny(data.mnist(root=str(tmp_path / "root"), fallback=False), tiny)
    with pytest.raises(ValueError, match=r"root \(or \$GANLIB_DATA\) must be a folder, got '.*nowhere'"):
        data.mnist()


def test_the_pair_can_be_changed_without_harm(tmp_path, tiny, cache, offline):
    lay_out(tmp_path / "root", tiny)
    images, _ = data.mnist(root=tmp_path / "root")
    images.zero_()
    check_tiny(data.mnist(root=tmp_path / "root"), tiny)


@pytest.mark.parametrize("gz", [False, True])
def test_a_damaged_file_is_named_with_both_sums(tmp_path, tiny, cache, offline, gz):
    name = "train-labels-idx1-ubyte"
    damaged = tiny[name][:-1] + bytes([tiny[name][-1] ^ 1])
    raw = lay_out(tmp_path / "root", tiny | {name: damaged}, gz)
    with pytest.raises(ValueError, match="is damaged") as caught:
        data.mnist(root=tmp_path / "root")
    message = str(caught.value)
    assert str(raw / name) in message
    assert hashlib.sha256(damaged).hexdigest() in message
    assert hashlib.sha256(tiny[name]).hexdigest() in message
    check_tiny(data.mnist("test", root=tmp_path / "root"), tiny, "test")  # the other files are good


@pytest.mark.parametrize("harm", ["cut", "no gzip", "garbled", "empty"])
def test_a_damaged_archive_is_named_with_both_sums(tmp_path, tiny, cache, offline, harm):
    name = "train-images-idx3-ubyte"
    raw = lay_out(tmp_path / "root", tiny, gz=True)
    path = raw / f"{name}.gz"
    whole = path.read_bytes()
    content = {"cut": whole[:-20], "no gzip": b"<html>", "garbled": whole[:12] + b"\xff" * 30 + whole[42:], "empty": b""}[harm]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged") as caught:
        data.mnist(root=tmp_path / "root")
    found = hashlib.sha256(content if harm != "empty" else b"").hexdigest()
    assert all(words in str(caught.value) for words in (str(path), found, mnist.MNIST_SHA256[name]))


def test_unknown_split(offline):
    for source in (data.mnist, data.digits):
        with pytest.raises(ValueError, match='split must be "train" or "test", got \'valid\''):
            source("valid")


# --- mirrors -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirrors(monkeypatch):
    """Two mirrors on this machine: dictionaries from file name to the bytes served, and the list of paths asked for."""
    served, asked = {"one": {}, "two": {}}, []

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            _, mirror, name = self.path.split("/")
            content = served[mirror].get(name)
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args):
            pass

    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"{address}/one/", f"{address}/two/"])
        yield served["one"], served["two"], asked
        server.shutdown()
        thread.join()


def zipped(files):
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()}


def test_downloaded_once_with_progress(tiny, cache, mirrors, capsys):
    one, _, asked = mirrors
    one.update(zipped(tiny))
    check_tiny(data.mnist(fallback=False), tiny)
    assert asked == ["/one/train-images-idx3-ubyte.gz", "/one/train-labels-idx1-ubyte.gz"]
    assert "train-images-idx3-ubyte.gz: 100%" in capsys.readouterr().err
    check_tiny(data.mnist(fallback=False), tiny)
    assert len(asked) == 2  # the second time comes from the cache
    assert sorted(path.name for path in cache.iterdir()) == ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]


@pytest.mark.parametrize("harm", ["missing", "no gzip", "garbled", "cut", "other bytes"])
def test_a_mirror_that_serves_damaged_bytes_gives_way_to_the_next(tiny, cache, mirrors, harm):
    one, two, asked = mirrors
    two.update(zipped(tiny))
    one.update(two)
    name = "train-images-idx3-ubyte.gz"
    whole = one.pop(name)
    if harm != "missing":
        one[name] = {
            "no gzip": b"<html>503</html>",
            "garbled": whole[:12] + b"\xff" * 30 + whole[42:],
            "cut": whole[:-20],
            "other bytes": gzip.compress(b"other"),
        }[harm]
    check_tiny(data.mnist(fallback=False), tiny)
    assert asked == ["/one/" + name, "/two/" + name, "/one/train-labels-idx1-ubyte.gz"]


def test_no_mirror_serves_what_is_expected(tiny, cache, mirrors):
    one, two, _ = mirrors
    one.update(zipped(dict.fromkeys(tiny, b"other")))
    two.update(zipped(dict.fromkeys(tiny, b"another")))
    with pytest.raises(ConnectionError, match="could not be fetched") as caught:
        data.mnist(fallback=False)
    sums = [hashlib.sha256(content).hexdigest() for content in (b"other", b"another")]
    assert all(found in str(caught.value) for found in (*sums, mnist.MNIST_SHA256["train-images-idx3-ubyte"]))
    assert not cache.exists()  # what is wrong is never kept


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_damaged_file_in_the_cache_is_fetched_again(tiny, cache, mirrors, capsys, name):
    one, _, asked = mirrors
    one.update(zipped(tiny))
    cache.mkdir()
    for file, content in tiny.items():
        (cache / file).write_bytes(content if file != name else content[:-2])
    check_tiny(data.mnist(fallback=False), tiny)
    assert asked == [f"/one/{name}.gz"]
    said = capsys.readouterr().err
    assert str(cache / name) in said and "is damaged" in said
    assert hashlib.sha256(tiny[name][:-2]).hexdigest() in said and mnist.MNIST_SHA256[name] in said
    assert (cache / name).read_bytes() == tiny[name]


def test_a_cache_that_cannot_be_written_costs_only_the_cache(tiny, cache, mirrors, capsys):
    one, _, _ = mirrors
    one.update(zipped(tiny))
    cache.write_text("a file where the folder should be")
    check_tiny(data.mnist(fallback=False), tiny)
    assert "could not be written" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["read_bytes", "stat"])
def test_the_cache_of_another_user_counts_as_absent(tiny, cache, mirrors, monkeypatch, what):
    """Neither a file that may not be read nor a folder that may not be entered is in the way."""
    one, _, asked = mirrors
    one.update(zipped(tiny))
    cache.mkdir()
    real = getattr(Path, what)

    def refuse(path, *args, **kwargs):
        if path.parent == cache and path.suffix != ".partial":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    for name, content in tiny.items():
        (cache / name).write_bytes(content)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(Path, what, refuse)
    check_tiny(data.mnist(fallback=False), tiny)
    assert len(asked) == 2


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_cached_files_have_the_mode_of_the_umask(tiny, cache, mirrors, umask):
    mirrors[0].update(zipped(tiny))
    before = os.umask(umask)
    try:
        data.mnist(fallback=False)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in cache.iterdir()} == {0o666 & ~umask}


def test_a_full_disk_leaves_no_half_file(tiny, cache, mirrors, monkeypatch, capsys):
    one, _, _ = mirrors
    one.update(zipped(tiny))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    check_tiny(data.mnist(fallback=False), tiny)
    assert list(cache.iterdir()) == []
    assert "No space left on device" in capsys.readouterr().err


def test_the_user_cache_is_ours():
    assert mnist._cache().parts[-3:] == ("ganlib", "MNIST", "raw")


# --- the stand-in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_files_and_network_the_digits_stand_in_and_say_so(cache, offline, capsys, split):
    found = data.mnist(split)
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("MNIST is out of reach (") and line.endswith(f"using {mnist.DIGITS_SOURCE} instead.")
    assert found.source == mnist.DIGITS_SOURCE
    assert all(torch.equal(a, b) for a, b in zip(found, data.digits(split)))
    assert len(offline) == 2  # both mirrors were asked


def test_without_the_stand_in_it_is_an_error(cache, offline):
    with pytest.raises(ConnectionError, match=r"train-images-idx3-ubyte could not be fetched: http.*no route to host.*; http"):
        data.mnist(fallback=False)


def test_damage_is_no_reason_for_the_stand_in(tmp_path, tiny, cache, offline):
    lay_out(tmp_path / "root", dict.fromkeys(tiny, b"damaged"))
    with pytest.raises(ValueError, match="is damaged"):
        data.mnist(root=tmp_path / "root", fallback=True)


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    train, test = data.digits("train"), data.digits("test")
    assert train.images.shape == (1347, 1, 28, 28) and test.images.shape == (450, 1, 28, 28)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64
    target = load_digits().target
    assert torch.cat([train.labels, test.labels]).tolist() == target.tolist()
    assert Counter(torch.cat([train.labels, test.labels]).tolist()) == Counter(target.tolist())
    assert train.source == test.source == mnist.DIGITS_SOURCE


def test_digits_are_framed_like_mnist():
    images = torch.cat([data.digits("train").images, data.digits("test").images])[:, 0].double()
    for axis in (1, 2):
        mass = images.sum(dim=3 - axis)
        centre = (mass * torch.arange(28)).sum(dim=1) / mass.sum(dim=1)
        assert ((centre - 13.5).abs() < 0.51).all()  # half a pixel, and the rounding of grey levels
    sides = []
    for image in images:
        rows, columns = image.nonzero().unbind(1)
        sides.append([int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1])
    longer = torch.tensor(sides).max(dim=1).values
    assert longer.max() == 20 and longer.min() >= 19  # a faint edge may vanish in rounding
    assert images.amax(dim=(1, 2)).min() > 200


def test_framing_by_hand():
    dot = torch.zeros(8, 8)
    dot[1, 6] = 1.0
    expected = torch.zeros(28, 28, dtype=torch.uint8)
    expected[4:24, 4:24] = 255
    assert torch.equal(mnist._as_mnist(dot), expected)
    bar = torch.zeros(8, 8)
    bar[2:6, 0] = 1.0  # 4 to 1: 20 by 5
    expected = torch.zeros(28, 28, dtype=torch.uint8)
    expected[4:24, 12:17] = 255  # centre of mass at 14 or at 13: to even, 13.5 - 2 = 11.5 rounds to 12
    assert torch.equal(mnist._as_mnist(bar), expected)
    assert torch.equal(mnist._as_mnist(bar.T.contiguous()), expected.T)


def test_digits_can_be_changed_without_harm():
    data.digits().images.zero_()
    assert data.digits().images.sum() > 0


def test_real_mnist_is_mnist(real_mnist, cache, offline):
    if real_mnist is None:  # the stand-in obeys the same contract
        train, test = data.mnist("train"), data.mnist("test")
        sizes, counts = (1347, 450), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        counted = torch.cat([train.labels, test.labels])
    else:
        train, test = data.mnist("train", real_mnist), data.mnist("test", real_mnist)
        sizes, counts = (60_000, 10_000), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        counted = train.labels
        assert train.source == test.source == "MNIST"
        assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        pixels = train.images.double() / 255
        assert pixels.mean().item() == pytest.approx(0.1307, abs=5e-5)
        assert pixels.std().item() == pytest.approx(0.3081, abs=5e-5)
    assert (train.images.shape, test.images.shape) == ((sizes[0], 1, 28, 28), (sizes[1], 1, 28, 28))
    assert torch.bincount(counted).tolist() == counts


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "old pickle": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
    "torch": lambda x: torch.load(io.BytesIO(saved(x)), weights_only=False),
    "replace": lambda x: x._replace(),
}


def saved(x):
    buffer = io.BytesIO()
    torch.save(x, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("way", COPIES)
def test_the_pair_survives_copies(way):
    digits = data.digits("test")
    twin = COPIES[way](digits)
    images, labels = twin
    assert type(twin) is data.Digits and twin.source == digits.source
    assert torch.equal(images, digits.images) and torch.equal(labels, digits.labels)
    assert twin._replace(labels=labels[:3], source="three").source == "three"
    assert twin._replace(images=images[:3]).source == digits.source


# --- files of one's own --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("shape", [(5,), (3, 6, 4), (0, 2, 2)])
def test_idx_files_of_other_data_sets(tmp_path, gz, shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "any-name"
    path.write_bytes(gzip.compress(idx(values)) if gz else idx(values))
    np.testing.assert_array_equal(data.read_idx(path).numpy(), values)
    for harm in (path.read_bytes()[:-1], b"", b"<html>", idx(values)[:9], idx(values) + b"1", b"\0\0\x0d" + idx(values)[3:]):
        path.write_bytes(harm)
        with pytest.raises(ValueError, match=r"path must name a whole IDX file of bytes, got '.*any-name'"):
            data.read_idx(path)
    with pytest.raises(FileNotFoundError):
        data.read_idx(tmp_path / "nowhere")


def folder_of(folder, **pictures):
    """A folder with these pictures, each an array or one of Pillow's."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        stem, _, ending = name.rpartition("_")
        picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
        picture.save(folder / f"{stem}.{ending}")
    return folder


@pytest.mark.usefixtures("unchecked")
def test_a_folder_of_pictures_becomes_bytes(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    folder_of(tmp_path, b_png=pixels[0], a_PNG=pixels[1])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "inner.png").mkdir()
    images = data.images(tmp_path)
    np.testing.assert_array_equal(images.numpy(), pixels[::-1].transpose(0, 3, 1, 2))
    assert data.images(tmp_path, mode="L").shape == (2, 1, 4, 6)
    assert data.images(str(tmp_path), size=(8, 3)).shape == (2, 3, 8, 3) and data.images(tmp_path, 5).shape == (2, 3, 5, 5)
    (reals,) = take(data.batches(images, 2), 1)
    assert reals.shape == (2, 3, 4, 6) and reals.min() >= -1
    folder_of(tmp_path, c_png=Image.new("RGBA", (5, 4), (255, 255, 255, 0)))
    with pytest.raises(ValueError, match=r"size must be given where pictures differ: a.PNG is \(4, 6\), c.png \(4, 5\)"):
        data.images(tmp_path)
    assert data.images(tmp_path, size=(4, 5))[2].sum() == 0
    assert data.images(tmp_path, (4, 5), background="#ff0000")[2].float().mean(dim=(1, 2)).tolist() == [255, 0, 0]
    for size in ((0, 4), (4,), (2.0, 3.0), 0):
        with pytest.raises(ValueError, match="size must be"):
            data.images(tmp_path, size=size)
    for argument, wrong in (("size", {"folder": tmp_path, "size": 3.5}), ("folder", {"folder": None})):
        with pytest.raises(TypeError, match=f"{argument} must be"):
            data.images(**wrong)
    with pytest.raises(TypeError, match="path must be a path, got NoneType"):
        data.read_idx(None)
    for folder in (tmp_path / "nowhere", tmp_path / "a.PNG"):
        with pytest.raises(ValueError, match="folder must hold pictures"):
            data.images(folder)
    for wrong in ({"mode": "CMYK"}, {"background": "no colour"}, {"background": None}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            data.images(tmp_path, 4, **wrong)


@pytest.mark.usefixtures("unchecked")
def test_pictures_of_every_mode_come_as_they_are_seen(tmp_path):
    """Palettes, transparency, 16 bits, one bit, CMYK, and a camera held upright."""
    from PIL import Image

    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    palette = Image.fromarray(red).quantize(4)
    half = Image.fromarray(np.concatenate([red, np.full((4, 4, 1), 128, np.uint8)], axis=2))
    found = folder_of(tmp_path / "colour", a_png=palette, b_png=half, c_png=Image.fromarray(red).convert("CMYK").convert("RGB"))
    Image.fromarray(red).convert("CMYK").save(found / "d.jpg", quality=100)
    seen = data.images(found, background="white").float().mean(dim=(2, 3))
    assert seen[0].tolist() == [200, 0, 0] and seen[2].tolist() == [200, 0, 0]
    assert (seen[1] - torch.tensor([227.0, 127.0, 127.0])).abs().max() <= 1
    assert (seen[3] - torch.tensor([200.0, 0.0, 0.0])).abs().max() <= 4
    grey = np.full((4, 4), 257 * 77, np.uint16)
    found = folder_of(tmp_path / "grey", a_png=grey, b_png=Image.new("1", (4, 4), 1), c_png=Image.new("L", (4, 4), 9))
    assert data.images(found, mode="L")[:, 0, 0, 0].tolist() == [77, 255, 9]
    upright = Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8)[None] * 30, 4, axis=0))
    (tmp_path / "turned").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter when taken
    upright.save(tmp_path / "turned" / "a.png", exif=exif)
    assert data.images(tmp_path / "turned", mode="L")[0, 0].shape == (8, 4)


@pytest.mark.usefixtures("unchecked")
def test_a_picture_is_cut_around_its_centre_and_scaled(tmp_path):
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    images = data.images(folder_of(tmp_path, a_png=wide), size=5, mode="L")
    assert images.shape == (1, 1, 5, 5) and images.min() > 230


@pytest.mark.usefixtures("unchecked")
def test_damaged_pictures_are_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    folder_of(tmp_path, a_png=noise, b_png=noise, c_jpg=noise)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:1000])
    (tmp_path / "c.jpg").write_text("<html>not found</html>")
    with pytest.raises(
        ValueError, match=r"folder must hold whole pictures, got 2 of 3 that cannot be read: b.png: .*; c.jpg: "
    ):
        data.images(tmp_path)


@pytest.mark.usefixtures("unchecked")
def test_arrays_become_images():
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(data.from_arrays(values).numpy(), values.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.from_arrays(values.transpose(0, 3, 1, 2)).numpy(), values.transpose(0, 3, 1, 2))
    assert data.from_arrays(torch.from_numpy(values[..., 0].copy())).shape == (5, 1, 4, 6)
    for wrong in (values[0, 0], values[:0], values[..., :2]):
        with pytest.raises(ValueError, match="values must be"):
            data.from_arrays(wrong)
    for wrong in (values / 255, values.tolist()):
        with pytest.raises(TypeError, match="values must be"):
            data.from_arrays(wrong)


@pytest.mark.usefixtures("unchecked")
def test_the_sum_of_an_idx_file_is_asked_for(tmp_path):
    content = idx(np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    right = hashlib.sha256(content).hexdigest()
    assert data.read_idx(tmp_path / "a.gz", right).shape == (1, 2, 3)
    with pytest.raises(ValueError, match=f"its SHA-256 is {right}, expected 00"):
        data.read_idx(tmp_path / "a.gz", "00")


# --- bytes and floats ----------------------------------------------------------------------------------------------------


def test_bytes_to_floats_and_back():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    floats = data.to_float(levels)
    assert floats.dtype == torch.float32
    assert floats.min() == -1 and floats.max() == 1
    torch.testing.assert_close(floats.flatten().double(), torch.linspace(-1, 1, 256, dtype=torch.float64), atol=1e-7, rtol=0)
    assert torch.equal(data.to_uint8(floats), levels)
    assert levels[0, 0, 0, 1] == 1  # the input stays


def test_floats_go_to_the_nearest_byte():
    assert data.to_uint8(torch.tensor([-1.0, 0.49 / 127.5 - 1, 0.51 / 127.5 - 1, 1.0])).tolist() == [0, 0, 1, 255]
    assert data.to_uint8(torch.zeros(0, 1, 2, 2)).shape == (0, 1, 2, 2)


@pytest.mark.usefixtures("unchecked")
def test_wrong_images():
    with pytest.raises(TypeError, match=r"must be uint8, got torch.float32"):
        data.to_float(torch.zeros(1, 1, 2, 2))
    with pytest.raises(TypeError, match=r"floating point in \[-1, 1\], got torch.uint8"):
        data.to_uint8(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"lie in \[-1, 1\], got values from 0 to 1.5"):
        data.to_uint8(torch.tensor([0.0, 1.5]))
    with pytest.raises(ValueError, match=r"got values from nan to nan"):
        data.to_uint8(torch.tensor([0.0, torch.nan]))


# --- batches -------------------------------------------------------------------------------------------------------------


def take(iterator, n):
    return list(itertools.islice(iterator, n))


@pytest.mark.parametrize(("n", "size"), [(12, 3), (13, 3), (5, 5), (7, 1)])
def test_every_epoch_is_a_permutation(n, size):
    numbers = torch.arange(n, dtype=torch.float64)
    per_epoch = n // size
    found = torch.stack(take(data.batches(numbers, size, seed=1), 3 * per_epoch)).reshape(3, -1)
    for epoch in found:
        assert len(epoch.unique()) == per_epoch * size  # none twice, and none missing where size divides n
    if per_epoch * size > 1 and n > 5:
        assert not torch.equal(found[0], found[1])


def test_samples_left_out_of_one_epoch_come_in_another():
    found = torch.cat(take(data.batches(torch.arange(5.0), 2), 40))
    assert len(found.unique()) == 5


@pytest.mark.parametrize("start", [0, 1, 3, 4, 5, 11])
def test_start_passes_over_that_many(start):
    images = torch.randn(13, 2)
    whole = take(data.batches(images, 3, seed=5), start + 6)
    rest = take(data.batches(images, 3, seed=5, start=start), 6)
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_the_order_depends_on_the_seed_alone():
    images = torch.arange(100.0)
    torch.manual_seed(1)
    first = take(data.batches(images, 10, seed=3), 25)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again = take(data.batches(images, 10, seed=3), 25)
    other = take(data.batches(images, 10, seed=4), 25)
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not all(torch.equal(a, b) for a, b in zip(first, other))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())  # torch's generator is not used


def test_bytes_come_out_as_floats_and_floats_as_they_are():
    levels = torch.arange(20, dtype=torch.uint8).reshape(20, 1)
    (batch,) = take(data.batches(levels, 20), 1)
    assert batch.dtype == torch.float32
    assert torch.equal(data.to_uint8(batch).sort(dim=0).values, levels)
    (batch,) = take(data.batches(torch.arange(4, dtype=torch.float64), 4), 1)
    assert batch.dtype == torch.float64


def test_batches_stay_on_the_device_of_the_images():
    (batch,) = take(data.batches(torch.zeros(6, 1, 2, 2, device="meta"), 2), 1)
    assert batch.device.type == "meta"
    assert batch.shape == (2, 1, 2, 2)


def test_a_batch_is_no_view_of_the_images():
    images = torch.zeros(4, 2)
    next(data.batches(images, 4)).add_(1)
    assert images.sum() == 0


@pytest.mark.parametrize(
    ("images", "size", "start", "error", "words"),
    [
        (torch.zeros(4), 0, 0, ValueError, "size must be at least 1, got 0"),
        (torch.zeros(4), 5, 0, ValueError, "size must be at most the number of samples 4, got 5"),
        (torch.zeros(0), 1, 0, ValueError, "size must be at most the number of samples 0, got 1"),
        (torch.zeros(4), 2, -1, ValueError, "start must be at least 0, got -1"),
        (torch.zeros(4, dtype=torch.int64), 2, 0, TypeError, "samples must be uint8 or floating point, got torch.int64"),
        (
            (torch.zeros(4), torch.zeros(3)),
            2,
            0,
            ValueError,
            r"samples\[0\] and samples\[1\] must have one length, got 4 and 3",
        ),
        (
            (torch.zeros(4, dtype=torch.int64),),
            2,
            0,
            TypeError,
            r"samples\[0\] must be uint8 or floating point, got torch.int64",
        ),
        ([1.0, 2.0], 2, 0, TypeError, r"samples\[0\] must be a tensor or a NumPy array, got float"),
        ((), 2, 0, ValueError, "samples must hold a tensor or an array at least"),
        ("ab", 2, 0, TypeError, "samples must be a tensor or a NumPy array, got str"),
        (torch.zeros(4), 2.0, 0, TypeError, "size must be a whole number, got 2.0"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_batches_refuses_at_once(images, size, start, error, words):
    with pytest.raises(error, match=words):
        data.batches(images, size, start=start)


def test_batches_of_a_tuple_stay_together():
    """Rows of all parts that belong together come together; only the reals, and only bytes, are scaled."""
    images, labels, weights = torch.arange(12, dtype=torch.uint8), torch.arange(12), np.arange(12, dtype=np.uint8)
    for reals, numbers, extra in take(data.batches((images, labels, weights), 5, seed=2), 7):
        assert reals.dtype == torch.float32 and numbers.dtype == torch.int64 and extra.dtype == torch.uint8
        assert torch.equal(reals, data.to_float(numbers.to(torch.uint8))) and torch.equal(extra.long(), numbers)
    digits = data.digits("test")
    (both,) = take(data.batches(digits, 3, seed=4), 1)
    (alone,) = take(data.batches(digits.images, 3, seed=4), 1)
    assert type(both) is tuple and torch.equal(both[0], alone) and both[1].dtype == torch.int64
    (as_list,) = take(data.batches([digits.images], 3, seed=4), 1)
    assert type(as_list) is tuple and torch.equal(as_list[0], alone)


@pytest.mark.parametrize("layout", ["plain", "read only", "backwards", "strided"])
def test_numpy_arrays_are_taken_as_tensors_are(layout):
    levels = np.arange(24, dtype=np.uint8).reshape(12, 2)
    array = {"backwards": levels[::-1], "strided": np.repeat(levels, 2, axis=0)[::2]}.get(layout, levels)
    array.flags.writeable = layout != "read only"
    before = array.copy()
    tensor = torch.tensor(before)
    assert torch.equal(data.to_float(array), data.to_float(tensor))
    assert torch.equal(data.to_uint8(data.to_float(array).numpy()), tensor)
    assert all(torch.equal(a, b) for a, b in zip(take(data.batches(array, 5), 4), take(data.batches(tensor, 5), 4)))
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("line", range(10))  # all but `return`, where Python looks for no signal
def test_batches_go_on_after_an_interrupt(line):
    """Thrown in from outside, or raised before the n-th line of a batch in the making: the batch that was due comes next."""
    images = torch.arange(20.0)
    expected = take(data.batches(images, 3, seed=1), 9)
    stream = data.batches(images, 3, seed=1)
    found = [next(stream), next(stream)]
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)
    found += take(stream, 4)
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if event == "line" and frame.f_code.co_name == "send" and frame.f_code.co_filename == data.__file__:
            lines += 1
            if lines == line + 1:
                raise KeyboardInterrupt
        return trace

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(stream)  # the seventh opens an epoch: every line runs
    finally:
        sys.settrace(outer)
    found += take(stream, 3)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_iterator_goes_on_from_where_it_was(copied):
    stream = data.batches((torch.arange(20.0), torch.arange(20)), 3, seed=1)
    next(stream)
    twin = copied(stream)
    for (a, i), (b, j) in zip(take(stream, 8), take(twin, 8), strict=True):
        assert torch.equal(a, b) and torch.equal(i, j)


# --- toy distributions ---------------------------------------------------------------------------------------------------


def same_set(a, b):
    """The rows of a are the rows of b, in any order."""
    nearest = torch.cdist(a, b)
    return len(a) == len(b) and nearest.amin(dim=0).max() < 1e-6 and nearest.amin(dim=1).max() < 1e-6


@pytest.mark.parametrize("modes", [1, 2, 3, 8])
def test_the_ring_turns_into_itself(modes):
    centres = data.ring_centres(modes, radius=2.0).double()
    assert centres.shape == (modes, 2)
    torch.testing.assert_close(centres.norm(dim=1), torch.full((modes,), 2.0, dtype=torch.float64), rtol=1e-6, atol=0)
    turn = 2 * math.pi / modes
    matrix = torch.tensor([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]], dtype=torch.float64)
    torch.testing.assert_close(centres @ matrix, centres.roll(-1, dims=0), rtol=0, atol=1e-6)  # anticlockwise
    assert centres[0].tolist() == [2.0, 0.0]


@pytest.mark.parametrize("side", [1, 2, 5])
def test_the_grid_is_symmetric(side):
    centres = data.grid_centres(side, spacing=3.0)
    assert centres.shape == (side**2, 2)
    assert same_set(centres, -centres) and same_set(centres, centres.flip(1))
    if side > 1:
        apart = torch.cdist(centres, centres) + 1e9 * torch.eye(side**2)
        torch.testing.assert_close(apart.amin(dim=1), torch.full((side**2,), 3.0))
        assert centres.max() == 3.0 * (side - 1) / 2


@pytest.mark.parametrize(
    ("points", "centres", "std"),
    [
        (data.gaussian_ring(20_000), data.ring_centres(), 0.01),
        (data.gaussian_ring(20_000, modes=3, radius=4.0, std=0.5, seed=2), data.ring_centres(3, 4.0), 0.5),
        (data.gaussian_grid(20_000), data.grid_centres(), 0.05),
        (data.gaussian_grid(20_000, side=2, spacing=10.0, std=1.0, seed=2), data.grid_centres(2, 10.0), 1.0),
    ],
    ids=["ring", "wide ring", "grid", "wide grid"],
)
def test_each_mode_is_a_normal_and_all_have_one_weight(points, centres, std):
    """Moments within five standard errors: std/sqrt(n) of a mean, std^2 sqrt(2/n) of a variance, sqrt(np(1 - p)) of a count."""
    n, modes = len(points), len(centres)
    mode = torch.cdist(points, centres).argmin(dim=1)
    counts = torch.bincount(mode, minlength=modes)
    assert ((counts - n / modes).abs() < 5 * (n / modes * (1 - 1 / modes)) ** 0.5).all()
    offsets = (points - centres[mode]).double()
    assert (offsets.mean(dim=0).abs() < 5 * std / n**0.5).all()
    assert ((offsets.var(dim=0) - std**2).abs() < 5 * std**2 * (2 / n) ** 0.5).all()
    assert abs((offsets[:, 0] * offsets[:, 1]).mean()) < 5 * std**2 / n**0.5
    assert scipy.stats.kstest(offsets[:2000, 0] / std, "norm").pvalue > 1e-4


def test_the_mixture_on_a_line():
    means, stds, n = (-2.0, 1.0, 4.0), (0.5, 1.0, 0.1), 50_000
    x = data.gaussian_mixture_1d(n, means, stds, seed=1).double()
    assert x.shape == (n, 1)
    mean = sum(means) / 3
    variance = sum(s**2 + m**2 for m, s in zip(means, stds)) / 3 - mean**2
    assert abs(x.mean() - mean) < 5 * (variance / n) ** 0.5
    kurtosis = ((x - mean) ** 4).mean()
    assert abs(x.var() - variance) < 5 * ((kurtosis - variance**2) / n) ** 0.5

    def distribution(t):
        return sum(scipy.stats.norm.cdf(t, m, s) for m, s in zip(means, stds)) / 3

    assert scipy.stats.kstest(x[:5000, 0].numpy(), distribution).pvalue > 1e-4
    default = data.gaussian_mixture_1d(10_000)
    assert abs(default.mean()) < 5 * (4.25 / 10_000) ** 0.5


@pytest.mark.parametrize("draw", [data.gaussian_ring, data.gaussian_grid, data.gaussian_mixture_1d])
def test_points_follow_the_seed_and_leave_torchs_generator_alone(draw):
    state = torch.get_rng_state()
    assert torch.equal(draw(10, seed=3), draw(10, seed=3))
    assert not torch.equal(draw(10, seed=3), draw(10, seed=4))
    assert torch.equal(state, torch.get_rng_state())
    assert draw(1).dtype == torch.float32
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        draw(0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: data.gaussian_ring(3, modes=0), "modes must be at least 1, got 0"),
        (lambda: data.gaussian_grid(3, side=0), "side must be at least 1, got 0"),
        (lambda: data.gaussian_ring(3, std=0.0), "std must be positive, got 0.0"),
        (lambda: data.gaussian_grid(3, std=-1.0), "std must be positive, got -1.0"),
        (lambda: data.gaussian_mixture_1d(3, (0.0, 1.0), (1.0,)), "one length"),
        (lambda: data.gaussian_mixture_1d(3, (), ()), "means must hold numbers, 1 or more, got 0"),
        (lambda: data.gaussian_mixture_1d(3, (0.0,), (0.0,)), "stds must be positive, got 0.0"),
        (lambda: data.gaussian_mixture_1d(3, stds=(float("nan"), 0.5)), "stds must be positive, got nan"),
        (lambda: data.gaussian_mixture_1d(3, (0.0, math.inf)), "means must lie in .* got inf"),
        (lambda: data.gaussian_ring(3, radius=math.nan), "radius must lie in .* got nan"),
        (lambda: data.gaussian_grid(3, spacing=1e200), "spacing must lie in .* got 1e"),
        (lambda: data.gaussian_ring(3, seed=-1), "seed must be at least 0, got -1"),
        (lambda: data.gaussian_ring(3, std=float("nan")), "std must be positive, got nan"),
    ],
)
def test_distributions_that_do_not_exist(call, words):
    with pytest.raises(ValueError, match=words):
        call()
