"""Spectra of images against closed forms: Parseval, single waves, scale, shift; and a distance that is one."""

import math

import numpy as np
import pytest
import torch

from ganlib.metrics import power_spectrum, radial_spectrum, spectral_distance


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_parseval():
    x = noise(5, 3, 12, 12)
    torch.testing.assert_close(power_spectrum(x).mean(), x.square().mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("waves", [(3, 0), (0, 5), (2, 4)])
def test_a_wave_has_its_power_at_its_frequency(waves):
    rows, columns = torch.meshgrid(*[torch.arange(16, dtype=torch.float64)] * 2, indexing="ij")
    x = torch.cos(2 * math.pi * (waves[0] * rows + waves[1] * columns) / 16)[None, None]
    power = power_spectrum(x)
    expected = torch.zeros(16, 16, dtype=torch.float64)
    expected[waves] = expected[-waves[0], -waves[1]] = 16**2 / 4
    torch.testing.assert_close(power, expected, rtol=0, atol=1e-10)
    ring = radial_spectrum(x)
    assert ring.argmax() == round(math.hypot(*waves))


def test_a_chess_board_is_the_last_ring():
    board = (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8))
    ring = radial_spectrum(board[None, None])
    assert len(ring) == round(4 * math.sqrt(2)) + 1 and ring.argmax() == len(ring) - 1
    assert ring[:-1].max() < 1e-12 * ring[-1]


def test_bytes_are_read_as_pixels_from_minus_one_to_one():
    x = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(power_spectrum(x), power_spectrum(x.double() / 127.5 - 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(power_spectrum(x.numpy()), power_spectrum(x), rtol=0, atol=0)


def test_the_distance_in_decibels():
    x = noise(6, 1, 12, 12)
    assert spectral_distance(x, x) == 0
    assert spectral_distance(x, 10 * x) == pytest.approx(20, abs=1e-9)  # a factor of 100 in power
    assert spectral_distance(x.roll(3, 2), x) < 1e-9  # a shift on the torus changes phases alone
    assert spectral_distance(x, 2 * x) == pytest.approx(spectral_distance(2 * x, x))


@pytest.mark.usefixtures("unchecked")
def test_wrong_images_are_refused():
    good = noise(2, 1, 4, 4)
    for wrong, error, said in (
        (good[0], ValueError, "images must have shape"),
        (good[..., :3], ValueError, "images must have shape"),
        (good[:0], ValueError, "images must have shape"),
        (good / 0, ValueError, "images must be finite"),
        (good.abs(), ValueError, r"images must lie in \[-1, 1\], got values from .* as in \[0, 1\]; data.to_float"),
        (good.long(), TypeError, "images must be floating point"),
        ("images", TypeError, "images must be a tensor"),
    ):
        with pytest.raises(error, match=said):
            power_spectrum(wrong)
    with pytest.raises(ValueError, match="images and reference must have one side, got 4 and 6"):
        spectral_distance(good, noise(2, 1, 6, 6))
    with pytest.raises(ValueError, match="reference must have some power at every radius, got none at 1"):
        spectral_distance(good, np.full((1, 1, 4, 4), -1.0))
    with pytest.raises(ValueError, match="images must be two pixels wide"):
        spectral_distance(noise(2, 1, 1, 1), noise(2, 1, 1, 1))
