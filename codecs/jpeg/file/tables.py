"""Quantisation tables: the examples of ITU-T T.81 Annex K, as libjpeg scales them, and the zigzag order of files.

Tables are (64,) in natural order: index 8 * v + u, v the vertical frequency.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from tilepress.codecs.errors import StreamError

# Place in natural order of the coefficient that comes i-th in a file (T.81, figure A.6).
ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8)), np.int64
)

# T.81, tables K.1 and K.2
_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
_CHROMA_REST = 99
_MOST = 255  # of baseline files
QUALITIES = range(1, 101)
LUMA, CHROMA = 0, 1


def standard_table(kind: int, quality: int) -> np.ndarray:
    """Return the table int32 (64,), 1..255, that libjpeg writes at a quality of 1..100; `kind` is LUMA or CHROMA."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: np.ndarray = np.clip((_example(kind) * scale + 50) // 100, 1, _MOST).astype(np.int32)
    return table


def quality_tables(quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tables of luma and of chroma that libjpeg writes at a quality of 1..100: int32 (64,), 1..255."""
    return standard_table(LUMA, quality), standard_table(CHROMA, quality)


@cache
def standard_tables(kind: int) -> np.ndarray:
    """Return the tables of the qualities 1 to 100, int32 (100, 64); row q - 1 is of quality q. They are shared."""
    tables = np.stack([standard_table(kind, quality) for quality in QUALITIES])
    tables.setflags(write=False)
    return tables


def read_steps(content: bytes) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the tables of a DQT segment: slot, 0..15, and steps int32 (64,), 1..65535. StreamError.

    `content`: without marker and length.
    """
    while content:
        size = (content[0] >> 4) + 1  # bytes of a step
        end = 1 + 64 * size
        if size > 2 or len(content) < end or not all(steps := np.frombuffer(content, f">u{size}", 64, 1)):
            raise StreamError("JPEG file: a quantisation table is not one of 64 steps of 8 or 16 bits")
        table = np.empty(64, np.int32)
        table[ZIGZAG] = steps
        yield content[0] & 15, table
        content = content[end:]


def quality_of(table: np.ndarray, kind: int) -> int | None:
    """Return the quality whose standard table this is; None for any other table."""
    equal = (standard_tables(kind) == table).all(axis=1)
    return int(np.flatnonzero(equal)[-1]) + 1 if equal.any() else None


def _example(kind: int) -> np.ndarray:
    if kind == LUMA:
        return np.array(_LUMA.split(), np.int64)
    table = np.full((8, 8), _CHROMA_REST, np.int64)
    table[:4, :4] = _CHROMA_CORNER
    return table.reshape(64)
