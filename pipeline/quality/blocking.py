"""PSNR-B: PSNR that counts the borders of blocks, which squared error hardly sees and people see first.

Yim and Bovik, "Quality assessment of deblocked images", IEEE Trans. Image Processing 20(1), 2011, section III, for
blocks of 8 x 8 from the top left. Two neighbouring samples are of one block or of two. Where the mean squared
difference of the latter pairs, D_B, is greater than that of the former, D_C, what it is greater by joins the error:

    BEF = log2(8) / log2(min(h, w)) * max(D_B - D_C, 0)
    PSNR-B = 10 log10(peak^2 / (MSE + BEF))

Pairs are counted by the article's formulas, w (h / 8 - 1) and h (w / 8 - 1) of two blocks, also where these are
fractions because a side is no multiple of 8: so counted, JPEG files have the figures that articles report.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.pipeline.quality.metrics import psnr

_BLOCK = 8


def psnr_b(original: np.ndarray, decoded: np.ndarray, peak: int) -> float | None:
    """Return PSNR-B in dB of pictures (h, w, c) of samples 0..`peak`; None for equal ones without blocking effect.

    Of several planes, MSE and blocking effect are means. ValueError if the pictures differ in shape.
    """
    if original.shape != decoded.shape:
        raise ValueError(f"pictures of {original.shape} and {decoded.shape} cannot be compared")
    error = float(np.mean((original.astype(np.float64) - decoded) ** 2))
    effects = [blocking_effect(decoded[:, :, plane]) for plane in range(decoded.shape[2])]
    return psnr(error + sum(effects) / len(effects), peak)


def blocking_effect(plane: np.ndarray) -> float:
    """Return the blocking effect factor (BEF) of a plane (h, w), in squared levels; 0 where a side is at most 8."""
    side = min(plane.shape)
    if side <= _BLOCK:
        return 0.0
    samples = plane.astype(np.float64)
    squares = between = pairs = borders = 0.0
    for lines in (samples, samples.T):
        count, length = lines.shape
        differences = np.diff(lines, axis=1) ** 2
        squares += differences.sum()
        between += differences[:, _BLOCK - 1 :: _BLOCK].sum()
        pairs += count * (length - 1)
        borders += count * (length / _BLOCK - 1)
    excess = between / borders - (squares - between) / (pairs - borders)
    return math.log2(_BLOCK) / math.log2(side) * max(float(excess), 0.0)
