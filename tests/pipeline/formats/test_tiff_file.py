"""What a user is promised about TIFF files: every sample, every tag, and mostly every byte."""

from __future__ import annotations

import io
import mmap
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from tests.support.make_images import SIZES, assert_comes_back, make_tiff, picture_of, pixels_of, rebuilt
from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, PictureError, UnsupportedPicture
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import read_picture, rebuild

KINDS = {  # photometric, channels, extra samples -> mode
    ("minisblack", 1, ()): "L",
    ("miniswhite", 1, ()): "L",
    ("minisblack", 2, ("assocalpha",)): "LA",
    ("rgb", 3, ()): "RGB",
    ("rgb", 4, ("unassalpha",)): "RGBA",
    ("separated", 4, ()): "CMYK",
}
COMPRESSIONS = [None, "lzw", "zlib", "packbits", "zstd"]


@settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    size=SIZES,
    bits=st.sampled_from([8, 16]),
    seed=st.integers(0, 1 << 30),
    compression=st.sampled_from(COMPRESSIONS),
    predictor=st.booleans(),
    tile=st.sampled_from([None, (16, 16), (32, 16)]),
    strip=st.integers(1, 40),
    planes=st.sampled_from(["contig", "separate"]),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    rows=st.integers(1, 50),
)
def test_every_kind_of_tiff_comes_back_sample_by_sample(
    kind, size, bits, seed, compression, predictor, tile, strip, planes, order, big, rows
):
    photometric, channels, extra = kind
    samples = picture_of(seed, *size, channels, bits)
    data = make_tiff(
        samples,
        photometric,
        compression=compression,
        predictor=predictor and compression not in (None, "packbits"),
        planarconfig=planes if channels > 1 else None,
        tile=tile,
        rowsperstrip=None if tile else strip,
        byteorder=order,
        bigtiff=big,
        extrasamples=extra,
        extratags=[(65000, 2, None, "a private tag", True)],
    )
    picture, back = assert_comes_back(data, samples, rows)
    assert (picture.format, picture.mode, picture.bit_depth) == ("tiff", KINDS[kind], bits)
    restored = tifffile.TiffFile(io.BytesIO(back)).pages[0]
    assert restored.tags[65000].value == "a private tag"
    assert np.array_equal(tifffile.imread(io.BytesIO(back)), tifffile.imread(io.BytesIO(data)))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_common_tiffs_come_back_byte_for_byte(compression, tile):
    samples = picture_of(8, 40, 70, 3, 8)
    data = make_tiff(samples, "rgb", compression=compression, tile=tile, rowsperstrip=None if tile else 11)
    _, back = assert_comes_back(data + b"stray bytes", samples)
    assert back == data + b"stray bytes"


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_tiffs_of_libtiff_come_back_with_their_metadata(mode, compression):
    gray = Image.fromarray(picture_of(2, 33, 21, 1, 8)[:, :, 0])
    image = Image.fromarray(picture_of(2, 33, 21, 1, 16)[:, :, 0]) if mode == "I;16" else gray.convert(mode)
    out = io.BytesIO()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[315] = "an archivist"
    if compression == "raw":  # with the others Pillow does not write it
        tags[0x8769] = {0x9003: "2001:02:03 04:05:06"}
    image.save(out, "TIFF", compression=compression, dpi=(300, 300), icc_profile=b"profile" * 99, tiffinfo=tags)
    expected = np.asarray(image).reshape(33, 21, -1).astype(np.uint16 if mode == "I;16" else np.uint8)
    picture, back = assert_comes_back(out.getvalue(), expected)
    assert picture.mode == ("L" if mode == "I;16" else mode)
    restored = Image.open(io.BytesIO(back))
    assert np.array_equal(np.asarray(restored), np.asarray(image))
    assert restored.info["icc_profile"] == b"profile" * 99
    assert restored.tag_v2[315] == "an archivist"
    if compression == "raw":
        assert restored.getexif().get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"
    assert restored.info["dpi"] == (300, 300)


