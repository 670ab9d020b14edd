"""Scalar quantisers of least squared error for a given number of values: k-means in one dimension (Lloyd 1957)."""

from __future__ import annotations

import numpy as np

MAX_CENTRES = 512
_ROUNDS = 60
_BINS = 4096


def centres_for(deviation: float, step: float) -> int:
    """Return values that a Laplacian needs for the error of a uniform quantiser of that step, step^2 / 12.

    Panter and Dite 1951: n values leave 9 deviation^2 / (2 n^2) at best.
    """
    return int(np.clip(np.ceil(np.sqrt(54) * deviation / step), 2, MAX_CENTRES))


def codebook(samples: np.ndarray, step: float) -> np.ndarray:
    """Return rising whole numbers, int32 (n,), 2 <= n <= MAX_CENTRES: the values for `samples` (m,)."""
    ordered = np.sort(samples.astype(np.float64))
    centres = lloyd(ordered, companded(ordered, centres_for(float(ordered.std()), step)))
    found: np.ndarray = np.unique(np.rint(centres).astype(np.int32))
    return found if len(found) > 1 else np.array([found[0], found[0] + 1], np.int32)


def lloyd(ordered: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return rising `centres`, each moved to the mean of the samples (rising) nearest to it, until nothing moves."""
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(_ROUNDS):
        edges = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        first, last = np.concatenate([[0], edges]), np.concatenate([edges, [len(ordered)]])
        counts = last - first
        means = (sums[last] - sums[first]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, centres)
        if np.allclose(moved, centres, rtol=0, atol=1e-3):
            break
        centres = moved
    return centres


def companded(ordered: np.ndarray, count: int) -> np.ndarray:
    """Return `count` values to start from, dense as the cube root of the density of samples (rising) is.

    That is best for many values (Panter and Dite 1951).
    """
    counts, edges = np.histogram(ordered, bins=_BINS)
    share = np.concatenate([[0.0], np.cumsum(np.cbrt(counts))])
    start: np.ndarray = np.interp((np.arange(count) + 0.5) / count * share[-1], share, edges)
    return start
