"""Every public function, whatever is handed to it: a result, or an error that says which argument is wrong and how.

And every public function in whatever state torch is: the same result to the last bit.
"""

import contextlib
import importlib
import inspect
import io
import math
import pkgutil
import re
import types
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import ganlib
from ganlib import data, eye, networks, objectives, penalties, training

pytestmark = pytest.mark.usefixtures("unchecked")


def played(**arguments):
    """All rounds of `training.train`, which is a generator."""
    return list(training.train(**arguments))


def public_functions():
    """Name without "ganlib." -> function, of every module: a new one is among them by itself."""
    found = {}
    for entry in pkgutil.walk_packages(ganlib.__path__, "ganlib."):
        for name, value in vars(importlib.import_module(entry.name)).items():
            if inspect.isfunction(value) and value.__module__ == entry.name and not name.startswith("_"):
                found[f"{entry.name}.{name}".removeprefix("ganlib.")] = value
    for name in ("minimax", "nonsaturating", "least_squares", "hinge", "wasserstein", "relativistic"):
        for loss in ("d_loss", "g_loss"):
            found[f"objectives.{name}.{loss}"] = getattr(getattr(objectives, name), loss)
    return found | {"training.train": played}


FUNCTIONS = public_functions()


def public_networks():
    """Name without "ganlib." -> class, of every network of the library."""
    modules = [importlib.import_module(entry.name) for entry in pkgutil.walk_packages(ganlib.__path__, "ganlib.")]
    classes = {value for module in modules for value in vars(module).values() if inspect.isclass(value)}
    own = [value for value in classes if issubclass(value, nn.Module) and value.__module__.startswith("ganlib.")]
    return {f"{value.__module__}.{value.__name__}".removeprefix("ganlib."): value for value in own}


# Good arguments, made anew for every call; what is thrown at a function takes the place of one or more of them.


def randn(*shape, dtype=torch.float32, seed=3):
    return lambda: torch.randn(*shape, dtype=dtype, device="cpu", generator=torch.Generator("cpu").manual_seed(seed))


def integers(*shape):
    return lambda: torch.arange(math.prod(shape), device="cpu").reshape(shape).mul(37).remainder(256).to(torch.uint8)


def images(*shape):
    return lambda: torch.linspace(-1, 1, math.prod(shape), dtype=torch.float32, device="cpu").reshape(shape)


def shares(*values):
    return lambda: torch.tensor(values, dtype=torch.float64, device="cpu")


def always(value):
    return lambda: value


def a_run():
    G, D = networks.MLPGenerator(3, (4, 4), (1, 2, 2)), networks.MLPDiscriminator((1, 2, 2), (3,))
    return training.Run(G, D, torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters()))


def a_network():
    return networks.MLPGenerator(3, (4, 4), (1, 2, 2))


def a_line():
    return nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))


def a_figure():
    from ganlib import show

    return show.image_grid(integers(2, 1, 3, 3)(), columns=2)[0]


def judge():
    return lambda x, *given: x.reshape(len(x), -1).pow(2).sum(dim=1)


def log_normal(mean):
    return always(lambda x: -((x - mean) ** 2) / 2 - math.log(2 * math.pi) / 2)


P, Q = shares(0.2, 0.3, 0.5), shares(0.6, 0.3, 0.1)
TWO = {"a": randn(12, 2), "b": randn(13, 2, seed=4)}
REAL_FAKE = {"real": randn(12, 2), "fake": randn(13, 2, seed=4)}
PARZEN = {"samples": randn(9, 2), "points": randn(7, 2, seed=5)}
LOGITS = {"real_logits": randn(6), "fake_logits": randn(6, seed=7)}
LINE = {"log_p": log_normal(0.0), "log_q": log_normal(1.0), "bounds": always((-20.0, 20.0)), "points": always([0.0, 1.0])}
TURN = {"run": a_run, "reals": images(6, 1, 2, 2), "objective": always(objectives.relativistic)}
PENALTY = {"D": judge, "reals": randn(5, 2), "fakes": randn(5, 2, seed=4)}
LAYER = nn.Parameter(torch.ones(2))
GAME = {"objective": always(objectives.nonsaturating), "theta": always(0.5), "psi": always(0.25)}

