"""The annotations are checked while the tests run, and cost nothing outside them."""

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from ganlib import data, networks, objectives, penalties, training, types


@pytest.mark.parametrize(
    "call",
    [
        lambda: objectives.minimax_d_loss(torch.zeros(3, 1), torch.zeros(3)),
        lambda: objectives.minimax_d_loss(torch.zeros(3), torch.zeros(4)),  # one name, one length
        lambda: objectives.hinge_d_loss(torch.zeros(3, dtype=torch.int64), torch.zeros(3)),
        lambda: data.to_float(torch.zeros(2, 1, 4, 4)),
        lambda: data.to_uint8(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)),
        lambda: networks.MLPGenerator()(torch.zeros(100)),
        lambda: networks.MLPDiscriminator()(torch.zeros(2, 784)),
        lambda: penalties.r1(lambda x: x.sum(1), torch.zeros(2, 2, dtype=torch.int32), torch.zeros(2, 2)),
        lambda: training.check_finite(torch.zeros(2), "D", 1),
    ],
)
def test_a_wrong_shape_or_dtype_is_caught(call):
    with pytest.raises(TypeCheckError):
        call()


def test_the_return_value_is_checked():
    broken = objectives.Objective(objectives.minimax_d_loss, lambda r, f: f)
    generator, discriminator = networks.MLPGenerator(2, (3,), (1, 2, 2)), networks.MLPDiscriminator((1, 2, 2), (3,))
    run = training.Run(
        generator,
        discriminator,
        torch.optim.SGD(generator.parameters(), lr=0.1),
        torch.optim.SGD(discriminator.parameters(), lr=0.1),
    )
    with pytest.raises(TypeCheckError):  # the loss of G is no scalar
        training.generator_step(run, torch.zeros(4, 1, 2, 2), broken)


def test_an_objective_is_a_game():
    assert isinstance(objectives.nonsaturating, types.Game)
    assert not isinstance(torch.nn.Linear(1, 1), types.Game)


def test_without_the_hook_nothing_is_checked_and_no_checker_is_imported():
    code = (
        "import torch, sys; from ganlib import objectives;"
        "assert objectives.wasserstein_g_loss(None, torch.ones(2, 2)).item() == -1;"
        "assert 'beartype' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)
