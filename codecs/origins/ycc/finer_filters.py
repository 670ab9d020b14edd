"""What swscale with full chroma interpolates by: filters, coefficients, estimates of chroma. No kernel is among it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from tilepress.codecs.origins.ycc.colours import swscale_coefficients
from tilepress.codecs.origins.ycc.sampling import FINE, Axis, Sampling

BICUBIC, BICUBIC_LEFT, BILINEAR, BILINEAR_LEFT = FINE  # permanent; LEFT: samples lie on the even columns
_Taps = tuple[tuple[int, int, int, int], tuple[int, int, int, int]]  # of samples q / 2 - 2 to q / 2 + 1: even q, odd q
_ALONE = (0, 0, 16384, 0)
_ALONG_ROWS: dict[int, _Taps] = {  # 14 fractional bits; odd q: samples (q - 1) / 2 - 1 to (q - 1) / 2 + 2
    BICUBIC: ((-461, 3943, 14284, -1382), (-1382, 14284, 3943, -461)),
    BICUBIC_LEFT: (_ALONE, (-1229, 9421, 9421, -1229)),
    BILINEAR: ((0, 4096, 12288, 0), (0, 12288, 4096, 0)),
    BILINEAR_LEFT: (_ALONE, (0, 8192, 8192, 0)),
}
_CUBIC: _Taps = ((-115, 985, 3572, -346), (-346, 3572, 985, -115))
_LINEAR: _Taps = ((0, 1024, 3072, 0), (0, 3072, 1024, 0))
_ALONG_COLUMNS = {BICUBIC: _CUBIC, BICUBIC_LEFT: _CUBIC, BILINEAR: _LINEAR, BILINEAR_LEFT: _LINEAR}  # 12 bits


class Filter(NamedTuple):
    """Four samples and their weights for each row, or column, of a picture: int64 (n, 4) both."""

    samples: np.ndarray
    weights: np.ndarray


def filters(sampling: Sampling, height: int, width: int) -> tuple[Filter, Filter]:
    """Return the filters of rows, with 12 fractional bits, and of columns, with 14."""
    rows, columns = sampling.shape(height, width)
    across, down = _ALONG_ROWS[sampling.kind], _ALONG_COLUMNS[sampling.kind]
    return _filter(sampling.vertical, height, rows, down), _filter(sampling.horizontal, width, columns, across)


def _filter(axis: Axis, side: int, count: int, taps: _Taps) -> Filter:
    q = axis.positions(side)
    if not axis.half:
        alone = np.array(_ALONE, np.int64) * sum(taps[0]) // sum(_ALONE)
        return Filter(np.clip(q[:, None] + np.arange(-2, 2), 0, count - 1), np.tile(alone, (side, 1)))
    odd = q & 1
    samples = np.clip(((q >> 1) + odd)[:, None] + np.arange(-2, 2), 0, count - 1)
    return Filter(samples, np.array(taps, np.int64)[odd])


def parameters(number: int) -> np.ndarray:
    """Return the coefficients of a conversion, int64 (6,): offset of luma; luma, R of V, G of U, G of V, B of U."""
    return np.array(swscale_coefficients(number), np.int64)


def estimated_chroma(picture: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return U and V, float32 (h, w), that colours had before they were rounded, about.

    `number`: of the conversion, one of EXACT_SWSCALE.
    """
    r, g, b = (picture[:, :, channel].astype(np.float32) for channel in range(3))
    u, v = (row[0] * r + row[1] * g + row[2] * b + np.float32(128) for row in chroma_rows(number))
    return u, v


@cache
def chroma_rows(number: int) -> np.ndarray:
    """Return how U and V less 128 follow from R, G and B: float32 (2, 3). `number`: of the conversion."""
    _, luma, red, green_u, green_v, blue = parameters(number) / 8192
    rows: np.ndarray = np.linalg.inv([[luma, 0, red], [luma, green_u, green_v], [luma, blue, 0]])[1:]
    return rows.astype(np.float32)
