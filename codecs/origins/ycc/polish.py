"""The last steps of chroma: samples are moved by small steps for as long as more pixels come out right.

At pixels with a clipped channel the chroma is not known, but most of all chroma is impossible there: that decides what
the pixels around leave open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.chroma import FILLED, SURE
from tilepress.codecs.origins.ycc.conversion import luma_bounds, luma_range
from tilepress.codecs.origins.ycc.sampling import Lattice
from tilepress.codecs.origins.ycc.upsampling import chroma_sum

_WRONG, _IMPOSSIBLE, _FAR = 4, 6, 32  # costs: of a channel that is wrong, of a clipped colour; the most of a distance
_SMOOTH = 16  # a cost of 1 is worth so much distance from where a sample began
_MOST_STEPS = 24  # of one sample in one sweep


class Scene(NamedTuple):
    """What a picture tells of its chroma, and the conversion that made it.

    `picture` uint8 (h, w, 3 or more); `planes` uint8 (3, h, w): Y, U, V where `known` uint8 (h, w) is 1.
    `tables` int32 (5, 256), `shift` int64 (1,), `hints` float64 (7,): the conversion.
    """

    picture: np.ndarray
    planes: np.ndarray
    known: np.ndarray
    tables: np.ndarray
    shift: np.ndarray
    hints: np.ndarray


class Samples(NamedTuple):
    """Chroma samples, int64 (2, rows, columns): now, and at their start; uint8 (rows, columns): how they began."""

    now: np.ndarray
    start: np.ndarray
    there: np.ndarray


@borrowing
def _distance(total: Int, known: Int, shift: Int) -> Int:
    """Return the cost of a sum of samples that is not known chroma after its shift, in eighths of a level."""
    least = np.int64(known) << shift
    gap: Int = max(least - total, total - least - (1 << shift) + 1, 0)
    return 0 if gap == 0 else _WRONG + min((gap << 3) >> shift, _FAR)


@borrowing
def bounds_at(y: Int, x: Int, u: Int, v: Int, scene: Scene) -> tuple[Int, Int]:
    """Return the bounds of the luma of a pixel under some chroma (conversion.py)."""
    red, green, blue = scene.picture[y, x, 0], scene.picture[y, x, 1], scene.picture[y, x, 2]
    return luma_bounds(np.int64(red), np.int64(green), np.int64(blue), u, v, scene.tables, scene.shift[0])


@borrowing
def cost_at(y: Int, x: Int, scene: Scene, samples: Samples, lattice: Lattice) -> Int:
    """Return the cost of the chroma that a pixel has now."""
    if scene.known[y, x] == 0:
        return 0
    shift = lattice.shift[0]
    u, v = chroma_sum(samples.now[0], y, x, lattice), chroma_sum(samples.now[1], y, x, lattice)
    if scene.known[y, x] == 1:
        return _distance(u, scene.planes[1, y, x], shift) + _distance(v, scene.planes[2, y, x], shift)
    u, v = u >> shift, v >> shift
    least, above = bounds_at(y, x, u, v, scene)
    if luma_range(least, above, scene.tables, scene.hints[6]) >= 0:
        return 0
    return _IMPOSSIBLE + min(max(least - above, 0) >> scene.shift[0], _FAR)


@borrowing
def _cost(j: Int, i: Int, limit: Int, scene: Scene, samples: Samples, lattice: Lattice) -> Int:
    """Return the cost of a sample: of the pixels that it has a weight at, and its distance; or `limit` at least."""
    total = 0
    if samples.there[j, i] == FILLED:
        for channel in range(2):
            total += abs(samples.now[channel, j, i] - samples.start[channel, j, i])
    for y in range(lattice.row_begin[j], lattice.row_end[j]):
        for x in range(lattice.column_begin[i], lattice.column_end[i]):
            total += _SMOOTH * cost_at(y, x, scene, samples, lattice)
            if total >= limit:
                return total
    return total


@borrowing
def _best_step(j: Int, i: Int, least: Int, size: Int, scene: Scene, samples: Samples, lattice: Lattice) -> Int:
    """Take the best step of a size to one of the eight sides, if it lowers the cost; return the cost after it."""
    u, v = samples.now[0, j, i], samples.now[1, j, i]
    best_u, best_v = u, v
    for side in range(9):
        samples.now[0, j, i] = min(max(u + (side // 3 - 1) * size, 0), 255)
        samples.now[1, j, i] = min(max(v + (side % 3 - 1) * size, 0), 255)
        cost = _cost(j, i, least, scene, samples, lattice) if side != 4 else least
        if cost < least:
            least, best_u, best_v = cost, samples.now[0, j, i], samples.now[1, j, i]
    samples.now[0, j, i], samples.now[1, j, i] = best_u, best_v
    return least


@borrowing
def _best_pair(j: Int, i: Int, scene: Scene, samples: Samples, lattice: Lattice) -> Int:
    """Move a sample and one beside it by one in opposite directions, if that lowers their cost; return whether it did.

    Where samples are weighed against each other, errors come in such pairs, and no step of one alone helps.
    """
    rows, columns = samples.there.shape
    for turn in range(16):
        channel, sign, side = turn & 1, 1 - (turn & 2), turn >> 2
        row, column = j + (side == 1) - (side == 3), i + (side == 0) - (side == 2)
        if not (0 <= row < rows and 0 <= column < columns):
            continue
        first, second = samples.now[channel, j, i], samples.now[channel, row, column]
        if not (0 <= first + sign < 256 and 0 <= second - sign < 256):
            continue
        least = _cost(j, i, 1 << 40, scene, samples, lattice) + _cost(row, column, 1 << 40, scene, samples, lattice)
        samples.now[channel, j, i], samples.now[channel, row, column] = first + sign, second - sign
        cost = _cost(j, i, least, scene, samples, lattice)
        if cost < least and cost + _cost(row, column, least - cost, scene, samples, lattice) < least:
            return 1
        samples.now[channel, j, i], samples.now[channel, row, column] = first, second
    return 0


@borrowing
def is_bad(j: Int, i: Int, bad: np.ndarray, lattice: Lattice) -> Int:
    """Tell whether a sample has a weight at a pixel that is wrong."""
    for y in range(lattice.row_begin[j], lattice.row_end[j]):
        for x in range(lattice.column_begin[i], lattice.column_end[i]):
            if bad[y, x]:
                return 1
    return 0


@borrowing_kernel
def find_wrong(scene: Scene, samples: Samples, lattice: Lattice, bad: np.ndarray) -> Int:
    """Fill `bad` uint8 (h, w) with 1 where the chroma is wrong or impossible; return how many pixels that are."""
    count = 0
    for y in range(bad.shape[0]):
        for x in range(bad.shape[1]):
            bad[y, x] = cost_at(y, x, scene, samples, lattice) > 0
            count += bad[y, x]
    return count


@borrowing_kernel
def polish(scene: Scene, samples: Samples, lattice: Lattice, bad: np.ndarray, pairs: Int) -> Int:
    """Move every sample beside wrong pixels as long as that helps; return how many were moved.

    `scene`, `samples`, `lattice`: what the picture tells, its samples, and how they were sampled.
    `bad` uint8 (h, w): 1 where a pixel is wrong.
    `pairs`: 1 to move pairs, too, where no sample alone helps; that takes longer.
    """
    moved = 0
    for j in range(samples.there.shape[0]):
        for i in range(samples.there.shape[1]):
            if samples.there[j, i] == SURE or not is_bad(j, i, bad, lattice):
                continue
            first = _cost(j, i, 1 << 40, scene, samples, lattice)
            least, size = first, 1
            for _ in range(_MOST_STEPS):
                cost = _best_step(j, i, least, size, scene, samples, lattice)
                size = 1 if cost < least else 2 * size
                least = cost
                if size > 8 or least == 0:
                    break
            if pairs and least == first and lattice.largest[0] < 1 << lattice.shift[0]:
                moved += _best_pair(j, i, scene, samples, lattice)
            moved += least < first
    return moved