SHAPE = always([1, 4, 4])
BUILT = {  # how a small one is made
    "networks.MLPGenerator": {"z_dim": always(3), "widths": always([4, 5]), "image_shape": SHAPE},
    "networks.MLPDiscriminator": {"image_shape": SHAPE, "widths": always([4])},
    "conv.DCGANGenerator": {"z_dim": always(3), "dense": always([4]), "channels": always([3, 2]), "image_shape": SHAPE},
    "conv.DCGANDiscriminator": {"image_shape": SHAPE, "channels": always([2]), "dense": always([4]), "patch": always(2)},
    "conditional.ConditionalGenerator": {
        "z_dim": always(3),
        "classes": always(5),
        "widths": always([4, 5]),
        "image_shape": SHAPE,
    },
    "conditional.ConcatDiscriminator": {"image_shape": SHAPE, "classes": always(5), "widths": always([4])},
    "conditional.ProjectionDiscriminator": {"image_shape": SHAPE, "classes": always(5), "widths": always([4])},
    "conditional.ConvConditionalGenerator": {"z_dim": always(3), "classes": always(5), "image_shape": SHAPE},
    "conditional.ConvProjectionDiscriminator": {"image_shape": SHAPE, "classes": always(5)},
    "information.InfoGenerator": {"codes": always(4), "numbers": always(2), "noise": always(3), "image_shape": SHAPE},
    "modulation.StyleGenerator": {"z_dim": always(3), "widths": always([4, 5]), "mixing": always(0.5), "image_shape": SHAPE},
}
NO_PLAYERS = {"networks.InBfloat16", "modulation.StyledLayer", "eye.DigitClassifier"}
"""A wrapper, a layer, and what eye.classify asks."""
CHECKED = {"channels", "dense", "patch", "mixing", "codes", "widths"}
"""What a network that is made looks at itself; the rest is torch's."""


def a_small(name):
    return lambda: public_networks()[name](**{argument: make() for argument, make in BUILT[name].items()})


def asked(name):
    """What is asked of a network: what it makes of its inputs and, of a generator, its draws."""
    labels = {"labels": lambda: torch.tensor([0, 2, 1, 3], device="cpu")} if name.startswith("conditional.") else {}
    if name.endswith("Discriminator"):
        return {"forward": {"network": a_small(name), "images": images(4, 1, 4, 4)} | labels}
    z_dim = 9 if name.endswith("InfoGenerator") else 3
    seed = {"generator": lambda: torch.Generator("cpu").manual_seed(4)}
    own = {"network": a_small(name), "n": always(4)}
    return {"forward": {"network": a_small(name), "z": randn(4, z_dim)} | labels, "sample_z": own, "of_a_seed": own | seed}


def method(name):
    return lambda network, **given: getattr(network, "sample_z" if name == "of_a_seed" else name)(*given.values())


ASKED = {f"{name}.{what}": arguments for name in BUILT for what, arguments in asked(name).items()}
FUNCTIONS |= {name: method(name.rpartition(".")[2]) for name in ASKED}

