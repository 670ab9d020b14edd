"""Chroma at its own size, as libjpeg and libjpeg-turbo make it of chroma at the picture's (jcsample.c).

A sample is the mean of those that it stands for. Halves are rounded down and up in turn along a row, where columns are
halved, and up where only rows are.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import Sampling


def downsample(plane: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Return the means of `across` x `down` samples each: uint8 (rows, columns).

    Args:
        plane: uint8 (rows * down, columns * across).
        sampling: Factors across and down, 1 or 2.
    """
    across, down = sampling
    if sampling == (1, 1):
        return plane
    rows = plane if down == 1 else plane[::2].astype(np.uint16) + plane[1::2]
    sums = rows if across == 1 else rows[:, ::2].astype(np.uint16) + rows[:, 1::2]
    odd = np.arange(sums.shape[1], dtype=np.uint16) & 1 if across == 2 else 1
    means: np.ndarray = (sums + odd + (1 if across * down == 4 else 0)) >> (across * down // 2)
    return means.astype(np.uint8)
