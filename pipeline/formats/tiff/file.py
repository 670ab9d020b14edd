"""TIFF files: pixels out in bands, and the file back around them, byte for byte where the compressor allows.

The container is the file with its strips or tiles cut out, so every tag, every other directory (EXIF, GPS), every
offset and every stray byte stays as and where it was. Segments are compressed as the file says and go back to their
places; one that has grown goes to the end, and only then the tables of offsets and sizes are changed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import numpy as np

from tilepress.pipeline.errors import UnsupportedPicture
from tilepress.pipeline.formats.bands import checked, regroup
from tilepress.pipeline.formats.container import Container, pack_container, reading_container
from tilepress.pipeline.formats.picture import NO_LIMITS, Limits, Picture
from tilepress.pipeline.formats.tiff.directory import Directory, read_directory
from tilepress.pipeline.formats.tiff.grid import DEFLATE, NONE, OLD_DEFLATE, TiffLayout
from tilepress.pipeline.formats.tiff.layout import read_layout
from tilepress.pipeline.formats.tiff.segments import Encoder, decode_segment, encode_segment, guess_encoder, holds_more
from tilepress.pipeline.formats.tiff.skeleton import CutFile, Placement, cut_out
from tilepress.pipeline.formats.zlib_settings import DeflateSettings

_CLASSIC_MAX = 1 << 32
_GDAL_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE="
_C2PA = 52545  # tag: a signature over the file's bytes
_GDAL_NODATA = 42113  # tag: the value of pixels that hold nothing


def read_tiff(source: bytes | mmap.mmap, limits: Limits, byte_exact: bool) -> Picture:
    """Describe a TIFF file of one page. Raises PictureError."""
    directory = read_directory(source)
    layout = read_layout(directory, limits)
    skeleton = cut_out(source, layout)
    encoder, proven = _find_encoder(source, layout) if byte_exact else (Encoder(), False)
    if byte_exact and not proven and not directory.big and len(source) + 2 * layout.nbytes > _CLASSIC_MAX:
        raise UnsupportedPicture("TIFF that could outgrow 4 GB when its pixels are compressed again")
    if byte_exact and not proven:
        _require_nothing_behind(source, layout)
    described = layout.describes_bytes or _description_of_bytes(source, directory)
    header = {"format": "tiff", "encoder": encoder.to_list()} | ({"exact": True} if described else {})
    return Picture(
        format="tiff",
        mode=layout.mode,
        width=layout.width,
        height=layout.height,
        dtype=layout.dtype,
        bit_depth=layout.bits,
        container=pack_container(header, *skeleton.to_blobs()),
        read_bands=partial(_read_bands, source, layout),
        has_reserved_value=_GDAL_NODATA in directory.tags,
        describes_bytes=described,
    )


def _require_nothing_behind(source: bytes | mmap.mmap, layout: TiffLayout) -> None:
    """UnsupportedPicture if a segment's bytes hold more than its pixels, such as another directory."""
    for number in range(len(layout.offsets)):
        row = number % (layout.down * layout.across) // layout.across
        if holds_more(_stored(source, layout, number), layout, layout.seg_rows(row)):
            raise UnsupportedPicture(f"TIFF whose strip or tile {number} holds more than its pixels")


def _description_of_bytes(source: bytes | mmap.mmap, directory: Directory) -> str:
    """What in the file describes its stored bytes: see Picture.describes_bytes."""
    header = 16 if directory.big else 8
    if source[header : header + len(_GDAL_GHOST)] == _GDAL_GHOST:  # says that tiles lie between their sizes
        return "GDAL's structural metadata"
    return "a C2PA manifest" if _C2PA in directory.tags else ""


def _find_encoder(source: bytes | mmap.mmap, layout: TiffLayout) -> tuple[Encoder, bool]:
    """The encoder to rebuild with, and whether it is proven to give the file's own bytes."""
    if layout.compression == NONE and layout.bits >= 8 and not layout.tiled:
        return Encoder(), True  # samples and stored bytes are the same
    first = next(_stored_segments(source, layout))
    encoder = guess_encoder(first[1], first[0], layout)
    if encoder is None:
        return Encoder(), False
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        return encoder, False  # deflating everything again takes longer than all else, and seldom tells otherwise
    segments = _stored_segments(source, layout)
    proven = all(encode_segment(samples, layout, encoder) == stored for stored, samples in segments)
    return (encoder, True) if proven else (Encoder(), False)


