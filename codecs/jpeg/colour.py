"""YCbCr to RGB as JPEG decoders convert, and RGB to YCbCr as libjpeg does (JFIF, 16 fractional bits), in integers."""

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
# Of 65536ths, what red, green and blue add to luma, and what they add to or take from chroma: libjpeg's jccolor.c
_R_LUMA, _G_LUMA, _B_LUMA = 19595, 38470, 7471  # 0.299, 0.587, 0.114
_R_CB, _G_CB, _G_CR, _B_CR, _MOST = 11059, 21709, 27439, 5329, 32768  # 0.16874, 0.33126, 0.41869, 0.08131, 0.5
_CHROMA_CENTRE = (128 << 16) + _HALF - 1  # with what rounds: the greatest sum stays below 256


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


@borrowing_kernel
def to_ycc(picture: np.ndarray, y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> None:
    """Fill `y`, `cb`, `cr` uint8 (h, w) with luma and chroma of `picture` uint8 (h, w, 3)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            red, green, blue = np.int64(picture[i, j, 0]), np.int64(picture[i, j, 1]), np.int64(picture[i, j, 2])
            y[i, j] = (_R_LUMA * red + _G_LUMA * green + _B_LUMA * blue + _HALF) >> 16
            cb[i, j] = (_MOST * blue - _R_CB * red - _G_CB * green + _CHROMA_CENTRE) >> 16
            cr[i, j] = (_MOST * red - _G_CR * green - _B_CR * blue + _CHROMA_CENTRE) >> 16
