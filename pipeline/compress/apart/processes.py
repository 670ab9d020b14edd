"""The processes of this one that read image files: started when they are needed, and kept."""

from __future__ import annotations

import atexit
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tilepress.pipeline.compress.apart.process import ReadingProcess


class ReadingProcesses:
    """As many as are asked at the same time, but no more than the machine has processors."""

    def __init__(self) -> None:
        """Of this process; one that is forked has none."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[ReadingProcess] = []
        self._starting = 0

    @contextmanager
    def idle(self) -> Iterator[ReadingProcess]:
        """Open a context with a process that nobody else asks meanwhile."""
        process = self._locked()
        try:
            yield process
        finally:
            process.lock.release()

    def prepare(self) -> None:
        """Start one if there is none, so that it starts while something else is done."""
        with self._lock:
            if self._starting or any(process.alive for process in self._processes):
                return
            self._starting += 1
        self._start().lock.release()

    def close(self) -> None:
        """End all of them; another one starts when it is needed."""
        for process in self._processes:
            process.close()

    def _locked(self) -> ReadingProcess:
        with self._lock:
            self._processes = [process for process in self._processes if process.alive]
            for process in self._processes:
                if process.lock.acquire(blocking=False):
                    return process
            full = len(self._processes) + self._starting >= (os.cpu_count() or 1)
            waited_for = random.choice(self._processes) if full and self._processes else None
            self._starting += waited_for is None
        if waited_for is not None:
            waited_for.lock.acquire()
            return waited_for
        return self._start()

    def _start(self) -> ReadingProcess:
        try:
            process = ReadingProcess()
            process.lock.acquire()
        except BaseException:
            with self._lock:
                self._starting -= 1
            raise
        with self._lock:
            self._starting -= 1
            self._processes.append(process)
        return process

    def leave_to_parent(self) -> None:
        """Forget, in a process just forked, the processes of the one that it was forked from."""
        for process in self._processes:
            process.leave()
        self._begin()


PROCESSES = ReadingProcesses()
atexit.register(PROCESSES.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESSES.leave_to_parent)
