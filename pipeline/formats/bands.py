"""Bands of pixels: cut to another height, and checked against what a file needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tilepress.pipeline.errors import IntegrityError


def regroup(bands: Iterable[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """Yield the same rows in bands of `rows` rows each; the last may have fewer."""
    if rows < 1:
        raise ValueError(f"a band has at least one row, not {rows}")
    waiting: list[np.ndarray] = []
    held = 0
    for band in bands:
        at = 0
        while at < len(band):
            part = band[at : at + rows - held]
            waiting.append(part)
            held += len(part)
            at += len(part)
            if held == rows:
                yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                waiting, held = [], 0
    if waiting:
        yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)


def checked(bands: Iterable[np.ndarray], width: int, height: int, channels: int, dtype: str) -> Iterator[np.ndarray]:
    """The same bands; IntegrityError unless they are (n, width, channels) of `dtype`, and `height` rows in all."""
    total = 0
    for band in bands:
        if band.ndim != 3 or band.shape[1:] != (width, channels) or band.dtype != dtype:
            raise IntegrityError(
                f"pixels {band.shape} {band.dtype} do not fit an image of {width} x {channels} {dtype}"
            )
        total += len(band)
        if total > height:
            break
        yield band
    if total != height:
        raise IntegrityError(f"{total} rows of pixels for an image of {height}")
