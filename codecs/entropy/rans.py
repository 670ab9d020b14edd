"""Table-driven rANS: range asymmetric numeral systems over frozen 16-bit integer tables (Duda 2013).

State of 32 bits, words of 16 bits, probabilities in units of 2^-15. A static table is chosen for every value by
its context index. The encoder runs backwards over intervals gathered forwards, the decoder runs forwards, so
contexts may depend on what was already decoded: codecs with such contexts call `put_value` and `get_value`
from their own compiled loops; `encode` and `decode` serve contexts known in advance.

No float occurs anywhere. The decoder bounds every read and every loop: hostile bytes give wrong values or
StreamError.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.kernels.kernel import Int, borrowing, kernel

PRECISION = 15
TOTAL = 1 << PRECISION
MAX_INTERVALS = 5  # a value takes at most: its symbol, the length of an escape, and three pieces of it
_STATE_LOW = 1 << 16
_LOOKUP_SHIFT = 7  # the top 8 bits of a slot lead to the first symbol that can match
_PIECE = 12  # raw bits an interval
_STATE = struct.Struct("<I")


@dataclass(frozen=True)
class Tables:
    """Static distributions. `cdf` (tables, symbols + 1) uint16: rises strictly from 0 to 2^15 in every row.

    `lookup` (tables, 256) uint16 is derived: where the search for a symbol starts. The last symbol is the
    escape: values from `symbols - 1` up are written as it, then as an Exp-Golomb code of raw bits.
    """

    cdf: np.ndarray
    lookup: np.ndarray

    @classmethod
    def from_cdf(cls, cdf: np.ndarray) -> Tables:
        """Check and index; ModelError unless `cdf` is as described above."""
        if cdf.dtype != np.uint16 or cdf.ndim != 2 or not 3 <= cdf.shape[1] <= 4097 or not len(cdf):
            raise ModelError(f"probability tables of {cdf.dtype}{cdf.shape} are not uint16 of 2..4096 symbols")
        wide = cdf.astype(np.int32)
        if (wide[:, 0] != 0).any() or (wide[:, -1] != TOTAL).any() or (np.diff(wide, axis=1) <= 0).any():
            raise ModelError("a probability table does not rise strictly from 0 to 2^15: the model is damaged")
        slots = np.arange(TOTAL >> _LOOKUP_SHIFT) << _LOOKUP_SHIFT
        lookup = np.stack([np.searchsorted(row, slots, side="right") - 1 for row in wide])
        # Kernels are compiled for arrays that may be written to, or for others: models give either.
        return cls(np.require(cdf, requirements=["C", "W"]), lookup.astype(np.uint16))

    @property
    def escape(self) -> int:
        """The escape symbol, also the smallest value that needs it."""
        return int(self.cdf.shape[1]) - 2


def frequencies(counts: np.ndarray) -> np.ndarray:
    """Return the cdf rows, uint16 (tables, symbols + 1), of counts (tables, symbols), integers >= 0.

    Every symbol keeps at least 2^-15, so that everything can be coded. Integer arithmetic only.
    """
    counts = np.maximum(counts.astype(np.int64), 0) + (counts.sum(axis=1, keepdims=True) == 0)
    spare = TOTAL - counts.shape[1]
    share = counts * spare // counts.sum(axis=1, keepdims=True) + 1
    share[np.arange(len(share)), share.argmax(axis=1)] += TOTAL - share.sum(axis=1)
    cdf = np.zeros((counts.shape[0], counts.shape[1] + 1), np.uint16)
    cdf[:, 1:] = np.cumsum(share, axis=1)
    return cdf


@borrowing
def put_bits(starts: np.ndarray, freqs: np.ndarray, n: Int, value: Int, width: Int) -> Any:
    """Append the low bits of a number; return the new number of intervals.

    `starts`, `freqs` uint16 (room,): begin and width of the intervals gathered so far, in units of 2^-15.
    `n`: how many there are.
    `value`: integer, whose low `width` bits, 0..12, are appended.
    """
    if width > 0:
        starts[n] = (value & ((1 << width) - 1)) << (PRECISION - width)
        freqs[n] = 1 << (PRECISION - width)
        n += 1
    return n


@borrowing
def put_value(starts: np.ndarray, freqs: np.ndarray, n: Int, value: Int, row: np.ndarray) -> Any:
    """Append a value under a table, as at most MAX_INTERVALS intervals; return the new number of intervals.

    `starts`, `freqs` uint16 (room,): begin and width of the intervals gathered so far, in units of 2^-15.
    `n`: how many there are.
    `value`: integer, 0..2^31.
    `row` uint16 (symbols + 1,): the table, a row of `Tables.cdf`.
    """
    escape = row.shape[0] - 2
    symbol = min(value, escape)
    starts[n] = row[symbol]
    freqs[n] = np.int64(row[symbol + 1]) - np.int64(row[symbol])
    n += 1
    if symbol == escape:
        rest = np.int64(value) - escape + 1
        width = 0
        while rest >> (width + 1) != 0:
            width += 1
        n = put_bits(starts, freqs, n, width, 5)
        for piece in range(3):
            low = piece * _PIECE
            n = put_bits(starts, freqs, n, rest >> low, min(max(width - low, 0), _PIECE))
    return n


@kernel
def encode_intervals(starts: np.ndarray, freqs: np.ndarray, n: Int) -> Any:
    """Code the first `n` intervals, last first; returns (state, words uint16 in reading order)."""
    words = np.empty(n + 1, np.uint16)
    at = n + 1
    state = np.uint64(_STATE_LOW)
    for i in range(n - 1, -1, -1):
        freq = np.uint64(freqs[i])
        if state >= freq << np.uint64(17):
            at -= 1
            words[at] = np.uint16(state & np.uint64(0xFFFF))
            state >>= np.uint64(16)
        state = ((state // freq) << np.uint64(PRECISION)) + state % freq + np.uint64(starts[i])
    return state, words[at:].copy()


@borrowing
def advance(words: np.ndarray, state: Int, at: Int, start: Int, freq: Int) -> Any:
    """Leave the interval that holds the state's slot; return state and words read.

    Past the end zeros are read and `at` goes on counting, which `check_end` finds.

    `words` uint16 (n,): the stream.
    `state` uint32, `at`: decoder state, and words read so far.
    `start`, `freq`: begin and width of the interval, in units of 2^-15.
    """
    state = freq * (state >> PRECISION) + (state & (TOTAL - 1)) - start
    if state < _STATE_LOW:
        state <<= 16
        if at < words.shape[0]:
            state |= np.int64(words[at])
        at += 1
    return state, at


@borrowing
def get_bits(words: np.ndarray, state: Int, at: Int, width: Int) -> Any:
    """Read `width` (0..12) raw bits; returns (value, state, at)."""
    shift = PRECISION - width
    value = (state & (TOTAL - 1)) >> shift
    if width > 0:
        state, at = advance(words, state, at, value << shift, 1 << shift)
    return value, state, at


@borrowing
def get_value(words: np.ndarray, state: Int, at: Int, row: np.ndarray, first: Int) -> Any:
    """Read a value under a table; return value, state and words read.

    `words` uint16 (n,): the stream.
    `state` uint32, `at`: decoder state, and words read so far.
    `row` uint16 (symbols + 1,): the table, a row of `Tables.cdf`.
    `first` uint16 (256,): its row of `Tables.lookup`.
    """
    slot = state & (TOTAL - 1)
    symbol = np.int64(first[slot >> _LOOKUP_SHIFT])
    while np.int64(row[symbol + 1]) <= slot:
        symbol += 1
    start = np.int64(row[symbol])
    state, at = advance(words, state, at, start, np.int64(row[symbol + 1]) - start)
    escape = row.shape[0] - 2
    if symbol < escape:
        return symbol, state, at
    width, state, at = get_bits(words, state, at, 5)
    rest = np.int64(1) << width
    for piece in range(3):
        low = piece * _PIECE
        bits, state, at = get_bits(words, state, at, min(max(width - low, 0), _PIECE))
        rest |= bits << low
    return rest - 1 + escape, state, at


@kernel
def _put_all(values: np.ndarray, contexts: np.ndarray, cdf: np.ndarray) -> Any:
    starts = np.empty(values.size * MAX_INTERVALS, np.uint16)
    freqs = np.empty(values.size * MAX_INTERVALS, np.uint16)
    n = 0
    for i in range(values.size):
        n = put_value(starts, freqs, n, values[i], cdf[contexts[i]])
    return encode_intervals(starts, freqs, n)


@kernel
def _get_all(
    words: np.ndarray, state: Int, contexts: np.ndarray, cdf: np.ndarray, lookup: np.ndarray, values: np.ndarray
) -> Any:
    """Fill `values`; return state and words read.

    `words` uint16 (n,), `state` uint32: the stream, from `split`.
    `contexts` int64 (m,): row of `cdf` for each value.
    `cdf` uint16 (tables, symbols + 1), `lookup` uint16 (tables, 256): see Tables.
    `values` int64 (m,), filled.
    """
    at = 0
    for i in range(contexts.size):
        values[i], state, at = get_value(words, state, at, cdf[contexts[i]], lookup[contexts[i]])
    return state, at


def join(state: int, words: np.ndarray) -> bytes:
    """Return the stream: final state (uint32 LE), then the words (uint16 LE)."""
    return _STATE.pack(int(state)) + words.astype("<u2").tobytes()


def split(data: bytes) -> tuple[int, np.ndarray]:
    """Return state and words of a stream; StreamError if its length or state is impossible."""
    if len(data) < _STATE.size or len(data) % 2:
        raise StreamError(f"rANS stream of {len(data)} bytes is truncated")
    (state,) = _STATE.unpack_from(data)
    if state < _STATE_LOW:
        raise StreamError("rANS stream begins with an impossible state: the bytes are damaged")
    return state, np.frombuffer(data, "<u2", offset=_STATE.size).astype(np.uint16)


def check_end(state: int, at: int, words: np.ndarray) -> None:
    """StreamError unless the decoder ended where the encoder began: all words read, the first state reached."""
    if state != _STATE_LOW or at != len(words):
        raise StreamError("rANS stream does not end where its symbols do: the bytes are damaged")


def encode(values: np.ndarray, contexts: np.ndarray, tables: Tables) -> bytes:
    """Code integers 0..2^31-1 in C order; `contexts` of the same shape choose the rows of `tables`."""
    flat = np.ascontiguousarray(values, np.int64).reshape(-1)
    rows = _rows(contexts, tables)
    if len(rows) != len(flat) or (flat.size and not 0 <= flat.min() <= flat.max() < 1 << 31):
        raise ValueError("values must be 0..2^31-1 and have one context each")
    return join(*_put_all(flat, rows, tables.cdf))


def decode(data: bytes, contexts: np.ndarray, tables: Tables) -> np.ndarray:
    """Inverse of `encode`: int64 values in the shape of `contexts`. Raises StreamError."""
    state, words = split(data)
    rows = _rows(contexts, tables)
    values = np.empty(rows.size, np.int64)
    state, at = _get_all(words, state, rows, tables.cdf, tables.lookup, values)
    check_end(state, at, words)
    return values.reshape(contexts.shape)


def _rows(contexts: np.ndarray, tables: Tables) -> np.ndarray:
    rows = np.ascontiguousarray(contexts, np.int64).reshape(-1)
    if rows.size and not 0 <= rows.min() <= rows.max() < len(tables.cdf):
        raise ValueError("a context index is outside the tables")
    return rows