GOOD = {
    "arguments.as_tensor": {"values": randn(3), "name": always("values")},
    "arguments.as_values": {"values": randn(3), "name": always("values")},
    "arguments.whole": {"value": always(3), "name": always("value"), "least": always(1)},
    "arguments.number": {"value": always(3.0), "name": always("value")},
    "arguments.positive": {"value": always(3.0), "name": always("value")},
    "arguments.scalar": {"value": always(3.0), "name": always("value")},
    "arguments.several": {
        "values": always([1.0, 2.0]),
        "name": always("values"),
        "check": lambda: importlib.import_module("ganlib.arguments").number,
    },
    "arguments.seeded": {"seed": always(3)},
    "weighing.adaptive_weight": {
        "loss": lambda: LAYER.square().sum(),
        "adversarial": lambda: LAYER.sum(),
        "layer": lambda: LAYER,
        "most": always(5.0),
    },
    "training.train": {
        "run": a_run,
        "batches": lambda: data.batches(images(8, 1, 2, 2)(), 3, seed=1),
        "objective": always(objectives.nonsaturating),
        "penalty": always(penalties.r1),
        "steps": always(2),
        "d_steps": always(2),
        "ema_share": always(0.5),
        "look": always(1),
    },
    "data.to_float": {"images": integers(4, 1, 2, 2)},
    "data.to_uint8": {"images": images(4, 1, 2, 2)},
    "data.batches": {"samples": integers(8, 1, 2, 2), "size": always(3), "seed": always(1), "start": always(2)},
    "data.gaussian_mixture_1d": {
        "n": always(5),
        "means": always([0.0, 1.0]),
        "stds": always([0.5, 2.0]),
        "seed": always(1),
    },
    "data.ring_centres": {"modes": always(7), "radius": always(1.3)},
    "data.grid_centres": {"side": always(3), "spacing": always(0.7)},
    "data.gaussian_ring": {"n": always(5), "modes": always(3), "radius": always(1.3), "std": always(0.1), "seed": always(1)},
    "data.gaussian_grid": {"n": always(5), "side": always(3), "spacing": always(0.7), "std": always(0.1), "seed": always(1)},
    "eye.digit_classifier": {},
    "eye.classify": {"classifier": eye.digit_classifier, "images": integers(3, 1, 28, 28), "batch": always(2)},
    "conditional.conditional_generator": {},
    "conditional.conv_conditional_generator": {},
    "conditional.label_rows": {
        "labels": lambda: torch.tensor([3, 0, 1], device="cpu"),
        "classes": always(4),
        "beside": randn(3, 2),
    },
    "conv.divided": {"image_shape": always([1, 8, 4]), "factor": always(2)},
    "information.code_loss": {
        "G": a_small("information.InfoGenerator"),
        "z": randn(4, 9),
        "reals": images(4, 1, 4, 4),
        "fakes": images(4, 1, 4, 4),
        "weight": always(2.0),
        "of_numbers": always(0.5),
    },
    "export.export_generator": {"G": a_network, "whose": always("mine"), "classes": always(0), "code": always("G()")},
    "export.export_pair": {"G": a_line, "D": a_line},
    "latents.slerp": TWO | {"b": randn(12, 2, seed=4), "share": always(0.3)},
    "latents.ink": {"images": images(3, 1, 4, 5)},
    "latents.slant": {"images": images(3, 1, 4, 5)},
    "metrics.distances.feature_statistics": {"features": randn(9, 2)},
    "metrics.distances.frechet_distance": TWO,
    "metrics.distances.polynomial_mmd": TWO,
    "metrics.distances.kernel_distance": TWO | {"size": always(4), "seed": always(1)},
    "metrics.likelihood.squared_distances": TWO,
    "metrics.likelihood.parzen_log_likelihood": PARZEN | {"sigma": always(0.4), "block": always(3)},
    "metrics.likelihood.select_sigma": PARZEN | {"sigmas": always([0.3, 1.0]), "block": always(3)},
    "metrics.modes.mode_coverage": {"samples": randn(9, 2), "centres": randn(3, 2, seed=5), "std": always(0.5)},
    "metrics.neighbours.ball_radii": {"features": randn(9, 2), "k": always(2), "block": always(4)},
    "metrics.neighbours.precision_recall": REAL_FAKE | {"k": always(3)},
    "metrics.neighbours.density_coverage": REAL_FAKE | {"k": always(3)},
    "metrics.neighbours.memorisation_test": {
        "samples": randn(9, 2),
        "train": randn(8, 2, seed=4),
        "held_out": randn(7, 2, seed=5),
    },
    "metrics.neighbours.classifier_two_sample_test": TWO | {"k": always(3), "seed": always(1)},
    "metrics.spectra.power_spectrum": {"images": integers(3, 1, 4, 4)},
    "metrics.spectra.radial_spectrum": {"images": integers(3, 1, 4, 4)},
    "metrics.spectra.spectral_distance": {"images": integers(3, 1, 4, 4), "reference": randn(2, 1, 4, 4)},
    "metrics.summaries.check_features": {"least": always(2)} | TWO,
    "metrics.summaries.class_balance": {"probabilities": images(5, 3)},
    "weighing.ratio_weights": {"logits": randn(5)},
    "weighing.effective_samples": {"weights": shares(0.5, 0.25, 0.25)},
    "metrics.summaries.mean_interval": {"values": always([1.0, 2.0, 4.0]), "level": always(0.9)},
    "mnist.mnist": {"split": always("test")},
    "mnist.digits": {"split": always("test")},
    "conv.dcgan_generator": {},
    "networks.mnist_generator": {},
    "networks.sample": {"G": a_network, "n": always(4), "seed": always(2)},
    "objectives.check_logits": LOGITS,
    **{name: LOGITS for name in FUNCTIONS if re.fullmatch(r"objectives\.\w+\.\w_loss", name)},
    "penalties.input_grad": {"D": judge, "x": randn(5, 2)},
    "penalties.check_samples": {"x": randn(5, 2)},
    "penalties.r1": PENALTY | {"gamma": always(2.0)},
    "penalties.r2": PENALTY | {"gamma": always(2.0)},
    "penalties.r1_by_difference": PENALTY | {"gamma": always(2.0), "step": always(0.1)},
    "penalties.r2_by_difference": PENALTY | {"gamma": always(2.0), "step": always(0.1)},
    "penalties.gradient_penalty": PENALTY | {"weight": always(2.0), "target": always(0.5)},
    "readers.read_idx": {"path": always("nowhere")},
    "readers.parse_idx": {"content": always(b"\0\0\x08\x01\0\0\0\x02\x05\x06")},
    "readers.images": {"folder": always("nowhere"), "size": always(8), "mode": always("L"), "background": always("white")},
    "readers.from_arrays": {"values": integers(4, 2, 2)},
    "record.read": {"name": always("digit_classifier")},
    "record.environment": {},
    "shipped.shipped_weights": {"name": always("digit_classifier.safetensors")},
    "show.figure": {"rows": always(1), "columns": always(2), "height": always(2.0), "width": always(3.0)},
    "show.publish": {"figure": a_figure, "alt": always("A sentence that describes it."), "caption": always("Seed 0.")},
    "show.animate": {"frames": lambda: [a_figure()], "alt": always("A sentence that describes it."), "seconds": always(2.0)},
    "show.image_grid": {"images": integers(3, 1, 2, 2), "columns": always(2), "title": always("t"), "gap": always(1)},
    "show.machine": {},
    "tables.table": {"header": always(["way", "share"]), "rows": always([["plain", 0.5]]), "caption": always("A table.")},
    "theory.divergences.check_outcomes": {"p": P, "q": Q},
    "theory.divergences.check_distributions": {"p": P, "q": Q},
    "theory.divergences.optimal_discriminator": {"p": P, "q": Q},
    "theory.divergences.value": {"p": P, "q": Q, "D": shares(0.5, 0.1, 0.9)},
    "theory.divergences.value_at_optimum": {"p": P, "q": Q},
    "theory.divergences.kl_divergence": {"p": P, "q": Q},
    "theory.divergences.js_divergence": {"p": P, "q": Q},
    "theory.divergences.total_variation": {"p": P, "q": Q},
    "theory.divergences.f_divergence": {"p": P, "q": Q, "f": always(lambda t: t * t.log())},
    "theory.divergences.relativistic_value": {"p": P, "q": Q},
    "theory.dynamics.simplex_descent": {"p": P, "q0": Q, "steps": always(3), "step_size": always(0.5)},
    "theory.dynamics.dirac_field": GAME,
    "theory.dynamics.dirac_step": GAME | {"step_size": always(0.1), "alternating": always(True), "d_steps": always(2)},
    "theory.dynamics.dirac_trajectory": {
        "objective": always(objectives.minimax),
        "start": shares(1.0, 0.5),
        "step_size": always(0.1),
        "steps": always(3),
        "penalty": always(penalties.r1),
    },
    "theory.dynamics.jacobian_spectrum": GAME,
    "theory.line.integrate": {"integrand": always(lambda x: x * x), "bounds": always((0.0, 2.0)), "points": always([1.0])},
    "theory.line.integrate_pair": {"integrand": always(lambda x, p, q: math.exp(p))} | LINE,
    "theory.line.value_line": LINE | {"logit": always(lambda x: -x)},
    **{
        f"theory.line.{name}": LINE
        for name in ("value_at_optimum_line", "kl_divergence_line", "js_divergence_line", "total_variation_line")
    },
    "theory.line.optimal_discriminator_line": {"log_p": log_normal(0.0), "log_q": log_normal(1.0)},
    "training.discriminator_step": TURN,
    "training.generator_step": TURN,
    "training.update_ema": {"G_ema": a_network, "G": a_network, "decay": always(0.5)},
    "diagnostics.term_norms": TURN,
    **ASKED,
}

