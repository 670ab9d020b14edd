"""Running again: only what is new, changed or failed is added, and nothing that was stored is lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tilepress.jobs.archives import compress as compress_module
from tilepress.jobs.archives.compress import CompressReport
from tilepress.jobs.archives.listing import failures
from tilepress.pipeline.archive.part import PartBuilder
from tilepress.pipeline.errors import IntegrityError, ResumeError, UsageError
from tilepress.pipeline.reading.archive import open_archive

LOCAL = {"engine": "local", "workers": 1}
FILES = {f"{name}.png": encoded(smooth(70, 80, 3, seed=at)) for at, name in enumerate("abcd")} | {"t.txt": b"text"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `source` and an `archive` of it."""
    write_files(tmp_path / "source", FILES)
    assert compress(tmp_path).run == 1
    return tmp_path


def compress(place: Path, **options: object) -> CompressReport:
    return tilepress.compress(str(place / "source"), str(place / "archive"), **LOCAL, **options)


def restored(place: Path, **options: object) -> set[str]:
    back = place / f"back{len(list(place.iterdir()))}"
    tilepress.restore(str(place / "archive"), str(back), **LOCAL, **options)
    return {str(path.relative_to(back)) for path in back.rglob("*") if path.is_file()}


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file with its size, inode and modification time, but the report of the last command."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "run-report.json"]
    return {str(path): (s.st_size, s.st_ino, s.st_mtime_ns) for path in paths for s in [path.stat()]}


def paths_of_run(place: Path, number: int) -> dict[str, str]:
    view = open_archive(str(place / "archive")).runs[number - 1]
    return {row["path"]: row["method"] for row in view.index.walk(["path", "method"])}


def test_nothing_new_writes_nothing(place: Path) -> None:
    before = snapshot(place / "archive")
    report = compress(place)
    assert (report.run, report.planned_files, report.gone, report.exit_code) == (None, 0, 0, 0)
    assert snapshot(place / "archive") == before


def test_what_is_held_less_exactly_than_is_asked_now_is_stored_again(place: Path) -> None:
    near = place / "near"
    source, options = str(place / "source"), {"codec": "jpegls", **LOCAL}
    assert tilepress.compress(source, str(near), max_error=3, **options).run == 1
    assert tilepress.verify(str(near), **LOCAL).inexact == {"within 3 levels": 4}
    assert tilepress.compress(source, str(near), max_error=5, **options).run is None
    again = tilepress.compress(source, str(near), **options)
    assert (again.run, again.planned_files) == (2, 4)
    tilepress.restore(str(near), str(place / "exact"), **LOCAL)
    assert {path.name: path.read_bytes() for path in (place / "exact").iterdir()} == FILES
    assert tilepress.compress(source, str(near), max_error=1, **options).run is None


def test_only_new_and_changed_files_are_added(place: Path) -> None:
    before = snapshot(place / "archive")
    write_files(
        place / "source", {"new/n.png": encoded(smooth(70, 70, 1)), "b.png": encoded(smooth(99, 99, 3, seed=9))}
    )
    os.utime(place / "source/c.png", ns=(1, 1))  # touched: may be another picture of the same size
    report = compress(place)
    assert (report.run, report.planned_files) == (2, 3)
    assert set(paths_of_run(place, 2)) == {"b.png", "c.png", "new/n.png"}
    archive = open_archive(str(place / "archive"))
    assert np.array_equal(archive["b.png"].array(), smooth(99, 99, 3, seed=9))
    assert set(archive) == {*FILES, "new/n.png"}
    after = snapshot(place / "archive")
    files = {path for path in before if Path(path).is_file()}
    assert {path: after[path] for path in files} == {path: before[path] for path in files}, "no run is ever rewritten"
    assert tilepress.verify(str(place / "archive"), **LOCAL).exit_code == 0


