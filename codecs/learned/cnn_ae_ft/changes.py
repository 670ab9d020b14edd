"""What an image changes in the synthesis, in bytes: integers that are added to weights and biases.

    magic "CT", version 1 | for each convolution, its weights and then its biases: grain (uint8), table (uint8)
    | rANS stream (entropy/rans.py) of all changes in the same order, each array in C order

A change is a multiple of 2^grain. The multiple n is coded as 2n - 1 above 0, as -2n below, under the table that the
array names. Table t gives the magnitude m a weight of floor(2^24 (t + 1)^m / 17^m), for both signs alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.errors import StreamError
from tilepress.codecs.integer.network import IntegerLayer, Step
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC, _VERSION = b"CT", 1
_TABLES, _SYMBOLS, _UNIT = 16, 64, 1 << 24
MAX_GRAIN = 40
_MOST = 1 << 30  # of a multiple that is read


@dataclass(frozen=True)
class Changes:
    """`grains` 0..MAX_GRAIN and `multiples` int64 of the arrays of a synthesis: weights and biases, layer by layer."""

    grains: tuple[int, ...]
    multiples: tuple[np.ndarray, ...]

    def added_to(self, steps: Sequence[Step]) -> list[Step]:
        """Return the steps of a synthesis with the changes in them; what they compute is to be proven again."""
        arrays = iter(m << grain for m, grain in zip(self.multiples, self.grains, strict=True))
        return [
            replace(step, weight=step.weight + next(arrays), bias=step.bias + next(arrays))
            if isinstance(step, IntegerLayer)
            else step
            for step in steps
        ]


def layers_of(steps: Sequence[Step]) -> list[IntegerLayer]:
    """Return the convolutions among the steps of a synthesis."""
    return [step for step in steps if isinstance(step, IntegerLayer)]


def arrays_of(steps: Sequence[Step]) -> list[np.ndarray]:
    """Return the arrays that can be changed: weights and biases, layer by layer."""
    return [array for layer in layers_of(steps) for array in (layer.weight, layer.bias)]


def pack_changes(changes: Changes) -> bytes:
    """Return the bytes of changes; each array is coded under the table that makes it shortest."""
    symbols = [np.where(m > 0, 2 * m - 1, -2 * m).ravel() for m in changes.multiples]
    chosen = [_shortest(each) for each in symbols]
    head = bytes(byte for pair in zip(changes.grains, chosen, strict=True) for byte in pair)
    contexts = _contexts(chosen, symbols)
    return write_frame(_MAGIC, _VERSION, head + rans.encode(np.concatenate(symbols), contexts, _tables()))


def unpack_changes(data: bytes, arrays: Sequence[np.ndarray]) -> Changes:
    """Return the changes of arrays of these shapes. StreamError for bytes that `pack_changes` did not write."""
    _, payload = read_frame(_MAGIC, {_VERSION}, data)
    head, stream = payload[: 2 * len(arrays)], payload[2 * len(arrays) :]
    grains, chosen = tuple(head[0::2]), head[1::2]
    if len(head) < 2 * len(arrays) or max(grains) > MAX_GRAIN or max(chosen) >= _TABLES:
        raise StreamError("changes of a synthesis name a grain or a table that there is not: the bytes are damaged")
    symbols = rans.decode(stream, _contexts(chosen, arrays), _tables()).astype(np.int64)
    if (symbols > _MOST).any():
        raise StreamError("changes of a synthesis are out of range: the bytes are damaged")
    values = np.where(symbols & 1, (symbols + 1) >> 1, -(symbols >> 1))
    cuts = np.cumsum([array.size for array in arrays])[:-1]
    parts = np.split(values, cuts)
    return Changes(grains, tuple(part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)))


def _contexts(chosen: Sequence[int], arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.repeat(np.array(list(chosen), np.int64), [array.size for array in arrays])


def _shortest(symbols: np.ndarray) -> int:
    """The table that codes symbols in the fewest bits; an escape costs about 2 bits for each of its own."""
    escape = _SYMBOLS - 1
    widths = np.diff(_tables().cdf.astype(np.int64), axis=1)
    counts = np.bincount(np.minimum(symbols, escape), minlength=_SYMBOLS)
    return int((counts * -np.log2(widths)).sum(axis=1).argmin())


@cache
def _tables() -> rans.Tables:
    magnitudes = [(symbol + 1) // 2 for symbol in range(_SYMBOLS)]
    counts = [[_UNIT * (t + 1) ** m // 17**m for m in magnitudes] for t in range(_TABLES)]
    return rans.Tables.from_cdf(rans.frequencies(np.array(counts, np.int64)))
