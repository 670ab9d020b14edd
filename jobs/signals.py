"""Ending by signal: say how to go on, and leave at once with the shell's exit code for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Terminated(BaseException):
    """SIGTERM, raised in the main thread."""


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Within: SIGINT and SIGTERM end the program with 130 and 143. Nothing committed is lost, nothing half is left."""
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    except KeyboardInterrupt:
        _leave(130, "interrupted")
    except _Terminated:
        _leave(143, "terminated")


def _raise(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _leave(code: int, word: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # already on the way
    print(f"tilepress: {word}; run the same command again to go on from here", file=sys.stderr, flush=True)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
    os._exit(code)  # worker threads may be in the middle of a shard; what they have not committed does not count
