"""What a person watches while a command runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import ClassVar, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK

_COMPILING = {True: "compiling kernels, once on this machine", False: "compiling kernels"}  # by whether they are kept
_ADVICE = "set TILEPRESS_KERNEL_CACHE to a folder that can be written"


def size(count: float) -> str:
    """Return bytes for people: decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def took(seconds: float, compiling_seconds: float) -> str:
    """Return "in 12.0 s", and how many of these seconds went into kernels if any did (0.05 or more)."""
    compiling = f", of which {compiling_seconds:.1f} s compiling kernels" if compiling_seconds >= 0.05 else ""
    return f"in {seconds:.1f} s{compiling}"


class LiveDisplay(ABC):
    """A bar with facts behind it, on standard error: nothing if `quiet` (for --json).

    Where there is no terminal, a line with the facts every `line_every_s` seconds, the first of them at once or, by
    `line_at_once`, after that time; and a line before and one after kernels are compiled. On a terminal, the facts are
    that kernels are compiled, for as long as this process compiles them. The time left is estimated without that time.
    """

    line_every_s: ClassVar[float] = 30.0
    line_at_once: ClassVar[bool] = False

    def __init__(self, task: str, total: float, *, quiet: bool = False) -> None:
        self._task_name, self._total = task, total
        self._last_line = float("-inf") if self.line_at_once else time.monotonic()
        console = Console(stderr=True)
        self._plain = not quiet and not console.is_terminal
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
        )
        self._live = Progress(
            *columns,
            console=console,
            disable=quiet or not console.is_terminal,
            get_time=COMPILE_CLOCK.working_time,
        )
        self._task: TaskID | None = None
        self._shown = "starting"
        self._compiling = CompilingLines(task, plain=self._plain)
        self._hearing = ExitStack()

    def __enter__(self) -> Self:
        self._live.start()
        self._task = self._live.add_task(self._task_name, total=self._total, facts=self._shown)
        self._hearing.enter_context(COMPILE_CLOCK.heard_by(self._hear))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hearing.close()
        self._live.stop()
        self._compiling.after()

    @abstractmethod
    def _facts(self) -> str:
        """What there is to say now."""

    def _show(self, completed: float) -> None:
        """So much of the total is done."""
        self._shown = self._facts()
        if self._task is not None:
            facts = self._compiling.live() or self._shown
            self._live.update(self._task, completed=min(completed, self._total), facts=facts)
        self._compiling.after()
        if self._plain and time.monotonic() - self._last_line >= self.line_every_s:
            self._last_line = time.monotonic()
            print(f"{self._task_name}: {self._shown}", file=sys.stderr, flush=True)

    def _hear(self) -> None:
        """Show that kernels are compiled or no longer are, from the thread that compiles."""
        if self._task is not None:
            self._live.update(self._task, facts=self._compiling.live() or self._shown)
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
                print(f"{self._task_name}: {_COMPILING[COMPILE_CLOCK.lasting]}", file=sys.stderr, flush=True)

    def after(self) -> None:
        """Print the one line of the end, unless it is printed, or there is nothing to end yet."""
        if not self._said_before or self._said_after or COMPILE_CLOCK.running:
            return
        self._said_after = True
        kernels, seconds = COMPILE_CLOCK.signatures - self._before[0], COMPILE_CLOCK.seconds - self._before[1]
        did = f"compiled {kernels} kernels" if kernels else "another process compiled kernels"
        lost = "" if COMPILE_CLOCK.lasting else f", and could not keep them: {_ADVICE}"
        print(f"{self._task_name}: {did} in {seconds:.1f} s{lost}", file=sys.stderr, flush=True)


class Meter(LiveDisplay):
    """Bytes and images done of a total. MP/s counts no seconds in which this process compiled kernels."""

    def __init__(self, verb: str, total_bytes: int, *, quiet: bool = False) -> None:
        super().__init__(verb, max(1, total_bytes), quiet=quiet)
        self._bytes_of = total_bytes
        self._bytes = self._images = self._pixels = self._out = self._failures = 0
        self._started = COMPILE_CLOCK.working_time()

    def advance(self, *, bytes_in: int, images: int, bytes_out: int = 0, pixels: int = 0, failures: int = 0) -> None:
        """Add finished work.

        Args:
            bytes_in: Of source files.
            images: How many.
            bytes_out: Written for them.
            pixels: Of them.
            failures: How many of them need a look.
        """
        self._bytes += bytes_in
        self._out += bytes_out
        self._images += images
        self._pixels += pixels
        self._failures += failures
        self._show(self._bytes)

    def _facts(self) -> str:
        seconds = max(1e-6, COMPILE_CLOCK.working_time() - self._started)
        parts = [f"{size(self._bytes)} of {size(self._bytes_of)}", f"{self._images:,} images"]
        if self._pixels:
            parts.append(f"{self._pixels / 1e6 / seconds:.3g} MP/s")
        if self._out and self._bytes:
            parts.append(f"saved {100 * (1 - self._out / self._bytes):.0f} %")
        if self._failures:
            parts.append(f"{self._failures:,} failed")
        return ", ".join(parts)
