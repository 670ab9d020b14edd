"""JPEG files of other programs that are damaged, hostile or of unknown kinds are refused, quickly, in little memory."""

from __future__ import annotations

import struct
import time
import tracemalloc
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.origins.jpeg_scans import ALONE, PROGRESSIVE, SCRIPTS, SEQUENTIAL, Script, file_of
from tests.support.origins.jpegs import unpadded_coefficients
from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
from tilepress.codecs.jpeg.file.coefficients import Coefficients
from tilepress.codecs.jpeg.file.foreign import read_foreign


def read(data: bytes) -> Coefficients:
    return read_foreign(data).coefficients()


def with_frame(data: bytes, at: int, new: bytes) -> bytes:
    """A file with other bytes at a place of its frame header, counted from the marker's second byte."""
    place = data.index(b"\xff\xc1") + 1 + at
    return data[:place] + new + data[place + len(new) :]


SMALL = file_of(unpadded_coefficients(20, 20, (1, 1)), SEQUENTIAL)
KINDS = {
    "arithmetic": with_frame(SMALL, 0, b"\xc9"),
    "lossless": with_frame(SMALL, 0, b"\xc3"),
    "hierarchical": with_frame(SMALL, 0, b"\xc5"),
    "several frames": SMALL[:2] + SMALL[SMALL.index(b"\xff\xc1") : SMALL.index(b"\xff\xc4")] + SMALL[2:],
    "12-bit": with_frame(SMALL, 3, b"\x0c"),
    "20 x 0 pixels": with_frame(SMALL, 4, b"\0\0"),
    "DNL": SMALL[:-2] + b"\xff\xdc\0\4\0\x14\xff\xd9",
    "4x1, 1x1, 1x1": with_frame(SMALL, 10, b"\x41"),
    "1x1, 2x1, 1x1": with_frame(SMALL, 13, b"\x21"),
    "4 components": imagecodecs.jpeg8_encode(np.zeros((9, 9, 4), np.uint8), colorspace="CMYK", outcolorspace="CMYK"),
    "2 components": with_frame(SMALL[: SMALL.index(b"\xff\xc1") + 2], 0, b"\xc1")
    + b"\0\x0e\x08\0\x14\0\x14\2\1\x11\0\2\x11\1\xff\xd9",
    "Motion JPEG": SMALL[: SMALL.index(b"\xff\xc4")] + SMALL[SMALL.index(b"\xff\xda") :],
}


