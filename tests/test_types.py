"""The annotations are checked while the tests run, and cost nothing outside them."""

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from ganlib import data, guards, networks, objectives, penalties, types


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
        lambda: guards.step_if_finite(None, None, torch.zeros(2)),
    ],
)
def test_a_wrong_shape_or_dtype_is_caught(call):
    with pytest.raises(TypeCheckError):
        call()


def test_the_return_value_is_checked():
    class Flat(torch.nn.Module):
        z_dim = 3

        def sample_z(self, n, generator=None):
            return torch.zeros(n, 3)

        def forward(self, z):
            return z.int()

    with pytest.raises(TypeCheckError):  # samples are floating point
        networks.sample(Flat(), 4)


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
