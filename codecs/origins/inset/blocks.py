"""Where in a picture the part is whose blocks lie on the grid of a JPEG: gray pictures, and JPEGs beside each other.

On its grid, a JPEG's coefficients are 0 or a step away from 0, give or take the rounding of samples; elsewhere some lie
between. Where JPEGs share a grid, most blocks lie on multiples of the steps of one. Blocks of which no coefficient lies
between tell for a rectangle, others against it: the one of greatest sum is taken.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.colour import Conversion
from tilepress.codecs.origins.inset.region import Region, fitted
from tilepress.codecs.origins.jpeg.search.dct import BASIS
from tilepress.codecs.origins.jpeg.search.steps import find_steps
from tilepress.codecs.origins.jpeg.search.transforms import likely_transform
from tilepress.codecs.origins.jpeg.search.view import view_of
from tilepress.codecs.origins.rectangle import Rectangle

_SIDE = 8
_FOR, _AGAINST, _FLAT, _UNKNOWN = 10, -25, 1, -1  # what a block is worth, what each coefficient between, and others
_HIGH = np.add.outer(np.arange(_SIDE), np.arange(_SIDE)).reshape(-1) >= 4  # frequencies whose steps are not 1
_NEAR, _FAR = np.float32(0.9), np.float32(1.3)  # between 0 and a step; on the grid, a coefficient in ten blocks is
_EXPLAINED = 0.5  # of the samples that steps make again
_LEAST_STEP = 3  # of coefficients that are told to lie between multiples, not only between 0 and a step
_MOST_BETWEEN = 4  # coefficients of a block that count
_LIVELY = 24  # neighbours that differ, along rows and along columns: in flatter blocks rounding is no noise
_LEAST_WORTH = 640  # of the rectangle: as much as 64 blocks
_LEAST_AROUND, _USUAL = 16, -3  # lively blocks around it, and their worth on average, at most
_STEP = 2  # times the usual difference of neighbours: where a picture ends on another


def find_blocks(picture: np.ndarray) -> Region | None:
    """Return the rectangle whose blocks lie on one grid; None where that is all of the picture, or nothing tells.

    Letters in black and white around it tell nothing, as their samples are clipped: then it is not `distinct`.

    Args:
        picture: (h, w, 1 or 3) uint8.
    """
    view = view_of(picture)
    low, high = (bounds[0] for bounds in view.padded())
    worth, lively = _worth(low, high, _usual_steps(low, high, view.conversion))
    if not worth.size:
        return None
    blocks, most = fitted(worth, 1)
    lively[blocks.place] = False  # what is left is around
    others = worth[lively & (worth != _UNKNOWN)]
    distinct = len(others) >= _LEAST_AROUND
    if most < _LEAST_WORTH or np.count_nonzero(lively) < _LEAST_AROUND or (distinct and others.mean() > _USUAL):
        return None
    rows, columns = blocks.place
    top, bottom = _reaching(picture, rows, view.top, columns, view.left)
    left, right = _reaching(picture.transpose(1, 0, 2), columns, view.left, rows, view.top)
    return Region(Rectangle(top, left, bottom - top, right - left), whole=False, distinct=distinct)


def _usual_steps(low: np.ndarray, high: np.ndarray, conversion: Conversion | None) -> np.ndarray:
    """Steps, float32 (64,), that explain most blocks; zeros where none do."""
    transform, _ = likely_transform(low, high, conversion)
    found = find_steps([(low, high)], transform)
    return transform.steps(found.table) if found and found.share >= _EXPLAINED else np.zeros(64, np.float32)


def _worth(low: np.ndarray, high: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each whole block tells, int64, and whether it is lively, bool, (rows, columns), of bounds uint8 (h, w)."""
    known = _blocks((low == high) & (low > 0) & (low < 255)).all(axis=2)
    blocks = _blocks(low)
    sizes = np.abs(blocks.astype(np.float32) @ BASIS.T)
    between = ((sizes >= _NEAR) & (sizes < _FAR))[:, :, _HIGH].sum(axis=2)
    coarse = _HIGH & (steps > _LEAST_STEP)
    multiples = sizes[:, :, coarse] / steps[coarse]
    between += (np.abs(multiples - np.rint(multiples)) * steps[coarse] > _FAR).sum(axis=2)
    square = blocks.reshape(*known.shape, _SIDE, _SIDE)
    across = (square[..., 1:] != square[..., :-1]).sum(axis=(2, 3))
    down = (square[:, :, 1:] != square[:, :, :-1]).sum(axis=(2, 3))
    lively: np.ndarray = np.minimum(across, down) >= _LIVELY
    tells = np.where(lively, _FOR + _AGAINST * np.minimum(between, _MOST_BETWEEN), _FLAT)
    return np.where(known, tells, _UNKNOWN).astype(np.int64), lively


def _blocks(plane: np.ndarray) -> np.ndarray:
    """The whole blocks of a plane (h, w): (rows, columns, 64)."""
    rows, columns = (side // _SIDE for side in plane.shape)
    whole = plane[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    return whole.swapaxes(1, 2).reshape(rows, columns, -1)


def _reaching(picture: np.ndarray, lines: slice, before: int, others: slice, left: int) -> tuple[int, int]:
    """First line and end of a part in pixels: blocks that an edge cuts are seen by how much neighbours differ there.

    Args:
        picture: (h, w, c), of which lines are rows.
        lines: Rows of blocks of the part.
        before: Rows of pixels from the begin of the grid to the picture.
        others: Columns of blocks of the part.
        left: Columns of pixels before the picture.
    """
    first, end = max(lines.start * _SIDE - before, 0), lines.stop * _SIDE - before
    inside = picture[:, max(others.start * _SIDE - left, 0) : others.stop * _SIDE - left].astype(np.int16)
    steps = np.concatenate([[np.inf], np.abs(np.diff(inside, axis=0)).mean(axis=(1, 2)), [np.inf]])  # before each row
    usual = _STEP * steps[first + 1 : end].mean()
    above = steps[max(first - _SIDE + 1, 0) : first + 1][::-1]
    below = steps[end : end + _SIDE]
    return (
        first - int(above.argmax()) if above.max() > usual else first,
        end + int(below.argmax()) if below.max() > usual else end,
    )
