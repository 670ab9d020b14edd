"""YCbCr to RGB as libjpeg converts (JFIF, 16 fractional bits), in integers."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

_R_CR, _B_CB, _G_CB, _G_CR = 91881, 116130, 22554, 46802  # 1.402, 1.772, 0.34414 and 0.71414, times 65536
_HALF = 1 << 15


@borrowing
def red_of(cr: Int) -> Int:
    """Return what is added to luma for red, of Cr 0..255."""
    return (_R_CR * (cr - 128) + _HALF) >> 16


@borrowing
def blue_of(cb: Int) -> Int:
    """Return what is added to luma for blue, of Cb 0..255."""
    return (_B_CB * (cb - 128) + _HALF) >> 16


@borrowing
def green_of(cb: Int, cr: Int) -> Int:
    """Return what is added to luma for green, of Cb and Cr 0..255."""
    return (-_G_CB * (cb - 128) - _G_CR * (cr - 128) + _HALF) >> 16


@borrowing_kernel
def to_rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray, picture: np.ndarray) -> None:
    """Fill `picture` uint8 (h, w, 3) with the colours of `y`, `cb`, `cr` uint8 (h, w)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            luma, blue, red = np.int64(y[i, j]), np.int64(cb[i, j]), np.int64(cr[i, j])
            picture[i, j, 0] = min(max(luma + red_of(red), 0), 255)
            picture[i, j, 1] = min(max(luma + green_of(blue, red), 0), 255)
            picture[i, j, 2] = min(max(luma + blue_of(blue), 0), 255)
