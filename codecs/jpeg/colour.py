"""YCbCr to RGB as JPEG decoders convert (JFIF, 16 fractional bits), in integers."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

# Of 65536ths, what Cr adds to red and Cb to blue, and what Cb and Cr take from green; and bits that are dropped of the
# product of Cb and green.
Conversion: TypeAlias = tuple[int, int, int, int, int]
JFIF: Conversion = (91881, 116130, 22554, 46802, 0)  # libjpeg-turbo: 1.402, 1.772, 0.34414, 0.71414
STB: Conversion = (91888, 116128, 22560, 46800, 4095)  # stb_image: the same, of 12 fractional bits
JFIF_9A: Conversion = (91881, 116130, 22553, 46802, 0)  # libjpeg 9a to 9f: 0.344136286
CONVERSIONS = (JFIF, STB, JFIF_9A)
_HALF = 1 << 15


@borrowing
def red_of(cr: Int, conversion: Conversion) -> Int:
    """Return what is added to luma for red, of Cr 0..255."""
    return (conversion[0] * (cr - 128) + _HALF) >> 16


@borrowing
def blue_of(cb: Int, conversion: Conversion) -> Int:
    """Return what is added to luma for blue, of Cb 0..255."""
    return (conversion[1] * (cb - 128) + _HALF) >> 16


@borrowing
def green_of(cb: Int, cr: Int, conversion: Conversion) -> Int:
    """Return what is added to luma for green, of Cb and Cr 0..255."""
    of_cb = (-conversion[2] * (cb - 128)) & ~conversion[4]
    return (of_cb - conversion[3] * (cr - 128) + _HALF) >> 16


@borrowing_kernel
def to_rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray, conversion: Conversion, picture: np.ndarray) -> None:
    """Fill `picture` uint8 (h, w, 3) with the colours of `y`, `cb`, `cr` uint8 (h, w)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            luma, blue, red = np.int64(y[i, j]), np.int64(cb[i, j]), np.int64(cr[i, j])
            picture[i, j, 0] = min(max(luma + red_of(red, conversion), 0), 255)
            picture[i, j, 1] = min(max(luma + green_of(blue, red, conversion), 0), 255)
            picture[i, j, 2] = min(max(luma + blue_of(blue, conversion), 0), 255)
