"""A trained generator as text that a page can carry: whole numbers of eight bits, checked against the generator itself."""

import base64
import copy
import json
import zlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlib import record
from ganlib.arguments import seeded, whole
from ganlib.conditional import conditional_generator
from ganlib.networks import mnist_generator
from ganlib.types import Latents

LIMIT = 2_000_000
"""Characters that an exported generator may have."""
ENDPOINTS = 32  # latents that go with it, the generator's own draws of seed 0
SAME_IN_EVALUATION = nn.Identity | nn.Dropout | nn.Dropout2d | nn.Flatten | nn.Unflatten


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
        TypeError: G is no torch.nn.Module.
        ValueError: G has a layer of another kind or does more than its layers in their order, its images have another shape,
            or the text has more than 2,000,000 characters.
    """
    if not isinstance(G, nn.Module):
        raise TypeError(f"G must be a torch.nn.Module, got {type(G).__name__}.")
    classes = whole(classes, "classes", 0, 100)
    with torch.no_grad():
        G = copy.deepcopy(G).cpu().float().eval().requires_grad_(False)
        layers, z_dim = read_layers(G, classes)
        draws, random = getattr(G, "sample_z", None), seeded(0)
        draw = draws or (lambda n, generator: torch.randn(n, z_dim, generator=generator, dtype=torch.float32))
        endpoints, z = draw(ENDPOINTS, random), draw(64, random)
        given = [torch.arange(len(z), device="cpu") % classes] if classes else []
        images = G(z, *given)
        if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
            raise ValueError(f"G must make images of shape (n, 1 or 3, side, side), got {tuple(images.shape)}.")
        seen = torch.cat([z, *(functional.one_hot(labels, classes).float() for labels in given)], 1)
        if (run_layers(layers, seen).view_as(images) - images).abs().max() > 1e-3:
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


def read_layers(G: nn.Module, classes: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The layers of G in the order in which it calls them, BatchNorm folded into the layer before it, and the length of z.

    Each has "in" and "out", weight (out, in) or (out, in, size, size) and bias (out,), "slope" of its activation below 0
    (1: none), whether a "tanh" follows, and, where it is a ConvTranspose2d, "size", "stride" and "pad"; a Conv2d is the
    transposed convolution of the turned kernel. "shuffle" is the factor of a PixelShuffle.

    Raises:
        ValueError: a layer is of another kind, or a BatchNorm stands first or behind an activation.
    """
    called: list[nn.Module] = []
    leaves = [module for module in G.modules() if not list(module.children())]
    first = next((module for module in leaves if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)), None)
    if first is None or isinstance(first, nn.Conv2d):
        raise ValueError("G must begin with a Linear or a ConvTranspose2d layer, it has none or a Conv2d.")
    z_dim = (first.in_features if isinstance(first, nn.Linear) else first.in_channels) - classes
    hooks = [module.register_forward_hook(lambda module, *_: called.append(module)) for module in leaves]
    zeros = torch.zeros(2, z_dim, dtype=torch.float32, device="cpu")
    G(zeros, *([zeros[:, 0].long()] if classes else []))
    for hook in hooks:
        hook.remove()
    layers: list[dict[str, Any]] = []
    for module in called:
        kind, last = type(module).__name__, layers[-1] if layers else {"slope": 0.0}
        if isinstance(module, nn.Linear):
            layers.append({"in": module.in_features, "out": module.out_features, "weight": module.weight})
        elif isinstance(module, nn.ConvTranspose2d) and is_plain(module):
            about = {"size": module.kernel_size[0], "stride": module.stride[0], "pad": module.padding[0]}
            layers.append(
                {"in": module.in_channels, "out": module.out_channels, "weight": module.weight.swapaxes(0, 1)} | about
            )
        elif isinstance(module, nn.Conv2d) and keeps_side(module):  # the transposed convolution of the turned kernel
            about = {"size": module.kernel_size[0], "stride": 1, "pad": module.padding[0]}
            layers.append({"in": module.in_channels, "out": module.out_channels, "weight": module.weight.flip(-2, -1)} | about)
        elif isinstance(module, nn.PixelShuffle) and "size" in last and "shuffle" not in last:
            last["shuffle"] = module.upscale_factor
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and last["slope"] == 1 and not last["tanh"]:
            rows = last["out"] // module.num_features  # of the layer, that make one channel
            mean, shift = module.running_mean.repeat_interleave(rows), module.bias.repeat_interleave(rows)
            factor = (module.weight / (module.running_var + module.eps).sqrt()).repeat_interleave(rows)
            last["weight"] = last["weight"] * factor.view(-1, *[1] * (last["weight"].ndim - 1))
            last["bias"] = (last["bias"] - mean) * factor + shift
        elif isinstance(module, nn.ReLU | nn.LeakyReLU) and last["slope"] == 1:
            last["slope"] = float(getattr(module, "negative_slope", 0.0))
        elif isinstance(module, nn.Tanh) and layers:
            last["tanh"] = True
        elif not isinstance(module, SAME_IN_EVALUATION):
            known = "Linear, ConvTranspose2d and Conv2d, and PixelShuffle, BatchNorm, LeakyReLU, ReLU and Tanh behind one"
            raise ValueError(f"G must be made of {known}; it has {kind} as layer {len(layers) + 1}.")
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            bias = module.weight.new_zeros(layers[-1]["out"]) if module.bias is None else module.bias
            layers[-1] |= {"bias": bias, "slope": 1.0, "tanh": False}
    return layers, z_dim


