"""Image files of every kind for the tests, written by code that shares nothing with the readers under test."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import tifffile
from hypothesis import strategies as st

from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.formats.registry import read_picture, rebuild

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PNG_KINDS = {  # colour type and bits -> mode, channels
    (0, 1): ("1", 1),
    (0, 2): ("L", 1),
    (0, 4): ("L", 1),
    (0, 8): ("L", 1),
    (0, 16): ("L", 1),
    (2, 8): ("RGB", 3),
    (2, 16): ("RGB", 3),
    (3, 1): ("P", 1),
    (3, 2): ("P", 1),
    (3, 4): ("P", 1),
    (3, 8): ("P", 1),
    (4, 8): ("LA", 2),
    (4, 16): ("LA", 2),
    (6, 8): ("RGBA", 4),
    (6, 16): ("RGBA", 4),
}
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 70))  # height, width


def picture_of(seed: int, height: int, width: int, channels: int, bits: int) -> np.ndarray:
    """A picture with both smooth and noisy parts, (height, width, channels)."""
    rng = np.random.default_rng(seed)
    slope = (
        np.add.outer(np.arange(height), np.arange(width))[:, :, None] * (1 + np.arange(channels)) * (1 << bits) // 64
    )
    noise = rng.integers(0, 1 << bits, (height, width, channels)) * (rng.random((height, width, 1)) < 0.3)
    return ((slope + noise) % (1 << bits)).astype(np.uint16 if bits > 8 else np.uint8)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def packed_row(row: np.ndarray, bits: int) -> bytes:
    """One row of samples as PNG packs it, through a string of binary digits."""
    digits = "".join(f"{int(v):0{bits}b}" for v in row.ravel())
    digits += "0" * (-len(digits) % 8)
    return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))


def filtered_row(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    """The filters of PNG as its specification puts them, a byte at a time."""
    out = bytearray([kind])
    for i, value in enumerate(row):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        p = a + b - c
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        out.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
    return bytes(out)


def png_rows(samples: np.ndarray, bits: int, filters: np.random.Generator, interlaced: bool) -> bytes:
    """All filtered rows, each with a random filter."""
    step = max(1, samples.shape[2] * bits // 8)
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    out = b""
    for part in passes:
        if part.size:
            rows = [packed_row(row, bits) for row in part]
            for above, row in zip([bytes(len(rows[0])), *rows], rows, strict=False):
                out += filtered_row(int(filters.integers(0, 5)), row, above, step)
    return out


def make_png(
    samples: np.ndarray,
    colour_type: int,
    bits: int,
    *,
    seed: int = 0,
    interlaced: bool = False,
    level: int = 6,
    idat: int = 1 << 16,
    before: bytes = b"",
    after: bytes = b"",
    trailer: bytes = b"",
) -> bytes:
    """A PNG file of (h, w, c) samples with random row filters; `before` and `after`: chunks around the pixels."""
    height, width, _ = samples.shape
    rows = png_rows(samples, bits, np.random.default_rng(seed), interlaced)
    data = zlib.compress(rows, level)
    palette = png_chunk(b"PLTE", bytes(range(256)) * 3) if colour_type == 3 else b""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    pixels = b"".join(png_chunk(b"IDAT", data[i : i + idat]) for i in range(0, len(data), idat))
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before + palette
    return start + pixels + after + png_chunk(b"IEND", b"") + trailer


def make_tiff(samples: np.ndarray, photometric: str, **options: object) -> bytes:
    """A TIFF file of (h, w, c) samples by tifffile, with its options."""
    data = samples[:, :, 0] if samples.shape[2] == 1 else samples
    if options.get("planarconfig") == "separate":
        data = np.moveaxis(samples, -1, 0)
    out = io.BytesIO()
    tifffile.imwrite(out, data, photometric=photometric, **options)  # type: ignore[arg-type]
    return out.getvalue()


def pixels_of(picture: Picture, rows: int = 16) -> np.ndarray:
    """All pixels, read in bands of `rows` rows."""
    bands = list(picture.read_bands(rows))
    assert all(len(band) == rows for band in bands[:-1])
    return np.concatenate(bands)


def rebuilt(picture: Picture, pixels: np.ndarray, rows: int = 16) -> bytes:
    """The file rebuilt from pixels given in bands of `rows` rows."""
    out = io.BytesIO()
    rebuild(picture.container, (pixels[y : y + rows] for y in range(0, len(pixels), rows)), out)
    return out.getvalue()


def assert_comes_back(data: bytes, expected: np.ndarray, rows: int = 16) -> tuple[Picture, bytes]:
    """Read, compare, rebuild, read again, compare. Returns picture and new file."""
    picture = read_picture(data)
    pixels = pixels_of(picture, rows)
    assert pixels.dtype == expected.dtype == picture.dtype
    assert np.array_equal(pixels, expected)
    back = rebuilt(picture, pixels, rows + 3)
    again = read_picture(back, byte_exact=False)
    assert (again.mode, again.dtype, again.bit_depth) == (picture.mode, picture.dtype, picture.bit_depth)
    assert np.array_equal(pixels_of(again, rows), expected)
    return picture, back
