"""A large index is opened by its footer: the same rows, few bytes read, and damage found where it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tilepress.jobs.cli import app
from tilepress.pipeline.archive import index
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import Manifest
from tilepress.pipeline.reading import run_index
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.run_index import LargeIndex
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.range_file import RangeFile

IMAGES = 60
INDEX = Run(1).index


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An archive whose index has many groups of rows, the later ones larger."""
    folder = tmp_path_factory.mktemp("large")
    write_files(folder / "source", {f"{n % 7}/{n:03d}.png": encoded(smooth(8 + n, 8, 3)) for n in range(IMAGES)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_GROUP_ROWS", 4)
        patch.setattr(index, "_SMALL_GROUPS", 16)
        patch.setattr(index, "_LARGE_GROUP_ROWS", 8)
        tilepress.compress(str(folder / "source"), str(folder / "archive"), engine="local", workers=1, shard_size=500)
    facts = pq.ParquetFile(folder / "archive" / INDEX).metadata
    assert {facts.row_group(group).num_rows for group in range(facts.num_row_groups)} >= {4, 8}
    yield folder / "archive"


@pytest.fixture
def archive(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, of which the index counts as large."""
    monkeypatch.setattr(run_index, "_LARGE", 0)
    monkeypatch.setattr(index, "_AHEAD", 1 << 10)
    for path in made.rglob("*"):
        if path.is_file():
            copy = tmp_path / "archive" / path.relative_to(made)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path / "archive"


def opened(archive: Path, *, checked: bool = False) -> Archive:
    return tilepress.open(str(archive), checked=checked)


def damage(archive: Path, offset: int) -> None:
    data = bytearray((archive / INDEX).read_bytes())
    data[offset] ^= 0x10
    (archive / INDEX).write_bytes(data)


def spans(archive: Path) -> list[tuple[int, int]]:
    """Where each column chunk of the index lies."""
    facts = pq.ParquetFile(archive / INDEX).metadata
    chunks = (facts.row_group(g).column(c) for g in range(facts.num_row_groups) for c in range(facts.num_columns))
    return [(each.dictionary_page_offset or each.data_page_offset, each.total_compressed_size) for each in chunks]


def test_it_has_the_rows_of_the_one_that_is_checked_whole(archive: Path) -> None:
    lazily, whole = opened(archive), opened(archive, checked=True)
    large, small = lazily.runs[0].index, whole.runs[0].index
    assert isinstance(large, LargeIndex) and not isinstance(small, LargeIndex)
    rows = list(small.walk())
    assert large.rows == small.rows == len(rows) == IMAGES
    assert list(large.walk()) == rows
    assert list(large.walk(["path", "part"])) == list(small.walk(["path", "part"]))
    assert [large.find(row["path"]) for row in rows] == rows
    assert [large.at(number) for number in range(-1, IMAGES + 1)] == [None, *rows, None]
    assert [large.find(path) for path in ("", "0/", "zz", "3/x")] == [None] * 4
    assert {path: lazily[path].bytes() for path in lazily} == {path: whole[path].bytes() for path in whole}


def test_one_image_takes_the_footer_and_a_group(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = RangeFile._read

    def counted(self: RangeFile, offset: int, length: int) -> bytes:
        asked.append(length)
        return read(self, offset, length)

    monkeypatch.setattr(RangeFile, "_TAIL", 16)
    monkeypatch.setattr(RangeFile, "_read", counted)
    lazily = opened(archive)
    opening = len(asked)
    assert lazily["3/003.png"].bytes()
    assert opening <= 6 and len(asked) - opening == 1
    assert sum(asked[opening:]) < (archive / INDEX).stat().st_size / 5


@pytest.mark.slow
def test_damage_is_worked_around_where_it_is_read(archive: Path) -> None:
    """Headers of pages have no checksum: a bit of one may make no difference."""
    sound, wanted, told = (archive / INDEX).read_bytes(), list(opened(archive, checked=True).runs[0].index.walk()), 0
    chunks = spans(archive)[::29]
    for offset, length in chunks:
        damage(archive, offset + length // 2)
        lazily = opened(archive)
        assert list(lazily.runs[0].index.walk()) == wanted
        assert [lazily.runs[0].index.find(row["path"]) for row in wanted] == wanted
        told += any(INDEX in problem for problem in lazily.problems)
        (archive / INDEX).write_bytes(sound)
    assert len(chunks) > 20 and told > 0.8 * len(chunks)


def test_an_image_is_found_by_its_number_in_few_requests(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    hold = RangeFile.hold
    monkeypatch.setattr(RangeFile, "hold", lambda file, *span: (held.append(span[0]), hold(file, *span))[1])
    large = opened(archive).runs[0].index
    for image in range(IMAGES):
        row = large.at(image)
        assert row is not None and row["image"] == image
    groups = pq.ParquetFile(archive / INDEX).metadata.num_row_groups
    assert len(held) <= 2 * groups, "for the first number of each, and for its rows"


def test_rows_behind_damage_are_those_of_the_parts_behind_it(archive: Path) -> None:
    """Parts may have more rows than an index that was made without some, or fewer."""
    rows = list(opened(archive, checked=True).runs[0].index.walk())
    for left in (rows[:5] + rows[6:], rows[:30], rows):
        for columns in (None, ["path"], ["part"]):
            damaged = opened(archive).runs[0].index
            assert isinstance(damaged, LargeIndex)
            walk = damaged.walk(columns)
            seen = [next(walk) for _ in range(20)]
            rest = run_index._behind(seen[-1], len(seen), iter(left))
            if columns != ["part"]:
                assert [row["image"] for row in rest] == [row["image"] for row in left if row["image"] >= 20]


@pytest.mark.slow
def test_verify_finds_it_and_repair_mends_it(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    offset, length = spans(archive)[20]
    damage(archive, offset + length // 2)
    assert app._run(["verify", str(archive)]) == 4
    assert INDEX in capsys.readouterr().out
    assert app._run(["repair", str(archive)]) == 0
    assert opened(archive, checked=True).damage == []
    assert app._run(["verify", str(archive)]) == 0


def test_a_damaged_footer_is_found_on_opening(archive: Path) -> None:
    data = (archive / INDEX).read_bytes()
    damage(archive, len(data) - 40)
    assert [name for name, _ in opened(archive).damage] == [INDEX]
    assert len(opened(archive)) == IMAGES


def test_older_manifests_name_no_footer_and_the_index_is_checked_whole(archive: Path) -> None:
    view = opened(archive).runs[0]
    assert view.manifest is not None and len(view.manifest.index_footer) == 64
    older = Manifest(view.manifest.parts, view.manifest.plan_seal, view.manifest.index_seal, view.manifest.date)
    storage: Storage = open_storage(str(archive))
    derive = pytest.fail
    assert not isinstance(run_index.open_index(storage, Run(1), older, derive, checked=False), LargeIndex)
