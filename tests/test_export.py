"""Generators as text: folded, rounded and refused; and drawn by the program of the pages as torch draws them."""

import base64
import json
import math
import shutil
import subprocess
import zlib
from itertools import pairwise

import pytest
import torch
from test_widgets import SOURCES, node
from torch import nn

from ganlib.conditional import ConditionalGenerator
from ganlib.export import ENDPOINTS, LIMIT, export_generator, export_pair, read_layers, run_layers, shipped_export
from ganlib.modulation import StyleGenerator
from ganlib.networks import MLPGenerator, mnist_generator


def used(G):
    """The same network with batch statistics that have seen something."""
    torch.manual_seed(0)
    for module in G.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, std=0.2)
    return G


class Chain(nn.Module):
    """z -> layers -> image; z_dim for those who draw."""

    def __init__(self, *layers, z_dim=16):
        super().__init__()
        self.z_dim = z_dim
        self.layers = nn.Sequential(*layers)

    def sample_z(self, n, generator=None):
        return torch.randn(n, self.z_dim, generator=generator)

    def forward(self, z):
        return self.layers(z)


def convolutional(z_dim=16, channels=1):
    """A small DCGAN: 7 by 7, doubled twice."""
    layers = [nn.Linear(z_dim, 24 * 49), nn.BatchNorm1d(24 * 49), nn.ReLU(), nn.Unflatten(1, (24, 7, 7))]
    for wide, narrow in pairwise((24, 12, channels)):
        layers.append(nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(narrow), nn.ReLU()] if narrow > channels else [nn.Tanh()]
    return used(Chain(*layers, z_dim=z_dim))


def shuffled(z_dim=16, channels=3):
    """Convolutions whose channels become pixels: 4 by 4 to 8 and to 24, each place with a bias of its own."""
    layers = [nn.Linear(z_dim, 12 * 16), nn.Unflatten(1, (12, 4, 4)), nn.BatchNorm2d(12), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(12, 24, 3, padding=1), nn.PixelShuffle(2), nn.BatchNorm2d(6), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(6, 9 * channels, 5, padding=2), nn.PixelShuffle(3), nn.Tanh()]
    return used(Chain(*layers, z_dim=z_dim))


class Conditional(MLPGenerator):
    """G(z, labels): the label behind z, one-hot."""

    def __init__(self):
        super().__init__(26, (32, 64), (1, 8, 8))
        self.z_dim = 16

    def forward(self, z, labels):
        return self.layers(torch.cat([z, nn.functional.one_hot(labels, 10).float()], 1)).unflatten(1, self.image_shape)