@pytest.mark.parametrize("bits", [2, 4])
def test_packed_gray_and_palette_samples_are_not_scaled(bits):
    samples = picture_of(1, 5, 7, 1, bits)
    data = bytearray(make_tiff(np.zeros((5, -(-7 * bits // 8), 1), np.uint8), "minisblack"))
    page = tifffile.TiffFile(io.BytesIO(bytes(data))).pages[0]
    struct.pack_into("<H", data, page.tags[258].valueoffset, bits)
    struct.pack_into("<H", data, page.tags[256].valueoffset, 7)
    at = page.dataoffsets[0]
    rows = [int("".join(f"{v:0{bits}b}" for v in row[:, 0]).ljust(-(-7 * bits // 8) * 8, "0"), 2) for row in samples]
    data[at : at + page.databytecounts[0]] = b"".join(r.to_bytes(-(-7 * bits // 8)) for r in rows)
    picture, back = assert_comes_back(bytes(data), samples)
    assert (picture.mode, picture.bit_depth) == ("L", bits)
    assert back == data


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd", "packbits", None])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_other_pixels_in_the_container_make_a_valid_tiff(compression, planes):
    flat = np.full((40, 70, 3), 9, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, flat.shape).astype(np.uint8)
    tag = [(65000, 2, None, "a private tag", True)]
    for first, other in ((flat, noise), (noise, flat)):
        data = make_tiff(
            first, "rgb", compression=compression, rowsperstrip=7, planarconfig=planes, extratags=tag, metadata=None
        )
        back = rebuilt(read_picture(data), other)
        page = tifffile.TiffFile(io.BytesIO(back)).pages[0]
        assert page.tags[65000].value == "a private tag"
        assert np.array_equal(pixels_of(read_picture(back)), other)
        assert len(back) < len(data) + other.nbytes * 2
        stored = tifffile.imread(io.BytesIO(back))
        assert np.array_equal(np.moveaxis(stored, 0, -1) if planes == "separate" else stored, other)


def test_tables_too_narrow_for_the_new_sizes_are_widened():
    flat = np.full((400, 400, 1), 9, np.uint8)
    data = bytearray(make_tiff(flat, "minisblack", compression="lzw", rowsperstrip=200))
    page = tifffile.TiffFile(io.BytesIO(bytes(data))).pages[0]
    struct.pack_into("<HHIHH", data, page.tags[279].offset, 279, 3, 2, *page.databytecounts)
    noise = np.random.default_rng(0).integers(0, 256, flat.shape).astype(np.uint8)
    back = rebuilt(read_picture(bytes(data)), noise)
    assert np.array_equal(tifffile.imread(io.BytesIO(back)), noise[:, :, 0])


def test_a_tiff_goes_to_outputs_that_cannot_seek():
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError("a pipe")

    samples = picture_of(8, 40, 70, 3, 8)
    data = make_tiff(samples, "rgb", compression="lzw")
    out = Pipe()
    rebuild(read_picture(data).container, iter([samples]), out)
    assert out.getvalue() == data


@pytest.mark.parametrize("options", [{"tile": (256, 256)}, {"rowsperstrip": 4000}])
def test_large_tiffs_are_read_in_bands_from_a_map(options, tmp_path):
    samples = np.zeros((4000, 4000, 1), np.uint8)
    samples[::7, ::5] = 200
    path = tmp_path / "large.tif"
    path.write_bytes(make_tiff(samples, "minisblack", **options))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as source:
        tracemalloc.start()
        picture = read_picture(source)
        equal = [np.array_equal(b, samples[i * 64 : i * 64 + 64]) for i, b in enumerate(picture.read_bands(64))]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert all(equal) and len(equal) == 63
    assert peak < 6 << 20


def test_what_cannot_be_held_as_pixels_says_so():
    gray = picture_of(0, 20, 20, 1, 8)
    two = io.BytesIO()
    tifffile.imwrite(two, np.zeros((2, 20, 20), np.uint8), photometric="minisblack")
    floating = io.BytesIO()
    tifffile.imwrite(floating, np.zeros((20, 20), np.float32))
    signed = io.BytesIO()
    tifffile.imwrite(signed, np.zeros((20, 20), np.int16))
    fax = io.BytesIO()
    Image.new("1", (20, 20)).save(fax, "TIFF", compression="group4")
    sub = io.BytesIO()
    with tifffile.TiffWriter(sub) as writer:
        writer.write(gray[:, :, 0], subifds=1, photometric="minisblack")
        writer.write(gray[::2, ::2, 0], photometric="minisblack")
    jpeg = make_tiff(picture_of(0, 32, 32, 3, 8), "rgb", compression="jpeg")
    five = make_tiff(picture_of(0, 20, 20, 5, 8), "minisblack", planarconfig="contig", extrasamples=(0,) * 4)
    for data, reason in [
        (two.getvalue(), "several pages"),
        (floating.getvalue(), "floating-point"),
        (signed.getvalue(), "signed"),
        (fax.getvalue(), "CCITT group 4"),
        (sub.getvalue(), "SubIFDs"),
        (jpeg, "JPEG"),
        (five, "5 samples"),
    ]:
        with pytest.raises(UnsupportedPicture, match=reason):
            read_picture(data)


def _with_value(data: bytes, tag: int, value: int) -> bytes:
    entry = tifffile.TiffFile(io.BytesIO(data)).pages[0].tags[tag]
    out = bytearray(data)
    struct.pack_into("<H" if entry.dtype == 3 else "<I", out, entry.valueoffset, value)
    return bytes(out)


def test_positions_and_sizes_in_a_file_are_not_trusted():
    data = make_tiff(picture_of(0, 20, 20, 1, 8), "minisblack", rowsperstrip=10, metadata=None)
    for tag, value in [(273, 1 << 31), (273, 0), (279, 3), (278, 1), (277, 60000), (258, 13), (256, 0), (257, 19999)]:
        with pytest.raises(PictureError):
            read_picture(_with_value(data, tag, value))
    with pytest.raises(LimitExceeded):
        read_picture(_with_value(_with_value(data, 256, 65000), 257, 65000))
    with pytest.raises(LimitExceeded):
        read_picture(data, Limits(max_pixels=399))


def test_strips_that_share_bytes_are_refused():
    data = bytearray(make_tiff(picture_of(0, 20, 20, 1, 8), "minisblack", rowsperstrip=10, metadata=None))
    page = tifffile.TiffFile(io.BytesIO(bytes(data))).pages[0]
    struct.pack_into("<I", data, page.tags[273].valueoffset + 4, page.dataoffsets[0] + 100)
    with pytest.raises(UnsupportedPicture, match="share bytes"):
        read_picture(bytes(data))
    struct.pack_into("<I", data, page.tags[273].valueoffset, page.tags[273].valueoffset)
    with pytest.raises(PictureError):
        read_picture(bytes(data))


def test_a_truncated_tiff_is_damaged():
    data = make_tiff(picture_of(0, 20, 20, 1, 8), "minisblack", compression="lzw", metadata=None)
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    for size in (7, page.offset + 5, page.dataoffsets[0] + 3, len(data) - 1):
        with pytest.raises(DamagedPicture):
            read_picture(data[:size])
    cut = bytearray(data)
    at = page.dataoffsets[0] + 20
    cut[at : at + 40] = b"\xff" * 40
    with pytest.raises(DamagedPicture):
        list(read_picture(bytes(cut)).read_bands(8))


@pytest.mark.parametrize("damage", ["checksum", "end"])
def test_deflated_strip_with_a_damaged_end_is_damaged(damage: str):
    out = io.BytesIO()
    tifffile.imwrite(out, np.arange(4000, dtype=np.uint16).reshape(50, 80), compression="zlib", metadata=None)
    with tifffile.TiffFile(io.BytesIO(out.getvalue())) as file:
        (start,), (size,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
        counts = file.pages[0].tags[279].valueoffset
    data = bytearray(out.getvalue())
    if damage == "checksum":
        data[start + size - 1] ^= 1
    else:
        data[counts : counts + 4] = (size - 4).to_bytes(4, "little")
    with pytest.raises(DamagedPicture):
        list(read_picture(bytes(data)).read_bands(512))
