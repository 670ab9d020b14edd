"""Kernels that read the entropy-coded bytes of a scan (T.81, F.2.2 and G.1.2 with G.2): bits to coefficients."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.file.bit_reader import (
    BAD_CODE,
    LEFT_OVER,
    OK,
    TOO_SHORT,
    Codes,
    bit_at,
    extended,
    extra_bits,
    find_code,
    peek,
)
from tilepress.codecs.jpeg.file.huffman_codes import NO_SYMBOL
from tilepress.codecs.jpeg.file.huffman_walk import AC, DC, MOST_AC_BITS, MOST_DC_BITS
from tilepress.codecs.jpeg.file.tables import ZIGZAG
from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

# What a scan codes, int64 (5,): coefficients FIRST to LAST; their bits from LOW on, those above HIGH being known, or
# none if HIGH is 0; PROGRESSIVE is 1 where runs of ended blocks may be.
FIRST, LAST, HIGH, LOW, PROGRESSIVE = range(5)
# A row of a layout, int64 (components, 6): the number of the component's first block, and of blocks a row; its blocks
# in an MCU; its Huffman tables.
OFFSET, STRIDE, ACROSS, DOWN, DC_TABLE, AC_TABLE = range(6)
# State, int64 (6,): the next bit; blocks yet to come that a run has ended; the last DC of each component.
BIT, RUN, LAST_DC = range(3)
STATE = LAST_DC + 4
_MOST_DC = (1 << MOST_DC_BITS) - 1


@borrowing
def _read_dc(data: np.ndarray, n: Int, low: Int, codes: Codes, state: np.ndarray, block: np.ndarray) -> Int:
    """Read the upper bits of the DC coefficient of a block of the scan's component `n`."""
    window = peek(data, state[BIT])
    found = find_code(window, codes)
    length, size = found >> 8, found & 255
    if found == NO_SYMBOL or size > MOST_DC_BITS:
        return BAD_CODE
    value = state[LAST_DC + n] + extended(window, length, size)
    if abs(value) << low > _MOST_DC:
        return BAD_CODE
    state[LAST_DC + n] = value
    state[BIT] += length + size
    block[0] = value << low
    return OK


@borrowing
def _read_ac(data: np.ndarray, end: Int, band: np.ndarray, codes: Codes, state: np.ndarray, block: np.ndarray) -> Int:
    """Read the upper bits of the AC coefficients of a block."""
    if state[RUN] > 0:
        state[RUN] -= 1
        return OK
    bit, low, last = state[BIT], band[LOW], band[LAST]
    k = max(band[FIRST], 1)
    while k <= last:
        if bit > end:
            return TOO_SHORT
        window = peek(data, bit)
        found = find_code(window, codes)
        length, zeros, size = found >> 8, found >> 4 & 15, found & 15
        if found == NO_SYMBOL or size > MOST_AC_BITS - low:
            return BAD_CODE
        bit += length + size
        if size == 0 and zeros < 15:
            if zeros and not band[PROGRESSIVE]:
                return BAD_CODE
            state[RUN] = (1 << zeros) + extra_bits(window, length, zeros) - 1
            bit += zeros
            break
        k += zeros
        if k > last:
            return BAD_CODE
        if size:
            block[ZIGZAG[k]] = extended(window, length, size) << low
        k += 1
    state[BIT] = bit
    return OK


@borrowing
def _refine(data: np.ndarray, k: Int, last: Int, zeros: Int, low: Int, state: np.ndarray, block: np.ndarray) -> Int:
    """Add a bit to each coefficient that is not 0, from `k` on; return the place behind `zeros` that are."""
    bit = state[BIT]
    while k <= last:
        value = np.int64(block[ZIGZAG[k]])
        if value != 0:
            step = bit_at(data, bit) << low
            block[ZIGZAG[k]] = value + step if value > 0 else value - step
            bit += 1
        elif zeros == 0:
            break
        else:
            zeros -= 1
        k += 1
    state[BIT] = bit
    return k