GENERATORS = {
    "shipped": (mnist_generator, 0),
    "mlp": (lambda: used(MLPGenerator(16, (32, 64), (3, 8, 8))), 0),
    "convolutional": (convolutional, 0),
    "shuffled": (shuffled, 0),
    "conditional": (lambda: used(Conditional()), 10),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """What the pages compute with, for Node: a file with an export and latents in, images out."""
    node()
    folder = tmp_path_factory.mktemp("program")
    bundle = ["npx", "esbuild", "src/generator.ts", "--bundle", "--format=esm", f"--outfile={folder}/generator.mjs"]
    subprocess.run(bundle, cwd=SOURCES, check=True, capture_output=True)
    (folder / "draw.mjs").write_text("""
      import { readFileSync } from "node:fs";
      import { inflateSync } from "node:zlib";
      import { generate, unpack } from "./generator.mjs";
      const { exported, z } = JSON.parse(readFileSync(process.argv[2]));
      const raw = inflateSync(Buffer.from(exported.body, "base64"));
      const G = unpack(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length), exported.layers, exported.z_dim);
      const start = performance.now(), images = z.map((one) => [...generate(G, one)]);
      const ms = (performance.now() - start) / z.length;
      console.log(JSON.stringify({ images, ms, endpoints: G.endpoints.map((one) => [...one]) }));
    """)
    return folder


@pytest.mark.parametrize("name", GENERATORS)
def test_a_page_draws_what_torch_draws(program, name):
    """64 latents that the export has not seen: as far off as it says, and not farther than its rounding."""
    make, classes = GENERATORS[name]
    G = make().eval()
    exported = json.loads(export_generator(G, "mine", classes))
    z = torch.randn(64, exported["z_dim"], generator=torch.Generator().manual_seed(7))
    labels = [torch.arange(64) % classes] if classes else []
    seen = torch.cat([z, *(nn.functional.one_hot(one, classes) for one in labels)], 1)
    (program / f"{name}.json").write_text(json.dumps({"exported": exported, "z": seen.tolist()}))
    done = subprocess.run(
        [shutil.which("node"), program / "draw.mjs", program / f"{name}.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    drawn = json.loads(done.stdout)
    with torch.no_grad():
        images = G(z, *labels)
    off = torch.tensor(drawn["images"]).view_as(images) - images
    assert off.square().mean().sqrt() < 1.5 * exported["rms"] and off.abs().max() < 2 * exported["max"]
    assert 0 < exported["rms"] < 0.02
    expected = G.sample_z(ENDPOINTS, torch.Generator().manual_seed(0))
    assert torch.equal(torch.tensor(drawn["endpoints"]), expected)
    assert drawn["ms"] < 50


def test_what_is_folded_is_the_same_network():
    for make, classes in list(GENERATORS.values())[1:4]:
        G = make().eval()
        z = torch.randn(5, 16, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            layers, z_dim = read_layers(G, classes)
            assert z_dim == 16 and (run_layers(layers, z).view_as(G(z)) - G(z)).abs().max() < 1e-5


def test_an_export_is_the_same_each_time_and_leaves_the_generator_alone():
    G = used(MLPGenerator(16, (32, 64), (1, 28, 28))).train()
    before = {name: value.clone() for name, value in G.state_dict().items()}
    state = torch.get_rng_state()
    first = export_generator(G, "mine")
    assert export_generator(G, "mine") == first and G.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    exported = json.loads(first)
    assert (exported["whose"], exported["side"], exported["channels"]) == ("mine", 28, 1) and len(exported["digits"]) > 1000
    numbers = 16 * 32 + 32 * 64 + 64 * 784
    assert len(zlib.decompress(base64.b64decode(exported["body"]))) == numbers + 8 * (32 + 64 + 784) + 4 * 16 * ENDPOINTS


def test_the_shipped_one_fits():
    assert len(shipped_export("mnist_generator")) < LIMIT
    with pytest.raises(ValueError, match="generator must be mnist_generator, conditional_generator or"):
        shipped_export("another")


class Skipping(Chain):
    def forward(self, z):
        return 2 * self.layers(z)


LAYERS = nn.Linear(16, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8))


@pytest.mark.parametrize(
    ("G", "message"),
    [
        (Chain(nn.Linear(16, 16), nn.Unflatten(1, (1, 4, 4)), nn.Upsample(scale_factor=2)), "it has Upsample as layer 2"),
        (Chain(nn.Linear(16, 16), nn.ReLU(), nn.BatchNorm1d(16), *LAYERS), "it has BatchNorm1d"),
        (Chain(nn.Unflatten(1, (16, 1, 1)), nn.ConvTranspose2d(16, 2, 4, dilation=2)), "it has ConvTranspose2d"),
        (Chain(nn.Linear(16, 16), nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 4, 3), nn.PixelShuffle(2)), "it has Conv2d"),
        (Skipping(*LAYERS), "in their order, and nothing between"),
        (Chain(nn.Linear(16, 64)), "images of shape"),
        (Chain(nn.Identity()), "must begin with a Linear"),
        (
            Chain(nn.Linear(16, 2000), nn.ReLU(), nn.Linear(2000, 1024), nn.Tanh(), nn.Unflatten(1, (1, 32, 32))),
            "more than 2 MB",
        ),
    ],
)
def test_what_a_page_cannot_draw_is_refused(G, message):
    with pytest.raises(ValueError, match=message):
        export_generator(G, "mine")


def spoiled(network, value=math.nan):
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = value
    return network


@pytest.mark.parametrize(
    ("G", "classes", "message"),
    [
        (MLPGenerator(5, (8, 8)), 10, "classes must leave z a number or more of the 5 that G takes, got 10"),
        (MLPGenerator(15, (8, 8)), 10, r"G must make images of z \(n, 5\) and labels \(n,\), classes being given, but"),
        (ConditionalGenerator(5, 10, (8, 8)), 0, r"G must make images of z \(n, 15\), but"),
        (StyleGenerator(5, (8, 8)), 0, "in their order, and nothing between|it has "),
        (spoiled(MLPGenerator(5, (8, 8))), 0, "G must have finite weights"),
        (Chain(nn.Linear(16, 16), nn.BatchNorm1d(16, affine=False), *LAYERS), 0, "it has BatchNorm1d"),
    ],
)
def test_what_is_not_as_it_is_said_to_be_is_refused(G, classes, message):
    with pytest.raises(ValueError, match=message):
        export_generator(G, "mine", classes=classes)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_network_is_refused():
    for argument in ("whose", "code"):
        with pytest.raises(TypeError, match=f"{argument} must be text, got NoneType"):
            export_generator(Chain(*LAYERS), **{"whose": "mine"} | {argument: None})
    with pytest.raises(TypeError, match="G must be a"):
        export_generator(lambda z: z, "mine")
    with pytest.raises(TypeError, match="classes"):
        export_generator(Chain(*LAYERS), "mine", classes=1.5)


def on_a_line(activation=nn.Tanh, width=5, inputs=1, outputs=1):
    return nn.Sequential(nn.Linear(inputs, width), activation(), nn.Linear(width, outputs, bias=False))


def test_a_pair_is_its_weights():
    """Rows, columns and numbers of each weight and bias, from which the two networks can be computed again."""
    G, D = on_a_line(), on_a_line(width=7)
    exported = json.loads(export_pair(G, D))
    assert exported["activation"] == "tanh"
    x = torch.linspace(-2, 2, 9)[:, None]
    for net, name in ((G, "G"), (D, "D")):
        first, shift, second, none = (torch.tensor(v).view(r, c) for r, c, v in exported[name])
        torch.testing.assert_close((x @ first + shift).tanh() @ second + none, net(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("D", "message"),
    [
        (nn.Sequential(nn.Linear(1, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1)), "got LeakyReLU and Tanh"),
        (on_a_line(nn.ReLU), "got ReLU and Tanh"),
        (on_a_line(inputs=2), "D must take one number and return one, got 2 and 1"),
        (on_a_line(outputs=3), "got 1 and 3"),
        (nn.Sequential(nn.Linear(1, 4), nn.Tanh()), "D must be Linear layers"),
        (nn.Sequential(), "D must be Linear layers"),
        (spoiled(on_a_line()), "D must have finite weights"),
        (on_a_line(width=200_000), "more than 2 MB"),
    ],
)
def test_a_pair_that_no_page_can_play_is_refused(D, message):
    with pytest.raises(ValueError, match=message):
        export_pair(on_a_line(), D)


@pytest.mark.usefixtures("unchecked")
def test_a_pair_of_other_things_is_refused():
    with pytest.raises(TypeError, match=r"D must be a torch\.nn\.Module, got function"):
        export_pair(on_a_line(), lambda x: x)
