"""Draws the picture of the page "What the proofs use": `python tools/draw_convexity.py` writes book/convexity.svg."""

from pathlib import Path

import numpy as np

from ganlib import show
from ganlib.pictures import check_legible, svg

TARGET = Path(__file__).resolve().parents[1] / "book" / "convexity.svg"


def drawing() -> str:
    """A chord above a parabola, a tangent below it, and two of the lines that touch max(1 - x, 2x - 2) at its kink."""
    fig, axes = show.figure(2, 1, height=6.6)
    bowl, kinked = np.linspace(-1.2, 1.6, 200), np.linspace(-0.6, 2.4, 200)
    axes[0].plot(bowl, bowl**2, color=show.D_COLOR)
    axes[0].plot([-0.8, 1.4], [0.64, 1.96], "o-", color=show.OTHER, linewidth=1.4)
    axes[0].text(-0.1, 1.65, "chord, above", color=show.OTHER, ha="center")
    axes[0].plot([-0.4, 1.6], [-0.65, 1.35], color=show.GREEN, linewidth=1.4)
    axes[0].plot(0.5, 0.25, "o", color=show.GREEN)
    axes[0].text(0.45, -0.55, "tangent, below", color=show.GREEN, ha="left")
    axes[0].set(xlabel="x", ylabel="x²", ylim=(-1.2, 2.4))
    axes[1].plot(kinked, np.maximum(1 - kinked, 2 * kinked - 2), color=show.D_COLOR)
    for slope in (-0.5, 0, 1):
        reach = np.array([-0.6, 2.4])
        axes[1].plot(reach, slope * (reach - 1), color=show.GREEN, linewidth=1.4)
    axes[1].plot(1, 0, "o", color=show.D_COLOR)
    axes[1].text(1.0, 0.55, "kink", color=show.D_COLOR, ha="center")
    axes[1].text(1.6, -1.2, "subgradients", color=show.GREEN, ha="center")
    axes[1].set(xlabel="x", ylabel="max(1 − x, 2x − 2)", ylim=(-1.8, 3.0))
    check_legible(fig)
    return svg(fig)


if __name__ == "__main__":
    TARGET.write_text(drawing() + "\n", encoding="utf-8")
