"""Chroma that its own inverse DCT makes as large as the picture, as libjpeg 7 to 9 do: sixteen samples of eight
coefficients along a side that is to be doubled.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import Sampling
from tilepress.codecs.kernels.kernel import borrowing_kernel

_FIRST_SHIFT, _LAST_SHIFT = 11, 18
_CENTRE = 128


def _mirrored(half: list[list[int]]) -> np.ndarray:
    """The matrix of a transform, of its first half: in the second one, odd coefficients count the other way."""
    first = np.array(half, np.int64)
    return np.ascontiguousarray(np.concatenate([first, first[::-1] * (-1) ** np.arange(8)]))


# What each of eight coefficients adds to each sample, 13 fractional bits: to 16 samples, and to 8, as "islow" does.
_SIXTEEN = _mirrored(
    [
        [8192, 11529, 11363, 11086, 10703, 10217, 9632, 8956],
        [8192, 11086, 9633, 7350, 4433, 1136, -2260, -5461],
        [8192, 10217, 6437, 1136, -4433, -8955, -11363, -11086],
        [8192, 8956, 2260, -5461, -10703, -11086, -6436, 1137],
        [8192, 7350, -2260, -10217, -10703, -3363, 6436, 11529],
        [8192, 5461, -6437, -11529, -4433, 7349, 11363, 3363],
        [8192, 3363, -9633, -8955, 4433, 11529, 2260, -10217],
        [8192, 1136, -11363, -3363, 10703, 5461, -9632, -7350],
    ]
)
_EIGHT = _mirrored(
    [
        [8192, 11363, 10703, 9633, 8192, 6437, 4433, 2260],
        [8192, 9633, 4433, -2259, -8192, -11362, -10704, -6436],
        [8192, 6437, -4433, -11362, -8192, 2261, 10704, 9633],
        [8192, 2260, -10703, -6436, 8192, 9633, -4433, -11363],
    ]
)


@borrowing_kernel
def _transform_scaled(
    blocks: np.ndarray,
    table: np.ndarray,
    down: np.ndarray,
    across: np.ndarray,
    coefficients: np.ndarray,
    columns: np.ndarray,
    plane: np.ndarray,
) -> None:
    """Fill `plane` uint8 (n * rows, m * columns) with the samples of `blocks` int16 (rows, columns, 64).

    `table` int32 (64,): quantisation steps. `down` int64 (n, 8), `across` int64 (m, 8): what coefficients add to the
    samples of a column, and of a row. `coefficients` int64 (64,), `columns` int64 (n, 8): room.
    """
    height, width = down.shape[0], across.shape[0]
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            for k in range(64):
                coefficients[k] = np.int64(blocks[i, j, k]) * table[k]
            for y in range(height):
                for u in range(8):
                    total = np.int64(1 << (_FIRST_SHIFT - 1))
                    for v in range(8):
                        total += down[y, v] * coefficients[8 * v + u]
                    columns[y, u] = total >> _FIRST_SHIFT
            for y in range(height):
                for x in range(width):
                    total = np.int64(1 << (_LAST_SHIFT - 1))
                    for u in range(8):
                        total += across[x, u] * columns[y, u]
                    plane[height * i + y, width * j + x] = min(max((total >> _LAST_SHIFT) + _CENTRE, 0), 255)


def scaled_plane(blocks: np.ndarray, table: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Return the samples of a chroma component at the picture's size, in whole blocks: uint8.

    Args:
        blocks: int16 (rows, columns, 64).
        table: int32 (64,): quantisation steps.
        sampling: Factors across and down, 1 or 2.
    """
    across, down = (_EIGHT if factor == 1 else _SIXTEEN for factor in sampling)
    plane = np.empty((len(down) * blocks.shape[0], len(across) * blocks.shape[1]), np.uint8)
    room = np.empty(64, np.int64), np.empty((16, 8), np.int64)
    _transform_scaled(blocks, table, down, across, *room, plane)
    return plane