def test_files_that_are_gone_are_marked_once_and_stay_restorable(place: Path) -> None:
    (place / "source/a.png").unlink()
    report = compress(place)
    assert (report.run, report.planned_files, report.gone) == (2, 0, 1)
    now, ever = (open_archive(str(place / "archive"), include_deleted=each) for each in (False, True))
    assert "a.png" not in now and set(now) == set(FILES) - {"a.png"} and len(now) == len(FILES) - 1
    assert set(ever) == set(FILES) and ever["a.png"].gone
    assert not ever["b.png"].gone
    assert np.array_equal(ever["a.png"].array(), smooth(70, 80, 3, seed=0))
    assert restored(place) == set(FILES) - {"a.png"}
    assert restored(place, include_deleted=True) == restored(place, run=1) == set(FILES)
    assert compress(place).run is None
    assert tilepress.verify(str(place / "archive"), **LOCAL).exit_code == 0


def test_gone_marks_survive_a_damaged_index(place: Path) -> None:
    (place / "source/a.png").unlink()
    compress(place)
    (place / "archive/runs/0002/index.parquet").unlink()
    archive = open_archive(str(place / "archive"), include_deleted=True)
    assert archive["a.png"].gone
    assert [name for name, _ in archive.damage] == ["runs/0002/index.parquet"]
    assert compress(place).run is None


def test_a_file_that_is_there_again_is_stored_again(place: Path) -> None:
    data = (place / "source/a.png").read_bytes()
    (place / "source/a.png").unlink()
    compress(place)
    write_files(place / "source", {"a.png": data})
    assert compress(place).planned_files == 1
    assert not open_archive(str(place / "archive"))["a.png"].gone


def test_a_filtered_run_marks_nothing_as_gone(place: Path) -> None:
    (place / "source/a.png").unlink()
    write_files(place / "source", {"z.png": encoded(smooth(70, 70, 1))})
    report = compress(place, include=("z.png",))
    assert (report.planned_files, report.gone) == (1, 0)


def test_an_emptied_source_is_an_error_and_no_reason_to_mark_everything_gone(place: Path) -> None:
    for path in (place / "source").iterdir():
        path.unlink()
    before = snapshot(place / "archive")
    with pytest.raises(UsageError, match="no files"):
        compress(place)
    assert snapshot(place / "archive") == before


def test_files_that_changed_or_vanished_under_way_are_reported_and_tried_again(tmp_path: Path, monkeypatch) -> None:
    write_files(tmp_path / "source", FILES)
    original = compress_module._execute

    def disturbed(*args: object, **kwargs: object) -> None:
        (tmp_path / "source/a.png").unlink()
        os.utime(tmp_path / "source/b.png", ns=(1, 1))
        original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(compress_module, "_execute", disturbed)
        report = compress(tmp_path)
    assert report.exit_code == 3
    assert report.summary.failures == {"vanished": 1, "changed": 1}
    archive = open_archive(str(tmp_path / "archive"))
    assert set(archive) == set(FILES) - {"a.png", "b.png"}
    assert [(row["path"], row["stored"]) for row in failures(archive)][:2] == [("a.png", False), ("b.png", False)]
    assert tilepress.verify(str(tmp_path / "archive"), **LOCAL).exit_code == 0
    again = compress(tmp_path)
    assert (again.planned_files, again.gone, again.exit_code) == (1, 1, 0)
    assert np.array_equal(open_archive(str(tmp_path / "archive"))["b.png"].array(), smooth(70, 80, 3, seed=1))
    assert compress(tmp_path).run is None


def test_an_older_version_stays_readable_where_the_newer_could_not_be_stored(place: Path, monkeypatch) -> None:
    write_files(place / "source", {"a.png": encoded(smooth(90, 90, 3, seed=7))})
    original = compress_module._execute

    def disturbed(*args: object, **kwargs: object) -> None:
        (place / "source/a.png").unlink()
        original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(compress_module, "_execute", disturbed)
        assert compress(place).exit_code == 3
    assert np.array_equal(open_archive(str(place / "archive"))["a.png"].array(), smooth(70, 80, 3, seed=0))
    assert restored(place) == set(FILES)


class Killed(BaseException):
    """What a test raises in the middle of a run."""


