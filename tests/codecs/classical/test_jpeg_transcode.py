"""JPEG files come back byte for byte from JPEG XL, or are not taken at all."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tilepress.codecs.classical import jpeg_transcode
from tilepress.codecs.classical.jpeg_transcode import pack_jpeg, unpack_jpeg
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import write_frame


def jpeg(mode: str = "RGB", size: tuple[int, int] = (150, 100), **options: object) -> bytes:
    y, x = np.mgrid[: size[1], : size[0]]
    planes = [120 + 90 * np.sin(x / (5 + i)) * np.cos(y / (9 - i)) for i in range(len(mode))]
    pixels = np.stack(planes, -1) + np.random.default_rng(0).normal(0, 4, (size[1], size[0], len(mode)))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(file, "JPEG", **options)
    return file.getvalue()


TAKEN = {
    "colour": jpeg(quality=90),
    "gray": jpeg("L", quality=90),
    "4:4:4": jpeg(subsampling=0),
    "progressive": jpeg(progressive=True),
    "odd size": jpeg(size=(131, 77)),
    "restart markers": jpeg(restart_marker_blocks=4),
    "EXIF and comment": jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", comment=b"a comment"),
    "profile": jpeg(icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
}


@pytest.mark.parametrize("name", TAKEN)
def test_jpeg_files_come_back_byte_for_byte_and_smaller(name: str) -> None:
    packed = pack_jpeg(TAKEN[name])
    assert packed is not None
    assert len(packed) < len(TAKEN[name])
    assert unpack_jpeg(packed) == TAKEN[name]


def test_the_saving_on_a_photograph_sized_file_is_a_tenth_at_least() -> None:
    data = jpeg(size=(400, 400), quality=90)
    packed = pack_jpeg(data)
    assert packed is not None
    assert len(packed) < 0.9 * len(data)


@pytest.mark.parametrize(
    "data",
    [
        jpeg("CMYK"),
        TAKEN["colour"][:-200],
        TAKEN["colour"][:300],
        TAKEN["colour"].replace(b"\xff\xc0", b"\xff\xc9", 1),
        b"",
        b"\xff\xd8\xff\xd9",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        np.random.default_rng(0).bytes(5000),
    ],
    ids=["CMYK", "truncated", "headers only", "arithmetic coding", "empty", "no frame", "PNG", "noise"],
)
def test_what_cannot_be_rebuilt_is_not_taken(data: bytes) -> None:
    assert pack_jpeg(data) is None


def test_data_after_the_end_is_either_kept_or_the_file_is_not_taken() -> None:
    data = TAKEN["colour"] + b"trailing bytes, such as a second picture"
    packed = pack_jpeg(data)
    assert packed is None or unpack_jpeg(packed) == data


def test_a_library_that_rebuilds_another_file_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs

    decode = imagecodecs.jpegxl_decode_jpeg
    monkeypatch.setattr(imagecodecs, "jpegxl_decode_jpeg", lambda *a, **k: decode(*a, **k)[:-1] + b"\0")
    assert pack_jpeg(TAKEN["colour"]) is None


def test_files_beyond_the_limit_are_not_taken() -> None:
    assert pack_jpeg(TAKEN["colour"], max_pixels=150 * 100) is not None
    assert pack_jpeg(TAKEN["colour"], max_pixels=150 * 100 - 1) is None


def test_damaged_streams_raise_stream_error() -> None:
    packed, rng = pack_jpeg(TAKEN["colour"]), np.random.default_rng(1)
    assert packed is not None
    for bit in rng.integers(0, 8 * len(packed), 40):
        bad = bytearray(packed)
        bad[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(StreamError):
            unpack_jpeg(bytes(bad))
    for bad in (b"", packed[:7], packed[:-1], packed[: len(packed) // 2], rng.bytes(500)):
        with pytest.raises(StreamError):
            unpack_jpeg(bad)


def test_forged_streams_give_stream_error_or_bytes_of_the_stated_length() -> None:
    packed, rng = pack_jpeg(TAKEN["colour"]), np.random.default_rng(2)
    assert packed is not None
    payload = packed[7:]
    for bit in rng.integers(0, 8 * len(payload), 80):
        bad = bytearray(payload)
        bad[bit >> 3] ^= 1 << (bit & 7)
        try:
            out = unpack_jpeg(write_frame(b"JT", 1, bytes(bad)))
        except StreamError:
            continue
        assert len(out) == struct.unpack_from("<I", bad)[0]


def test_huge_claims_never_reach_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack_jpeg(TAKEN["colour"])
    assert packed is not None
    monkeypatch.setattr(jpeg_transcode, "_decode", lambda *a: pytest.fail("libjxl was asked to decode"))
    size = (0 | 3 << 1 | ((1 << 30) - 1) << 3 | 1 << 33).to_bytes(5, "little")
    for payload in (
        struct.pack("<I", 1000) + b"\xff\x0a" + size + bytes(100),
        struct.pack("<I", 0xFFFFFFFF) + packed[11:],
        struct.pack("<I", 0) + packed[11:],
        b"\0\0",
    ):
        with pytest.raises(StreamError):
            unpack_jpeg(write_frame(b"JT", 1, payload))
