"""JPEG files of any script of scans, sequential or progressive, written bit by bit as T.81 says (F.1.2, G.1.2, G.2)."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import Coefficients, Sampling
from tilepress.codecs.jpeg.file.huffman_codes import best_table
from tilepress.codecs.jpeg.file.tables import ZIGZAG

DC, AC = 0, 1
LONGEST_RUN = 0x7FFF


@dataclass(frozen=True)
class Script:
    """How a file is written. A scan: its components, the coefficients first to last, and bits from `high` to `low`."""

    scans: tuple[tuple[tuple[int, ...], int, int, int, int], ...]
    progressive: bool = False
    interval: int = 0
    factors: tuple[Sampling, ...] | None = None  # of each component, if they are not the usual ones
    names: bytes = b"\1\2\3"
    before: bytes = b""  # segments before each other segment


SEQUENTIAL = Script((((0, 1, 2), 0, 63, 0, 0),))
ALONE = Script(tuple(((n,), 0, 63, 0, 0) for n in range(3)))
MIXED = Script((((1, 2), 0, 63, 0, 0), ((0,), 0, 63, 0, 0)), interval=5)
# that of libjpeg, but for AC of Cb, which is told alone, in three bands
PROGRESSIVE = Script(
    (
        ((0, 1, 2), 0, 0, 0, 1),
        ((0,), 1, 5, 0, 2),
        ((2,), 1, 63, 0, 1),
        ((1,), 1, 2, 0, 3),
        ((1,), 3, 63, 0, 0),
        ((0,), 6, 63, 0, 2),
        ((0,), 1, 63, 2, 1),
        ((1,), 1, 2, 3, 2),
        ((0, 1, 2), 0, 0, 1, 0),
        ((2,), 1, 63, 1, 0),
        ((1,), 1, 1, 2, 1),
        ((1,), 2, 2, 2, 1),
        ((1,), 1, 2, 1, 0),
        ((0,), 1, 63, 1, 0),
    ),
    progressive=True,
)
DC_ALONE = Script(
    tuple(((n,), 0, 0, 0, 0) for n in range(3)) + tuple(((n,), 1, 63, 0, 0) for n in range(3)), progressive=True
)
SCRIPTS = {"sequential": SEQUENTIAL, "alone": ALONE, "mixed": MIXED, "progressive": PROGRESSIVE, "DC alone": DC_ALONE}


@dataclass
class _Scan:
    """What a scan says: for each interval, symbols of a table (or None) with the bits that follow them."""

    intervals: list[list[tuple[tuple[int, int] | None, int, str]]] = field(default_factory=lambda: [[]])
    run: int = 0  # blocks that ended
    late: str = ""  # bits that belong behind the code of the run

    def say(self, table: tuple[int, int] | None, symbol: int, bits: str = "") -> None:
        self.intervals[-1].append((table, symbol, bits))

    def end_run(self, table: tuple[int, int]) -> None:
        if self.run:
            size = self.run.bit_length() - 1
            self.say(table, size << 4, _binary(self.run - (1 << size), size) + self.late)
        self.run, self.late = 0, ""


def _binary(value: int, size: int) -> str:
    return format(value, f"0{size}b") if size else ""


def _magnitude(value: int) -> tuple[int, str]:
    """Size and extra bits of a value (T.81, F.1.2.1)."""
    size = abs(value).bit_length()
    return size, _binary(value if value > 0 else value + (1 << size) - 1, size)


def file_of(image: Coefficients, script: Script) -> bytes:
    """The file of coefficients; blocks that fill up MCUs are coded as they are, or as zeros where there are none."""
    usual = (image.sampling, (1, 1), (1, 1))[: image.components]
    script = replace(script, factors=script.factors or usual)
    out = [b"\xff\xd8", *_tables(image), _frame(image, script)]
    if script.interval:
        out.append(_segment(0xDD, struct.pack(">H", script.interval)))
    for scan in script.scans:
        out += _scan(image, script, *scan)
    return script.before.join(out) + script.before + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _tables(image: Coefficients) -> Iterator[bytes]:
    """A segment of all tables, of 16 bits where steps need them."""
    tables = [table[ZIGZAG] for table in image.tables]
    wide = [table.max() > 255 for table in tables]
    packed = [
        bytes([is_wide << 4 | slot]) + table.astype(">u2" if is_wide else "u1").tobytes()
        for slot, (table, is_wide) in enumerate(zip(tables, wide, strict=True))
    ]
    yield _segment(0xDB, b"".join(packed))


def _frame(image: Coefficients, script: Script) -> bytes:
    assert script.factors is not None
    head = struct.pack(">BHHB", 8, image.height, image.width, image.components)
    rest = (bytes([script.names[n], h << 4 | v, n]) for n, (h, v) in enumerate(script.factors))
    return _segment(0xC2 if script.progressive else 0xC1, head + b"".join(rest))


def _blocks(image: Coefficients, script: Script, components: tuple[int, ...]) -> Iterator[list[tuple[int, list[int]]]]:
    """For each MCU of a scan, the number and the coefficients, in zigzag order, of each of its blocks."""
    assert script.factors is not None
    most = [max(sizes) for sizes in zip(*script.factors, strict=True)]
    units = [(1, 1) if len(components) == 1 else script.factors[n] for n in components]
    shape = [-(-image.width // (8 * most[0])), -(-image.height // (8 * most[1]))]
    if len(components) == 1:
        own = script.factors[components[0]]
        sizes = -(-image.width * own[0] // most[0]), -(-image.height * own[1] // most[1])
        shape = [-(-size // 8) for size in sizes]
    for row in range(shape[1]):
        for column in range(shape[0]):
            places = [
                (n, row * down + y, column * across + x)
                for n, (across, down) in zip(components, units, strict=True)
                for y in range(down)
                for x in range(across)
            ]
            yield [(n, _block(image.blocks[n], y, x)) for n, y, x in places]


def _block(blocks: np.ndarray, y: int, x: int) -> list[int]:
    inside = y < blocks.shape[0] and x < blocks.shape[1]
    return [int(value) for value in blocks[y, x][ZIGZAG]] if inside else [0] * 64


def _scan(
    image: Coefficients, script: Script, components: tuple[int, ...], first: int, last: int, high: int, low: int
) -> Iterator[bytes]:
    """The Huffman tables of a scan, each in a segment, its header and its bytes."""
    said, before = _Scan(), dict.fromkeys(components, 0)
    slots = {n: min(i, 1) for i, n in enumerate(components)}
    for number, mcu in enumerate(_blocks(image, script, components)):
        if script.interval and number and number % script.interval == 0:
            said.end_run((AC, 0))
            said.intervals.append([])
            before = dict.fromkeys(components, 0)
        for n, block in mcu:
            if first == 0:
                _say_dc(said, block[0], before, n, slots[n], high, low)
            if last and high:
                _say_refined(said, (AC, slots[n]), block[max(first, 1) : last + 1], low)
            elif last:
                _say_ac(said, (AC, slots[n]), block[max(first, 1) : last + 1], low, script.progressive)
    said.end_run((AC, 0))
    codes = yield from _codes(said)
    which = b"".join(bytes([script.names[n], slots[n] * 0x11]) for n in components)
    header = bytes([len(components)]) + which + bytes([first, last, high << 4 | low])
    yield _segment(0xDA, header) + _coded(said, codes)


def _say_dc(said: _Scan, value: int, before: dict[int, int], n: int, slot: int, high: int, low: int) -> None:
    if high:
        said.say(None, 0, _binary(value >> low & 1, 1))
        return
    size, bits = _magnitude((value >> low) - before[n])
    said.say((DC, slot), size, bits)
    before[n] = value >> low


def _say_ac(said: _Scan, table: tuple[int, int], values: list[int], low: int, runs: bool) -> None:
    zeros = 0
    for value in values:
        shifted = (abs(value) >> low) * (1 if value > 0 else -1)
        if not shifted:
            zeros += 1
            continue
        said.end_run(table)
        while zeros > 15:
            said.say(table, 0xF0)
            zeros -= 16
        size, bits = _magnitude(shifted)
        said.say(table, zeros << 4 | size, bits)
        zeros = 0
    if zeros:
        said.run += 1
        if said.run == LONGEST_RUN or not runs:
            said.end_run(table)


def _say_refined(said: _Scan, table: tuple[int, int], values: list[int], low: int) -> None:
    shifted = [abs(value) >> low for value in values]
    new = [k for k, value in enumerate(shifted) if value == 1]
    zeros, bits = 0, ""
    for k, value in enumerate(shifted):
        if value == 0:
            zeros += 1
            continue
        while zeros > 15 and new and k <= new[-1]:
            said.end_run(table)
            said.say(table, 0xF0, bits)
            zeros, bits = zeros - 16, ""
        if value > 1:
            bits += _binary(value & 1, 1)
            continue
        said.end_run(table)
        said.say(table, zeros << 4 | 1, _binary(values[k] > 0, 1) + bits)
        zeros, bits = 0, ""
    if zeros or bits:
        said.run, said.late = said.run + 1, said.late + bits
        if said.run == LONGEST_RUN:
            said.end_run(table)


def _codes(said: _Scan) -> Generator[bytes, None, dict[tuple[tuple[int, int], int], str]]:
    """The DHT segments of a scan; returns the codes of each table, as text of bits."""
    counts: dict[tuple[int, int], np.ndarray] = defaultdict(lambda: np.zeros(256, np.int64))
    for table, symbol, _ in (word for words in said.intervals for word in words):
        if table is not None:
            counts[table][symbol] += 1
    codes = {}
    for (kind, slot), count in counts.items():
        best = best_table(count)
        yield _segment(0xC4, bytes([kind << 4 | slot, *best.counts]) + best.symbols)
        numbers, lengths = best.codes()
        for symbol in np.flatnonzero(lengths):
            codes[(kind, slot), int(symbol)] = _binary(int(numbers[symbol]), int(lengths[symbol]))
    return codes


def _coded(said: _Scan, codes: dict[tuple[tuple[int, int], int], str]) -> bytes:
    """The bytes of all intervals, filled up with ones, with restart markers between them."""
    out = b""
    for number, words in enumerate(said.intervals):
        text = "".join((codes[table, symbol] if table else "") + bits for table, symbol, bits in words)
        text += "1" * (-len(text) % 8)
        data = int(text, 2).to_bytes(len(text) // 8) if text else b""
        out += (bytes([0xFF, 0xD0 + (number - 1) % 8]) if number else b"") + data.replace(b"\xff", b"\xff\0")
    return out
