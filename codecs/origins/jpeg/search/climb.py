"""The search for a block's quantised coefficients, among those near the rounded ones, by what its samples allow.

Samples give bounds: rounding leaves half a level to each side, a sample at 0 or 255 no bound to one side. How far a
block lies outside of them, squared and summed, is its cost. The true coefficients cost nothing; each wrong one shows
in several samples. A climb moves, a step at a time, the one coefficient whose move costs least, and moves none back at
once. What a climb from the rounded coefficients does not reach, one that first moves coefficients which were rounded
near a half may.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.transform import LAST_SHIFT, transform_block
from tilepress.codecs.kernels.kernel import Float, Int, borrowing
from tilepress.codecs.origins.jpeg.search.dct import BASIS, BASIS_OF_SAMPLE, forward, inverse
from tilepress.codecs.origins.jpeg.search.rule import SearchRule

_REST = 4  # steps until a coefficient may be moved again
_NEAR = np.float32(0.3)  # cost: below it, the exact transform is asked
_HOPELESS = np.float32(0.25)  # cost: where a first climb leads no lower, no other does: bounds contradict
FITS = np.float32(-1)
FLOAT_ROOMS, INT_ROOMS = 10, 5

# Rows of the float room (64 each): what a search knows of its block.
LOW, HIGH, TARGET, START, SAMPLES, SPREAD, COEFFICIENTS, MOVES, COSTS, SCRATCH = range(FLOAT_ROOMS)
# Rows of the integer room.
LEAST, MOST, WORK, RESTING, ORDER = range(INT_ROOMS)


@borrowing
def misses(quantised: np.ndarray, rule: SearchRule, integers: np.ndarray, decoded: np.ndarray) -> Int:
    """Return how many samples of a block, as a decoder makes them, are out of LEAST..MOST of `integers`."""
    multipliers, _, transform = rule
    transform_block(quantised, multipliers, transform, integers[WORK], decoded)
    count = 0
    for i in range(64):
        sample = min(max(decoded[i] >> transform[LAST_SHIFT], 0), 255)
        count += sample < integers[LEAST, i] or sample > integers[MOST, i]
    return count


@borrowing
def _direct(floats: np.ndarray, steps: np.ndarray) -> None:
    """Fill MOVES with one step of each coefficient, towards the bounds that SAMPLES are out of."""
    for i in range(64):
        sample = floats[SAMPLES, i]
        floats[SPREAD, i] = max(floats[LOW, i] - sample, np.float32(0)) - max(sample - floats[HIGH, i], np.float32(0))
    forward(floats[SPREAD], floats[SCRATCH], floats[COEFFICIENTS])
    for k in range(64):
        step = steps[k]
        floats[MOVES, k] = step if floats[COEFFICIENTS, k] > 0 else -step


@borrowing
def _price(floats: np.ndarray) -> None:
    """Fill COSTS with the cost of the block after each of MOVES."""
    for k in range(64):
        floats[COSTS, k] = 0
    for i in range(64):
        sample, low, high = floats[SAMPLES, i], floats[LOW, i], floats[HIGH, i]
        for k in range(64):
            moved = sample + floats[MOVES, k] * BASIS_OF_SAMPLE[i, k]
            out = max(max(low - moved, moved - high), np.float32(0))
            floats[COSTS, k] += out * out


@borrowing
def _move(floats: np.ndarray, quantised: np.ndarray, k: Int, by: Int, step: Float) -> None:
    """Move coefficient `k` by one step up or down (`by`), and SAMPLES with it."""
    for i in range(64):
        floats[SAMPLES, i] += np.float32(by) * step * BASIS[k, i]
    quantised[k] += by


@borrowing
def climb(
    quantised: np.ndarray,
    rule: SearchRule,
    moves: Int,
    floats: np.ndarray,
    integers: np.ndarray,
    decoded: np.ndarray,
) -> Float:
    """Move coefficients one by one until the samples fit; return FITS, or after `moves` the least cost met.

    `quantised` int16 (64,): moved. `floats` float32 (FLOAT_ROOMS, 64): LOW, HIGH and SAMPLES are those of the block.
    `integers` int64 (INT_ROOMS, 64): LEAST and MOST. `decoded` int64 (64,), room.
    """
    steps = rule[1]
    least = np.float32(_HOPELESS + 1)
    for k in range(64):
        integers[RESTING, k] = 0
    for now in range(1, moves + 1):
        _direct(floats, steps)
        _price(floats)
        best = -1
        for k in range(64):
            if integers[RESTING, k] <= now and (best < 0 or floats[COSTS, k] < floats[COSTS, best]):
                best = k
        least = min(least, floats[COSTS, best])
        by = 1 if floats[MOVES, best] > 0 else -1
        _move(floats, quantised, best, by, steps[best])
        integers[RESTING, best] = now + _REST
        if floats[COSTS, best] < _NEAR and misses(quantised, rule, integers, decoded) == 0:
            return FITS
    return least


@borrowing
def _restart(start: np.ndarray, quantised: np.ndarray, floats: np.ndarray) -> None:
    """Go back to the coefficients `start`, whose samples are START."""
    for i in range(64):
        quantised[i] = start[i]
        floats[SAMPLES, i] = floats[START, i]


@borrowing
def _doubtful(start: np.ndarray, steps: np.ndarray, count: Int, floats: np.ndarray, integers: np.ndarray) -> None:
    """Fill the first `count` of ORDER with the coefficients whose rounding is least sure, the least sure first.

    COEFFICIENTS and TARGET are overwritten: with the way that each was rounded, and with how sure.
    """
    for k in range(64):
        step = steps[k]
        fraction = floats[TARGET, k] / step - np.float32(start[k])
        floats[MOVES, k] = np.float32(1) if fraction > 0 else np.float32(-1)
        floats[COSTS, k] = (np.float32(1) - 2 * abs(fraction)) * step * step
    for n in range(count):
        best = 0
        for k in range(64):
            if floats[COSTS, k] < floats[COSTS, best]:
                best = k
        integers[ORDER, n] = best if floats[MOVES, best] > 0 else ~best
        floats[COSTS, best] = np.float32(1e9)


@borrowing
def _flip(order: Int, quantised: np.ndarray, steps: np.ndarray, floats: np.ndarray) -> None:
    """Move the coefficient of an entry of ORDER to the other side of its rounding."""
    k, by = (order, 1) if order >= 0 else (~order, -1)
    _move(floats, quantised, k, by, steps[k])


@borrowing
def search(
    start: np.ndarray,
    quantised: np.ndarray,
    rule: SearchRule,
    effort: np.ndarray,
    floats: np.ndarray,
    integers: np.ndarray,
    decoded: np.ndarray,
) -> bool:
    """Look for coefficients near `start` whose samples fit; return whether `quantised` are such.

    `start` int16 (64,): rounded. `quantised` int16 (64,): filled.
    `effort` int64 (4,): steps of the first climb, of the others, and from how many doubtful coefficients others begin,
    one moved, and two.
    `floats`: TARGET are the coefficients that were rounded. The rest as for `climb`.
    """
    steps = rule[1]
    for k in range(64):
        floats[COEFFICIENTS, k] = np.float32(start[k]) * steps[k]
    inverse(floats[COEFFICIENTS], floats[SCRATCH], floats[START])
    _restart(start, quantised, floats)
    least = climb(quantised, rule, effort[0], floats, integers, decoded)
    if least == FITS or least > _HOPELESS:
        return bool(least == FITS)
    _doubtful(start, steps, max(effort[2], effort[3]), floats, integers)
    for one in range(effort[2]):
        _restart(start, quantised, floats)
        _flip(integers[ORDER, one], quantised, steps, floats)
        if climb(quantised, rule, effort[1], floats, integers, decoded) == FITS:
            return True
    for one in range(1, effort[3]):
        for other in range(one):
            _restart(start, quantised, floats)
            _flip(integers[ORDER, one], quantised, steps, floats)
            _flip(integers[ORDER, other], quantised, steps, floats)
            if climb(quantised, rule, effort[1], floats, integers, decoded) == FITS:
                return True
    return False
