"""A trained generator as text that a page can carry: whole numbers of eight bits, checked against the generator itself."""

import base64
import copy
import json
import zlib
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ganlib import record
from ganlib.arguments import in_float64, seeded, whole
from ganlib.conditional import conditional_generator
from ganlib.layers import read_layers, run_layers
from ganlib.networks import mnist_generator
from ganlib.types import Images, Latents

LIMIT = 2_000_000
"""Characters that an exported generator may have."""
ENDPOINTS = 32  # latents that go with it, the generator's own draws of seed 0


def export_generator(G: nn.Module, whose: str, classes: int = 0, code: str = "") -> str:
    """A generator for the widget "latent", as JSON: ``show.widget("latent", ..., generator=export_generator(G, "my G"))``.

    The layers are Linear, ConvTranspose2d and Conv2d that keeps the side, each of which PixelShuffle, BatchNorm and LeakyReLU,
    ReLU or Tanh may follow. Weights become whole numbers from -127 to 127 with a scale for each row; what that changes is
    measured on 64 latents and goes along.

    Args:
        G: maps z (n, z_dim) to images (n, 1 or 3, side, side) in [-1, 1]; it is left as it was.
        whose: what the widget calls it.
        classes: of a G(z, labels) that appends the label to z, one-hot; 0 for a G(z).
        code: how to come by G in Python, for the widget's "Copy as ganlib code".

    Raises:
        TypeError: G is no torch.nn.Module or cannot be copied, or whose or code is no text.
        ValueError: G has a weight that is not finite, does not take such inputs, has a layer of another kind or does more than
            its layers in their order, its images have another shape, or the text has more than 2,000,000 characters.
    """
    if not isinstance(G, nn.Module):
        raise TypeError(f"G must be a torch.nn.Module, got {type(G).__name__}.")
    for argument, value in {"whose": whose, "code": code}.items():
        if not isinstance(value, str):
            raise TypeError(f"{argument} must be text, got {type(value).__name__}.")
    classes = whole(classes, "classes", 0, 100)
    _check_finite(G, "G")
    with torch.no_grad():
        G = _copied(G).cpu().float().eval().requires_grad_(False)
        layers, z_dim = read_layers(G, classes)
        draws, random = getattr(G, "sample_z", None), seeded(0)
        draw = draws or (lambda n, generator: torch.randn(n, z_dim, generator=generator, dtype=torch.float32))
        endpoints, z = draw(ENDPOINTS, random), draw(64, random)
        given = [torch.arange(len(z), device="cpu") % classes] if classes else []
        images = G(z, *given)
        if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
            raise ValueError(f"G must make images of shape (n, 1 or 3, side, side), got {tuple(images.shape)}.")
        seen = torch.cat([z, *(functional.one_hot(labels, classes).float() for labels in given)], 1)
        if not _draws(layers, seen, images):
            raise ValueError("G must do what its layers do, in their order, and nothing between them; its images are others.")
        parts, rounded = [], []
        for layer in layers:
            flat = layer["weight"].flatten(1)
            scale = flat.abs().amax(1).clamp_min(1e-12) / 127
            numbers = (flat / scale[:, None]).round()
            rounded.append(layer | {"weight": (numbers * scale[:, None]).view_as(layer["weight"])})
            parts += [numbers.to(torch.int8), scale, layer["bias"]]
        off = run_layers(rounded, seen).view_as(images) - images
    raw = b"".join(part.contiguous().numpy().tobytes() for part in [*parts, endpoints.float()])
    known = record.read("digit_cards")
    exported = {
        "whose": whose,
        "code": code,
        "z_dim": z_dim,
        "classes": classes,
        "channels": images.shape[1],
        "side": images.shape[2],
        "layers": [{name: value for name, value in layer.items() if name not in ("weight", "bias")} for layer in layers],
        "max": round(off.abs().max().item(), 4),
        "rms": round(off.square().mean().sqrt().item(), 4),
        "body": base64.b64encode(zlib.compress(raw, 9)).decode(),
        "digits": known["neighbours"] if images.shape[1:] == (1, 28, 28) else "",
        "columns": known["configuration"]["columns"],
    }
    text = json.dumps(exported)
    if len(text) > LIMIT:
        raise ValueError(
            f"G comes to {len(text) / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f} MB: give it fewer or narrower layers."
        )
    return text


