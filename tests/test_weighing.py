"""Weights read off gradients and off logits, against values by hand and distributions that are known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganlib import weighing


def two_losses(scale=1.0):
    """Two losses of one layer whose gradients there are (3, 4) and `scale` times (0, -2)."""
    layer = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    loss = layer @ torch.tensor([3.0, 4.0], dtype=torch.float64)
    return loss, scale * (layer @ torch.tensor([0.0, -2.0], dtype=torch.float64)), layer


def test_the_weight_is_the_ratio_of_the_norms():
    loss, adversarial, layer = two_losses()
    weight = weighing.adaptive_weight(loss, adversarial, layer)
    assert weight.item() == pytest.approx(5 / (2 + 1e-4), rel=1e-12) and not weight.requires_grad
    (loss + adversarial).backward()  # both graphs are still there
    assert torch.equal(layer.grad, torch.tensor([3.0, 2.0], dtype=torch.float64))


def test_another_unit_of_the_adversarial_loss_changes_nothing():
    sums = []
    for scale in (1.0, 50.0, 0.5):
        loss, adversarial, layer = two_losses(scale)
        total = loss + 0.8 * weighing.adaptive_weight(loss, adversarial, layer) * adversarial
        sums.append(torch.autograd.grad(total, layer)[0])
    assert all((one - sums[0]).abs().max() < 1e-3 for one in sums)  # but for the 1e-4 of the divisor
    assert sums[0][1] == pytest.approx(4 - 0.8 * 5, abs=1e-3)


def test_the_weight_is_clamped_and_finite_for_a_judge_without_a_slope():
    loss, adversarial, layer = two_losses(0.0)
    assert weighing.adaptive_weight(loss, adversarial, layer).item() == 1e4
    assert weighing.adaptive_weight(loss, adversarial, layer, most=7.0).item() == 7


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_reach_the_layer_is_refused():
    loss, adversarial, layer = two_losses()
    other = nn.Parameter(torch.ones(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="adversarial must depend on the layer"):
        weighing.adaptive_weight(loss, adversarial.detach(), layer)
    with pytest.raises(ValueError, match="loss must depend on the layer"):
        weighing.adaptive_weight(other.sum(), adversarial, layer)
    with pytest.raises(ValueError, match=r"loss must be a real number of shape \(\)"):
        weighing.adaptive_weight(2 * layer, adversarial, layer)
    with pytest.raises(ValueError, match="loss must depend on the layer"):
        weighing.adaptive_weight(loss, adversarial, layer.detach())
    with pytest.raises(TypeError, match="layer must be a tensor"):
        weighing.adaptive_weight(loss, adversarial, "last")
    with pytest.raises(ValueError, match="most"):
        weighing.adaptive_weight(loss, adversarial, layer, most=0)


@pytest.mark.parametrize("seed", range(20))
def test_weighted_fakes_count_as_reals(seed):
    """With the exact log ratio the weights of a finite set are those of the data."""
    dice = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, 7, generator=dice, dtype=torch.float64)
    p, q = p / p.sum(), q / q.sum()
    counts = (q * 100_000).round().long() + 1
    fakes = torch.arange(7).repeat_interleave(counts)
    weights = weighing.ratio_weights((p / counts.double()).log()[fakes])
    law = torch.zeros(7, dtype=torch.float64).index_add(0, fakes, weights)
    assert (law - p).abs().max() < 1e-12
    chi2 = (p**2 / (counts.double() / counts.sum())).sum() - 1
    assert weighing.effective_samples(weights) == pytest.approx(len(fakes) / (1 + chi2.item()), rel=1e-9)


def test_large_logits_and_small_weights_do_no_harm():
    weights = weighing.ratio_weights(torch.tensor([1000.0, 1000.0, -1000.0]))
    assert weights.tolist() == [0.5, 0.5, 0.0] and weights.dtype == torch.float64
    assert weighing.effective_samples(weights) == pytest.approx(2)
    assert weighing.effective_samples(np.full(5, 1e-200)) == pytest.approx(5)
    assert weighing.effective_samples(torch.tensor([0.0, 3.0])) == 1


@pytest.mark.usefixtures("unchecked")
def test_weights_that_are_none_are_refused():
    for wrong in (torch.zeros(3), torch.tensor([1.0, -0.1]), torch.tensor([1.0, math.nan])):
        with pytest.raises(ValueError, match="weights must be"):
            weighing.effective_samples(wrong)
    with pytest.raises(ValueError, match="logits must have shape"):
        weighing.ratio_weights(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="logits must be finite"):
        weighing.ratio_weights(torch.tensor([0.0, math.inf]))
