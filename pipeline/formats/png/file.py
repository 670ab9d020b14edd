"""PNG files: pixels out in bands, and the file back around them, byte for byte where zlib allows.

The container (container.py) keeps every chunk but IDAT verbatim, trailing bytes included, and what tells how the rest
was written.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np

from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.bands import checked, regroup
from tilepress.pipeline.formats.container import Container, reading_container, whole
from tilepress.pipeline.formats.packed_samples import pack_samples, unpack_samples
from tilepress.pipeline.formats.picture import Limits, Picture
from tilepress.pipeline.formats.png.chunks import SIGNATURE, Header, Pass, PngFile, chunk, has_chunk, parse_header, scan
from tilepress.pipeline.formats.png.container import LEAST, exact_container, plain_container
from tilepress.pipeline.formats.png.rows import filter_least, filter_rows, unfilter
from tilepress.pipeline.formats.png.stream import Rows, filtered_rows, survey
from tilepress.pipeline.formats.zlib_settings import Deflater, DeflateSettings, ZlibProbe, guess_settings

_BAND_BYTES = 1 << 20
_IDAT_BYTES = 1 << 16
_PREFIX = 1 << 20  # of the filtered rows: enough to recognise the zlib settings


def read_png(source: bytes | mmap.mmap, limits: Limits, byte_exact: bool) -> Picture:
    """Describe a PNG file; everything is inflated and checked once. Raises PictureError."""
    header = parse_header(source)
    file = scan(source, header, limits)
    types, rows = survey(file)
    return Picture(
        format="png",
        mode=header.mode,
        width=header.width,
        height=header.height,
        dtype=header.dtype,
        bit_depth=header.bits,
        container=exact_container(file, types, rows) if byte_exact else plain_container(file),
        read_bands=partial(_read_bands, file, rows),
        has_reserved_value=has_chunk(file.head, b"tRNS"),
        palette_size=file.palette_size,
        describes_bytes=file.describes_bytes,
    )


def _read_bands(file: PngFile, inflated: list[Rows] | None, rows: int) -> Iterator[np.ndarray]:
    samples = _progressive(file.header, filtered_rows(file) if inflated is None else inflated)
    if file.header.interlaced:
        samples = _interlaced(file.header, samples)
    return regroup((band for _, _, band in samples), rows)


def _progressive(header: Header, inflated: Iterable[Rows]) -> Iterator[tuple[Pass, int, np.ndarray]]:
    for part, y, filtered in inflated:
        if y == 0:
            above = np.zeros(filtered.shape[1] - 1, np.uint8)
        packed = unfilter(filtered, above, header.pixel_bytes)
        above = packed[-1]
        yield part, y, unpack_samples(packed, part.width, header.channels, header.bits)


def _interlaced(
    header: Header, passes: Iterator[tuple[Pass, int, np.ndarray]]
) -> Iterator[tuple[Pass, int, np.ndarray]]:
    image = np.zeros((header.height, header.width, header.channels), header.dtype)
    for part, y, samples in passes:
        rows = slice(part.y + y * part.step_y, None, part.step_y)
        image[rows, part.x :: part.step_x][: len(samples)] = samples
    yield header.passes[0], 0, image


def rebuild_png(container: Container, bands: Iterator[np.ndarray], out: BinaryIO) -> None:
    """Write the file: the kept chunks around freshly compressed `bands`. IntegrityError for a wrong container."""
    with reading_container():
        writer = _Writer(container)
    writer.write(bands, out)


class _Writer:
    """How one file is written: what its container says, checked."""

    def __init__(self, container: Container) -> None:
        self.head, self.tail, *rest = container.blobs
        self.header = parse_header(self.head)
        if not self.head.startswith(SIGNATURE):
            raise IntegrityError("image container: no PNG signature")
        self.types: np.ndarray | None = None
        self.sizes: Iterator[int] = _repeat(_IDAT_BYTES)
        self.probe: ZlibProbe | None = None
        self.settings: DeflateSettings | None = None
        if "zlib" in container.header:
            self.probe = ZlibProbe.from_list(container.header["zlib"])
        if "deflate" in container.header:
            self.settings = DeflateSettings.from_list(container.header["deflate"])
        if self.probe or self.settings:
            self._set_layout(container, *rest)

    def _set_layout(self, container: Container, types: bytes, sizes: bytes | None = None) -> None:
        if container.header.get("filters") != LEAST:
            self.types = np.frombuffer(types, np.uint8)
            if len(types) != sum(p.height for p in self.header.passes) or self.types.max() > 4:
                raise IntegrityError("image container: its row filters do not fit the image")
        if sizes is None:
            self.sizes = _repeat(whole(container.header["idat"], 1, (1 << 31) - 1))
        else:
            self.sizes = iter([*np.frombuffer(sizes, "<u4").tolist(), -1])

    def write(self, bands: Iterator[np.ndarray], out: BinaryIO) -> None:
        header = self.header
        fitting = checked(bands, header.width, header.height, header.channels, header.dtype)
        out.write(self.head)
        for content in _split(self._deflated(fitting), self.sizes):
            out.write(chunk(b"IDAT", content))
        out.write(self.tail)

    def _deflated(self, bands: Iterator[np.ndarray]) -> Iterator[bytes]:
        rows = self._filtered(bands)
        prefix = bytearray()
        while self.probe is not None and len(prefix) < _PREFIX and (piece := next(rows, b"")):
            prefix += piece
        deflater = Deflater(self._settings(bytes(prefix)))
        yield deflater.feed(bytes(prefix))
        for piece in rows:
            yield deflater.feed(piece)
        yield deflater.finish()

    def _settings(self, prefix: bytes) -> DeflateSettings:
        if self.settings is not None:
            return self.settings
        found = guess_settings(prefix, self.probe, complete=len(prefix) < _PREFIX) if self.probe else None
        return found or DeflateSettings.no_harder_than(self.probe)

    def _filtered(self, bands: Iterator[np.ndarray]) -> Iterator[bytes]:
        done = 0
        above: np.ndarray | None = None
        for first, samples in _pass_bands(self.header, bands):
            packed = pack_samples(samples, self.header.bits)
            above = np.zeros(packed.shape[1], np.uint8) if first or above is None else above
            rows = self._rows(packed, above, done)
            above = packed[-1]
            done += len(packed)
            yield rows.tobytes()

    def _rows(self, packed: np.ndarray, above: np.ndarray, done: int) -> np.ndarray:
        if self.types is None and self.header.chooses_types:
            return filter_least(packed, above, self.header.pixel_bytes)
        types = np.zeros(len(packed), np.uint8) if self.types is None else self.types[done : done + len(packed)]
        return filter_rows(packed, above, self.header.pixel_bytes, types)


def _pass_bands(header: Header, bands: Iterator[np.ndarray]) -> Iterator[tuple[bool, np.ndarray]]:
    """(whether a pass begins, samples) in the order of the file."""
    rows = max(1, _BAND_BYTES // header.row_bytes(header.width))
    if not header.interlaced:
        for at, band in enumerate(regroup(bands, rows)):
            yield at == 0, band
        return
    image = np.concatenate(list(bands))
    for part in header.passes:
        yield True, image[part.y :: part.step_y, part.x :: part.step_x]


def _repeat(size: int) -> Iterator[int]:
    while True:
        yield size


def _split(pieces: Iterator[bytes], sizes: Iterator[int]) -> Iterator[bytes]:
    """Contents of the IDAT chunks. A size of -1 takes all that is left, which may be nothing."""
    waiting = bytearray()
    size = next(sizes)
    for piece in pieces:
        waiting += piece
        while 0 <= size <= len(waiting):
            yield bytes(waiting[:size])
            del waiting[:size]
            size = next(sizes, -1)
        while size < 0 and len(waiting) > _IDAT_BYTES:
            yield bytes(waiting[:_IDAT_BYTES])
            del waiting[:_IDAT_BYTES]
    if waiting:
        yield bytes(waiting)
