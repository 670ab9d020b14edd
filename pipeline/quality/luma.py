"""Luma of colour pictures as articles on the restoration of JPEG files take it."""

from __future__ import annotations

import numpy as np

_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255  # ITU-R 601, of full-range samples; black is 16
_BLACK = 16


def video_luma(pixels: np.ndarray) -> np.ndarray:
    """Return the luma uint8 (h, w, 1) of RGB samples uint8 (h, w, 3), 16..235, rounded as MATLAB's rgb2ycbcr does."""
    return np.rint(_BLACK + pixels.astype(np.float64) @ _WEIGHTS).astype(np.uint8)[..., None]
