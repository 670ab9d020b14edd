"""Luma under chroma that is settled: what makes the colour right, and is the nearest to the luma around."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import borrowing_kernel
from tilepress.codecs.origins.ycc.conversion import luma_range
from tilepress.codecs.origins.ycc.polish import Scene, bounds_at


@borrowing_kernel
def settle_luma(scene: Scene, u: np.ndarray, v: np.ndarray) -> None:
    """Settle the luma of every pixel, in raster order.

    Where the settled chroma is the known one, the luma is known. Elsewhere it is taken from the range that makes the
    colour right, as near as it can be to the median of W, N and W + N - NW. Where no luma does, the pixel is an
    exception, and luma the one whose green is right, or that median.

    `scene`: the picture, whose luma `planes[0]` is changed.
    `u`, `v` uint8 (h, w): settled chroma.
    """
    planes, known = scene.planes, scene.known
    for y in range(known.shape[0]):
        for x in range(known.shape[1]):
            if known[y, x] == 1 and planes[1, y, x] == u[y, x] and planes[2, y, x] == v[y, x]:
                continue
            west = np.int64(planes[0, y, x - 1]) if x > 0 else np.int64(planes[0, max(y - 1, 0), x])
            north = np.int64(planes[0, y - 1, x]) if y > 0 else west
            corner = np.int64(planes[0, y - 1, x - 1]) if x > 0 and y > 0 else north
            likely = max(min(west, north), min(max(west, north), west + north - corner))
            least, above = bounds_at(y, x, u[y, x], v[y, x], scene)
            found = luma_range(least, above, scene.tables, scene.hints[6])
            if found >= 0:
                likely = min(max(likely, found >> 8), found & 255)
            elif known[y, x] == 1:
                likely = np.int64(planes[0, y, x])
            planes[0, y, x] = likely
