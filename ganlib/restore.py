"""What a helper was handed is afterwards as it was, wherever the helper is stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def put_back(restore: Callable[[], None]) -> Iterator[None]:
    """Calls `restore` afterwards, whatever happened, and once more: an interrupt may cut the first time short."""
    try:
        try:
            yield
        finally:
            restore()
    finally:
        restore()
