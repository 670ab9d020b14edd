"""Of the processes of a machine one compiles a signature: others that need it wait, and load what was saved.

A signature is locked from the moment when it is in no cache until it is saved; after an error, until numba releases its
own compiler lock. Whoever holds a kernel may wait for its parts, which never wait for the kernel: no circle can arise.
All locks are bytes of one file. The clock of compilation (compile_clock.py) runs from the first that is missing until
numba's lock is released, and while this process waits for another.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import event

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK

_PATIENCE_S = 300.0  # a process that compiles for longer is stuck: from then on this one compiles by itself
_POLL_S = 0.05


class CompileLock:
    """The locks of a cache folder, by name. Without a file to lock (a read-only folder) everybody compiles."""

    def __init__(self, folder: Path) -> None:
        """Keep the locks of `folder`, which is made when the first is taken, if it can be."""
        self._path = folder / "lock"
        self._file: int | None = None
        self._useless = False

    @staticmethod
    @cache
    def of(folder: Path) -> CompileLock:
        """Return the one object of a folder in this process: were its file closed, all locks would be released."""
        return CompileLock(folder)

    def acquire(self, name: str) -> bool:
        """Wait for other processes; return whether the lock was taken, so that they may have saved what is named.

        Only for a thread that holds numba's compiler lock: this lock is released with it, if not before.
        """
        if self._useless or not _compiling.depth:
            return False
        deadline = time.monotonic() + _PATIENCE_S
        while not (taken := self._try(name)) and not self._useless and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if taken:
            _compiling.hold(self, name)
        else:
            self._useless = True
        return taken

    def release(self, name: str) -> None:
        """Let others compile what is named, or load it."""
        if self._file is not None:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(name))

    def _try(self, name: str) -> bool:
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except OSError as exc:
            self._useless = exc.errno not in (errno.EACCES, errno.EAGAIN)
            return False
        return True


def _place(name: str) -> int:
    """The byte of the file that stands for a name; should two names share one, they wait for each other."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


def start_clock(*, lasting: bool) -> None:
    """Let the clock of compilation run until this thread releases numba's compiler lock, which it must hold."""
    _compiling.start_clock(lasting=lasting)


class _Compiling(event.Listener):
    """Hears how often this thread holds numba's compiler lock; frees ours and stops the clock at the last release."""

    def __init__(self) -> None:
        self.of_thread = threading.local()

    @property
    def depth(self) -> int:
        """Of numba's lock, which a thread may take again while it holds it."""
        return getattr(self.of_thread, "depth", 0)

    def hold(self, lock: CompileLock, name: str) -> None:
        """Free a lock in the end, if it is not free by then."""
        self.of_thread.locks = [*getattr(self.of_thread, "locks", []), (lock, name)]

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
            for lock, name in getattr(self.of_thread, "locks", []):
                lock.release(name)
            self.of_thread.locks = []
            if getattr(self.of_thread, "timed", False):
                self.of_thread.timed = False
                COMPILE_CLOCK.stop()


_compiling = _Compiling()
event.register("numba:compiler_lock", _compiling)
