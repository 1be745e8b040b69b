"""Everything in ganlib runs here with its annotations checked: each argument's shape and dtype, by jaxtyping and beartype."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from jaxtyping import config, install_import_hook

install_import_hook("ganlib", "beartype.beartype")
os.environ.setdefault("MPLBACKEND", "agg")  # no test opens a window

import torch  # noqa: E402 - after the hook

RAW = Path("MNIST") / "raw" / "train-images-idx3-ubyte"
"""Where one of MNIST's files lies in a folder that $GANLIB_DATA may name; it may end in .gz."""


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same state of torch's generator and without open figures, whatever ran before it."""
    torch.manual_seed(0)
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def unchecked():
    """Switches the annotations' checks off: a test then sees what a reader sees, the library's own errors."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def offline(monkeypatch):
    """A machine without network; returns the list of addresses that were asked for."""
    asked = []

    def refuse(request, *args, **kwargs):
        asked.append(getattr(request, "full_url", request))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A machine without MNIST: no folder is named, and the cache, whose place is returned, is empty."""
    from ganlib import mnist

    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr(mnist, "_cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def real_mnist():
    """The folder that holds MNIST, or None: a test then asserts what holds on the stand-in digits."""
    folder = os.environ.get("GANLIB_DATA")
    found = folder and any((Path(folder) / RAW).with_name(RAW.name + end).is_file() for end in ("", ".gz"))
    return Path(folder) if found else None


@pytest.fixture
def digits_at_hand(real_mnist, monkeypatch):
    """True with MNIST; without it the experiments read the stand-in, and the assertions are its own."""
    from ganlib import data

    if real_mnist is None:
        monkeypatch.setattr(data, "mnist", lambda split="train", root=None, fallback=True: data.digits(split))
    return real_mnist is not None


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site, from the stored outputs into an empty folder."""
    from test_book import built

    return built(tmp_path_factory)[0]


@pytest.fixture
def make_run():
    """A factory of small runs: a G with BatchNorm, Adam on both sides, 4x4 images; one seed gives one start."""
    from ganlib import networks, training

    def make(seed=0, widths=(8, 6, 5), d_widths=(7,), optimiser=torch.optim.Adam, dtype=torch.float32, **options):
        torch.manual_seed(seed)
        G = networks.MLPGenerator(3, widths, (1, 4, 4)).to(dtype)
        D = networks.MLPDiscriminator((1, 4, 4), d_widths).to(dtype)
        options = {"lr": 0.01} | options
        return training.Run(G, D, optimiser(G.parameters(), **options), optimiser(D.parameters(), **options))

    return make


@pytest.fixture
def images():
    """64 images of 4x4 bytes."""
    return torch.randint(0, 256, (64, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))


@pytest.fixture
def reals():
    """Six images of 4x4 floats in [-1, 1]."""
    return torch.rand(6, 1, 4, 4) * 2 - 1
