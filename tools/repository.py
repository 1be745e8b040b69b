"""Carries the repository's address to every place that repeats it, and the version to the set-up cells.

python tools/repository.py                                 the set-up cells only
python tools/repository.py https://github.com/OWNER/REPO   a new address, _config.yml included

The address stands in _config.yml under repository.url, the version in ganlib/__init__.py; CHANGELOG.md, CITATION.cff
and the README repeat the version by hand. What repeats the address: the set-up cell of each notebook, the badges and the clone
command of the README, CITATION.cff, pyproject.toml, and links in the pages.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git|/)?")
SETUP_TAGS = ["nbval-ignore-output", "hide-input", "setup"]
SETUP_CELL = """\
try:
    import ganlib
except ModuleNotFoundError:
    import os

    GANLIB_SRC = os.environ.get(
        "GANLIB_SRC",
        "{site}dist/"
        "ganlib-{version}-py3-none-any.whl",
    )
    %pip install --quiet "$GANLIB_SRC"
    import ganlib"""
SKIPPED = {".git", ".venv", "_build", "build", "node_modules", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}


def repository_url(root: Path = ROOT) -> str:
    """The address in _config.yml."""
    config = (root / "_config.yml").read_text(encoding="utf-8")
    return re.search(r"^repository:\n(?:[ #].*\n)*?  url: *[\"']?([^\s\"'#]+)", config, re.MULTILINE)[1]


def site_url(url: str) -> str:
    """Pages of github.com/OWNER/REPO lie at OWNER.github.io/REPO."""
    owner, name = ADDRESS.fullmatch(url).groups()
    return f"https://{owner}.github.io/{name}/"


def version(root: Path = ROOT) -> str:
    """The version in ganlib/__init__.py."""
    return re.search(r'^__version__ = "(.+)"$', (root / "ganlib" / "__init__.py").read_text(), re.MULTILINE)[1]


def setup_cell(root: Path = ROOT) -> str:
    """The first code cell of every notebook."""
    return SETUP_CELL.format(site=site_url(repository_url(root)), version=version(root))


def colab_badge(notebook: str, root: Path = ROOT) -> str:
    """The Markdown of the badge that opens a notebook in Colab, as the README shows it."""
    slug = "/".join(ADDRESS.fullmatch(repository_url(root)).groups())
    link = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{notebook}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def project_files(root: Path = ROOT) -> list[Path]:
    """Every file that belongs to the project: what git tracks or would track, or all that is not a product of a command."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        paths = [root / name for name in listing.split("\0") if name] if (root / ".git").exists() else []
    except (OSError, subprocess.CalledProcessError):
        paths = []
    if not paths:
        paths = [
            p for p in root.rglob("*") if not any(x in SKIPPED or x.endswith(".egg-info") for x in p.relative_to(root).parts)
        ]
    return sorted(path for path in {*paths} if path.is_file())


def read_text(path: Path) -> str | None:
    """The text of a file, or None where it holds bytes that are no text."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        return None


def move(old: str, new: str, root: Path) -> None:
    """Replaces the old address, the OWNER/REPO of links to Colab, and the address of the site at github.io."""
    (old_owner, old_name), (owner, name) = (ADDRESS.fullmatch(url).groups() for url in (old, new))
    pattern = re.compile(
        rf"(?P<host>github(?:\.com)?/){re.escape(old_owner)}/{re.escape(old_name)}(?![\w-])"
        rf"|{re.escape(old_owner)}\.github\.io/{re.escape(old_name)}(?![\w-])"
    )
    for path in project_files(root):
        text = read_text(path)
        if text is None or path.name == "LICENSE-TEXT":
            continue
        changed = pattern.sub(lambda m: f"{m['host']}{owner}/{name}" if m["host"] else f"{owner}.github.io/{name}", text)
        if path.name == "README.md":
            changed = changed.replace(f"\n    cd {old_name}\n", f"\n    cd {name}\n")
        if changed != text:
            path.write_bytes(changed.encode())


def write_setup_cells(root: Path) -> None:
    """Gives every notebook the set-up cell of this address and version, in place of the one it has."""
    cell = setup_cell(root)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        first = next(c for c in notebook["cells"] if c["cell_type"] == "code")
        if "GANLIB_SRC" not in "".join(first["source"]):
            sys.exit(f"The first code cell of {path.name} is not the set-up cell: put this before it.\n\n{cell}")
        if "".join(first["source"]) != cell:
            first["source"] = cell.splitlines(keepends=True)
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str], root: Path = ROOT) -> None:
    """`make repository` with or without URL=..."""
    old = repository_url(root)
    new = arguments[0].removesuffix("/").removesuffix(".git") if arguments else old
    if not ADDRESS.fullmatch(new):
        sys.exit(f"The address must have the form https://github.com/OWNER/REPO, got {new!r}.")
    if new != old:
        move(old, new, root)
    write_setup_cells(root)
    print(f"The set-up cells name {new} and version {version(root)}.")


if __name__ == "__main__":
    main(sys.argv[1:])
