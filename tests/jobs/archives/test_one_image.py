"""What is wrong with one image is that image's error, found by verify as by restore, never the end of the others."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard

import tilepress
from tests.jobs.archives.test_hostile_archive import resealed
from tests.support.make_archives import encode_files
from tests.support.make_collection import encoded, image_of, png16, write_tree
from tilepress.errors import IntegrityError, StorageError, UnusableName
from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row
from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import row_crc
from tilepress.pipeline.formats.container import pack_container, unpack_container
from tilepress.pipeline.reading import image as images
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import prove, write_file
from tilepress.pipeline.sources.dataset import UNUSABLE, DataSet, Item, Source, whole
from tilepress.pipeline.storage.base import Ranges
from tilepress.pipeline.storage.local import LocalStorage

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
FILES = {f"{at}.png": encoded(image_of("RGB", 60, 60, seed=at), "PNG") for at in range(3)} | {
    "junk.bin": np.random.default_rng(1).bytes(500)
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_tree(tmp_path / "source", FILES)
    assert tilepress.compress(tmp_path / "source", tmp_path / "archive", **LOCAL).exit_code == 0
    return tmp_path


def opened(place: Path) -> Archive:
    return tilepress.open(place / "archive")


@pytest.mark.parametrize("path", FILES)
def test_a_flipped_bit_in_whatever_an_image_is_rebuilt_from_is_found_in_its_subset(place: Path, path: str) -> None:
    entry = opened(place)[path]
    part = place / "archive" / entry.part
    whole = part.read_bytes()
    row = entry.index_row
    spans = [span for span in row.spans.values() if span[1]]
    spans += [span for each in row.tiles for span in (each.latents, each.residual) if span[1]]
    assert len(spans) == (1 if path == "junk.bin" else 2)
    for offset, length in spans:
        damaged = bytearray(whole)
        damaged[offset + length // 2] ^= 16
        part.write_bytes(damaged)
        report = tilepress.verify(place / "archive", subset=(1, 1), **LOCAL)
        assert report.exit_code == 4 and {image for _, image, _ in report.problems} == {path}
        back = tilepress.restore(place / "archive", place / f"back{offset}", **LOCAL)
        assert [name for name, _ in back.failed] == [path] and back.restored.total() == len(FILES) - 1
    part.write_bytes(whole)
    assert tilepress.verify(place / "archive", subset=(1, 1), **LOCAL).exit_code == 0


DRESSED = {  # of each, the container is replaced by that of every other
    "rgb.png": encoded(image_of("RGB", 90, 100), "PNG"),
    "turned.png": encoded(image_of("RGB", 100, 90), "PNG"),
    "gray.png": encoded(image_of("L", 90, 100), "PNG"),
    "palette.png": encoded(image_of("P", 90, 100), "PNG"),
    "rgb.tif": encoded(image_of("RGB", 90, 100), "TIFF"),
    "gray.tif": encoded(image_of("L", 90, 100), "TIFF"),
    "deep.png": png16(1),
}


def dressed(image: IndexRow, container: bytes, fetch: Fetch) -> tuple[IndexRow, Fetch]:
    """An image whose row, its CRC right, has another container; and what fetches it."""
    beyond = 1 << 40

    def fetch_either(ranges: Ranges) -> list[bytes]:
        return [container[at - beyond :][:n] if at >= beyond else fetch([(at, n)])[0] for at, n in ranges]

    spans = image.spans | {"container": (beyond, len(container))}
    return replace(image, spans=spans, crc=row_crc(image.facts, (container, b"", b""))), fetch_either


def is_refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except IntegrityError:
        return True
    return False


def test_verify_refuses_the_containers_that_restore_refuses_and_no_others(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, DRESSED)
    assert {name: i.facts.method for name, i in shard.images.items() if i.facts.method != "tiles"} == {}
    containers = [fetch_image_row(image, shard.part.fetch)[0] for image in shard.images.values()]
    verdicts = Counter[bool]()
    for image, mine in zip(shard.images.values(), containers, strict=True):
        header, blobs = unpack_container(mine).header, unpack_container(mine).blobs
        cut = [pack_container(header, *blobs[:at], blobs[at][:-1], *blobs[at + 1 :]) for at in range(len(blobs))]
        for container in [*containers, *cut, mine[:-1], b""]:
            row, fetch = dressed(image, container, shard.part.fetch)
            reader = PartReader(fetch, shard.pool)
            verified = is_refused(lambda row=row, reader=reader: prove(row, reader, file=True))
            restored = is_refused(lambda row=row, reader=reader: write_file(row, reader, io.BytesIO()))
            assert verified == restored
            verdicts[verified] += 1
    assert verdicts[False] >= len(DRESSED) and verdicts[True] > 4 * len(DRESSED)


def test_pieces_are_not_expanded_beyond_what_the_file_had(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, {"a.txt": b"tilepress " * 1000})
    image = shard.images["a.txt"]
    assert image.facts.method == "file-zstd"
    prove(image, shard.reader)
    bomb = zstandard.ZstdCompressor().compress(bytes(50 << 20))
    facts = replace(image.facts, source_bytes=10)

    def fetch(ranges: list[tuple[int, int]]) -> list[bytes]:
        return [bomb[offset : offset + length] for offset, length in ranges]

    forged = replace(
        image, facts=facts, spans=image.spans | {"payload": (0, len(bomb))}, crc=row_crc(facts, (b"", b"", bomb))
    )
    for read in (prove, lambda *given: write_file(*given, (tmp_path / "out").open("w+b"))):
        with pytest.raises(IntegrityError, match="where at most 10 can be"):
            read(forged, PartReader(fetch, shard.pool))
    assert not (tmp_path / "out").stat().st_size


HUGE = 100_000
FORGED_ROWS: dict[str, dict[str, Any]] = {
    "no size": {"width": 0},
    "more pixels than tiles": {"width": HUGE, "height": HUGE},
    "a tile larger than memory": {"width": HUGE, "height": HUGE, "tile_size": HUGE},
    "an unknown mode": {"mode": "XYZ"},
    "an unknown type": {"dtype": "float64"},
    "no hash": {"file_sha256": None},
    "no tiles": {"tiles": []},
    "a codec that nobody has": {"codec": "nobody"},
    "bytes beyond the part": {"latents_bytes": 1 << 60},
}


def forge_row(archive: Path, path: str, facts: dict[str, Any]) -> None:
    """Change one row of the index, or its first tile, and seal everything again."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        (row,) = (row for row in rows if row["path"] == path)
        for name, value in facts.items():
            (row if name in row else row["tiles"][0])[name] = value
        if facts.get("tile_size"):
            row["tiles"][0] |= {"w": facts["width"], "h": facts["height"]}
        return pa.Table.from_pylist(rows, schema=table.schema)

    run = archive / "runs/0001"
    seal = resealed(run / "index.parquet", change)
    resealed(run / "manifest.parquet", lambda table: table, **{"tilepress.index": seal})


