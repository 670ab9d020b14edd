"""What the pixels of a TIFF file are and where: its tags, checked and turned into a grid of segments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.packed_samples import row_bytes
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.tiff.directory import Directory

OFFSETS, COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES, _ROWS, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 284, 317, 322, 323
_SUB_IFDS, _INK_SET, _EXTRA, _FORMAT = 330, 332, 338, 339
_MAX_SEGMENTS = 1 << 20
_MAX_PADDING = 1 << 22  # pixels
_VIRTUAL_BYTES = 1 << 20

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD = 1, 5, 8, 32946, 32773, 50000
_COMPRESSIONS = frozenset({NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD})
_OTHER_COMPRESSIONS = {
    2: "CCITT",
    3: "CCITT group 3",
    4: "CCITT group 4",
    6: "JPEG",
    7: "JPEG",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
# photometric interpretation -> colour samples, mode without and with alpha
_COLOURS = {0: (1, "L", "LA"), 1: (1, "L", "LA"), 2: (3, "RGB", "RGBA"), 3: (1, "P", ""), 5: (4, "CMYK", "")}


@dataclass(frozen=True)
class TiffLayout:
    """A grid of segments (strips or tiles), `planes` times. Segments are numbered plane, row, column.

    Each holds `seg_height` x `seg_width` pixels of `seg_channels` samples; tiles at the right and lower edge are
    padded, strips at the lower edge are shorter. `offsets`, `sizes`: int64, of the stored segments.
    """

    mode: str
    width: int
    height: int
    channels: int
    bits: int
    order: str
    compression: int
    predictor: int
    tiled: bool
    planes: int
    seg_width: int
    seg_height: int
    offsets: np.ndarray
    sizes: np.ndarray

    @property
    def dtype(self) -> Literal["uint8", "uint16"]:
        """Of the samples."""
        return "uint16" if self.bits == 16 else "uint8"

    @property
    def seg_channels(self) -> int:
        """Samples a pixel in one segment."""
        return 1 if self.planes > 1 else self.channels

    @property
    def across(self) -> int:
        """Segments side by side."""
        return -(-self.width // self.seg_width)

    @property
    def down(self) -> int:
        """Segments one below the other."""
        return -(-self.height // self.seg_height)

    @property
    def seg_row_bytes(self) -> int:
        """Bytes of a decoded row of a segment."""
        return row_bytes(self.seg_width, self.seg_channels, self.bits)

    @property
    def nbytes(self) -> int:
        """Bytes of all decoded segments, padding included."""
        return self.seg_row_bytes * self.seg_height * self.down * self.across * self.planes

    def seg_rows(self, row: int) -> int:
        """Return pixel rows stored in a segment of grid row `row`."""
        return self.seg_height if self.tiled else min(self.seg_height, self.height - row * self.seg_height)

    def index(self, plane: int, row: int, column: int) -> int:
        """Return number of a segment."""
        return (plane * self.down + row) * self.across + column


def read_layout(directory: Directory, limits: Limits) -> TiffLayout:
    """Return the layout of a file, decoding nothing. UnsupportedPicture, LimitExceeded, DamagedPicture."""
    width, height = directory.value(_WIDTH), directory.value(_HEIGHT)
    if width < 1 or height < 1:
        raise DamagedPicture(f"TIFF: impossible size {width} x {height}")
    if width * height > limits.max_pixels:
        raise LimitExceeded(f"TIFF of {width} x {height} pixels; the limit is {limits.max_pixels} pixels")
    compression = directory.value(_COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise UnsupportedPicture(f"TIFF with {_OTHER_COMPRESSIONS.get(compression, compression)} compression")
    _refuse_rarities(directory)
    mode, channels, bits = _samples(directory)
    predictor = directory.value(_PREDICTOR, 1)
    if predictor not in (1, 2) or (predictor == 2 and (bits < 8 or compression in (NONE, PACKBITS))):
        raise UnsupportedPicture(f"TIFF with predictor {predictor} for {bits} bits, compression {compression}")
    tiled = _TILE_WIDTH in directory.tags
    seg_width = directory.value(_TILE_WIDTH) if tiled else width
    seg_height = directory.value(_TILE_HEIGHT) if tiled else min(directory.value(_ROWS, height), height)
    padded = -(-width // max(1, seg_width)) * seg_width * -(-height // max(1, seg_height)) * seg_height
    if min(seg_width, seg_height) < 1 or padded > 4 * width * height + _MAX_PADDING:
        raise DamagedPicture(f"TIFF of {width} x {height} in impossible segments of {seg_width} x {seg_height}")
    planar = directory.value(_PLANAR, 1)
    if planar not in (1, 2):
        raise DamagedPicture(f"TIFF: planar configuration {planar}")
    none = np.empty(0, np.int64)
    layout = TiffLayout(
        mode, width, height, channels, bits, directory.order, compression, predictor, tiled,
        channels if planar == 2 else 1, seg_width, seg_height, none, none,
    )  # fmt: skip
    return _with_segments(layout, directory, limits)


def _refuse_rarities(directory: Directory) -> None:
    if _SUB_IFDS in directory.tags:
        raise UnsupportedPicture("TIFF with pictures inside pictures (SubIFDs) is not supported yet")
    if directory.value(_FILL_ORDER, 1) != 1:
        raise UnsupportedPicture("TIFF with reversed bits (FillOrder 2) is not supported yet")
    formats = set(directory.values(_FORMAT, (1,)).tolist())
    if formats != {1}:
        kind = {2: "signed", 3: "floating-point"}.get(max(formats), "unusual")
        raise UnsupportedPicture(f"TIFF with {kind} samples is not supported yet")


def _samples(directory: Directory) -> tuple[str, int, int]:
    """(mode, channels, bits)"""
    photometric, channels = directory.value(_PHOTOMETRIC), directory.value(_SAMPLES, 1)
    bits = set(directory.values(_BITS, (1,)).tolist())
    if photometric not in _COLOURS or (photometric == 5 and directory.value(_INK_SET, 1) != 1):
        raise UnsupportedPicture(f"TIFF with photometric interpretation {photometric} is not supported yet")
    colours, opaque, with_alpha = _COLOURS[photometric]
    mode = {colours: opaque, colours + 1: with_alpha}.get(channels, "")
    if not mode or (channels > colours and max(directory.values(_EXTRA, (0,)).tolist()) > 2):
        raise UnsupportedPicture(f"TIFF with {channels} samples a pixel, interpretation {photometric}")
    depth = max(bits)
    packed = depth in (1, 2, 4) and channels == 1
    if len(bits) > 1 or not (packed or depth == 8 or (depth == 16 and mode != "P")):
        raise UnsupportedPicture(f"TIFF with {sorted(bits)} bits a sample, mode {mode}, is not supported yet")
    return ("1" if depth == 1 and mode == "L" else mode), channels, depth


def _with_segments(layout: TiffLayout, directory: Directory, limits: Limits) -> TiffLayout:
    segment = layout.seg_row_bytes * layout.seg_height
    if layout.compression == NONE and not layout.tiled:
        segment = min(segment, layout.seg_row_bytes)
    band = segment * (layout.across if layout.tiled else 1)
    if band > limits.max_whole_bytes:
        raise LimitExceeded(f"TIFF whose segments decode to {band} bytes; the limit is {limits.max_whole_bytes} bytes")
    expected = layout.planes * layout.down * layout.across
    if expected > _MAX_SEGMENTS:
        raise LimitExceeded(f"TIFF of {expected} strips or tiles; the limit is {_MAX_SEGMENTS}")
    offsets = directory.values(TILE_OFFSETS if layout.tiled else OFFSETS)
    sizes = directory.values(TILE_COUNTS if layout.tiled else COUNTS)
    if len(offsets) != expected or len(sizes) != expected:
        raise DamagedPicture(f"TIFF: {len(offsets)} strips or tiles where the size needs {expected}")
    if layout.compression == NONE:
        rows = np.array([layout.seg_rows(row) for row in range(layout.down)], np.int64)
        needed = np.tile(np.repeat(rows * layout.seg_row_bytes, layout.across), layout.planes)
        if (sizes < needed).any():
            raise DamagedPicture("TIFF: a strip or tile is shorter than its pixels")
        sizes = needed  # what more there is belongs to the rest of the file
    layout = replace(layout, offsets=offsets, sizes=sizes)
    _check_places(layout, directory)
    return layout if layout.compression != NONE or layout.tiled else _virtual_strips(layout)


def _check_places(layout: TiffLayout, directory: Directory) -> None:
    """Segments lie in the file, and overlap neither each other nor the directory."""
    if (layout.sizes < 1).any():
        raise UnsupportedPicture("TIFF with missing strips or tiles (sparse) is not supported yet")
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
            raise DamagedPicture("TIFF: its pixels overlap its directory")


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
