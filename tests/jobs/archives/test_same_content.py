"""Content that is there already is stored once: files that were touched, renamed or copied are only read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import tilepress
from tests.jobs.archives.test_hostile_archive import resealed, unchanged
from tests.support.independent import reader
from tests.support.interrupted import ONE, contents, damage_image
from tests.support.make_archives import encoded, smooth
from tests.support.make_collection import tree, write_tree
from tilepress.jobs.archives import listing
from tilepress.jobs.archives.compress import CompressReport
from tilepress.pipeline.archive.schema import DAMAGED
from tilepress.pipeline.compress import known, transcoding
from tilepress.pipeline.compress.image import ImageEncoder
from tilepress.pipeline.compress.opening import CHANGED_MEANWHILE
from tilepress.pipeline.compress.shard import ShardEncoder
from tilepress.pipeline.errors import IntegrityError

NOW = 1_600_000_000_000_000_000
FILES = {
    **{f"small/{n}.png": encoded(smooth(24, 20, 1, seed=n)) for n in range(7)},
    "large.png": encoded(smooth(150, 140, 3)),
    "photo.jpg": encoded(smooth(90, 80, 3), "JPEG"),
    "notes.txt": b"words, words\n" * 50,
    "broken.png": encoded(smooth(60, 60, 3, seed=9))[:900],
    "empty": b"",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A `source` and its `archive`."""
    write_tree(tmp_path / "source", FILES)
    compress(tmp_path)
    return tmp_path


def compress(place: Path, **options: Any) -> CompressReport:
    return tilepress.compress(place / "source", place / "archive", **(ONE | options))


def touch(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(NOW, NOW))


def parts(archive: Path, run: int) -> int:
    """Payload bytes of a run."""
    return sum(part.stat().st_size for part in (archive / f"runs/{run:04}/parts").iterdir())


