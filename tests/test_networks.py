"""The MLP pair of chapter 8 and the classifier: counts in closed form, shapes, and what is absent (eps = 0.8, a sigmoid)."""

import copy
import hashlib
import json
import math
import pickle
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from ganlib import data, networks, objectives, record, shipped, training
from ganlib.conditional import conditional_generator, conv_conditional_generator
from ganlib.conv import dcgan_generator
from ganlib.eye import DigitClassifier, classify, digit_classifier
from ganlib.networks import MLPDiscriminator, MLPGenerator


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("z_dim", "widths", "shape"),
    [(100, (128, 256, 512, 1024), (1, 28, 28)), (3, (4, 5), (2, 3, 4)), (2, (6,), (1, 1, 2))],
)
def test_parameters_of_g(z_dim, widths, shape):
    """Each layer has in * out + out; each hidden layer but the first has a BatchNorm with 2 * out."""
    sizes = [z_dim, *widths, math.prod(shape)]
    expected = sum((a + 1) * b for a, b in pairwise(sizes)) + 2 * sum(widths[1:])
    assert count(MLPGenerator(z_dim, widths, shape)) == expected


def test_parameters_of_d():
    assert count(MLPDiscriminator()) == 785 * 512 + 513 * 256 + 257 == 533_505
    assert count(MLPDiscriminator((2, 3, 4), (5,))) == 25 * 5 + 6


def test_g_is_the_pair_of_the_book():
    G = MLPGenerator()
    kinds = [type(layer).__name__ for layer in G.layers]
    hidden = ["Linear", "BatchNorm1d", "LeakyReLU"]
    assert kinds == ["Linear", "LeakyReLU", *hidden, *hidden, *hidden, "Linear", "Tanh"]
    assert [layer.out_features for layer in G.layers if isinstance(layer, nn.Linear)] == [128, 256, 512, 1024, 784]
    norms = [layer for layer in G.layers if isinstance(layer, nn.BatchNorm1d)]
    assert [(norm.eps, norm.momentum) for norm in norms] == [(1e-5, 0.1)] * 3  # BatchNorm1d(n, 0.8) would set eps
    slopes = {
        layer.negative_slope for net in (G, MLPDiscriminator()) for layer in net.layers if isinstance(layer, nn.LeakyReLU)
    }
    assert slopes == {0.2}


def test_d_is_the_pair_of_the_book():
    kinds = [type(layer).__name__ for layer in MLPDiscriminator().layers]
    assert kinds == ["Flatten", "Linear", "LeakyReLU", "Linear", "LeakyReLU", "Linear"]  # no sigmoid, no BatchNorm


def test_shapes_and_ranges():
    G, D = MLPGenerator(), MLPDiscriminator()
    z = G.sample_z(5)
    assert z.shape == (5, 100)
    images = G(z)
    assert images.shape == (5, 1, 28, 28)
    assert -1 <= images.min() < images.max() <= 1
    logits = D(images)
    assert logits.shape == (5,)
    small = MLPGenerator(3, (4,), (2, 3, 5))
    assert small(small.sample_z(1)).shape == (1, 2, 3, 5)


def test_d_gives_logits_without_bounds():
    D = MLPDiscriminator((1, 1, 2), (4,))
    with torch.no_grad():
        for layer in D.layers:
            if isinstance(layer, nn.Linear):
                layer.weight.fill_(10.0)
                layer.bias.zero_()
    logits = D(torch.tensor([[[[1.0, 1.0]]], [[[-1.0, -1.0]]]]))
    assert logits.tolist() == pytest.approx([800.0, -160.0])


def test_g_by_hand():
    """One hidden layer: tanh(W2 leaky(W1 z + b1) + b2), laid out row by row."""
    G = MLPGenerator(2, (3,), (1, 2, 2)).double()
    first, _, last, _ = G.layers
    z = G.sample_z(4)
    assert z.dtype == torch.float64
    inner = z @ first.weight.T + first.bias
    inner = torch.where(inner > 0, inner, 0.2 * inner)
    expected = torch.tanh(inner @ last.weight.T + last.bias).reshape(4, 1, 2, 2)
    torch.testing.assert_close(G(z), expected)


