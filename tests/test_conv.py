"""The convolutional pair: shapes, what a layer computes, which weights learn faster, and the generator that is shipped."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganlib import conv, networks, objectives, training


@pytest.mark.parametrize("up", [conv.shuffled, conv.transposed, conv.resized, lambda a, b: conv.transposed(a, b, 3)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 16, 8)])
def test_every_way_doubles_every_shape(up, shape):
    G = conv.DCGANGenerator(5, (8,), (6, 4), shape, up)
    images = G(G.sample_z(3))
    assert images.shape == (3, *shape) and images.abs().max() <= 1
    assert conv.DCGANDiscriminator(shape, (4, 5), (6,))(images).shape == (3,)
    assert conv.DCGANDiscriminator(shape, (4,), (), patch=2)(images).shape == (3,)


def test_the_pair_has_fewer_weights_than_half_a_million():
    sizes = [sum(w.numel() for w in net.parameters()) for net in (conv.DCGANGenerator(), conv.DCGANDiscriminator())]
    assert max(sizes) < 500_000


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(1, 30, 28), (1, 28), (0, 28, 28), (1, 28, 2)])
def test_a_shape_that_cannot_be_divided_is_refused(shape):
    for build in (lambda: conv.DCGANGenerator(image_shape=shape), lambda: conv.DCGANDiscriminator(shape)):
        with pytest.raises(ValueError, match=r"image_shape must be \(channel, height, width\) with sides divisible by 4"):
            build()


@pytest.mark.usefixtures("unchecked")
def test_inputs_are_checked_as_chapter_8_checks_them():
    G, D = conv.DCGANGenerator(), conv.DCGANDiscriminator()
    with pytest.raises(ValueError, match=r"z must have shape \(batch, 64\)"):
        G(torch.zeros(2, 63))
    with pytest.raises(ValueError, match=r"images must have shape \(batch, 1, 28, 28\)"):
        D(torch.zeros(2, 1, 32, 32))
    with pytest.raises(TypeError, match=r"data\.to_float scales bytes"):
        D(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


def kernel_of(weight, s):
    """The wide kernel of a convolution behind PixelUnshuffle(s), place by place."""
    out, channels, k, _ = weight.shape
    wide = torch.zeros(out, channels // s**2, k * s, k * s, dtype=weight.dtype)
    for c, u, v, i, j in itertools.product(range(channels // s**2), range(k), range(k), range(s), range(s)):
        wide[:, c, u * s + i, v * s + j] = weight[:, c * s**2 + i * s + j, u, v]
    return wide


def test_shuffled_is_a_transposed_convolution_of_kernel_6():
    torch.manual_seed(0)
    layer = conv.shuffled(3, 2).double()
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    wide = kernel_of(layer[0].weight.flip(2, 3).transpose(0, 1).reshape(3, 8, 3, 3), 2)
    expected = F.conv_transpose2d(x, wide, stride=2, padding=2)
    bias = F.pixel_shuffle(layer[0].bias[None, :, None, None].expand(1, 8, 7, 7), 2)
    torch.testing.assert_close(layer(x), expected + bias, rtol=0, atol=1e-12)


def test_the_first_layer_of_d_is_a_convolution_of_kernel_12():
    torch.manual_seed(0)
    D = conv.DCGANDiscriminator().double()
    x, first = torch.randn(2, 1, 28, 28, dtype=torch.float64), D.layers[1]
    expected = F.conv2d(x, kernel_of(first.weight, 4), first.bias, stride=4, padding=4)
    torch.testing.assert_close(D.layers[:2](x), expected, rtol=0, atol=1e-12)


def test_convolutions_alone_learn_faster_and_no_weight_is_lost():
    G = conv.DCGANGenerator()
    slow, fast = conv.faster_convolutions(G, 1e-3, 4.0)
    assert (slow["lr"], fast["lr"]) == (1e-3, 4e-3)
    assert {id(w) for group in (slow, fast) for w in group["params"]} == {id(w) for w in G.parameters()}
    assert len(slow["params"]) + len(fast["params"]) == len(list(G.parameters()))
    convolutions = [layer for layer in G.modules() if isinstance(layer, nn.Conv2d)]
    assert {id(w) for w in fast["params"]} == {id(w) for layer in convolutions for w in layer.parameters()}


@pytest.mark.usefixtures("unchecked")
def test_groups_of_no_network_are_refused():
    with pytest.raises(TypeError, match=r"network must be a torch.nn.Module, got NoneType"):
        conv.faster_convolutions(None, 1e-3)


def test_the_loop_trains_the_pair():
    torch.manual_seed(0)
    G, D = conv.DCGANGenerator(8, (16,), (8, 4)), conv.DCGANDiscriminator(channels=(8,), dense=(16,))
    opts = [torch.optim.Adam(conv.faster_convolutions(net, 1e-3)) for net in (G, D)]
    run = training.Run(G, D, *opts)
    before = [w.clone() for net in (G, D) for w in net.parameters()]
    batches = iter([torch.rand(8, 1, 28, 28) * 2 - 1] * 2)
    rows = list(training.train(run, batches, objectives.nonsaturating, steps=2))
    assert len(rows) == 2
    moved = [not torch.equal(w, old) for w, old in zip([w for net in (G, D) for w in net.parameters()], before)]
    assert sum(moved) >= len(moved) - 2  # a bias before batch normalisation may stay


def test_the_shipped_generator_draws_digits():
    G = conv.dcgan_generator()
    assert not G.training and all(w.dtype == torch.float32 for w in G.parameters())
    state = torch.get_rng_state()
    images = networks.sample(G, 4)
    assert images.shape == (4, 1, 28, 28) and torch.equal(networks.sample(conv.dcgan_generator(), 4), images)
    assert torch.equal(torch.get_rng_state(), state)
