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
_RECEIVED: list[int] = []  # since `ending_by_signal` began


class _Terminated(BaseException):
    """SIGTERM, raised in the main thread."""

    exit_code = 143


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Open a context in which SIGINT and SIGTERM end the program with 130 and 143; nothing half is left."""
    _RECEIVED.clear()

    def end(number: int, frame: FrameType | None) -> None:
        _RECEIVED.append(number)
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
        if not _RECEIVED:
            raise
        _leave(_RECEIVED[0])  # the compiler of kernels makes an error of its own of what the handler raised, Ray too


def ending() -> tuple[int, str] | None:
    """Return the exit code and the word of the signal that ends this program, None if there was none."""
    return _ENDINGS[_RECEIVED[0]] if _RECEIVED else None


def _leave(by: int) -> None:
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)  # already on the way
    code, word = _ENDINGS[by]
    MESSAGES.error(f"{word}; run the same command again; what it had written is not made again", code, word)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
    os._exit(code)  # worker threads may be in the middle of a shard; what they have not committed does not count
