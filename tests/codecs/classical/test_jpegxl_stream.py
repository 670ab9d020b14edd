"""Headers of JPEG XL that promise more than the tile never reach libjxl, which would allocate for them."""

from __future__ import annotations

import numpy as np
import pytest

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.classical.jpegxl_stream import bare_codestream, check_codestream, image_size
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import write_frame

RGB = TileSpec(64, 64, 3, "uint8", 8, "rgb")
Fields = list[tuple[int, int]]  # (value, bits), least significant bit first

SIZE_64: Fields = [(1, 1), (7, 5), (1, 3)]  # small, height 8 * (1 + 7), width equal
METADATA: Fields = [
    (0, 1),
    (0, 1),
    (0, 1),
    (0, 2),
    (1, 1),
]  # no extras, integers of 8 bits, 16-bit buffers
SRGB: Fields = [(0, 1), (1, 1), (0, 2), (1, 1)]  # not XYB, default colour, no extensions, default transform
REFERENCE: Fields = [
    (0, 1),
    (2, 2),
    (1, 1),
    (0, 2),
    (0, 1),
    (0, 2),
    (1, 2),
]  # patches, lossless
REGULAR: Fields = [(0, 1), (0, 2), (1, 1), (0, 2), (0, 1), (0, 2), (1, 2)]
IMAGE = SIZE_64 + METADATA + [(0, 2)] + SRGB
HUGE: Fields = [(3, 2), (1 << 29, 30)]  # a side of a frame


def codestream(*parts: Fields) -> bytes:
    """Headers, each part padded to whole bytes."""
    out = b"\xff\x0a"
    for fields in parts:
        value = at = 0
        for number, bits in fields:
            value |= number << at
            at += bits
        out += value.to_bytes(-(-at // 8), "little")
    return out


def test_the_size_is_read_as_libjxl_writes_it() -> None:
    for height, width in ((1, 1), (8, 8), (64, 128), (17, 31), (300, 400), (600, 500), (1, 9000)):
        spec = TileSpec(height, width, 1, "uint8", 8, "gray")
        data = JpegXl().encode_tile(np.zeros(spec.shape, np.uint8), spec, Settings(effort=1))
        assert image_size(data[7:]) == (width, height)


@pytest.mark.parametrize(
    ("parts", "claim"),
    [
        ([[(0, 1), (3, 2), ((1 << 30) - 1, 30), (1, 3)]], "does not hold an image"),
        ([SIZE_64 + METADATA + [(3, 2), (4094, 12)]], "4095 extra channels"),
        ([[*SIZE_64, (0, 1), (1, 1)]], "extra fields"),
        ([IMAGE, [*REFERENCE, (1, 1), *HUGE, *HUGE]],
         "claims a frame of"),
        ([IMAGE, [*REGULAR, (0, 2), (1, 1)]], "partial frame"),
        ([IMAGE, [*REGULAR[:3], (1, 2), (0, 4)]], "frame of a kind"),  # noise
        ([SIZE_64 + METADATA + [(0, 2)] + [(0, 1), (0, 1), (1, 1)]], "colour profile"),
    ],
    ids=["size", "channels", "preview", "patches", "partial frame", "noise", "profile"],
)  # fmt: skip
def test_headers_that_claim_too_much_never_reach_the_library(
    parts: list[Fields], claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import imagecodecs

    monkeypatch.setattr(imagecodecs, "jpegxl_decode", lambda *a, **k: pytest.fail("libjxl was asked to decode"))
    forged = codestream(*parts) + bytes(300)
    with pytest.raises(StreamError, match=claim):
        JpegXl().decode_tile(write_frame(b"JX", 1, forged), RGB)


def test_what_follows_the_last_frame_is_refused() -> None:
    data = JpegXl().encode_tile(np.zeros(RGB.shape, np.uint8), RGB, Settings())[7:]
    check_codestream(data, 64, 64, 3, 8)
    with pytest.raises(StreamError, match="last frame"):
        check_codestream(data + b"\0", 64, 64, 3, 8)


def test_a_stream_of_another_depth_or_number_of_channels_is_refused() -> None:
    data = JpegXl().encode_tile(np.zeros(RGB.shape, np.uint8), RGB, Settings())[7:]
    with pytest.raises(StreamError, match="bits"):
        check_codestream(data, 64, 64, 3, 12)
    with pytest.raises(StreamError, match="channels"):
        check_codestream(data, 64, 64, 2, 8)


def test_containers_with_damaged_boxes_are_refused() -> None:
    import imagecodecs

    whole = imagecodecs.jpegxl_encode(np.zeros((9, 9), np.uint8), lossless=True, usecontainer=True)
    assert image_size(bare_codestream(whole)) == (9, 9)
    for bad in (whole[:-1], whole[:30], whole[:32] + b"\0\0\0\1" + whole[36:], whole + b"\0\0\0\3free"):
        with pytest.raises(StreamError):
            image_size(bare_codestream(bad))
