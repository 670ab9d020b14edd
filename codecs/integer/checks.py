"""Truths that a device computes, which the processor has to know before results count, but not while it gives orders.

To look at a number of a GPU is to wait for all that was ordered before. Within `together`, whatever `require` is given
there is looked at once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_waiting: ContextVar[list[tuple[torch.Tensor, str]] | None] = ContextVar("waiting", default=None)


def require(holds: torch.Tensor, message: str) -> None:
    """ValueError unless a truth (0-dim, bool) holds: at once, or where `together` ends if that takes waiting."""
    waiting = _waiting.get()
    if waiting is not None and holds.device.type != "cpu":
        waiting.append((holds, message))
    elif not bool(holds):
        raise ValueError(message)


@contextmanager
def together() -> Iterator[None]:
    """Run a block whose results count only when it has ended. ValueError of the first truth that does not hold."""
    waiting: list[tuple[torch.Tensor, str]] = []
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    for holds, message in waiting:
        if not bool(holds):
            raise ValueError(message)
