"""The usual tutorial's way of training the MLP pair: each choice below is the one commonly taught."""

import contextlib
import io
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from ganlib import networks


def copy_batch_norm(G: nn.Module) -> None:
    """``BatchNorm1d(n, 0.8)`` in place of every batch normalisation, as often copied: 0.8 is eps, momentum stays 0.1."""
    for index, layer in enumerate(G.layers):
        if isinstance(layer, nn.BatchNorm1d):
            G.layers[index] = nn.BatchNorm1d(layer.num_features, 0.8)


def usual(folder: Path, batch: int = 64, seed: int = 0, copied: bool = True) -> Iterator[nn.Module]:
    """Round after round the usual way, without end; G after each.

    Args:
        folder: where torchvision's MNIST finds the training set; :func:`raw_mnist` makes one.
        batch: images a round.
        seed: of weights, latents and order.
        copied: batch normalisation as :func:`copy_batch_norm` makes it.
    """
    torch.manual_seed(seed)
    steps = [transforms.Resize(28), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    loader = DataLoader(MNIST(folder, transform=transforms.Compose(steps)), batch_size=batch, shuffle=True, drop_last=True)
    G, D = networks.MLPGenerator(), nn.Sequential(networks.MLPDiscriminator(), nn.Sigmoid())
    if copied:
        copy_batch_norm(G)
    loss = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    while True:
        for index, (images, _) in enumerate(loader):
            ones, zeros = torch.ones(len(images)), torch.zeros(len(images))
            opt_G.zero_grad()
            fakes = G(torch.randn(len(images), 100))
            loss_G = loss(D(fakes), ones)
            loss_G.backward()
            opt_G.step()
            opt_D.zero_grad()
            loss_D = (loss(D(images), ones) + loss(D(fakes.detach()), zeros)) / 2
            loss_D.backward()
            opt_D.step()
            with contextlib.redirect_stdout(io.StringIO()):  # the line is made, and not shown
                print(f"[{index}/{len(loader)}] [D loss: {loss_D.item():f}] [G loss: {loss_G.item():f}]")
            yield G


@contextlib.contextmanager
def raw_mnist(images: Tensor, labels: Tensor) -> Iterator[Path]:
    """A folder in which torchvision's MNIST finds these images as its training set, there for the time of the run."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for kind, tensor in (("images-idx3", images.squeeze(1)), ("labels-idx1", labels.to(torch.uint8))):
            header = bytes([0, 0, 8, tensor.ndim]) + struct.pack(f">{tensor.ndim}I", *tensor.shape)
            (raw / f"train-{kind}-ubyte").write_bytes(header + tensor.numpy().tobytes())
            (raw / f"t10k-{kind}-ubyte").write_bytes(b"torchvision asks for it and, for the training set, never reads it")
        yield Path(folder)
