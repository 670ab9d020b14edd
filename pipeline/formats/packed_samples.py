"""Samples as image files pack them: 1, 2, 4, 8 or 16 bits, rows padded to whole bytes, high bits first."""

from __future__ import annotations

import numpy as np


def row_bytes(width: int, channels: int, bits: int) -> int:
    """Return bytes of one packed row."""
    return (width * channels * bits + 7) // 8


def unpack_samples(rows: np.ndarray, width: int, channels: int, bits: int, order: str = ">") -> np.ndarray:
    """Return the samples (n, width, channels) of packed rows, uint8 or native uint16.

    Args:
        rows: (n, bytes of a row) uint8.
        width: Pixels of a row.
        channels: Samples of a pixel, side by side.
        bits: Of a sample: 1, 2, 4, 8 or 16.
        order: Of the bytes of 16 bits: ">" or "<".
    """
    n = rows.shape[0]
    if bits == 16:
        packed = np.ascontiguousarray(rows).view(f"{order}u2")
        return packed.astype(np.uint16).reshape(n, width, channels)
    if bits == 8:
        return np.ascontiguousarray(rows).reshape(n, width, channels)
    if bits == 1:
        return np.unpackbits(rows, axis=1, count=width * channels).reshape(n, width, channels)
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    spread = (rows[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)
    return spread.reshape(n, -1)[:, : width * channels].reshape(n, width, channels)


def pack_samples(samples: np.ndarray, bits: int, order: str = ">") -> np.ndarray:
    """Inverse of `unpack_samples`; padding bits are 0."""
    n, width, channels = samples.shape
    flat = np.ascontiguousarray(samples).reshape(n, width * channels)
    if bits == 16:
        stored: np.ndarray = flat.astype(f"{order}u2").view(np.uint8)
        return stored
    if bits == 8:
        return flat
    if bits == 1:
        return np.packbits(flat, axis=1)
    per = 8 // bits
    padded = np.zeros((n, -(-flat.shape[1] // per) * per), np.uint8)
    padded[:, : flat.shape[1]] = flat
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    packed: np.ndarray = np.bitwise_or.reduce(padded.reshape(n, -1, per) << shifts, axis=2)
    return packed
