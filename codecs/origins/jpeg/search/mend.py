"""Blocks of subsampled chroma that fit their own samples as far as these are known, but not the picture: a climb.

A block's cost is how far the large plane, interpolated from the block and its neighbours as they are, lies out of its
bounds, squared and summed, in sixteenths. A climb moves one coefficient at a time: of the few that promise most, the
one that costs least, decoded exactly.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tilepress.codecs.jpeg.file.huffman_walk import MOST_AC
from tilepress.codecs.jpeg.transform import LAST_SHIFT, transform_block
from tilepress.codecs.jpeg.upsampling import Interpolation, rounding
from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.jpeg.search.dct import forward
from tilepress.codecs.origins.jpeg.search.rule import SearchRule
from tilepress.codecs.origins.jpeg.search.shrink import BEGIN, END, FIRST_PART, miss, sixteenths

Plane: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Interpolation]
Room: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_TRIALS = 8  # coefficients that are tried a step
_REST = 4  # steps until a coefficient may be moved again
_PATIENCE = 6  # steps without a new least cost
PULL, SCRATCH, PROMISE = range(3)  # rows of the float room, float32 (3, 64)
WORK, RESTING, LINE = range(3)  # rows of the integer room, int64 (3, 64)
_LINE = 11  # columns of the small plane: a block, and what lies beside it
_NONE = np.float32(-1e18)
_STIFFNESS = np.float32(100)  # what a level of all samples of a block costs beyond what is missed


@borrowing
def _decode(
    quantised: np.ndarray,
    rule: SearchRule,
    integers: np.ndarray,
    decoded: np.ndarray,
    small: np.ndarray,
    i: Int,
    j: Int,
) -> None:
    """Put the samples of a block into `small`."""
    multipliers, _, transform = rule
    transform_block(quantised, multipliers, transform, integers[WORK], decoded)
    for n in range(64):
        small[8 * i + (n >> 3), 8 * j + (n & 7)] = min(max(decoded[n] >> transform[LAST_SHIFT], 0), 255)


@borrowing
def _window(i: Int, j: Int, vertical: np.ndarray, horizontal: np.ndarray) -> tuple[Int, Int, Int, Int]:
    """Return top, bottom, left and right of the part of the large plane in which block (i, j) has a part."""
    last_row, last_column = min(8 * i + 8, vertical.shape[0]) - 1, min(8 * j + 8, horizontal.shape[0]) - 1
    top, bottom = vertical[8 * i, BEGIN], vertical[last_row, END]
    return top, bottom, horizontal[8 * j, BEGIN], horizontal[last_column, END]


@borrowing
def _weigh(small: np.ndarray, y: Int, down: Int, rows: Int, columns: Int, first: Int, line: np.ndarray) -> None:
    """Fill `line` int64 (64,) with row `y` of full height, four times as large, from column `first` on."""
    near = y // down
    far = min(max(near + 2 * (y & 1) - 1, 0), rows - 1) if down == 2 else near
    for n in range(_LINE):
        x = min(max(first + n, 0), columns - 1)
        line[n] = 3 * np.int64(small[near, x]) + np.int64(small[far, x])


@borrowing
def _cost(plane: Plane, window: tuple[Int, Int, Int, Int], small: np.ndarray, line: np.ndarray, enough: Int) -> Int:
    """Return the cost within a window, or more than `enough` as soon as it is more. `line` int64 (64,): room."""
    lows, highs, vertical, horizontal, way = plane
    across, down = way[0], way[1]
    rows, columns = vertical.shape[0], horizontal.shape[0]
    top, bottom, left, right = window
    first = left // across - 1
    cost = 0
    for y in range(top, bottom):
        _weigh(small, y, down, rows, columns, first, line)
        for x in range(left, right):
            n = x // across - first
            other = n + 2 * (x & 1) - 1 if across == 2 else n
            total = 3 * line[n] + line[other] + rounding(way, y, x)
            off = miss(total, np.int64(lows[y, x]), np.int64(highs[y, x]))
            cost += off * off
        if cost > enough:
            return cost
    return cost


@borrowing
def _pull(
    plane: Plane, window: tuple[Int, Int, Int, Int], small: np.ndarray, i: Int, j: Int, floats: np.ndarray
) -> None:
    """Fill PULL with how each sample of the block would have to move."""
    lows, highs, vertical, horizontal, way = plane
    across, down = way[0], way[1]
    rows, columns = vertical.shape[0], horizontal.shape[0]
    top, bottom, left, right = window
    for n in range(64):
        floats[PULL, n] = 0
    for y in range(top, bottom):
        for x in range(left, right):
            total = sixteenths(small, way, rows, columns, y, x)
            off = miss(total, np.int64(lows[y, x]), np.int64(highs[y, x]))
            if off == 0:
                continue
            for a in range(max(8 * i, y // down - 1), min(8 * i + 8, rows, y // down + 2)):
                for b in range(max(8 * j, x // across - 1), min(8 * j + 8, columns, x // across + 2)):
                    share = off * _share(vertical[a], y) * _share(horizontal[b], x)
                    floats[PULL, 8 * (a - 8 * i) + b - 8 * j] += np.float32(share)


@borrowing
def _share(parts: np.ndarray, at: Int) -> Int:
    """Return how many quarters of a sample a place has."""
    return parts[FIRST_PART + at - parts[BEGIN]] if parts[BEGIN] <= at < parts[END] else 0


@borrowing
def _promise(steps: np.ndarray, now: Int, floats: np.ndarray, integers: np.ndarray) -> None:
    """Fill PROMISE with how much a step of each coefficient may lessen the cost at most; PULL becomes its transform."""
    forward(floats[PULL], floats[SCRATCH], floats[PROMISE])
    for k in range(64):
        floats[PULL, k] = floats[PROMISE, k]
        step = steps[k]
        gain = (np.float32(2) * abs(floats[PULL, k]) - _STIFFNESS * step) * step
        floats[PROMISE, k] = gain if integers[RESTING, k] <= now else _NONE


@borrowing
def _step(
    plane: Plane,
    window: tuple[Int, Int, Int, Int],
    rule: SearchRule,
    place: tuple[Int, Int],
    now: Int,
    room: Room,
    small: np.ndarray,
) -> Int:
    """Make the best step of the block at `place`; return the cost after it."""
    floats, integers, quantised, decoded = room
    i, j = place
    _pull(plane, window, small, i, j, floats)
    _promise(rule[1], now, floats, integers)
    best, best_by, least = 0, 0, np.int64(1) << 60
    for _ in range(_TRIALS):
        k = 0
        for other in range(64):
            if floats[PROMISE, other] > floats[PROMISE, k]:
                k = other
        floats[PROMISE, k] = _NONE
        by = 1 if floats[PULL, k] > 0 else -1
        quantised[k] += by
        _decode(quantised, rule, integers, decoded, small, i, j)
        cost = _cost(plane, window, small, integers[LINE], least)
        quantised[k] -= by
        if cost < least:
            best, best_by, least = k, by, cost
    quantised[best] = min(max(quantised[best] + best_by, -MOST_AC), MOST_AC)
    integers[RESTING, best] = now + _REST
    _decode(quantised, rule, integers, decoded, small, i, j)
    return least


@borrowing
def _mend(
    plane: Plane,
    window: tuple[Int, Int, Int, Int],
    rule: SearchRule,
    place: tuple[Int, Int],
    steps: Int,
    room: Room,
    small: np.ndarray,
    block: np.ndarray,
    least: Int,
) -> Int:
    """Climb in one block, whose cost is `least`; return the least cost found, which the block then has."""
    _, integers, trial, decoded = room
    since = 0
    for k in range(64):
        integers[RESTING, k] = 0
        trial[k] = block[k]
    for now in range(1, steps + 1):
        cost = _step(plane, window, rule, place, now, room, small)
        since += 1
        if cost < least:
            least, since = cost, 0
            for k in range(64):
                block[k] = trial[k]
        if least == 0 or since >= _PATIENCE:
            break
    _decode(block, rule, integers, decoded, small, place[0], place[1])
    return least


@borrowing_kernel
def mend_blocks(
    plane: Plane, rule: SearchRule, steps: Int, room: Room, small: np.ndarray, blocks: np.ndarray, costs: np.ndarray
) -> Int:
    """Climb in every block that costs anything else than it did; return how many that are.

    `plane`: bounds uint8 (h, w) of the large plane, low and high; `axis_parts` of its rows and columns; how it is
    interpolated. `rule`: how the decoder makes blocks. `steps`: at most, of a climb; 0: tell the costs alone.
    `room`: from `mending_room`. `small` uint8 (8 * rows, 8 * columns): the samples of `blocks` int16 (rows, columns,
    64), both moved. `costs` int64 (rows, columns): what each block cost after it was climbed in last, replaced; 0: not
    yet.
    """
    tried = 0
    for i in range((plane[2].shape[0] + 7) >> 3):
        for j in range((plane[3].shape[0] + 7) >> 3):
            window = _window(i, j, plane[2], plane[3])
            least = _cost(plane, window, small, room[1][LINE], np.int64(1) << 60)
            if least and least != costs[i, j]:
                tried += 1
                if steps:
                    least = _mend(plane, window, rule, (i, j), steps, room, small, blocks[i, j], least)
            costs[i, j] = least
    return tried


def mending_room() -> Room:
    """Return the arrays that `mend_blocks` works in."""
    floats, integers = np.zeros((3, 64), np.float32), np.zeros((3, 64), np.int64)
    return floats, integers, np.zeros(64, np.int16), np.zeros(64, np.int64)
