"""Kernels of the entropy coding of baseline JPEG files (T.81, F.1.2 and F.2.2): coefficients to bits and back.

Blocks are int16 (n, 64), in the order of an interleaved scan, coefficients in zigzag order. `pattern` int64 (k,) tells
the component of each block of an MCU, `table_of` int64 (3,) which of the Huffman tables a component uses.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.file.huffman_codes import LONGEST, LOOKUP_BITS, NO_SYMBOL
from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

DC, AC = 0, 1
END_OF_BLOCK, SIXTEEN_ZEROS = 0x00, 0xF0
BITS, COUNT, POSITION, LAST_DC = range(4)  # of a writer's state, int64 (6,); LAST_DC: of the first of three components
MOST_DC_BITS, MOST_AC_BITS = 11, 10  # of differences of DC, and of AC, in 8-bit baseline files
MOST_DC, MOST_AC = 1023, 1023
PADDING = 8  # bytes behind a stream that is read
BAD_CODE, TOO_SHORT = -1, -2
_WINDOW = 32


@borrowing
def _put(code: Int, length: Int, state: np.ndarray, out: np.ndarray) -> None:
    """Append `length` bits (0 to 27) of `code`; whole bytes go to `out`, a zero byte behind each 255."""
    state[BITS] = (state[BITS] << length) | code
    state[COUNT] += length
    while state[COUNT] >= 8:
        state[COUNT] -= 8
        byte = (state[BITS] >> state[COUNT]) & 255
        out[state[POSITION]] = byte
        state[POSITION] += 1
        if byte == 255:
            out[state[POSITION]] = 0
            state[POSITION] += 1
    state[BITS] &= 255


@borrowing
def _say(
    kind: Int,
    table: Int,
    symbol: Int,
    extra: Int,
    counts: np.ndarray,
    codes: np.ndarray,
    state: np.ndarray,
    out: np.ndarray,
) -> None:
    """Count a symbol where `out` is empty; write its code otherwise, and the low bits of `extra` that it announces."""
    if out.size == 0:
        counts[kind, table, symbol] += 1
        return
    code = codes[kind, table, symbol]
    _put(code >> 8, code & 255, state, out)
    size = symbol & 15
    if size:
        _put((extra - (extra < 0)) & ((1 << size) - 1), size, state, out)


@borrowing
def _size(value: Int) -> Int:
    """Return the number of bits of the magnitude of `value`."""
    size, value = 0, abs(value)
    while value:
        size, value = size + 1, value >> 1
    return size


@borrowing_kernel
def write_blocks(
    blocks: np.ndarray,
    pattern: np.ndarray,
    table_of: np.ndarray,
    counts: np.ndarray,
    codes: np.ndarray,
    state: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write all blocks, or count their symbols.

    `counts` int64 (2, tables, 256): of DC and AC symbols, added to where `out` is empty.
    `codes` int64 (2, tables, 256): 256 * code + length.
    `state` int64 (6,): of the bit writer, zeros at first. `out` uint8: room for all bytes, or empty.
    """
    for n in range(blocks.shape[0]):
        component = pattern[n % pattern.size]
        table = table_of[component]
        difference = np.int64(blocks[n, 0]) - state[LAST_DC + component]
        state[LAST_DC + component] += difference
        _say(DC, table, _size(difference), difference, counts, codes, state, out)
        zeros = 0
        for k in range(1, 64):
            value = np.int64(blocks[n, k])
            if value == 0:
                zeros += 1
                continue
            while zeros > 15:
                _say(AC, table, SIXTEEN_ZEROS, 0, counts, codes, state, out)
                zeros -= 16
            _say(AC, table, zeros << 4 | _size(value), value, counts, codes, state, out)
            zeros = 0
        if zeros:
            _say(AC, table, END_OF_BLOCK, 0, counts, codes, state, out)


@borrowing
def _window(data: np.ndarray, bit: Int) -> Int:
    """Return the 32 bits of `data` that begin at `bit`."""
    at = bit >> 3
    wide = np.int64(data[at]) << 32 | np.int64(data[at + 1]) << 24 | np.int64(data[at + 2]) << 16
    wide |= np.int64(data[at + 3]) << 8 | np.int64(data[at + 4])
    return (wide >> (8 - (bit & 7))) & 0xFFFFFFFF


@borrowing
def _symbol(window: Int, quick: np.ndarray, limits: np.ndarray, symbols: np.ndarray) -> Int:
    """Return 256 * length + symbol of the code at the top of `window`; NO_SYMBOL where none is."""
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
def _extended(window: Int, length: Int, size: Int) -> Int:
    """Return the value of `size` extra bits behind a code of `length` bits."""
    value = (window >> (_WINDOW - length - size)) & ((1 << size) - 1)
    return value if value >> (size - 1) & 1 or size == 0 else value - (1 << size) + 1


@borrowing
def _read_ac(
    data: np.ndarray, bit: Int, bits: Int, quick: np.ndarray, limits: np.ndarray, symbols: np.ndarray, block: np.ndarray
) -> Int:
    """Fill the AC coefficients of a block; return the bit behind it, or less than 0: what is wrong."""
    k = 1
    while k < 64:
        if bit > bits:
            return TOO_SHORT
        window = _window(data, bit)
        found = _symbol(window, quick, limits, symbols)
        length, zeros, size = found >> 8, found >> 4 & 15, found & 15
        if found == NO_SYMBOL or size > MOST_AC_BITS:
            return BAD_CODE
        bit += length + size
        if size == 0 and zeros < 15:
            return bit  # END_OF_BLOCK; codes for longer runs of such are of progressive files
        k += zeros
        if k > 63:
            return BAD_CODE
        if size:
            block[k] = _extended(window, length, size)
        k += 1
    return bit


@borrowing_kernel
def read_blocks(
    data: np.ndarray,
    bits: Int,
    pattern: np.ndarray,
    table_of: np.ndarray,
    quick: np.ndarray,
    limits: np.ndarray,
    symbols: np.ndarray,
    last: np.ndarray,
    blocks: np.ndarray,
) -> Int:
    """Read all blocks; return the number of bits read, or less than 0: BAD_CODE or TOO_SHORT.

    `data` uint8: the stream without stuffed zeros, PADDING bytes more at the end. `bits`: how many there are.
    `quick` int64 (2, tables, 1024), `limits` int64 (2, tables, 2, 17): of DC and AC codes, see `HuffmanTable.lookup`.
    `symbols` uint8 (2, tables, 256). `last` int64 (3,): zeros, overwritten. `blocks` int16 (n, 64): zeros, filled.
    """
    bit = 0
    for n in range(blocks.shape[0]):
        component = pattern[n % pattern.size]
        table = table_of[component]
        window = _window(data, bit)
        found = _symbol(window, quick[DC, table], limits[DC, table], symbols[DC, table])
        length, size = found >> 8, found & 255
        if found == NO_SYMBOL or size > MOST_DC_BITS:
            return BAD_CODE
        last[component] += _extended(window, length, size)
        if abs(last[component]) > MOST_DC:
            return BAD_CODE
        blocks[n, 0] = last[component]
        bit = _read_ac(
            data, bit + length + size, bits, quick[AC, table], limits[AC, table], symbols[AC, table], blocks[n]
        )
        if bit < 0:
            return bit
        if bit > bits:
            return TOO_SHORT
    return bit
