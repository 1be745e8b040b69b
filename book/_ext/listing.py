"""Code with few marks: keywords, texts, comments, names defined; and each line that may have to wrap in a span that can hang.

Pygments puts every name, sign and blank into an element of its own. A page has eight thousand elements to spend.
"""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from pygments.formatters import HtmlFormatter
from pygments.token import Comment, Keyword, Name, Operator, String, Token, _TokenType
from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge

FITS = 88  # characters that the column shows
NEVER_WRAPS = 32  # characters that every phone shows
MARKS = [
    *((Keyword, "k"), (Operator.Word, "k"), (String, "s"), (Comment, "c")),
    *((Name.Function, "f"), (Name.Class, "f"), (Name.Decorator, "f")),
]


def mark(kind: _TokenType) -> str:
    """The class of a token; "" for the many that look like the text around them."""
    if kind in Name.Function.Magic or kind in Keyword.Constant:
        return "f" if kind in Name else "k"
    return next((name for parent, name in MARKS if kind in parent), "")


def lines(tokens: Iterator[tuple[_TokenType, str]]) -> Iterator[list[tuple[str, str]]]:
    """Tokens as lines of (class, text), neighbours of one class joined."""
    line: list[tuple[str, str]] = []
    for kind, text in tokens:
        name = mark(kind) if kind in Token and not str(kind).startswith("Token.Ansi") else f"ansi {ansi(kind)}"
        for piece in text.splitlines(keepends=True):
            blank = name and not piece.strip()
            if line and (line[-1][0] == name or blank):
                line[-1] = (line[-1][0], line[-1][1] + piece)
            else:
                line.append(("" if blank else name, piece))
            if piece.endswith("\n"):
                yield line
                line = []
    if line:
        yield line


def ansi(kind: _TokenType) -> str:
    return " ".join(f"ansi-{part.lower()}" for part in str(kind).split(".")[2:])


class SparseFormatter(HtmlFormatter):
    """Pygments' HTML with the marks above."""

    def format_unencoded(self, source: Iterator[tuple[_TokenType, str]], out: Any) -> None:
        rows = list(lines(source))
        longest = max((sum(len(text) for _, text in row) for row in rows), default=0)
        out.write(f'<div class="highlight"><pre{" tabindex=0" if longest > FITS else ""}>')  # what scrolls takes the focus
        for line in rows:
            inner = "".join(f'<span class="{c}">{escape(t, False)}</span>' if c else escape(t, False) for c, t in line)
            code = "".join(text for _, text in line).rstrip("\n")
            indent, first = len(code) - len(code.lstrip()), code.lstrip().partition(" ")[0]
            if indent + len(first) > NEVER_WRAPS:  # else the first word as a whole leaves its line
                inner = inner.replace("(", "(<wbr>", 1)
            if len(code) > NEVER_WRAPS:  # what wraps stands a little to the right of where its line begins
                inner = f'<span class="l" style="--i:{indent + 2}ch">{inner}</span>'
            out.write(inner)
        out.write("</pre></div>\n")


def unwrap_words(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Sphinx puts every word of inline code and of a signature into a span; the style sheet breaks lines without them."""
    if "body" in context:
        context["body"] = re.sub(r'<span class="pre">([^<]*)</span>', r"\1", context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", unwrap_words)
    PygmentsBridge.html_formatter = SparseFormatter
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
