"""A glance at whether swscale interpolated a picture's chroma: a lively window of it. No kernel is loaded for that.

Along a row interpolated chroma is what half as many samples make: least squares leave hardly more of it than rounding
does. Chroma that is smooth leaves no more; but the samples that least squares find of it are any numbers, where those
that swscale interpolated are near whole ones.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from tilepress.codecs.origins.ycc.colours import EXACT_SWSCALE
from tilepress.codecs.origins.ycc.finer_filters import BICUBIC, BILINEAR, Filter, chroma_rows, filters
from tilepress.codecs.origins.ycc.sampling import FINE, Axis, Sampling

WINDOW = 48
_WINDOWS, _GRID, _STEP = 2, 4, 5
_LIVELY = 1.5  # levels: chroma that varies less tells nothing
_CLIPPED = 16  # exponent of the share of unclipped pixels: windows of many clipped ones show little
_LEAST_KNOWN = 0.9  # of the pixels of a window: of less, closer looks have to tell
_SOME_ROWS = 12  # without a clipped pixel: of so many a first look is taken
_TURNS = 8  # of finding what is not known: each halves what is wrong
_SMOOTH = 0.25  # levels that least squares leave of what is interpolated: at most 0.17 was met
_ALIKE, _TRIED = 1.6, 2  # times the least: what is left by ways that may be the right one, too; the best of these
_WHOLE = 0.2  # mean cosine, whole numbers having 1: of what is interpolated at least 0.28 was met, of photographs 0.19
_TURN = np.float32(2 * np.pi)
_INNER = np.arange(0, WINDOW, _STEP)
_WINDOW_OF = np.repeat(np.eye(_GRID, dtype=np.float32), len(_INNER), axis=1)  # of each row of what is looked at
_HALVES = [Axis(half=True, phase=phase) for phase in range(2)]


class _Axis(NamedTuple):
    """How an axis may have been interpolated: float32 `samples` (n, 48) finds its samples, `left` (48, 48) the rest."""

    samples: np.ndarray
    left: np.ndarray


def lively_windows(picture: np.ndarray) -> list[np.ndarray]:
    """Return windows uint8 (48, 48, 3) of a picture uint8 (h, w, 3 or more), the liveliest first; [] if chroma is flat.

    They lie at even places of a coarse grid.
    """
    height, width = picture.shape[:2]
    if min(height, width) < WINDOW:
        return []
    rows, columns = ((side - WINDOW) * np.arange(_GRID) // (_GRID - 1) // 2 * 2 for side in (height, width))
    liveliness = _liveliness(picture, rows, columns)
    best = [divmod(int(number), _GRID) for number in np.argsort(liveliness.ravel())[::-1][:_WINDOWS]]
    places = [(rows[i], columns[j]) for i, j in best if liveliness[i, j] >= _LIVELY]
    return [np.array(picture[y : y + WINDOW, x : x + WINDOW, :3], order="C") for y, x in places]


def _liveliness(picture: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Deviation of what tells colours from grays, in some pixels of each window; less if some have a clipped channel.

    float32 (4, 4). 0 for windows of which half is clipped.
    """
    some = picture[(rows[:, None] + _INNER).reshape(-1, 1), (columns[:, None] + _INNER).ravel()].transpose(2, 0, 1)
    whole = unclipped(some[:3]).astype(np.float32)
    differences = (some[0].astype(np.float32) - some[1]) * whole
    counts, sums, squares = _WINDOW_OF @ np.stack([whole, differences, differences * differences]) @ _WINDOW_OF.T
    share = counts / np.float32(len(_INNER) ** 2)
    means, counts = sums / np.maximum(counts, 1), np.maximum(counts, 1)
    deviations = np.sqrt(np.maximum(squares / counts - means * means, 0))
    return np.where(share > 0.5, deviations * share**_CLIPPED, np.float32(0))


def unclipped(channels: np.ndarray) -> np.ndarray:
    """Return where no channel of (3, h, w) uint8 is 0 or 255, bool (h, w)."""
    r, g, b = channels  # numpy takes long over axes of three
    inside: np.ndarray = (np.minimum(np.minimum(r, g), b) > 0) & (np.maximum(np.maximum(r, g), b) < 255)
    return inside


