"""FORMAT.md 3: the columns of a row, and its CRC."""

from __future__ import annotations

import struct
import zlib

import numpy as np

IMAGE_FACTS = [
    "image",
    "path",
    "name",
    "page",
    "source_bytes",
    "modified_ns",
    "permissions",
    "etag",
    "format",
    "mode",
    "width",
    "height",
    "dtype",
    "bit_depth",
    "tile_size",
    "fidelity",
    "method",
    "reason_code",
    "reason",
    "file_sha256",
    "pixels_sha256",
    "stack",
    "cell",
    "of_run",
    "of_part",
    "of_image",
    "origin",
]
STACK_FACTS = ["images", "source_bytes", "width", "height", "members_crc", "pixels_sha256"]
TILE_FACTS = ["tile", "x", "y", "w", "h", "codec", "residual_codec", "base_crc", "pixels_crc", "psnr"]
PART_COLUMNS = [
    *["kind", *IMAGE_FACTS, "images", "members_crc", *TILE_FACTS, "row_crc"],
    *["container_bytes", "shared_bytes", "payload_bytes", "latents_bytes", "residual_bytes"],
    *["container", "shared", "payload", "latents", "residual"],
]
CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}


def crc_of(*values: object) -> int:
    """FORMAT.md 3, row_crc."""
    out = bytearray()
    for value in values:
        if value is None:
            out += b"n"
        elif isinstance(value, int):
            out += b"i" + struct.pack("<q", value)
        elif isinstance(value, float):
            out += b"f" + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            assert isinstance(data, bytes)
            out += b"b" + struct.pack("<q", len(data)) + data
    return zlib.crc32(out)


def crc(samples: np.ndarray) -> int:
    """CRC-32 of samples in raster order."""
    return zlib.crc32(samples.astype(samples.dtype.newbyteorder("<")).tobytes())
