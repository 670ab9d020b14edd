"""The conversions from luma and chroma to RGB, as tables: every one is sums of functions of one sample, shifted.

    R = clamp((luma[Y] + red[V]) >> shift)
    G = clamp((luma[Y] + green_u[U] + green_v[V]) >> shift)
    B = clamp((luma[Y] + blue[U]) >> shift)

FORMAT.md says how each is defined. The numbers of the conversions are permanent: archives hold them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

JFIF = 2  # a number
LUMA, RED, GREEN_U, GREEN_V, BLUE = range(5)  # rows of Colour.tables
_LEVELS = np.arange(256, dtype=np.int64)
_CHROMA = _LEVELS - 128
_BT601 = (104597, 132201, 25675, 53279)  # 65536 x (R of V, B of U, -G of U, -G of V), of limited range
_BT709 = (117489, 138438, 13975, 34925)
_SWSCALE = (
    ("BT.601", _BT601, False),
    ("BT.601 full range", _BT601, True),
    ("BT.709", _BT709, False),
    ("BT.709 full range", _BT709, True),
)
EXACT_SWSCALE = range(7, 11)  # numbers of swscale's conversions with full chroma


@dataclass(frozen=True)
class Colour:
    """One conversion: `tables` int32 (5, 256), rows as named above; `shift` 0..21."""

    number: int
    name: str
    tables: np.ndarray
    shift: int


def _photocd() -> Colour:
    """Decimal fractions: their floors are those of 21 binary places, to which half a decimal unit is added."""
    v, u = _LEVELS - 137, _LEVELS - 156
    red, blue = 18215 * v, 22179 * u
    rows = [13584 * _LEVELS, red, -1940 * (blue // 10000), -5090 * (red // 10000), blue]
    tables = [(row << 21) // 10000 for row in rows]
    tables[LUMA] += (1 << 20) // 10000 + 2  # the floors of up to three terms take away at most two binary units more
    return _colour(1, "PhotoCD YCC", tables, 21)


def _jfif() -> Colour:
    rows = [_LEVELS << 16, 91881 * _CHROMA, -22554 * _CHROMA, -46802 * _CHROMA, 116130 * _CHROMA]
    return _rounded(JFIF, "JFIF, libjpeg", rows, 16)


def _coefficients(matrix: tuple[int, int, int, int], full: bool) -> list[int]:
    """Return swscale's five coefficients with 13 fractional bits: luma, R of V, B of U, G of U, G of V."""
    v_red, u_blue, u_green, v_green = (x * 224 // 255 if full else x for x in matrix)
    luma = (1 << 16) if full else (255 << 16) // 219
    return [(x * 8192 + 32768) >> 16 for x in (luma, v_red, u_blue, -u_green, -v_green)]


def _swscale_fast(number: int, name: str, matrix: tuple[int, int, int, int], full: bool) -> Colour:
    """swscale as it is called by default, on x86: every product is rounded down by itself."""
    luma, red, blue, green_u, green_v = _coefficients(matrix, full)
    level = (8 * (_LEVELS - (0 if full else 16)) * luma) >> 16
    chroma = [(8 * _CHROMA * factor) >> 16 for factor in (red, green_u, green_v, blue)]
    return _colour(number, f"{name}, swscale", [level, *chroma], 0)


def _swscale_exact(number: int, name: str, matrix: tuple[int, int, int, int], full: bool) -> Colour:
    """swscale with full chroma."""
    luma, red, blue, green_u, green_v = _coefficients(matrix, full)
    rows = [(_LEVELS - (0 if full else 16)) * luma, *(_CHROMA * factor for factor in (red, green_u, green_v, blue))]
    return _rounded(number, f"{name}, swscale full chroma", rows, 13)


def _opencv_limited() -> Colour:
    luma = np.maximum(_LEVELS - 16, 0) * 1220542
    rows = [luma, *(_CHROMA * factor for factor in (1673527, -409993, -852492, 2116026))]
    return _rounded(11, "BT.601, OpenCV", rows, 20)


def _opencv_full(number: int, name: str, factors: tuple[int, int, int, int]) -> Colour:
    return _rounded(number, name, [_LEVELS << 14, *(_CHROMA * factor for factor in factors)], 14)


def _rounded(number: int, name: str, rows: list[np.ndarray], shift: int) -> Colour:
    """Return the conversion whose sums are rounded to nearest, halves up."""
    return _colour(number, name, [rows[LUMA] + (1 << (shift - 1)), *rows[1:]], shift)


def _colour(number: int, name: str, rows: list[np.ndarray], shift: int) -> Colour:
    return Colour(number, name, np.stack(rows).astype(np.int32), shift)


def swscale_coefficients(number: int) -> tuple[int, int, int, int, int, int]:
    """Return offset of luma, and factors with 13 fractional bits: luma, R of V, G of U, G of V, B of U.

    `number`: one of EXACT_SWSCALE.
    """
    _, matrix, full = _SWSCALE[number - EXACT_SWSCALE.start]
    luma, red, blue, green_u, green_v = _coefficients(matrix, full)
    return 0 if full else 16, luma, red, green_u, green_v, blue


def _all() -> Iterator[Colour]:
    yield _photocd()
    yield _jfif()
    yield from (_swscale_fast(3 + i, *kind) for i, kind in enumerate(_SWSCALE))
    yield from (_swscale_exact(number, *kind) for number, kind in zip(EXACT_SWSCALE, _SWSCALE, strict=True))
    yield _opencv_limited()
    yield _opencv_full(12, "YCrCb, OpenCV", (22987, -5636, -11698, 29049))
    yield _opencv_full(13, "YUV, OpenCV", (18678, -6472, -9519, 33292))


COLOURS: dict[int, Colour] = {colour.number: colour for colour in _all()}


def hints_of(colour: Colour) -> np.ndarray:
    """Return where searches for the luma and chroma of a colour begin, float64 (7,).

    Luma is about [0] + [1] R + [2] G + [3] B; [4], [5] and [6] are how many levels of V, U and Y one unit of their
    tables is worth.
    """
    t = colour.tables.astype(np.float64)
    slopes = (t[:, 255] - t[:, 128]) / 127  # OpenCV's luma is flat below 16
    offsets = t[:, 128] - 128 * slopes
    unit = float(1 << colour.shift)
    forward = np.array(
        [
            [slopes[LUMA], 0, slopes[RED]],
            [slopes[LUMA], slopes[GREEN_U], slopes[GREEN_V]],
            [slopes[LUMA], slopes[BLUE], 0],
        ]
    )
    constant = offsets[LUMA] + np.array([offsets[RED], offsets[GREEN_U] + offsets[GREEN_V], offsets[BLUE]])
    row = np.linalg.inv(forward)[0]
    return np.array([row @ (unit / 2 - constant), *(row * unit), 1 / slopes[RED], 1 / slopes[BLUE], 1 / slopes[LUMA]])
