"""Pixels that were a JPEG file: coefficients of 8 x 8 blocks that its quantisation made zero, on one grid of 64.

After ZERO (Nikoukhah, Anger, Ehret, Colom, Morel, Grompone von Gioi, "ZERO: a local JPEG grid origin detector based on
the number of DCT zeros and its applications in image forensics", CVPR Workshops 2019; IPOL 2021). Squares of 15 x 15
pixels hold a block of each of the 64 grids. The one with most zeros has the square's vote. In pictures that were no
JPEG each grid is as likely as the others, so that the votes tell how unlikely the best grid's are by chance.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline, kernel
from tilepress.pipeline.findings.finding import JPEG_GRID, Finding
from tilepress.pipeline.findings.sample import Sample

_SQUARES = 512  # that vote, of all crops
_SIDE = 15  # of a square
_GRIDS = 64
_LEAST_VOTES = 12
_LEAST_SHARE = 0.10  # of the votes, for the best grid
_CHANCE = 1e-8  # that the best grid has so many votes of pictures that were no JPEG, or fewer
_ZERO = 0.5  # coefficients below are zero: quantised, and then changed by rounding pixels


def find_jpeg_grid(sample: Sample) -> Finding | None:
    """Return the finding if one grid has more votes than chance gives any."""
    votes = np.zeros(_GRIDS, np.int64)
    spaces = [_spaces(plane) for plane in sample.lumas]
    step = max(1, sum(map(len, spaces)) // _SQUARES)
    for plane, corners in zip(sample.lumas, spaces, strict=True):
        _vote(plane, corners[::step], _COSINES, votes)
    best, total = int(votes.argmax()), int(votes.sum())
    if votes[best] < max(_LEAST_VOTES, _LEAST_SHARE * total) or _chance(int(votes[best]), total) > _CHANCE:
        return None
    down, across = divmod(best, 8)
    where = f"blocks begin at column {across} and row {down}"
    share = float(votes[best] / total)
    return Finding(JPEG_GRID, share, f"{where}: {100 * share:.0f} % of {total} places say so, by chance 1.6 %")


def _spaces(plane: np.ndarray) -> np.ndarray:
    """Corners of the squares of a plane: int64 (n, 2), shuffled the same way every time."""
    rows, columns = (max(0, (side - _SIDE) // 16 + (side >= _SIDE)) for side in plane.shape)
    corners = 16 * np.argwhere(np.ones((rows, columns), bool))
    order = np.argsort((np.arange(len(corners), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)), kind="stable")
    return corners[order]


def _chance(votes: int, total: int) -> float:
    """Upper bound of how often any grid has so many votes or more (Chernoff), all being equally likely."""
    share, even = votes / total, 1 / _GRIDS
    if share <= even:
        return 1.0
    rest = (1 - share) * math.log((1 - share) / (1 - even)) if share < 1 else 0.0
    return _GRIDS * math.exp(-total * (share * math.log(share / even) + rest))


def _cosines() -> np.ndarray:
    """The orthonormal DCT-II of 8 samples, a row a frequency: float32 (8, 8)."""
    k, n = np.mgrid[:8, :8]
    basis = np.cos(np.pi * (2 * n + 1) * k / 16) * 0.5
    basis[0] /= math.sqrt(2)
    cosines: np.ndarray = basis.astype(np.float32)
    return cosines


_COSINES = _cosines()


@kernel
def _vote(plane: np.ndarray, corners: np.ndarray, cosines: np.ndarray, votes: np.ndarray) -> None:
    """Add to `votes` int64 (64,) the grid of each square whose best one is alone.

    Squares with a line of one value say nothing: what is flat is zero on every grid.
    """
    lines = np.empty((_SIDE, 8, 8), np.float32)  # of every row: of 8 places the transforms
    for number in range(corners.shape[0]):
        top, left = corners[number]
        if _is_flat(plane, top, left):
            continue
        for y in range(_SIDE):
            for x in range(8):
                for k in range(8):
                    total = np.float32(0)
                    for n in range(8):
                        total += cosines[k, n] * plane[top + y, left + x + n]
                    lines[y, k, x] = total
        best, alone, winner = 0, False, 0
        for y in range(8):
            for x in range(8):
                zeros = _zeros(lines, cosines, y, x)
                if zeros > best:
                    best, alone, winner = zeros, True, 8 * ((top + y) % 8) + (left + x) % 8
                elif zeros == best:
                    alone = False
        if alone:
            votes[winner] += 1


@inline
def _zeros(lines: np.ndarray, cosines: np.ndarray, y: Int, x: Int) -> Int:
    """How many coefficients of the block at (y, x) of a square are zero, the mean left out."""
    zeros = 0
    for k in range(8):
        for v in range(8):
            total = np.float32(0)
            for n in range(8):
                total += cosines[v, n] * lines[y + n, k, x]
            if abs(total) < _ZERO and k + v > 0:
                zeros += 1
    return zeros


@kernel
def _is_flat(plane: np.ndarray, top: Int, left: Int) -> bool:
    """Tell whether any 8 neighbours of a row or a column of a square have one value."""
    for y in range(_SIDE):
        across = down = 1
        for x in range(1, _SIDE):
            across = across + 1 if plane[top + y, left + x] == plane[top + y, left + x - 1] else 1
            down = down + 1 if plane[top + x, left + y] == plane[top + x - 1, left + y] else 1
            if across >= 8 or down >= 8:
                return True
    return False
