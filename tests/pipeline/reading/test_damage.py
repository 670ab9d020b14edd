"""Reading what is left of damaged or unfinished archives: never wrong pixels, and what is lost is said."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

import tilepress
from tests.support.make_archives import smooth
from tests.support.make_runs import files
from tilepress.pipeline.archive.layout import list_runs
from tilepress.pipeline.archive.schema import row_crc
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.rebuild import file_chunks
from tilepress.pipeline.storage.base import open_storage


def test_an_unfinished_run_is_read_as_far_as_it_got_and_says_so(archives: Path, tmp_path: Path) -> None:
    archive = tilepress.open(str(archives / "unfinished"))
    assert sorted(archive) == sorted(files())
    assert np.array_equal(archive["a/rgb.png"].array(), smooth(150, 130, 3))
    assert archive.notes == ["runs/0001 is not complete: only what it has committed so far is read"]
    assert archive.damage == []
    shutil.copytree(archives / "unfinished", tmp_path / "less")
    parts = sorted((tmp_path / "less/runs/0001/parts").iterdir())
    parts[0].unlink()
    assert set(tilepress.open(str(tmp_path / "less"))) < set(files())


@pytest.mark.parametrize("name", ["index.parquet", "manifest.parquet"])
@pytest.mark.parametrize("how", ["missing", "damaged", "empty", "of-another-run"])
def test_rows_come_from_the_parts_where_index_or_manifest_fail(
    name: str, how: str, copy: Path, archive: Archive
) -> None:
    path = copy / "runs/0001" / name
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "of-another-run":
        path.write_bytes((copy / "runs/0002" / name).read_bytes())
    else:
        path.write_bytes(b"" if how == "empty" else data[:200] + bytes([data[200] ^ 1]) + data[201:])
    again = tilepress.open(str(copy))
    assert list(again) == list(archive)
    for entry in archive.entries():
        other = again[entry.path]
        assert (other.index_row, other.run) == (entry.index_row, entry.run)
        assert other.bytes() == entry.bytes()
    assert [file for file, _ in again.damage] == [f"runs/0001/{name}"]


def test_a_damaged_or_missing_archive_json_keeps_nothing_from_being_read(copy: Path, archive: Archive) -> None:
    for content in (b"{}", None):
        if content is None:
            (copy / "archive.json").unlink()
        else:
            (copy / "archive.json").write_bytes(content)
        again = tilepress.open(str(copy))
        assert list(again) == list(archive)
        assert [file for file, _ in again.damage] == ["archive.json"]


def test_what_a_lost_run_held_is_missing_and_said_to_be(copy: Path) -> None:
    shutil.rmtree(copy / "runs/0001")
    archive = tilepress.open(str(copy))
    assert list(archive) == ["a/rgb.png", "new.png"]
    assert [file for file, _ in archive.damage] == ["runs/0001"]


def test_a_truncated_part_gives_what_is_before_the_cut(copy: Path) -> None:
    part = copy / "runs/0001/parts/00000.parquet"
    archive = tilepress.open(str(copy))
    end = max(
        span[0] + span[1] for tile in archive["a/gray.png"].index_row.tiles for span in (tile.latents, tile.residual)
    )
    part.write_bytes(part.read_bytes()[:end])
    assert np.array_equal(archive["a/gray.png"].array(), smooth(90, 140, 1))
    part.write_bytes(part.read_bytes()[: end - 1])
    with pytest.raises(IntegrityError, match="ends before"):
        archive["a/gray.png"].array()


def test_wrong_pixels_are_never_returned(copy: Path) -> None:
    archive = tilepress.open(str(copy))
    entry = archive["a/gray.png"]
    data = bytearray((copy / entry.part).read_bytes())
    second = entry.index_row.tiles[1]
    data[second.latents[0] + second.latents[1] // 2] ^= 16
    (copy / entry.part).write_bytes(data)
    with pytest.raises(IntegrityError, match="tile 1"):
        entry.array()
    first = second.facts.x
    assert entry.array((0, 0, first, 10)).shape == (10, first, 1), "the other tiles are still there"


@pytest.mark.parametrize(
    "facts",
    [{"tile_size": 0}, {"width": 0}, {"height": -1}, {"mode": "XYZ"}, {"width": 10**6}, {"dtype": "float64"}],
    ids=str,
)
def test_facts_that_no_image_has_are_damage(facts: dict[str, object], archive: Archive) -> None:
    entry = archive["a/gray.png"]
    hostile = replace(entry, index_row=replace(entry.index_row, facts=replace(entry.index_row.facts, **facts)))
    with pytest.raises(IntegrityError):
        hostile.array()
    with pytest.raises(IntegrityError):
        hostile.bytes()


def test_a_kept_file_that_claims_to_expand_beyond_reason_is_damage(archive: Archive) -> None:
    entry = archive["d.txt"]
    assert entry.index_row.facts.method == "file-zstd"
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    crc = row_crc(entry.index_row.facts, (b"", b"", bomb))
    spans = entry.index_row.spans | {"payload": (0, len(bomb))}
    with pytest.raises(IntegrityError, match="where at most 200 can be"):
        list(file_chunks(replace(entry.index_row, spans=spans, crc=crc), lambda ranges: [bomb for _ in ranges]))


def test_runs_are_found_behind_a_gap(copy: Path) -> None:
    storage = open_storage(str(copy))
    assert [run.number for run in list_runs(storage)] == [1, 2]
    (copy / "runs/0002").rename(copy / "runs/0007")
    assert [run.number for run in list_runs(storage)] == [1, 7]
