"""One process that reads image files, as its owner sees it: started, asked, and found dead."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.pipeline.compress.apart.messages import ChannelError, Message, receive, send
from tilepress.pipeline.engine.memory import budget
from tilepress.pipeline.errors import EngineError

MEMORY = 4 << 30  # bytes of data; 3.2 GB are what libjxl takes for the largest JPEG file that is transcoded
PROCESSOR_S = 180.0  # of one question; and on top of that
BYTES_A_SECOND = 100_000  # of the file: decoding at a tenth of what the slowest machine does
CLOCK = 4  # times as long by the clock: a decoder that waits, or a machine that is busy
_LATE_S = 10.0  # after which a process that should have ended itself is ended
_START_S = 120.0
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[3]); from {} import main; main(*map(int, sys.argv[1:3]))"
_CHILD = "tilepress.pipeline.compress.apart.child"
_TIMES = (signal.SIGALRM, signal.SIGXCPU)


class DiedError(Exception):
    """The process ended while it was asked; the message says how. `slow`: it had taken too long."""

    def __init__(self, how: str, *, slow: bool = False) -> None:
        super().__init__(how)
        self.slow = slow


class GoneError(Exception):
    """The process was no longer there when it was to be asked: nothing is known about what it was to be asked."""


@dataclass(frozen=True)
class Question:
    """What is asked: the message, the bytes of the files that it is about, and the most bytes of an answer."""

    message: Message
    file_bytes: int
    most: int
    patience: float = 1.0  # a share of the usual time

    @property
    def seconds(self) -> tuple[int, int]:
        """Of the processor, and of the clock."""
        processor = self.patience * (PROCESSOR_S + self.file_bytes / BYTES_A_SECOND)
        return max(1, int(processor)), max(1, int(CLOCK * processor))


class ReadingProcess:
    """A process that reads image files; questions are asked one at a time, from any thread."""

    def __init__(self) -> None:
        """Start it, without waiting until it can be asked. EngineError."""
        self.lock = threading.RLock()
        self._forgotten: deque[int] = deque()
        ours, theirs = socket.socketpair()
        memory = min(MEMORY, budget())
        arguments = [str(theirs.fileno()), str(memory), json.dumps([path for path in sys.path if path])]
        with theirs:
            self._channel = ours
            self._process = _started(arguments, theirs)
        self._ready = False

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._channel.fileno() >= 0

    def ask(self, question: Question) -> Message:
        """Return the answer; GoneError, DiedError, or EngineError if it did not start."""
        with self.lock:
            if not self.alive:
                raise GoneError
            if not self._ready:
                self._await()
            seconds = question.seconds
            forget = [self._forgotten.popleft() for _ in range(len(self._forgotten))]
            asked = question.message
            facts = {**asked.facts, "seconds": seconds, "forget": forget}
            self._channel.settimeout(seconds[1] + _LATE_S)
            try:
                send(self._channel, Message(facts, asked.blobs, asked.file))
                return receive(self._channel, question.most)
            except ChannelError as exc:
                raise self._death(seconds) from exc
            except BaseException:  # an interrupted question has no answer that belongs to it
                self._end()
                raise

    def forget(self, picture: int) -> None:
        """Let go of a picture when something is asked the next time."""
        self._forgotten.append(picture)

    def close(self) -> None:
        """End the process."""
        with self.lock:
            self._end()

    def leave(self) -> None:
        """Let go of the process, which belongs to another one."""
        self._channel.close()
        self._process.returncode = 0  # or Popen would wait for a child that this process does not have

    def _await(self) -> None:
        """Wait until it can be asked. EngineError if it did not start."""
        self._channel.settimeout(_START_S)
        try:
            self._ready = receive(self._channel, 0).facts == {"ready": True}
        except ChannelError as exc:
            raise EngineError(
                f"the process that reads image files did not start ({self._end()}): see that {sys.executable} can "
                "import tilepress, and repeat the command"
            ) from exc

    def _death(self, seconds: Sequence[int]) -> DiedError:
        status = self._end()
        if status < 0 and -status in _TIMES:
            return DiedError(f"took more than {seconds[0]} s of a processor, or {seconds[1]} s in all", slow=True)
        return DiedError(f"crashed ({signal.Signals(-status).name if status < 0 else f'exit code {status}'})")

    def _end(self) -> int:
        """The exit status of the process, ended if need be."""
        self._channel.close()
        try:
            return self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return -signal.SIGALRM if self._process.wait() == -signal.SIGKILL else self._process.returncode


def _started(arguments: Sequence[str], channel: socket.socket) -> subprocess.Popen[bytes]:
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _START.format(_CHILD), *arguments]
    try:
        return subprocess.Popen(command, pass_fds=(channel.fileno(),), env=environment, **quiet)
    except OSError as exc:
        raise EngineError(f"the process that reads image files did not start: {exc}") from exc
