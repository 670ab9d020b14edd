"""When, and for how long, this process compiles kernels: for displays that say so, and for rates without those seconds.

Imports no numba: whoever restores an image that needs no kernel can look at the clock without loading a compiler.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class _State(NamedTuple):
    """What the clock knows; replaced as a whole, so that it is read without a lock."""

    threads: int = 0  # that compile, or wait for another process which does
    since: float = 0.0  # when the first of them began
    total: float = 0.0  # seconds, of what is over
    signatures: int = 0


class CompileClock:
    """Counts the signatures of kernels that this process compiles, and the seconds.

    Seconds count once, however many threads compile at a time. Seconds of waiting for another process of the machine
    that compiles are among them: this one would compile otherwise.
    """

    def __init__(self) -> None:
        """Start at nothing compiled."""
        self._state = _State()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._lasting = True

    @property
    def running(self) -> bool:
        """Whether kernels are being compiled now."""
        return self._state.threads > 0

    @property
    def signatures(self) -> int:
        """How many signatures have been compiled; a kernel has one for each combination of its arguments' types."""
        return self._state.signatures

    @property
    def lasting(self) -> bool:
        """Whether later processes of this machine will find all that was compiled."""
        return self._lasting

    @property
    def seconds(self) -> float:
        """Seconds spent compiling, those of now included."""
        state = self._state
        return state.total + (time.monotonic() - state.since if state.threads else 0.0)

    def working_time(self) -> float:
        """Return time.monotonic() without the seconds spent compiling: this time stands still while kernels compile."""
        state = self._state
        return (state.since if state.threads else time.monotonic()) - state.total

    def start(self, *, lasting: bool) -> None:
        """Begin to compile in one thread; `lasting`: there is a folder that keeps the code for later processes."""
        with self._lock:
            state = self._state
            since = state.since if state.threads else time.monotonic()
            self._state = state._replace(threads=state.threads + 1, since=since)
            self._lasting = self._lasting and lasting
        self._tell()

    def count(self) -> None:
        """Count a signature that has been compiled."""
        with self._lock:
            self._state = self._state._replace(signatures=self._state.signatures + 1)
        self._tell()

    def stop(self) -> None:
        """End what `start` began."""
        with self._lock:
            state = self._state
            over = time.monotonic() - state.since if state.threads == 1 else 0.0
            self._state = state._replace(threads=state.threads - 1, total=state.total + over)
        self._tell()

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener`, while the context lasts, at every start, signature and stop.

        The thread that compiles calls it, under numba's lock. It must be quick and raise nothing.
        """
        self._listeners = [*self._listeners, listener]
        try:
            yield
        finally:
            self._listeners = [one for one in self._listeners if one != listener]

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


COMPILE_CLOCK = CompileClock()
