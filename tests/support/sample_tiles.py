"""Tiles cut out of the images of infra/samples."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np

from tilepress.codecs.codec import TileSpec

IMAGES = Path(__file__).parents[2] / "infra/samples/images"


@cache
def sample(name: str, side: int | None = None) -> np.ndarray:
    """An image (h, w, c), or the square in its middle."""
    image: np.ndarray = imagecodecs.imread(str(IMAGES / name))
    image = image.reshape(*image.shape[:2], -1)
    if side:
        top, left = ((size - side) // 2 for size in image.shape[:2])
        image = image[top : top + side, left : left + side]
    return np.ascontiguousarray(image)


def spec_of_sample(tile: np.ndarray) -> TileSpec:
    """Gray or RGB, of all bits."""
    colour = "rgb" if tile.shape[2] > 2 else "gray"
    return TileSpec(*tile.shape, str(tile.dtype), 8 * tile.itemsize, colour)  # type: ignore[arg-type]
