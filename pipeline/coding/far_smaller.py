"""Whether bytes are so much fewer than any coder makes of a picture that none need be asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import zstandard

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.stream import samples_to_bytes
from tilepress.pipeline.coding.tiles import grid

_QUICK = Settings(effort=3)  # of JPEG XL: fifteen times as fast as its usual effort
# Of photographs, drawings and textures that had been JPEG files, JPEG XL's usual effort made 0.82 or more of the quick
# one, and Zstandard's fastest level 1.5 times it or more; of pictures that repeat themselves that makes far less.
_FAR = 0.4
_UNREPEATED = 1.5
_SIDE, _MOST_TILES = 512, 16  # that are coded: of larger pictures, few tiles tell more surely


def is_far_smaller(nbytes: int, samples: np.ndarray, spec: TileSpec) -> bool:
    """Tell whether so many bytes are fewer than any lossless coder makes of a picture; False where that is in doubt.

    Args:
        nbytes: What is stored instead of the picture.
        samples: (h, w, c), uint8 or uint16.
        spec: Of the whole picture.
    """
    boxes = grid(spec.width, spec.height, _SIDE)
    if len(boxes) > _MOST_TILES or not JpegXl().supports(spec):
        return False
    tiles = [np.ascontiguousarray(samples[box.y : box.y + box.h, box.x : box.x + box.w]) for box in boxes]
    specs = [replace(spec, height=box.h, width=box.w) for box in boxes]
    quick = sum(len(JpegXl().encode_tile(tile, one, _QUICK)) for tile, one in zip(tiles, specs, strict=True))
    if nbytes >= _FAR * quick:
        return False
    compressor = zstandard.ZstdCompressor(level=1)
    return sum(len(compressor.compress(samples_to_bytes(tile))) for tile in tiles) >= _UNREPEATED * quick
