"""What the pixels of a TIFF file are: its tags, checked and turned into a grid of segments."""

from __future__ import annotations

import numpy as np

from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.tiff.directory import Directory
from tilepress.pipeline.formats.tiff.grid import DEFLATE, LZW, NONE, OLD_DEFLATE, PACKBITS, ZSTD, TiffLayout
from tilepress.pipeline.formats.tiff.tables import with_segments

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES, _ROWS, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 284, 317, 322, 323
_SUB_IFDS, _INK_SET, _EXTRA, _FORMAT = 330, 332, 338, 339
_MAX_PADDING = 1 << 22  # pixels

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
_WITHOUT_PHOTOMETRIC = {1: 0, 2: 0, 3: 2, 4: 2}  # samples a pixel -> what readers take for meant


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
    seg_height = directory.value(_TILE_HEIGHT) if tiled else min(directory.value(_ROWS, height) or height, height)
    if min(seg_width, seg_height) < 1:
        raise UnsupportedPicture(f"TIFF with tiles of {seg_width} x {seg_height} pixels")
    if -(-width // seg_width) * seg_width * -(-height // seg_height) * seg_height > 4 * width * height + _MAX_PADDING:
        raise LimitExceeded(f"TIFF of {width} x {height} in tiles of {seg_width} x {seg_height}: nearly all is padding")
    planar = directory.value(_PLANAR, 1) if channels > 1 else 1
    if planar not in (1, 2):
        raise UnsupportedPicture(f"TIFF with planar configuration {planar}")
    none = np.empty(0, np.int64)
    layout = TiffLayout(
        mode, width, height, channels, bits, directory.order, compression, predictor, tiled,
        channels if planar == 2 else 1, seg_width, seg_height, none, none,
    )  # fmt: skip
    return with_segments(layout, directory, limits)


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
    channels = directory.value(_SAMPLES, 1)
    photometric = directory.value(_PHOTOMETRIC, _WITHOUT_PHOTOMETRIC.get(channels, -1))
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
