"""What the classical codecs promise beyond the contract of every codec."""

from __future__ import annotations

import struct
import sys
import zlib
from contextlib import suppress

import numpy as np
import pytest

from tilepress.codecs.classical import jpegxl
from tilepress.codecs.classical.base import ClassicalCodec
from tilepress.codecs.classical.jpeg import Jpeg
from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.classical.png import Png
from tilepress.codecs.classical.raw import Raw
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.stream import write_frame

GRAY = TileSpec(40, 60, 1, "uint8", 8, "gray")
RGB = TileSpec(64, 64, 3, "uint8", 8, "rgb")


def smooth(spec: TileSpec) -> np.ndarray:
    y, x = np.mgrid[: spec.height, : spec.width]
    wave = 0.5 + 0.4 * np.sin(x / 9)[:, :, None] * np.cos(y / 7)[:, :, None]
    noise = np.random.default_rng(0).normal(0, 0.02, spec.shape)
    return np.clip((wave + noise) * spec.maximum, 0, spec.maximum).astype(spec.dtype)


def page(size: int) -> np.ndarray:
    """Four glyphs over and over, which JPEG XL codes as patches of a reference frame."""
    rng = np.random.default_rng(0)
    glyphs = 255 * rng.integers(0, 2, (4, 12, 12, 1), dtype=np.uint8)
    out = np.full((size, size, 3), 255, np.uint8)
    for y in range(8, size - 20, 24):
        for x in range(8, size - 20, 24):
            out[y : y + 12, x : x + 12] = glyphs[rng.integers(4)]
    return out


