"""What a person watches while a command runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 30.0


def size(count: float) -> str:
    """Bytes for people: decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


class Meter:
    """Bytes and images done of a total, on standard error. `quiet` for --json."""

    def __init__(self, verb: str, total_bytes: int, *, quiet: bool = False) -> None:
        self._verb, self._total = verb, total_bytes
        self._bytes = self._images = self._pixels = self._out = self._failures = 0
        self._started = self._last_line = time.monotonic()
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
        self._task = self._live.add_task(self._verb, total=max(1, self._total), facts="starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def advance(self, *, bytes_in: int, images: int, bytes_out: int = 0, pixels: int = 0, failures: int = 0) -> None:
        """Add finished work."""
        self._bytes += bytes_in
        self._out += bytes_out
        self._images += images
        self._pixels += pixels
        self._failures += failures
        if self._task is not None:
            self._live.update(self._task, completed=min(self._bytes, self._total), facts=self._facts())
        now = time.monotonic()
        if self._plain and now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            print(f"{self._verb}: {self._facts()}", file=sys.stderr, flush=True)

    def _facts(self) -> str:
        seconds = max(1e-6, time.monotonic() - self._started)
        parts = [f"{size(self._bytes)} of {size(self._total)}", f"{self._images:,} images"]
        if self._pixels:
            parts.append(f"{self._pixels / 1e6 / seconds:.3g} MP/s")
        if self._out and self._bytes:
            parts.append(f"saved {100 * (1 - self._out / self._bytes):.0f} %")
        if self._failures:
            parts.append(f"{self._failures:,} failed")
        return ", ".join(parts)
