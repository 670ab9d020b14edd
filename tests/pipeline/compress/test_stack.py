"""Small images of one kind are coded together, and come back one by one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.make_archives import EncodedShard, encode_files, encoded, noise, smooth
from tests.support.make_images import png_chunk
from tilepress.errors import IntegrityError
from tilepress.pipeline.archive.index_row import fetch_image_row, index_row
from tilepress.pipeline.archive.part_index import part_index
from tilepress.pipeline.archive.schema import FILE, STACKED, TILES, UNTRUSTED
from tilepress.pipeline.archive.summary import summarise
from tilepress.pipeline.coding.decode import Shown
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import prove, write_file


def digits(count: int, channels: int = 1, seed: int = 0) -> dict[str, bytes]:
    pictures = [smooth(20, 24, channels, seed=seed + number) for number in range(count)]
    return {f"{channels}/{number:03}.png": encoded(picture) for number, picture in enumerate(pictures)}


def methods(shard: EncodedShard) -> set[str]:
    return {image.facts.method for image in shard.images.values()}


def rebuilt(shard: EncodedShard, path: str) -> bytes:
    out = io.BytesIO()
    write_file(shard.images[path], shard.reader, out)
    return out.getvalue()


@pytest.mark.parametrize("codec", ["jpegxl", "raw", "png", "jpegls", "predictive-mlp"])
def test_files_come_back_byte_for_byte(tmp_path: Path, codec: str) -> None:
    files = digits(11) | digits(5, 3) | digits(3, 4)
    shard = encode_files(tmp_path, files, codec=codec)
    assert STACKED in methods(shard)
    for path, data in files.items():
        assert rebuilt(shard, path) == data
        prove(shard.images[path], shard.reader)


def test_they_take_less_together_than_alone(tmp_path: Path) -> None:
    files = digits(40)
    together = encode_files(tmp_path, files)
    alone = [encode_files(tmp_path / name, {name: data}).images[name].nbytes for name, data in files.items()]
    stored = sum(image.nbytes for image in together.images.values())
    assert stored < 0.8 * sum(alone)
    assert abs(summarise(together.images.values()).bytes_out.total() - stored) == 0


def test_only_images_of_one_kind_share_a_stack(tmp_path: Path) -> None:
    files = digits(4) | digits(4, 3) | {f"wide{n}.png": encoded(smooth(20, 25, 1, seed=n)) for n in range(4)}
    files["alone.png"] = encoded(smooth(32, 32, 4))
    shard = encode_files(tmp_path, files)
    stacks: dict[int | None, set[tuple[object, ...]]] = {}
    for image in shard.images.values():
        facts = image.facts
        stacks.setdefault(facts.stack, set()).add((facts.mode, facts.width, facts.height))
    assert shard.images["alone.png"].facts.method == TILES
    del stacks[None]
    assert sorted(map(len, stacks.values())) == [1, 1, 1]


def test_large_images_are_tiles_as_ever(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, {f"{n}.png": encoded(smooth(33, 64, 4, seed=n)) for n in range(4)})
    assert methods(shard) == {TILES}


def test_a_damaged_file_does_not_harm_the_others(tmp_path: Path) -> None:
    files = digits(6)
    files["1/002.png"] = files["1/002.png"][:60]
    shard = encode_files(tmp_path, files)
    assert shard.images["1/002.png"].facts.reason_code == "damaged" and shard.file("1/002.png") == files["1/002.png"]
    assert {path for path, image in shard.images.items() if image.facts.method == STACKED} == files.keys() - {
        "1/002.png"
    }


def test_what_does_not_shrink_together_is_stored_alone(tmp_path: Path) -> None:
    files = {f"{n}.png": encoded(noise(20, 24, 1, seed=n)) for n in range(5)}
    shard = encode_files(tmp_path, files, codec="raw")
    assert methods(shard) <= {TILES, FILE}
    for path, data in files.items():
        assert shard.images[path].nbytes <= len(data) and rebuilt(shard, path) == data


def test_an_area_and_a_preview_of_one_image(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, digits(7))
    image, whole = shard.images["1/005.png"], smooth(20, 24, 1, seed=5)
    (area,) = shard.reader.bands(image, Box(3, 4, 10, 6))
    np.testing.assert_array_equal(area, whole[4:10, 3:13])
    (preview,) = shard.reader.bands(image, shown=Shown(preview=True))
    np.testing.assert_array_equal(preview, whole)


def recorded(shard: EncodedShard) -> tuple[PartReader, list[Sequence[tuple[int, int]]]]:
    """A reader of a part, and the ranges of each of its requests."""
    calls: list[Sequence[tuple[int, int]]] = []

    def fetch(ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        calls.append(ranges)
        return shard.part.fetch(ranges)

    return PartReader(fetch, shard.pool), calls


def test_a_stack_is_decoded_once_for_all_its_images(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, digits(16))
    reader, calls = recorded(shard)
    for path in shard.images:
        write_file(shard.images[path], reader, io.BytesIO())
    assert sum(map(len, calls)) == 2  # container and latents


def test_one_image_takes_two_requests(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, digits(30))
    reader, calls = recorded(shard)
    write_file(shard.images["1/017.png"], reader, io.BytesIO())
    assert len(calls) <= 2


def test_a_small_image_in_a_large_file_waits_for_no_others(tmp_path: Path) -> None:
    large = encoded(smooth(20, 24, 1)) + bytes(300_000)
    shard = encode_files(tmp_path, digits(5) | {"large.png": large})
    assert shard.images["large.png"].facts.stack is None
    assert rebuilt(shard, "large.png") == large


@pytest.mark.parametrize(("count", "length"), [(5, 3 << 20), (400, 100_000)])
def test_much_around_the_pixels_does_not_keep_images_from_being_stored(count: int, length: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = {}
    for number in range(count):
        data = encoded(smooth(20, 24, 1, seed=number))
        text = png_chunk(b"tEXt", b"a\0" + rng.integers(1, 255, length, np.uint8).tobytes())
        files[f"{number}.png"] = data[:33] + text + data[33:]
    shard = encode_files(tmp_path, files)
    assert UNTRUSTED not in {image.facts.reason_code for image in shard.images.values()}
    for path in ("0.png", "4.png"):
        assert rebuilt(shard, path) == files[path]


def test_images_within_a_bound(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, digits(9), codec="jpegls", max_error=3)
    for number in range(9):
        image = shard.images[f"1/{number:03}.png"]
        assert image.facts.fidelity == "max-error-3"
        error = np.abs(shard.pixels(image.facts.path).astype(int) - smooth(20, 24, 1, seed=number))
        assert 0 < error.max() <= 3


@pytest.mark.parametrize("payload", ["container", "latents"])
def test_a_flipped_bit_is_found_in_every_image_of_the_stack(tmp_path: Path, payload: str) -> None:
    shard = encode_files(tmp_path, digits(5))
    image = shard.images["1/001.png"]
    offset, length = image.spans["container"] if payload == "container" else image.tiles[0].latents
    data = bytearray(shard.part.fetch([(0, shard.part.nbytes)])[0])
    data[offset + length // 2] ^= 8
    reader = PartReader(lambda ranges: [bytes(data[at : at + n]) for at, n in ranges], shard.pool)
    for each in shard.images.values():
        with pytest.raises(IntegrityError, match="CRC"):
            write_file(each, reader, io.BytesIO())


@pytest.mark.parametrize(
    "forged",
    [
        {"cell": 5},
        {"cell": -1},
        {"cell": None},
        {"stack": None},
        {"width": 23},
        {"height": 0},
        {"stacked": None},
        {"stacked": {"images": 99}},
        {"stacked": {"images": 0}},
        {"stacked": {"source_bytes": 0}},
        {"stacked": {"width": 24 << 24}},
        {"stacked": {"width": 24 * 43}},
        {"stacked": {"width": 1 << 30}},
        {"tiles": []},
    ],
)
def test_a_forged_row_is_refused(tmp_path: Path, forged: dict[str, object]) -> None:
    shard = encode_files(tmp_path, digits(5))
    row = part_index(shard.part.file, "part", 0).to_pylist()[1]
    wrong = {name: row[name] | value if isinstance(value, dict) else value for name, value in forged.items()}
    with pytest.raises(IntegrityError):
        write_file(index_row(row | wrong), shard.reader, io.BytesIO())


def test_an_image_of_another_cell_is_not_byte_identical(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, digits(5))
    image = shard.images["1/001.png"]
    out = io.BytesIO()
    swapped = replace(image, facts=replace(image.facts, cell=2))
    assert not write_file(swapped, shard.reader, out).byte_identical or out.getvalue() == digits(5)["1/002.png"]


def test_equal_containers_are_kept_once(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, digits(30))
    frame, _, _ = fetch_image_row(shard.images["1/000.png"], shard.part.fetch)
    assert len(frame) < 300 + 4 * 30