@borrowing
def _refine_ac(data: np.ndarray, end: Int, band: np.ndarray, codes: Codes, state: np.ndarray, block: np.ndarray) -> Int:
    """Read one more bit of the AC coefficients of a block (T.81, G.1.2.3)."""
    low, last = band[LOW], band[LAST]
    k = band[FIRST]
    while k <= last and state[RUN] == 0:
        if state[BIT] > end:
            return TOO_SHORT
        window = peek(data, state[BIT])
        found = find_code(window, codes)
        length, zeros, size = found >> 8, found >> 4 & 15, found & 15
        if found == NO_SYMBOL or size > 1:
            return BAD_CODE
        state[BIT] += length
        if size == 0 and zeros < 15:
            state[RUN] = (1 << zeros) + extra_bits(window, length, zeros)
            state[BIT] += zeros
            break
        value = (2 * bit_at(data, state[BIT]) - 1) << low
        state[BIT] += size
        k = _refine(data, k, last, zeros, low, state, block)
        if k > last:
            return BAD_CODE
        if size:
            block[ZIGZAG[k]] = value
        k += 1
    if state[RUN] > 0:
        _refine(data, k, last, 64, low, state, block)
        state[RUN] -= 1
    return OK


@borrowing
def _read_block(
    data: np.ndarray,
    end: Int,
    n: Int,
    part: np.ndarray,
    band: np.ndarray,
    codes: Codes,
    state: np.ndarray,
    block: np.ndarray,
) -> Int:
    """Read what a scan tells of a block of its component `n`, before the bit `end`."""
    quick, limits, symbols = codes
    dc, ac, wrong = part[DC_TABLE], part[AC_TABLE], OK
    if band[FIRST] == 0 and band[HIGH]:
        block[0] += bit_at(data, state[BIT]) << band[LOW]
        state[BIT] += 1
    elif band[FIRST] == 0:
        own = quick[DC, dc], limits[DC, dc], symbols[DC, dc]
        wrong = _read_dc(data, n, band[LOW], own, state, block)
    if wrong == OK and band[LAST] > 0:
        own = quick[AC, ac], limits[AC, ac], symbols[AC, ac]
        if band[HIGH]:
            wrong = _refine_ac(data, end, band, own, state, block)
        else:
            wrong = _read_ac(data, end, band, own, state, block)
    return TOO_SHORT if wrong == OK and state[BIT] > end else wrong


@borrowing_kernel
def read_blocks(
    data: np.ndarray,
    ends: np.ndarray,
    interval: Int,
    rows: Int,
    columns: Int,
    layout: np.ndarray,
    band: np.ndarray,
    codes: Codes,
    state: np.ndarray,
    blocks: np.ndarray,
) -> Int:
    """Read the blocks of a scan; return OK, or less: BAD_CODE, TOO_SHORT or LEFT_OVER.

    `data` uint8: as `remove_stuffing` leaves it, PADDING bytes more at the end. `ends` int64 (intervals,): in bytes.
    `interval`: how many MCUs each has, the last one or more. `rows`, `columns`: of MCUs.
    `layout` int64 (components, 6), `band` int64 (5,): of the scan, see above.
    `codes`: int64 (2, tables, 1024) and (2, tables, 2, 17), of DC and AC, as `HuffmanTable.lookup` returns them; and
    symbols, uint8 (2, tables, 256). `state` int64 (6,): zeros, overwritten.
    `blocks` int16 (n, 64): of all components, coefficients in natural order; zeros before the first scan.
    """
    part, left = 0, interval
    for mcu in range(rows * columns):
        if left == 0:
            if state[RUN] or not 0 <= 8 * ends[part] - state[BIT] < 8:
                return LEFT_OVER
            state[:] = 0
            state[BIT] = 8 * ends[part]
            part, left = part + 1, interval
        left -= 1
        row, column = mcu // columns, mcu % columns
        for n in range(layout.shape[0]):
            each = layout[n]
            for y in range(row * each[DOWN], (row + 1) * each[DOWN]):
                for x in range(column * each[ACROSS], (column + 1) * each[ACROSS]):
                    block = blocks[each[OFFSET] + y * each[STRIDE] + x]
                    wrong = _read_block(data, 8 * ends[part], n, each, band, codes, state, block)
                    if wrong:
                        return wrong
    return OK if state[RUN] == 0 and 0 <= 8 * ends[part] - state[BIT] < 8 else LEFT_OVER
