"""Ending by signal: say how to go on, and leave at once with the shell's exit code for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tilepress.jobs.cli.messages import MESSAGES

_ENDINGS: dict[int, tuple[int, str]] = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}


class _Terminated(BaseException):
    """SIGTERM, raised in the main thread."""

    exit_code = 143


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Open a context in which SIGINT and SIGTERM end the program with 130 and 143; nothing half is left."""
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    for number in _ENDINGS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell wants it of what runs in the background
            signal.signal(number, end)
    try:
        yield
    except KeyboardInterrupt:
        _leave(signal.SIGINT)
    except _Terminated:
        _leave(signal.SIGTERM)
    except Exception:
        if not received:
            raise
        _leave(received[0])  # the compiler of kernels makes an error of its own of what the handler raised


def _leave(ending: int) -> None:
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)  # already on the way
    code, word = _ENDINGS[ending]
    MESSAGES.error(f"{word}; run the same command again; what it had written is not made again", code, word)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
    os._exit(code)  # worker threads may be in the middle of a shard; what they have not committed does not count
