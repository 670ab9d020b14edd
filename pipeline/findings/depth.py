"""Samples of fewer bits than they are stored in: 8 bits in 16, or a comb of values.

Only the values that occur are looked at, not where they do, so that it does not matter how they were made: shifted,
multiplied by 257, or by a table.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.pipeline.findings.finding import SHALLOW, Finding
from tilepress.pipeline.findings.sample import Sample

_LEAST = 8  # different values, for a comb to be one; fewer are drawings
_OFTEN = 16  # samples for each value that occurs, for those that do not to tell something
_GAPS = 4  # times as many values from the least to the greatest as there are, where they stand on no regular comb
_TABLE = 256  # entries of a table that 8 bits may have gone through
_SPARED = {8: 7, 16: 10}  # bits beyond which fewer of so many are nothing unusual: cameras have 12 in 16


def find_shallow(sample: Sample) -> Finding | None:
    """Return the finding if the values of every channel take fewer bits than the picture's."""
    most = _SPARED.get(sample.bits, sample.bits - 2)
    if sample.counts.sum(axis=1).min() < _OFTEN * _LEAST or most < 2:
        return None
    found = [_levels(counts, sample.peak + 1) for counts in sample.counts]
    levels = max(0 if each is None else each for each in found)
    if None in found or not levels:
        return None
    used = max(1, math.ceil(math.log2(levels)))
    if used > most:
        return None
    return Finding(SHALLOW, float(used), f"its samples have {sample.bits} bits, and use no more than {used}")


def _levels(counts: np.ndarray, scale: int) -> int | None:
    """How many levels the values of a channel are of, if there are gaps between all of them; None if not.

    `scale`: how many values the samples might have.
    """
    values = np.flatnonzero(counts)
    if len(values) < _LEAST:
        return None
    span = int(values[-1] - values[0]) + 1
    if scale > _TABLE and len(values) <= _TABLE and len(values) * _GAPS <= span:
        return len(values)
    step = int(np.gcd.reduce(np.diff(values)))
    return -(-scale // step) if step > 1 else None
