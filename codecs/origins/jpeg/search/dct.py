"""The orthonormal DCT of 8 x 8 blocks in floats: what only searches, while `transform.py` decides.

A JPEG's dequantised coefficients are those of this transform of the samples less 128.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import borrowing

_U, _X = np.mgrid[:8, :8]
_ROWS = (np.where(_U == 0, np.sqrt(1 / 8), 0.5) * np.cos((2 * _X + 1) * _U * np.pi / 16)).astype(np.float32)  # [u, x]
_COLUMNS = np.ascontiguousarray(_ROWS.T)
# What each coefficient adds to each sample: [8 * v + u, 8 * y + x], and transposed.
BASIS = np.einsum("vy,ux->vuyx", _ROWS, _ROWS).reshape(64, 64)
BASIS_OF_SAMPLE = np.ascontiguousarray(BASIS.T)


@borrowing
def _both_ways(block: np.ndarray, matrix: np.ndarray, turned: np.ndarray, room: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` with turned.T @ block @ matrix: all float32, blocks (64,) row by row; `room` (64,)."""
    for y in range(8):
        for u in range(8):
            room[8 * y + u] = 0
        for x in range(8):
            value = block[8 * y + x]
            for u in range(8):
                room[8 * y + u] += value * matrix[x, u]
    for v in range(8):
        for u in range(8):
            out[8 * v + u] = 0
        for y in range(8):
            weight = turned[y, v]
            for u in range(8):
                out[8 * v + u] += weight * room[8 * y + u]


@borrowing
def forward(samples: np.ndarray, room: np.ndarray, coefficients: np.ndarray) -> None:
    """Fill `coefficients` with those of `samples`: float32 (64,) each; `room` float32 (64,)."""
    _both_ways(samples, _COLUMNS, _COLUMNS, room, coefficients)


@borrowing
def inverse(coefficients: np.ndarray, room: np.ndarray, samples: np.ndarray) -> None:
    """Fill `samples` with those of `coefficients`: float32 (64,) each; `room` float32 (64,)."""
    _both_ways(coefficients, _ROWS, _ROWS, room, samples)
