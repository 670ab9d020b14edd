"""Reader of JPEG files of any program: Huffman-coded, 8 bits, baseline, extended sequential or progressive.

A file that is damaged in any way is refused: nothing is guessed, where decoders would warn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
from tilepress.codecs.jpeg.file.block_grid import BlockGrid
from tilepress.codecs.jpeg.file.coefficients import Coefficients, Sampling, block_shapes
from tilepress.codecs.jpeg.file.frame import Colours, Frame, colours_of, read_frame, sampling_of
from tilepress.codecs.jpeg.file.huffman_codes import NO_CODES, HuffmanTable, read_tables
from tilepress.codecs.jpeg.file.huffman_walk import AC, DC
from tilepress.codecs.jpeg.file.scan import Scan, read_scan
from tilepress.codecs.jpeg.file.scan_header import KnownBits, ScanHeader, read_scan_header
from tilepress.codecs.jpeg.file.segments import (
    DAC,
    DHP,
    DHT,
    DNL,
    DQT,
    DRI,
    EOI,
    EXP,
    FRAMES,
    SOS,
    Segment,
    check_scans,
    is_metadata,
    segments,
)
from tilepress.codecs.jpeg.file.tables import read_steps

_MAX_TABLES = 1 << 12  # of Huffman codes: honest progressive files have one or two a scan
_MAX_WORK = 1 << 33  # coefficients that scans visit: some ten seconds
_BLOCK_WORK = 8  # coefficients whose time a block takes besides its own
_REFUSED = {
    DAC: "JPEG with arithmetic coding is not supported",
    DNL: "JPEG whose height follows its first scan (DNL) is not supported",
    DHP: "JPEG of several frames (hierarchical) is not supported",
    EXP: "JPEG of several frames (hierarchical) is not supported",
}


@dataclass(frozen=True, eq=False)
class ForeignFile:
    """A file whose headers are sound, and whose scans are large enough for the picture that they describe.

    `width`, `height`: pixels, 1..65500. `sampling`, `tables`: those of `Coefficients`.
    """

    width: int
    height: int
    sampling: Sampling
    colours: Colours
    tables: tuple[np.ndarray, ...]
    _grid: BlockGrid
    _scans: tuple[tuple[Scan, bytes], ...]

    def coefficients(self) -> Coefficients:
        """Return the quantised coefficients. StreamError for a scan that is damaged, too short or too long.

        Memory is that of the picture, twice where it has unusual sampling factors: check `width` and `height` first.
        The picture has at most eight blocks a byte of the file.
        """
        blocks = np.zeros((self._grid.blocks, 64), np.int16)
        for scan, data in self._scans:
            read_scan(data, scan, self._grid, blocks)
        shapes = block_shapes(self.width, self.height, self.sampling, len(self.tables))
        parts = tuple(
            np.ascontiguousarray(self._grid.of_component(blocks, component)[:rows, :columns])
            for component, (rows, columns) in enumerate(shapes)
        )
        return Coefficients(self.width, self.height, self.sampling, self.tables, parts)


def read_foreign(data: bytes) -> ForeignFile:
    """Return what the headers of a JPEG file say; nothing is decoded yet. What follows its EOI is not looked at.

    Raises UnsupportedError, with a reason for people, for arithmetic and lossless coding, other precisions than 8 bits,
    hierarchical files, heights that follow later (DNL), two or four components, and samplings that SAMPLINGS lacks;
    TooLarge for scans that would take minutes; StreamError for files that are damaged or incomplete.
    """
    parser = _Parser(data)
    for segment in segments(data):
        if segment.marker != EOI:
            parser.take(segment)
    return parser.finish()


class _Picture:
    """A frame, and the scans that code it."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.sampling = frame, sampling_of(frame)
        count = len(frame.components)
        self.grid = BlockGrid(frame.width, frame.height, tuple(each.factors for each in frame.components))
        self.scans: list[tuple[Scan, bytes]] = []
        self.tables: dict[int, np.ndarray] = {}  # of each component, from its first scan on, as libjpeg has it
        self._known, self._work = KnownBits(count), 0

    def add(self, header: ScanHeader, data: bytes, tables: _Tables) -> None:
        """Take a scan, with the tables that hold where it stands."""
        self._known.add(header)
        for component in header.components:
            if component not in self.tables:
                self.tables[component] = tables.steps_of(self.frame.components[component].table)
        scan = Scan(header.components, tables.codes(header), header.band, tables.interval)
        scan.require_bytes(self.grid, len(data))
        self._work += scan.blocks(self.grid) * (header.band.last - header.band.first + 1 + _BLOCK_WORK)
        if self._work > _MAX_WORK:
            raise TooLarge("JPEG whose scans would take minutes to read")
        self.scans.append((scan, data))
        check_scans(len(self.scans))

    @property
    def complete(self) -> bool:
        """Whether scans tell all of it."""
        return self._known.complete


