"""The entropy-coded bytes of a scan without what is stuffed between them; and the codes and bits that they hold."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tilepress.codecs.jpeg.file.huffman_codes import LONGEST, LOOKUP_BITS, NO_SYMBOL
from tilepress.codecs.jpeg.file.segments import RST0
from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

OK, BAD_CODE, TOO_SHORT, LEFT_OVER = 0, -1, -2, -3  # what reading says of a scan
PADDING = 32  # bytes behind those that were coded, for what looks ahead
_WINDOW = 32
# The two arrays that `HuffmanTable.lookup` returns, and the symbols, uint8 (256,).
Codes: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


@borrowing_kernel
def remove_stuffing(raw: np.ndarray, plain: np.ndarray, ends: np.ndarray) -> Int:
    """Fill `plain` with the bytes that were coded; return OK, or less: what is wrong with the restart markers.

    `raw` uint8: as they are in a file: a zero behind each 255, restart markers between intervals, fill bytes.
    `plain` uint8: room for as many. `ends` int64 (intervals,): filled with the place behind each interval in `plain`.
    """
    at = n = found = 0
    while at < raw.size:
        byte = raw[at]
        at += 1
        if byte != 255:
            plain[n] = byte
            n += 1
            continue
        if at == raw.size or raw[at] == 255:
            continue  # a fill byte
        if raw[at] == 0:
            plain[n] = 255
            n += 1
        elif found + 1 >= ends.size or raw[at] != RST0 + (found & 7):
            return LEFT_OVER
        else:
            ends[found] = n
            found += 1
        at += 1
    ends[found] = n
    return OK if found + 1 == ends.size else TOO_SHORT


@borrowing
def peek(data: np.ndarray, bit: Int) -> Int:
    """Return the 32 bits of `data` that begin at `bit`."""
    at = bit >> 3
    wide = np.int64(data[at]) << 32 | np.int64(data[at + 1]) << 24 | np.int64(data[at + 2]) << 16
    wide |= np.int64(data[at + 3]) << 8 | np.int64(data[at + 4])
    return (wide >> (8 - (bit & 7))) & 0xFFFFFFFF


@borrowing
def find_code(window: Int, codes: Codes) -> Int:
    """Return 256 * length + symbol of the code at the top of `window`; NO_SYMBOL where none is."""
    quick, limits, symbols = codes
    found = quick[window >> (_WINDOW - LOOKUP_BITS)]
    length = LOOKUP_BITS
    while found == NO_SYMBOL and length < LONGEST:
        length += 1
        code = window >> (_WINDOW - length)
        place = code + limits[1, length]
        if code < limits[0, length] and 0 <= place < symbols.size:
            found = length << 8 | np.int64(symbols[place])
    return found


@borrowing
def extra_bits(window: Int, length: Int, size: Int) -> Int:
    """Return the `size` bits behind a code of `length` bits."""
    return (window >> (_WINDOW - length - size)) & ((1 << size) - 1)


@borrowing
def extended(window: Int, length: Int, size: Int) -> Int:
    """Return the value of `size` extra bits behind a code of `length` bits."""
    value = extra_bits(window, length, size)
    return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


@borrowing
def bit_at(data: np.ndarray, bit: Int) -> Int:
    """Return the bit of `data` at `bit`."""
    return np.int64(data[bit >> 3]) >> (7 - (bit & 7)) & 1
