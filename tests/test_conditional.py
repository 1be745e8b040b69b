"""Networks that are told a class: what they read, what the projection is, and how good the shipped generator is."""

import pytest
import torch
from torch import nn

from ganlib import conditional, conv, data, eye, networks, objectives, record, training
from ganlib.export import shipped_export

CHECKED = pytest.mark.usefixtures("unchecked")


def small_pair(D=conditional.ProjectionDiscriminator):
    torch.manual_seed(0)
    G = conditional.ConditionalGenerator(3, 4, (6, 5), (1, 2, 2))
    return G, D((1, 2, 2), 4, (7, 6))


def test_labels_become_rows_of_zeros_and_a_one():
    rows = conditional.label_rows(torch.tensor([2, 0]), 3, torch.zeros(2, 5, dtype=torch.float64))
    assert rows.dtype == torch.float64 and rows.tolist() == [[0, 0, 1], [1, 0, 0]]


@CHECKED
@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        (torch.tensor([1.0, 0.0]), TypeError, "labels must be int64"),
        (torch.tensor([1]), ValueError, r"labels must have shape \(2,\)"),
        (torch.tensor([1, 3]), ValueError, r"labels must lie in 0\.\.2, of 3 classes, got 1 to 3"),
        (torch.tensor([-1, 2]), ValueError, r"labels must lie in 0\.\.2, of 3 classes, got -1 to 2"),
        ([0, 1], TypeError, "labels must be a tensor or a NumPy array, got list"),
    ],
)
def test_labels_that_are_none_are_refused(labels, error, says):
    with pytest.raises(error, match=says):
        conditional.label_rows(labels, 3, torch.zeros(2, 5))


def test_the_label_is_appended():
    """The layers see z and the one-hot label, in this order; D sees pixels and label."""
    G, D = small_pair(conditional.ConcatDiscriminator)
    z, labels = G.sample_z(5), torch.tensor([0, 3, 1, 2, 3])
    seen = torch.cat([z, nn.functional.one_hot(labels, 4).float()], dim=1)
    assert torch.equal(G.eval()(z, labels), G.layers(seen).view(5, 1, 2, 2))
    images = torch.randn(5, 1, 2, 2)
    seen = torch.cat([images.flatten(1), nn.functional.one_hot(labels, 4).float()], dim=1)
    assert torch.equal(D(images, labels), D.layers(seen)[:, 0])


def test_the_convolutional_pair_is_chapter_15s_told_a_label():
    """G: a label behind z, then the layers of its G. D: the layers of its D up to the last, and the projection."""
    torch.manual_seed(0)
    G, D = conditional.ConvConditionalGenerator(3, 4, (1, 8, 8)), conditional.ConvProjectionDiscriminator((1, 8, 8), 4)
    torch.manual_seed(0)
    plain_G, plain_D = conv.DCGANGenerator(7, image_shape=(1, 8, 8)), conv.DCGANDiscriminator((1, 8, 8))
    z, labels = G.sample_z(5), torch.tensor([0, 3, 1, 2, 3])
    images = G.eval()(z, labels)
    assert torch.equal(images, plain_G.eval()(torch.cat([z, nn.functional.one_hot(labels, 4).float()], dim=1)))
    assert torch.equal(D(images, labels), plain_D(images))  # V is 0
    nn.init.normal_(D.V.weight)
    with_label = plain_D(images) + (D.V.weight[labels] * plain_D.layers[:-1](images)).sum(dim=1)
    assert (D(images, labels) - with_label).abs().max() < 1e-6


def test_latents_of_a_seed_are_one_and_standard_normal():
    G, _ = small_pair()
    dice = [torch.Generator().manual_seed(3) for _ in range(2)]
    one, two = (G.sample_z(4_000, each) for each in dice)
    assert torch.equal(one, two) and one.mean().abs() < 0.03 and abs(one.std() - 1) < 0.03


def test_the_projection_is_linear_in_the_features():
    """Between two labels the logits of one image differ by (V_a - V_b) phi, whatever psi is."""
    _, D = small_pair()
    D = D.double()
    nn.init.normal_(D.V.weight)
    images, labels = torch.randn(6, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])
    phi, others = D.phi(images), (labels + 1) % 4
    difference = D(images, labels) - D(images, others)
    expected = ((D.V.weight[labels] - D.V.weight[others]) * phi).sum(dim=1)
    assert (difference - expected).abs().max() < 1e-12 and difference.abs().min() > 1e-3


def test_a_fresh_projection_knows_no_label():
    _, D = small_pair()
    images = torch.randn(6, 1, 2, 2)
    assert torch.equal(D(images, torch.zeros(6, dtype=torch.int64)), D(images, torch.full((6,), 3)))


@pytest.mark.parametrize("D", [conditional.ConcatDiscriminator, conditional.ProjectionDiscriminator])
def test_a_pair_learns_which_label_is_which(D):
    """Class 0 is black, class 1 white: after 400 rounds G draws what it is told. Untold, half would be right."""
    torch.manual_seed(0)
    G, judge = conditional.ConditionalGenerator(2, 2, (8,), (1, 1, 1)), D((1, 1, 1), 2, (16,))
    opts = [torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.0, 0.99)) for net in (G, judge)]
    labels = torch.arange(256) % 2
    images = 1.0 * labels.view(-1, 1, 1, 1) - 0.5 + 0.1 * torch.randn(256, 1, 1, 1)
    run = training.Run(G, judge, *opts)
    for _ in training.train(run, data.batches((images, labels), 32), objectives.nonsaturating, steps=400, look=400):
        pass
    drawn = networks.sample(run.G_ema, 200, 1, torch.arange(200) % 2)
    assert ((drawn.flatten() > 0) == (torch.arange(200) % 2 == 1)).double().mean() > 0.95


SHIPPED = {
    "conditions": (conditional.conditional_generator, lambda run: run["way"] == "projection"),
    "conditions_pair": (conditional.conv_conditional_generator, lambda run: True),
}


@pytest.mark.parametrize("experiment", SHIPPED)
def test_the_shipped_generator_obeys(experiment):
    """As recorded, in half precision; the eye's own error is half a percent."""
    make, is_its_own = SHIPPED[experiment]
    G, labels = make(), torch.arange(2_000) % 10
    assert not G.training and all(weight.dtype == torch.float32 for weight in G.parameters())
    read = eye.classify(eye.digit_classifier(), networks.sample(G, 2_000, 1, labels))[1].argmax(dim=1)
    agreement = (read == labels).double().mean().item()
    (recorded,) = [run for run in record.read(experiment)["runs"] if is_its_own(run) and run["seed"] == 0]
    assert agreement >= 0.97 and agreement == pytest.approx(recorded["agreement"], abs=0.01)


def test_the_shipped_generator_fits_the_latent_plane():
    assert '"classes": 10' in shipped_export("conditional_generator")
