"""InfoGAN: a generator some of whose inputs are codes, and the network Q that reads them off its images."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from ganlib.conv import DCGANDiscriminator, DCGANGenerator
from ganlib.types import Images, Latents, Samples, Scalar


class InfoGenerator(nn.Module):
    """z -> image, where z = (a one-hot code, numbers in [-1, 1], noise); ``Q`` guesses code and numbers from the image.

    G has the layers of chapter 15's G, Q those of its D with another last layer. Q is a part of G, so that G's optimiser moves
    it, too. Introduced in chapter 16.

    Args:
        codes: values of the one-hot code.
        numbers: continuous codes.
        noise: length of what Q need not read.
        image_shape: (channel, height, width) of the images made, in [-1, 1].

    Raises:
        ValueError: the sides of image_shape cannot be divided by four.
    """

    def __init__(self, codes: int = 10, numbers: int = 2, noise: int = 52, image_shape: Sequence[int] = (1, 28, 28)) -> None:
        super().__init__()
        self.codes, self.numbers, self.noise = codes, numbers, noise
        self.image_shape = tuple(image_shape)
        self.layers = DCGANGenerator(codes + numbers + noise, image_shape=image_shape).layers
        self.Q = DCGANDiscriminator(image_shape).layers
        self.Q[-1] = nn.Linear(self.Q[-1].in_features, codes + numbers)

    def forward(self, z: Latents) -> Images:
        return self.layers(z).unflatten(1, self.image_shape)

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Latents:
        """n draws: a code, all values alike; numbers uniform in [-1, 1]; standard normal noise."""
        where = "cpu" if generator is None else generator.device
        code = torch.randint(self.codes, (n,), generator=generator, device=where)
        numbers = 2 * torch.rand(n, self.numbers, generator=generator, device=where) - 1
        noise = torch.randn(n, self.noise, generator=generator, device=where)
        z = torch.cat([one_hot(code, self.codes), numbers, noise], dim=1)
        return z.to(self.layers[0].weight)


def code_loss(
    G: InfoGenerator, z: Latents, reals: Samples, fakes: Samples, weight: float = 1.0, of_numbers: float = 0.1
) -> Scalar:
    """How badly Q reads the codes off the fakes: an ``extra`` of :func:`ganlib.training.train`, once G is fixed by partial.

    For the one-hot code -log Q(c | x), whose mean is at least H(c) - I(c; x); for the numbers squared errors, the same for a
    normal Q of fixed spread, up to a constant (Chen et al. 2016, eq. 5). Introduced in chapter 16.

    Args:
        G: has ``codes``, ``numbers`` and ``Q``.
        z: (batch, ...), of ``G.sample_z``: the codes first, the numbers next.
        reals: not looked at.
        fakes: G's images of z.
        weight: of the whole.
        of_numbers: of the squared errors beside it.
    """
    code, numbers = z[:, : G.codes], z[:, G.codes : G.codes + G.numbers]
    guess = G.Q(fakes)
    surprise = cross_entropy(guess[:, : G.codes], code)
    error = (guess[:, G.codes :] - numbers).square().sum(dim=1).mean()
    return weight * (surprise + of_numbers * error)
