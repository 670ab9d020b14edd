"""The layout in which a mosaic is likely to take the fewest bytes, by what a simple predictor leaves of its planes."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.demosaic.interpolation import Pattern
from tilepress.codecs.origins.demosaic.split import EIGHTHS, Layout, split

_BANDS, _PLACES, _LEAST_ROWS = 3, 1 << 17, 16  # bands of a mosaic that are looked at, their places in all, their rows
_WEIGHTS = (0, 4, 5, 6, 7, EIGHTHS)
_APART = 0.92  # of what rows that follow each other leave: JPEG XL, unlike the simple predictor, sees more in those
_LESS = 0.985  # of what is left when all of green is taken off: less of it has to leave so little


def layout_of(mosaic: np.ndarray, pattern: Pattern, maximum: int) -> Layout:
    """Return how to split a mosaic (h, w), both sides even."""
    costs = np.mean([_costs(band, pattern, maximum) for band in _bands(mosaic)], axis=0)
    following, apart = costs[-1]
    return Layout(bool(apart < _APART * following), (_weight(costs[:-1, 0]), _weight(costs[:-1, 1])))


def _costs(mosaic: np.ndarray, pattern: Pattern, maximum: int) -> np.ndarray:
    """Of each weight the cost of red and of blue; then that of green, rows following each other and apart."""
    costs = []
    for weight in _WEIGHTS:
        green, left = split(mosaic, pattern, Layout(rows_apart=False, weights=(weight, weight)), maximum)
        costs.append([_cost(left[..., channel]) for channel in (0, 1)])
    apart, _ = split(mosaic, pattern, Layout(rows_apart=True, weights=(0, 0)), maximum)
    odd = _bits(apart[..., 1].astype(np.int32) - (maximum + 1) // 2)
    return np.array([*costs, [_cost(green[..., 0]), (_cost(apart[..., 0]) + odd) / 2]])


def _weight(costs: np.ndarray) -> int:
    return _WEIGHTS[int(costs.argmin())] if costs.min() < _LESS * costs[-1] else EIGHTHS


def _bands(mosaic: np.ndarray) -> list[np.ndarray]:
    """Rows of a mosaic that are looked at, beginning with even ones."""
    rows = max(_LEAST_ROWS, _PLACES // _BANDS // mosaic.shape[1] // 2 * 2)
    if len(mosaic) <= _BANDS * rows:
        return [mosaic]
    firsts = np.linspace(0, len(mosaic) - rows, _BANDS).astype(np.intp) // 2 * 2
    return [mosaic[first : first + rows] for first in firsts]


def _cost(plane: np.ndarray) -> float:
    """Bits a sample, about, of what the gradient of three neighbours foretells, kept between the nearest two."""
    here = plane.astype(np.int32)
    west, north, corner = here[1:, :-1], here[:-1, 1:], here[:-1, :-1]
    foretold = np.clip(west + north - corner, np.minimum(west, north), np.maximum(west, north))
    return _bits(here[1:, 1:] - foretold)


def _bits(left: np.ndarray) -> float:
    return float(np.log2(1 + np.abs(left).astype(np.float32)).mean(dtype=np.float64))
