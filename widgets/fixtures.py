"""Writes fixtures.json: what ganlib and torch compute in double precision, for the engine of the widgets to be held to.

python widgets/fixtures.py
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganlib import objectives, penalties
from ganlib.theory.dynamics import dirac_trajectory, jacobian_spectrum
from ganlib.training import Run, train

GAMES = ("minimax", "nonsaturating", "least_squares", "hinge", "wasserstein", "relativistic")
WEIGHTED = {
    "r1": {"gamma": 2.0},
    "r2": {"gamma": 2.0},
    "r1_by_difference": {"gamma": 2.0},
    "r2_by_difference": {"gamma": 2.0},
    "gradient_penalty": {"weight": 3.0},
}
BATCH, ROUNDS, D_STEPS, LEAKY = 8, 50, 2, 20


class Points(nn.Module):
    """An MLP, two hidden layers; G hands out the latents that were written down beforehand."""

    def __init__(self, sizes: tuple[int, ...], activation: type[nn.Module], latents: list[Tensor] | None = None) -> None:
        super().__init__()
        self.latents = iter(latents or ())
        layers = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), activation())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(x)
        return out.squeeze(1) if out.shape[1] == 1 else out

    def sample_z(self, n: int) -> Tensor:
        return next(self.latents)


def rounded(x: Tensor) -> list:
    return [float(f"{value:.12g}") for value in x.detach().flatten().tolist()]


def weights(network: nn.Module) -> list:
    """Layer by layer, weights as the engine has them, (in, out)."""
    return [[list(w.t().shape) if w.ndim == 2 else [1, len(w)], rounded(w.t())] for w in network.parameters()]


def gradients(loss: Tensor, network: nn.Module) -> list:
    return [
        rounded(g.t()) for g in torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, materialize_grads=True)
    ]


def short(x: Tensor) -> Tensor:
    return (x * 10000).round() / 10000  # what is handed over has four digits


def once() -> dict[str, Any]:
    """Losses and gradients of one batch: six games, five penalties."""
    torch.manual_seed(0)
    G, D = Points((2, 5, 5, 2), nn.Tanh), Points((2, 6, 6, 1), nn.ReLU)
    reals, z = short(torch.randn(BATCH, 2)), short(torch.randn(BATCH, 2))
    fakes = G(z)
    out: dict[str, Any] = {"G": weights(G), "D": weights(D), "reals": rounded(reals), "z": rounded(z)}
    out["games"], out["penalties"] = {}, {}
    for name in GAMES:
        game = getattr(objectives, name)
        loss_D, loss_G = game.d_loss(D(reals), D(fakes.detach())), game.g_loss(D(reals), D(fakes))
        losses = {"d": loss_D.item(), "g": loss_G.item()}
        out["games"][name] = losses | {"by_D": gradients(loss_D, D), "by_G": gradients(loss_G, G)}
    for name, weight in WEIGHTED.items():
        torch.manual_seed(1)
        draws = torch.rand(BATCH, 1) if name == "gradient_penalty" else torch.randn_like(reals)
        torch.manual_seed(1)
        loss = getattr(penalties, name)(D, reals, fakes.detach(), **weight)
        found = {"weight": next(iter(weight.values())), "draws": rounded(draws), "loss": loss.item()}
        out["penalties"][name] = found | {"by_D": gradients(loss, D)}
    return out


def played(name: str, penalty: str | None, optimiser: str) -> dict[str, Any]:
    """A run of the training loop of ganlib, k = 2, with everything that was drawn."""
    torch.manual_seed(2)
    batches = [short(torch.randn(BATCH, 2)) for _ in range(ROUNDS * D_STEPS)]
    latents = [short(torch.randn(BATCH, 2)) for _ in range(ROUNDS * (D_STEPS + 1))]
    G, D = Points((2, 8, 8, 2), nn.ReLU, latents), Points((2, 8, 8, 1), nn.ReLU)
    out = {"game": name, "penalty": penalty or "none", "optimiser": optimiser, "k": D_STEPS, "batch": BATCH}
    out |= {"G": weights(G), "D": weights(D), "reals": rounded(torch.stack(batches)), "z": rounded(torch.stack(latents))}
    make = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.99)) if optimiser == "adam" else partial(torch.optim.SGD, lr=0.05)
    run = Run(G, D, make(G.parameters()), make(D.parameters()), G_ema=Points((2, 8, 8, 2), nn.ReLU))
    term = partial(getattr(penalties, penalty), gamma=1.0) if penalty else None
    losses = list(train(run, iter(batches), getattr(objectives, name), term, steps=ROUNDS, d_steps=D_STEPS))
    out["losses"] = [[loss.loss_D, loss.loss_G, loss.prob_real, loss.prob_fake] for loss in losses]
    return out | {"G_end": weights(G), "D_end": weights(D)}


def leaky(name: str) -> dict[str, Any]:
    """Rounds of a program whose fakes are not detached and whose G clears its gradients after its own step, k = 2."""
    torch.manual_seed(3)
    batches, latents = ([short(torch.randn(BATCH, 1)) for _ in range(n)] for n in (LEAKY * D_STEPS, LEAKY * (D_STEPS + 1)))
    G, D = Points((1, 5, 5, 1), nn.Tanh, latents), Points((1, 5, 5, 1), nn.Tanh)
    drawn = {"reals": rounded(torch.cat(batches)), "z": rounded(torch.cat(latents))}
    out = {"game": name, "G": weights(G), "D": weights(D)} | drawn
    game, reals, left = getattr(objectives, name), iter(batches), []
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), lr=5e-3, betas=(0.0, 0.99)) for net in (G, D))
    for _ in range(LEAKY):
        for _ in range(D_STEPS):
            loss_D = game.d_loss(D(next(reals)), D(G(G.sample_z(BATCH)).unsqueeze(1)))
            opt_D.zero_grad()
            loss_D.backward()
            opt_D.step()
        left.append(torch.cat([w.grad.flatten() for w in G.parameters()]).norm().item())
        game.g_loss(None, D(G(G.sample_z(BATCH)).unsqueeze(1))).backward()
        opt_G.step()
        opt_G.zero_grad()
    return out | {"left": left, "G_end": weights(G), "D_end": weights(D)}


def dirac() -> list[dict[str, Any]]:
    """Paths and spectra of the Dirac-GAN."""
    out = []
    for name in GAMES:
        for alternating, d_steps, gamma in ((False, 1, 0.0), (True, 1, 0.0), (True, 3, 0.7)):
            game, penalty = getattr(objectives, name), partial(penalties.r1, gamma=gamma)
            start = torch.tensor([1.1, 0.9], dtype=torch.float64)
            path = dirac_trajectory(game, start, 0.3, 20, penalty, alternating, d_steps)
            spectrum = jacobian_spectrum(game, 0.0, 0.0, penalty)
            setting = {"game": name, "alternating": alternating, "k": d_steps, "gamma": gamma, "h": 0.3}
            out.append(setting | {"end": rounded(path[-1]), "spectrum": rounded(torch.view_as_real(spectrum))})
    return out


def fixtures() -> dict[str, Any]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        runs = [played("nonsaturating", "r1", "adam"), played("relativistic", None, "sgd")]
        return {"once": once(), "runs": runs, "leaky": [leaky("minimax"), leaky("nonsaturating")], "dirac": dirac()}
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    Path(__file__).with_suffix(".json").write_text(json.dumps(fixtures()) + "\n", encoding="utf-8")
