"""Whether chroma was made as large as the picture by its inverse DCT: then it has no higher half of frequencies.

In windows on the grid of such blocks, the transform of as many points as a window has leaves nothing beyond the first
eight coefficients but what rounding adds. Interpolation leaves more, and so does any other grid.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import BLOCK, Sampling
from tilepress.codecs.origins.jpeg.search.scaled import blocked, coarse

_FACTORS: tuple[Sampling, ...] = ((2, 2), (2, 1), (1, 2))  # what has none along both sides has none along one
_SIDE = 768  # pixels, of the part of a picture that is looked at
_WINDOWS = 48  # of each component: the liveliest
_LEAST_WINDOWS = 8
_LIVELY = 1.5  # standard deviation of a window, at least
_MOST = 0.105  # the mean square of what is beyond, at most: rounding adds 1 / 12
Place = tuple[Sampling, tuple[int, int]]


def scaled_places(lows: np.ndarray, highs: np.ndarray) -> list[Place]:
    """Return factors by which chroma may have been scaled, and by how many rows and columns its grid begins earlier.

    Those are 0 or 8. Smooth chroma fits more than one of them; none are returned where nothing tells of scaling.

    Args:
        lows: uint8 (2, h, w), bounds of Cb and Cr on the grid of luma's blocks.
        highs: The same.
    """
    middle = tuple(slice(_begin(side), _begin(side) + _SIDE) for side in lows.shape[1:])
    lows, highs = (bounds[:, middle[0], middle[1]] for bounds in (lows, highs))
    places: list[Place] = []
    for factors in _FACTORS:
        across, down = factors
        best, least = None, _MOST
        for shift in product(range(0, BLOCK * down, BLOCK), range(0, BLOCK * across, BLOCK)):
            beyond = _beyond(lows, highs, factors, shift)
            if beyond is not None and beyond < least:
                best, least = shift, beyond
        if best is not None:
            places.append((factors, best))
    return places


def _begin(side: int) -> int:
    """Where along a side of the picture the part begins that is looked at: on the grid of any blocks."""
    return max(0, (side - _SIDE) // 2 // (2 * BLOCK) * (2 * BLOCK))


def _beyond(lows: np.ndarray, highs: np.ndarray, factors: Sampling, shift: tuple[int, int]) -> float | None:
    """The mean square of the samples of lively windows that eight coefficients a side leave; None for too few."""
    pad = ((shift[0], 0), (shift[1], 0))
    left, count = 0.0, 0
    across, down = (coarse(factor) for factor in factors)
    for low, high in zip(lows, highs, strict=True):
        windows = blocked(np.pad(low, pad), factors, 0)
        known = (windows == blocked(np.pad(high, pad, constant_values=255), factors, 255)).all(axis=(2, 3))
        samples = windows[known].astype(np.float32)
        lively = samples.std(axis=(1, 2)) if len(samples) else np.empty(0)
        chosen = np.argsort(-lively, kind="stable")[:_WINDOWS]
        samples = samples[chosen[lively[chosen] >= _LIVELY]]
        if not len(samples):
            continue
        scale = np.float32(factors[0] * factors[1])
        kept = scale * (down.T @ (down @ samples @ across.T) @ across)
        area, free = samples[0].size, samples[0].size - BLOCK * BLOCK
        left += float(((samples - kept) ** 2).mean()) * area / free * len(samples)
        count += len(samples)
    return left / count if count >= _LEAST_WINDOWS else None
