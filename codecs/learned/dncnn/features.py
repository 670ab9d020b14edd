"""What the network of `jpeg-dncnn` sees of a plane of JPEG coefficients: integers, 1 being UNIT.

A block of 8 x 8 samples is one position, with three features for each of its 64 coefficients, in natural order: the
coefficient in units of its deviation; how many quantisation steps it is, up to four either way; and the logarithm of
that step. The published network sees samples alone, and has to guess the other two.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.learned.networks import UNIT

OUTPUTS = 64  # coefficients of a block
INPUTS = 3 * OUTPUTS
MOST_VALUE = 8 * UNIT  # of a coefficient in units of its deviation
MOST_LEVEL = 4  # steps; more of them say nothing that the value does not
OCTAVE = UNIT // 4  # that a step twice as large adds
MIDDLE = 4  # octaves: the logarithm of a step of 16 is 0
_MOST_LOGARITHM = (16 - MIDDLE) * OCTAVE


def bounds() -> np.ndarray:
    """Return max |feature| of each input, int64 (INPUTS,), whatever a file holds."""
    return np.repeat(np.array([MOST_VALUE, UNIT, _MOST_LOGARITHM], np.int64), OUTPUTS)


def features(blocks: np.ndarray, table: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Return the features, int32 (INPUTS, rows, columns), of one plane.

    Args:
        blocks: Quantised coefficients int16 (rows, columns, 64), natural order.
        table: Quantisation steps (64,), 1..65535.
        deviations: Of the coefficients, (64,), at least 1.
    """
    levels = np.moveaxis(blocks, -1, 0).astype(np.int64)
    step, deviation = (each.astype(np.int64).reshape(-1, 1, 1) for each in (table, deviations))
    values = np.clip(levels * step * UNIT // deviation, -MOST_VALUE, MOST_VALUE)
    counted = np.clip(levels, -MOST_LEVEL, MOST_LEVEL) * (UNIT // MOST_LEVEL)
    logarithms = np.broadcast_to(logarithm(table).reshape(-1, 1, 1), levels.shape)
    return np.concatenate([values, counted, logarithms]).astype(np.int32)


def logarithm(steps: np.ndarray) -> np.ndarray:
    """Return int64: OCTAVE * (log2(step) - MIDDLE) of steps 1..65535, straight between powers of two, rounded down.

    Exact in integers, and the same everywhere.
    """
    whole = np.asarray(steps, np.int64)
    octave = np.frexp(whole.astype(np.float64))[1].astype(np.int64) - 1  # frexp is exact
    below = np.left_shift(1, octave)
    return OCTAVE * (octave - MIDDLE) + OCTAVE * (whole - below) // below
