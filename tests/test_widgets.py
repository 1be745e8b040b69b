"""Widgets: what Python hands out, that the program is what its sources make, and each of them played in the built book."""

import gzip
import importlib.util
import json
import os
import shutil
import subprocess

import pytest
from filelock import FileLock
from matplotlib.figure import Figure
from repository import ROOT

from ganlib import show, widgets
from ganlib.export import export_generator
from ganlib.networks import MLPGenerator

SOURCES = ROOT / "widgets"
ALT = "A path in the plane of two weights that turns around the origin."


def shown(monkeypatch, **options):
    """The bundle and the metadata that one call displays."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda *bundle, **about: calls.append((bundle[0], about["metadata"])))
    show.widget("circle", Figure(), ALT, **options)
    return calls[0]


def test_what_is_stored_holds_no_program(monkeypatch):
    monkeypatch.setenv(widgets.STORED, "1")
    bundle, about = shown(monkeypatch, caption="A caption.", h=0.5)
    assert set(bundle) == {"image/png", "text/plain"} and "h = 0.5" in bundle["text/plain"]
    assert about["image/png"] == {
        "alt": ALT, "kind": "lines", "caption": "A caption.", "widget": {"name": "circle", "data": {"h": 0.5}}
    }  # fmt: skip


def test_a_live_output_needs_nothing_else(monkeypatch):
    """In Jupyter and in Colab's frames: element, data, picture and program in one."""
    monkeypatch.setattr(widgets, "is_live", lambda: True)
    html = shown(monkeypatch, h=0.5, game="hinge")[0]["text/html"]
    assert html.startswith('<gan-widget name="circle" data="{&quot;game&quot;: &quot;hinge&quot;, &quot;h&quot;: 0.5}">')
    assert "data:image/png;base64," in html and "customElements" in html and "src=http" not in html


def test_a_generator_of_ones_own_goes_along_and_is_not_stored(monkeypatch):
    mine = export_generator(MLPGenerator(4, (8, 8), (1, 6, 6)), "mine")
    assert "widget" not in shown(monkeypatch, generator=mine)[1]["image/png"]
    monkeypatch.setattr(widgets, "is_live", lambda: True)
    html = shown(monkeypatch, generator=mine)[0]["text/html"]
    assert " weights=" in html and "&quot;whose&quot;: &quot;mine&quot;" in html and json.loads(mine)["body"] in html
    html = shown(monkeypatch, generator="mnist_generator")[0]["text/html"]
    assert "averaged G" in html and 1.8e6 < len(html) < 2.3e6


def test_whether_somebody_is_there(monkeypatch):
    for name in (widgets.STORED, "PYTEST_VERSION"):
        monkeypatch.delenv(name, raising=False)
    assert widgets.is_live()
    monkeypatch.setenv(widgets.STORED, "1")
    assert not widgets.is_live()


@pytest.mark.parametrize(
    ("name", "alt", "data", "message"),
    [
        ("square", ALT, {}, "name must be one of"),
        ("circle", "short", {}, "alt must describe"),
        ("circle", ALT, {"h": float("nan")}, "h must be"),
    ],
)
def test_bad_input(name, alt, data, message):
    with pytest.raises(ValueError, match=message):
        show.widget(name, Figure(), alt, **data)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("argument", ["still", "caption", "generator", "pair"])
def test_what_is_neither_a_figure_nor_text_is_named(argument):
    with pytest.raises(TypeError, match=f"{argument} must be"):
        show.widget(**{"name": "latent", "still": Figure(), "alt": ALT} | {argument: 3})


def test_names_are_those_of_the_sources():
    assert widgets.names() == tuple(sorted(path.stem for path in (SOURCES / "src" / "widgets").glob("*.ts")))


def test_the_program_is_small_and_asks_nobody():
    program = widgets.SCRIPT.read_bytes()
    assert len(gzip.compress(program, 9)) <= 40_000
    assert not {word for word in (b"fetch(", b"XMLHttpRequest", b"import(", b"http://", b"https://") if word in program}


def test_the_lock_file_names_no_host():
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    assert lock["packages"] and not any("resolved" in package for package in lock["packages"].values())


def node():
    """Node's package manager with the packages of widgets/, or a skip: nobody needs Node to build or read the book."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm was not found, so the program was not compared with its sources")
    with FileLock(SOURCES / ".installing"):  # two workers may come at once
        if not (SOURCES / "node_modules").is_dir():
            if not os.environ.get("CI"):
                pytest.skip("the packages of widgets/ are not installed: make widgets")
            command = [npm, "install", "--no-save", "--no-fund", "--no-audit", "--ignore-scripts"]
            done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return npm


def test_the_program_is_what_its_sources_make(tmp_path):
    made = tmp_path / "widgets.js"
    done = subprocess.run([node(), "run", "build", "--", str(made)], cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.read_bytes() == widgets.SCRIPT.read_bytes()


def numbers(value):
    """All numbers in nested lists and dicts, in their order."""
    if isinstance(value, dict):
        value = list(value.values())
    return [x for part in value for x in numbers(part)] if isinstance(value, list) else [value]


def test_the_fixtures_are_what_ganlib_gives():
    spec = importlib.util.spec_from_file_location("fixtures", SOURCES / "fixtures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stored, now = json.loads((SOURCES / "fixtures.json").read_text()), module.fixtures()
    stored, now = numbers(stored), numbers(json.loads(json.dumps(now)))
    assert [x for x in stored if isinstance(x, str)] == [x for x in now if isinstance(x, str)]
    assert [x for x in stored if not isinstance(x, str)] == pytest.approx(
        [x for x in now if not isinstance(x, str)], rel=1e-7, abs=1e-9
    )


def test_the_engine_gives_the_same_and_so_do_its_games():
    done = subprocess.run([node(), "test"], cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
