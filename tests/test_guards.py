"""What the loop refuses: runs that cannot train, batches that D cannot judge; and a stop button pressed anywhere."""

import copy
import gc
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ganlib import data, training
from ganlib.networks import in_bfloat16
from ganlib.objectives import nonsaturating
from ganlib.training import Run, frozen, generator_step, train

pytestmark = pytest.mark.usefixtures("unchecked")


class Uncopied(nn.Module):
    """A G that refuses to be copied, as some hooks make it."""

    def __init__(self, G):
        super().__init__()
        self.G = G

    def forward(self, z):
        return self.G(z)

    def sample_z(self, n):
        return self.G.sample_z(n)

    def __deepcopy__(self, memo):
        raise RuntimeError("only leaf tensors can be copied")


def sgd(network):
    return torch.optim.SGD(network.parameters(), lr=0.1)


def changed(run, **parts):
    """The run's parts, some replaced by what a function makes of them."""
    own = {name: getattr(run, name) for name in ("G", "D", "opt_G", "opt_D")}
    return own | {name: make(**own) for name, make in parts.items()}


CANNOT_TRAIN = {
    "optimisers exchanged": (
        {"opt_G": lambda opt_D, **_: opt_D, "opt_D": lambda opt_G, **_: opt_G},
        ValueError,
        r"opt_G must hold G's weights and no others, got 4 of 4 that are D's",
    ),
    "one optimiser for both": (
        {"opt_D": lambda G, D, **_: torch.optim.SGD([*D.parameters(), *G.parameters()], lr=0.1)},
        ValueError,
        r"opt_D must hold D's weights and no others, got 12 of 16 that are G's",
    ),
    "another G's optimiser": (
        {"opt_G": lambda G, **_: sgd(copy.deepcopy(G))},
        ValueError,
        r"opt_G must hold G's weights and no others, got 12 of 12 that are no part of G",
    ),
    "a frozen D": (
        {"D": lambda D, **_: D.requires_grad_(False)},
        ValueError,
        r"opt_D must hold a weight of D that asks for a gradient, got 4 frozen",
    ),
    "a G without latents": (
        {"G": lambda G, **_: nn.Sequential(G), "opt_G": lambda G, **_: sgd(G)},
        TypeError,
        r"G must have a method sample_z\(n\) that draws n latents, got Sequential\.",
    ),
    "a wrapped G": (
        {"G": lambda G, **_: nn.DataParallel(G)},
        TypeError,
        r"G must have a method sample_z\(n\).*got DataParallel; a wrapper such as DataParallel keeps it in G\.module",
    ),
    "a function for D": ({"D": lambda **_: torch.sin}, TypeError, r"D must be a torch.nn.Module, got builtin_function"),
    "a G that cannot be copied": (
        {"G": lambda G, **_: Uncopied(G)},
        TypeError,
        r"G cannot be copied for its average \(only leaf.*hand over a second network as G_ema",
    ),
    "players of two dtypes": (
        {"D": lambda D, **_: D.double()},
        ValueError,
        r"G and D must have one dtype and device, got torch.float32 on cpu and torch.float64 on cpu",
    ),
    "players on two devices": (
        {"D": lambda D, **_: D.to("meta"), "opt_D": lambda D, **_: sgd(D.to("meta"))},
        ValueError,
        r"G and D must have one dtype and device, got torch.float32 on cpu and torch.float32 on meta",
    ),
}


@pytest.mark.parametrize("case", CANNOT_TRAIN)
def test_a_run_that_cannot_train_is_refused_when_it_is_made(make_run, case):
    changes, error, words = CANNOT_TRAIN[case]
    with pytest.raises(error, match=words):
        Run(**changed(make_run(), **changes))


def test_an_average_of_ones_own_is_the_way_out(make_run):
    run = make_run()
    G = Uncopied(run.G)
    assert Run(G, run.D, run.opt_G, run.opt_D, G_ema=run.G_ema).G_ema is run.G_ema


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda run: (run.G.double(), run.D.double()),
            "G and G_ema must have one dtype and device, got torch.float64.*float32",
        ),
        (lambda run: run.D.requires_grad_(False), "opt_D must hold a weight of D that asks for a gradient"),
        (lambda run: setattr(run, "opt_D", sgd(run.G)), "opt_D must hold D's weights and no others, got 12 of 12 that are G's"),
        (
            lambda run: setattr(run.D, "layers", nn.Sequential(nn.Flatten(), nn.Linear(16, 1))),
            "got 4 of 4 that are no part of D",
        ),
    ],
)
def test_a_run_spoiled_after_it_was_made_is_refused_before_a_turn(make_run, images, change, words):
    run = make_run()
    change(run)
    before = copy.deepcopy(run.G.state_dict())
    with pytest.raises(ValueError, match=words):
        next(train(run, data.batches(images, 8), nonsaturating, steps=1))
    assert all(torch.equal(value, before[name]) for name, value in run.G.state_dict().items()) and run.step == 0