def _check_finite(network: nn.Module, name: str) -> None:
    if not all(value.isfinite().all() for value in network.state_dict().values()):
        raise ValueError(f"{name} must have finite weights, got nan or inf among them.")


def _copied(G: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(G)
    except RuntimeError as error:  # torch copies no tensor that is computed of others, as the old weight_norm makes
        raise TypeError(f"G cannot be copied: {error}") from error


def _draws(layers: list[dict[str, Any]], seen: Latents, images: Images) -> bool:
    """Whether the layers in their order make these images."""
    try:
        return bool((run_layers(layers, seen).view_as(images) - images).abs().max() <= 1e-3)
    except RuntimeError:  # one does not fit behind the other
        return False


def shipped_export(name: str) -> str:
    """The export of a generator that comes with ganlib: "mnist_generator" is chapter 8's, "conditional_generator" chapter 16's.

    Raises:
        ValueError: there is no generator of that name.
    """
    if name == "conditional_generator":
        code = "from ganlib.conditional import conditional_generator\n\nG = conditional_generator()"
        return export_generator(conditional_generator(), "chapter 16’s averaged G", classes=10, code=code)
    if name != "mnist_generator":
        known = "mnist_generator, conditional_generator"
        raise ValueError(f"generator must be {known} or what export_generator returns, got {name[:40]!r}.")
    code = "from ganlib.networks import mnist_generator\n\nG = mnist_generator()"
    return export_generator(mnist_generator(), "chapter 8’s averaged G", code=code)


def export_pair(G: nn.Module, D: nn.Module) -> str:
    """G and D of a game on a line as JSON, for ``show.widget("algorithm", ..., pair=export_pair(G, D))``.

    Both are chains of Linear layers with Tanh, or with ReLU, between them. The widget plays on from their weights, with data
    from N(2, 0.5^2), latents uniform in [-1, 1] and optimisers of its own that have seen nothing. Neither is changed.

    Args:
        G: from one number to one.
        D: from one number to one logit.

    Raises:
        TypeError: one is no torch.nn.Module.
        ValueError: one has a weight that is not finite, another layer, or another input or output than one number; more than
            2,000,000 characters come of them; or one has Tanh and the other ReLU.
    """
    exported, kinds = {}, set()
    for player, net in (("G", G), ("D", D)):
        if not isinstance(net, nn.Module):
            raise TypeError(f"{player} must be a torch.nn.Module, got {type(net).__name__}.")
        _check_finite(net, player)
        leaves = [module for module in net.modules() if not list(module.children())]
        layers, between = leaves[::2], leaves[1::2]
        found = ", ".join(type(module).__name__ for module in leaves)
        if not layers or not all(isinstance(layer, nn.Linear) for layer in layers) or len(layers) != len(between) + 1:
            raise ValueError(f"{player} must be Linear layers with Tanh or ReLU between them, got {found}.")
        if (layers[0].in_features, layers[-1].out_features) != (1, 1):
            raise ValueError(
                f"{player} must take one number and return one, got {layers[0].in_features} and {layers[-1].out_features}."
            )
        kinds |= {type(module) for module in between}
        exported[player] = [
            (*rows.shape, [round(x, 6) for x in in_float64(rows).flatten().tolist()])
            for layer in layers
            for rows in (
                layer.weight.detach().T,
                (layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias.detach())[None],
            )
        ]
    if len(kinds) != 1 or not kinds <= {nn.Tanh, nn.ReLU}:
        names = " and ".join(sorted(kind.__name__ for kind in kinds)) or "none"
        raise ValueError(f"G and D must have Tanh between their layers, or both ReLU, got {names}.")
    text = json.dumps(exported | {"activation": kinds.pop().__name__.lower()})
    if len(text) > LIMIT:
        raise ValueError(
            f"G and D come to {len(text) / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f} MB: give them narrower layers."
        )
    return text
