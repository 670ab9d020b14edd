"""Chroma at full size, known within bounds, back to the samples that fancy upsampling interpolated it from.

Each sample of the small plane has a part in up to sixteen of the large one. Least squares, a sample at a time, come
within a level of nearly all of them; then whole samples are moved by one where bounds are still missed. Sums are in
sixteenths of a level, as the upsampling makes them before it shifts.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.upsampling import Interpolation, rounding
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel

_UNITS = 16


BEGIN, END, FIRST_PART = 0, 1, 2  # columns of the parts of an axis


def axis_parts(size: int, factor: int, length: int) -> np.ndarray:
    """Return where each sample of the small plane has a part along an axis of the large one: int64 (size, 6).

    BEGIN and END of the places, and from FIRST_PART on how many quarters of the sample each of them has.
    `factor`: 1 or 2. `length`: of the large plane.
    """
    parts = np.zeros((size, 6), np.int64)
    samples = np.arange(size)
    parts[:, BEGIN] = np.maximum(factor * samples - factor + 1, 0)
    parts[:, END] = np.minimum(factor * samples + 2 * factor - 1, length)
    for n in range(4):
        at = parts[:, BEGIN] + n
        far = np.clip(at // 2 + 2 * (at % 2) - 1, 0, size - 1)
        quarters = 4 if factor == 1 else 3 * (at // 2 == samples) + (far == samples)
        parts[:, FIRST_PART + n] = np.where(at < parts[:, END], quarters, 0)
    return parts


@borrowing
def sixteenths(small: np.ndarray, way: Interpolation, rows: Int, columns: Int, y: Int, x: Int) -> Int:
    """Return the large plane at (y, x) before the shift by four bits, rounding included.

    `small`: integers; its first `rows` and `columns` count.
    """
    across, down = way[0], way[1]
    near, left = y // down, x // across
    far = min(max(near + 2 * (y & 1) - 1, 0), rows - 1) if down == 2 else near
    right = min(max(left + 2 * (x & 1) - 1, 0), columns - 1) if across == 2 else left
    total = 9 * np.int64(small[near, left]) + 3 * np.int64(small[near, right])
    total += 3 * np.int64(small[far, left]) + np.int64(small[far, right])
    return total + rounding(way, y, x)


@borrowing
def miss(total: Int, low: Int, high: Int) -> Int:
    """Return by how many sixteenths a sum must grow (or shrink, if negative) for its sample to be within its bounds."""
    return max(_UNITS * low - total, 0) - max(total - _UNITS * high - _UNITS + 1, 0)


@borrowing_kernel
def start_small(lows: np.ndarray, highs: np.ndarray, way: Interpolation, small: np.ndarray, known: np.ndarray) -> None:
    """Fill `small` float32 (rows, columns) with the mean of what lies nearest to each sample, known parts if any are.

    `lows`, `highs` uint8 (h, w): bounds of the large plane. `way`: how it was interpolated.
    `known` uint8 (rows, columns): filled with how many of these are known.
    """
    across, down = way[0], way[1]
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            total, count, middle, places = np.int64(0), 0, np.int64(0), 0
            for y in range(down * i, min(down * i + down, lows.shape[0])):
                for x in range(across * j, min(across * j + across, lows.shape[1])):
                    low, high = np.int64(lows[y, x]), np.int64(highs[y, x])
                    middle += low + high
                    places += 2
                    total += low if low == high else 0
                    count += low == high
            known[i, j] = count
            small[i, j] = np.float32(total) / np.float32(count) if count else np.float32(middle) / np.float32(places)


@borrowing_kernel
def spread_known(small: np.ndarray, known: np.ndarray, passes: Int) -> None:
    """Draw samples of `small` float32 (h, w) that are not `known` (uint8, 0) towards their neighbours.

    Passes go forwards and backwards in turn, so that what is known spreads over any distance.
    """
    rows, columns = small.shape
    for number in range(passes):
        for n in range(rows * columns):
            at = rows * columns - 1 - n if number & 1 else n
            i, j = at // columns, at % columns
            if known[i, j]:
                continue
            total, count = np.float32(0), 0
            for a, b in ((i - 1, j), (i, j - 1), (i, j + 1), (i + 1, j)):
                behind = (a < i or (a == i and b < j)) != (number & 1)
                if 0 <= a < rows and 0 <= b < columns and (behind or known[a, b] or number > 1):
                    total += small[a, b]
                    count += 1
            if count:
                small[i, j] = total / np.float32(count)


@borrowing_kernel
def fit_small(
    lows: np.ndarray,
    highs: np.ndarray,
    vertical: np.ndarray,
    horizontal: np.ndarray,
    todo: np.ndarray,
    sweeps: Int,
    small: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Move `small` float32 (rows, columns) towards the least squares of what is known of the large plane.

    Two sweeps of samples are best: with more, noise is fitted.

    `lows`, `highs` uint8 (h, w): bounds of the large plane. `vertical` int64 (rows, 6), `horizontal` (columns, 6): from
    `axis_parts`. `todo`: not 0 for the 8 x 8 blocks of `small` that are moved. `errors` float32 (h, w): room.
    """
    _fill_errors(lows, highs, vertical, horizontal, small, errors)
    for _ in range(sweeps):
        for i in range(small.shape[0]):
            for j in range(small.shape[1]):
                if todo[i >> 3, j >> 3]:
                    small[i, j] += _fit_one(lows, highs, vertical[i], horizontal[j], errors)