ELSEWHERE = {
    **{
        f"objectives.{name}": "the formula alone, as chapter 2 shows it; an Objective checks for it, and every game is above"
        for name in vars(objectives)
        if name.endswith("_loss")
    },
    "theory.line.mass_times": "two floats and a formula, shown in chapter 4; a step of the quadrature",
    "theory.line.log_add": "two floats and a formula, shown in chapter 4; a step of the quadrature",
    **{
        f"arguments.{name}": "takes a tensor that was looked at; every metric is asked about it in tests/test_metrics.py"
        for name in ("in_float64", "scaled", "check_signed")
    },
    "metrics.summaries.check_values": "the second half of check_features, for a tensor that was looked at",
    "readers.with_sum": "the cache's reader: takes a path that was found",
    "files.write_whole": "takes a path and a function; tests/test_checkpoints.py",
    "record.write": "takes a path to write to; tests/test_record.py",
    "record.provenance": "asks git; tests/test_record.py",
    "style.book_look": "takes nothing",
    "style.dress": "takes a figure of matplotlib's; tests/test_show.py",
    "films.strip": "takes figures that show.animate has checked; tests/test_films.py",
    "pictures.check_described": "takes a figure of matplotlib's; tests/test_show.py",
    "pictures.check_legible": "takes a figure of matplotlib's; tests/test_show.py",
    "pictures.png": "takes a figure of matplotlib's; tests/test_show.py",
    "pictures.svg": "takes a figure of matplotlib's; tests/test_show.py",
    "widgets.widget": "takes a figure of matplotlib's; tests/test_widgets.py",
    "widgets.element": "settings that widget has checked; tests/test_widgets.py",
    "widgets.live_html": "settings that widget has checked; tests/test_widgets.py",
    "widgets.with_generator": "what export has made; tests/test_export.py",
    "widgets.is_live": "takes nothing",
    "export.shipped_export": "takes a name; tests/test_export.py",
    **{
        f"layers.{name}": "a step of export_generator; tests/test_export.py"
        for name in ("read_layers", "run_layers", "is_folded", "is_plain", "keeps_side")
    },
    **{
        f"inputs.{name}": "a check, of the networks above"
        for name in ("check_latents", "check_images", "check_codes", "rows_of")
    },
    "inputs.wholes": "a check, of the networks above",
    "checkpoints.save": "takes a run and a path; tests/test_checkpoints.py",
    "checkpoints.load": "takes a run and a path; tests/test_checkpoints.py",
    **{
        f"conv.{name}": "makes a part of a network; tests/test_conv.py"
        for name in ("transposed", "resized", "shuffled", "faster_convolutions")
    },
    "networks.in_bfloat16": "takes a network; tests/test_networks.py",
    "shipped.shipped_network": "takes a function that makes a network; tests/test_networks.py",
    **{
        f"taming.{name}": "takes a network or its optimiser; tests/test_taming.py"
        for name in ("clip_weights", "normalise_spectra")
    },
    "taming.spectral_norms": "takes a network; tests/test_taming.py",
    "taming.lazily": "takes a penalty and returns one that counts; tests/test_taming.py",
    "training.frozen": "takes a network",
    "restore.put_back": "takes a function; tests/test_guards.py",
    "arguments.function": "takes what can be called; tests/test_guards.py",
    "training.remembering": "takes what the loop has made",
    "training.read_losses": "takes what the loop has made",
    **{
        f"guards.{name}": "takes what the loop has; tests/test_guards.py"
        for name in ("check_players", "copy_of", "next_batch", "check_batch", "average_pairs")
    },
    **{
        f"guards.{name}": "takes a network; tests/test_guards.py and test_networks.py"
        for name in ("check_network", "check_generator", "evaluating")
    },
    "guards.step_if_finite": "takes what the loop has made; tests/test_guards.py",
}


