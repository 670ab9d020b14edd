"""One picture for every rule of the registry, that the rule made: what the contract test begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from tests.support.origins.jpegs import decoded_photo
from tests.support.origins.made_pictures import GRAY, RGB, photo, spec_of
from tilepress.codecs.codec import TileSpec


def _planes() -> np.ndarray:
    return photo(GRAY).repeat(3, axis=2)


def _depth() -> np.ndarray:
    return photo(RGB).astype(np.uint16) * 257


def _scale() -> np.ndarray:
    return photo(GRAY)[:50, :40].repeat(3, axis=0).repeat(2, axis=1)


def _demosaic() -> np.ndarray:
    return cv2.cvtColor(photo(GRAY)[:, :, 0], cv2.COLOR_BayerBG2RGB)


def _ycc() -> np.ndarray:
    """A camera's YUV 4:2:0 as OpenCV converts it."""
    return opencv_frame(photo(RGB)[:130, :120])


def opencv_frame(rgb: np.ndarray) -> np.ndarray:
    """A picture of even sides, uint8 (h, w, 3), to I420 and back."""
    return cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), cv2.COLOR_YUV2RGB_I420)


def _jpeg() -> np.ndarray:
    return decoded_photo(replace(RGB, height=144, width=128), 75, "4:2:0")


SAMPLES: dict[str, Callable[[], np.ndarray]] = {
    "planes": _planes,
    "depth": _depth,
    "scale": _scale,
    "demosaic": _demosaic,
    "ycc": _ycc,
    "jpeg": _jpeg,
}


def sample_of(origin_id: str) -> tuple[np.ndarray, TileSpec]:
    """A picture (h, w, c) that the rule of this id made, and its spec."""
    pixels = SAMPLES[origin_id]()
    return pixels, spec_of(pixels)
