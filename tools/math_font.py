"""Cuts Latin Modern Math down to what the built book's formulas use: `python tools/math_font.py latinmodern-math.otf`.

The full font is Debian's package fonts-lmodern. Letters are kept whole, so that a new formula rarely needs a new font; the
result bears a name of its own, as the font's licence asks, and goes to book/_static/math.woff2. Build the book first.
"""

import html
import re
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[1]
FONT = ROOT / "book" / "_static" / "math.woff2"
NAME = "Adversarial Game Math"


def leaning(letter: str) -> str:
    """The italic that a browser draws for a single letter in ``<mi>``; the letter itself where there is none."""
    if letter == "h":
        return "\u210e"  # Planck's constant stands where Unicode left the italic h out
    for first, last, italic in (("A", "Z", 0x1D434), ("a", "z", 0x1D44E), ("Α", "Ω", 0x1D6E2), ("α", "ω", 0x1D6FC)):
        if first <= letter <= last:
            return chr(italic + ord(letter) - ord(first))
    return {"∂": "𝜕", "ϵ": "𝜖", "ϑ": "𝜗", "ϕ": "𝜙", "ϱ": "𝜚", "ϖ": "𝜛"}.get(letter, letter)


def characters(page: str) -> set[str]:
    """What the formulas of a page show, single letters in italics as a browser draws them."""
    shown: set[str] = set()
    for formula in re.findall(r"<math\b.*?</math>", page, flags=re.DOTALL):
        for attributes, text in re.findall(r"<m(?:i|n|o|text)\b([^>]*)>([^<]*)<", formula):
            text = html.unescape(text)
            shown |= {leaning(text)} if len(text) == 1 and "mathvariant" not in attributes else set(text)
    return shown - {" ", "\n", "\u2061", "\u2062"}


def main(full: str, site: Path = ROOT / "_build" / "html") -> None:
    letters = {chr(code) for code in (*range(0x20, 0x7F), *range(0x391, 0x3AA), *range(0x3B1, 0x3CA))} - {chr(0x3A2)}
    wanted = letters | set(map(leaning, letters)) | set("−′″·×⋅∞≤≥≠≈∈∉⊂∪∩→↦⇒∑∏∫√∇∼±∀∃…⋯‖𝔼ℝℕℤℙ𝟏")
    for path in site.rglob("*.html"):
        wanted |= characters(path.read_text(encoding="utf-8"))
    options = subset.Options(
        layout_features=["*"], hinting=False, drop_tables=["FFTM"], desubroutinize=True, name_IDs=[0, 1, 2, 4, 6, 13, 14]
    )
    options.flavor = "woff2"
    font = TTFont(full)
    if missing := wanted - {chr(code) for code in font.getBestCmap()} - {"\u00a0"}:
        raise ValueError(f"{full} has no glyph for {sorted(missing)}.")
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(wanted))
    cutter.subset(font)
    # Browsers lower an index below the descender of its letter by this much, TeX only for more than letters: p_g beside x_g.
    font["MATH"].table.MathConstants.SubscriptBaselineDropMin.Value = 50
    for record in font["name"].names:
        if record.nameID in (1, 4, 6):
            record.string = NAME.replace(" ", "") if record.nameID == 6 else NAME
    font.flavor = "woff2"
    font.save(FONT)
    print(f"{FONT.relative_to(ROOT)}: {len(wanted)} characters, {FONT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
