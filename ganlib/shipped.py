"""The small trained weights that come with the library, verified before they are used."""

import hashlib
import json
from collections.abc import Callable
from importlib.resources import files

import torch
from torch import Tensor, nn


def shipped_weights(name: str) -> dict[str, Tensor]:
    """The tensors of ``weights/NAME``, a safetensors file, so that no code is executed.

    Raises:
        ValueError: there is no such file, or its SHA-256 is not the one of ``weights/manifest.json``.
    """
    from safetensors.torch import load

    folder = files("ganlib") / "weights"
    manifest = json.loads((folder / "manifest.json").read_text())
    if name not in manifest:
        raise ValueError(f"name must be one of {', '.join(sorted(manifest))}, got {name!r}.")
    expected = manifest[name]["sha256"]
    content = (folder / name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{name} has SHA-256 {found}, expected {expected}: reinstall ganlib.")
    return load(content)


def shipped_network(name: str, make: Callable[[], nn.Module]) -> nn.Module:
    """What `make` returns, with the weights of ``weights/NAME`` in float32, in evaluation mode on the CPU.

    Torch's random generator is left alone: the network has no weights of its own before these.

    Raises:
        ValueError: as :func:`shipped_weights`.
    """
    weights = shipped_weights(name)
    with torch.device("meta"):
        network = make()
    network.load_state_dict({key: w.float() if w.is_floating_point() else w for key, w in weights.items()}, assign=True)
    return network.eval()
