"""From files to rows: which way each file takes, and that whatever is stored is proven and never larger."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from tests.support.make_archives import (
    bilevel_tiff,
    encode,
    encode_files,
    encoded,
    method_and_reason,
    noise,
    palette_tiff,
    planned,
    smooth,
    task_of,
    write_files,
)
from tilepress.errors import IntegrityError
from tilepress.pipeline.archive.checksums import samples_crc
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, JPEG, NOT_STORED, TILES
from tilepress.pipeline.compress import shard as shard_module
from tilepress.pipeline.formats import zlib_settings
from tilepress.pipeline.reading import rebuild
from tilepress.pipeline.reading.rebuild import prove, write_file
from tilepress.pipeline.storage import local


def test_each_kind_of_file_takes_its_way(tmp_path: Path) -> None:
    png = encoded(smooth(80, 100, 3))
    files = {
        "photo.jpg": encoded(smooth(100, 90, 3), "JPEG"),
        "picture.png": png,
        "scan.tif": encoded(smooth(80, 100, 3), "TIFF"),
        "text.txt": b"text " * 100,
        "other.bin": os.urandom(100),
        "cut.png": png[: len(png) * 2 // 3],
        "noise.png": encoded(noise(50, 50, 3)),
        "empty": b"",
    }
    encoded_shard = encode_files(tmp_path, files)
    assert {path: method_and_reason(encoded_shard, path) for path in files} == {
        "photo.jpg": (JPEG, ""),
        "picture.png": (TILES, ""),
        "scan.tif": (TILES, ""),
        "text.txt": (FILE_ZSTD, "unsupported"),
        "other.bin": (FILE, "unsupported"),
        "cut.png": (FILE, "damaged"),
        "noise.png": (FILE, "incompressible"),
        "empty": (FILE, "unsupported"),
    }
    for path, image in encoded_shard.images.items():
        prove(image, encoded_shard.reader)
        assert image.nbytes <= len(files[path]), path
        assert bool(image.facts.reason) == bool(image.facts.reason_code), path
        if image.facts.method != TILES:
            assert encoded_shard.file(path) == files[path]
    assert np.array_equal(encoded_shard.pixels("picture.png"), smooth(80, 100, 3))


def test_a_transcoded_jpeg_is_smaller_and_the_same_bytes(tmp_path: Path) -> None:
    data = encoded(smooth(200, 200, 3), "JPEG", quality=92)
    encoded_shard = encode_files(tmp_path, {"a.jpg": data})
    assert method_and_reason(encoded_shard, "a.jpg") == (JPEG, "")
    assert encoded_shard.images["a.jpg"].nbytes < 0.95 * len(data)
    assert encoded_shard.file("a.jpg") == data
    assert not encoded_shard.images["a.jpg"].tiles


def test_fidelity_file_keeps_every_byte_of_every_file(tmp_path: Path) -> None:
    foreign = bytes(imagecodecs.png_encode(smooth(90, 80, 3), level=4))  # by another deflate than zlib's
    again = {"a.png": encoded(smooth(80, 80, 3)), "b.tif": encoded(smooth(90, 90, 1), "TIFF")}
    kept = {"c.txt": b"text" * 99, "foreign.png": foreign}
    encoded_shard = encode_files(tmp_path, again | kept, fidelity="file")
    for path, data in (again | kept).items():
        out = io.BytesIO()
        assert write_file(encoded_shard.images[path], encoded_shard.reader, out).byte_identical
        assert out.getvalue() == data
    assert {encoded_shard.images[path].facts.method for path in again} == {TILES}
    assert method_and_reason(encoded_shard, "a.png")[1] == ""


@pytest.mark.usefixtures("read_here")
def test_a_file_that_other_libraries_compressed_is_kept_for_fidelity_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zlib_settings, "_BY_HEADER", ((), (), (), ()))  # as if none of zlib's settings gave its bytes
    data = encoded(smooth(80, 80, 3))
    encoded_shard = encode_files(tmp_path, {"a.png": data}, fidelity="file")
    assert encoded_shard.images["a.png"].facts.method in (FILE, FILE_ZSTD)
    assert encoded_shard.file("a.png") == data
    assert encoded_shard.images["a.png"].facts.mode == "RGB"


def test_a_file_that_must_come_back_whole_is_refused_where_zlib_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(smooth(80, 80, 3))}, fidelity="file")
    monkeypatch.setattr(zlib_settings, "_BY_HEADER", ((), (), (), ()))
    monkeypatch.setattr(rebuild, "_hash_file", lambda _: bytes(32))
    with pytest.raises(IntegrityError, match="zlib makes other bytes"):
        write_file(encoded_shard.images["a.png"], encoded_shard.reader, io.BytesIO())


@pytest.mark.parametrize("codec", ["raw", "png", "jpegxl"])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (63, 65), (129, 64)])
def test_no_image_takes_more_than_its_file(codec: str, size: tuple[int, int], tmp_path: Path) -> None:
    files = {
        f"{kind.__name__}{c}.{ext}": encoded(kind(*size, c), form)
        for kind in (smooth, noise)
        for c in (1, 3)
        for ext, form in (("png", "PNG"), ("tif", "TIFF"))
    }
    encoded_shard = encode_files(tmp_path, files, codec=codec)
    for path, data in files.items():
        assert encoded_shard.images[path].nbytes <= len(data), path


def test_an_image_that_the_chosen_codec_does_not_shrink_is_shrunk_by_jpegxl(tmp_path: Path) -> None:
    data = encoded(smooth(100, 130, 3))
    encoded_shard = encode_files(tmp_path, {"a.png": data}, codec="raw")
    assert encoded_shard.images["a.png"].tiles[0].facts.codec == "jpegxl"
    assert encoded_shard.images["a.png"].nbytes < len(data)
    assert np.array_equal(encoded_shard.pixels("a.png"), smooth(100, 130, 3))


def test_no_tile_takes_more_than_its_samples(tmp_path: Path) -> None:
    samples = np.concatenate([smooth(64, 64, 3), noise(64, 64, 3), np.zeros((64, 640, 3), np.uint8)], axis=1)
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(samples, "TIFF")}, codec="png")
    image = encoded_shard.images["a.tif"]
    codecs = [tile.facts.codec for tile in image.tiles]
    assert codecs[1] in ("raw", "jpegxl")
    assert codecs[0] == codecs[2] == "png"
    for tile in image.tiles:
        assert tile.latents[1] + tile.residual[1] <= tile.facts.w * tile.facts.h * 3 + 16
    assert np.array_equal(encoded_shard.pixels("a.tif"), samples)


def test_palettes_and_single_bits_never_go_through_a_lossy_codec(tmp_path: Path) -> None:
    files = {"p.tif": palette_tiff(90, 99), "1.tif": bilevel_tiff(250, 190), "rgb.png": encoded(smooth(99, 99, 3))}
    lossy = encode_files(tmp_path / "lossy", files, codec="jpeg", fidelity="lossy", quality=30)
    exact = encode_files(tmp_path / "exact", files, fidelity="pixels")
    for path in ("p.tif", "1.tif"):
        assert {tile.facts.codec for tile in lossy.images[path].tiles} <= {"jpegxl", "raw"}
        assert np.array_equal(lossy.pixels(path), exact.pixels(path))
    assert {tile.facts.codec for tile in lossy.images["rgb.png"].tiles} == {"jpeg"}
    assert not np.array_equal(lossy.pixels("rgb.png"), exact.pixels("rgb.png"))


def test_damage_deep_in_a_file_leaves_no_tile_behind(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(300, 70, 1), compress_level=1))
    data[-3000] ^= 1
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(smooth(64, 64, 1)), "b.png": bytes(data), "c.txt": b"x"})
    assert method_and_reason(encoded_shard, "b.png") == (FILE, "damaged")
    assert encoded_shard.images["b.png"].tiles == ()
    assert encoded_shard.file("b.png") == bytes(data)
    assert method_and_reason(encoded_shard, "a.png")[0] == TILES


def test_files_that_are_distrusted_are_kept_with_the_reason(tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"a.png": encoded(smooth(90, 90, 3)), "b.png": encoded(smooth(90, 90, 3, 1))})
    task = replace(task_of(source, planned(source)), quarantined={1: "it crashed a worker"})
    encoded_shard = encode(task)
    assert method_and_reason(encoded_shard, "a.png") == (TILES, "")
    assert method_and_reason(encoded_shard, "b.png") == (FILE, "untrusted")
    assert encoded_shard.images["b.png"].facts.reason == "it crashed a worker"


def test_threads_change_no_byte_of_a_part(tmp_path: Path) -> None:
    files = {f"{n}.png": encoded(smooth(150, 170 + n, 3, seed=n)) for n in range(3)} | {"n.txt": b"t"}
    source = write_files(tmp_path / "s", files)
    task = task_of(source, planned(source))
    one, three = encode(task), encode(task, threads=3)
    assert one.part.seal == three.part.seal


def test_a_file_that_changed_or_vanished_since_the_plan_is_recorded_as_such(tmp_path: Path) -> None:
    names = ("changed.png", "grown.png", "there.png", "vanished.png")
    source = write_files(tmp_path / "s", {name: encoded(smooth(80, 80, 3)) for name in names})
    files = planned(source)
    os.utime(source / "changed.png", ns=(1, 1))
    with (source / "grown.png").open("ab") as file:
        file.write(b"more")
    (source / "vanished.png").unlink()
    encoded_shard = encode(task_of(source, files))
    assert {path: method_and_reason(encoded_shard, path) for path in names} == {
        "changed.png": (NOT_STORED, "changed"),
        "grown.png": (NOT_STORED, "changed"),
        "there.png": (TILES, ""),
        "vanished.png": (NOT_STORED, "vanished"),
    }
    for path in ("changed.png", "vanished.png"):
        image = encoded_shard.images[path]
        assert (image.nbytes, image.tiles, image.facts.file_sha256) == (0, (), b"")


def test_a_file_that_cannot_be_read_costs_that_file_and_not_the_run(tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {name: encoded(smooth(80, 80, 3)) for name in ("a.png", "b.png")})
    files = planned(source)
    (source / "a.png").unlink()
    (source / "a.png").symlink_to("a.png")  # opening it is an error that even root meets
    encoded_shard = encode(task_of(source, files))
    assert method_and_reason(encoded_shard, "a.png") == (NOT_STORED, "unreadable")
    assert method_and_reason(encoded_shard, "b.png") == (TILES, "")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.txt"])
def test_a_file_that_changes_while_it_is_read_is_recorded_as_such(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(local, "MAP_FROM", 1)  # as for large files, which are mapped
    form = {"a.png": encoded(smooth(200, 200, 3)), "a.jpg": encoded(smooth(99, 99, 3), "JPEG"), "a.txt": b"text" * 99}
    source = write_files(tmp_path / "s", {name: form[name]})
    task = task_of(source, planned(source))
    original = shard_module.read_picture

    def read_and_touch(data, limits, **options):
        os.utime(source / name, ns=(5, 5))
        return original(data, limits, **options)

    monkeypatch.setattr(shard_module, "read_picture", read_and_touch)
    encoded_shard = encode(task)
    assert method_and_reason(encoded_shard, name) == (NOT_STORED, "changed")
    assert encoded_shard.part.rows == 1


def test_tiles_carry_what_is_needed_to_check_them(tmp_path: Path) -> None:
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(smooth(100, 70, 3))})
    image = encoded_shard.images["a.png"]
    assert [(t.facts.x, t.facts.y, t.facts.w, t.facts.h) for t in image.tiles] == [
        (0, 0, 64, 64),
        (64, 0, 6, 64),
        (0, 64, 64, 36),
        (64, 64, 6, 36),
    ]
    first = image.tiles[0].facts
    assert first.pixels_crc == samples_crc(smooth(100, 70, 3)[:64, :64])
    assert first.base_crc == first.pixels_crc
    assert first.psnr is None
