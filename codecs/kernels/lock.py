"""One process of a machine compiles at a time: the others wait, and load the kernels that it saved.

The lock is held from the first kernel that is in no cache until numba releases its own compiler lock. A kernel and
those it calls are thus compiled in one go, and an error on the way releases the lock too. The clock of compilation
(compile_clock.py) runs for as long, and while this process waits for the lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import event

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK

_PATIENCE_S = 300.0  # a process that compiles for longer is stuck: from then on this one compiles by itself
_POLL_S = 0.05


class CompileLock:
    """The lock of a cache folder. Without a file to lock (a read-only folder) everybody compiles."""

    def __init__(self, folder: Path) -> None:
        """Name the lock of `folder`, which is made when the lock is first taken, if it can be."""
        self._path = folder / "lock"
        self._file: int | None = None
        self._useless = False

    @staticmethod
    @cache
    def of(folder: Path) -> CompileLock:
        """Return the one lock of a folder in this process."""
        return CompileLock(folder)

    def acquire(self) -> bool:
        """Wait for other processes; return whether the lock was taken just now, so that they may have saved kernels.

        Only for a thread that holds numba's compiler lock: this lock is released with it.
        """
        if self._file is not None or self._useless or not _compiling.depth:
            return False
        deadline = time.monotonic() + _PATIENCE_S
        while not (taken := self._try()) and not self._useless and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if taken:
            _compiling.hold(self)
        else:
            self._useless = True
        return taken

    def release(self) -> None:
        """Let others compile."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _try(self) -> bool:
        file = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if file is not None:
                os.close(file)
            self._useless = not isinstance(exc, BlockingIOError)
            return False
        self._file = file
        return True


def start_clock(*, lasting: bool) -> None:
    """Let the clock of compilation run until this thread releases numba's compiler lock, which it must hold."""
    _compiling.start_clock(lasting=lasting)


class _Compiling(event.Listener):  # type: ignore[misc]  # numba has no types
    """Hears how often this thread holds numba's compiler lock; frees ours and stops the clock at the last release."""

    def __init__(self) -> None:
        self.of_thread = threading.local()

    @property
    def depth(self) -> int:
        """Of numba's lock, which a thread may take again while it holds it."""
        return getattr(self.of_thread, "depth", 0)

    def hold(self, lock: CompileLock) -> None:
        """Free a lock in the end."""
        self.of_thread.locks = [*getattr(self.of_thread, "locks", []), lock]

    def start_clock(self, *, lasting: bool) -> None:
        """Once for all that is compiled under one hold of numba's lock."""
        if self.depth and not getattr(self.of_thread, "timed", False):
            self.of_thread.timed = True
            COMPILE_CLOCK.start(lasting=lasting)

    def on_start(self, event: Any) -> None:
        """One more."""
        self.of_thread.depth = self.depth + 1

    def on_end(self, event: Any) -> None:
        """One less; the last one frees."""
        self.of_thread.depth = max(0, self.depth - 1)
        if not self.depth:
            for lock in getattr(self.of_thread, "locks", []):
                lock.release()
            self.of_thread.locks = []
            if getattr(self.of_thread, "timed", False):
                self.of_thread.timed = False
                COMPILE_CLOCK.stop()


_compiling = _Compiling()
event.register("numba:compiler_lock", _compiling)
