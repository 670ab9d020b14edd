"""No byte of a file is lost, and no restored file contradicts itself: what cannot be so is stored verbatim."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

import tilepress
from tests.support.make_archives import encode_files, method_and_reason, smooth
from tests.support.make_collection import encoded, image_of
from tilepress.errors import IntegrityError, UnsupportedPicture
from tilepress.pipeline.formats.png.chunks import SIGNATURE, chunk
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading import rebuild

COMPRESSIONS = ["lzw", "deflate", "zstd", "packbits"]


def png(*before: bytes, usual: bool = True) -> bytes:
    """A PNG file with further chunks before its pixels, which are compressed as zlib does, or as nothing here does."""
    samples = smooth(60, 60, 3, seed=1)
    raw = b"".join(b"\0" + row.tobytes() for row in samples)
    if usual:
        stream = zlib.compress(raw)
    else:
        deflater, starts = zlib.compressobj(9), range(0, len(raw), 900)
        parts = [deflater.compress(raw[at : at + 900]) + deflater.flush(zlib.Z_FULL_FLUSH) for at in starts]
        stream = b"".join([*parts, deflater.flush()])
    header = (60).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(before) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def with_bytecount(compression: str, tail: bytes, *, tile: bool = False) -> bytes:
    """A TIFF file whose last segment claims `tail`, which follows it, as its own."""
    out = io.BytesIO()
    options = {"tile": (32, 32)} if tile else {"rowsperstrip": 40}
    tifffile.imwrite(out, smooth(80, 96, 1, seed=2)[:, :, 0], compression=compression, metadata=None, **options)
    data = bytearray(out.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        tag = page.tags["TileByteCounts" if tile else "StripByteCounts"]
        offset, size = max(zip(page.dataoffsets, page.databytecounts, strict=True))
        last = page.databytecounts.index(size) if page.databytecounts.count(size) == 1 else len(page.dataoffsets) - 1
        width = {3: 2, 4: 4, 16: 8}[int(tag.dtype)]
        at = tag.valueoffset + width * last
    assert len(data) - (offset + size) <= 1
    del data[offset + size :]
    data[at : at + width] = (size + len(tail)).to_bytes(width, "little")
    return bytes(data) + tail


@pytest.mark.parametrize("tile", [False, True], ids=["strips", "tiles"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_bytes_behind_the_pixels_of_a_segment_are_never_lost(compression: str, tile: bool) -> None:
    read_picture(with_bytecount(compression, b"", tile=tile))
    read_picture(with_bytecount(compression, bytes(20), tile=tile))  # padding
    with pytest.raises(UnsupportedPicture, match="holds more than its pixels"):
        read_picture(with_bytecount(compression, b"a directory of EXIF", tile=tile))


@pytest.mark.parametrize(("bits", "width", "unused"), [(1, 13, 3), (4, 5, 4), (1, 16, 0)])
def test_bits_that_fill_rows_of_uncompressed_samples_are_never_lost(bits: int, width: int, unused: int) -> None:
    row = -(-width * bits // 8)
    data = bytearray(uncompressed(width, 6, bits))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        (start,) = file.pages[0].dataoffsets
    read_picture(bytes(data))
    data[start + 2 * row + row - 1] |= 1
    if not unused:
        assert read_picture(bytes(data)).width == width  # a pixel
        return
    with pytest.raises(UnsupportedPicture, match="holds more than its pixels"):
        read_picture(bytes(data))


def uncompressed(width: int, height: int, bits: int) -> bytes:
    """A TIFF file of black pixels in strips."""
    out = io.BytesIO()
    pixels = np.zeros((height, width), bool if bits == 1 else np.uint8)
    tifffile.imwrite(out, pixels, bitspersample=bits, rowsperstrip=6, metadata=None)
    return out.getvalue()


@pytest.mark.parametrize("kind", [b"iDOT", b"caBX", b"dSIG", b"xyZZ"])
def test_chunks_that_are_not_safe_to_copy_come_back_with_their_file_byte_for_byte(kind: bytes, tmp_path: Path) -> None:
    files = {"usual.png": png(chunk(kind, b"1234")), "odd.png": png(chunk(kind, b"1234"), usual=False)}
    shard = encode_files(tmp_path, files)
    assert method_and_reason(shard, "usual.png") == ("tiles", "")
    assert method_and_reason(shard, "odd.png")[1] == "unsupported"
    assert shard.images["odd.png"].facts.reason.startswith(f"chunk {kind.decode()} describes compressed bytes")
    for path, data in files.items():
        out = (tmp_path / path).open("w+b")
        assert rebuild.write_file(shard.images[path], shard.reader, out).byte_identical
        out.seek(0)
        assert out.read() == data


@pytest.mark.parametrize("kind", [b"tEXt", b"gAMA", b"npTc"])
def test_other_chunks_do_not_keep_a_file_from_being_pixels(kind: bytes, tmp_path: Path) -> None:
    shard = encode_files(tmp_path, {"a.png": png(chunk(kind, b"1234"), usual=False)})
    assert method_and_reason(shard, "a.png") == ("tiles", "")


def test_near_lossless_and_lossy_archives_store_what_describes_its_bytes_verbatim(tmp_path: Path) -> None:
    data = png(chunk(b"iDOT", b"1234"))
    for at, options in enumerate(({"codec": "jpegls", "max_error": 2}, {"codec": "jpeg", "fidelity": "lossy"})):
        shard = encode_files(tmp_path / str(at), {"a.png": data}, **options)
        assert method_and_reason(shard, "a.png")[1] == "unsupported" and shard.file("a.png") == data


def test_a_file_that_this_machine_compresses_otherwise_is_not_given_out(tmp_path: Path, monkeypatch) -> None:
    shard = encode_files(tmp_path, {"a.png": png(chunk(b"iDOT", b"1234")), "b.png": png()})
    monkeypatch.setattr(rebuild, "_hash_file", lambda _: b"other")
    with pytest.raises(IntegrityError, match="zlib makes other bytes"):
        rebuild.write_file(shard.images["a.png"], shard.reader, (tmp_path / "a").open("w+b"))
    assert not rebuild.write_file(shard.images["b.png"], shard.reader, (tmp_path / "b").open("w+b")).byte_identical


def test_gdal_and_c2pa_descriptions_of_tiff_bytes_are_seen() -> None:
    plain = encoded(image_of("L", 20, 30), "TIFF")
    assert read_picture(plain).describes_bytes == ""
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((20, 20), np.uint8), extratags=[(52545, 7, 4, b"c2pa", True)])
    assert "C2PA" in read_picture(out.getvalue()).describes_bytes


def test_a_jpeg_with_a_second_picture_is_transcoded_byte_for_byte(tmp_path: Path) -> None:
    from PIL import Image

    first, second = (Image.fromarray(smooth(96, 96, 3, seed=seed)) for seed in (1, 2))
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[second], quality=85)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/phone.jpg").write_bytes(out.getvalue())
    archive = tmp_path / "archive"
    report = tilepress.compress(tmp_path / "source", archive, engine="local", workers=1)
    assert report.exit_code == 0 and dict(report.summary.images) == {"jpeg": 1}
    entry = tilepress.open(archive)["phone.jpg"]
    assert entry.bytes() == out.getvalue() and entry.index_row.nbytes < len(out.getvalue())
    lossy = tilepress.compress(
        tmp_path / "source", tmp_path / "lossy", codec="jpeg", fidelity="lossy", engine="local", workers=1
    )
    assert set(lossy.summary.images) <= {"file", "file-zstd"}  # its offsets would point elsewhere
