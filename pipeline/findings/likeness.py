"""A perceptual hash: 64 bits that stay nearly the same when a picture is resized, recoded or made brighter.

The pHash of Zauner ("Implementation and Benchmarking of Perceptual Image Hash Functions", 2010): gray of 32 x 32 means,
its DCT, and for each of 64 low frequencies whether its coefficient is above their median. All of it is computed in
integers, so that every machine gets the same bits. The mean is no such frequency, since its bit would always be set.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import kernel

FLAT = 0  # the hash of pictures without contrast: it is of no use to compare them
_SIDE = 32  # of the means
_MOST = 1 << 11  # rows and columns that are looked at; of more, evenly spread ones
_FINE = 6  # fractional bits of means on the scale of 8 bits
_COSINE_BITS = 14
_LEAST = 2 << _FINE + _COSINE_BITS * 2 + 4  # of the greatest coefficient: that of a wave of an eighth of a level
_GRAY = (19595, 38470, 7471)  # ITU-R 601, of 65536


def perceptual_hash(pixels: np.ndarray, bits: int) -> int:
    """Return the hash of a picture, 0..2^64 - 1; FLAT for one without contrast, and for no other.

    Args:
        pixels: (h, w) or (h, w, c), uint8 or uint16. Of one or two channels the first is gray; of more the first three
            are red, green and blue.
        bits: Of the scale of the samples, 1..8 or 1..16.
    """
    planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
    rows, columns = (-(-side // _MOST) for side in planes.shape[:2])
    means = _means(planes[::rows, ::columns], (1 << bits) - 1)
    spectrum = _COSINES @ means @ _COSINES.T
    values = spectrum.ravel()[_LOW]
    if int(np.abs(values).max()) < _LEAST:
        return FLAT
    above = values > np.sort(values)[len(values) // 2 - 1]
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def hamming(one: int, other: int) -> int:
    """Return in how many bits two hashes differ, 0..64."""
    return (one ^ other).bit_count()


def _cosines() -> np.ndarray:
    """The DCT-II of _SIDE samples, a row for each of 16 frequencies: int64 of _COSINE_BITS fractional bits."""
    k, n = np.mgrid[: _SIDE // 2, :_SIDE]
    cosines: np.ndarray = np.rint(np.cos(np.pi * (2 * n + 1) * k / (2 * _SIDE)) * (1 << _COSINE_BITS)).astype(np.int64)
    return cosines


def _lowest() -> np.ndarray:
    """The places of the 64 lowest frequencies but the mean: by their sum, then by the vertical one."""
    k, n = np.mgrid[: _SIDE // 2, : _SIDE // 2]
    return np.lexsort((k.ravel(), (k + n).ravel()))[1:65]


_COSINES, _LOW = _cosines(), _lowest()


def _means(planes: np.ndarray, peak: int) -> np.ndarray:
    """Means of gray over cells of which there are _SIDE x _SIDE, int64, 8 bits and _FINE fractional ones.

    A pixel on the border of two cells counts for both, by the parts of it that lie within.
    """
    sums = np.zeros((_SIDE, _SIDE), np.int64)
    _add(planes, np.array(_GRAY if planes.shape[2] > 2 else (1 << 16, 0, 0), np.int64), sums)
    area = planes.shape[0] * planes.shape[1]  # of a cell, in parts of pixels
    means: np.ndarray = (sums // area * (255 << _FINE) // peak) >> 16
    return means


@kernel
def _add(planes: np.ndarray, gray: np.ndarray, sums: np.ndarray) -> None:
    """Add the gray of all pixels to the cells that they lie in.

    A side of n pixels is n * _SIDE parts, and a cell has n of them. Sums stay below 2^16 (samples) * 2^16 (weights of
    gray) * 2^22 (parts of a cell).
    """
    height, width, channels = planes.shape
    line = np.empty(_SIDE, np.int64)
    for y in range(height):
        line[:] = 0
        for x in range(width):
            value = np.int64(planes[y, x, 0]) * gray[0]
            if channels > 2:
                value += np.int64(planes[y, x, 1]) * gray[1] + np.int64(planes[y, x, 2]) * gray[2]
            at, end = x * _SIDE, (x + 1) * _SIDE
            while at < end:
                cell = at // width
                until = min(end, (cell + 1) * width)
                line[cell] += value * (until - at)
                at = until
        at, end = y * _SIDE, (y + 1) * _SIDE
        while at < end:
            cell = at // height
            until = min(end, (cell + 1) * height)
            for column in range(_SIDE):
                sums[cell, column] += line[column] * (until - at)
            at = until
