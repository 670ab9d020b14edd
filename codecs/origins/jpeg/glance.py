"""Which colours YCbCr gives, told without a compiled kernel: for looks."""

from __future__ import annotations

import numpy as np

_R_LUMA, _G_LUMA, _B_LUMA = np.float32(0.299), np.float32(0.587), np.float32(0.114)
_R_INVERSE, _B_INVERSE = 46745, 36983  # 65536 / 1.402 and / 1.772
_R_CR, _B_CB, _G_CB, _G_CR = 91881, 116130, 22554, 46802  # 1.402, 1.772, 0.34414 and 0.71414, times 65536
_HALF = 1 << 15


def members(colours: np.ndarray) -> np.ndarray:
    """Return which of `colours` uint8 (3, ...), none of them clipped, are made of a YCbCr: bool (...).

    Luma is within a half of what the colour says, so that there is one to try.
    """
    r, g, b = colours
    luma = np.rint(r * _R_LUMA + g * _G_LUMA + b * _B_LUMA).astype(np.int32)
    red, blue = r - luma, b - luma
    cr, cb = red * _R_INVERSE + _HALF >> 16, blue * _B_INVERSE + _HALF >> 16
    made: np.ndarray = (cr * _R_CR + _HALF >> 16 == red) & (cb * _B_CB + _HALF >> 16 == blue)
    made &= _HALF - cb * _G_CB - cr * _G_CR >> 16 == g - luma
    made &= (cr + 128 | cb + 128) >> 8 == 0  # both within 0..255
    return made


def telling(colours: np.ndarray) -> np.ndarray:
    """Return which of `colours` uint8 (3, ...) tell whether YCbCr made them, bool (...): no gray and no clipped one."""
    r, g, b = colours
    least, most = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    tells: np.ndarray = (least > 0) & (most < 255) & (least < most)
    return tells
