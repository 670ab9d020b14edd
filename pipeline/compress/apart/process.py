"""One process that reads image files, as its owner sees it: started, asked, and found dead."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tilepress.pipeline.compress.apart.messages import ChannelError, Message, receive, send
from tilepress.pipeline.engine.child_process import ending, start_child
from tilepress.pipeline.engine.memory import budget
from tilepress.pipeline.errors import EngineError

MEMORY = 4 << 30  # bytes of data; 3.2 GB are what libjxl takes for the largest JPEG file that is transcoded
PROCESSOR_S = 180.0  # of one question; and on top of that
BYTES_A_SECOND = 100_000  # of the file: decoding at a tenth of what the slowest machine does
CLOCK = 4  # times as long by the clock: a decoder that waits, or a machine that is busy
_LATE_S = 10.0  # after which a process that should have ended itself is ended
_EXIT_S = 1.0  # for a process that is let go; one that crashed
_CRASH_S = 30.0  # may have gigabytes to give back, on a busy machine
_START_S = 120.0
_WHAT = "the process that reads image files"
_CHILD = "tilepress.pipeline.compress.apart.child"
_TIMES = (signal.SIGALRM, signal.SIGXCPU)


class DiedError(Exception):
    """The process ended while it was asked; the message says how.

    `slow`: it had taken too long. `killed`: by somebody else, as a machine does that has no memory left.
    """

    def __init__(self, how: str, *, slow: bool = False, killed: bool = False) -> None:
        super().__init__(how)
        self.slow = slow
        self.killed = killed


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

    def __init__(self, *, alone: bool = False) -> None:
        """Start it, without waiting until it can be asked. EngineError. `alone`: to serve one file only."""
        self.alone = alone
        self.lock = threading.RLock()
        self.pictures: set[int] = set()  # that are open
        self._forgotten: deque[int] = deque()
        ours, theirs = socket.socketpair()
        with theirs:
            self._channel = ours
            self._process = start_child(_CHILD, theirs, min(MEMORY, budget()), _WHAT)
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
            began = time.monotonic()
            try:
                send(self._channel, Message(facts, asked.blobs, asked.file))
                answer = receive(self._channel, question.most)
                self._note(asked, answer)
                return answer
            except ChannelError as exc:
                raise self._death(seconds, time.monotonic() - began) from exc
            except BaseException:  # an interrupted question has no answer that belongs to it
                self._end()
                raise

    def _note(self, asked: Message, answer: Message) -> None:
        """Count a picture as open until it is forgotten."""
        number = answer.facts.get("picture")
        if asked.facts["ask"] == "open" and type(number) is int:
            self.pictures.add(number)

    def forget(self, picture: int) -> None:
        """Let go of a picture when something is asked the next time."""
        self.pictures.discard(picture)
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
                f"{_WHAT} did not start ({self._end()}): see that {sys.executable} can "
                "import tilepress, and repeat the command"
            ) from exc

    def _death(self, seconds: Sequence[int], after_s: float) -> DiedError:
        late = after_s >= seconds[1]
        status, by_us = self._ended(_EXIT_S if late else _CRASH_S)
        if -status in _TIMES or (by_us and late):
            return DiedError(f"took more than {seconds[0]} s of a processor, or {seconds[1]} s in all", slow=True)
        if by_us:
            return DiedError("broke off its answer and did not end")
        return DiedError(f"crashed ({ending(status)})", killed=status == -signal.SIGKILL)

    def _end(self) -> int:
        """The exit status of the process, ended if need be."""
        return self._ended(_EXIT_S)[0]

    def _ended(self, wait_s: float) -> tuple[int, bool]:
        """The exit status of the process, and whether it was killed here because it did not exit in time."""
        self._channel.close()
        try:
            return self._process.wait(wait_s), False
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
            return status, status == -signal.SIGKILL