def _stored_segments(source: bytes | mmap.mmap, layout: TiffLayout) -> Iterator[tuple[bytes, np.ndarray]]:
    """(stored bytes, samples with all padding set to 0) of every segment."""
    for number in range(len(layout.offsets)):
        row, column = divmod(number % (layout.down * layout.across), layout.across)
        stored = _stored(source, layout, number)
        samples = decode_segment(stored, layout, row)
        height, width = layout.image_rows(row), layout.width - column * layout.seg_width
        yield stored, _padded(samples[:height, :width], layout)


def _stored(source: bytes | mmap.mmap, layout: TiffLayout, number: int) -> bytes:
    at = int(layout.offsets[number])
    return source[at : at + int(layout.sizes[number])]


def _read_bands(source: bytes | mmap.mmap, layout: TiffLayout, rows: int) -> Iterator[np.ndarray]:
    return regroup((_grid_row(source, layout, row) for row in range(layout.down)), rows)


def _grid_row(source: bytes | mmap.mmap, layout: TiffLayout, row: int) -> np.ndarray:
    """Pixels (n, width, channels) of the segments side by side."""
    height = layout.image_rows(row)
    band = np.empty((height, layout.width, layout.channels), layout.dtype)
    for plane in range(layout.planes):
        target = band if layout.planes == 1 else band[:, :, plane : plane + 1]
        for column in range(layout.across):
            stored = _stored(source, layout, layout.index(plane, row, column))
            samples = decode_segment(stored, layout, row)
            place = target[:, column * layout.seg_width : (column + 1) * layout.seg_width]
            place[...] = samples[:height, : place.shape[1]]
    return band


def _opened(container: Container) -> tuple[CutFile, Encoder, Directory, TiffLayout]:
    with reading_container():
        skeleton = CutFile.from_blobs(*container.blobs)
        encoder = Encoder.from_list(container.header["encoder"])
        directory = read_directory(skeleton)
        return skeleton, encoder, directory, read_layout(directory, NO_LIMITS)


def fast_tiff(container: Container) -> Container:
    """Return the container of a file with the same pixels and metadata, compressed fast as it says. IntegrityError."""
    with reading_container():
        encoder = Encoder.from_list(container.header["encoder"])
    fast = replace(encoder, settings=DeflateSettings(level=1), libdeflate_level=0, zstd_level=1)
    return replace(container, header={**container.header, "encoder": fast.to_list()})


def rebuild_tiff(container: Container, bands: Iterator[np.ndarray], out: BinaryIO) -> None:
    """Write the file to the seekable and empty `out`. IntegrityError for a wrong container or wrong pixels."""
    skeleton, encoder, directory, layout = _opened(container)
    skeleton.write(out)
    placement = Placement(directory, layout, len(skeleton), out)
    fitting = checked(bands, layout.width, layout.height, layout.channels, layout.dtype)
    for row, band in enumerate(regroup(fitting, layout.seg_height)):
        for number, samples in _segments(band, layout, row):
            placement.put(number, encode_segment(samples, layout, encoder))
    placement.finish()


def _segments(band: np.ndarray, layout: TiffLayout, row: int) -> Iterator[tuple[int, np.ndarray]]:
    for plane in range(layout.planes):
        samples = band if layout.planes == 1 else band[:, :, plane : plane + 1]
        for column in range(layout.across):
            part = samples[:, column * layout.seg_width : (column + 1) * layout.seg_width]
            yield layout.index(plane, row, column), _padded(part, layout)


def _padded(samples: np.ndarray, layout: TiffLayout) -> np.ndarray:
    """A tile at the edge at its full size, zeros around its pixels; strips are stored as short as they are."""
    if not layout.tiled or samples.shape[:2] == (layout.seg_height, layout.seg_width):
        return samples
    tile = np.zeros((layout.seg_height, layout.seg_width, samples.shape[2]), samples.dtype)
    tile[: samples.shape[0], : samples.shape[1]] = samples
    return tile
