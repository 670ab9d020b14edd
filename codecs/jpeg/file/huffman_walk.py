"""Kernels of the entropy coding of baseline JPEG files (T.81, F.1.2): coefficients to bits.

Blocks are int16 (n, 64), in the order of an interleaved scan, coefficients in zigzag order. `pattern` int64 (k,) tells
the component of each block of an MCU, `table_of` int64 (3,) which of the Huffman tables a component uses.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

DC, AC = 0, 1
END_OF_BLOCK, SIXTEEN_ZEROS = 0x00, 0xF0
BITS, COUNT, POSITION, LAST_DC = range(4)  # of a writer's state, int64 (6,); LAST_DC: of the first of three components
MOST_DC_BITS, MOST_AC_BITS = 11, 10  # of differences of DC, and of AC, in 8-bit baseline files
MOST_DC, MOST_AC = 1023, 1023


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