@pytest.mark.parametrize("reason", KINDS)
def test_other_kinds_are_refused_with_a_reason(reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        read_foreign(KINDS[reason])


def scan_of(data: bytes, number: int = 0) -> tuple[int, int]:
    """Where the bytes of a scan begin and end."""
    start = -1
    for _ in range(number + 1):
        start = data.index(b"\xff\xda", start + 1)
    start += 2 + int.from_bytes(data[start + 2 : start + 4])
    return start, min(at for marker in (b"\xff\xd9", b"\xff\xc4", b"\xff\xda") if (at := data.find(marker, start)) > 0)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_scan_that_is_too_short_or_too_long_is_damaged(script: str) -> None:
    data = file_of(unpadded_coefficients(70, 50, (2, 2)), SCRIPTS[script])
    for number in range(len(SCRIPTS[script].scans)):
        _, end = scan_of(data, number)
        for wrong in (data[: end - 1] + data[end:], data[: end - 9] + data[end:], data[:end] + b"\0" + data[end:]):
            with pytest.raises(StreamError):
                read(wrong)
    for size in range(0, len(data), 97):
        with pytest.raises(StreamError):
            read(data[:size])


SEGMENTS = {
    "quantisation": [b"\xff\xdb\0\x42\0" + bytes(63), b"\xff\xdb\0\x43\x10" + b"\1" * 64, b"\xff\xdb\0\3\x20"],
    "zero step": [b"\xff\xdb\0\x43\0" + b"\1" * 63 + b"\0"],
    "Huffman": [b"\xff\xc4\0\x0a" + bytes(8), b"\xff\xc4\0\x13\0\1" + bytes(15), b"\xff\xc4\0\x15\0\2" + bytes(17)],
    "restart interval": [b"\xff\xdd\0\3\0"],
    "frame": [b"\xff\xc0\0\2"],
    "scan": [b"\xff\xda\0\2", b"\xff\xda\0\6\0\0\x3f\0", b"\xff\xda\0\x08\1\4\0\0\x3f\0"],
    "truncated": [b"\xff\xfe\xff\xff", b"\xff\xfe\0\1"],
    "no marker": [b"\0", b"\xff\xd8", b"\xff\xd3"],
}


@pytest.mark.parametrize("kind", SEGMENTS)
def test_segments_that_contradict_themselves_are_damage(kind: str) -> None:
    at = SMALL.index(b"\xff\xda")
    for segment in SEGMENTS[kind]:
        for wrong in (SMALL[:2] + segment + SMALL[2:], SMALL[:at] + segment + SMALL[at:]):
            with pytest.raises((StreamError, UnsupportedError)):
                read_foreign(wrong)


def test_restart_markers_out_of_order_are_damage() -> None:
    data = file_of(unpadded_coefficients(70, 50, (2, 2)), replace(SEQUENTIAL, interval=3))
    at = data.index(b"\xff\xd1")
    for wrong in (b"", b"\xff\xd2", b"\xff\xd1\xff\xd2"):
        with pytest.raises(StreamError):
            read(data[:at] + wrong + data[at + 2 :])


def test_scripts_that_leave_bits_out_or_tell_them_twice_are_damage() -> None:
    image = unpadded_coefficients(20, 20, (1, 1))
    scans = PROGRESSIVE.scans
    wrong = [scans[:n] + scans[n + 1 :] for n in range(len(scans))] + [(*scans, scans[-1]), (*scans, scans[1])]
    for some in wrong:
        with pytest.raises(StreamError, match=r"told|tells"):
            read(file_of(image, replace(PROGRESSIVE, scans=some)))
    for sequential in (ALONE.scans[:2], (*ALONE.scans, ALONE.scans[0])):
        with pytest.raises(StreamError, match=r"told|tells"):
            read(file_of(image, replace(ALONE, scans=sequential)))


def test_small_files_of_large_pictures_are_refused_before_memory_is_taken() -> None:
    for script in (SEQUENTIAL, PROGRESSIVE):
        data = file_of(unpadded_coefficients(20, 20, (1, 1)), script)
        at = data.index(b"\xff\xc2" if script.progressive else b"\xff\xc1") + 5
        bomb = data[:at] + struct.pack(">HH", 65500, 65500) + data[at + 4 :]
        tracemalloc.start()
        with pytest.raises(StreamError, match="too short"):
            read_foreign(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


def test_scans_that_would_take_minutes_are_refused() -> None:
    """Scans of few bytes, which code nothing in long runs, of a picture that is as large as its first scan allows."""
    image = unpadded_coefficients(8, 8, (1, 1), components=1)
    small = file_of(image, Script((((0,), 0, 0, 0, 0), ((0,), 1, 1, 0, 10)), progressive=True))
    (start, end), side = scan_of(small), 40000
    frame = small.index(b"\xff\xc2") + 5
    large = small[:frame] + struct.pack(">HH", side, side) + small[frame + 4 : start] + bytes(side**2 // 512 + 1)
    bits = (0x0A, 0xA9, 0x98, 0x87)
    scans = b"".join(small[end:-2].replace(b"\1\1\x0a", bytes([k, k, each])) for each in bits for k in range(1, 64))
    with pytest.raises(TooLarge, match="minutes"):
        read_foreign(large + scans)
    with pytest.raises(TooLarge, match="200 scans"):
        read_foreign(small[:end] + scans)


FILES = [
    file_of(unpadded_coefficients(40, 30, (2, 2)), replace(SEQUENTIAL, interval=2)),
    file_of(unpadded_coefficients(40, 30, (2, 1)), PROGRESSIVE),
    file_of(unpadded_coefficients(40, 30, (1, 1), components=1), Script((((0,), 0, 63, 0, 0),), factors=((2, 1),))),
]


@settings(max_examples=200)
@given(
    data=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=4),
    headers=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7)), max_size=2),
)
def test_any_other_bytes_are_read_or_refused_and_quickly(data, changes, headers) -> None:
    wrong = bytearray(data)
    for at, byte in changes:
        wrong[at % len(data)] = byte
    for at, bit in headers:
        wrong[at] ^= 1 << bit
    began = time.process_time()
    try:
        found = read(bytes(wrong))
    except (StreamError, UnsupportedError):
        pass
    else:
        assert len(found.blocks) == len(found.tables) in (1, 3)
    assert time.process_time() - began < 1
