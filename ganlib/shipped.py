"""The small trained weights that come with the library, verified before they are used."""

import hashlib
import json
from importlib.resources import files

from torch import Tensor


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
