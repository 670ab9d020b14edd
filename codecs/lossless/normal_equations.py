"""Weighted least squares of the lossless codec: predictors fitted to the samples around, as decoded so far.

Normal equations are sums of outer products of the inputs over an exponential window: rows above, decayed row by
row, blurred to both sides block by block, and the row itself as far as it is decoded. Inputs are differences to a
reference, so that only shape is fitted. Solved by elimination without pivots: a ridge keeps pivots positive.

float32, operations in the order of the source (see tables.py). A matrix of `n` inputs is stored as n
rows of `stride` columns, stride a multiple of 8; column n correlates with the target; columns left of the
diagonal's group of 8 are not used.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel

BLOCK = 4  # columns of the picture that share one sum of the rows above
GROUP = 8  # columns of a matrix are worked on in groups
_TINY = np.float32(1e-20)  # added for ever, so that sums never decay to denormal numbers
_RIDGE, _RELATIVE_RIDGE = np.float32(1.0), np.float32(1e-4)
_LEAST_PIVOT = np.float32(1e-10)


@borrowing_kernel
def blur_back(above: np.ndarray, first: Int, last: Int, decay: Float, right: np.ndarray) -> None:
    """Sum over the blocks right of each block: `right[b] = above[b] + decay * right[b + 1]`.

    `above` float32 (blocks + 1, size): sums of the rows above, by block; the last block is empty.
    `first`, `last`: first place and end of one predictor's matrix in a row of `above`.
    `decay`: factor of the window from a block to the next, 0..1.
    `right` float32 (blocks + 1, size), filled at first..last - 1.
    """
    keep = np.float32(decay)
    for block in range(above.shape[0] - 2, -1, -1):
        here, beyond, sums = above[block, first:last], right[block + 1, first:last], right[block, first:last]
        for p in range(sums.size):
            sums[p] = here[p] + keep * beyond[p]


@borrowing_kernel
def enter_block(above: np.ndarray, decay: Float, fade: Float, sums: np.ndarray) -> None:
    """Blur the sums (size,) to the right, take in those of the rows `above` (size,) of a block, and let these fade.

    They fade before the row itself is added to them.
    """
    keep, less = np.float32(decay), np.float32(fade)
    for p in range(sums.size):
        old = above[p]
        sums[p] = keep * sums[p] + old
        above[p] = less * old + _TINY


@borrowing
def _add_group(target: np.ndarray, to: Int, source: np.ndarray, at: Int, factor: Float) -> None:
    """Compute `target[to : to + 8] += factor * source[at : at + 8]`.

    All values are loaded before the first is stored: only then can the compiler use vectors, whatever overlaps.

    `target`, `source` float32 (n,): may be the same array.
    `to`, `at`: first places, uint64, so that the compiler need not think of negative ones.
    `factor`: float32.
    """
    a = source[at + np.uint64(0)]
    b = source[at + np.uint64(1)]
    c = source[at + np.uint64(2)]
    d = source[at + np.uint64(3)]
    e = source[at + np.uint64(4)]
    f = source[at + np.uint64(5)]
    g = source[at + np.uint64(6)]
    h = source[at + np.uint64(7)]
    a = target[to + np.uint64(0)] + factor * a
    b = target[to + np.uint64(1)] + factor * b
    c = target[to + np.uint64(2)] + factor * c
    d = target[to + np.uint64(3)] + factor * d
    e = target[to + np.uint64(4)] + factor * e
    f = target[to + np.uint64(5)] + factor * f
    g = target[to + np.uint64(6)] + factor * g
    h = target[to + np.uint64(7)] + factor * h
    target[to + np.uint64(0)] = a
    target[to + np.uint64(1)] = b
    target[to + np.uint64(2)] = c
    target[to + np.uint64(3)] = d
    target[to + np.uint64(4)] = e
    target[to + np.uint64(5)] = f
    target[to + np.uint64(6)] = g
    target[to + np.uint64(7)] = h


@borrowing_kernel
def add_sample(inputs: np.ndarray, n: Int, stride: Int, gain: Float, above: np.ndarray, sums: np.ndarray) -> None:
    """Add the weighted outer product of a sample's inputs to the sums of its row and of the rows above.

    `inputs` float32 (TAPS,): `n` inputs, then the target, relative to the reference, in levels.
    `n`, `stride`: rows and columns of the matrix.
    `gain`: weight of the sample, in 1 / levels^2.
    `above`, `sums` float32 (n * stride,), updated: sums of the block's column, and of the row so far.
    """
    weight = np.float32(gain)
    for i in range(n):
        scaled = weight * inputs[i]
        row = i * stride
        for j in range(i & ~(GROUP - 1), stride, GROUP):
            at = np.uint64(row + j)
            _add_group(sums, at, inputs, np.uint64(j), scaled)
            _add_group(above, at, inputs, np.uint64(j), scaled)


@borrowing_kernel
def solve(
    sums: np.ndarray,
    right: np.ndarray,
    decay: Float,
    n: Int,
    stride: Int,
    work: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Solve for the least-squares weights, from the sums so far and those to the right.

    `sums`, `right` float32 (n * stride,): sums up to this block, and of the blocks right of it.
    `decay`: factor of the window from a block to the next, 0..1.
    `n`, `stride`: rows and columns of the matrix.
    `work` float32 (TAPS * TAPS,): room for the elimination.
    `weights` float32 (TAPS,): the first `n` are filled.
    """
    keep = np.float32(decay)
    for p in range(sums.size):
        work[p] = sums[p] + keep * right[p]
    for i in range(n):
        pivot = work[i * stride + i]
        work[i * stride + i] = pivot + (_RIDGE + pivot * _RELATIVE_RIDGE)
    for i in range(n):
        row = i * stride
        pivot = work[row + i]
        inverse = np.float32(1.0) / (pivot if pivot > _LEAST_PIVOT else _LEAST_PIVOT)
        for k in range(i + 1, n):
            factor = -(work[row + k] * inverse)
            for j in range(k & ~(GROUP - 1), stride, GROUP):
                _add_group(work, np.uint64(k * stride + j), work, np.uint64(row + j), factor)
        work[row + i] = inverse
    for i in range(n - 1, -1, -1):
        row = i * stride
        total = work[row + n]
        for j in range(i + 1, n):
            total -= work[row + j] * weights[j]
        weights[i] = total * work[row + i]


@borrowing
def combine(inputs: np.ndarray, weights: np.ndarray, g: Int, n: Int) -> Float:
    """Return weighted sum of the `n` inputs of predictor `g`; inputs and weights are (predictors, room)."""
    total = np.float32(0.0)
    for i in range(n):
        total += inputs[g, i] * weights[g, i]
    return np.float64(total)
