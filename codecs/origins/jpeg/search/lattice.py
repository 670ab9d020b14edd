"""Blocks of which only some rows and columns are known: those that a picture's edges cut.

The samples of a block are a point of the lattice that its quantisation steps span. What is known of them has to be
met; the others are about what lies beside them, since encoders fill blocks up with the last row and column. So the
nearest point is looked for in a metric that weighs known samples much and others little: successive rounding with the
K best kept (Schnorr and Euchner, "Lattice basis reduction", 1994, section 6; Wübben et al., "MMSE extension of
V-BLAST based on sorted QR decomposition", 2003).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tilepress.codecs.jpeg.transform import NO_STEP
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.jpeg.search.dct import BASIS_OF_SAMPLE

_KNOWN = 0.3  # of a level: what rounding adds to a known sample
_LEAST_UNKNOWN, _OF_STEP = 2.0, 0.15  # of a level, and of the mean step: how far others are from those beside them


def nearest_points(samples: np.ndarray, known: np.ndarray, steps: np.ndarray, most: int) -> np.ndarray:
    """Return the likeliest quantised coefficients of each block, int16 (n, most, 64), natural order, the best first.

    Args:
        samples: (n, 64), row by row, less what a flat block is: those that are known, and guesses of the others.
        known: bool (64,): which are known.
        steps: (64,): what a quantised coefficient of one is worth.
        most: Points that are followed.
    """
    order, reduced, rotated = _reduced(known.tobytes(), steps.astype(np.float32).tobytes())
    targets = samples.astype(np.float64) @ rotated
    found = np.zeros((len(targets), most, 64))
    points, trials = np.zeros((2, most, 64)), np.zeros((2, 3 * most))
    follow_points(targets, reduced, points, np.zeros(most), trials, found)
    ordered = np.empty_like(found)
    ordered[:, :, order] = found
    return np.clip(ordered, -2048, 2047).astype(np.int16)


@borrowing_kernel
def follow_points(
    targets: np.ndarray,
    reduced: np.ndarray,
    points: np.ndarray,
    costs: np.ndarray,
    trials: np.ndarray,
    found: np.ndarray,
) -> None:
    """Fill `found` float64 (n, most, 64) with the points that are nearest to `targets` float64 (n, 64), nearest first.

    From the last coordinate to the first, each of the three integers nearest to its centre is tried with each of the
    points so far, and the best are kept.

    `reduced` float64 (64, 64): a triangle, upper right. `points` float64 (2, most, 64), `costs` float64 (most,),
    `trials` float64 (2, 3 * most), costs and values: room.
    """
    for n in range(targets.shape[0]):
        count, now = 1, 0
        costs[0] = 0.0
        for at in range(63, -1, -1):
            for i in range(count):
                _try(targets[n, at], reduced[at], points[now, i], at, costs[i], trials[:, 3 * i : 3 * i + 3])
            count = _keep_best(points[now], points[1 - now], at, count, costs, trials)
            now = 1 - now
        for i in range(count):
            for k in range(64):
                found[n, i, k] = points[now, i, k]


@borrowing
def _try(target: Float, row: np.ndarray, point: np.ndarray, at: Int, cost: Float, trials: np.ndarray) -> None:
    """Fill `trials` (2, 3) with costs and values of a point's coordinate `at`."""
    centre = target
    for k in range(at + 1, 64):
        centre -= row[k] * point[k]
    centre /= row[at]
    nearest = np.rint(centre)
    side = 1.0 if centre > nearest else -1.0
    for choice in range(3):
        value = nearest + side * (choice if choice < 2 else -1)
        trials[0, choice] = cost + (row[at] * (value - centre)) ** 2
        trials[1, choice] = value


@borrowing
def _keep_best(
    points: np.ndarray, better: np.ndarray, at: Int, count: Int, costs: np.ndarray, trials: np.ndarray
) -> Int:
    """Fill `better` and `costs` with the best of the trials of `count` points, the best first; return how many."""
    kept = min(3 * count, costs.shape[0])
    for place in range(kept):
        best = 0
        for trial in range(3 * count):
            if trials[0, trial] < trials[0, best]:
                best = trial
        costs[place] = trials[0, best]
        better[place, at] = trials[1, best]
        for k in range(at + 1, 64):
            better[place, k] = points[best // 3, k]
        trials[0, best] = np.inf
    return kept


@lru_cache(maxsize=32)
def _reduced(known: bytes, steps: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order of the coefficients, the triangle of the weighed basis in that order, and what turns samples into it.

    At each step the shortest column that is left comes next, so that the surest coefficients are decided first.
    """
    sizes = np.frombuffer(steps, np.float32).astype(np.float64)
    unknown = max(_LEAST_UNKNOWN, _OF_STEP * float(sizes[sizes < NO_STEP].mean()))
    weights = 1 / np.where(np.frombuffer(known, bool), _KNOWN, unknown)
    left = weights[:, None] * BASIS_OF_SAMPLE.astype(np.float64) * sizes
    order, triangle = np.arange(64), np.zeros((64, 64))
    for at in range(64):
        shortest = at + int(np.argmin((left[:, at:] ** 2).sum(axis=0)))
        for matrix in (left.T, triangle.T, order):
            matrix[[at, shortest]] = matrix[[shortest, at]]
        triangle[at, at] = np.linalg.norm(left[:, at])
        left[:, at] /= triangle[at, at]
        triangle[at, at + 1 :] = left[:, at] @ left[:, at + 1 :]
        left[:, at + 1 :] -= np.outer(left[:, at], triangle[at, at + 1 :])
    return order, triangle, weights[:, None] * left
