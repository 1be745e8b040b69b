"""The games: what D and what G minimise, each a function of D's logits alone.

With r = D's logits on reals, f = D's logits on fakes and D(x) = sigmoid(logit), every probability the papers write is a
softplus of a logit: -log D = softplus(-logit) and -log(1 - D) = softplus(logit). That form is exact where the textbook form
rounds 1 - D to zero. The formula as printed stands beside each line. Higher logits mean "more real" in all six games.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganlib.types import Logits, Scalar

Loss = Callable[[Logits | None, Logits], Scalar]


def minimax_d_loss(real_logits: Logits, fake_logits: Logits) -> Scalar:
    """D's loss of the 2014 game, -V(D, G) (Goodfellow et al. 2014, eq. 1). Introduced in chapter 2."""
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()  # -log D(x) - log(1 - D(G(z)))


def minimax_g_loss(real_logits: Logits | None, fake_logits: Logits) -> Scalar:
    """G's own share of V, which saturates where D is sure (Goodfellow et al. 2014, eq. 1). Introduced in chapter 2."""
    return -softplus(fake_logits).mean()  # log(1 - D(G(z)))


def nonsaturating_g_loss(real_logits: Logits | None, fake_logits: Logits) -> Scalar:
    """The loss G is trained with in practice (Goodfellow et al. 2014, section 3). Introduced in chapter 2."""
    return softplus(-fake_logits).mean()  # -log D(G(z))


def least_squares_d_loss(real_logits: Logits, fake_logits: Logits) -> Scalar:
    """D regresses 1 on reals and 0 on fakes (Mao et al. 2017, eq. 9)."""
    return ((real_logits - 1).square().mean() + fake_logits.square().mean()) / 2  # ((r - 1)^2 + f^2)/2


def least_squares_g_loss(real_logits: Logits | None, fake_logits: Logits) -> Scalar:
    """G pulls D's output on fakes to 1 (Mao et al. 2017, eq. 9)."""
    return (fake_logits - 1).square().mean() / 2  # (f - 1)^2/2


def hinge_d_loss(real_logits: Logits, fake_logits: Logits) -> Scalar:
    """D stops caring about samples beyond a margin of 1 (Lim and Ye 2017, eq. 6)."""
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()  # max(0, 1 - r) + max(0, 1 + f)


def wasserstein_d_loss(real_logits: Logits, fake_logits: Logits) -> Scalar:
    """The critic widens the gap of means; it needs a Lipschitz bound from elsewhere (Arjovsky et al. 2017, eq. 2)."""
    return fake_logits.mean() - real_logits.mean()  # f - r


def wasserstein_g_loss(real_logits: Logits | None, fake_logits: Logits) -> Scalar:
    """G raises the critic's mean on fakes; the hinge game's G does the same (Arjovsky et al. 2017, eq. 2)."""
    return -fake_logits.mean()  # -f


def relativistic_d_loss(real_logits: Logits, fake_logits: Logits) -> Scalar:
    """D ranks each real above the fake beside it (Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2)."""
    return softplus(fake_logits - real_logits).mean()  # -log sigmoid(r - f)


def relativistic_g_loss(real_logits: Logits, fake_logits: Logits) -> Scalar:
    """G ranks each fake above the real beside it (Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2)."""
    return softplus(real_logits - fake_logits).mean()  # -log sigmoid(f - r)


def check_logits(real_logits: Tensor | None, fake_logits: Tensor) -> None:
    """Refuse logits that are not float tensors of shape (batch,), on one device.

    A D that returns (batch, 1) is the commonest slip: (batch, 1) - (batch,) would broadcast to (batch, batch) in silence.
    The two batches must have one length, since the relativistic game pairs them.

    Raises:
        TypeError: an argument is no floating-point tensor.
        ValueError: a shape, a length or a device is wrong; the message says what came and what was expected.
    """
    given = {"real_logits": real_logits, "fake_logits": fake_logits}
    for name, logits in given.items():
        if logits is None and name == "real_logits":
            continue
        if not isinstance(logits, Tensor) or not logits.is_floating_point() or logits.layout != torch.strided:
            kind = f"{logits.dtype}, {logits.layout}" if isinstance(logits, Tensor) else type(logits).__name__
            raise TypeError(f"{name} must be a dense floating-point tensor of shape (batch,), got {kind}.")
        if logits.ndim != 1 or len(logits) == 0:
            raise ValueError(f"{name} must have shape (batch,) with batch >= 1, got {tuple(logits.shape)}.")
    if real_logits is not None and real_logits.shape != fake_logits.shape:
        raise ValueError(f"real_logits and fake_logits must have one length, got {len(real_logits)} and {len(fake_logits)}.")
    if real_logits is not None and real_logits.device != fake_logits.device:
        raise ValueError(f"real_logits are on {real_logits.device}, fake_logits on {fake_logits.device}: expected one device.")


@dataclass(frozen=True)
class Checked:
    """A loss whose arguments are checked at each call; logits of half precision are brought to float32 first."""

    loss: Loss
    needs_reals: bool

    @property
    def __name__(self) -> str:
        return getattr(self.loss, "__name__", type(self.loss).__name__)

    def __call__(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        if self.needs_reals and real_logits is None:
            raise ValueError(f"{self.__name__} needs real_logits, a tensor of shape (batch,), got None.")
        check_logits(real_logits, fake_logits)
        value = self.loss(_in_single(real_logits), _in_single(fake_logits))
        if not isinstance(value, Tensor) or value.ndim:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{self.__name__} must return a tensor of shape (), the mean over the batch, got {found}.")
        return value


def _in_single(logits: Tensor | None) -> Tensor | None:
    return logits.to(torch.float32) if logits is not None and logits.dtype.itemsize < 4 else logits


@dataclass(frozen=True)
class Objective:
    """A game as two losses of (real_logits, fake_logits), both minimised; their arguments are checked at each call.

    ``needs_reals`` says that G's loss looks at reals too; otherwise ``g_loss(None, fake_logits)`` is enough. Losses of logits
    in half precision are computed in float32. An objective made of named functions can be pickled.

    Raises:
        TypeError: a loss is no function.
    """

    d_loss: Loss
    g_loss: Loss
    needs_reals: bool = False

    def __post_init__(self) -> None:
        for name, needs_reals in (("d_loss", True), ("g_loss", self.needs_reals)):
            loss = getattr(self, name)
            if not callable(loss):
                raise TypeError(f"{name} must be a function of (real_logits, fake_logits), got {type(loss).__name__}.")
            loss = loss.loss if isinstance(loss, Checked) else loss  # of another objective
            object.__setattr__(self, name, Checked(loss, needs_reals))


minimax = Objective(minimax_d_loss, minimax_g_loss)
nonsaturating = Objective(minimax_d_loss, nonsaturating_g_loss)
least_squares = Objective(least_squares_d_loss, least_squares_g_loss)
hinge = Objective(hinge_d_loss, wasserstein_g_loss)
wasserstein = Objective(wasserstein_d_loss, wasserstein_g_loss)
relativistic = Objective(relativistic_d_loss, relativistic_g_loss, needs_reals=True)
