"""From chroma of full size, known at most pixels, to the samples that it was made of.

Samples begin as what their own pixels tell, those where they weigh most. `relax` solves for samples that never stand
alone; polish.py puts right what rounding left wrong.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.sampling import Lattice

TOLD, FILLED, SURE = 1, 2, 3  # how a sample began; 0 for those that nothing is known of


@borrowing
def _weight(lattice: Lattice, axis: Int, q: Int, sample: Int) -> Int:
    """Return the weight of a sample at a position of the lattice; 0 where it has none."""
    first = (q + lattice.lead[axis]) >> lattice.half[axis]
    if sample == first:
        return lattice.weights[axis, q & 1, 0]
    return lattice.weights[axis, q & 1, 1] if sample == first + 1 else 0


@borrowing_kernel
def begin_samples(full: np.ndarray, known: np.ndarray, lattice: Lattice, out: np.ndarray, there: np.ndarray) -> None:
    """Fill samples with the mean of what their own pixels tell.

    `full` uint8 (h, w): chroma; `known` uint8 (h, w): 1 where it is known.
    `lattice`: the sampling.
    `out` float64 (rows, columns), filled.
    `there` uint8 (rows, columns), filled: TOLD, or SURE where own pixels show the sample itself; 0: nothing is known.
    """
    largest = lattice.largest[0]
    alone = largest == 1 << lattice.shift[0]
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            total, count = 0, 0
            for y in range(lattice.row_begin[j], lattice.row_end[j]):
                row = _weight(lattice, 0, lattice.rows[y], j)
                for x in range(lattice.column_begin[i], lattice.column_end[i]):
                    if known[y, x] == 1 and row * _weight(lattice, 1, lattice.columns[x], i) == largest:
                        total += full[y, x]
                        count += 1
            out[j, i] = total / max(count, 1)
            there[j, i] = 0 if count == 0 else SURE if alone else TOLD


@borrowing
def _expected(out: np.ndarray, y: Int, x: Int, lattice: Lattice) -> Float:
    """Return the chroma of a pixel before it is rounded."""
    qy, qx = lattice.rows[y], lattice.columns[x]
    j, i = (qy + lattice.lead[0]) >> lattice.half[0], (qx + lattice.lead[1]) >> lattice.half[1]
    below, right = min(j + 1, out.shape[0] - 1), min(i + 1, out.shape[1] - 1)
    wy, wx = lattice.weights[0, qy & 1], lattice.weights[1, qx & 1]
    upper = wx[0] * out[j, i] + wx[1] * out[j, right]
    lower = wx[0] * out[below, i] + wx[1] * out[below, right]
    return (wy[0] * upper + wy[1] * lower + lattice.bias[qy & 1, qx & 1]) / (1 << lattice.shift[0]) - 0.5


@borrowing_kernel
def relax(full: np.ndarray, known: np.ndarray, lattice: Lattice, out: np.ndarray, sweeps: Int) -> None:
    """Move every sample towards what its own pixels tell, by turns (Gauss and Seidel).

    `full` uint8 (h, w): chroma; `known` uint8 (h, w): 1 where it is known.
    `lattice`: the sampling.
    `out` float64 (rows, columns): samples, changed.
    `sweeps`: how often.
    """
    largest = lattice.largest[0]
    for _ in range(sweeps):
        for j in range(out.shape[0]):
            for i in range(out.shape[1]):
                total, count = 0.0, 0
                for y in range(lattice.row_begin[j], lattice.row_end[j]):
                    row = _weight(lattice, 0, lattice.rows[y], j)
                    for x in range(lattice.column_begin[i], lattice.column_end[i]):
                        if known[y, x] == 1 and row * _weight(lattice, 1, lattice.columns[x], i) == largest:
                            total += full[y, x] - _expected(out, y, x, lattice)
                            count += 1
                if count > 0:
                    out[j, i] += total / count * (1 << lattice.shift[0]) / largest


@borrowing_kernel
def fill_samples(out: np.ndarray, there: np.ndarray) -> None:
    """Fill samples that nothing is known of from those beside them: down and rightwards first, then back.

    `out` float64 (rows, columns): samples, changed.
    `there` uint8 (rows, columns): 0 where nothing is known of a sample; changed.
    """
    rows, columns = out.shape
    for n in range(2 * rows * columns):
        at = n if n < rows * columns else 2 * rows * columns - 1 - n
        j, i = at // columns, at % columns
        if there[j, i] in (TOLD, SURE):
            continue
        total, count = 0.0, 0
        for dj, di in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if 0 <= j + dj < rows and 0 <= i + di < columns and there[j + dj, i + di]:
                total += out[j + dj, i + di]
                count += 1
        if count > 0:
            out[j, i] = total / count
            there[j, i] = FILLED