def test_batch_norm_in_training_is_normalisation_over_the_batch():
    G = MLPGenerator(2, (3, 4), (1, 1, 1))
    seen = []
    G.layers[3].register_forward_hook(lambda layer, args, out: seen.append((args[0], out)))
    G(G.sample_z(200))
    (before, after), norm = seen[0], G.layers[3]
    expected = (before - before.mean(dim=0)) / (before.var(dim=0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(after, expected)
    torch.testing.assert_close(norm.running_mean, 0.1 * before.mean(dim=0))


def test_latents_are_standard_normal_and_follow_the_seed():
    G = MLPGenerator(50, (2,), (1, 1, 1))
    torch.manual_seed(4)
    z = G.sample_z(2000)
    n = z.numel()
    assert abs(z.mean().item()) < 5 / n**0.5
    assert abs(z.var().item() - 1) < 5 * (2 / n) ** 0.5
    torch.manual_seed(4)
    assert torch.equal(z, G.sample_z(2000))
    assert G.to("meta").sample_z(2).device.type == "meta"


@pytest.mark.usefixtures("unchecked")
class TestErrors:
    @pytest.mark.parametrize("shape", [(100,), (4, 99), (0, 100), (4, 100, 1)])
    def test_z(self, shape):
        with pytest.raises(ValueError, match=rf"z must have shape \(batch, 100\).*got \({shape[0]}"):
            MLPGenerator()(torch.zeros(shape))

    @pytest.mark.parametrize("shape", [(4, 784), (4, 1, 28, 27), (4, 3, 28, 28), (0, 1, 28, 28), (1, 28, 28)])
    def test_images(self, shape):
        with pytest.raises(ValueError, match=rf"images must have shape \(batch, 1, 28, 28\).*got \({shape[0]}"):
            MLPDiscriminator()(torch.zeros(shape))
        with pytest.raises(ValueError, match=rf"images must have shape \(batch, 1, 28, 28\).*got \({shape[0]}"):
            DigitClassifier()(torch.zeros(shape))

    @pytest.mark.parametrize("n", [0, -1])
    def test_no_latents(self, n):
        with pytest.raises(ValueError, match=f"n must be at least 1, got {n}"):
            MLPGenerator().sample_z(n)

    def test_dtype(self):
        with pytest.raises(TypeError, match=r"z must be torch.float32 as the weights are, got torch.float64"):
            MLPGenerator()(torch.zeros(4, 100, dtype=torch.float64))
        with pytest.raises(TypeError, match=r"images must be floating point in \[-1, 1\], got torch.uint8; data.to_float"):
            MLPDiscriminator()(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
        assert MLPGenerator().double()(torch.zeros(4, 100, dtype=torch.float64)).dtype == torch.float64

    def test_device_is_named_by_torch(self):
        with pytest.raises(RuntimeError, match=r"cpu.*meta"):
            MLPDiscriminator()(torch.zeros(2, 1, 28, 28, device="meta"))


def test_the_classifier_is_small_and_whole():
    classifier = digit_classifier()
    assert count(classifier) == (25 + 1) * 16 + (25 * 16 + 1) * 32 + (32 * 49 + 1) * 64 + 65 * 10
    assert not classifier.training


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_samples_have_the_type_of_the_weights(dtype):
    G = MLPGenerator(z_dim=8, widths=(16,))
    exact, cast = networks.sample(G, 4), networks.sample(copy.deepcopy(G).to(dtype), 4)
    assert cast.dtype == dtype
    torch.testing.assert_close(cast.float(), exact, rtol=0, atol=1e-6 if dtype == torch.float64 else 0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_classify_takes_floats_of_any_precision(dtype):
    images, classifier = data.to_float(data.digits().images[:20]), digit_classifier()
    (_, exact), (features, probabilities) = classify(classifier, images), classify(classifier, images.to(dtype))
    assert features.dtype == torch.float32
    torch.testing.assert_close(probabilities, exact, rtol=0, atol=0.02)


def test_classify_in_pieces_is_classify_at_once():
    classifier = digit_classifier()
    images, _ = data.digits("test")
    features, probabilities = classify(classifier, images[:50], batch=7)
    assert features.shape == (50, 64)
    assert probabilities.shape == (50, 10)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(50))
    whole = classify(classifier, data.to_float(images[:50]))
    torch.testing.assert_close(features, whole[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(probabilities, classifier(data.to_float(images[:50])).softmax(dim=1), rtol=1e-4, atol=1e-4)
    assert not features.requires_grad
    with pytest.raises(ValueError, match="batch >= 1"):
        classify(classifier, images[:0])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (torch.full((2, 1, 28, 28), 255.0), ValueError, r"must lie in \[-1, 1\], got values from 255 to 255; data.to_float"),
        (torch.full((2, 1, 28, 28), -1.1), ValueError, "got values from -1.1 to -1.1"),
        (torch.full((2, 1, 28, 28), float("nan")), ValueError, "got values from nan to nan"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.int64), TypeError, "floating point in .* or uint8, got torch.int64"),
        (torch.zeros(2, 28, 28), ValueError, r"\(batch, 1, 28, 28\).*got \(2, 28, 28\)"),
        (torch.full((2, 1, 28, 28), -1.05), ValueError, "got values from -1.05 to -1.05"),
        (torch.linspace(-1, 1.002, 784).view(1, 1, 28, 28), ValueError, "got values from -1 to 1.002"),
        (torch.linspace(-1.002, 1, 784).view(1, 1, 28, 28), ValueError, "got values from -1.002 to 1"),
        (torch.linspace(0, 1, 784).view(1, 1, 28, 28), ValueError, r"from 0 to 1, as in \[0, 1\]; data.to_float scales bytes"),
        (torch.zeros(2, 1, 28, 28), ValueError, r"from 0 to 0, as in \[0, 1\]; data.to_float"),
        (torch.zeros(2, 1, 28, 28, device="meta"), ValueError, 'images must hold values, got a tensor on the device "meta"'),
        ([[0.0]], TypeError, "images must be a tensor or a NumPy array, got list"),
    ],
)
def test_classify_refuses_what_it_would_misread(images, error, words):
    with pytest.raises(error, match=words):
        classify(digit_classifier(), images)


@pytest.mark.parametrize("images", [torch.full((2, 1, 28, 28), -1.0), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)])
def test_classify_takes_black_and_what_rounds_beyond_the_ends(images):
    features, _ = classify(digit_classifier(), images)
    assert torch.equal(features[0], features[1])
    classify(digit_classifier(), torch.linspace(-1.0009, 1.0009, 784).view(1, 1, 28, 28))


def test_classify_warns_of_dark_digits_on_white():
    """Every real digit turned round is noticed, as bytes and as floats; none as it is, nor a half-grey untrained G."""
    classifier, images = digit_classifier(), data.digits("test").images
    for inverted in (255 - images, -data.to_float(images), -data.to_float(images).bfloat16(), (255 - images).numpy()):
        with pytest.warns(UserWarning, match=r"images look like dark digits on white.*hand over -images, or 255 - images"):
            classify(classifier, inverted)
    for upright in (images, data.to_float(images), networks.sample(MLPGenerator(), 50)):
        classify(classifier, upright)


@pytest.mark.usefixtures("unchecked")
def test_classify_takes_arrays_and_leaves_everything_as_it_was():
    classifier, (images, _) = digit_classifier(), data.digits("test")
    array = images[:20].numpy()
    for found in (classify(classifier, array), classify(classifier, data.to_float(array).numpy())):
        assert all(torch.equal(a, b) for a, b in zip(found, classify(classifier, images[:20])))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(classify(classifier, array)[0], found[0])
    with pytest.raises(ValueError, match="classifier must be in evaluation mode"):
        classify(classifier.train(), array)
    with pytest.raises(TypeError, match="classifier must be a DigitClassifier, got Linear"):
        classify(torch.nn.Linear(1, 1), array)
    with pytest.raises(TypeError, match=r"batch must be a whole number, got 2.5"):
        classify(classifier.eval(), array, batch=2.5)


def test_the_classifier_leaves_torchs_generator_alone():
    state = torch.get_rng_state()
    classifier = digit_classifier()
    assert torch.equal(torch.get_rng_state(), state)
    assert {(p.dtype, p.device.type, p.requires_grad) for p in classifier.parameters()} == {(torch.float32, "cpu", True)}


def test_samples_depend_on_the_seed_alone():
    """Not on how many are drawn, nor on what torch's own generator has done; and they use evaluation mode."""
    torch.manual_seed(0)
    G = MLPGenerator(widths=(4, 8))
    first = networks.sample(G, 2500, seed=3)
    state = torch.get_rng_state()
    assert G.training and first.shape == (2500, 1, 28, 28) and not first.requires_grad
    z = torch.randn(2500, 100, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(first, G.eval()(z).detach())
    assert torch.equal(networks.sample(G, 2500, seed=3), first) and not torch.equal(networks.sample(G, 2500, seed=4), first)
    assert torch.equal(torch.get_rng_state(), state)


def everything(network):
    """All that a helper might change: weights, batch statistics, gradients, and who is in which mode."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    grads = [weight.grad for weight in network.parameters()]
    return state, grads, [(module.training, module) for module in network.modules()]


@pytest.mark.parametrize("mode", ["training", "evaluation", "mixed", "interrupted"])
def test_a_sampled_generator_is_as_it_was(mode):
    """Chapter 9 shows a run whose G stays in evaluation mode: batch statistics stand still, and digits get worse."""
    G = networks.MLPGenerator(widths=(4, 8, 8))
    G.train(mode != "evaluation")
    if mode == "mixed":
        G.layers[3].eval()
    if mode == "interrupted":
        G.register_forward_hook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    state, grads, modes = everything(G)
    try:
        networks.sample(G, 3)
    except KeyboardInterrupt:
        assert mode == "interrupted"
    now, grads_now, modes_now = everything(G)
    assert all(torch.equal(now[name], state[name]) for name in state) and grads_now == grads and modes_now == modes


class UniformG(nn.Module):
    """A G with a prior of its own, and with a condition."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def sample_z(self, n, generator=None):
        return torch.rand(n, 2, generator=generator)

    def forward(self, z, shift=None):
        return self.scale * z + (0 if shift is None else shift[:, None])


def test_latents_are_gs_own():
    points = networks.sample(UniformG(), 1000)
    assert points.min() >= 0 and points.max() <= 1


def test_conditions_travel_with_their_latents():
    """Two thousand and one samples in three chunks: every one gets its own condition."""
    n = 2001
    shift = torch.arange(n) * 2.0
    points = networks.sample(UniformG(), n, 5, shift)
    torch.testing.assert_close(points - shift[:, None], networks.sample(UniformG(), n, 5), atol=3e-4, rtol=0)
    with pytest.raises(ValueError, match=r"given must hold conditions for n = 7 samples, got shape \(6,\)"):
        networks.sample(UniformG(), 7, 1, torch.zeros(6))


@pytest.mark.usefixtures("unchecked")
def test_conditions_may_be_arrays():
    shift = np.arange(5.0, dtype=np.float32)
    assert torch.equal(networks.sample(UniformG(), 5, 1, shift), networks.sample(UniformG(), 5, 1, torch.from_numpy(shift)))
    labels = np.arange(10)
    G = conditional_generator()
    assert torch.equal(networks.sample(G, 10, 1, torch.from_numpy(labels)), networks.sample(G, 10, 1, labels))
    with pytest.raises(TypeError, match="given must be a tensor or a NumPy array, got list"):
        networks.sample(UniformG(), 2, 1, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"given must hold conditions for n = 2 samples, got shape \(\)"):
        networks.sample(UniformG(), 2, 1, torch.tensor(1.0))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("G", [None, nn.Linear(2, 2), UniformG])
def test_what_draws_no_samples_is_refused(G):
    with pytest.raises(TypeError, match=r"G must (be a torch.nn.Module|have a method sample_z)"):
        networks.sample(G, 2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_seed_means_the_same_latents_in_every_precision(dtype):
    G = networks.MLPGenerator(widths=(4, 8))
    z = G.sample_z(9, torch.Generator().manual_seed(4))
    assert torch.equal(G.to(dtype).sample_z(9, torch.Generator().manual_seed(4)), z.to(dtype))


def test_in_bfloat16_is_the_network_rounded():
    """What goes in and comes out is float32, products are those of autocast, weights and their gradients are float32."""
    D = networks.MLPDiscriminator((1, 4, 4), (8,))
    half = networks.in_bfloat16(D)
    x = torch.randn(50, 1, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = D(x)
    assert rounded.dtype == torch.bfloat16
    logits = half(x)
    assert logits.dtype == torch.float32 and torch.equal(logits, rounded.float()) and not torch.equal(logits, D(x))
    logits.sum().backward()
    assert all(w.grad.dtype == torch.float32 for w in D.parameters())
    assert half(x.double().float()).dtype == torch.float32


def test_in_bfloat16_sees_weights_change():
    """Autocast keeps the rounded copies of weights within one context; after a step they would be yesterday's."""
    D = networks.in_bfloat16(nn.Linear(4, 4))
    x = torch.randn(3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # a reader's own context around all of it
        before = D(x)
        with torch.no_grad():
            D.weight.add_(1.0)
        assert not torch.equal(D(x), before)


@pytest.mark.usefixtures("unchecked")
def test_in_bfloat16_answers_for_its_network():
    G = networks.MLPGenerator(3, (4, 8), (1, 4, 4))
    half = networks.in_bfloat16(G)
    assert half.z_dim == 3 and half.sample_z(5).shape == (5, 3) and half.image_shape == (1, 4, 4)
    assert networks.sample(half, 4).dtype == torch.float32
    other = copy.deepcopy(half)
    assert other.module is not G and torch.equal(other.layers[0].weight, G.layers[0].weight)
    assert pickle.loads(pickle.dumps(half)).z_dim == 3
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        half.nothing  # noqa: B018
    with pytest.raises(TypeError, match=r"network must be a torch\.nn\.Module, got builtin"):
        networks.in_bfloat16(torch.sin)


def test_losses_of_a_half_precision_game_are_not_rounded_to_eight_bits():
    """The mean of a hundred different losses is no multiple of 1/128, as it was when the loss itself was in bfloat16."""
    G, D = (networks.in_bfloat16(net) for net in (networks.MLPGenerator(widths=(8, 8)), networks.MLPDiscriminator(widths=(8,))))
    run = training.Run(G, D, torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters()))
    reals = data.batches(torch.rand(200, 1, 28, 28) * 2 - 1, 100)
    losses = list(training.train(run, reals, objectives.nonsaturating, steps=6))
    assert not any((128 * row.loss_D) % 1 == 0 or (128 * row.loss_G) % 1 == 0 for row in losses)


@pytest.mark.parametrize("widths", [(), (4, 0), (4, 2.5), "48", None])
def test_a_pair_without_units_is_refused(widths):
    """D may have no hidden layer, G needs one; no number of units is zero or a part."""
    with pytest.raises((TypeError, ValueError), match="widths"):
        networks.MLPGenerator(widths=widths)
    if widths != ():
        with pytest.raises((TypeError, ValueError), match="widths"):
            networks.MLPDiscriminator(widths=widths)


SHIPPED = {
    "digit_classifier.safetensors": ("digit_classifier", digit_classifier),
    "mnist_generator.safetensors": ("mnist_gan", networks.mnist_generator),
    "dcgan_generator.safetensors": ("convolution", dcgan_generator),
    "conditional_generator.safetensors": ("conditions", conditional_generator),
    "conv_conditional_generator.safetensors": ("conditions_pair", conv_conditional_generator),
}


def test_the_weights_are_those_of_the_manifest_and_the_record():
    folder = files("ganlib") / "weights"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest.keys() == SHIPPED.keys() == {path.name for path in folder.iterdir()} - {"manifest.json"}
    for name, (experiment, _) in SHIPPED.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert manifest[name]["sha256"] == found
        assert record.read(experiment)["sha256"] == found


@pytest.mark.parametrize("name", SHIPPED)
def test_other_weights_are_refused(name, tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    folder.mkdir()
    original = files("ganlib") / "weights"
    (folder / "manifest.json").write_text((original / "manifest.json").read_text())
    content = bytearray((original / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(ValueError, match=rf"{name} has SHA-256 {found}, expected [0-9a-f]{{64}}: reinstall"):
        SHIPPED[name][1]()


def test_the_shipped_generator_draws_digits_of_every_class():
    G = networks.mnist_generator()
    assert not G.training and all(p.dtype == torch.float32 for p in G.parameters())
    z = torch.randn(2000, 100, generator=torch.Generator().manual_seed(0))
    _, probabilities = classify(digit_classifier(), G(z).detach())
    assert probabilities.max(dim=1).values.mean() > 0.9
    assert (torch.bincount(probabilities.argmax(dim=1), minlength=10) > 80).all()  # of 200 each
