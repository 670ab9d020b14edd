"""JPEG files come back byte for byte from JPEG XL, or are not taken at all."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tilepress.codecs.classical import jpeg_transcode
from tilepress.codecs.classical.jpeg_transcode import pack_jpeg, unpack_jpeg
from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
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
    assert len(packed) < len(TAKEN[name])
    assert unpack_jpeg(packed) == TAKEN[name]


def test_the_saving_on_a_photograph_sized_file_is_a_tenth_at_least() -> None:
    data = jpeg(size=(400, 400), quality=90)
    packed = pack_jpeg(data)
    assert len(packed) < 0.9 * len(data)


REFUSED = {
    "CMYK": (jpeg("CMYK"), "JPEG file of 4 components"),
    "truncated": (TAKEN["colour"][:-200], "cannot be transcoded"),
    "headers only": (TAKEN["colour"][:300], "cannot be transcoded"),
    "arithmetic coding": (TAKEN["colour"].replace(b"\xff\xc0", b"\xff\xc9", 1), "process 9, 8 bits"),
    "12 bits": (TAKEN["colour"].replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c", 1), "process 1, 12 bits"),
    "empty": (b"", "without a frame header"),
    "no frame": (b"\xff\xd8\xff\xd9", "without a frame header"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(100), "without a frame header"),
    "noise": (np.random.default_rng(0).bytes(5000), "without a frame header"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_rebuilt_is_not_taken_and_the_reason_is_true(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason):
        pack_jpeg(data)


def test_data_after_the_end_comes_back() -> None:
    data = TAKEN["colour"] + b"trailing bytes, such as a second picture"
    assert unpack_jpeg(pack_jpeg(data)) == data


def test_a_library_that_rebuilds_another_file_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs

    decode = imagecodecs.jpegxl_decode_jpeg
    monkeypatch.setattr(imagecodecs, "jpegxl_decode_jpeg", lambda *a, **k: decode(*a, **k)[:-1] + b"\0")
    with pytest.raises(UnsupportedError, match="gives other bytes back"):
        pack_jpeg(TAKEN["colour"])


def test_files_beyond_the_limit_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpack_jpeg(pack_jpeg(TAKEN["colour"], max_pixels=150 * 100)) == TAKEN["colour"]
    with pytest.raises(TooLarge, match=r"150 x 100 pixels: .* at most 14,999"):
        pack_jpeg(TAKEN["colour"], max_pixels=150 * 100 - 1)
    monkeypatch.setattr(jpeg_transcode, "MAX_JPEG_BYTES", 1000)
    with pytest.raises(TooLarge, match="at most 1,000"):
        pack_jpeg(TAKEN["colour"])


def test_damaged_streams_raise_stream_error() -> None:
    packed, rng = pack_jpeg(TAKEN["colour"]), np.random.default_rng(1)
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
