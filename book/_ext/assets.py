"""One style sheet and one program for every page: what the theme ships, less the rules that no page can use, and ours.

A rule stays if every class and id that its selector needs stands in some built page or in a program that may set it; a
variable stays if some rule that stays reads it. Both files are written when the pages are, and what they replace is deleted.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SHEETS = [
    *("basic.css", "styles/theme.css", "styles/bootstrap.css", "styles/pydata-sphinx-theme.css"),
    *("styles/sphinx-book-theme.css", "copybutton.css", "mystnb.*.css", "book.css"),
]
TEMML = Path(__file__).parent / "vendor" / "temml.css"
PROGRAMS = [
    *("documentation_options.js", "doctools.js", "sphinx_highlight.js", "clipboard.min.js", "copybutton.js"),
    *("scripts/bootstrap.js", "scripts/pydata-sphinx-theme.js", "scripts/sphinx-book-theme.js", "book.js"),
]
# The theme measures every listing as soon as a page is there, which lays out the whole of it. book.js does the same for what
# comes into view.
MEASURES_ALL = ',"complete"===document.readyState?T():window.addEventListener("load",T)'
BOOTSTRAP_SETS = {"show", "fade", "active", "tooltip", "tooltip-inner", "tooltip-arrow", "bs-tooltip-auto"}
KEPT = {
    "site.css",
    "site.js",
    "widgets.js",
    "ring.js",
    "ring_data.js",
    "headings.js",
    "math.woff2",
    "searchtools.js",
    "language_data.js",
    "favicon.svg",
}
ENDINGS = {".png", ".webp", ".svg", ".jpg"}


def blocks(css: str) -> Iterator[tuple[str, str]]:
    """The pairs (prelude, body) on the top level of a style sheet; a statement without a body has None for it."""
    start = depth = body = 0
    for match in re.finditer(r"""[{};]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\([^)"']*\)""", css):
        sign = match[0]
        if sign == "{":
            depth += 1
            if depth == 1:
                prelude, body = css[start : match.start()].strip(), match.end()
        elif sign == "}":
            depth -= 1
            if depth == 0:
                yield prelude, css[body : match.start()].strip()
                start = match.end()
        elif sign == ";" and depth == 0:
            start = match.end()  # @charset, @import: everything is in one file already


def usable(selector: str, words: set[str]) -> bool:
    """Whether every class and id that a selector asks for exists."""
    asked = re.sub(r":not\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]", "", selector)
    asked = re.sub(r":(?:is|where)\(((?:[^()]|\([^()]*\))*)\)", "", asked)
    return all(name.replace("\\", "") in words for name in re.findall(r"[.#](-?[A-Za-z_](?:[\w-]|\\.)*)", asked))


def purged(css: str, words: set[str]) -> str:
    """A style sheet without the rules that no page can use."""
    kept = []
    for prelude, body in blocks(css):
        if prelude.startswith(("@media", "@supports", "@layer")):
            if inner := purged(body, words):
                kept.append(f"{prelude}{{{inner}}}")
        elif prelude.startswith("@"):
            kept.append(f"{prelude}{{{body}}}")
        elif selectors := [s.strip() for s in re.split(r",(?![^()]*\))", prelude) if usable(s, words)]:
            kept.append(f"{','.join(selectors)}{{{body}}}")
    return "\n".join(kept)


def without_unread_variables(css: str, ours: str) -> str:
    """The theme's rules less the variables that neither they nor ours read; ours stay, for figures and widgets."""
    definition = re.compile(r"""(?<=[;{\s])(--[\w-]+)\s*:(?:[^;{}"']|"[^"]*"|'[^']*')*(?:;|(?=\}))""")
    while unread := {m[1] for m in definition.finditer(css)} - set(re.findall(r"var\(\s*(--[\w-]+)", css + ours)):
        css = definition.sub(lambda match, unread=unread: "" if match[1] in unread else match[0], css)
    return re.sub(r"[^{}\n]+\{\s*\}\n?", "", css)


def small(css: str) -> str:
    """Without comments and needless blanks."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", css)).replace(";}", "}")


def read(static: Path, names: list[str]) -> list[str]:
    return [path.read_text(encoding="utf-8") for name in names for path in sorted(static.glob(name))]


def write_assets(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    program = [re.sub(r"^//# sourceMappingURL.*$", "", text, flags=re.MULTILINE) for text in read(static, PROGRAMS)]
    if sum(MEASURES_ALL in text for text in program) != 1:
        raise ExtensionError(f"the theme's program no longer holds {MEASURES_ALL!r}: see book/_ext/assets.py")
    program = [text.replace(MEASURES_ALL, "") for text in program]
    (static / "site.js").write_text("\n;".join(program), encoding="utf-8")
    words = set(BOOTSTRAP_SETS)
    for text in [text for text in program if "bootstrap.Tooltip" not in text[:9]] + read(static, ["searchtools.js"]):
        if "Bootstrap v" not in text[:400]:
            words |= set(re.findall(r"[\w-]+", text))
    for page in Path(app.outdir).rglob("*.html"):
        for value in re.findall(r'\b(?:class|id)="([^"]*)"', page.read_text(encoding="utf-8")):
            words |= set(value.split())
    sheets = [re.sub(r"url\((['\"]?)(?:\.\./)+", r"url(\1", small(text)) for text in read(static, SHEETS)]
    ours = sheets.pop()
    sheets.append(small(TEMML.read_text(encoding="utf-8")))
    theme = without_unread_variables(purged("".join(sheets), words), ours)
    (static / "site.css").write_text(theme + ours, encoding="utf-8")
    for path in sorted(static.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in KEPT and path.suffix not in ENDINGS:
            path.unlink()


def digest(app: Sphinx) -> str:
    """Of everything that the two files are made of, so that a browser asks for them again when they change."""
    made = hashlib.sha256()
    for folder in ("_static", "_ext", "_templates"):
        for path in sorted((Path(app.srcdir) / "book" / folder).glob("*.*")):
            made.update(path.read_bytes())
    return made.hexdigest()[:10]


def add_digest(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    context["assets_digest"] = app.assets_digest


def setup(app: Sphinx) -> dict[str, Any]:
    app.assets_digest = digest(app)
    app.connect("html-page-context", add_digest)
    app.connect("build-finished", write_assets, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
