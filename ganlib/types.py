"""Tensor types with named axes, used in every signature of the library.

The names are documentation that can be checked: the tests run the whole library under jaxtyping and beartype, which
compare each argument's shape and dtype with its annotation. Outside the tests the annotations cost nothing.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

Array = Tensor | np.ndarray
"""What holds numbers: functions that hand out tensors take NumPy arrays too."""

Scalar = Float[Tensor, ""]
"""A tensor of shape (): a loss or a penalty."""

Logits = Float[Tensor, " batch"]
"""What D returns, one number a sample: log D/(1 - D). Higher means more real, for every objective."""

Latents = Float[Tensor, "batch z_dim"]
"""What G eats: one z a row."""

Samples = Float[Tensor, "batch ..."]
"""Points or images, the first axis counting them."""

Images = Float[Tensor, "batch channel height width"]
"""Images as the networks see them, in [-1, 1]."""

ByteImages = UInt8[Tensor, "batch channel height width"]
"""Images at rest, 0 to 255."""

Labels = Int64[Array, " batch"]
"""Class numbers."""

Points = Float[Tensor, "batch dim"]
"""Points of a toy data set."""

Features = Float[Tensor, "batch dim"]
"""What a metric sees: one feature vector a row."""

Network = Callable[..., Tensor]
"""Anything that maps a batch (and what is given with it) to a batch: an nn.Module or a plain function."""

Penalty = Callable[[Network, Tensor, Tensor], Tensor]
"""``penalty(D, reals, fakes)``, a scalar added to D's loss; its weight is fixed with functools.partial."""

Extra = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``extra(z, reals, fakes)``, a scalar added to G's loss: the mirror of a penalty."""


@runtime_checkable
class Game(Protocol):
    """What the training loop asks of an objective: two losses of (real_logits, fake_logits), both minimised."""

    d_loss: Callable[..., Any]
    g_loss: Callable[..., Any]
    needs_reals: bool
