"""Huffman codes as JPEG files state them (T.81, Annexes C and K): how many of each length, and the symbols in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.errors import StreamError

LONGEST = 16
SYMBOLS = 256
LOOKUP_BITS = 10
NO_SYMBOL = -1


@dataclass(frozen=True)
class HuffmanTable:
    """`counts`: 16 numbers of codes, of 1 to 16 bits. `symbols`: 0..255, shorter codes first."""

    counts: tuple[int, ...]
    symbols: bytes

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return code and length of each symbol, int64 (256,) each; length 0: it has none. StreamError if too many."""
        codes, lengths = np.zeros(SYMBOLS, np.int64), np.zeros(SYMBOLS, np.int64)
        code = at = 0
        for length, count in enumerate(self.counts, 1):
            code <<= 1
            for symbol in self.symbols[at : at + count]:
                codes[symbol], lengths[symbol] = code, length
                code += 1
            at += count
            if code >= 1 << length:  # the code of ones alone stays free, as T.81 asks for
                raise StreamError("JPEG file: a Huffman table has too many codes")
        return codes, lengths

    def lookup(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the two arrays in which `read_blocks` finds codes.

        First int64 (1024,): for the next ten bits 256 * length + symbol; NO_SYMBOL where the code is longer. Then int64
        (2, 17): for each length, one past its largest code, and the place of its first symbol less its first code.
        """
        codes, _ = self.codes()
        quick = np.full(1 << LOOKUP_BITS, NO_SYMBOL, np.int64)
        limits = np.zeros((2, LONGEST + 1), np.int64)
        at = 0
        for length, count in enumerate(self.counts, 1):
            for symbol in self.symbols[at : at + count] if length <= LOOKUP_BITS else b"":
                first = int(codes[symbol]) << (LOOKUP_BITS - length)
                quick[first : first + (1 << (LOOKUP_BITS - length))] = length << 8 | symbol
            if count:
                first = int(codes[self.symbols[at]])
                limits[:, length] = first + count, at - first
            at += count
        return quick, limits


NO_CODES = HuffmanTable((0,) * LONGEST, b"")


def read_tables(content: bytes) -> Iterator[tuple[int, HuffmanTable]]:
    """Yield the tables of a DHT segment, each with the byte before it: 16 * kind + slot. StreamError.

    `content`: without marker and length.
    """
    while content:
        counts, symbols = tuple(content[1 : LONGEST + 1]), content[LONGEST + 1 : LONGEST + 1 + sum(content[1:17])]
        if len(counts) < LONGEST or len(symbols) != sum(counts) or len(set(symbols)) != len(symbols):
            raise StreamError("JPEG file: a Huffman table does not hold the codes that it counts")
        yield content[0], HuffmanTable(counts, symbols)
        content = content[1 + LONGEST + len(symbols) :]


def best_table(counts: np.ndarray) -> HuffmanTable:
    """Return an optimal table, lengths limited to 16 bits, for counts (256,) of symbols.

    A last symbol that never comes takes the place of the code of ones alone, which T.81 keeps free.
    """
    frequencies = np.append(counts.astype(np.int64), 1)
    lengths = _lengths(frequencies)
    while lengths.max() > LONGEST:
        frequencies = np.where(frequencies > 0, (frequencies + 1) >> 1, 0)
        lengths = _lengths(frequencies)
    order = sorted((int(lengths[s]), -int(counts[s]), s) for s in range(SYMBOLS) if lengths[s])
    numbers = np.bincount([length for length, _, _ in order], minlength=LONGEST + 1)[1:]
    return HuffmanTable(tuple(numbers.tolist()), bytes(symbol for _, _, symbol in order))


def _lengths(frequencies: np.ndarray) -> np.ndarray:
    """Code lengths of symbols that occur (others 0), by Huffman's merging."""
    lengths = np.zeros(len(frequencies), np.int64)
    heap = [(int(frequency), symbol, [symbol]) for symbol, frequency in enumerate(frequencies) if frequency]
    heapq.heapify(heap)
    while len(heap) > 1:
        first, _, some = heapq.heappop(heap)
        second, key, others = heapq.heappop(heap)
        lengths[some + others] += 1
        heapq.heappush(heap, (first + second, key, some + others))
    return lengths