def kill_after(monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """The next compression dies after so many shards were committed."""
    original = PartBuilder.finish
    finished = []

    def finish(self: PartBuilder, metadata: dict[str, str]) -> object:
        if len(finished) >= shards:
            raise Killed
        finished.append(metadata)
        return original(self, metadata)

    monkeypatch.setattr(PartBuilder, "finish", finish)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "source", FILES)
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            compress(tmp_path, shard_size=1)
    committed = snapshot(tmp_path / "archive/runs/0001/parts")
    assert len(committed) == 2
    with pytest.raises(ResumeError, match=r"tile was .*, now 64"):
        compress(tmp_path, shard_size=1, tile=64)
    report = compress(tmp_path, shard_size=1)
    assert (report.run, report.resumed_shards) == (1, 2)
    assert report.shards > 2
    after = snapshot(tmp_path / "archive/runs/0001/parts")
    assert {path: after[path] for path in committed if path.endswith(".parquet")} == {
        path: facts for path, facts in committed.items() if path.endswith(".parquet")
    }
    write_files(tmp_path / "whole/source", FILES)
    for name in FILES:
        facts = (tmp_path / "source" / name).stat()
        os.utime(tmp_path / "whole/source" / name, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (tmp_path / "archive").rename(tmp_path / "first")
    compress(tmp_path, shard_size=1)
    for path in (tmp_path / "first").rglob("*.parquet"):
        again = tmp_path / "archive" / path.relative_to(tmp_path / "first")
        assert path.read_bytes() == again.read_bytes(), f"{path.name} is not that of an uninterrupted run"


def test_a_run_without_its_plan_is_refused_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "source", FILES)
    with monkeypatch.context() as patch:
        kill_after(patch, 1)
        with pytest.raises(Killed):
            compress(tmp_path, shard_size=1)
    (tmp_path / "archive/runs/0001/plan.parquet").unlink()
    with pytest.raises(IntegrityError, match="tilepress abandon"):
        compress(tmp_path)


def test_a_lost_manifest_is_written_again_by_the_same_command(place: Path) -> None:
    manifest = place / "archive/runs/0001/manifest.parquet"
    data = manifest.read_bytes()
    manifest.unlink()
    assert tilepress.verify(str(place / "archive"), **LOCAL).exit_code == 4
    assert compress(place).resumed_shards == 1
    assert manifest.read_bytes() == data
    assert tilepress.verify(str(place / "archive"), **LOCAL).exit_code == 0


def test_a_lost_archive_json_does_not_start_the_runs_anew(place: Path) -> None:
    (place / "archive/archive.json").unlink()
    assert compress(place).run is None
    write_files(place / "source", {"z.png": encoded(smooth(70, 70, 1))})
    assert (compress(place).run, compress(place).run) == (2, None)
    assert set(open_archive(str(place / "archive"))) == {*FILES, "z.png"}


def test_another_codec_applies_to_what_is_added_only(place: Path) -> None:
    assert compress(place, codec="png").run is None
    write_files(place / "source", {"z.png": encoded(smooth(200, 200, 1))})
    assert compress(place, codec="png").planned_files == 1
    entries = {entry.path: entry.index_row for entry in open_archive(str(place / "archive")).entries()}
    assert {tile.facts.codec for tile in entries["a.png"].tiles} == {"lossless-quick"}


def test_an_archive_inside_its_source_is_no_part_of_it(tmp_path: Path) -> None:
    source = write_files(tmp_path / "source", FILES)
    for _ in range(2):
        tilepress.compress(str(source), str(source / "archive"), **LOCAL)
    assert set(open_archive(str(source / "archive"))) == set(FILES)


def test_verify_sees_that_a_run_is_not_the_one_that_the_next_was_added_to(place: Path) -> None:
    write_files(place / "source", {"new.png": encoded(smooth(70, 70, 1))})
    assert compress(place).run == 2
    archive = place / "archive"
    assert tilepress.verify(str(archive), **LOCAL).exit_code == 0
    shutil.rmtree(archive / "runs" / "0001")
    other = place / "other"
    write_files(other / "source", {"a.png": FILES["a.png"]})
    assert compress(other).run == 1
    shutil.copytree(other / "archive" / "runs" / "0001", archive / "runs" / "0001")
    report = tilepress.verify(str(archive), **LOCAL)
    assert report.exit_code == 4
    assert any("0001" in name and "0002" in problem for name, _, problem in report.problems)
