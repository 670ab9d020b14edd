"""Chroma at full size, as JPEG decoders make it: interpolated, or replicated.

Interpolated: a sample lies at a quarter between two of half size, and weighs the nearer one three times as much. Edges
are repeated. Decoders differ in how they round. libjpeg-turbo replicates a component of at most two columns across, and
then down too; stb_image takes one column next to the last from the wrong side.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import Sampling
from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

_LEAST_COLUMNS = 3  # for interpolation across, by libjpeg-turbo
# Factors across and down; and sixteenths that are added before they are rounded down: everywhere, in odd columns and in
# odd rows.
Interpolation: TypeAlias = tuple[int, int, int, int, int]


class Upsampling(Enum):
    """How a decoder makes chroma as large as the picture."""

    REPLICATED = 0
    FANCY = 1  # as libjpeg and libjpeg-turbo call it
    STB = 2  # as stb_image interpolates
    SCALED = 3  # by the inverse DCT: see scaled.py


_ROUNDING = {(2, 2): (8, -1, 0), (2, 1): (4, 4, 0), (1, 2): (4, 0, 4)}  # of libjpeg-turbo
_ROUNDING_STB = (8, 0, 0)


def upsample(plane: np.ndarray, sampling: Sampling, how: Upsampling, height: int, width: int) -> np.ndarray:
    """Return a chroma plane at full size: uint8 (height, width).

    Args:
        plane: uint8 (rows, columns), without what fills the last MCUs.
        sampling: Factors across and down.
        how: By which rule.
        height: At most rows * down.
        width: At most columns * across.
    """
    across, down = sampling
    if sampling == (1, 1):
        return plane[:height, :width]
    if not interpolates(sampling, how, plane.shape[1]):
        return plane.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
    out = np.empty((height, width), np.uint8)
    line = np.empty(plane.shape[1] + 2, np.int64)
    interpolate(plane, interpolation(sampling, how), line, out)
    column = wrong_column(sampling, how, plane.shape[1])
    if column is not None:
        near, far = plane[:height, -2].astype(np.int64), plane[:height, -1]
        out[:, column] = (3 * near + far + 2) >> 2
    return out


def interpolates(sampling: Sampling, how: Upsampling, columns: int) -> bool:
    """Tell whether a component of so many columns is interpolated, rather than replicated."""
    if sampling == (1, 1) or how in (Upsampling.REPLICATED, Upsampling.SCALED):
        return False
    return how is Upsampling.STB or sampling[0] == 1 or columns >= _LEAST_COLUMNS


def interpolation(sampling: Sampling, how: Upsampling) -> Interpolation:
    """Return for kernels how a component is interpolated."""
    return (*sampling, *(_ROUNDING_STB if how is Upsampling.STB else _ROUNDING[sampling]))


def wrong_column(sampling: Sampling, how: Upsampling, columns: int) -> int | None:
    """Return the column of full width that stb_image takes from the wrong side; None where there is none."""
    return 2 * columns - 2 if how is Upsampling.STB and sampling == (2, 1) and columns > 1 else None


@borrowing
def rounding(way: Interpolation, y: Int, x: Int) -> Int:
    """Return the sixteenths that are added at (y, x) before the shift."""
    return way[2] + way[3] * (x & 1) + way[4] * (y & 1)


@borrowing
def weigh_rows(plane: np.ndarray, down: Int, y: Int, line: np.ndarray) -> None:
    """Fill `line` int64 (columns + 2,) with row `y` of full height, four times as large."""
    columns = plane.shape[1]
    near = y // down
    far = min(max(near + (2 * (y & 1) - 1) * (down - 1), 0), plane.shape[0] - 1)
    for x in range(columns):
        line[x + 1] = 3 * np.int64(plane[near, x]) + np.int64(plane[far, x])
    line[0], line[columns + 1] = line[1], line[columns]


@borrowing_kernel
def interpolate(plane: np.ndarray, way: Interpolation, line: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` uint8 (h, w) with `plane` uint8 (rows, columns), interpolated; `line` int64 (columns + 2,): room."""
    across, down = way[0], way[1]
    for y in range(out.shape[0]):
        weigh_rows(plane, down, y, line)
        for x in range(out.shape[1]):
            here = x // across + 1
            other = here + (2 * (x & 1) - 1) * (across - 1)
            out[y, x] = (3 * line[here] + line[other] + rounding(way, y, x)) >> 4
