"""FORMAT.md 10a, jpeg: files between bytes and quantised coefficients, and the samples of decoder 0, in Python."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

ZIGZAG = sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8))
Codes = dict[str, int]  # symbols by the bits of their codes


@dataclass(frozen=True)
class File:
    """`blocks`: (rows, columns, 64) of each component, whole MCUs; `steps`: (64,); both in natural order."""

    height: int
    width: int
    sampling: int  # H of the first component, which is V
    steps: list[np.ndarray]
    blocks: list[np.ndarray]


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and contents up to SOS; last, as marker 0, the scan."""
    assert data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9"
    at, marker = 2, 0
    while marker != 0xDA:
        begin, marker, size = struct.unpack_from(">BBH", data, at)
        assert begin == 0xFF
        yield marker, data[at + 4 : at + 2 + size]
        at += 2 + size
    yield 0, data[at:-2]


def _codes(counts: bytes, symbols: bytes) -> Codes:
    """T.81, C.2."""
    found, code, at = Codes(), 0, 0
    for length, count in enumerate(counts, 1):
        for symbol in symbols[at : at + count]:
            found[f"{code:0{length}b}"] = symbol
            code += 1
        at, code = at + count, code << 1
    return found


class _Bits:
    def __init__(self, scan: bytes) -> None:
        self.bits = "".join(f"{byte:08b}" for byte in scan.replace(b"\xff\0", b"\xff"))
        self.at = 0

    def symbol(self, codes: Codes) -> int:
        end = self.at + 1
        while self.bits[self.at : end] not in codes:
            end += 1
            assert end - self.at <= 16
        symbol, self.at = codes[self.bits[self.at : end]], end
        return symbol

    def number(self, size: int) -> int:
        """T.81, F.2.2.1, EXTEND."""
        if not size:
            return 0
        value = int(self.bits[self.at : self.at + size], 2)
        self.at += size
        return value if value >> (size - 1) else value - (1 << size) + 1

    def block(self, dc: Codes, ac: Codes, before: int) -> np.ndarray:
        """Coefficients, natural order; `before`: DC of the block before."""
        out, at = np.zeros(64, np.int64), 1
        out[0] = before + self.number(self.symbol(dc))
        while at < 64:
            run, size = divmod(self.symbol(ac), 16)
            if not size and run != 15:
                break
            at += run
            out[ZIGZAG[at]] = self.number(size)
            at += 1
        return out


def read_file(data: bytes) -> File:
    """A JPEG file that is as section 10a says."""
    steps: list[np.ndarray] = []
    codes: dict[int, Codes] = {}
    for marker, content in _segments(data):
        if marker == 0xDB:
            steps.append(np.array([content[1 + ZIGZAG.index(n)] for n in range(64)], np.int64))
        elif marker == 0xC0:
            bits, height, width, count = struct.unpack_from(">BHHB", content)
            assert bits == 8
            sampling = content[7] & 15
            assert content[7] >> 4 == sampling
        elif marker == 0xC4:
            codes[content[0]] = _codes(content[1:17], content[17:])
        elif marker == 0:
            blocks = _scan(content, codes, _grids(height, width, sampling, count))
    return File(height, width, sampling, [steps[min(c, 1)] for c in range(count)], blocks)


def _grids(height: int, width: int, sampling: int, count: int) -> list[tuple[int, int]]:
    rows, columns = (-(-side // (8 * sampling)) for side in (height, width))
    return [(rows * sampling, columns * sampling)] + [(rows, columns)] * (count - 1)


def _scan(content: bytes, codes: dict[int, Codes], grids: list[tuple[int, int]]) -> list[np.ndarray]:
    bits, before = _Bits(content), [0] * len(grids)
    blocks = [np.zeros((*grid, 64), np.int64) for grid in grids]
    rows, columns = grids[-1]
    for i, j in np.ndindex(rows, columns):
        for c, grid in enumerate(grids):
            side = grid[0] // rows
            for y, x in np.ndindex(side, side):
                block = bits.block(codes[min(c, 1)], codes[16 | min(c, 1)], before[c])
                blocks[c][side * i + y, side * j + x], before[c] = block, block[0]
    assert len(bits.bits) - bits.at < 8
    return blocks


def _inverse(d: np.ndarray) -> np.ndarray:
    """T of eight numbers along the first axis."""
    z = 4433 * (d[2] + d[6])
    low, m = z - 15137 * d[6], z + 6270 * d[2]
    s, t = 8192 * (d[0] + d[4]), 8192 * (d[0] - d[4])
    e = s + m, t + low, t - low, s - m
    f = 9633 * (d[7] + d[3] + d[5] + d[1])
    g, h = f - 16069 * (d[7] + d[3]), f - 3196 * (d[5] + d[1])
    j, k = -7373 * (d[7] + d[1]), -20995 * (d[5] + d[3])
    o = 12299 * d[1] + j + h, 25172 * d[3] + k + g, 16819 * d[5] + k + h, 2446 * d[7] + j + g
    return np.stack([a + b for a, b in zip(e, o, strict=True)] + [a - b for a, b in zip(e, o, strict=True)][::-1])


def linear(block: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Samples (8, 8) of a block, by the linear inverse DCT of 13 bits."""
    w = (_inverse((block * steps).reshape(8, 8)) + 1024) >> 11
    return np.clip(((_inverse(w.T).T + 131072) >> 18) + 128, 0, 255)


def enlarged(c: np.ndarray, height: int, width: int) -> np.ndarray:
    """Chroma of half the size, as large as the picture: interpolated, or replicated if it is narrow."""
    y, x = np.arange(height), np.arange(width)
    if c.shape[1] <= 2:
        return c[y // 2][:, x // 2]
    far = np.clip(np.where(y % 2, y // 2 + 1, y // 2 - 1), 0, len(c) - 1)
    r = 3 * c[y // 2] + c[far]
    beside = np.clip(np.where(x % 2, x // 2 + 1, x // 2 - 1), 0, c.shape[1] - 1)
    return (3 * r[:, x // 2] + r[:, beside] + 8 - x % 2) >> 4


def colours(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    """RGB (h, w, 3) of luma and chroma."""
    b, r = cb - 128, cr - 128
    red, blue = y + ((91881 * r + 32768) >> 16), y + ((116130 * b + 32768) >> 16)
    return np.clip(np.stack([red, y + ((-22554 * b - 46802 * r + 32768) >> 16), blue], -1), 0, 255)
