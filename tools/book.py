"""Every command of the book, on any machine with Python: `make NAME` calls `python tools/book.py NAME`.

It needs the standard library only. What has to be installed goes into .venv at the first command that needs it.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN, EXE = (VENV / "Scripts", ".exe") if os.name == "nt" else (VENV / "bin", "")
PYTHON, JUPYTER_BOOK = BIN / f"python{EXE}", BIN / f"jupyter-book{EXE}"
INSTALLED = VENV / "installed"
BUILT = ROOT / "_build" / "html"


def run(*command: str | Path) -> None:
    """Runs a command in the project's folder; ends the program with its exit status if that is not 0."""
    code = subprocess.run([str(part) for part in command], cwd=ROOT).returncode
    if code:
        sys.exit(code)


def has_pip() -> bool:
    """Whether there is an environment in .venv, complete enough to install into."""
    try:
        return not subprocess.run([str(PYTHON), "-c", "import pip"], cwd=ROOT, stderr=subprocess.DEVNULL).returncode
    except OSError:
        return False


def install() -> None:
    """Makes .venv and installs requirements.txt and ganlib into it, unless that is done."""
    sources = [ROOT / "requirements.txt", ROOT / "pyproject.toml"]
    if INSTALLED.is_file() and INSTALLED.stat().st_mtime >= max(path.stat().st_mtime for path in sources):
        return
    import check_python  # noqa: F401 - ends the program with a sentence if this Python will not do

    INSTALLED.unlink(missing_ok=True)
    if not has_pip():
        run(sys.executable, "-m", "venv", "--clear", VENV)
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    print("Installing the packages of requirements.txt into .venv.", flush=True)
    index = os.environ.get("TORCH_INDEX")
    if index:
        lines = (line.strip() for line in sources[0].read_text(encoding="utf-8").splitlines())
        torch = [line for line in lines if line.startswith(("torch==", "torchvision=="))]
        run(*pip, "--no-deps", "--index-url", index, *torch)
    run(*pip, "--requirement", "requirements.txt")
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ".")
    INSTALLED.touch()  # last, so that an installation cut short is taken up again


def book() -> None:
    """Builds the site into _build/html from the stored outputs, warnings being errors."""
    install()
    for folder in (BUILT, ROOT / "_build" / ".doctrees"):
        shutil.rmtree(folder, ignore_errors=True)
    run(JUPYTER_BOOK, "build", ".", "-q", "-W", "-n", "--keep-going")
    print(f"The book is built. Open {BUILT / 'index.html'}")


def test(*stages: str) -> None:
    """Runs every test: repository, library, built pages, every notebook; or the stages named."""
    install()
    run(PYTHON, ROOT / "tools" / "run_tests.py", *stages)


def check() -> None:
    """Runs lint and the tests of repository and library but for the slowest, in less than three minutes."""
    install()
    run(PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")
    run(PYTHON, "-m", "ruff", "check", "--quiet", ".")
    run(PYTHON, ROOT / "tools" / "run_tests.py", "--quick", "repository", "library")


def serve(port: str = "8000") -> None:
    """Shows the built site at http://127.0.0.1:8000, or at the port named."""
    install()
    if not (BUILT / "index.html").is_file():
        book()
    print(f"Serving at http://127.0.0.1:{port} until Ctrl-C", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        run(PYTHON, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", BUILT)


def execute(*notebooks: str) -> None:
    """Runs the notebook whose name begins so and stores its outputs; all means every one."""
    install()
    run(PYTHON, ROOT / "tools" / "execute.py", *notebooks)


def lint() -> None:
    """Formats and checks all Python, notebooks included."""
    install()
    run(PYTHON, "-m", "ruff", "format", ".")
    run(PYTHON, "-m", "ruff", "check", ".")


def widgets() -> None:
    """Makes ganlib/widgets.js of widgets/, with Node 20 or newer; nothing else needs Node."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is missing: install Node 20 or newer (on Debian and Ubuntu: apt-get install nodejs npm).")
    install = "install", "--no-save", "--no-fund", "--no-audit"  # not "ci": an optional package of vitest is not to be had
    for command in (install, ("test",), ("run", "build")):
        if command != install or not (ROOT / "widgets" / "node_modules").is_dir():
            run(npm, "--prefix", ROOT / "widgets", *command)


def looks() -> None:
    """Makes widgets/looks.json of the built book, with Chromium: how its figures that obey the reader look at first."""
    book()
    run(PYTHON, ROOT / "widgets" / "looks.py", BUILT)


def links() -> None:
    """Tries every link that leaves the book."""
    install()
    run(JUPYTER_BOOK, "build", ".", "-q", "--builder", "linkcheck", "--path-output", "_build/links")


def repository(*address: str) -> None:
    """Carries the repository's address into badges, set-up cells and metadata."""
    install()
    run(PYTHON, ROOT / "tools" / "repository.py", *address)


def clean() -> None:
    """Deletes what was built; .venv stays."""
    products = ["_build", "build", "widgets/node_modules", ".pytest_cache", ".ruff_cache", ".hypothesis"]
    for folder, names, _ in os.walk(ROOT):
        names[:] = [name for name in names if name not in (".venv", ".git")]
        products += [Path(folder, name) for name in names if name in ("__pycache__", ".ipynb_checkpoints")]
    for folder in products:
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    for path in ROOT.glob(".coverage*"):
        path.unlink()


def usage() -> None:
    """Lists the commands."""
    print("As make NAME       or python tools/book.py NAME\n")
    for name, (command, in_make, here) in COMMANDS.items():
        print(f"{f'{name} {in_make}':<19}{f'{name} {here}':<26}{command.__doc__}")
    print(
        "\nThe first command installs. PYTHON=python3.12 names, for make, the Python that makes .venv; the variable TORCH_INDEX"
    )
    print("holds the address of a package index with CPU-only builds of PyTorch. Where it is empty, the usual index is taken.")


COMMANDS = {  # name: what it calls, and how its arguments are written after make and after this program
    "help": (usage, "", ""),
    "install": (install, "", ""),
    "book": (book, "", ""),
    "check": (check, "", ""),
    "test": (test, "STAGE=library", "library"),
    "serve": (serve, "PORT=8001", "8001"),
    "execute": (execute, "NB=08", "08"),
    "lint": (lint, "", ""),
    "widgets": (widgets, "", ""),
    "looks": (looks, "", ""),
    "links": (links, "", ""),
    "repository": (repository, "URL=...", "https://..."),
    "clean": (clean, "", ""),
}


def main(name: str = "help", *arguments: str) -> None:
    """Carries out one command.

    Raises:
        SystemExit: there is no such command, it takes no such arguments, or something that it ran did not succeed.
    """
    if name not in COMMANDS:
        sys.exit(f"{name!r} is no command of the book; there are {', '.join(COMMANDS)}.")
    command = COMMANDS[name][0]
    try:
        inspect.signature(command).bind(*arguments)
    except TypeError:
        sys.exit(
            f"{name} does not take {' '.join(arguments)!r}; it is called as {' '.join([name, COMMANDS[name][2]]).strip()!r}."
        )
    command(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