def test_every_public_function_is_here():
    assert GOOD.keys() | ELSEWHERE.keys() == FUNCTIONS.keys() and not GOOD.keys() & ELSEWHERE.keys()
    for name, arguments in GOOD.items():
        signature = inspect.signature(FUNCTIONS[name])
        signature.bind(**dict.fromkeys(arguments))
    assert BUILT.keys() | NO_PLAYERS == public_networks().keys() and not BUILT.keys() & NO_PLAYERS


# What is thrown at them

NUMBERS = [-1, 0, 1, 2, 5, 2.5, -0.5, math.nan, math.inf, -math.inf, 10**20, 1e200, np.int64(2), np.float64(0.5), True]
NUMBERS += [np.float32("nan"), np.uint8(3), np.array(2), np.array([0.5]), None, "2", [1], (0.5, 0.5), 1j]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool, torch.complex64]
SHAPES = [(), (0,), (1,), (3,), (0, 3), (4, 0), (1, 2), (5, 2), (2, 3, 4), (2, 1, 4, 4), (2, 3, 4, 4), (0, 1, 4, 4)]
FILLS = [0.0, 1.0, -1.0, 0.5, 1 / 3, 255.0, 1e30, math.nan, math.inf, -math.inf]
HELD = ["tensor", "with a gradient", "meta", "sparse", "NumPy", "read only", "big-endian", "objects", "list", "number"]


