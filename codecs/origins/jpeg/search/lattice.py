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

from tilepress.codecs.origins.jpeg.search.dct import BASIS_OF_SAMPLE

_KNOWN = 0.3  # of a level: what rounding adds to a known sample
_LEAST_UNKNOWN, _OF_STEP = 2.0, 0.15  # of a level, and of the mean step: how far others are from those beside them


def nearest_points(samples: np.ndarray, known: np.ndarray, table: np.ndarray, most: int) -> np.ndarray:
    """Return the likeliest quantised coefficients of each block, int16 (n, most, 64), natural order, the best first.

    Args:
        samples: (n, 64), row by row: those that are known, and guesses of the others.
        known: bool (64,): which are known.
        table: int32 (64,): quantisation steps.
        most: Points that are followed.
    """
    order, reduced, rotated = _reduced(known.tobytes(), table.astype(np.int32).tobytes())
    target = (samples.astype(np.float64) - 128) @ rotated
    count = len(target)
    points, costs = np.zeros((count, 1, 64)), np.zeros((count, 1))
    for at in range(63, -1, -1):
        centre = target[:, at, None] - points[:, :, at + 1 :] @ reduced[at, at + 1 :]
        centre /= reduced[at, at]
        points, costs = _extended(points, costs, at, centre, reduced[at, at], most)
    found = np.empty_like(points)
    found[:, :, order] = points
    return np.clip(found, -2048, 2047).astype(np.int16)


def _extended(
    points: np.ndarray, costs: np.ndarray, at: int, centre: np.ndarray, length: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best points that have a coordinate more: each of the three integers nearest to the centre is tried."""
    nearest = np.rint(centre)
    side = np.where(centre > nearest, 1.0, -1.0)
    values = np.stack([nearest, nearest + side, nearest - side], axis=2)
    grown = costs[:, :, None] + (length * (values - centre[:, :, None])) ** 2
    flat = grown.reshape(len(points), -1)
    best = np.argsort(flat, axis=1, kind="stable")[:, :most]
    chosen = np.take_along_axis(points, best[:, :, None] // 3, axis=1)
    chosen[:, :, at] = np.take_along_axis(values.reshape(len(points), -1), best, axis=1)
    return chosen, np.take_along_axis(flat, best, axis=1)


@lru_cache(maxsize=32)
def _reduced(known: bytes, steps: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order of the coefficients, the triangle of the weighed basis in that order, and what turns samples into it.

    At each step the shortest column that is left comes next, so that the surest coefficients are decided first.
    """
    table = np.frombuffer(steps, np.int32).astype(np.float64)
    unknown = max(_LEAST_UNKNOWN, _OF_STEP * float(table.mean()))
    weights = 1 / np.where(np.frombuffer(known, bool), _KNOWN, unknown)
    left = weights[:, None] * BASIS_OF_SAMPLE.astype(np.float64) * table
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
