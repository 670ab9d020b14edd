"""What an encoder of the quick level does before it codes a plane: classes of blocks, and a predictor for each.

Blocks that the same predictor suits make a class: k-means with predictors for centres, as minimum-rate predictors have
it (Matsuda et al., "Lossless coding using variable block-size adaptive prediction optimized for each image", EUSIPCO
2005), here with one size of blocks. Everything is computed of the moments of blocks, which are gathered once. Decoders
read the result: nothing here needs to be the same anywhere.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, kernel
from tilepress.codecs.lossless.quick.taps import Taps, lay_weights, rounded_up, spread, sum_taps

BLOCK = 16  # samples, each side
CLASS_BITS = 5
MOST_CLASSES = 1 << CLASS_BITS
ONE = 1 << 11  # of weights
LIMIT = 8 * ONE - 1  # of a weight's magnitude
_PER_CLASS = 40  # blocks, at least, that a class needs to be worth its weights
_ROUNDS = 4
_LIKELY = 3
_ROWS = (1, 4, 8, 11, 14)  # of a block that are looked at: as many odd ones as even ones
_FLOOR = 0.08 * len(_ROWS) * BLOCK  # of a sum of squared errors: what no predictor saves


@kernel
def _gather(
    out: np.ndarray, field: np.ndarray, place: tuple[Int, Int, Int], steps: np.ndarray, rows: np.ndarray
) -> None:
    """Lay down the differences of a row of blocks: of every tap to the first of its group, and of samples to the left.

    `out` float32 (differences, rows, width or more).
    `place`: of the first sample in the field; samples of a row there; width of the plane.
    `steps` int64 (2, differences): offset of each tap, and of the first one of its group.
    `rows` int64: which rows of the blocks.
    """
    at, row, width = place
    for i in range(out.shape[0]):
        for k in range(rows.size):
            here = at + rows[k] * row
            line, first = field[here + steps[0, i] :], field[here + steps[1, i] :]
            for x in range(width):
                out[i, k, x] = line[x] - first[x]


@kernel
def _choose(
    classes: np.ndarray,
    likely: np.ndarray,
    field: np.ndarray,
    shape: tuple[Int, Int],
    place: tuple[Int, Int],
    weights: np.ndarray,
    offsets: np.ndarray,
) -> None:
    """Set the class of each block to the one of `likely` int64 (blocks, n) whose predictor errs least on all samples.

    `weights` float64 (classes, taps), `offsets` int64 (taps,): as the walk has them.
    """
    height, width = shape
    start, row = place
    columns = (width + BLOCK - 1) // BLOCK
    guess, laid = np.empty(width), np.empty((offsets.size, width))
    for top in range(0, height, BLOCK):
        first = top // BLOCK * columns
        least = np.full(columns, np.inf)
        for number in range(likely.shape[1]):
            candidates = likely[first : first + columns, number]
            lay_weights(laid, weights, candidates, BLOCK)
            wrong = np.zeros(columns)
            for y in range(max(top, 1), min(top + BLOCK, height)):
                at = start + y * row
                sum_taps(guess, field, at, laid, offsets, 1)
                actual = field[at : at + width]
                for x in range(width):
                    error = guess[x] * (1.0 / ONE) - actual[x]
                    wrong[x // BLOCK] += error * error
            for column in range(columns):
                if wrong[column] < least[column]:
                    least[column], classes[first + column] = wrong[column], candidates[column]


def classify(
    field: np.ndarray, shape: tuple[int, int], place: tuple[int, int], taps: Taps
) -> tuple[np.ndarray, np.ndarray]:
    """Return the class of each block, uint8 (blocks,), in rows; and weights int64 (classes, weights) in units of 1/ONE.

    `field`: every sample that a tap may meet is there. `shape`: (height, width) of the plane; `place`: of its first
    sample in the field, and samples of a padded row.
    """
    moments = _moments(field, shape, place, taps)
    classes = _begin(moments, max(1, min(MOST_CLASSES, len(moments) // _PER_CLASS)))
    weights, likely = _settle(moments, classes)
    _choose(classes, likely, field, shape, place, spread(weights, taps, ONE), rounded_up(taps.offsets))
    used, classes[:] = np.unique(classes, return_inverse=True)
    return classes.astype(np.uint8), weights[used]


def _moments(field: np.ndarray, shape: tuple[int, int], place: tuple[int, int], taps: Taps) -> np.ndarray:
    """Products of differences summed over samples of each block: float32 (blocks, n + 1, n + 1), the target's last."""
    (height, width), (start, row), free = shape, place, taps.free
    steps = np.stack([np.append(taps.offsets[free], 0), np.append(taps.offsets[taps.groups[free]], taps.offsets[0])])
    columns, size = -(-width // BLOCK), len(free) + 1
    lines = np.zeros((size, len(_ROWS), columns * BLOCK), np.float32)
    laid = np.empty((columns, size, len(_ROWS), BLOCK), np.float32)
    found = np.empty((-(-height // BLOCK), columns, size, size), np.float32)
    for number, moments in enumerate(found):
        top = number * BLOCK
        inside = [y for y in _ROWS if 0 < top + y < height]  # the first row is guessed otherwise
        rows = np.array(inside or [0], np.int64)
        lines[:, len(rows) :] = 0
        _gather(lines, field, (start + top * row, row, width), steps, rows)
        laid[:] = lines.reshape(size, len(_ROWS), columns, BLOCK).transpose(2, 0, 1, 3)
        flat = laid.reshape(columns, size, -1)
        np.matmul(flat, flat.transpose(0, 2, 1), out=moments)
    return found.reshape(-1, size, size)


def _begin(moments: np.ndarray, count: int) -> np.ndarray:
    """A first class for each block: by how much samples differ from the left, then by whether they do from above."""
    target = moments[:, -1, -1]
    left = np.log2(target + _FLOOR)
    above = np.log2(np.maximum(target - 2 * moments[:, -1, 1] + moments[:, 1, 1], 0) + _FLOOR) - left
    classes = np.zeros(len(moments), np.int64)
    bands = np.array_split(np.argsort(left, kind="stable"), max(1, count // 4))
    each = -(-count // len(bands))
    for number, band in enumerate(bands):
        for part, members in enumerate(np.array_split(band[np.argsort(above[band], kind="stable")], each)):
            classes[members] = min(number * each + part, count - 1)
    return classes


def _settle(moments: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of every class; `classes` are changed to those that suit blocks best.

    Blocks count by the inverse of their error: bits go by its logarithm.
    """
    count, size = int(classes.max()) + 1, moments.shape[1]
    one, other = np.triu_indices(size)
    flat = moments.reshape(len(moments), -1).take(one * size + other, axis=1)
    twice = np.where(one == other, 1, 2).astype(np.float32)
    worth = 1 / (moments[:, -1, -1] + _FLOOR)
    weights = np.zeros((count, size - 1), np.int64)
    for _ in range(_ROUNDS):
        member = np.zeros((count, len(classes)), np.float32)
        member[classes, np.arange(len(classes))] = worth
        whole = np.empty((count, size, size))
        whole[:, one, other] = whole[:, other, one] = member @ flat
        weights = _solve(whole)
        wrong = np.append(weights / ONE, np.full((count, 1), -1.0), axis=1).astype(np.float32)
        errors = flat @ (wrong[:, one] * wrong[:, other] * twice).T
        classes[:] = errors.argmin(axis=1)
        worth = 1 / (np.maximum(errors.min(axis=1), 0) + _FLOOR)
    likely = min(_LIKELY, count)
    return weights, np.ascontiguousarray(np.argpartition(errors, likely - 1, axis=1)[:, :likely])


def _solve(moments: np.ndarray) -> np.ndarray:
    """Weights of least squares, rounded, from moments (classes, n + 1, n + 1) of which the last is the target."""
    inner, target = moments[:, :-1, :-1], moments[:, :-1, -1:]
    trace = np.trace(inner, axis1=1, axis2=2) / inner.shape[1]
    ridge = (1e-3 * trace + 1e-6)[:, None, None] * np.eye(inner.shape[1])
    exact = np.linalg.solve(inner + ridge, target)[..., 0]
    rounded: np.ndarray = np.clip(np.rint(exact * ONE), -LIMIT, LIMIT).astype(np.int64)
    return rounded