@borrowing
def _fill_errors(
    lows: np.ndarray,
    highs: np.ndarray,
    vertical: np.ndarray,
    horizontal: np.ndarray,
    small: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Fill `errors` with what the large plane is less what `small` makes of it."""
    for y in range(errors.shape[0]):
        for x in range(errors.shape[1]):
            errors[y, x] = np.float32(lows[y, x])
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            _add(vertical[i], horizontal[j], -small[i, j] / np.float32(_UNITS), errors)


@borrowing
def _add(rows: np.ndarray, columns: np.ndarray, value: Float, plane: np.ndarray) -> None:
    """Add `value` to `plane` for each sixteenth that a sample has in it; `rows`, `columns` (6,): its parts."""
    for y in range(rows[BEGIN], rows[END]):
        weight = value * rows[FIRST_PART + y - rows[BEGIN]]
        for x in range(columns[BEGIN], columns[END]):
            plane[y, x] += weight * columns[FIRST_PART + x - columns[BEGIN]]


@borrowing
def _fit_one(lows: np.ndarray, highs: np.ndarray, rows: np.ndarray, columns: np.ndarray, errors: np.ndarray) -> Float:
    """Return by how much a sample moves, and move the errors with it."""
    move, weight = np.float32(0), np.float32(0)
    for y in range(rows[BEGIN], rows[END]):
        part = rows[FIRST_PART + y - rows[BEGIN]]
        for x in range(columns[BEGIN], columns[END]):
            if lows[y, x] == highs[y, x]:
                share = np.float32(part * columns[FIRST_PART + x - columns[BEGIN]])
                move += share * errors[y, x]
                weight += share * share
    if weight == 0:
        return np.float32(0)
    move /= weight
    _add(rows, columns, -move, errors)
    return move * np.float32(_UNITS)


@borrowing_kernel
def settle_small(
    lows: np.ndarray,
    highs: np.ndarray,
    way: Interpolation,
    vertical: np.ndarray,
    horizontal: np.ndarray,
    todo: np.ndarray,
    sweeps: Int,
    small: np.ndarray,
    sums: np.ndarray,
    line: np.ndarray,
    sure: np.ndarray,
) -> None:
    """Move samples of `small` int16 (rows, columns) by one as long as less of the large plane misses its bounds.

    `sums` int16 (h, w), `line` int64 (columns + 2,): room. `sure` uint8 (rows, columns): filled with 1 where a sample
    has no part in anything that misses its bounds, and lies nearest to something known. The rest as for `fit_small`.
    """
    _fill_sums(lows, highs, way, small, sums, line, sure)
    for _ in range(sweeps):
        moves = 0
        for i in range(small.shape[0]):
            for j in range(small.shape[1]):
                if sure[i, j] or not todo[i >> 3, j >> 3]:
                    continue
                by = _better(lows, highs, vertical[i], horizontal[j], sums)
                if by:
                    _add(vertical[i], horizontal[j], by, sums)
                    small[i, j] += by
                    moves += 1
        if moves == 0:
            break
    across, down = way[0], way[1]
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            own = 0
            for y in range(down * i, min(down * i + down, lows.shape[0])):
                for x in range(across * j, min(across * j + across, lows.shape[1])):
                    own += lows[y, x] == highs[y, x]
            fits = sure[i, j] or _fits(lows, highs, vertical[i], horizontal[j], sums)
            sure[i, j] = fits and own > 0


@borrowing
def _fits(lows: np.ndarray, highs: np.ndarray, rows: np.ndarray, columns: np.ndarray, sums: np.ndarray) -> bool:
    """Tell whether no sum that a sample has a part in misses its bounds."""
    for y in range(rows[BEGIN], rows[END]):
        for x in range(columns[BEGIN], columns[END]):
            if miss(np.int64(sums[y, x]), np.int64(lows[y, x]), np.int64(highs[y, x])):
                return False
    return True


@borrowing
def _fill_sums(
    lows: np.ndarray,
    highs: np.ndarray,
    way: Interpolation,
    small: np.ndarray,
    sums: np.ndarray,
    line: np.ndarray,
    sure: np.ndarray,
) -> None:
    """Fill `sums`, and `sure` with 0 where a sample may have a part in a sum that misses its bounds."""
    across, down = way[0], way[1]
    rows, columns = small.shape
    for i in range(rows):
        for j in range(columns):
            sure[i, j] = 1
    for y in range(sums.shape[0]):
        near = y // down
        far = min(max(near + (2 * (y & 1) - 1) * (down - 1), 0), rows - 1)
        for j in range(columns):
            line[j + 1] = 3 * np.int64(small[near, j]) + np.int64(small[far, j])
        line[0], line[columns + 1] = line[1], line[columns]
        for x in range(sums.shape[1]):
            left = x // across
            right = left + (2 * (x & 1) - 1) * (across - 1)
            total = 3 * line[left + 1] + line[right + 1] + rounding(way, y, x)
            sums[y, x] = total
            if miss(total, np.int64(lows[y, x]), np.int64(highs[y, x])):
                right = min(max(right, 0), columns - 1)
                sure[near, left] = sure[near, right] = sure[far, left] = sure[far, right] = 0


@borrowing
def _better(lows: np.ndarray, highs: np.ndarray, rows: np.ndarray, columns: np.ndarray, sums: np.ndarray) -> Int:
    """Return 1 or -1 if moving a sample by that leaves less of the large plane out of its bounds, else 0."""
    now, raised, lowered = 0, 0, 0
    for y in range(rows[BEGIN], rows[END]):
        part = rows[FIRST_PART + y - rows[BEGIN]]
        for x in range(columns[BEGIN], columns[END]):
            share = part * columns[FIRST_PART + x - columns[BEGIN]]
            total, low, high = np.int64(sums[y, x]), np.int64(lows[y, x]), np.int64(highs[y, x])
            off, more, less = miss(total, low, high), miss(total + share, low, high), miss(total - share, low, high)
            now += off * off
            raised += more * more
            lowered += less * less
    if min(raised, lowered) >= now:
        return 0
    return 1 if raised <= lowered else -1