@st.composite
def tensors(draw, like):
    """A tensor of any shape, that of a good one more often than others, of any dtype and content, however it is held."""
    shape = draw(st.sampled_from([tuple(like.shape)] * len(SHAPES) + SHAPES))
    dtype, held = draw(st.sampled_from([like.dtype] * 4 + DTYPES)), draw(st.sampled_from(["tensor"] * 6 + HELD))
    fill = draw(st.sampled_from(FILLS))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nan as an integer is anything
        values = torch.full(shape, fill if dtype.is_floating_point or math.isfinite(fill) else 7.0).to(dtype)
    if draw(st.booleans()) and like.shape == shape and like.dtype == dtype:  # one wrong value among good ones
        values = like.clone()
        values.view(-1)[: 1 if values.numel() else 0] = fill if dtype.is_floating_point else 3
    if held == "with a gradient" and (dtype.is_floating_point or dtype.is_complex):
        return values.requires_grad_()
    if held in ("tensor", "with a gradient"):
        return values
    if held in ("meta", "sparse"):
        return values.to("meta") if held == "meta" else values.to_sparse() if values.ndim else values
    if held in ("list", "number"):
        return values.tolist() if held == "list" else draw(st.sampled_from(NUMBERS))
    array = (values.float() if dtype == torch.bfloat16 else values).numpy()
    if held == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    array = array.astype(object) if held == "objects" else array.copy()
    array.flags.writeable = held != "read only"
    return array


