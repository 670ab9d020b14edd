"""The figures of a table: functions of what was measured of some pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.jobs.evaluation.coding import Compare
from tilepress.pipeline.quality.blocking import psnr_b
from tilepress.pipeline.quality.texture import texture_distance

Measured = dict[str, Any]  # of one picture: see measuring.py
_PEAK = 255


@dataclass(frozen=True)
class Figure:
    """How a figure is computed and printed; `less`: less of it is better."""

    of: Callable[[Sequence[Measured]], float | None]
    form: str
    less: bool = False

    def reached(self, ours: float, theirs: float) -> bool:
        """Tell whether a figure is at least as good as another, as far as both are printed."""
        ours, theirs = (float(format(value, self.form)) for value in (ours, theirs))
        return ours <= theirs if self.less else ours >= theirs

    def text(self, value: float | None) -> str:
        """Return a cell: "–" for nothing, "lossless" for an infinite figure."""
        if value is None:
            return "–"
        return format(value, self.form) if math.isfinite(value) else "lossless"


def _mean(name: str) -> Callable[[Sequence[Measured]], float | None]:
    def of(rows: Sequence[Measured]) -> float | None:
        values = [row[name] for row in rows]
        return sum(values) / len(values) if values and None not in values else None

    return of


def _decibels(name: str) -> Callable[[Sequence[Measured]], float | None]:
    """The mean of pictures; infinite where one has no error."""

    def of(rows: Sequence[Measured]) -> float | None:
        values = [math.inf if row[name] is None else row[name] for row in rows]
        return sum(values) / len(values) if values else None

    return of


def _per(name: str, unit: str, factor: float = 1.0) -> Callable[[Sequence[Measured]], float | None]:
    """Of all pictures together."""

    def of(rows: Sequence[Measured]) -> float | None:
        whole = sum(row[unit] for row in rows)
        return factor * sum(row[name] for row in rows) / whole if whole else None

    return of


def _squared_error(rows: Sequence[Measured]) -> float | None:
    """Squared error of a small image, summed over its samples, full scale 1."""
    if not rows:
        return None
    total = sum(row["mse"] / _PEAK**2 * row["samples"] for row in rows)
    return float(total / sum(row["cells"] for row in rows))


def _cell_psnr(rows: Sequence[Measured]) -> float | None:
    """PSNR in dB of the mean squared error over all small images."""
    error = _squared_error(rows)
    if error is None:
        return None
    samples = rows[0]["samples"] / rows[0]["cells"]
    return 10 * math.log10(samples / error) if error else math.inf


BESIDES: dict[str, Compare] = {"texture": texture_distance, "psnr_b": psnr_b}  # what evaluations do not measure

FIGURES: dict[str, Figure] = {
    "psnr": Figure(_decibels("psnr"), ".2f"),
    "psnr_b": Figure(_decibels("psnr_b"), ".2f"),
    "ssim": Figure(_mean("ssim"), ".3f"),
    "ms_ssim": Figure(_mean("ms_ssim"), ".3f"),
    "bpp": Figure(_per("bytes", "pixels", 8), ".3f", less=True),
    "side_bpp": Figure(_per("side_bytes", "pixels", 8), ".3f", less=True),
    "cell_bytes": Figure(_per("bytes", "cells"), ".1f", less=True),
    "squared_error": Figure(_squared_error, ".3f", less=True),
    "texture": Figure(_mean("texture"), ".1f", less=True),
    "cell_psnr": Figure(_cell_psnr, ".2f"),
}
