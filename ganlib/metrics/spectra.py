"""Pictures in frequencies: how much power images have at each radius, and how far two sets are apart in it."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganlib.arguments import as_values, check_signed, scaled
from ganlib.types import Array


def power_spectrum(
    images: Float[Array, "n channel side side"] | UInt8[Array, "n channel side side"], name: str = "images"
) -> Float[Tensor, "side side"]:
    """Mean squared modulus of the Fourier transform of pixels in [-1, 1], (0, 0) first. Introduced in chapter 15.

    Divided by the number of pixels, so that the mean over frequencies is the mean square of a pixel (Parseval). Computed in
    float64 on the CPU.

    Args:
        images: floats in [-1, 1] or uint8, a tensor or a NumPy array, all of one square size.
        name: what errors call them.

    Raises:
        TypeError: images are no tensor or array, or neither floating point nor uint8.
        ValueError: they are not (n, channel, side, side), empty, not finite, or floats nowhere below 0.
    """
    images = as_values(images, name).detach()
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"{name} must be floating point in [-1, 1] or uint8, got {images.dtype}.")
    if images.ndim != 4 or images.shape[2] != images.shape[3] or images.numel() == 0:
        raise ValueError(f"{name} must have shape (n, channel, side, side) with n >= 1, got {tuple(images.shape)}.")
    if images.is_floating_point():
        check_signed(images, name)
    side = images.shape[2]
    total = torch.zeros(side, side, dtype=torch.float64, device="cpu")
    for part in images.split(1000):
        part = part.cpu()
        values = scaled(part, torch.float64) if images.dtype == torch.uint8 else part.to(torch.float64)
        if not values.isfinite().all():
            raise ValueError(f"{name} must be finite, got nan or inf among them.")
        total = total + torch.fft.fft2(values).abs().square().mean(dim=1).sum(dim=0)
    return total / len(images) / side**2


def radial_spectrum(
    images: Float[Array, "n channel side side"] | UInt8[Array, "n channel side side"], name: str = "images"
) -> Float[Tensor, " radius"]:
    """:func:`power_spectrum` averaged over rings: entry r is the mean at frequencies whose length rounds to r waves a side.

    Its last entry is the corner, where signs alternate along both axes: a checkerboard. Introduced in chapter 15.

    Raises:
        TypeError, ValueError: as :func:`power_spectrum`.
    """
    power = power_spectrum(images, name)
    side = len(power)
    waves = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64, device="cpu")
    ring = (waves[:, None].square() + waves.square()).sqrt().round().long().flatten()
    sums = torch.zeros(int(ring.max()) + 1, dtype=torch.float64, device="cpu").index_add(0, ring, power.flatten())
    return sums / ring.bincount()


def spectral_distance(
    images: Float[Array, "n channel side side"] | UInt8[Array, "n channel side side"],
    reference: Float[Array, "m channel side side"] | UInt8[Array, "m channel side side"],
) -> float:
    """Root mean square difference of two :func:`radial_spectrum`, in decibels, over the radii from one wave a side on.

    Ten decibels are a factor of ten in power. 0 only if each ring has the same power. Introduced in chapter 15.

    Raises:
        TypeError, ValueError: as :func:`power_spectrum`, or the two differ in side, or a set has no power in some ring.
    """
    sets = {"images": images, "reference": reference}
    spectra = {name: radial_spectrum(values, name) for name, values in sets.items()}
    sides = [values.shape[-1] for values in sets.values()]
    if sides[0] != sides[1]:
        raise ValueError(f"images and reference must have one side, got {sides[0]} and {sides[1]}.")
    if sides[0] == 1:
        raise ValueError("images must be two pixels wide or more, got one.")
    for name, spectrum in spectra.items():
        if not (spectrum[1:] > 0).all():
            raise ValueError(f"{name} must have some power at every radius, got none at {int(spectrum[1:].argmin()) + 1}.")
    levels = [10 * spectrum[1:].log10() for spectrum in spectra.values()]
    return (levels[0] - levels[1]).square().mean().sqrt().item()