@pytest.mark.parametrize("forged", FORGED_ROWS)
def test_a_forged_row_is_the_error_of_its_image_alone(place: Path, forged: str) -> None:
    forge_row(place / "archive", "1.png", FORGED_ROWS[forged])
    back = tilepress.restore(place / "archive", place / "back", **LOCAL)
    assert [name for name, _ in back.failed] == ["1.png"] and back.restored.total() == len(FILES) - 1
    for options in ({}, {"subset": (1, 1)}, {"rebuild": True}, {"against": place / "source"}):
        report = tilepress.verify(place / "archive", **LOCAL, **options)
        assert report.exit_code == 4 and {image for _, image, _ in report.problems} == {"1.png"}
    archive = opened(place)
    assert sorted(archive) == sorted(FILES) and len(list(archive.entries())) == len(FILES)
    with pytest.raises(IntegrityError):
        archive["1.png"].array()
    data = Source(str(place / "archive")).open()
    assert {item.name for item in data.items() if not is_readable(data, item)} == {"1.png", "junk.bin"}


def is_readable(data: DataSet, item: Item) -> bool:
    try:
        with data.open(item) as picture:
            return whole(picture).size > 0
    except UNUSABLE:
        return False


def test_a_part_that_cannot_be_read_keeps_no_other_from_coming_back(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", FILES)
    tilepress.compress(tmp_path / "source", tmp_path / "archive", shard_size=8192, **LOCAL)
    lost = opened(tmp_path)["1.png"].part
    read_ranges = LocalStorage.read_ranges

    def failing(self: LocalStorage, name: str, ranges: Ranges) -> list[bytes]:
        if name == lost:
            raise StorageError(f"{self.url}/{name}: the disk fails: check it before anything else")
        return read_ranges(self, name, ranges)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStorage, "read_ranges", failing)
        back = tilepress.restore(tmp_path / "archive", tmp_path / "back", **LOCAL)
        report = tilepress.verify(tmp_path / "archive", subset=(1, 1), **LOCAL)
    assert 0 < len(back.failed) < len(FILES) == len(back.failed) + back.restored.total()
    assert back.exit_code == report.exit_code == 4 and all("disk fails" in problem for _, problem in back.failed)
    assert [(image, problem) for _, image, problem in report.problems] == back.failed


def test_memory_that_one_image_lacks_is_its_own_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(image: IndexRow, *given: Any, **options: Any) -> Any:
        if image.facts.path == "1.png":
            raise MemoryError
        return write_file(image, *given, **options)

    monkeypatch.setattr(images, "write_file", greedy)
    back = tilepress.restore(place / "archive", place / "back", **LOCAL)
    assert back.failed == [("1.png", "decoding it takes more memory than there is")]
    assert back.restored.total() == len(FILES) - 1
    report = tilepress.verify(place / "archive", rebuild=True, **LOCAL)
    assert [(image, problem) for _, image, problem in report.problems] == back.failed


def test_a_name_that_the_destination_does_not_take_keeps_nothing_else_from_coming_back(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnusableName, match="too long for this file system"):
        LocalStorage(str(place)).write(f"{'x' * 300}.png", b"")
    write_file_ = LocalStorage.write_file

    def short(self: LocalStorage, name: str, local_path: Path, *, overwrite: bool = False) -> None:
        write_file_(self, "x" * 300 if name == "1.png" else name, local_path, overwrite=overwrite)

    monkeypatch.setattr(LocalStorage, "write_file", short)
    back = tilepress.restore(place / "archive", place / "back", **LOCAL)
    assert [name for name, _ in back.refused] == ["1.png"] and "too long" in back.refused[0][1]
    assert back.exit_code == 2 and back.restored.total() == len(FILES) - 1
