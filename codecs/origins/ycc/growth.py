"""Chroma where clipped channels hide it: settled from the edges of such regions inwards.

Each sample tries the chroma of the settled ones around it and what lies near that, the nearest first, and takes what
makes the most of its pixels possible. Pixels that also depend on samples that are not settled yet do not count.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.chroma import FILLED
from tilepress.codecs.origins.ycc.polish import Samples, Scene, cost_at, is_bad
from tilepress.codecs.origins.ycc.sampling import Lattice

_REACH = 12  # steps, along both channels together
_WORTH = 4  # a cost of 1 is worth so many steps


def spiral() -> np.ndarray:
    """Return steps of both channels, int64 (n, 3): u, v, and their distance, the nearest first."""
    span = np.arange(-_REACH, _REACH + 1)
    steps = np.stack([*np.meshgrid(span, span), np.abs(span)[:, None] + np.abs(span)], axis=-1).reshape(-1, 3)
    steps = steps[np.argsort(steps[:, 2], kind="stable")]
    return np.ascontiguousarray(steps[steps[:, 2] <= _REACH], np.int64)


@borrowing
def _is_settled(y: Int, x: Int, samples: Samples, lattice: Lattice) -> Int:
    """Tell whether all samples with a weight at a pixel are settled."""
    qy, qx = lattice.rows[y], lattice.columns[x]
    j, i = (qy + lattice.lead[0]) >> lattice.half[0], (qx + lattice.lead[1]) >> lattice.half[1]
    for dj in range(2):
        for di in range(2):
            weight = lattice.weights[0, qy & 1, dj] * lattice.weights[1, qx & 1, di]
            row, column = min(j + dj, samples.there.shape[0] - 1), min(i + di, samples.there.shape[1] - 1)
            if weight > 0 and samples.there[row, column] == 0:
                return 0
    return 1


@borrowing
def _cost(j: Int, i: Int, limit: Int, scene: Scene, samples: Samples, lattice: Lattice) -> Int:
    """Return the cost of the pixels that depend on a sample and on settled ones; or `limit` at least."""
    total = 0
    for y in range(lattice.row_begin[j], lattice.row_end[j]):
        for x in range(lattice.column_begin[i], lattice.column_end[i]):
            if _is_settled(y, x, samples, lattice):
                total += _WORTH * cost_at(y, x, scene, samples, lattice)
                if total >= limit:
                    return total
    return total


@borrowing
def _settle(j: Int, i: Int, steps: np.ndarray, scene: Scene, samples: Samples, lattice: Lattice) -> None:
    """Give a sample, which is where its search begins, the best chroma within reach."""
    u, v = samples.now[0, j, i], samples.now[1, j, i]
    least, best_u, best_v = 1 << 40, u, v
    for step in range(steps.shape[0]):
        if steps[step, 2] >= least:
            break
        samples.now[0, j, i] = min(max(u + steps[step, 0], 0), 255)
        samples.now[1, j, i] = min(max(v + steps[step, 1], 0), 255)
        cost = steps[step, 2] + _cost(j, i, least - steps[step, 2], scene, samples, lattice)
        if cost < least:
            least, best_u, best_v = cost, samples.now[0, j, i], samples.now[1, j, i]
    samples.now[0, j, i], samples.now[1, j, i] = best_u, best_v


@borrowing
def _begin(j: Int, i: Int, samples: Samples) -> Int:
    """Put a sample where the settled ones of the eight around it are on average; return how many there are."""
    rows, columns = samples.there.shape
    u, v, count = 0, 0, 0
    for n in range(9):
        row, column = j + n // 3 - 1, i + n % 3 - 1
        if n != 4 and 0 <= row < rows and 0 <= column < columns and samples.there[row, column]:
            u += samples.now[0, row, column]
            v += samples.now[1, row, column]
            count += 1
    if count > 0:
        samples.now[0, j, i], samples.now[1, j, i] = (2 * u + count) // (2 * count), (2 * v + count) // (2 * count)
    return count


@borrowing_kernel
def loosen(samples: Samples, lattice: Lattice, bad: np.ndarray) -> Int:
    """Unsettle the samples beside wrong pixels that nothing was known of; return how many they are.

    `bad` uint8 (h, w): 1 where a pixel is wrong.
    """
    count = 0
    for j in range(samples.there.shape[0]):
        for i in range(samples.there.shape[1]):
            if samples.there[j, i] == FILLED and is_bad(j, i, bad, lattice):
                samples.there[j, i] = 0
                count += 1
    return count


@borrowing_kernel
def grow(scene: Scene, samples: Samples, lattice: Lattice, steps: np.ndarray, need: Int, back: Int) -> Int:
    """Settle samples beside settled ones; return how many are left.

    `steps` int64 (n, 3): from `spiral`.
    `need`: how many of the eight samples around must be settled.
    `back`: 1 from the last sample to the first, 0 the other way.
    """
    rows, columns = samples.there.shape
    left = 0
    for n in range(rows * columns):
        at = rows * columns - 1 - n if back else n
        j, i = at // columns, at % columns
        if samples.there[j, i] == 0:
            if _begin(j, i, samples) < need:
                left += 1
                continue
            samples.there[j, i] = FILLED
            _settle(j, i, steps, scene, samples, lattice)
            samples.start[0, j, i], samples.start[1, j, i] = samples.now[0, j, i], samples.now[1, j, i]
    return left


@borrowing_kernel
def count_agreement(scene: Scene, samples: Samples, lattice: Lattice, counts: np.ndarray) -> None:
    """Count the known pixels whose samples are settled, and those of them whose chroma comes out right.

    `counts` int64 (2,), filled: right, all.
    """
    for y in range(scene.known.shape[0]):
        for x in range(scene.known.shape[1]):
            if scene.known[y, x] == 1 and _is_settled(y, x, samples, lattice):
                counts[0] += cost_at(y, x, scene, samples, lattice) == 0
                counts[1] += 1