def test_a_run_of_wrapped_networks_trains(make_run, images):
    run = make_run()
    bare = [copy.deepcopy(run.G.state_dict()), copy.deepcopy(run.D.state_dict())]
    wrapped = Run(in_bfloat16(run.G), in_bfloat16(run.D), run.opt_G, run.opt_D)
    list(train(wrapped, data.batches(images, 8), nonsaturating, steps=2))
    for network, before in zip((run.G, run.D), bare):  # the wrapper shares its weights
        assert not any(torch.equal(w, before[name]) for name, w in network.named_parameters() if w.ndim == 2)


class TestBatches:
    def played(self, run, batches):
        return list(train(run, batches, nonsaturating, steps=3))

    @pytest.mark.parametrize(
        ("batches", "error", "words"),
        [
            (torch.zeros(9, 1, 4, 4), TypeError, r"batches must be an iterator over endless batches, got Tensor; iter\("),
            ([torch.zeros(9, 1, 4, 4)], TypeError, r"batches must be an iterator.*got list"),
            (
                iter([np.zeros((9, 1, 4, 4), np.float32)]),
                TypeError,
                r"a batch must be a tensor or a tuple of tensors, got ndarray",
            ),
            (
                iter([[torch.zeros(9, 1, 4, 4), [1] * 9]]),
                TypeError,
                r"a batch must be a tensor or a tuple of tensors, got list",
            ),
            (iter([(torch.zeros(9, 1, 4, 4), torch.zeros(8))]), ValueError, r"got parts of 9 and 8"),
            (iter([torch.zeros(1, 1, 4, 4)]), ValueError, r"two samples or more where G normalises its batch, got one"),
            (iter([[]]), TypeError, r"a batch must be a tensor or a tuple of tensors, got an empty list"),
        ],
    )
    def test_refused(self, make_run, batches, error, words):
        with pytest.raises(error, match=words):
            self.played(make_run(), batches)

    def test_a_single_sample_is_enough_without_normalisation(self, make_run):
        run = make_run(widths=(8,))
        assert len(self.played(run, iter([torch.zeros(1, 1, 4, 4)] * 3))) == 3

    def test_what_a_data_loader_hands_out_is_taken(self, make_run, images):
        loader = DataLoader(TensorDataset(data.to_float(images)), batch_size=8)
        assert len(self.played(make_run(), iter(loader))) == 3


class Stop(BaseException):
    """The stop button."""


def pressed_at(number, modules, function):
    """Runs the function, and presses stop at the `number`-th line that Python enters in these files; False if it has fewer."""
    lines, outer = 0, sys.gettrace()  # the measurement of coverage goes on afterwards

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename not in modules:
            return None
        if event == "line":
            lines += 1
            if lines == number:
                sys.settrace(None)
                raise Stop
        return trace

    sys.settrace(trace)
    try:
        function()
    except Stop:
        return True
    finally:
        sys.settrace(outer)
    return False


def test_d_thaws_wherever_a_turn_is_stopped(make_run):
    """At every line of the loop's modules that G's turn enters; the run goes on afterwards."""
    run, reals, number = make_run(), torch.rand(6, 1, 4, 4) * 2 - 1, 0
    generator_step(run, reals, nonsaturating)
    while pressed_at(number := number + 1, {training.__file__}, lambda: generator_step(run, reals, nonsaturating)):
        gc.collect()
        assert all(weight.requires_grad for weight in run.D.parameters()), f"line event {number}"
    assert number > 20
    with frozen(run.D):
        assert not any(weight.requires_grad for weight in run.D.parameters())


@pytest.mark.parametrize("look", [1, 3])
def test_a_loop_that_was_stopped_anywhere_goes_on(make_run, images, look):
    """The stop button at any line of the loop: the next call trains, and every optimiser moves."""
    number = 0
    while True:
        run, number = make_run(), number + 7
        source = data.batches(images, 8)
        if not pressed_at(number, {training.__file__}, lambda: list(train(run, source, nonsaturating, steps=2, look=look))):  # noqa: B023
            break
        assert run.watch is None
        before = copy.deepcopy((run.G.state_dict(), run.D.state_dict()))
        list(train(run, source, nonsaturating, steps=1))
        for network, then in zip((run.G, run.D), before):
            assert not any(torch.equal(w, then[name]) for name, w in network.named_parameters() if w.ndim == 2)
    assert number > 100
