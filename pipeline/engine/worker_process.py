"""One process that does stages of shards, as its owner sees it: started, asked, and found dead.

Both ends are this program, and what travels between them is what travels to workers on Ray.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, cast

from tilepress.pipeline.coding.progress import Progress
from tilepress.pipeline.engine.child_process import WorkerDiedError, ending, memory_kills, start_child
from tilepress.pipeline.engine.engine import Stage
from tilepress.pipeline.engine.memory import budget
from tilepress.pipeline.engine.remote_result import Done
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.monitoring.lines import is_heard
from tilepress.pipeline.storage.base import Location

_WHAT = "the process that compresses files"
_CHILD = "tilepress.pipeline.engine.worker_main"
_CRASH_S = 30.0  # for a process that crashed: it may have gigabytes to give back, on a busy machine


class WorkerProcess:
    """A process with codecs of its own; it is asked by one thread at a time."""

    def __init__(self, archive: Location, threads: int) -> None:
        """Start it, without waiting until it can be asked. EngineError. `threads`: tiles that it codes at a time."""
        ours, theirs = socket.socketpair()
        self._memory_kills = memory_kills()
        with theirs:
            self._channel = Connection(ours.detach())
            self._process: subprocess.Popen[bytes] = start_child(_CHILD, theirs, budget(), _WHAT)
        self._first = (archive, threads)
        self._ready = False

    def run(self, stage: Stage, task: Any, attempt: int, listener: Callable[[Progress], None]) -> Done:
        """Return what came of a stage; WorkerDiedError, or EngineError if the process did not start."""
        self._await()
        try:
            self._channel.send((stage, task, attempt, is_heard()))
            while isinstance(answer := self._channel.recv(), Progress):
                listener(answer)
            return cast(Done, answer)
        except (EOFError, OSError) as exc:
            raise self._death() from exc
        except BaseException:  # an answer that nobody took belongs to no other question
            self.end()
            raise

    def end(self) -> int:
        """End the process, whatever it is at; return its exit status."""
        self._process.kill()
        self._channel.close()
        return self._process.wait()

    def _await(self) -> None:
        """Wait until it can be asked. EngineError if it did not start."""
        if self._ready:
            return
        try:
            self._channel.send(self._first)
            self._channel.recv()
        except (EOFError, OSError) as exc:
            raise EngineError(
                f"{_WHAT} did not start ({ending(self.end())}): see that {sys.executable} can import tilepress, and "
                "repeat the command"
            ) from exc
        self._ready = True

    def _death(self) -> WorkerDiedError:
        try:
            status = self._process.wait(_CRASH_S)
        except subprocess.TimeoutExpired:
            status = self.end()
        self._channel.close()
        if status != -signal.SIGKILL:
            return WorkerDiedError(f"crashed ({ending(status)})", killed=False)
        if memory_kills() > self._memory_kills:
            return WorkerDiedError("took more memory than there is, and was killed", killed=False)
        return WorkerDiedError("was killed", killed=True)