@st.composite
def dense(draw, like):
    """What may come to a network: a tensor on the CPU of any shape, in its dtype or in one of whole numbers."""
    shape = draw(st.sampled_from([tuple(like.shape)] * len(SHAPES) + SHAPES))
    dtype = draw(st.sampled_from([like.dtype] * 4 + [torch.uint8, torch.int64, torch.bool]))
    return torch.full(shape, draw(st.sampled_from(FILLS[:6])), dtype=torch.float32).to(dtype)


def thrown(good):
    """What takes the place of a good argument, by its kind; None for networks, functions and games, which stay."""
    if isinstance(good, Tensor):
        return tensors(good.detach())
    if isinstance(good, bool | int | float):
        return st.sampled_from(NUMBERS)
    if isinstance(good, str):
        return st.sampled_from(["", "nothing", "a" * 300, None, 3])
    if isinstance(good, bytes):
        return st.binary(max_size=12) | st.binary(max_size=6).map(lambda tail: b"\0\0\x08" + tail)
    if isinstance(good, tuple) and good:  # two ends of a line
        ends = st.tuples(*[st.sampled_from([-math.inf, -3.0, 0, 2.0, math.inf, math.nan, np.float64(5)])] * 2)
        return ends | st.sampled_from([None, 3, (), (0.0,), (0.0, 1.0, 2.0), "ab"])
    if isinstance(good, plt.Figure):
        return st.sampled_from([None, 3, "a"])
    if isinstance(good, list) and not isinstance(good[0], int | float):
        return st.sampled_from([None, 3, "ab", [], [1], [None]])
    if isinstance(good, list):
        return st.lists(st.sampled_from(NUMBERS), max_size=3) | tensors(torch.ones(2)) | st.sampled_from(NUMBERS)
    return None


TURNS = {"training.discriminator_step", "training.generator_step", "diagnostics.term_norms"}
"""Turns of the loop: `guards.next_batch` has checked their batch, and `training.train` turns gradients on."""

TOLD = {name for name in ASKED if name.endswith(".forward")} | {"information.code_loss"}
"""What they compute with is checked where it comes in, by the loop; labels and shapes of all else they check themselves."""

DRAWS = {name for name in ASKED if not name.endswith(".forward") and not name.startswith(("information.", "modulation."))}
"""Draws of chapter 8's G and of those that draw as it does: they ask whether there is one, and torch whether it is whole."""

INSIDE = TURNS | DRAWS | {"training.update_ema", "theory.line.optimal_discriminator_line", "export.export_pair"}
"""Functions of turns, of networks and of functions alone: nothing is thrown at them."""

ALSO = {"readers.images": ["folder"], "metrics.distances.kernel_distance": ["size"], "conv.divided": ["image_shape"]}
ALSO |= {f"metrics.neighbours.{name}": ["k"] for name in ("ball_radii", "density_coverage", "precision_recall")}
ALSO |= {"metrics.neighbours.classifier_two_sample_test": ["k"]}
"""Whom an error may name beside what was replaced: the folder is nowhere; blocks and neighbours must fit into a set, factors
into sides."""

DOCUMENTED = (ValueError, TypeError, OSError, ArithmeticError)


@contextlib.contextmanager
def quiet():
    """Figures go nowhere and are closed; a warning is an error."""
    from IPython import display

    shown, display.display = display.display, lambda *args, **options: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        display.display = shown
        plt.close("all")


THROWN_AT = {name for name in GOOD if GOOD[name] and name not in INSIDE}
THROWN_AT |= {name for name, made in BUILT.items() if made.keys() & CHECKED and not name.startswith("networks.")}
"""Chapter 8's pair leaves its sizes to torch."""