def is_plain(module: nn.ConvTranspose2d) -> bool:
    """Whether it is square, with nothing beyond size, stride and padding."""
    square = all(len(set(value)) == 1 for value in (module.kernel_size, module.stride, module.padding))
    return square and (module.groups, module.dilation, module.output_padding) == (1, (1, 1), (0, 0))


def keeps_side(module: nn.Conv2d) -> bool:
    """Whether its output has the side of its input, zeros around it, in steps of one."""
    size = module.kernel_size[0]
    plain = (module.stride, module.dilation, module.groups, module.padding_mode) == ((1, 1), (1, 1), 1, "zeros")
    return plain and module.kernel_size == (size, size) and module.padding == (size // 2, size // 2) and size % 2 == 1


def run_layers(layers: list[dict[str, Any]], z: Latents) -> Tensor:
    """What the layers make of z (n, z_dim), as ``widgets/src/generator.ts`` computes it."""
    x = z
    for layer in layers:
        if "size" in layer:
            if x.ndim == 2:
                side = round((x.shape[1] / layer["in"]) ** 0.5)
                x = x.unflatten(1, (layer["in"], side, side))
            x = functional.conv_transpose2d(x, layer["weight"].swapaxes(0, 1), layer["bias"], layer["stride"], layer["pad"])
            x = functional.pixel_shuffle(x, layer.get("shuffle", 1))
        else:
            x = functional.linear(x.flatten(1), layer["weight"], layer["bias"])
        x = functional.leaky_relu(x, layer["slope"])
        x = x.tanh() if layer["tanh"] else x
    return x


def export_pair(G: nn.Module, D: nn.Module) -> str:
    """G and D of a game on a line as JSON, for ``show.widget("algorithm", ..., pair=export_pair(G, D))``.

    Both are chains of Linear layers with Tanh, or with ReLU, between them. The widget plays on from their weights, with data
    from N(2, 0.5^2), latents uniform in [-1, 1] and optimisers of its own that have seen nothing. Neither is changed.

    Args:
        G: from one number to one.
        D: from one number to one logit.

    Raises:
        TypeError: one is no torch.nn.Module.
        ValueError: one has another layer, another input or output than one number, or more than 2,000,000 characters come of
            them; or one has Tanh and the other ReLU.
    """
    exported, kinds = {}, set()
    for player, net in (("G", G), ("D", D)):
        if not isinstance(net, nn.Module):
            raise TypeError(f"{player} must be a torch.nn.Module, got {type(net).__name__}.")
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
            (*rows.shape, [round(x, 6) for x in rows.double().flatten().tolist()])
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
