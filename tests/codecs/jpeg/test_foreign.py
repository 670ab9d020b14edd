"""JPEG files of other programs are read as libjpeg reads them, to the bit; damaged and unknown ones are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.origins.jpeg_scans import ALONE, MIXED, PROGRESSIVE, SCRIPTS, SEQUENTIAL, Script, file_of
from tests.support.origins.jpegs import jpeg_of, pillow_decoded, rough_photo, unpadded_coefficients
from tests.support.origins.made_pictures import GRAY, RGB
from tilepress.codecs.classical.jpeg_header import read_jpeg_frame
from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.colour import Conversion
from tilepress.codecs.jpeg.decode import component_plane, decode, picture_of
from tilepress.codecs.jpeg.decoders import DECODERS, USUAL
from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS, Coefficients, Sampling
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.jpeg.file.frame import Colours
from tilepress.codecs.jpeg.file.segments import segments
from tilepress.codecs.jpeg.transform import ISLOW, plane_of

WAYS = [
    {},
    {"progressive": True},
    {"optimize": True},
    {"restart_marker_blocks": 3},
    {"restart_marker_rows": 1, "progressive": True},
]
ALL_SIZES = [(width, height) for width in range(1, 41) for height in {width, 41 - width, 7 * width % 40 + 1}]


def read(data: bytes) -> Coefficients:
    return read_foreign(data).coefficients()


def assert_equal(found: Coefficients, expected: Coefficients) -> None:
    assert (found.width, found.height, found.sampling) == (expected.width, expected.height, expected.sampling)
    for some, others in ((found.tables, expected.tables), (found.blocks, expected.blocks)):
        assert [a.dtype for a in some] == [b.dtype for b in others]
        assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("sampling", ["gray", "4:4:4", "4:2:2", "4:2:0"])
def test_what_pillow_writes_decodes_as_pillow_decodes_it(sampling: str) -> None:
    spec, chosen = (GRAY, "4:4:4") if sampling == "gray" else (RGB, sampling)
    for number, (width, height) in enumerate(ALL_SIZES[::3]):
        pixels = rough_photo(replace(spec, width=width, height=height), seed=number)
        quality, way = (1, 100, 7 * number % 100 + 1)[number % 3], WAYS[1 + number % 4]
        plain, other = (jpeg_of(pixels, quality, chosen, **options) for options in ({}, way))
        assert_equal(read(other), read(plain))
        assert np.array_equal(decode(read(other), DECODERS[0]), pillow_decoded(other)), (width, height, quality, way)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_script_of_scans_is_read(sampling: str, script: str) -> None:
    for size in [(1, 1), (17, 8), (25, 42)]:
        image = unpadded_coefficients(*size, SAMPLINGS[sampling])
        data = file_of(image, SCRIPTS[script])
        assert_equal(read(data), image)
        assert np.array_equal(decode(image, DECODERS[0]), pillow_decoded(data))


@pytest.mark.parametrize("interval", [1, 3, 8])
@pytest.mark.parametrize("script", SCRIPTS)
def test_restart_intervals_are_read(script: str, interval: int) -> None:
    image = unpadded_coefficients(70, 50, (2, 1))
    data = file_of(image, replace(SCRIPTS[script], interval=interval))
    assert b"\xff\xd0" in data
    assert_equal(read(data), image)
    assert np.array_equal(decode(image, DECODERS[0]), pillow_decoded(data))


EQUIVALENT = [
    ((1, 1), ((2, 1), (2, 1), (2, 1)), SEQUENTIAL),
    ((1, 1), ((1, 3), (1, 3), (1, 3)), PROGRESSIVE),
    ((1, 1), ((2, 2), (2, 2), (2, 2)), ALONE),
    ((2, 1), ((2, 2), (1, 2), (1, 2)), SEQUENTIAL),
    ((2, 1), ((2, 2), (1, 2), (1, 2)), ALONE),
    ((1, 2), ((2, 2), (2, 1), (2, 1)), MIXED),
]


@pytest.mark.parametrize(("sampling", "factors", "script"), EQUIVALENT)
def test_factors_that_mean_the_same_are_read(sampling, factors, script) -> None:
    for size in [(9, 9), (25, 42), (33, 8)]:
        image = unpadded_coefficients(*size, sampling)
        data = file_of(image, replace(script, factors=factors))
        assert_equal(read(data), image)
        assert np.array_equal(decode(image, DECODERS[0]), pillow_decoded(data))


@pytest.mark.parametrize("progressive", [False, True])
def test_one_component_has_a_block_an_mcu_whatever_its_factors(progressive: bool) -> None:
    image = unpadded_coefficients(25, 42, (1, 1), components=1)
    scans = (((0,), 0, 0, 0, 0), ((0,), 1, 63, 0, 0)) if progressive else (((0,), 0, 63, 0, 0),)
    data = file_of(image, Script(scans, progressive, factors=((2, 2),)))
    assert_equal(read(data), image)
    assert read_foreign(data).colours is Colours.GRAY
    assert np.array_equal(decode(image, DECODERS[0]), pillow_decoded(data))


def test_steps_of_16_bits_are_read() -> None:
    image = unpadded_coefficients(25, 42, (2, 2))
    steps = (np.arange(64, dtype=np.int32) * 100 + 1, *image.tables[1:])
    image = replace(image, tables=steps, blocks=(image.blocks[0] // 16, *image.blocks[1:]))
    assert_equal(read(file_of(image, PROGRESSIVE)), image)


def test_steps_hold_from_the_first_scan_of_a_component_on() -> None:
    """As libjpeg has it: tables may come late, or be replaced by others for the components that follow."""
    image = unpadded_coefficients(25, 42, (2, 2))
    data = file_of(image, ALONE)
    start, first = data.index(b"\xff\xdb"), data.index(b"\xff\xda")
    second = data.index(b"\xff\xc4", first)
    size = 2 + int.from_bytes(data[start + 2 : start + 4])
    tables, others = data[start : start + size], b"\xff\xdb\0\x43\0" + b"\7" * 64
    late = data[:start] + data[start + size : first] + tables + data[first:second] + others + data[second:]
    assert_equal(read(late), image)
    assert np.array_equal(decode(image, DECODERS[0]), pillow_decoded(late))


def test_the_greatest_coefficients_are_read() -> None:
    """A black picture at quality 100 has a DC of -1024."""
    data = jpeg_of(np.zeros((24, 24, 1), np.uint8), 100)
    assert read(data).blocks[0][0, 0, 0] == -1024
    image = unpadded_coefficients(40, 40, (1, 1), quality=100)
    for n, blocks in enumerate(image.blocks):
        blocks[...] = 1023 - 2046 * (np.indices(blocks.shape).sum(axis=0) % (n + 2) == 0)
    for script in SCRIPTS.values():
        assert_equal(read(file_of(image, script)), image)


def test_metadata_fill_bytes_and_what_follows_are_passed_over() -> None:
    image = unpadded_coefficients(25, 42, (2, 2))
    other = b"\xff\xe1\0\x0aExif\xff\xd9\xff\xda\xff\xfe\0\x04\xff\xd8\xff\xff"
    data = file_of(image, replace(PROGRESSIVE, before=other)) + b"trailer\xff\xd8"
    assert_equal(read(data), image)


@pytest.mark.parametrize("count", [1, 2, 100_000])
def test_any_number_of_fill_bytes_may_precede_a_marker(count: int) -> None:
    image = unpadded_coefficients(25, 42, (2, 2))
    data = plain = file_of(image, PROGRESSIVE)
    for segment in reversed(list(segments(plain))):
        data = data[: segment.start] + b"\xff" * count + data[segment.start :]
    assert_equal(read(data), image)
    assert read_jpeg_frame(data) == read_jpeg_frame(plain) is not None
    end = data[:2] + b"\xff" * count
    assert read_jpeg_frame(end) is None
    for cut in (end, data[: -2 - count // 2]):
        with pytest.raises(StreamError, match="truncated"):
            read(cut)


ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"
JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
COLOURS = [
    (b"", b"\1\2\3", Colours.YCBCR),
    (b"", b"RGB", Colours.RGB),
    (b"", b"\0\1\2", Colours.YCBCR),
    (b"", b"rgb", Colours.YCBCR),
    (JFIF, b"RGB", Colours.YCBCR),
    (JFIF + ADOBE + b"\0", b"\1\2\3", Colours.YCBCR),
    (b"\xff\xe0\0\x0fJFIF\0\1\1\0\0\1\0\1\0", b"RGB", Colours.RGB),
    (ADOBE + b"\0", b"\1\2\3", Colours.RGB),
    (ADOBE + b"\1", b"RGB", Colours.YCBCR),
    (ADOBE + b"\2", b"RGB", Colours.YCBCR),
    (ADOBE + b"\1" + ADOBE + b"\0", b"\1\2\3", Colours.RGB),
    (b"\xff\xee\0\x0dAdobe\0\x64\0\0\0\0", b"\1\2\3", Colours.YCBCR),
]


@pytest.mark.parametrize(("before", "names", "expected"), COLOURS)
def test_colours_are_those_that_libjpeg_takes_them_for(before: bytes, names: bytes, expected: Colours) -> None:
    image = unpadded_coefficients(20, 20, (1, 1))
    plain = file_of(image, replace(SEQUENTIAL, names=names))
    data = plain[:2] + before + plain[2:]
    assert read_foreign(data).colours is expected
    planes = np.stack([component_plane(image, n, DECODERS[0].transform) for n in range(3)], axis=2)
    as_stored = expected is Colours.RGB
    assert np.array_equal(planes if as_stored else decode(image, DECODERS[0]), pillow_decoded(data))


@pytest.mark.parametrize("sampling", SAMPLINGS.values())
@pytest.mark.parametrize(("names", "conversion"), [(b"\1\2\3", USUAL.conversion), (b"RGB", None)])
def test_samples_become_the_picture_that_pillow_decodes(
    sampling: Sampling, names: bytes, conversion: Conversion | None
) -> None:
    image = unpadded_coefficients(45, 38, sampling)
    data = file_of(image, replace(SEQUENTIAL, names=names))
    found = read(data)
    planes = [plane_of(blocks, ISLOW, table) for blocks, table in zip(found.blocks, found.tables, strict=True)]
    np.testing.assert_array_equal(picture_of(found, planes, conversion), pillow_decoded(data))
