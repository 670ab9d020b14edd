"""What a person watches while a command runs: a live display on a terminal, plain lines or JSON events elsewhere."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, ClassVar, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.jobs.cli.messages import MESSAGES

_COMPILING = {True: "compiling kernels, once on this machine", False: "compiling kernels"}  # by whether they are kept
_ADVICE = "set TILEPRESS_KERNEL_CACHE to a folder that can be written"
_TICK_S = 0.5  # between looks at the clock
_EVENT_EVERY_S = 1.0
_FIRST_LINE_S = 3.0  # of work, after which there is something to tell
_WIDE = 120  # columns of a terminal that has room for a bar
_BAR = 24


def size(count: float) -> str:
    """Return bytes for people: decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < (1000 if unit == "B" else 999.5):  # 999.7 kB would be shown as 1e+03
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if abs(count) < 999.5 else f"{count:,.0f} TB"


def counted(count: int, one: str, many: str = "") -> str:
    """Return "1 file", "2,000 files"; `many` where that is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def took(seconds: float, compiling_seconds: float) -> str:
    """Return "in 12.0 s", and how many of these seconds went into kernels if any did (0.05 or more)."""
    compiling = f", of which {compiling_seconds:.1f} s compiling kernels" if compiling_seconds >= 0.05 else ""
    return f"in {seconds:.1f} s{compiling}"


def clock(seconds: float) -> str:
    """Return "0:01:04"."""
    return str(timedelta(seconds=round(seconds)))


class LiveDisplay(ABC):
    """Facts about work under way, on standard error: nothing if `quiet`.

    On a terminal, a line that changes, with a bar where there is room; with --json an event a second; elsewhere a line
    after the first seconds and then every `line_every_s`. A log gets these lines too. Elapsed time is told, and what is
    left, estimated from the rate so far without the time in which this process compiled kernels. Where there is no
    terminal, a line is printed before and one after kernels are compiled; on one, the facts are that they are.
    """

    line_every_s: ClassVar[float] = 30.0

    def __init__(self, task: str, *, quiet: bool = False) -> None:
        self._task_name, self._quiet = task, quiet
        self._console = Console(stderr=True)
        self._on_terminal = not (quiet or MESSAGES.as_json or MESSAGES.as_log) and self._console.is_terminal
        self._bar = self._on_terminal and self._console.width >= _WIDE
        self._live = Progress(
            TextColumn("{task.description}"),
            *([BarColumn(_BAR)] if self._bar else []),
            TextColumn("{task.fields[facts]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=self._console,
            disable=not self._on_terminal,
        )
        self._task: TaskID | None = None
        self._share = self._given = 0.0
        self._began, self._began_working = time.monotonic(), COMPILE_CLOCK.working_time()
        self._next_line = self._began_working + _FIRST_LINE_S
        self._next_event = self._began
        self._compiling = CompilingLines(task, plain=not quiet and not self._on_terminal)
        self._until_end = ExitStack()
        self._over = threading.Event()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._live.start()
        self._task = self._live.add_task(self._task_name, total=1.0, facts="starting")
        self._until_end.enter_context(COMPILE_CLOCK.heard_by(self._hear))
        if not self._quiet:
            with suppress(RuntimeError):  # the system has no thread to give: only the display lacks it
                threading.Thread(target=self._keep_telling, name="display", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._until_end.close()
        with self._lock:
            self._live.stop()
            self._compiling.after()
            if not self._quiet:
                self._tell_program()

    @abstractmethod
    def _facts(self) -> Sequence[str]:
        """What there is to say now, the most important first."""

    def _figures(self) -> dict[str, Any]:
        """The same for programs."""
        return {}

    def _show(self, share: float, given: float = 0.0) -> None:
        """So much of all is done, from 0 to 1; `given` of it was so before this command began."""
        with self._lock:
            self._share, self._given = min(max(share, self._share), 1.0), given
            self._tell()

    @property
    def _seconds(self) -> float:
        """Seconds of work, without those of compiling."""
        return max(1e-6, COMPILE_CLOCK.working_time() - self._began_working)

    def _left(self) -> float | None:
        """Seconds that are left; None where nothing is known."""
        done = self._share - self._given
        return self._seconds * (1 - self._share) / done if done > 0 and self._share > 0 else None

    def _keep_telling(self) -> None:
        while not self._over.wait(_TICK_S):
            with self._lock:
                if not self._over.is_set():
                    self._tell()

    def _tell(self) -> None:
        """Say how far it is, wherever it is time to."""
        self._compiling.after()
        if self._quiet:
            return
        if self._task is not None:
            self._live.update(self._task, completed=self._share, facts=self._compiling.live() or self._line())
        if COMPILE_CLOCK.working_time() >= self._next_line:
            self._next_line = COMPILE_CLOCK.working_time() + self.line_every_s
            elapsed, *left = self._times()
            line = f"{self._task_name}: {', '.join([*self._facts(), f'{elapsed} elapsed', *left])}"
            MESSAGES.log(line, event="progress", task=self._task_name, **self._for_programs())
            if not self._on_terminal and not MESSAGES.as_json:
                MESSAGES.show(line)
        if time.monotonic() >= self._next_event:
            self._tell_program()

    def _tell_program(self) -> None:
        self._next_event = time.monotonic() + _EVENT_EVERY_S
        MESSAGES.event("progress", task=self._task_name, **self._for_programs())

    def _for_programs(self) -> dict[str, Any]:
        left = self._left()
        times = {
            "share": round(self._share, 4),
            "seconds": round(time.monotonic() - self._began, 1),
            "seconds_left": None if left is None else round(left, 1),
        }
        return self._figures() | times

    def _line(self) -> str:
        """The facts that fit on the terminal; times always."""
        facts, times = list(self._facts()), self._times()
        room = self._console.width - len(self._task_name) - (_BAR + 1 if self._bar else 0) - 2
        while facts and len(", ".join([*facts, *times])) > room:
            del facts[-1]
        return ", ".join([*facts, *times])

    def _times(self) -> list[str]:
        left = self._left()
        return [clock(time.monotonic() - self._began), *([] if left is None else [f"{clock(left)} left"])]

    def _hear(self) -> None:
        """Show that kernels are compiled or no longer are, from the thread that compiles."""
        if self._task is not None and self._on_terminal:
            self._live.update(self._task, facts=self._compiling.live() or self._line())
        self._compiling.before()


class CompilingLines:
    """How a display says that kernels are being compiled, and where there is no terminal, that they were.

    How many kernels there are to be is unknown: that follows from the kinds of the images, which nobody has read yet.
    """

    def __init__(self, task: str, *, plain: bool) -> None:
        """Speak of what is compiled from now on; print lines only if `plain`."""
        self._task_name, self._plain = task, plain
        self._before = COMPILE_CLOCK.signatures, COMPILE_CLOCK.seconds
        self._said_before = self._said_after = False

    def live(self) -> str:
        """Return the facts while kernels are compiled; "" while none are."""
        if not COMPILE_CLOCK.running:
            return ""
        return f"{_COMPILING[COMPILE_CLOCK.lasting]}: {COMPILE_CLOCK.signatures - self._before[0]} so far"

    def before(self) -> None:
        """Print the one line of the beginning, unless it is printed."""
        if self._plain and not self._said_before:
            self._said_before = True
            with suppress(OSError):  # the listener of a compiler raises nothing
                MESSAGES.say(f"{self._task_name}: {_COMPILING[COMPILE_CLOCK.lasting]}", "compiling")

    def after(self) -> None:
        """Print the one line of the end, unless it is printed, or there is nothing to end yet."""
        if not self._said_before or self._said_after or COMPILE_CLOCK.running:
            return
        self._said_after = True
        kernels, seconds = COMPILE_CLOCK.signatures - self._before[0], COMPILE_CLOCK.seconds - self._before[1]
        did = f"compiled {counted(kernels, 'kernel')}" if kernels else "another process compiled kernels"
        lost = "" if COMPILE_CLOCK.lasting else f", and could not keep them: {_ADVICE}"
        MESSAGES.say(f"{self._task_name}: {did} in {seconds:.1f} s{lost}", "compiled")
