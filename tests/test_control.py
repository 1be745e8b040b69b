"""Codes, styles and ways between latents: the bound, the modulation and the measures of an image."""

import math

import pytest
import torch
from torch import nn

from ganlib import information, latents, modulation

CHECKED = pytest.mark.usefixtures("unchecked")


def info_generator():
    torch.manual_seed(0)
    return information.InfoGenerator(5, 2, 3, (1, 4, 4))


def test_a_latent_is_code_numbers_and_noise():
    G = info_generator()
    z = G.sample_z(5_000, torch.Generator().manual_seed(1))
    code, numbers, noise = z.split([5, 2, 3], dim=1)
    assert (code.sum(dim=1) == 1).all() and set(code.unique().tolist()) == {0, 1}
    assert (code.mean(dim=0) - 0.2).abs().max() < 0.03
    assert numbers.abs().max() <= 1 and abs(numbers.var() - 1 / 3) < 0.02 and abs(noise.var() - 1) < 0.05
    assert G(z[:4]).shape == (4, 1, 4, 4)


class Answers(nn.Module):
    """A Q that says the same whatever it sees."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer


@pytest.mark.decides("prop-information")
def test_the_code_loss_is_the_surprise_and_the_squares():
    """A Q that knows is not surprised; one that does not care is by log 5; numbers cost their squared error."""
    G = info_generator()
    z = G.sample_z(40)
    fakes, reals = G(z), torch.zeros(40, 1, 4, 4)
    knows = torch.cat([50 * z[:, :5], z[:, 5:7]], dim=1)
    G.Q = Answers(knows)
    assert information.code_loss(G, z, reals, fakes) < 1e-6
    G.Q = Answers(torch.cat([torch.zeros(40, 5), z[:, 5:7]], dim=1))
    assert information.code_loss(G, z, reals, fakes, weight=2.0).item() == pytest.approx(2 * math.log(5), abs=1e-5)
    G.Q = Answers(torch.cat([50 * z[:, :5], z[:, 5:7] + 0.5], dim=1))
    assert information.code_loss(G, z, reals, fakes, of_numbers=3.0).item() == pytest.approx(3 * 2 * 0.25, abs=1e-5)


def test_the_code_loss_moves_g_and_q():
    G = info_generator()
    z = G.sample_z(8)
    information.code_loss(G, z, torch.zeros(8, 1, 4, 4), G(z)).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in G.Q.parameters())
    assert G.layers[0].weight.grad.abs().sum() > 0


def test_an_arc_keeps_length_and_angle():
    a, b = torch.tensor([[3.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 3.0], [0.0, 4.0]])
    middle = latents.slerp(a, b, 0.5)
    assert torch.allclose(middle, torch.tensor([[1.0, 1.0]]).double() / math.sqrt(2) * torch.tensor([[3.0], [3.0]]))
    third = latents.slerp(a, b, 1 / 3)
    assert torch.allclose(third[0], 3 * torch.tensor([math.cos(math.pi / 6), 0.5], dtype=torch.float64))
    for share, to, end in ((0.0, b, a), (1.0, b, b), (0.7, a, a)):
        assert torch.allclose(latents.slerp(a, to, share), end.double())


@CHECKED
@pytest.mark.parametrize(
    ("a", "b", "share", "says"),
    [
        (torch.zeros(1, 2), torch.ones(1, 2), 0.5, "no row of zeros"),
        (torch.ones(1, 2), -torch.ones(1, 2), 0.5, "opposite"),
        (torch.ones(1, 2), torch.ones(2, 2), 0.5, "one shape"),
        (torch.ones(1, 2), torch.ones(1, 2), 1.5, "share must"),
    ],
)
def test_an_arc_that_is_none_is_refused(a, b, share, says):
    with pytest.raises(ValueError, match=says):
        latents.slerp(a, b, share)


@pytest.mark.decides("prop-middle")
def test_lengths_of_middles():
    """The straight middle of two normal latents has half the variance, that of the arc the length of a drawn one."""
    a, b = torch.randn(2, 4_000, 64, dtype=torch.float64)
    assert abs(((a + b) / 2).var() - 0.5) < 0.01
    assert abs(latents.slerp(a, b, 0.5).norm(dim=1).mean() / a.norm(dim=1).mean() - 1) < 0.01


def leaning(per_row):
    """A line of ink that moves so many pixels to the right for each row upwards."""
    image = torch.full((1, 1, 21, 41), -1.0)
    for row in range(21):
        image[0, 0, row, round(20 - per_row * (row - 10))] = 1.0
    return image


@pytest.mark.parametrize("per_row", [-1, 0, 1, 2])
def test_slant_of_a_line(per_row):
    assert latents.slant(leaning(per_row)).item() == pytest.approx(per_row, abs=1e-9)
    assert latents.ink(leaning(per_row)).item() == pytest.approx(21)


@CHECKED
@pytest.mark.parametrize("measure", [latents.slant, latents.ink])
def test_images_that_are_none_are_refused(measure):
    grey = torch.rand(1, 1, 2, 2), r"in \[-1, 1\], .* as in \[0, 1\]"
    for images, says in ((torch.zeros(2, 3, 4, 4), "shape"), (torch.full((1, 1, 2, 2), 3.0), "within"), grey):
        with pytest.raises(ValueError, match=f"images must .*{says}"):
            measure(images)
    with pytest.raises(TypeError, match="images must be floating point"):
        measure(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="ink in two rows"):
        latents.slant(-torch.ones(1, 1, 3, 3))


def styled(**settings):
    torch.manual_seed(0)
    return modulation.StyleGenerator(4, (6, 5, 7), image_shape=(1, 2, 2), **settings)


def test_one_style_everywhere_is_the_forward_pass():
    G = styled().eval()
    z = G.sample_z(3)
    assert torch.equal(G(z), G.synthesis([G.mapping(z)] * 3))


def test_a_style_is_scale_and_shift_of_normalised_units():
    layer = modulation.StyledLayer(4, 6, 3).double()
    h, w = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    units = layer.linear(h)
    units = (units - units.mean(dim=1, keepdim=True)) / (units.var(dim=1, keepdim=True, correction=0) + 1e-5).sqrt()
    scale, shift = layer.style(w).chunk(2, dim=1)
    assert torch.allclose(layer(h, w), nn.functional.leaky_relu((1 + scale) * units + shift, 0.2), atol=1e-12)


def test_layers_below_a_cut_hear_one_style_and_those_above_the_other():
    """A change of b's style moves nothing that was computed below the cut; without styles z enters at the bottom alone."""
    G = styled().eval()
    a, b, c = G.sample_z(3).chunk(3)
    h = [G.constant.expand(1, -1)]
    for layer, w in zip(G.layers, (a, a, b)):
        h.append(layer(h[-1], w))
    assert torch.equal(G.synthesis([a, a, b]), G.to_image(h[-1]).tanh().view(1, 1, 2, 2))
    assert not torch.allclose(G.synthesis([a, a, b]), G.synthesis([a, a, c]))
    bottom = styled(styles=False).eval()
    assert torch.equal(bottom.synthesis([a, a, b]), bottom.synthesis([a, c, c]))


def test_styles_are_mixed_in_training_alone():
    always, never = styled(mixing=1.0), styled()
    z = always.sample_z(4)
    assert torch.equal(always.eval()(z), never(z)) and torch.equal(never(z), never.eval()(z))
    assert not torch.allclose(always.train()(z), always.eval()(z))


def test_without_a_mapping_w_is_z():
    G = styled(mapping=0)
    z = G.sample_z(2)
    assert torch.equal(G.mapping(z), z)
