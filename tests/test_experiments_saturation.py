"""The recorded gradient norms of chapter 7: a short slice run again, and the record held to what the chapter says."""

import pytest
import saturation
import torch

from ganlib import data, record
from ganlib.objectives import minimax, nonsaturating


@pytest.fixture(scope="module")
def recorded():
    return record.read("saturation")


def test_the_gradient_is_that_of_the_loss():
    """With D = sigmoid(w x) and G(z) = z + b: dL/db is the mean of -D w, or of -(1 - D) w."""
    shift = torch.nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
    z = torch.linspace(-1, 1, 7, dtype=torch.float64).unsqueeze(1)

    class Shift(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = shift

        def forward(self, x):
            return x + self.shift

    class Slope(torch.nn.Module):
        def forward(self, x):
            return 3 * x[:, 0]

    verdict = torch.sigmoid(3 * (z[:, 0] + 0.5))
    for objective, weight in ((minimax, verdict), (nonsaturating, 1 - verdict)):
        ours = saturation.gradient_norm(Shift(), Slope(), z, objective.g_loss)
        assert abs(ours - 3 * weight.mean().item()) < 1e-12


def test_a_short_slice_behaves_as_recorded():
    """On the digits inside scikit-learn, which are always there."""
    images, _ = data.digits("train")
    config = saturation.CONFIGURATION | {"stages": [0], "looks": [0, 20, 150]}
    first, middle, last = saturation.frozen_generator(images, 0, config)["0"]
    assert 0.4 < first["prob_fake"] < 0.6 and 0.7 < first["nonsaturating"] / first["minimax"] < 1.4
    assert last["prob_fake"] < 0.03
    assert middle["minimax"] > 2 * last["minimax"]
    assert last["nonsaturating"] > 8 * first["nonsaturating"]
    assert last["nonsaturating"] > 30 * last["minimax"]


def test_the_recorded_seed_is_repeated(recorded, real_mnist):
    """The first looks of recorded seed 0, where real MNIST is within reach; otherwise the configuration alone."""
    assert recorded["configuration"] == saturation.CONFIGURATION
    if real_mnist is None:
        return
    images, _ = data.mnist("train", fallback=False)
    config = saturation.CONFIGURATION | {"stages": [0], "looks": [0, 5, 10, 20]}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ours = saturation.frozen_generator(images, 0, config)["0"]
    torch.set_num_threads(threads)
    for here, there in zip(ours, recorded["seeds"][0]["frozen"]["0"]):
        assert here["step"] == there["step"]
        for entry in ("minimax", "nonsaturating"):
            assert here[entry] == pytest.approx(there[entry], rel=0.15)


def test_the_record_says_what_the_chapter_says(recorded):
    assert [seed["seed"] for seed in recorded["seeds"]] == list(range(10))
    for seed in recorded["seeds"]:
        for looks in seed["frozen"].values():
            minimax_norms = [look["minimax"] for look in looks]
            assert max(minimax_norms) > 5 * minimax_norms[-1]
            assert looks[-1]["nonsaturating"] > 100 * looks[-1]["minimax"]
