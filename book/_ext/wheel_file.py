"""The library's wheel, built with the pages and offered by the site; ``{wheel}`` shows how to install it, and its hash.

No clone and no git: a set-up cell that misses the library takes this file.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

SOURCES = ("ganlib", "pyproject.toml", "README.md", "LICENSE")
FOLDER = "dist"
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def built(root: Path, target: Path) -> Path:
    """The wheel of the library of `root`, in the folder `target`; the same bytes each time, for the times in it are fixed.

    Raises:
        ExtensionError: setuptools did not succeed.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for source in SOURCES:
            if (root / source).is_dir():
                shutil.copytree(root / source, copy / source, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(root / source, copy)
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(target.resolve())],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": "315532800"},  # 1980, the first year of a zip
            capture_output=True,
            text=True,
        )
    found = sorted(target.glob("ganlib-*.whl"))
    if done.returncode or len(found) != 1:
        raise ExtensionError(f"the library's wheel was not built: {(done.stdout + done.stderr)[-2000:]}")
    return found[0]


class wheel(nodes.General, nodes.Element):
    """Where the page says how the wheel is installed."""


class Wheel(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return [wheel()]


def build(app: Sphinx) -> None:
    """Before the pages, which name it; nothing where there is no library beside the pages."""
    app.wheel = None
    if app.builder.format == "html" and (Path(app.srcdir) / "pyproject.toml").is_file():
        shutil.rmtree(Path(app.outdir) / FOLDER, ignore_errors=True)
        app.wheel = built(Path(app.srcdir), Path(app.outdir) / FOLDER)


def show(app: Sphinx, document: nodes.document, docname: str) -> None:
    for node in list(document.findall(wheel)):
        if app.wheel is None:
            node.parent.remove(node)
            continue
        name, data = app.wheel.name, app.wheel.read_bytes()
        line = f"pip install {app.config.html_baseurl}{FOLDER}/{name}"
        address = f"{'../' * docname.count('/')}{FOLDER}/{name}"
        digest = hashlib.sha256(data).hexdigest()
        html = f'''<p><code class="literal">{line}</code></p>
<p>The file is <a href="{address}" download>{name}</a>, {len(data) / 1e6:.1f} MB. Its SHA-256 is
<code class="literal">{digest}</code>.</p>'''
        node.replace_self(nodes.raw("", html, format="html"))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(wheel)
    app.add_directive("wheel", Wheel)
    app.connect("builder-inited", build)
    app.connect("doctree-resolved", show)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
