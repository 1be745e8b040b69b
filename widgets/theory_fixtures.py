"""Writes theory.json: what ganlib.theory and ganlib.objectives give, for src/theory.ts to be held to.

python widgets/theory_fixtures.py
"""

import json
import math
from pathlib import Path
from typing import Any

import torch

from ganlib import objectives, theory


def normal(mean: float, sd: float) -> theory.line.LogDensity:
    return lambda x: -(((x - mean) / sd) ** 2) / 2 - math.log(sd * math.sqrt(2 * math.pi))


def prices() -> list[list[float]]:
    """Logits of a real and a fake; V, and its slopes in both."""
    out = []
    for pair in ((0.0, 0.0), (1.5, -0.5), (-3.0, 4.0), (12.0, -30.0), (-40.0, 40.0)):
        real, fake = (torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in pair)
        value = -objectives.minimax.d_loss(real, fake)
        out.append([*pair, value.item(), *(g.item() for g in torch.autograd.grad(value, (real, fake)))])
    return out


def outcomes() -> list[dict[str, Any]]:
    """Two distributions; D*, C, JSD, and where five steps of G lead."""
    out = []
    for p, q in (
        ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5)),
        ((0.5, 0.3, 0.2), (0.98, 0.01, 0.01)),
        ((0.5, 0.5, 0.0), (0.1, 0.2, 0.7)),
        ((0.25, 0.25, 0.5), (0.25, 0.25, 0.5)),
    ):
        a, b = (torch.tensor(x, dtype=torch.float64) for x in (p, q))
        found = {"p": p, "q": q, "best": theory.optimal_discriminator(a, b).tolist()}
        found |= {"C": theory.value_at_optimum(a, b).item(), "JSD": theory.js_divergence(a, b).item()}
        out.append(found | {"h": 0.7, "descent": theory.simplex_descent(a, b, 5, 0.7)[-1].tolist()})
    return out


def lines() -> list[dict[str, Any]]:
    """Means and widths; C, JSD, and V of a D whose logit is bent."""
    out = []
    for p, q, bumps in (((-1.0, 0.7), (0.8, 1.2), False), ((2.0, 0.7), (0.5, 1.8), True), ((3.0, 0.3), (-3.0, 0.4), False)):
        log_p, log_q, points = normal(*p), normal(*q), sorted({p[0], -p[0], q[0]})
        if bumps:
            left, right = normal(-p[0], p[1]), normal(*p)
            log_p = lambda x, a=left, b=right: theory.line.log_add(a(x), b(x)) - math.log(2)  # noqa: E731
        found = {"p": p, "q": q, "bumps": bumps, "C": theory.value_at_optimum_line(log_p, log_q, points=points).value}
        found["JSD"] = theory.js_divergence_line(log_p, log_q, points=points).value
        found["V"] = theory.value_line(log_p, log_q, lambda x: 0.4 - 0.7 * x, points=points).value
        found["best"] = [[x, theory.optimal_discriminator_line(log_p, log_q)(x)] for x in (-2.0, 0.0, 1.5)]
        out.append(found)
    return out


def hears() -> list[list[Any]]:
    """A loss, G's distance, how sure D is, and the length of the gradient in G's weight, by quadrature over z."""
    z = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    weight = torch.softmax(-(z**2) / 2, dim=0)
    out = []
    for name in ("minimax", "nonsaturating", "wasserstein"):
        for distance, sure in ((1.0, 1.0), (4.0, 1.0), (4.0, 0.25), (6.0, 2.0)):
            weight_of_G = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
            fakes = z + weight_of_G
            logit = sure * (distance**2 / 2 - distance * fakes)
            each = torch.stack([getattr(objectives, name).g_loss(None, f[None]) for f in logit])
            (slope,) = torch.autograd.grad((weight * each).sum(), weight_of_G)
            out.append([name, distance, sure, abs(slope.item())])
    return out


def fixtures() -> dict[str, Any]:
    return {"prices": prices(), "outcomes": outcomes(), "lines": lines(), "hears": hears()}


if __name__ == "__main__":
    Path(__file__).with_name("theory.json").write_text(json.dumps(fixtures()) + "\n", encoding="utf-8")
