"""What is learned from samples while a plane is walked: what predictors miss, and how large errors are.

Running means of what the predictor missed, in places that look alike, correct a guess; so does a small filter over the
errors nearby, which adapts by normalised least mean squares. Running means of the size of errors, one by the errors
nearby and one by how the samples nearby differ, say how large the next error will be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline
from tilepress.codecs.lossless.quick.distributions import LOWEST, SCALES, deviation
from tilepress.codecs.lossless.quick.symbols import MOST_SHIFTS, within
from tilepress.codecs.lossless.tables import clamp, log2_quarters

FAR = 4.0  # expected errors: no error counts for more
_BANDS = 12  # of expected errors, an octave each
_PLACES = 125 * _BANDS  # of a running mean
_FILTERED = 6  # errors that the filter looks at
_SHARE = 0.42  # of each running mean that a guess is corrected by
_SPEED = 0.002  # of the filter
_NEAR = 48  # classes of errors nearby
_RATIOS = 12  # classes of what they are beside others
_BUSY = 20  # classes of errors next to a sample; as many places has each class of the others
_LAST = 128  # samples that a running mean is over, about
_RATES = 1.0 / (np.arange(_LAST) + 3.0)
_FIRST_SIZES = np.array([deviation(quarters) for quarters in range(-16, _NEAR - 16)])
EXPECTED = np.array([deviation(LOWEST + scale) for scale in range(SCALES + 4 * MOST_SHIFTS)])
FINER = 0.5 / EXPECTED
_GAINS = _SPEED / (0.05 + 6.0 * EXPECTED * EXPECTED)


class Memory(NamedTuple):
    """Running means, over how many samples each is, and the filter."""

    missed: np.ndarray  # float64 (3, _PLACES): by predictors, in levels
    missed_seen: np.ndarray  # int64 (3, _PLACES)
    sizes: np.ndarray  # float64 (2, _NEAR * _BUSY): of errors, in steps
    sizes_seen: np.ndarray  # int64 (2, _NEAR * _BUSY)
    filter: np.ndarray  # float64 (_FILTERED,)


class Around(NamedTuple):
    """Samples around the one at hand (w: to the left, n: above, and so on), and errors."""

    w: Float
    ww: Float
    n: Float
    nw: Float
    ne: Float
    nn: Float
    nne: Float
    left: Float
    left2: Float
    over: Float
    before: Float
    after: Float
    other: Float  # error at the same place of the plane before; 0 without one


class Size(NamedTuple):
    """Expected size of an error in steps, and the classes that it comes from."""

    expected: Float
    near: Int
    busy: Int


class Places(NamedTuple):
    """Where the running means of what was missed are."""

    signs: Int
    others: Int
    lines: Int


@inline
def new_memory() -> Memory:
    """Return what is known before the first sample."""
    sizes = np.empty((2, _NEAR * _BUSY))
    for i in range(_NEAR * _BUSY):
        sizes[0, i] = sizes[1, i] = _FIRST_SIZES[i // _BUSY]
    return Memory(
        np.zeros((3, _PLACES)),
        np.zeros((3, _PLACES), np.int64),
        sizes,
        np.full((2, _NEAR * _BUSY), 2),
        np.zeros(_FILTERED),
    )


@borrowing
def expect(around: Around, above: Float, beside: Float, partnered: Int, memory: Memory) -> Size:
    """Return the expected size of the error at hand.

    What does not wait for the sample before is computed first: a walk takes as long as its longest chain of waits.

    `above`: sum of the sizes of errors in the row above, in levels, those beside once and that above twice.
    `beside`: mean size of errors around the same place of the plane before, in levels, if `partnered` (0 or 1).
    """
    others = (abs(around.left2) + above) * 0.125
    flat = (abs(around.n - around.nw) + abs(around.n - around.ne)) * (1.0 / 3.0) + 0.3
    left = abs(around.left)
    own = left * 0.375 + (others + 0.1)
    slope = abs(around.w - around.nw) * (1.0 / 3.0) + flat
    if partnered:
        near = left * 0.225 + (others * 0.6 + (beside * 0.4 + 0.06))
        ratio = (log2_quarters(beside + 0.1) + 12 - log2_quarters(own)) >> 1
    else:
        near = left * 0.375 + (others + 0.06)
        ratio = (log2_quarters(slope) + 4 - log2_quarters(own)) >> 1
    first = within(log2_quarters(near) + 16, _NEAR) * _BUSY + within(ratio, _RATIOS)
    busy = within((log2_quarters(left + (abs(around.over) + 0.3)) >> 1) + 4, _BUSY)
    second = within(log2_quarters(slope) + 8, _NEAR) * _BUSY + busy
    return Size(memory.sizes[0, first] * 0.65 + memory.sizes[1, second] * 0.35, first, second)


@borrowing
def _sort(x: Float, finer: Float) -> Int:
    """0..4: far below, below, near, above or far above zero; near ends where `x * finer` is 1/2, far begins at 3/2."""
    return np.int64(clamp(x * finer + 2.5, 0.0, 4.5))


@borrowing
def places_of(around: Around, guess: Float, finer: Float, near: Int) -> Places:
    """Return the places of a guess: `finer`: 1/2 over the expected size of an error; `near`: of its Size."""
    w, n, band = around.w, around.n, near // (4 * _BUSY)
    signs = np.int64(w > guess) + 2 * np.int64(n > guess) + 4 * np.int64(around.nw > guess)
    signs += 8 * np.int64(around.ne > guess) + 16 * np.int64(around.left > 0.0) + 32 * np.int64(around.over > 0.0)
    lines = np.int64(around.nn > guess) + 2 * np.int64(around.ww > guess) + 4 * np.int64(2.0 * n - around.nn > guess)
    lines += 8 * np.int64(2.0 * w - around.ww > guess) + 16 * np.int64(w + n - around.nw > guess)
    lines += 32 * np.int64(n + around.ne - around.nne > guess)
    others = _sort(around.other, finer * 2.0) + 5 * (_sort(w - guess, finer) + 5 * _sort(n - guess, finer))
    return Places(signs * _BANDS + band, others * _BANDS + band, lines * _BANDS + band)


@borrowing
def cut_errors(around: Around, limit: Float) -> Any:
    """Return the errors that the filter looks at, six, each within -limit..limit."""
    return (
        clamp(around.left, -limit, limit),
        clamp(around.over, -limit, limit),
        clamp(around.before, -limit, limit),
        clamp(around.after, -limit, limit),
        clamp(around.other, -limit, limit),
        clamp(around.left2, -limit, limit),
    )


@borrowing
def correction(memory: Memory, places: Places, cut: Any) -> Float:
    """Return what to add to a guess: by the filter, and by what was missed in such places."""
    f, missed = memory.filter, memory.missed
    filtered = ((f[1] * cut[1] + f[2] * cut[2]) + (f[3] * cut[3] + f[4] * cut[4])) + (f[0] * cut[0] + f[5] * cut[5])
    means = missed[0, places.signs] + (missed[1, places.others] + missed[2, places.lines])
    return filtered + means * _SHARE


@borrowing
def _learn_mean(means: np.ndarray, seen: np.ndarray, row: Int, at: Int, value: Float) -> None:
    count = seen[row, at]
    means[row, at] += (value - means[row, at]) * _RATES[count]
    seen[row, at] = min(count + 1, _LAST - 1)


@borrowing
def learn_missed(memory: Memory, places: Places, missed: Float) -> None:
    """Let the running means learn what the predictor missed."""
    _learn_mean(memory.missed, memory.missed_seen, 0, places.signs, missed)
    _learn_mean(memory.missed, memory.missed_seen, 1, places.others, missed)
    _learn_mean(memory.missed, memory.missed_seen, 2, places.lines, missed)


@borrowing
def learn_size(memory: Memory, size: Size, error: Float) -> None:
    """Let the sizes of errors learn one, in steps."""
    _learn_mean(memory.sizes, memory.sizes_seen, 0, size.near, abs(error))
    _learn_mean(memory.sizes, memory.sizes_seen, 1, size.busy, abs(error))


@borrowing
def adapt_filter(memory: Memory, scale: Int, error: Float, finer: Float, cut: Any) -> None:
    """Let the filter learn an error, cut like those it looks at: `scale`: what was expected; `finer`: 1 over a step."""
    gain = error * (_GAINS[scale] * finer * finer)
    for i in range(_FILTERED):
        memory.filter[i] += gain * cut[i]