@pytest.mark.parametrize("name", sorted(THROWN_AT))
def test_a_result_or_an_error_that_names_the_argument(name, cache, offline, capsys):
    function, makers = (FUNCTIONS | public_networks())[name], (GOOD | BUILT)[name]
    kept = {"name", "least"} if name.startswith(("arguments.", "metrics.")) else set()  # what the library itself hands over
    kept |= {"beside"} if name == "conditional.label_rows" else makers.keys() - CHECKED if name in BUILT else set()
    slow = name.startswith(("show.", "mnist.", "theory.line", "eye.", "diagnostics"))

    @settings(
        max_examples=20 if slow else 80, derandomize=True, deadline=None, database=None, suppress_health_check=HealthCheck
    )
    @given(st.data())
    def throw(choice):
        arguments = {argument: make() for argument, make in makers.items()}
        places = [place for place, good in arguments.items() if place not in kept and thrown(good) is not None]
        replaced = choice.draw(st.lists(st.sampled_from(places), min_size=1, max_size=2, unique=True))
        for place in replaced:
            told = name in TOLD and isinstance(arguments[place], Tensor) and arguments[place].is_floating_point()
            arguments[place] = choice.draw((dense if told else thrown)(arguments[place]), label=place)
        try:
            with quiet():
                function(**arguments)
        except DOCUMENTED as error:
            replaced = makers if name in BUILT else [*replaced, *ALSO.get(name, [])]  # of a network sizes must fit one another
            names = "|".join(map(re.escape, replaced))
            named = re.search(rf"(?<![\w]){'(' + names + ')'}(?![\w])", str(error))
            of_the_file = isinstance(error, OSError) and Path(error.filename or "none") == Path(
                str(next(iter(arguments.values())))
            )
            assert named or of_the_file or isinstance(error, ArithmeticError), f"{type(error).__name__}: {error}"
        except UserWarning as warning:
            assert str(warning).startswith("images look like dark digits")

    throw()


# In whatever state torch is


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3 - min(before, 2))
    yield
    torch.set_num_threads(before)


STATES = {
    "default dtype": default_dtype,
    "default device": lambda: torch.device("meta"),  # what is made on it has no values: nothing may be
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "threads": threads,
    "NumPy raises": lambda: np.errstate(all="raise"),
}


def bits(value):
    """All that two results must share."""
    if isinstance(value, Tensor):
        raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b""
        return value.dtype, value.device.type, tuple(value.shape), raw
    if isinstance(value, nn.Module):
        return {name: bits(weight) for name, weight in value.state_dict().items()}
    if isinstance(value, training.Run):
        return [bits(part) for part in (value.G, value.D, value.G_ema)]
    if isinstance(value, plt.Figure):
        buffer = io.BytesIO()
        value.savefig(buffer, format="png")
        return buffer.getvalue()
    if isinstance(value, torch.Generator):
        return bits(value.get_state())
    if isinstance(value, dict):
        return {key: bits(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [bits(entry) for entry in value]
    return None if callable(value) or isinstance(value, plt.Axes | data.Batches) else repr(value)


ELSE = {"readers.read_idx", "readers.images", "record.environment"}  # find no file; report the state itself


def promised():
    """Every function in every state, but for turns, whose gradients the loop turns on, and for products of matrices, which
    are summed by as many threads as there are."""
    for name in sorted(GOOD.keys() - ELSE):
        for state in STATES:
            turn = name in ("training.discriminator_step", "training.generator_step")
            in_turns = turn and state in ("no gradients", "inference")
            matrices = name in TURNS | {"training.train"} or name.endswith(".forward")
            if not in_turns and not (matrices and state == "threads"):
                yield name, state


@pytest.mark.parametrize(("name", "state"), list(promised()))
def test_the_state_of_torch_changes_no_result(name, state, cache, offline, capsys):
    found = []
    for context in (contextlib.nullcontext, STATES[state]):
        torch.manual_seed(0)
        arguments = {argument: make() for argument, make in GOOD[name].items()}
        torch.manual_seed(1)
        with quiet():
            with context():
                result = FUNCTIONS[name](**arguments)
                if isinstance(result, types.FunctionType | data.Batches):  # what it gives is asked for inside
                    result = result(0.25) if callable(result) else [next(result) for _ in range(4)]
            found.append((bits(result), {argument: bits(value) for argument, value in arguments.items()}))
    assert found[0] == found[1]
