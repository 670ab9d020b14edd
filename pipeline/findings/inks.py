"""Inks as the light that they leave: what is found of pictures is about light."""

from __future__ import annotations

import numpy as np


def light_of_inks(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Return red, green and blue (h, w, 3) of cyan, magenta, yellow and black, without colour management.

    Args:
        pixels: (h, w, 4), uint8 or uint16; no ink is 0.
        bits: Of the scale of the samples: full ink is 2^bits - 1.
    """
    peak = np.uint32((1 << bits) - 1)
    paper = peak - pixels[:, :, 3].astype(np.uint32)
    light = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    for ink in range(3):
        light[:, :, ink] = (peak - pixels[:, :, ink]) * paper // peak
    return light
