"""Prediction of the adaptive residual coder: local least squares, solved alike by encoder and decoder.

A sample is predicted as its base plus a weighted sum of TAPS differences: of the base around, of neighbours
already coded, of planes coded before. Every BLOCK columns of a row share weights: the least-squares solution
over the rows above (an exponential window) and the blocks beside, approached by coordinate descent from the
weights of the row above. Inputs are differences of near samples, not errors of the base, because those carry
the base's block edges and correlate so much that the descent is slow: on photos/eval that costs 6 %.
Integers only; every input of the sums is below _LIMIT, so that the sums stay below 2^30 whatever the pixels are.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline, kernel

PAD = 4  # border on every side of a plane
TAPS = 24
BLOCK = 16  # columns that share weights; _accumulate unrolls half of it
ONE = 1 << 16  # weight 1

_LIMIT = 1024
_RIDGE = 4096  # keeps steps finite where an input was always zero
_SWEEPS = 3
_ROWS = TAPS + 1  # the last row of the sums correlates the target with the inputs
_STRIDE = 32  # of a row of scaled inputs
SUMS = _ROWS * TAPS
SEEN = BLOCK * _STRIDE

# (dy, dx) of the inputs
BASE_TAPS = [(0, -1), (-1, 0), (0, 1), (1, 0), (0, 2)]
_NEAR = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1)]
_FAR = [(0, -3), (-1, -2), (-1, 2), (-2, -1), (-2, 2), (-3, 0)]
_FARTHER = [(-1, 3), (-2, -2), (-1, -3), (-3, 1), (-3, -1), (-4, 0)]
_ACROSS = [(0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, 1)]


def tap_offsets(plane: int, planes: int, size: int, row: int) -> np.ndarray:
    """Offsets (2, TAPS) int64 from a sample of coded plane number `plane`: of each input, of what is taken from it.

    The field holds `planes` padded planes of samples, `size` each, then as many of the base, in coding order.
    Only one input, W, is taken from the base here, and so the edges of its blocks need not show.
    """
    causal = {0: _NEAR + _FAR + _FARTHER, 1: _NEAR + _FAR[:4]}.get(plane, _NEAR)
    first = {0: [], 1: _ACROSS}.get(plane, _ACROSS[:7])
    second = _ACROSS[:5] if plane > 1 else []
    west = -1
    own, first_base, second_base = (size * (planes - move) for move in range(3))
    groups = [
        (own, BASE_TAPS, own),
        (0, causal[:1], own),
        (0, causal[1:], west),
        (-size, first[:1], first_base),
        (-size, first[1:], -size),
        (-2 * size, second[:1], second_base),
        (-2 * size, second[1:], -2 * size),
    ]
    offsets = [(place + dy * row + dx, less) for place, taps, less in groups for dy, dx in taps]
    return np.ascontiguousarray(np.array(offsets, np.int64).T)


def first_weights(blocks: int) -> np.ndarray:
    """Weights (blocks, TAPS) int32 before anything is known: 3/4 W + 3/4 N - 1/2 NW."""
    weights = np.zeros((blocks, TAPS), np.int32)
    weights[:, len(BASE_TAPS) : len(BASE_TAPS) + 3] = (ONE, ONE * 3 // 4, -ONE // 2)  # W - base, N - W, NW - W
    return weights


# 256 * 2^(-0.325 i) for error class i, at least 1: noisy places count less in the sums. Part of the format.
# fmt: off
_GAIN = np.array([
    256, 204, 163, 130, 103, 82, 66, 52, 42, 33, 26, 21, 17, 13, 10, 8, 6, 5, 4, 3, 2, 2, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
], np.int32)
# fmt: on


@inline
def gather(field: np.ndarray, at: Int, offsets: np.ndarray, taps: np.ndarray) -> None:
    """Fill `taps` with the inputs of the sample at `at`: differences of two places of the field."""
    for i in range(TAPS):
        taps[i] = field[np.uint64(at + offsets[0, i])] - field[np.uint64(at + offsets[1, i])]


@inline
def predict(here: Int, taps: np.ndarray, weights: np.ndarray) -> Int:
    """Predicted sample with 16 fractional bits."""
    total = np.int64(here) << 16
    for i in range(TAPS):
        total += np.int64(weights[i]) * np.int64(taps[i])
    return total


@inline
def remember(target: Int, taps: np.ndarray, seen: np.ndarray, column: Int, level: Int) -> None:
    """Write taps and target to row `column` of `seen`, weighted by the error class and below LIMIT."""
    gain = _GAIN[level]
    top = abs(target)
    for i in range(TAPS):
        top |= abs(taps[i])
    shift = np.int32(0)
    while (top * gain >> shift) >= _LIMIT:
        shift += np.int32(1)
    o = column * _STRIDE
    for i in range(TAPS):
        seen[o + i] = np.int32(np.int32(taps[i] * gain) >> shift)
    seen[o + TAPS] = np.int32(target * gain) >> shift


@kernel
def accumulate(s: np.ndarray, sums: np.ndarray) -> None:
    """Decay `sums` by an eighth and add the outer products of the BLOCK rows of `s`."""
    for i in range(SUMS):
        sums[i] -= sums[i] >> 3
    for i in range(_ROWS):
        for n in range(0, SEEN, 8 * _STRIDE):  # eight rows at once: the sums are loaded and stored less often
            p = n + i
            for j in range(TAPS):
                q = n + j
                sums[i * TAPS + j] += (
                    s[p] * s[q]
                    + s[p + 32] * s[q + 32]
                    + s[p + 64] * s[q + 64]
                    + s[p + 96] * s[q + 96]
                    + s[p + 128] * s[q + 128]
                    + s[p + 160] * s[q + 160]
                    + s[p + 192] * s[q + 192]
                    + s[p + 224] * s[q + 224]
                )


@kernel
def merge(left: np.ndarray, here: np.ndarray, right: np.ndarray, merged: np.ndarray) -> None:
    """Sums of a block and its neighbours, its own twice."""
    for i in range(SUMS):
        merged[i] = left[i] + 2 * here[i] + right[i]


@kernel
def solve(merged: np.ndarray, weights: np.ndarray, inverse: np.ndarray, slope: np.ndarray) -> None:
    """Sweeps of coordinate descent on the normal equations; `inverse` and `slope` (TAPS,) int64 are scratch."""
    for i in range(TAPS):
        inverse[i] = (1 << 32) // (np.int64(merged[i * TAPS + i]) + _RIDGE)
        rest = np.int64(0)
        for j in range(TAPS):
            rest += np.int64(merged[i * TAPS + j]) * np.int64(weights[j])
        slope[i] = (np.int64(merged[TAPS * TAPS + i]) << 16) - rest
    for _ in range(_SWEEPS):
        for i in range(TAPS):
            step = ((slope[i] >> 8) * inverse[i]) >> 24
            w = np.int32(min(max(weights[i] + step, -8 * ONE), 8 * ONE))
            change = np.int32(w - weights[i])
            weights[i] = w
            for j in range(TAPS):
                slope[j] -= np.int64(merged[i * TAPS + j]) * np.int64(change)
