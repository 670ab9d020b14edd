"""What a person watches while a training runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tilepress.jobs.recipe import Options

Row = dict[str, float]
_LINE_EVERY_S = 20.0


class TrainMeter:
    """Steps done of all, loss, rate, PSNR and speed, on standard error. `quiet` for --json."""

    def __init__(self, name: str, options: Options, *, quiet: bool = False) -> None:
        self._name, self._options = name, options
        self._last: Row = {}
        self._last_line = 0.0
        console = Console(stderr=True)
        self._plain = not quiet and not console.is_terminal
        columns = (
            TextColumn("train {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
        )
        self._live = Progress(*columns, console=console, disable=quiet or not console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._live.start()
        self._task = self._live.add_task(self._name, total=1.0, facts="starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, row: Row) -> None:
        """A row of the log."""
        self._last.update(row)
        if self._task is not None:
            self._live.update(self._task, completed=self._share(), facts=self._facts())
        if self._plain and time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            print(f"train {self._name}: {self._facts()}", file=sys.stderr, flush=True)

    def _share(self) -> float:
        options = self._options
        by_time = self._last.get("seconds", 0.0) / (60 * options.minutes) if options.minutes else 0.0
        return min(1.0, max(by_time, self._last.get("step", 0.0) / max(1, options.steps)))

    def _facts(self) -> str:
        row = self._last
        parts = [f"step {row.get('step', 0):,.0f} of {self._options.steps:,}"]
        for name, form in (("loss", "loss {:.4g}"), ("bpp", "{:.3f} bpp"), ("psnr", "{:.2f} dB")):
            if name in row:
                parts.append(form.format(row[name]))
        if "val_psnr" in row:
            parts.append(f"validation {row['val_psnr']:.2f} dB")
        if "images_per_s" in row:
            parts.append(f"{row['images_per_s']:.0f} crops/s")
        return ", ".join(parts)
