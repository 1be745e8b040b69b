"""What the loop refuses: runs that cannot train, batches that D cannot judge; and a stop button pressed anywhere."""

import contextlib
import copy
import gc
import sys

import matplotlib.image
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ganlib import data, diagnostics, films, guards, networks, restore, show, taming, training
from ganlib.networks import in_bfloat16
from ganlib.objectives import nonsaturating
from ganlib.penalties import r1
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


def in_inference(function, *arguments):
    with torch.inference_mode():
        return function(*arguments)


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
    "one network for both": ({"D": lambda G, **_: G}, ValueError, "G and D must be two networks, got one"),
    "no optimiser": ({"opt_D": lambda **_: None}, TypeError, "opt_D must be a torch.optim.Optimizer, got NoneType"),
    "a schedule for an optimiser": (
        {"opt_G": lambda opt_G, **_: torch.optim.lr_scheduler.ConstantLR(opt_G)},
        TypeError,
        "opt_G must be a torch.optim.Optimizer, got ConstantLR",
    ),
    "an optimiser that asks for the loss again": (
        {"opt_G": lambda G, **_: torch.optim.LBFGS(G.parameters())},
        ValueError,
        "opt_G must step by one gradient, got LBFGS",
    ),
    "a number for an average": ({"G_ema": lambda **_: 3}, TypeError, "G_ema must be a torch.nn.Module, got int"),
    "a step that is a word": ({"step": lambda **_: "a"}, TypeError, "step must be a whole number, got 'a'"),
    "half a step": ({"step": lambda **_: 1.5}, TypeError, "step must be a whole number, got 1.5"),
    "a step before the first": ({"step": lambda **_: -1}, ValueError, "step must be at least 0, got -1"),
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
        (lambda run: setattr(run, "G_ema", run.G), "G_ema must be another network than G; left out, it is a copy"),
        (lambda run: setattr(run, "G_ema", nn.Identity()), "G_ema must have the architecture of G; the shapes"),
        (lambda run: setattr(run, "step", -3), "step must be at least 0, got -3"),
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
    before, step = copy.deepcopy(run.G.state_dict()), run.step
    with pytest.raises(ValueError, match=words):
        next(train(run, data.batches(images, 8), nonsaturating, steps=1))
    assert all(torch.equal(value, before[name]) for name, value in run.G.state_dict().items()) and run.step == step


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objective": None}, "objective must have d_loss, g_loss and needs_reals, got NoneType"),
        ({"penalty": 3}, "penalty must be a function, got int"),
        ({"extra": "a"}, "extra must be a function, got 'a'"),
        ({"run": None}, "run must be a Run of ganlib.training, got NoneType"),
    ],
)
def test_what_is_no_game_is_refused_before_a_turn(make_run, images, change, words):
    run = make_run()
    settings = {"run": run, "batches": data.batches(images, 8), "objective": nonsaturating} | change
    with pytest.raises(TypeError, match=words):
        next(train(**settings, steps=1))
    assert run.step == 0 and not run.opt_D.state


def test_weights_made_where_nothing_can_move_are_refused(make_run):
    run = make_run()
    D = in_inference(copy.deepcopy, run.D)
    with pytest.raises(ValueError, match=r"D must be made outside torch.inference_mode, whose weights nothing can move"):
        Run(run.G, D, run.opt_G, sgd(D))


def test_a_run_trains_whatever_was_made_in_inference_mode(make_run, images):
    """The run, its average and its batches; the networks alone must be made outside."""
    own = changed(make_run())
    run, reals = in_inference(lambda: Run(**own)), in_inference(data.to_float, images[:8])
    assert reals.is_inference() and not any(weight.is_inference() for weight in run.G_ema.parameters())
    assert len(in_inference(list, train(run, iter([reals] * 2), nonsaturating, r1, steps=2))) == 2
    assert len(list(train(run, iter([reals] * 2), nonsaturating, r1, steps=2, look=2))) == 1


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
            (iter([torch.tensor(1.0)]), ValueError, r"a batch must hold samples along its first axis, got a number"),
            (iter([(torch.zeros(9, 1, 4, 4), torch.tensor(1))]), ValueError, r"samples along its first axis, got a number"),
            (iter([[]]), TypeError, r"a batch must be a tensor or a tuple of tensors, got an empty list"),
        ],
    )
    def test_refused(self, make_run, batches, error, words):
        with pytest.raises(error, match=words):
            self.played(make_run(), batches)

    def test_a_single_sample_is_enough_without_normalisation(self, make_run):
        run = make_run(widths=(8,))
        assert len(self.played(run, iter([torch.zeros(1, 1, 4, 4)] * 3))) == 3

    @pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d])
    def test_a_single_sample_is_enough_for_a_norm_over_its_pixels(self, make_run, norm):
        run = make_run(widths=(8,))
        D = nn.Sequential(norm(1, affine=True), nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
        assert len(self.played(Run(run.G, D, run.opt_G, sgd(D)), iter([torch.rand(1, 1, 4, 4)] * 3))) == 3

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
        with torch.enable_grad():  # a stop between a block of torch's own and its end leaves torch's mode behind
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


def modes(network):
    return [module.training for module in network.modules()]


def drawn(figure):
    return [image.get_interpolation() for image in figure.findobj(matplotlib.image.AxesImage)]


HELPERS = {  # what is called, what must stay as it is, and a file beside ganlib's at whose lines it is stopped
    "sample": (lambda run, _: networks.sample(run.G, 2), lambda run, _: modes(run.G), nn.modules.module),
    "spectral_norms": (lambda run, _: taming.spectral_norms(run.D), lambda run, _: modes(run.D), nn.modules.module),
    "term_norms": (
        lambda run, _: diagnostics.term_norms(run, torch.zeros(3, 1, 4, 4), nonsaturating),
        lambda run, _: [value.tolist() for value in run.G.state_dict().values()],
        nn.modules.module,
    ),
    "strip": (lambda _, figure: films.strip([figure]), lambda _, figure: drawn(figure), matplotlib.image),
}


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_stopped_anywhere_returns_what_it_was_handed(make_run, name):
    """As it was: the mode of every part, batch statistics, how an image is drawn."""
    call, state, module = HELPERS[name]
    files = {module.__file__, *(part.__file__ for part in (contextlib, diagnostics, films, guards, networks, restore, taming))}
    run, figure = make_run(widths=(3, 2), d_widths=(2,)), show.image_grid(np.zeros((2, 1, 3, 3), np.uint8), columns=2)[0]
    before, number = state(run, figure), 1
    while pressed_at(number, files, lambda: call(run, figure)):
        if state(run, figure) != before:
            gc.collect()  # what the stop button left open ends here
        assert state(run, figure) == before, f"line event {number}"
        number += 3 if name in ("sample", "spectral_norms") else 7
    assert number > 20
