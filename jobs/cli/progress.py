"""What a person watches while a command runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


def size(count: float) -> str:
    """Bytes for people: decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


class LiveDisplay(ABC):
    """A bar with facts behind it, on standard error: nothing if `quiet` (for --json).

    Where there is no terminal, a line with the facts every `line_every_s` seconds, the first of them at once or, by
    `line_at_once`, after that time.
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
        self._live = Progress(*columns, console=console, disable=quiet or not console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._live.start()
        self._task = self._live.add_task(self._task_name, total=self._total, facts="starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @abstractmethod
    def _facts(self) -> str:
        """What there is to say now."""

    def _show(self, completed: float) -> None:
        """So much of the total is done."""
        if self._task is not None:
            self._live.update(self._task, completed=min(completed, self._total), facts=self._facts())
        if self._plain and time.monotonic() - self._last_line >= self.line_every_s:
            self._last_line = time.monotonic()
            print(f"{self._task_name}: {self._facts()}", file=sys.stderr, flush=True)


class Meter(LiveDisplay):
    """Bytes and images done of a total."""

    def __init__(self, verb: str, total_bytes: int, *, quiet: bool = False) -> None:
        super().__init__(verb, max(1, total_bytes), quiet=quiet)
        self._bytes_of = total_bytes
        self._bytes = self._images = self._pixels = self._out = self._failures = 0
        self._started = time.monotonic()

    def advance(self, *, bytes_in: int, images: int, bytes_out: int = 0, pixels: int = 0, failures: int = 0) -> None:
        """Add finished work."""
        self._bytes += bytes_in
        self._out += bytes_out
        self._images += images
        self._pixels += pixels
        self._failures += failures
        self._show(self._bytes)

    def _facts(self) -> str:
        seconds = max(1e-6, time.monotonic() - self._started)
        parts = [f"{size(self._bytes)} of {size(self._bytes_of)}", f"{self._images:,} images"]
        if self._pixels:
            parts.append(f"{self._pixels / 1e6 / seconds:.3g} MP/s")
        if self._out and self._bytes:
            parts.append(f"saved {100 * (1 - self._out / self._bytes):.0f} %")
        if self._failures:
            parts.append(f"{self._failures:,} failed")
        return ", ".join(parts)
