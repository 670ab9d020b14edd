"""Where in an image decoding changed most: the squared error of every tile, and the largest difference, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tilepress.codecs.kernels.kernel import Int, kernel
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.quality.metrics import psnr


@dataclass(frozen=True)
class TileErrors:
    """What decoding changed: of the whole image `mse` in squared levels and `max_error` in levels; of the worst tile
    its place, and its PSNR in dB. There is no worst tile where nothing changed."""

    mse: float
    max_error: int
    worst: Box | None = None
    worst_psnr: float | None = None


def tile_errors(original: np.ndarray, decoded: np.ndarray, peak: int, tile: int = 512) -> TileErrors:
    """Return the errors of a decoded image, and of its worst tile by squared error for each sample.

    Args:
        original: (h, w, c), uint8 or uint16.
        decoded: Of the same shape and type.
        peak: Largest value of a sample.
        tile: Side of a tile in pixels; those at the right and lower edges are smaller.

    Raises:
        ValueError: The images differ in shape or type, or are empty.
    """
    if original.shape != decoded.shape or original.dtype != decoded.dtype or not original.size:
        raise ValueError(f"{original.shape} {original.dtype} and {decoded.shape} {decoded.dtype} cannot be compared")
    height, width, channels = original.shape
    sums = np.zeros((-(-height // tile), -(-width // tile)), np.int64)
    largest = int(_sum_squares(np.ascontiguousarray(original), np.ascontiguousarray(decoded), tile, sums))
    if not largest:
        return TileErrors(0.0, 0)
    heights = np.minimum(tile, height - np.arange(0, height, tile))
    widths = np.minimum(tile, width - np.arange(0, width, tile))
    means = sums / (np.outer(heights, widths) * channels)
    row, column = np.unravel_index(int(means.argmax()), means.shape)
    box = Box(int(column) * tile, int(row) * tile, int(widths[column]), int(heights[row]))
    return TileErrors(int(sums.sum()) / original.size, largest, box, psnr(float(means[row, column]), peak))


@kernel
def _sum_squares(x: np.ndarray, y: np.ndarray, tile: Int, sums: np.ndarray) -> Any:
    """Add the squared differences of (h, w, c) images to `sums`, int64 by row and column of tiles; the largest one."""
    height, width, channels = x.shape
    largest = np.int64(0)
    for row in range(height):
        for first in range(0, width, tile):
            squares = np.int64(0)
            for column in range(first, min(first + tile, width)):
                for plane in range(channels):
                    difference = np.int64(x[row, column, plane]) - np.int64(y[row, column, plane])
                    squares += difference * difference
                    largest = max(largest, abs(difference))
            sums[row // tile, first // tile] += squares
    return largest
