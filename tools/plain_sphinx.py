"""Builds the book without Jupyter Book, by a newer Sphinx: the way out, should Jupyter Book 1 stop working one day.

    python tools/plain_sphinx.py   # -> _build/plain/html

Sources, extensions and theme are those of `make book`; what _config.yml says is written out as a conf.py. Nothing depends on
this build; `weekly.yml` tries it.
"""

import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

from book import BIN, EXE, ROOT, install, run

PLAIN = ROOT / "_build" / "plain"
# Sphinx and the parser that goes with it; the other packages are those of requirements.txt, without what is Jupyter Book's own.
NEWER = ["Sphinx==8.2.3", "myst-parser==5.2.0"]
KEPT = [
    *("myst-nb", "setuptools", "sphinx-book-theme", "pydata-sphinx-theme", "sphinx_external_toc", "sphinx-multitoc-numbering"),
    *("sphinx-proof", "sphinx-exercise", "sphinx_design", "sphinx-togglebutton", "sphinx-copybutton", "sphinx-thebe"),
    *("sphinxcontrib-bibtex", "sphinxext-opengraph"),
]
OF_JUPYTER_BOOK = ("jupyter_book", "sphinx_comments", "sphinx_jupyterbook_latex")


def settings() -> dict[str, Any]:
    """What Jupyter Book makes of _config.yml, without its own extensions, every path absolute."""
    from jupyter_book.config import get_final_config

    values, _ = get_final_config(user_yaml=ROOT / "_config.yml", cli_config={"latex_individualpages": False}, sourcedir=ROOT)
    values = {name: value for name, value in values.items() if not name.startswith(("latex", "use_jupyterbook", "comments"))}
    values["extensions"] = [name for name in values["extensions"] if name not in OF_JUPYTER_BOOK]
    for name in ("bibtex_bibfiles", "html_static_path", "templates_path"):
        values[name] = [str(ROOT / path) for path in values[name]]
    return values


def written(values: dict[str, Any]) -> str:
    """conf.py with these settings; it finds the book's extensions and ganlib."""
    head = f"import sys\n\nsys.path[:0] = [{str(ROOT / 'book' / '_ext')!r}, {str(ROOT)!r}]\n"
    return head + "".join(f"{name} = {value!r}\n" for name, value in sorted(values.items()))


def main() -> None:
    """Makes an environment beside the book's, writes conf.py and builds, warnings being errors."""
    install()
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in pinned if line.partition("==")[0] in KEPT]
    venv.create(PLAIN / "venv", with_pip=True)
    python = PLAIN / "venv" / BIN.name / f"python{EXE}"
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *NEWER, *lines)
    here = sysconfig.get_path("purelib")  # torch and the rest of ganlib's needs, found after what is newer
    there = sysconfig.get_path("purelib", vars={"base": str(PLAIN / "venv"), "platbase": str(PLAIN / "venv")})
    Path(there, "behind.pth").write_text(f"{here}\n", encoding="utf-8")
    (PLAIN / "conf.py").write_text(written(settings()), encoding="utf-8")
    run(python, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-c", PLAIN, "-d", PLAIN / "doctrees", ROOT, PLAIN / "html")
    print(f"The book is built by plain Sphinx. Open {PLAIN / 'html' / 'index.html'}")


if __name__ == "__main__":
    sys.exit(main())