def may_be_interpolated(window: np.ndarray) -> bool:
    """Tell whether chroma of a window, one of `lively_windows`, may have been interpolated from half the columns."""
    channels = np.ascontiguousarray(window.transpose(2, 0, 1))
    known = unclipped(channels)
    if known.mean() < _LEAST_KNOWN:
        return True
    signed, whole = _spread(channels.astype(np.float32) - np.float32(128), known), known.all(axis=1)
    v = np.tensordot(_estimates()[1], signed, 1)
    if np.count_nonzero(whole) >= _SOME_ROWS and _squares(v[whole] @ _across().left).min() > 2 * _SMOOTH**2:
        return False  # as it is with most photographs
    squares = _squares(_left(v, known, _across().left) * known) * known.size / np.count_nonzero(known)
    if squares.min() > _SMOOTH**2:
        return False
    ways = np.argsort(squares)[:_TRIED]
    likely = ways[squares[ways] <= _ALIKE**2 * squares[ways[0]]]
    return any(_are_whole(signed, known, way) for way in likely)


def _squares(left: np.ndarray) -> np.ndarray:
    """Mean squares of each of (n, h, w)."""
    squares: np.ndarray = np.einsum("kyx,kyx->k", left, left) / left[0].size
    return squares


def _spread(channels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The same float32 (3, h, w), what is not known being as what is known to the left of it."""
    if known.all():
        return channels
    nearest = np.maximum.accumulate(np.where(known, np.arange(known.shape[1]), 0), axis=1)
    return np.take_along_axis(channels, nearest[None], axis=2)


def _left(plane: np.ndarray, known: np.ndarray, left: np.ndarray) -> np.ndarray:
    """What ways leave of a plane float32 (..., h, 48), pixels that are not known being what the ways make of them.

    `left`: of `_across`, of all ways or one.
    """
    rest: np.ndarray = plane @ left
    unknown = (~known).astype(np.float32)
    for _ in range(_TURNS if unknown.any() else 0):
        plane = plane - rest * unknown
        rest = plane @ left
    return rest


def _are_whole(channels: np.ndarray, known: np.ndarray, way: int) -> bool:
    """Tell whether samples of chroma of some conversion are near whole numbers: along rows, or along both axes.

    `channels` float32 (3, 48, 48): R, G and B less 128. `way`: along rows.
    """
    if not known.all():
        channels = np.where(known, channels, channels - _left(channels, known, _across().left[way]))
    rows = channels @ _across().samples[way].T
    for down in (None, *_down()):
        samples = rows[:, ::2] if down is None else down @ rows
        turns = _TURN * _estimates() @ samples.reshape(3, -1)
        wholeness = np.cos(turns).mean(axis=1)
        if (wholeness[::2] + wholeness[1::2]).max() >= 2 * _WHOLE:
            return True
    return False


@cache
def _estimates() -> np.ndarray:
    """How U, V, U, V ... less 128 follow from R, G, B less 128, of all conversions with full chroma: float32 (8, 3)."""
    return np.concatenate([chroma_rows(number) for number in EXACT_SWSCALE])


@cache
def _across() -> _Axis:
    """All ways along rows: `samples` (ways, columns, 48), `left` (ways, 48, 48)."""
    ways = [Sampling(kind, Axis(), axis) for kind in FINE for axis in _HALVES]
    made = [_matrix(filters(way, WINDOW, WINDOW)[1], way.shape(WINDOW, WINDOW)[1]) for way in ways]
    inverses = [np.linalg.pinv(one) for one in made]
    columns = max(len(inverse) for inverse in inverses)
    samples = np.stack([np.pad(inverse, ((0, columns - len(inverse)), (0, 0)), mode="edge") for inverse in inverses])
    left = np.stack([np.eye(WINDOW) - one @ inverse for one, inverse in zip(made, inverses, strict=True)])
    return _Axis(samples.astype(np.float32), left.astype(np.float32))  # which is symmetric


@cache
def _down() -> list[np.ndarray]:
    """All ways along columns: float32 (n, 48) finds the samples."""
    ways = [Sampling(kind, axis, Axis()) for kind in (BICUBIC, BILINEAR) for axis in _HALVES]
    made = [_matrix(filters(way, WINDOW, WINDOW)[0], way.shape(WINDOW, WINDOW)[0]) for way in ways]
    return [np.linalg.pinv(one).astype(np.float32) for one in made]


def _matrix(along: Filter, count: int) -> np.ndarray:
    """What makes an axis of a window of `count` samples: float64 (48, count)."""
    made = np.zeros((WINDOW, count))
    np.add.at(made, (np.arange(WINDOW)[:, None], along.samples), along.weights)
    matrix: np.ndarray = made / along.weights[0].sum()
    return matrix
