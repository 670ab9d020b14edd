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


def page_with(part: np.ndarray, top: int, left: int, size: tuple[int, int] = (220, 212)) -> np.ndarray:
    """A white page with lines of dark and coloured letters, (h, w, 3), and a picture on it."""
    rng = np.random.default_rng(8)
    page = np.full((*size, 3), 255, np.uint8)
    letters = rng.random((-(-size[0] // 4), -(-size[1] // 4))) < 0.3
    letters[::3] = False
    ink = letters.repeat(4, axis=0).repeat(4, axis=1)[: size[0], : size[1]]
    page[ink] = (40, 40, 40)
    page[ink & (np.arange(size[0]) % 24 < 8)[:, None]] = (201, 33, 90)
    page[top : top + part.shape[0], left : left + part.shape[1]] = part
    return page


def _inset() -> np.ndarray:
    return page_with(_jpeg(), 31, 45)


SAMPLES: dict[str, Callable[[], np.ndarray]] = {
    "planes": _planes,
    "depth": _depth,
    "scale": _scale,
    "demosaic": _demosaic,
    "ycc": _ycc,
    "jpeg": _jpeg,
    "inset": _inset,
}


def sample_of(origin_id: str) -> tuple[np.ndarray, TileSpec]:
    """A picture (h, w, c) that the rule of this id made, and its spec."""
    pixels = SAMPLES[origin_id]()
    return pixels, spec_of(pixels)
