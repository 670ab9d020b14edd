"""What a person watches while a training runs."""

from __future__ import annotations

from typing import Any, ClassVar

from tilepress.jobs.cli.progress import LiveDisplay
from tilepress.jobs.recipes.options import Options

Row = dict[str, float]


class TrainMeter(LiveDisplay):
    """Steps done of all, loss, rate, PSNR and speed; before and after the steps, which work it is at."""

    line_every_s: ClassVar[float] = 20.0

    def __init__(self, name: str, options: Options, *, quiet: bool = False) -> None:
        super().__init__(f"train {name}", quiet=quiet)
        self._options = options
        self._last: Row = {}
        self._doing = ""

    def doing(self, work: str) -> None:
        """Tell that work which is no step begins: choosing images, exporting."""
        with self._lock:
            self._doing = work
            self._next_line = 0.0  # at once
            self._show(self._share)

    def show(self, row: Row) -> None:
        """A row of the log."""
        self._doing = ""
        self._last.update(row)
        options = self._options
        by_time = self._last.get("seconds", 0.0) / (60 * options.minutes) if options.minutes else 0.0
        self._show(max(by_time, self._last.get("step", 0.0) / max(1, options.steps)))

    def _figures(self) -> dict[str, Any]:
        return {"doing": self._doing or "training", "steps": self._options.steps, **self._last}

    def _facts(self) -> list[str]:
        row = self._last
        if self._doing:
            return [self._doing]
        parts = [f"step {row.get('step', 0):,.0f} of {self._options.steps:,}"]
        for name, form in (("loss", "loss {:.4g}"), ("bpp", "{:.3f} bpp"), ("psnr", "{:.2f} dB")):
            if name in row:
                parts.append(form.format(row[name]))
        if "val_psnr" in row:
            parts.append(f"validation {row['val_psnr']:.2f} dB")
        if "images_per_s" in row:
            parts.append(f"{row['images_per_s']:.0f} crops/s")
        return parts