class _Tables:
    """The tables and the restart interval that hold for the next scan."""

    def __init__(self) -> None:
        self._steps: dict[int, np.ndarray] = {}
        self.interval = self._tables_read = 0
        self._huffman: dict[int, HuffmanTable] = {}

    def take_steps(self, content: bytes) -> None:
        """Take a DQT segment."""
        self._steps.update((slot, table) for slot, table in read_steps(content))

    def steps_of(self, slot: int) -> np.ndarray:
        """Return the quantisation steps of a slot. StreamError where it has none."""
        if slot not in self._steps:
            raise StreamError(f"JPEG file: no quantisation table {slot} stands before the scan that needs it")
        return self._steps[slot]

    def take_codes(self, content: bytes) -> None:
        """Take a DHT segment."""
        for slot, table in read_tables(content):
            self._tables_read += 1
            if self._tables_read > _MAX_TABLES:
                raise TooLarge(f"JPEG of more than {_MAX_TABLES} Huffman tables")
            self._huffman[slot] = table

    def take_interval(self, content: bytes) -> None:
        """Take a DRI segment."""
        if len(content) != 2:
            raise StreamError("JPEG file: its restart interval has another length")
        self.interval = int.from_bytes(content)

    def codes(self, header: ScanHeader) -> tuple[tuple[HuffmanTable, HuffmanTable], ...]:
        """Return the DC and the AC table of each component of a scan; NO_CODES where it needs none."""
        dc, ac = header.band.first == header.band.high == 0, header.band.last > 0
        return tuple(
            (self._code(DC, slots[DC]) if dc else NO_CODES, self._code(AC, slots[AC]) if ac else NO_CODES)
            for slots in header.slots
        )

    def _code(self, kind: int, slot: int) -> HuffmanTable:
        if not self._tables_read:
            raise UnsupportedError("JPEG without Huffman tables, as in Motion JPEG, is not supported")
        if kind << 4 | slot not in self._huffman:
            raise StreamError(f"JPEG file: no Huffman table {slot} stands before the scan that needs it")
        return self._huffman[kind << 4 | slot]


class _Parser:
    """What the segments of a file say, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._tables = data, _Tables()
        self._picture: _Picture | None = None
        self._metadata: list[bytes] = []
        self._takes = {
            DQT: self._tables.take_steps,
            DHT: self._tables.take_codes,
            DRI: self._tables.take_interval,
        }

    def take(self, segment: Segment) -> None:
        """Take a segment."""
        content = segment.content(self._data)
        if segment.marker in FRAMES:
            if self._picture:
                raise UnsupportedError("JPEG of several frames (hierarchical) is not supported")
            self._picture = _Picture(read_frame(segment.marker, content))
        elif segment.marker in self._takes:
            self._takes[segment.marker](content)
        elif segment.marker == SOS:
            if not self._picture:
                raise StreamError("JPEG file: a scan before the frame header")
            header = read_scan_header(content, self._picture.frame)
            self._picture.add(header, self._data[segment.end : segment.scan_end], self._tables)
        elif not is_metadata(segment.marker):
            raise UnsupportedError(
                _REFUSED.get(segment.marker, f"JPEG with a segment {segment.marker:#x}, which is not known")
            )
        elif not self._picture or not self._picture.scans:
            self._metadata.append(self._data[segment.start : segment.end])

    def finish(self) -> ForeignFile:
        """Return what was found."""
        picture = self._picture
        if not picture or not picture.complete:
            raise StreamError("JPEG file: it ends before all bits of all coefficients are told")
        frame = picture.frame
        return ForeignFile(
            frame.width,
            frame.height,
            picture.sampling,
            colours_of(frame, self._metadata),
            tuple(picture.tables[component] for component in range(len(frame.components))),
            picture.grid,
            tuple(picture.scans),
        )
