"""The processes of this one that read image files: started when they are needed, and kept."""

from __future__ import annotations

import atexit
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tilepress.pipeline.compress.apart.process import ReadingProcess


class ReadingProcesses:
    """As many as are asked or hold pictures at the same time, but no more than the machine has processors.

    Pictures are spread over them: those of one process share its memory, and their bands are read one after another.
    """

    def __init__(self) -> None:
        """Of this process; one that is forked has none."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[ReadingProcess] = []
        self._starting = 0
        self._waiting: Counter[ReadingProcess] = Counter()
        self._one_alone = threading.Lock()

    @contextmanager
    def idle(self) -> Iterator[ReadingProcess]:
        """Open a context with a process that nobody else asks meanwhile."""
        process = self._locked()
        try:
            yield process
        finally:
            process.lock.release()

    @contextmanager
    def alone(self) -> Iterator[ReadingProcess]:
        """Open a context with a new process that serves one file only, and while no other is asked so.

        It ends with the picture that it opens, or with the context if it opens none.
        """
        with self._one_alone:
            with self._lock:
                self._starting += 1
            process = self._start(alone=True)
            try:
                yield process
            finally:
                process.lock.release()
                if not process.pictures:
                    process.close()

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
        """A process that lives, locked: the one with the fewest pictures, or a new one while there may be more."""
        while True:
            with self._lock:
                self._tidy()
                shared = sorted((each for each in self._processes if not each.alone), key=self._load)
                full = len(shared) + self._starting >= (os.cpu_count() or 1)
                free = next((each for each in shared if each.lock.acquire(blocking=False)), None)
                if free is not None and (full or not free.pictures):
                    return free
                if free is not None:
                    free.lock.release()
                if not full or not shared:
                    self._starting += 1
                    break
                self._waiting[shared[0]] += 1
            if self._waited_for(shared[0]):
                return shared[0]
        return self._start()

    def _load(self, process: ReadingProcess) -> int:
        return len(process.pictures) + self._waiting[process]

    def _waited_for(self, process: ReadingProcess) -> bool:
        """Wait until nobody else asks a process; whether it then still lives, locked."""
        try:
            process.lock.acquire()
        finally:
            with self._lock:
                self._waiting[process] -= 1
        if process.alive:
            return True
        process.lock.release()  # it died of the question that was waited for
        return False

    def _tidy(self) -> None:
        """Drop the processes that are dead, and end those that served one file which nobody reads any more."""
        for process in self._processes:
            if process.alone and not process.pictures and process.lock.acquire(blocking=False):
                process.close()
                process.lock.release()
        self._processes = [process for process in self._processes if process.alive]
        self._waiting = Counter({each: count for each, count in self._waiting.items() if count})

    def _start(self, *, alone: bool = False) -> ReadingProcess:
        try:
            process = ReadingProcess(alone=alone)
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
