"""The least-squares predictors of the lossless codec: their inputs, the samples they are fitted at, their predictions.

A level (levels.py) says how many there are, what each looks at, and over which window it is fitted. The
algebra is in normal_equations.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline
from tilepress.codecs.lossless.normal_equations import BLOCK, add_sample, blur_back, combine, enter_block, solve
from tilepress.codecs.lossless.predictors import FITS, MEAN, PlaneView
from tilepress.codecs.lossless.tables import clamp

TAPS = 64  # room for inputs and the target

# columns of `sizes`
COUNT, STRIDE, FIRST, LAST, PERIOD, PHASE = range(6)
# columns of `windows`
DECAY, FADE = range(2)
# rows of `taps`
OFFSET, REFERENCE = range(2)


class Fits(NamedTuple):
    """What the predictors look at and when they are fitted; a row for each, COUNT 0 where a level has fewer than FITS.

    `sizes` (FITS, 6) int64: inputs; columns of the matrix; first place and end of the matrix in a row of all sums;
    samples between two solutions, and which of them. `windows` (FITS, 2) float64: decay of a block of columns and of
    a row. `taps` (2, FITS, TAPS) int64: offset of each input from the sample; which reference it is relative
    to. `moves` (k,) int64: offsets to the places where references are taken, the sample's own first.
    """

    sizes: np.ndarray
    windows: np.ndarray
    taps: np.ndarray
    moves: np.ndarray


class Squares(NamedTuple):
    """Sums and solutions. All float32; `size`: of the matrices of all predictors together."""

    above: np.ndarray  # (blocks + 1, size): rows above, by block of columns; the last block stays empty
    right: np.ndarray  # (blocks + 1, size): the same, blurred from the right, as the row began
    sums: np.ndarray  # (size,): blocks to the left and this one, and the row so far
    work: np.ndarray  # (TAPS * TAPS,): for elimination
    inputs: np.ndarray  # (FITS, TAPS): neighbours relative to their reference, then the sample
    weights: np.ndarray  # (FITS, TAPS)
    references: np.ndarray  # (k,): rough predictions in every plane that is looked at


@inline
def new_squares(fits: Fits, width: Int) -> Squares:
    """Return the state before any sample is seen, in a plane of `width` samples a row."""
    blocks, size = (width + BLOCK - 1) // BLOCK, fits.sizes[FITS - 1, LAST]
    return Squares(
        np.zeros((blocks + 1, size), np.float32),
        np.zeros((blocks + 1, size), np.float32),
        np.zeros(size, np.float32),
        np.zeros(TAPS * TAPS, np.float32),
        np.zeros((FITS, TAPS), np.float32),
        np.zeros((FITS, TAPS), np.float32),
        np.zeros(fits.moves.size, np.float32),
    )


@borrowing
def begin_row_of_squares(fits: Fits, squares: Squares) -> None:
    """Blur the rows above from the right; nothing is to the left."""
    for g in range(FITS):
        if fits.sizes[g, COUNT]:
            first, last = fits.sizes[g, FIRST], fits.sizes[g, LAST]
            blur_back(squares.above, first, last, fits.windows[g, DECAY], squares.right)
    squares.sums[:] = 0


@borrowing
def _reference(field: np.ndarray, at: Int, row: Int) -> Float:
    """Return a rough prediction. Inputs are taken relative to it, so that shape is fitted and not brightness."""
    level = (field[at - 1] + field[at - row]) * np.float32(0.5)
    return level + (field[at - row + 1] - field[at - row - 1]) * np.float32(0.25)


@borrowing
def _fit(fits: Fits, squares: Squares, g: Int, x: Int) -> None:
    """Weights of predictor `g` from the window around column x, where it is time for that."""
    block = x // BLOCK
    first, last, decay = fits.sizes[g, FIRST], fits.sizes[g, LAST], fits.windows[g, DECAY]
    if x % BLOCK == 0:
        enter_block(squares.above[block, first:last], decay, fits.windows[g, FADE], squares.sums[first:last])
    if x == 0 or x % fits.sizes[g, PERIOD] == fits.sizes[g, PHASE]:
        sums, right = squares.sums[first:last], squares.right[block + 1, first:last]
        n, stride = fits.sizes[g, COUNT], fits.sizes[g, STRIDE]
        solve(sums, right, decay, n, stride, squares.work, squares.weights[g])


@borrowing
def predict_squares(picture: PlaneView, at: Int, x: Int, fits: Fits, squares: Squares, predictors: np.ndarray) -> Float:
    """Fill in the means of the least-squares predictors; return the reference, in levels.

    Predictors that the level does not use predict the reference.

    `picture`: the plane as decoded so far.
    `at`: place of the sample in `picture.field`; `x`: its column.
    `fits`: inputs, windows and periods of the predictors.
    `squares`: sums and solutions, brought up to this sample.
    `predictors` float64 (ROWS, PREDICTORS): row MEAN is filled, places 0..FITS - 1.
    """
    for r in range(fits.moves.size):
        squares.references[r] = _reference(picture.field, at + fits.moves[r], picture.row)
    reference = np.float64(squares.references[0])
    for g in range(FITS):
        n = fits.sizes[g, COUNT]
        if n:
            _fit(fits, squares, g, x)
            for i in range(n):
                level = squares.references[fits.taps[REFERENCE, g, i]]
                squares.inputs[g, i] = picture.field[at + fits.taps[OFFSET, g, i]] - level
        mean = reference + combine(squares.inputs, squares.weights, g, n)
        predictors[MEAN, g] = clamp(mean, picture.low, picture.high)
    return reference


@borrowing
def learn_squares(fits: Fits, squares: Squares, x: Int, target: Float, gain: Float) -> None:
    """Take the sample just coded into the sums.

    `fits`: inputs, windows and periods of the predictors.
    `squares`: sums and solutions, updated; the inputs are those of this sample.
    `x`: column of the sample.
    `target`: the sample minus the reference, in levels.
    `gain`: weight of its squared error, in 1 / levels^2.
    """
    block = x // BLOCK
    for g in range(FITS):
        n, first, last = fits.sizes[g, COUNT], fits.sizes[g, FIRST], fits.sizes[g, LAST]
        if n:
            squares.inputs[g, n] = np.float32(target)
            above, sums = squares.above[block, first:last], squares.sums[first:last]
            add_sample(squares.inputs[g], n, fits.sizes[g, STRIDE], gain, above, sums)
