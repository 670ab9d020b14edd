"""Canonical Huffman codes of integers, stored as code lengths; written and read by compiled loops.

A stream holds planes one after the other, bits from the highest of each byte down: the lengths of the plane's code,
then the codes of its values. Codes are canonical (ordered by length, then by value), complete, and at most
MAX_LENGTH bits long. A plane that holds one value takes no bits beyond its table.

The table runs through all values from 0: `0` as long as the value before that occurs (8 at first), `10` one bit
longer, `110` one bit shorter, `1110` and 5 bits: so long, `1111` and an Elias gamma code: so many values do not occur.

The decoder bounds every read and every loop by the alphabet and the number of values. Source: Huffman (1952);
Schwartz and Kallick (1964) for canonical codes.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from tilepress.codecs.errors import StreamError
from tilepress.codecs.kernels.kernel import Int, inline, kernel

MAX_LENGTH = 24
_FIRST_LENGTH = 8
_LOOKUP_BITS = 10
_SLACK = 8  # zero bytes behind the stream, so that a window is always within the array
_TRUNCATED, _BAD_TABLE = -1, -2


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """Return lengths (uint8, 0: does not occur) of an optimal code for counts (integers >= 0) of the values 0, 1, ...

    Codes beyond MAX_LENGTH are avoided by halving the counts, as bzip2 does: with 2^16 values it ends early.
    """
    counts = counts.astype(np.int64)
    lengths = np.zeros(len(counts), np.uint8)
    used = np.flatnonzero(counts)
    if len(used) < 2:
        lengths[used] = 1
        return lengths
    while True:
        depths = _depths(counts[used])
        if depths.max() <= MAX_LENGTH:
            lengths[used] = depths
            return lengths
        counts = (counts + 1) >> 1


def _depths(counts: np.ndarray) -> np.ndarray:
    """Depth of each leaf of the Huffman tree; ties go to the node that was made first."""
    leaves = len(counts)
    heap = [(int(count), node) for node, count in enumerate(counts)]
    heapq.heapify(heap)
    parents = np.zeros(2 * leaves - 1, np.int64)
    for node in range(leaves, 2 * leaves - 1):
        (first, a), (second, b) = heapq.heappop(heap), heapq.heappop(heap)
        parents[a] = parents[b] = node
        heapq.heappush(heap, (first + second, node))
    depths = np.zeros(2 * leaves - 1, np.int64)
    for node in range(2 * leaves - 3, -1, -1):
        depths[node] = depths[parents[node]] + 1
    return depths[:leaves]


def canonical(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values in the order of their codes, and the code of every value; both int64. Lengths are complete."""
    values = np.flatnonzero(lengths)
    values = values[np.argsort(lengths[values], kind="stable")]
    sizes = lengths[values].astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(1 << (MAX_LENGTH - sizes))])[:-1]
    codes = np.zeros(len(lengths), np.int64)
    codes[values] = starts >> (MAX_LENGTH - sizes)
    return values, codes


def complete(lengths: np.ndarray) -> bool:
    """Return whether every sequence of bits is a sequence of codes, or a single value occurs, which takes no bits."""
    sizes = lengths[lengths > 0].astype(np.int64)
    return bool(len(sizes) == 1 or (1 << (MAX_LENGTH - sizes)).sum() == 1 << MAX_LENGTH)


def encode(planes: Sequence[np.ndarray], alphabet: int) -> bytes:
    """Return the stream of planes of integers 0..alphabet - 1, at most 2^16, each in C order under its own code."""
    flats = [np.ascontiguousarray(plane).reshape(-1).astype(np.int64) for plane in planes]
    tables = [code_lengths(np.bincount(flat, minlength=alphabet)) for flat in flats]
    room = sum(MAX_LENGTH * flat.size + 45 * alphabet for flat in flats) // 8 + 1
    data, at = np.zeros(room, np.uint8), 0
    for flat, lengths in zip(flats, tables, strict=True):
        at = _put_table(data, at, lengths)
        if np.count_nonzero(lengths) > 1:
            at = _put_values(data, at, flat, lengths, canonical(lengths)[1])
    return data[: (at + 7) >> 3].tobytes()


def decode(data: bytes, count: int, size: int, alphabet: int) -> np.ndarray:
    """Inverse of `encode`: (count, size) int32 for `count` planes of `size` values each. Raises StreamError."""
    bits = np.frombuffer(data + bytes(_SLACK), np.uint8).copy()
    end, at = 8 * len(data), 0
    planes = np.zeros((count, size), np.int32)
    lengths = np.zeros(alphabet, np.uint8)
    for plane in planes:
        at = _checked(_get_table(bits, at, end, lengths))
        if not complete(lengths):
            raise StreamError("Huffman code lengths are not those of a complete code: the bytes are damaged")
        values, _ = canonical(lengths)
        if len(values) == 1:
            plane[:] = values[0]
        else:
            at = _checked(_get_values(bits, at, end, values, *_ladder(lengths), plane))
    if (at + 7) >> 3 != len(data) or (at & 7 and data[-1] & ((1 << (8 - (at & 7))) - 1)):
        raise StreamError("Huffman stream does not end where its values do: the bytes are damaged")
    return planes


def _checked(at: int) -> int:
    if at == _TRUNCATED:
        raise StreamError("Huffman stream ends before its values do: the bytes are damaged")
    if at == _BAD_TABLE:
        raise StreamError("Huffman code lengths are out of range: the bytes are damaged")
    return at


