"""The files that went into the golden archive: small pictures of every kind, and files that are kept."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

# width of a picture -> the codec that make_golden.py gives it, and the kinds of picture that show it
CODECS = {
    8: ("bzip2", ("1", "L", "RGBA", "L-16", "CMYK")),
    9: ("raw", ("1", "L", "RGB-16")),
    10: ("png", ("1", "L", "LA", "LA-16", "P", "RGB", "RGBA", "RGB-16", "CMYK")),
    11: ("jpegxl", ("1", "L", "LA", "P", "RGB", "RGBA", "L-16", "RGBA-16", "CMYK", "CMYK-16")),
    12: ("block-dnn-4", ("L", "RGBA-16")),
    13: ("block-dnn-8", ("RGB", "L-16")),
    14: ("block-dnn-16", ("LA", "RGBA", "RGB-16", "CMYK")),
}
_HEIGHT = 19  # two tiles of 16
_CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}


def first_files() -> dict[str, bytes]:
    """Of the first run."""
    files = {f"codec/{name}/{kind}": _kind(kind, width) for width, (name, kinds) in CODECS.items() for kind in kinds}
    noise = np.random.default_rng(1).integers(0, 256, 1300, np.uint8).tobytes()
    png = _png("RGB", 20, 30)
    return files | {
        "codec/gone.png": _png("L", 10),
        "codec/grid.png": _png("RGB", 35),
        "origin/enlarged.png": _enlarged(),
        "codec/interlaced.png": _png("L", 11, interlaced=True),
        "codec/noise.png": bytes(imagecodecs.png_encode(np.frombuffer(noise[:171], np.uint8).reshape(19, 9))),
        "codec/ten-bits.tif": _tiff(_picture(11, 1, 10)[:, :, 0]),
        "codec/tiled-lzw.tif": _tiff(_picture(29, 3), tile=(16, 16), compression="lzw", predictor=True),
        "codec/strips-deflate.tif": _tiff(_picture(29, 1)[:, :, 0], rowsperstrip=7, compression="zlib", bigtiff=True),
        "codec/big-endian.tif": _tiff(_picture(13, 3, 16), byteorder=">"),
        "jpeg/colour.jpg": _jpeg(3, 95),
        "jpeg/gray.jpg": _jpeg(1, 98),
        "jpeg/progressive.jpg": _jpeg(3, 90, progressive=True),
        "kept/changed.txt": b"first version",
        "kept/changes.txt": b"as it was planned",
        "kept/damaged.png": png[: len(png) // 2],
        "kept/empty": b"",
        "kept/incompressible.gif": b"GIF89a" + noise[:60],
        "kept/over-the-limit.png": _png("1", 140, 140),
        "kept/pieces.bin": noise,
        "kept/pieces.txt": b"".join(b"line %d of a long text\n" % i for i in range(100)),
        "kept/text.txt": b"tilepress " * 50,
        "kept/vanishes.txt": b"soon gone",
        **{f"stack/{number}.png": _small(number) for number in range(4)},
        "kept/\u65e5\u672c \u00fc.txt": b"a name in Unicode",
    }


def second_files() -> dict[str, bytes]:
    """New and changed in the second run, which is lossy."""
    return {
        "kept/changed.txt": b"second version, longer",
        "codec/grid.png": _png("L", 36),
        "codec/lossy/block-dnn-4.png": _png("RGB", 12),
        "codec/lossy/block-dnn-16.jpg": _jpeg(3, 85, width=14),
        "codec/lossy/jpeg.png": _png("RGB", 15),
        "codec/lossy/palette.png": _png("P", 15),
        "same/of-tiles.tif": first_files()["codec/tiled-lzw.tif"],
        "stack/2.png": _small(2),  # as it was, with a new time
        "same/of-a-jpeg.jpg": first_files()["jpeg/colour.jpg"],
        "same/of-pieces.txt": first_files()["kept/pieces.txt"],
        "same/second.txt": b"second version, longer",
    }


def _enlarged() -> bytes:
    """A gray picture as RGB, each pixel four times."""
    small = np.repeat(_picture(70, 1, height=64), 3, axis=2)
    return bytes(imagecodecs.png_encode(np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)))


def _kind(kind: str, width: int) -> bytes:
    """A picture of a mode, 16-bit where `kind` says so; CMYK as TIFF, others as PNG."""
    mode, _, bits = kind.partition("-")
    if mode == "CMYK":
        return _tiff(_picture(width, 4, int(bits or 8)), photometric="separated")
    return _png16(_CHANNELS[mode], width) if bits else _png(mode, width)


def _picture(width: int, channels: int, bits: int = 8, height: int = _HEIGHT) -> np.ndarray:
    """Waves and a little noise, (height, width, channels)."""
    rng = np.random.default_rng(width)
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.2 * np.sin(x / (5 + c)) + 0.2 * np.cos(y / 6) + 0.002 * c * x for c in range(channels)]
    samples = np.stack(planes, axis=2) + rng.normal(0, 0.004, (height, width, channels))
    top = (1 << bits) - 1
    return np.clip(samples * top, 0, top).astype(np.uint16 if bits > 8 else np.uint8)


def _png(mode: str, width: int, height: int = _HEIGHT, *, interlaced: bool = False) -> bytes:
    if interlaced:
        return _interlaced(_picture(width, 1, height=height)[:, :, 0])
    samples = _picture(width, _CHANNELS[mode], height=height)
    if mode == "P":
        image = Image.fromarray(samples[:, :, 0] // 16)
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([(7 * i) % 256 for i in range(48)])
    elif mode == "1":
        image = Image.fromarray(samples[:, :, 0]).convert("1")
    else:
        image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(300, 300))
    return out.getvalue()


def _small(number: int) -> bytes:
    """One of a series of pictures that go into a stack; the last was written otherwise."""
    out = io.BytesIO()
    samples = np.roll(_picture(7, 3, height=6), number, axis=0)
    Image.fromarray(samples).save(out, "PNG", compress_level=1 if number == 3 else 9)
    return out.getvalue()


def _interlaced(samples: np.ndarray) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in samples[y::dy, x::dx]]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 8, 0, 0, 0, 1)
    data = zlib.compress(b"".join(rows), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _png16(channels: int, width: int) -> bytes:
    samples = _picture(width, channels, 16)
    return bytes(imagecodecs.png_encode(samples[:, :, 0] if channels == 1 else samples))


def _tiff(samples: np.ndarray, bigtiff: bool = False, byteorder: str = "<", **options: object) -> bytes:
    out = io.BytesIO()
    kind = {"photometric": "rgb" if samples.ndim == 3 else "minisblack", **options}
    with tifffile.TiffWriter(out, bigtiff=bigtiff, byteorder=byteorder) as writer:
        writer.write(samples, metadata=None, **kind)
    return out.getvalue()


def _jpeg(channels: int, quality: int, *, progressive: bool = False, width: int = 64) -> bytes:
    samples = _picture(width, channels, height=48 if width == 64 else _HEIGHT)
    out = io.BytesIO()
    image = Image.fromarray(samples[:, :, 0] if channels == 1 else samples)
    image.save(out, "JPEG", quality=quality, progressive=progressive, comment=b"golden")
    return out.getvalue()
