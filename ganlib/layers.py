"""A generator layer by layer, as a page can compute it: linear maps and transposed convolutions, and what follows each."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlib.types import Latents

SAME_IN_EVALUATION = nn.Identity | nn.Dropout | nn.Dropout2d | nn.Flatten | nn.Unflatten


def read_layers(G: nn.Module, classes: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The layers of G in the order in which it calls them, BatchNorm folded into the layer before it, and the length of z.

    Each has "in" and "out", weight (out, in) or (out, in, size, size) and bias (out,), "slope" of its activation below 0
    (1: none), whether a "tanh" follows, and, where it is a ConvTranspose2d, "size", "stride" and "pad"; a Conv2d is the
    transposed convolution of the turned kernel. "shuffle" is the factor of a PixelShuffle.

    Raises:
        ValueError: a layer is of another kind, a BatchNorm stands first or behind an activation or keeps no statistics, or G
            does not take such inputs.
    """
    called: list[nn.Module] = []
    leaves = [module for module in G.modules() if not list(module.children())]
    first = next((module for module in leaves if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)), None)
    if first is None or isinstance(first, nn.Conv2d):
        raise ValueError("G must begin with a Linear or a ConvTranspose2d layer, it has none or a Conv2d.")
    z_dim = (first.in_features if isinstance(first, nn.Linear) else first.in_channels) - classes
    if z_dim < 1:
        raise ValueError(f"classes must leave z a number or more of the {z_dim + classes} that G takes, got {classes}.")
    hooks = [module.register_forward_hook(lambda module, *_: called.append(module)) for module in leaves]
    zeros = torch.zeros(2, z_dim, dtype=torch.float32, device="cpu")
    try:
        G(zeros, *([zeros[:, 0].long()] if classes else []))
    except (TypeError, ValueError, RuntimeError) as error:
        inputs = f"z (n, {z_dim})" + " and labels (n,), classes being given" * (classes > 0)
        raise ValueError(f"G must make images of {inputs}, but: {error}") from error
    finally:
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
        elif is_folded(module) and last["slope"] == 1 and not last["tanh"]:
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


def is_folded(module: nn.Module) -> bool:
    """Whether it is a BatchNorm that is one factor and one shift a channel: it keeps its statistics and has weights."""
    return isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine and module.track_running_stats


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