@pytest.fixture
def coding_fails(read_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be coded any more."""

    def refuse(*arguments: Any) -> Any:
        raise AssertionError("something is coded")

    monkeypatch.setattr(ImageEncoder, "tiles", refuse)
    monkeypatch.setattr(transcoding, "pack_jpeg", refuse)


def assert_restored(place: Path, files: dict[str, bytes]) -> None:
    """Everything comes back, in the names and with the times of now, for us and for an independent reader."""
    archive = place / "archive"
    tilepress.restore(archive, place / "out", **ONE)
    assert tree(place / "out") == files
    for path in files:
        assert (place / "out" / path).stat().st_mtime_ns == (place / "source" / path).stat().st_mtime_ns
    assert reader.read_archive(archive).keys() >= files.keys()
    assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0
    report = tilepress.verify(archive, **ONE)
    assert (report.problems, report.notes) == ([], [])


def test_new_times_store_nothing_again(place: Path, coding_fails: None) -> None:
    touch(place / "source")
    report = compress(place)
    assert (report.planned_files, report.summary.images) == (len(FILES), {"same": len(FILES) - 1, "file": 1}), "empty"
    assert_restored(place, FILES)
    assert compress(place).run is None, "run twice, nothing changes"


def test_renamed_and_copied_files_refer_to_what_is_there(place: Path, coding_fails: None) -> None:
    (place / "source/small").rename(place / "source/moved")
    (place / "source/large.png").rename(place / "source/moved/big.png")
    write_tree(place / "source", {"copy/of.jpg": FILES["photo.jpg"], "copy/of.png": FILES["large.png"]})
    assert compress(place).summary.images == {"same": 10}
    names = {path: path.replace("small/", "moved/").replace("large", "moved/big") for path in FILES}
    copies = {"copy/of.jpg": FILES["photo.jpg"], "copy/of.png": FILES["large.png"]}
    assert_restored(place, {names[path]: data for path, data in FILES.items()} | copies)
    old = tilepress.open(place / "archive", run=1)
    assert {path: entry.bytes() for path, entry in old.items()} == FILES


def test_copies_within_one_run_are_stored_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", FILES | {f"copies/{path}": data for path, data in FILES.items()})
    report = compress(tmp_path)
    assert report.summary.images["same"] == len(FILES) - 1
    assert_restored(tmp_path, FILES | {f"copies/{path}": data for path, data in FILES.items()})
    assert compress(tmp_path).run is None


def test_the_figures_count_content_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"a.png": FILES["large.png"], "b.png": FILES["large.png"]})
    compress(tmp_path)
    info = listing.archive_info(str(tmp_path / "archive"))
    assert info.summary.bytes_in.total() == 2 * len(FILES["large.png"])
    assert 0 < info.summary.bytes_out.total() < len(FILES["large.png"])
    (tmp_path / "source/a.png").unlink()
    touch(tmp_path / "source")
    compress(tmp_path)
    again = listing.archive_info(str(tmp_path / "archive"))
    assert again.summary.bytes_out == info.summary.bytes_out and again.superseded_bytes == 0
    described = listing.describe(tilepress.open(tmp_path / "archive")["b.png"])
    assert (described["path"], described["content_of"], described["method"]) == ("b.png", "a.png", "lossless-quick")


def test_content_that_is_held_less_exactly_is_stored_again(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"a.png": FILES["large.png"]})
    compress(tmp_path, codec="jpegls", max_error=4)
    (tmp_path / "source/a.png").rename(tmp_path / "source/b.png")
    assert compress(tmp_path, codec="jpegls").summary.images == {"jpegls": 1}
    (tmp_path / "source/b.png").rename(tmp_path / "source/c.png")
    assert compress(tmp_path, codec="jpegls", max_error=4).summary.images == {"same": 1}
    assert tilepress.open(tmp_path / "archive")["c.png"].bytes() == FILES["large.png"]
    assert compress(tmp_path, codec="jpegls", fidelity="file").summary.images.keys() != {"same"}


def test_a_file_of_the_same_size_and_time_is_another_file(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"a.txt": b"some words", **FILES})
    touch(tmp_path / "source")
    compress(tmp_path)
    write_tree(tmp_path / "source", {"b.txt": b"more words", "small/9.png": FILES["small/0.png"][:-1] + b"?"})
    touch(tmp_path / "source")
    report = compress(tmp_path)
    assert report.summary.images["same"] == 0
    assert tilepress.open(tmp_path / "archive")["b.txt"].bytes() == b"more words"
    assert tilepress.verify(tmp_path / "archive", against=tmp_path / "source", **ONE).exit_code == 0


def test_of_many_files_of_one_size_a_renamed_one_is_found_by_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "MOST_OF_A_SIZE", 2)
    write_tree(tmp_path / "source", {f"{n}.txt": b"%03d of many" % n for n in range(50)})
    compress(tmp_path)
    (tmp_path / "source").rename(tmp_path / "before")
    for at, path in enumerate(sorted((tmp_path / "before").iterdir())):
        os.utime(path, ns=(NOW + at, NOW + at))
    (tmp_path / "before").rename(tmp_path / "source")
    assert compress(tmp_path).summary.images == {"same": 50}, "by their paths"
    (tmp_path / "source/7.txt").rename(tmp_path / "source/seven.txt")
    assert compress(tmp_path).summary.images == {"same": 1}, "by its time"


def test_a_first_one_that_changes_does_not_take_its_copies_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ShardEncoder._closed

    def changed(self: ShardEncoder, state: Any) -> bool:
        if state.file.path == "a.png":
            self._not_stored(state, *CHANGED_MEANWHILE)
            return False
        return original(self, state)

    monkeypatch.setattr(ShardEncoder, "_closed", changed)
    copies = dict.fromkeys(("a.png", "b.png", "c.png"), FILES["large.png"])
    write_tree(tmp_path / "source", copies)
    report = compress(tmp_path)
    assert report.summary.images == {"none": 1, "lossless-quick": 1, "same": 1} and report.exit_code == 3
    assert {path: entry.bytes() for path, entry in tilepress.open(tmp_path / "archive").items()} == {
        path: data for path, data in copies.items() if path != "a.png"
    }


@pytest.fixture
def shared(place: Path) -> Iterator[Path]:
    """An archive whose content is all referred to from elsewhere, and more than once."""
    (place / "source/small").rename(place / "source/moved")
    write_tree(place / "source", {f"copies/{path}": data for path, data in FILES.items() if "/" not in path})
    touch(place / "source")
    compress(place)
    yield place


def test_compact_keeps_content_that_only_others_refer_to(shared: Path) -> None:
    archive, source = shared / "archive", tree(shared / "source")
    tilepress.forget(archive, include=["large.png", "small/*"], exclude=["copies/*"])
    report = tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    assert report.run == 4 and report.removed
    source.pop("large.png")
    assert {path: entry.bytes() for path, entry in tilepress.open(archive).items()} == source
    assert reader.read_archive(archive).keys() == source.keys()
    assert tilepress.verify(archive, **ONE).exit_code == 0
    assert sum(parts(archive, run) for run in (4,)) < 1.2 * sum(map(len, FILES.values()))
    assert listing.archive_info(str(archive)).superseded_bytes == 0
    again = tilepress.compact(archive, unused=1, **ONE)
    assert again.parts == 0 and again.replaced_parts == 0


def test_compact_keeps_references_whose_content_stays(place: Path) -> None:
    write_tree(place / "source", {"new/a.txt": b"x" * 500, "new/copy.png": FILES["large.png"]})
    compress(place)
    (place / "source/new/a.txt").unlink()
    compress(place)
    archive = place / "archive"
    tilepress.forget(archive, include=["new/a.txt"])
    report = tilepress.compact(archive, write=True, remove=True, unused=20, **ONE)
    assert report.run == 5 and report.images == 1
    assert tilepress.open(archive)["new/copy.png"].bytes() == FILES["large.png"]
    assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0


def test_damage_is_that_of_all_who_refer_to_it_and_is_mended_for_all(shared: Path) -> None:
    archive = shared / "archive"
    damage_image(archive, "copies/large.png")
    with pytest.raises(IntegrityError):
        tilepress.open(archive)["large.png"].bytes()
    named = {path for _, path, _ in tilepress.verify(archive, **ONE).problems if path}
    assert named == {"large.png", "copies/large.png"}
    report = tilepress.repair(archive, source=shared / "source", **ONE)
    assert (sorted(report.mended), report.lost, report.exit_code) == (["copies/large.png", "large.png"], [], 0)
    assert {path: entry.bytes() for path, entry in tilepress.open(archive).items()} == tree(shared / "source")
    assert tilepress.verify(archive, **ONE).exit_code == 0


@pytest.mark.parametrize("index_too", [False, True])
def test_a_lost_part_of_references_is_made_again(shared: Path, index_too: bool) -> None:
    archive = shared / "archive"
    (archive / "runs/0002/parts/00000.parquet").unlink()
    if index_too:  # then references are all that is known of the content
        (archive / "runs/0002/index.parquet").unlink()
    report = tilepress.repair(archive, source=shared / "source", **ONE)
    assert report.lost == [] and report.exit_code == 0
    assert {path: entry.bytes() for path, entry in tilepress.open(archive).items()} == tree(shared / "source")
    assert tilepress.verify(archive, **ONE).exit_code == 0


@pytest.mark.parametrize(
    "forged",
    [{"of_image": 10_000}, {"of_image": None}, {"of_run": 9}, {"of_run": 2}, {"of_part": 7}, {"of_image": 1}],
)
def test_a_forged_reference_is_the_error_of_its_image_alone(shared: Path, forged: dict[str, Any]) -> None:
    run = shared / "archive/runs/0002"

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        rows = [row | forged if row["path"] == "copies/large.png" else row for row in rows]
        return pa.Table.from_pylist(rows, schema=table.schema)

    seal = resealed(run / "index.parquet", change)
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    archive = tilepress.open(shared / "archive")
    with pytest.raises(IntegrityError):
        archive["copies/large.png"].bytes()
    report = tilepress.restore(shared / "archive", shared / "out", **ONE)
    assert [path for path, _ in report.failed] == ["copies/large.png"]
    named = {path for _, path, _ in tilepress.verify(shared / "archive", **ONE).problems if path}
    assert named == {"copies/large.png"}


def test_what_is_said_of_content_is_said_of_its_copies(place: Path) -> None:
    write_tree(place / "source", {"copy.png": FILES["broken.png"], "copy2.png": FILES["broken.png"]})
    report = compress(place)
    assert report.exit_code == 3 and report.summary.failures == {DAMAGED: 2}
    failed = {row["path"] for row in listing.failures(tilepress.open(place / "archive"))}
    assert {"copy.png", "copy2.png", "broken.png"} <= failed


def test_an_interrupted_run_makes_the_same_of_them(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    archive = shared / "archive"
    whole = contents(str(archive))
    (archive / "runs/0002/manifest.parquet").unlink()
    (archive / "runs/0002/index.parquet").unlink()
    (archive / "runs/0002/parts/00000.parquet").unlink()
    compress(shared)
    assert contents(str(archive)) == whole


def test_data_sets_have_them_under_their_names(shared: Path) -> None:
    images = tilepress.open(shared / "archive").images()
    names = [entry.path for entry in images]
    assert names == sorted(names) and {"copies/large.png", "large.png", "moved/3.png"} <= set(names)
    assert images[names.index("copies/large.png")].array().tobytes() == smooth(150, 140, 3).tobytes()
