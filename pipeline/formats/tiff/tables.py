"""Where the strips or tiles of a TIFF file lie: its tables, checked, and taken as common readers take odd ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.tiff.directory import Directory
from tilepress.pipeline.formats.tiff.grid import NONE, TiffLayout

_OFFSETS, _COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 279, 324, 325
_MAX_SEGMENTS = 1 << 20
_VIRTUAL_BYTES = 1 << 20


def with_segments(layout: TiffLayout, directory: Directory, limits: Limits) -> TiffLayout:
    """Return a layout with its tables of segments. UnsupportedPicture, LimitExceeded, DamagedPicture."""
    segment = layout.seg_row_bytes * layout.seg_height
    if layout.compression == NONE and not layout.tiled:
        segment = min(segment, layout.seg_row_bytes)
    band = segment * (layout.across if layout.tiled else 1)
    if band > limits.max_whole_bytes:
        raise LimitExceeded(f"TIFF whose segments decode to {band} bytes; the limit is {limits.max_whole_bytes} bytes")
    offsets = directory.values(table_codes(directory, layout.tiled)[0])
    if layout.compression == NONE and not layout.tiled and layout.planes == len(offsets) == 1:
        layout = replace(layout, seg_height=layout.height)  # one strip is the image, whatever RowsPerStrip says
    expected = layout.planes * layout.down * layout.across
    if expected > _MAX_SEGMENTS:
        raise LimitExceeded(f"TIFF of {expected} strips or tiles; the limit is {_MAX_SEGMENTS}")
    if len(offsets) < expected:
        raise DamagedPicture(f"TIFF: {len(offsets)} strips or tiles where the size needs {expected}")
    counts = directory.values(table_codes(directory, layout.tiled)[1], ())
    more = "a table of more strips or tiles than the image has" if max(len(offsets), len(counts)) > expected else ""
    layout = replace(layout, offsets=offsets[:expected], describes_bytes=directory.describes_bytes or more)
    sizes = _uncompressed_sizes if layout.compression == NONE else _compressed_sizes
    layout = replace(layout, sizes=sizes(layout, counts[:expected], len(directory.source)))
    _check_places(layout, directory)
    return layout if layout.compression != NONE or layout.tiled else _virtual_strips(layout)


def table_codes(directory: Directory, tiled: bool) -> tuple[int, int]:
    """Return the tags of offsets and sizes of the segments: some writers put tiles under those of strips."""
    pairs = ((_TILE_OFFSETS, _OFFSETS), (_TILE_COUNTS, _COUNTS))
    offsets, counts = (_present(directory, *(pair if tiled else pair[::-1])) for pair in pairs)
    return offsets, counts


def _present(directory: Directory, own: int, other: int) -> int:
    return other if other in directory.tags and own not in directory.tags else own


def _compressed_sizes(layout: TiffLayout, counts: np.ndarray, _: int) -> np.ndarray:
    if not len(counts):
        raise UnsupportedPicture("TIFF that does not say how many bytes its compressed strips or tiles have")
    if len(counts) < len(layout.offsets):
        raise DamagedPicture(f"TIFF: sizes of {len(counts)} strips or tiles where the image has {len(layout.offsets)}")
    return counts


def _uncompressed_sizes(layout: TiffLayout, counts: np.ndarray, file_bytes: int) -> np.ndarray:
    """Bytes of the pixels: what more the tables claim belongs to the rest of the file."""
    stored = _table(layout, [layout.seg_rows(row) for row in range(layout.down)])
    least = _table(layout, [layout.image_rows(row) for row in range(layout.down)])  # without a tile's padding
    if not len(counts):
        return stored
    if len(counts) < len(stored):
        raise UnsupportedPicture(f"TIFF with sizes of {len(counts)} strips or tiles where it has {len(stored)}")
    short = counts < least
    sizes = np.where(short, stored, np.minimum(counts, stored))
    if short.any() and (layout.offsets + sizes).max() > file_bytes:
        raise DamagedPicture("TIFF: truncated, its pixels lie beyond the end of the file")
    if short.any() and len(short) > 1:  # of one strip, every reader knows how long it must be
        raise UnsupportedPicture("TIFF that gives strips or tiles fewer bytes than their pixels have")
    return sizes


def _table(layout: TiffLayout, rows: list[int]) -> np.ndarray:
    """Bytes of segments that hold `rows` rows, of each row of the grid."""
    return np.tile(np.repeat(np.array(rows, np.int64) * layout.seg_row_bytes, layout.across), layout.planes)


def _check_places(layout: TiffLayout, directory: Directory) -> None:
    """Segments lie in the file, and overlap neither each other nor the directory."""
    if min(layout.sizes.min(), layout.offsets.min()) < 1:
        raise UnsupportedPicture("TIFF with strips or tiles that are missing (sparse), or of 0 bytes")
    starts, ends = layout.offsets, layout.offsets + layout.sizes
    if ends.max() > len(directory.source):
        raise DamagedPicture("TIFF: truncated, its pixels lie beyond the end of the file")
    by_start = np.argsort(starts, kind="stable")
    starts, ends = starts[by_start], ends[by_start]
    if (starts[1:] < ends[:-1]).any():
        raise UnsupportedPicture("TIFF with strips or tiles that share bytes is not supported yet")
    for start, end in directory.structures:
        at = int(np.searchsorted(ends, start, side="right"))
        if start < end and at < len(starts) and starts[at] < end:
            raise UnsupportedPicture("TIFF whose pixels and directory share bytes is not supported yet")


def _virtual_strips(layout: TiffLayout) -> TiffLayout:
    """Uncompressed strips cut into shorter ones, so that a file of one huge strip is read in bands too."""
    most = max(1, _VIRTUAL_BYTES // layout.seg_row_bytes)
    if most >= layout.seg_height:
        return layout
    # several strips are cut at their common edges; one strip anywhere
    rows = most if layout.down == 1 else next(r for r in range(most, 0, -1) if layout.seg_height % r == 0)
    starts = np.arange(0, layout.height, rows, dtype=np.int64)
    strip, inside = np.divmod(starts, layout.seg_height)
    sizes = np.minimum(rows, layout.height - starts) * layout.seg_row_bytes
    offsets = layout.offsets.reshape(layout.planes, -1)[:, strip] + inside * layout.seg_row_bytes
    return replace(layout, seg_height=rows, offsets=offsets.ravel(), sizes=np.tile(sizes, layout.planes))
