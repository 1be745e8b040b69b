"""InfoGAN: a generator some of whose inputs are codes, and the network Q that reads them off its images."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ganlib.arguments import number, whole
from ganlib.conditional import label_rows
from ganlib.conv import DCGANDiscriminator, DCGANGenerator
from ganlib.inputs import check_codes
from ganlib.networks import MLPGenerator
from ganlib.types import Latents, Samples, Scalar


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
        self.codes, self.numbers, self.noise = whole(codes, "codes", 1), numbers, noise
        self.z_dim, self.image_shape = codes + numbers + noise, tuple(image_shape)
        self.layers = DCGANGenerator(self.z_dim, image_shape=image_shape).layers
        self.Q = DCGANDiscriminator(image_shape).layers
        self.Q[-1] = nn.Linear(self.Q[-1].in_features, codes + numbers)

    forward = MLPGenerator.forward  # the same check of z; a row of pixels becomes an image

    def sample_z(self, n: int, generator: torch.Generator | None = None) -> Latents:
        """n draws: a code, all values alike; numbers uniform in [-1, 1]; standard normal noise.

        From torch's global generator on the device of the weights, or from `generator` on its own; in float32, whatever the
        weights are.
        """
        weight, n = self.layers[0].weight, whole(n, "n", 1)
        place = {"device": (generator or weight).device, "dtype": torch.float32}
        code = torch.randint(self.codes, (n,), generator=generator, device=place["device"])
        numbers = 2 * torch.rand(n, self.numbers, generator=generator, **place) - 1
        noise = torch.randn(n, self.noise, generator=generator, **place)
        rows = label_rows(code, self.codes, noise)
        return torch.cat([rows, numbers, noise], dim=1).to(weight)


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

    Raises:
        TypeError, ValueError: as :func:`ganlib.inputs.check_codes`, or a weight is no number.
    """
    check_codes(G, z, fakes)
    weight, of_numbers = number(weight, "weight"), number(of_numbers, "of_numbers")
    code, numbers = z[:, : G.codes], z[:, G.codes : G.codes + G.numbers]
    guess = G.Q(fakes)
    surprise = cross_entropy(guess[:, : G.codes], code)
    error = (guess[:, G.codes :] - numbers).square().sum(dim=1).mean()
    return weight * (surprise + of_numbers * error)