@pytest.mark.parametrize("codec", [JpegXl(), Png()], ids=["jpegxl", "png"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colours_under_full_transparency_are_kept(codec: ClassicalCodec, dtype: str) -> None:
    spec = TileSpec(50, 50, 4, dtype, 8 if dtype == "uint8" else 16, "rgb")
    tile = np.random.default_rng(1).integers(0, spec.maximum + 1, spec.shape).astype(dtype)
    tile[:30, :, 3] = 0
    np.testing.assert_array_equal(codec.decode_tile(codec.encode_tile(tile, spec, Settings()), spec), tile)


@pytest.mark.parametrize("effort", range(1, 10))
@pytest.mark.parametrize("codec", [JpegXl(), Png()], ids=["jpegxl", "png"])
def test_every_effort_is_lossless(codec: ClassicalCodec, effort: int) -> None:
    for spec in (RGB, TileSpec(30, 300, 2, "uint16", 12, "gray")):
        tile = smooth(spec)
        data = codec.encode_tile(tile, spec, Settings(effort=effort))
        np.testing.assert_array_equal(codec.decode_tile(data, spec), tile)


@pytest.mark.parametrize("codec", [JpegXl(), Png()], ids=["jpegxl", "png"])
def test_more_effort_gives_fewer_bytes(codec: ClassicalCodec) -> None:
    tile = smooth(RGB)
    least, most = (len(codec.encode_tile(tile, RGB, Settings(effort=effort))) for effort in (1, 9))
    assert most < least


def test_more_quality_gives_more_bytes_and_less_error() -> None:
    tile, sizes, errors = smooth(RGB), [], []
    for quality in (10, 50, 85, 100):
        data = Jpeg().encode_tile(tile, RGB, Settings(quality=quality))
        sizes.append(len(data))
        errors.append(np.abs(Jpeg().decode_tile(data, RGB).astype(int) - tile).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("size", [128, 256])
def test_pages_of_repeated_glyphs_come_back_through_patches(size: int) -> None:
    tile = page(size)
    spec = TileSpec(size, size, 3, "uint8", 8, "rgb")
    data = JpegXl().encode_tile(tile, spec, Settings())
    assert data[7:].startswith(b"\xff\x0a")
    np.testing.assert_array_equal(JpegXl().decode_tile(data, spec), tile)


def test_stating_the_bit_depth_saves_bytes_and_sixteen_bits_need_no_container() -> None:
    spec = TileSpec(64, 64, 1, "uint16", 12, "gray")
    tile, codec = smooth(spec), JpegXl()
    wide = TileSpec(64, 64, 1, "uint16", 16, "gray")
    narrow, full = (codec.encode_tile(tile, s, Settings()) for s in (spec, wide))
    assert narrow[7:9] == full[7:9] == b"\xff\x0a"
    assert len(narrow) <= len(full)
    np.testing.assert_array_equal(codec.decode_tile(full, wide), tile)


def test_raw_streams_are_little_endian_samples() -> None:
    spec = TileSpec(1, 2, 1, "uint16", 16, "gray")
    tile = np.array([[[0x0102], [0x0304]]], np.uint16)
    assert Raw().encode_tile(tile, spec, Settings()) == write_frame(b"RW", 1, b"\x02\x01\x04\x03")


@pytest.mark.parametrize("codec", [Raw(), JpegXl(), Png()], ids=lambda codec: codec.codec_id)
def test_samples_beyond_the_bit_depth_are_refused_rather_than_clipped(codec: ClassicalCodec) -> None:
    spec = TileSpec(2, 2, 1, "uint16", 12, "gray")
    with pytest.raises(UnsupportedError, match="4096"):
        codec.encode_tile(np.full(spec.shape, 4096, np.uint16), spec, Settings())
    wide = TileSpec(2, 2, 1, "uint16", 16, "gray")
    with pytest.raises(StreamError):
        codec.decode_tile(codec.encode_tile(np.full(spec.shape, 4096, np.uint16), wide, Settings()), spec)


@pytest.mark.parametrize("codec", [Raw(), JpegXl(), Png(), Jpeg()], ids=lambda codec: codec.codec_id)
def test_tiles_that_are_not_what_the_description_says_are_refused(codec: ClassicalCodec) -> None:
    for wrong in (
        np.zeros((60, 40, 1), np.uint8),
        np.zeros((40, 60), np.uint8),
        np.zeros(GRAY.shape, np.uint16),
    ):
        with pytest.raises(UnsupportedError):
            codec.encode_tile(wrong, GRAY, Settings())


@pytest.mark.parametrize("codec", [JpegXl(), Png(), Jpeg()], ids=lambda codec: codec.codec_id)
def test_tiles_that_are_not_contiguous_are_coded_alike(codec: ClassicalCodec) -> None:
    tile = smooth(RGB)
    view = np.asfortranarray(tile)[::-1][::-1]
    assert codec.encode_tile(view, RGB, Settings()) == codec.encode_tile(tile, RGB, Settings())


def png(rows: bytes, width: int, height: int, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">II5B", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows) + extra), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(Jpeg().encode_tile(smooth(GRAY), GRAY, Settings())[7:])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


ROWS = bytes(40 * 61)  # of GRAY: 40 rows of a filter byte and 60 samples
FORGED_PNG = {
    "huge": png(b"", 1 << 30, 1 << 30),
    "bomb": png(bytes(1 << 24), 60, 40),
    "too few rows": png(ROWS[:-1], 60, 40),
    "data after the end": png(ROWS, 60, 40, b"x"),
    "unknown filter": png(b"\5" + ROWS[1:], 60, 40),
    "damaged checksum": png(ROWS, 60, 40)[:-1] + b"x",
    "truncated": png(ROWS, 60, 40)[:-12],
    "no rows": png(b"", 60, 40),
}


def test_a_png_as_others_write_it_decodes() -> None:
    tile = Png().decode_tile(write_frame(Png.magic, 1, png(ROWS, 60, 40)), GRAY)
    np.testing.assert_array_equal(tile, np.zeros(GRAY.shape, np.uint8))


@pytest.mark.parametrize("name", FORGED_PNG)
def test_png_streams_on_which_libpng_would_fail_never_reach_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs

    monkeypatch.setattr(imagecodecs, "png_decode", lambda *a, **k: pytest.fail("libpng was asked to decode"))
    with pytest.raises(StreamError):
        Png().decode_tile(write_frame(Png.magic, 1, FORGED_PNG[name]), GRAY)


def test_jpeg_headers_that_claim_a_huge_image_never_reach_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs

    monkeypatch.setattr(imagecodecs, "jpeg8_decode", lambda *a, **k: pytest.fail("libjpeg was asked to decode"))
    with pytest.raises(StreamError, match="of this tile"):
        Jpeg().decode_tile(write_frame(Jpeg.magic, 1, jpeg_claiming(65500, 65500)), GRAY)


@pytest.mark.parametrize("codec", [JpegXl(), Png(), Jpeg()], ids=lambda codec: codec.codec_id)
def test_refusing_damaged_streams_gives_up_no_reference_to_none(codec: ClassicalCodec) -> None:
    # A library that does ends the process after some thousand damaged streams, before Python 3.12.
    payload = codec.encode_tile(smooth(RGB), RGB, Settings())[7:]
    streams = [write_frame(codec.magic, 1, payload[:at] + b"??????" + payload[at + 6 :]) for at in range(60, 120)]
    before = sys.getrefcount(None)
    for data in streams:
        with suppress(StreamError):
            codec.decode_tile(data, RGB)
    assert sys.getrefcount(None) > before - len(streams) // 2


EFFORTS = [
    ("uint16", 1, 0.6, 2),
    ("uint16", 3, 0.6, 2),
    ("uint8", 2, 0.6, 2),
    ("uint8", 3, 0.6, 1),
    ("uint16", 1, 0.4, 1),
]


@pytest.mark.parametrize("smaller", [3, 7])
@pytest.mark.parametrize(("dtype", "channels", "share", "tried"), EFFORTS)
def test_jpeg_xl_keeps_the_smaller_of_two_efforts_for_noise_of_16_bits_or_gray(
    smaller: int, dtype: str, channels: int, share: float, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour, bits = ("gray" if channels < 3 else "rgb"), (16 if dtype == "uint16" else 8)
    spec, tile = TileSpec(16, 16, channels, dtype, bits, colour), np.zeros((16, 16, channels), dtype)
    asked: list[int] = []

    def encode(tile: np.ndarray, spec: TileSpec, effort: int) -> bytes:
        asked.append(effort)
        return bytes([effort]) * int(tile.nbytes * (share if effort == smaller else share + 0.05))

    monkeypatch.setattr(jpegxl, "_encoded", encode)
    assert JpegXl().compress(tile, spec, Settings())[0] == (smaller if tried == 2 else 7)
    assert sorted(asked) == [3, 7][-tried:]
    assert JpegXl().compress(tile, spec, Settings(effort=5))[0] == 5