def _ladder(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return limits, bases and lookup, int64, which turn a window of MAX_LENGTH bits into the place of its code.

    `limits[n]` is the first window whose code is longer than n bits; place = (window >> (MAX_LENGTH - n)) -
    `bases[n]`; `lookup` gives for the first bits of a window the length to begin the search with.
    """
    numbers = np.bincount(lengths, minlength=MAX_LENGTH + 1).astype(np.int64)
    numbers[0] = 0
    spans = numbers << (MAX_LENGTH - np.arange(MAX_LENGTH + 1))
    limits = np.cumsum(spans)
    bases = ((limits - spans) >> (MAX_LENGTH - np.arange(MAX_LENGTH + 1))) - (np.cumsum(numbers) - numbers)
    windows = np.arange(1 << _LOOKUP_BITS, dtype=np.int64) << (MAX_LENGTH - _LOOKUP_BITS)
    return limits, bases, np.searchsorted(limits, windows, side="right")


@inline
def _put(data: np.ndarray, at: Int, value: Int, width: Int) -> Int:
    """Write the low `width` bits of `value` at bit `at`; returns the next place."""
    while width > 0:
        free = 8 - (at & 7)
        take = min(free, width)
        width -= take
        data[at >> 3] |= ((value >> width) & ((1 << take) - 1)) << (free - take)
        at += take
    return at


@inline
def _window(data: np.ndarray, at: Int, width: Int) -> Int:
    """The `width` (0..24) bits at bit `at`, which is not beyond the end."""
    i = np.uint64(at >> 3)
    high = (np.int64(data[i]) << 24) | (np.int64(data[i + np.uint64(1)]) << 16)
    low = (np.int64(data[i + np.uint64(2)]) << 8) | np.int64(data[i + np.uint64(3)])
    return ((high | low) >> (32 - (at & 7) - width)) & ((1 << width) - 1)


@kernel
def _put_table(data: np.ndarray, at: Int, lengths: np.ndarray) -> Int:
    previous: Int = _FIRST_LENGTH
    i = 0
    while i < lengths.size:
        length = np.int64(lengths[i])
        if length == 0:
            run = 1
            while i + run < lengths.size and lengths[i + run] == 0:
                run += 1
            width = 0
            while run >> (width + 1) != 0:
                width += 1
            at = _put(data, at, 15, 4) + width
            at = _put(data, at, run, width + 1)
            i += run
            continue
        if length == previous:
            at += 1
        elif length == previous + 1:
            at = _put(data, at, 2, 2)
        elif length == previous - 1:
            at = _put(data, at, 6, 3)
        else:
            at = _put(data, at, (14 << 5) | length, 9)
        previous = length
        i += 1
    return at


@kernel
def _get_table(data: np.ndarray, at: Int, end: Int, lengths: np.ndarray) -> Int:
    """Fill `lengths`; return the next place, or _TRUNCATED or _BAD_TABLE."""
    previous: Int = _FIRST_LENGTH
    i = 0
    while i < lengths.size:
        if at >= end:
            return _TRUNCATED
        ones = 0
        while ones < 4 and _window(data, at + ones, 1) == 1:
            ones += 1
        at += min(ones + 1, 4)
        if ones == 4:
            width = 0
            while width <= 16 and _window(data, at, 1) == 0 and at < end:
                width += 1
                at += 1
            run = _window(data, at, width + 1)
            at += width + 1
            if width > 16 or run > lengths.size - i:
                return _BAD_TABLE
            lengths[i : i + run] = 0
            i += run
            continue
        if ones == 1:
            previous += 1
        elif ones == 2:
            previous -= 1
        elif ones == 3:
            previous = _window(data, at, 5)
            at += 5
        if previous < 1 or previous > MAX_LENGTH:
            return _BAD_TABLE
        lengths[i] = previous
        i += 1
    return at if at <= end else _TRUNCATED


@kernel
def _put_values(data: np.ndarray, at: Int, values: np.ndarray, lengths: np.ndarray, codes: np.ndarray) -> Int:
    """Write the codes of `values` from bit `at` on; return the next place.

    `data` uint8 (n,): zero from bit `at` on, and long enough.
    `at`: place in `data`, in bits.
    `values` int64 (m,): 0..alphabet - 1.
    `lengths` uint8 (alphabet,), `codes` int64 (alphabet,): length in bits, and code, of every value.
    """
    for value in values:
        at = _put(data, at, codes[value], np.int64(lengths[value]))
    return at


@kernel
def _get_values(
    data: np.ndarray,
    at: Int,
    end: Int,
    values: np.ndarray,
    limits: np.ndarray,
    bases: np.ndarray,
    lookup: np.ndarray,
    out: np.ndarray,
) -> Int:
    """Read as many values as `out` has places; return the next place, or _TRUNCATED.

    `data` uint8 (n + _SLACK,): the stream, and zeros behind it.
    `at`, `end`: place of the first code, and the stream's length, in bits.
    `values` int64 (used,): values in the order of their codes.
    `limits`, `bases` int64 (MAX_LENGTH + 1,), `lookup` int64 (2^_LOOKUP_BITS,): from `_ladder`.
    `out` int32 (m,), filled.
    """
    for i in range(out.size):
        if at >= end:
            return _TRUNCATED
        window = _window(data, at, MAX_LENGTH)
        length = lookup[window >> (MAX_LENGTH - _LOOKUP_BITS)]
        while window >= limits[length]:
            length += 1
        out[i] = values[(window >> (MAX_LENGTH - length)) - bases[length]]
        at += length
    return at if at <= end else _TRUNCATED
