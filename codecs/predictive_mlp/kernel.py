"""Kernels of predictive-mlp: the walk over a plane, the same for encoding and decoding, in 32-bit integers.

Neighbours of a sample: columns -5..5 of the five rows above, from the top left, then the five to its left. Outside
the plane: rows above the first are copies of it; beside a row stand its first and its last sample, but to the left of
the row that is being coded the first of the row above. The first row has no network: its samples are predicted by
those to the left, the first of all by half the range.

`field`: int32 (height + 5, width + 10), the plane with that border. `network`: from `Predictor.arrays`.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.borders import close_row, open_row
from tilepress.codecs.kernels.kernel import Int, inline, kernel

REACH = 5  # rows above, and columns to each side
ROW = 2 * REACH + 1
NEIGHBOURS = REACH * ROW + REACH  # 60
WIDEST = 32
ACTIVATION_MAX = 65535
MED, NETWORK = 0, 1  # predictors


@inline
def _collect(field: np.ndarray, row: Int, column: Int, out: np.ndarray) -> None:
    """Neighbours of the sample that stands in `field` at (row, column)."""
    n = 0
    for y in range(row - REACH, row):
        for x in range(column - REACH, column + REACH + 1):
            out[n] = field[y, x]
            n += 1
    for x in range(column - REACH, column):
        out[n] = field[row, x] if x >= REACH else field[row - 1, REACH]
        n += 1


@inline
def _border(field: np.ndarray, row: Int) -> None:
    """Fill the border of the complete row `row`; if it is the first, the rows above too."""
    line = field[row]
    close_row(line, REACH)
    open_row(line, line, REACH)  # rows below look at this row's own first sample, not at that of the row above
    if row == REACH:
        for y in range(REACH):
            for x in range(field.shape[1]):
                field[y, x] = field[row, x]


@inline
def _multiply(weights: np.ndarray, biases: np.ndarray, inputs: Int, outputs: Int, x: np.ndarray, y: np.ndarray) -> None:
    """Compute `y = weights · x + biases`, sums that are proven within 32 bits in any order.

    `weights` int32 (WIDEST, NEIGHBOURS), `biases` int32 (WIDEST,): of one layer, padded.
    `inputs`, `outputs`: how many columns and rows of them count.
    `x` int32 (NEIGHBOURS,): inputs. `y` int32 (WIDEST,): outputs, filled.
    """
    for o in range(outputs):
        total = np.int32(biases[o])
        for i in range(inputs):
            total = np.int32(total + weights[o, i] * x[i])
        y[o] = total


@inline
def _network(
    sizes: np.ndarray, weights: np.ndarray, biases: np.ndarray, shifts: np.ndarray, x: np.ndarray, y: np.ndarray
) -> Int:
    """Return the output of the network, clipped to 0..ACTIVATION_MAX.

    `sizes` int64 (layers + 1,): of the layers, input first.
    `weights` int32 (layers, WIDEST, NEIGHBOURS), `biases`, `shifts` int32 (layers, WIDEST): padded, see `walk`.
    `x` int32 (NEIGHBOURS,): inputs, overwritten.
    `y` int32 (WIDEST,): room for the outputs of a layer.
    """
    layers = sizes.size - 1
    for k in range(layers):
        _multiply(weights[k], biases[k], sizes[k], sizes[k + 1], x, y)
        for o in range(sizes[k + 1]):
            scaled = (np.int64(y[o]) << max(-shifts[k, o], 0)) >> max(shifts[k, o], 0)
            x[o] = min(max(scaled, 0), ACTIVATION_MAX)
    return np.int64(x[0])


@inline
def _med(field: np.ndarray, row: Int, column: Int) -> Int:
    """Median of W, N and W + N - NW (LOCO-I, Weinberger et al. 2000)."""
    north, corner = np.int64(field[row - 1, column]), np.int64(field[row - 1, column - 1])
    west = np.int64(field[row, column - 1])
    if column == REACH:
        west = corner = north
    return max(min(west, north), min(max(west, north), west + north - corner))


@kernel
def walk(
    samples: np.ndarray,
    errors: np.ndarray,
    encoding: bool,
    maximum: int,
    predictor: int,
    network: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    field: np.ndarray,
) -> None:
    """Predict every sample of a plane: errors from samples, or samples from errors, modulo `maximum` + 1.

    `samples`, `errors` int32 (h, w), 0..`maximum`: one is read, the other filled.
    `encoding`: whether it is the errors that are filled.
    `maximum`: largest sample, 2^bits - 1.
    `predictor`: MED or NETWORK.
    `network`: sizes, weights, biases and shifts, from `Predictor.arrays`; unused by MED.
    `field` int32 (h + REACH, w + 2 * REACH), filled: the plane with its border.
    """
    sizes, weights, biases, shifts = network
    x, y = np.zeros(NEIGHBOURS, np.int32), np.zeros(WIDEST, np.int32)
    height, width = samples.shape
    for row in range(REACH, REACH + height):
        for column in range(REACH, REACH + width):
            if row == REACH:
                guess = (maximum + 1) >> 1 if column == REACH else np.int64(field[row, column - 1])
            elif predictor == MED:
                guess = _med(field, row, column)
            else:
                _collect(field, row, column, x)
                guess = min(_network(sizes, weights, biases, shifts, x, y), maximum)
            if encoding:
                sample = np.int64(samples[row - REACH, column - REACH])
                errors[row - REACH, column - REACH] = (sample - guess) & maximum
            else:
                sample = (np.int64(errors[row - REACH, column - REACH]) + guess) & maximum
                samples[row - REACH, column - REACH] = sample
            field[row, column] = sample
        _border(field, row)


@kernel
def neighbours(field: np.ndarray, rows: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` int32 (n, NEIGHBOURS) with the neighbours of the samples (`rows`, `columns`) of a whole `field`."""
    for n in range(rows.size):
        _collect(field, rows[n] + REACH, columns[n] + REACH, out[n])


def framed(plane: np.ndarray) -> np.ndarray:
    """Return the field of a plane (h, w) that is known as a whole: int32 (h + REACH, w + 2 * REACH)."""
    return np.pad(plane.astype(np.int32), ((REACH, 0), (REACH, REACH)), mode="edge")
