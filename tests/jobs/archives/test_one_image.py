"""What is wrong with one image is that image's error, found by verify as by restore, never the end of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

import tilepress
from tests.support.make_archives import encode_files
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import IntegrityError, UnusableName
from tilepress.pipeline.archive.schema import row_crc
from tilepress.pipeline.formats.registry import check_container, read_picture
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.rebuild import prove, write_file
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


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_a_container_of_another_size_or_kind_is_refused(kind: str) -> None:
    container = read_picture(encoded(image_of("RGB", 20, 30), kind)).container
    check_container(container, 30, 20)
    for wrong, size in ((container, (20, 30)), (container[:-1], (30, 20)), (b"", (30, 20))):
        with pytest.raises(IntegrityError):
            check_container(wrong, *size)


def test_pieces_are_not_expanded_beyond_what_the_file_had(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, {"a.txt": b"tilepress " * 1000})
    image = shard.images["a.txt"]
    assert image.facts.method == "file-zstd"
    prove(image, shard.part.fetch, shard.pool)
    bomb = zstandard.ZstdCompressor().compress(bytes(50 << 20))
    facts = replace(image.facts, source_bytes=10)

    def fetch(ranges: list[tuple[int, int]]) -> list[bytes]:
        return [bomb[offset : offset + length] for offset, length in ranges]

    forged = replace(
        image, facts=facts, spans=image.spans | {"payload": (0, len(bomb))}, crc=row_crc(facts, (b"", b"", bomb))
    )
    for read in (prove, lambda *given: write_file(*given, (tmp_path / "out").open("w+b"))):
        with pytest.raises(IntegrityError, match="where at most 10 can be"):
            read(forged, fetch, shard.pool)
    assert not (tmp_path / "out").stat().st_size


def test_memory_that_one_image_lacks_is_its_own_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Entry.write

    def greedy(self: Entry, *given: Any) -> Any:
        if self.path == "1.png":
            raise MemoryError
        return write(self, *given)

    monkeypatch.setattr(Entry, "write", greedy)
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
