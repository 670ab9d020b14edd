"""What is damaged is put right where the source still has it, and verify is clean then."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tilepress
from tests.jobs.archives.repair.two_runs import FILES, NOW, compress, is_right, repair, tear, unlink
from tests.support.independent.reader import read_archive
from tests.support.interrupted import ONE, Killed, damage_image, dying
from tests.support.make_collection import tree, write_tree
from tilepress.errors import UsageError
from tilepress.jobs.archives import listing
from tilepress.jobs.cli import app
from tilepress.pipeline.archive import index
from tilepress.pipeline.compress.lease import Lease
from tilepress.pipeline.storage.base import open_storage


def test_nothing_is_written_where_nothing_is_damaged_or_for_a_dry_run(place: Path) -> None:
    before = tree(place / "archive")
    assert (repair(place).exit_code, repair(place).problems) == (0, [])
    assert tree(place / "archive") == before
    damage_image(place / "archive", "1.png")
    before = tree(place / "archive")
    report = repair(place, dry_run=True)
    assert report.exit_code == 4 and "1.png" in {path for _, path, _ in report.problems}
    assert tree(place / "archive") == before


@pytest.mark.parametrize("harm", [unlink, tear])
@pytest.mark.parametrize(
    "name",
    [
        *(f"runs/000{run}/{file}.parquet" for run in (1, 2) for file in ("plan", "index")),
        "runs/0002/run.json",
        "archive.json",
    ],
)
def test_a_file_that_follows_from_others_is_written_again(name: str, harm: Callable[[Path], None], place: Path) -> None:
    before = tree(place / "archive")
    harm(place / "archive" / name)
    report = repair(place)
    assert (report.remade, report.run, report.left, report.exit_code) == ([name], None, [], 0)
    after = tree(place / "archive")
    if name != "archive.json":  # which has a new id
        assert after.pop(name) == before.pop(name) or name.endswith("json"), "the very same file"
    assert is_right(place)


def test_an_index_that_another_library_writes_stands_for_the_lost_one(place: Path, monkeypatch) -> None:
    (place / "archive/runs/0001/index.parquet").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(index, "_GROUP_ROWS", 2)
        assert repair(place).remade == ["runs/0001/index.parquet"]
    assert is_right(place)
    shutil.copy(place / "archive/runs/0001/index.parquet", place / "archive/runs/0002/index.parquet")
    assert tilepress.verify(place / "archive", **ONE).exit_code == 4, "it stands for no other run's"


def test_a_plan_that_cannot_be_the_lost_one_stands_for_it(place: Path) -> None:
    for name in ("plan.parquet", "run.json"):
        tear(place / "archive/runs/0001" / name)
    assert repair(place).remade == ["runs/0001/plan.parquet", "runs/0001/run.json"]
    assert is_right(place) and len(read_archive(place / "archive")) == len(NOW)
    assert compress(place).run is None
    shutil.copy(place / "archive/runs/0001/plan.parquet", place / "archive/runs/0002/plan.parquet")
    assert tilepress.verify(place / "archive", **ONE).exit_code == 4, "it stands for no other run's"
    assert repair(place).remade == ["runs/0002/plan.parquet"] and is_right(place)


def test_damaged_images_are_stored_again_and_their_neighbours_copied(place: Path) -> None:
    part = damage_image(place / "archive", "1.png")
    damage_image(place / "archive", "later.png")
    assert tilepress.verify(place / "archive", **ONE).exit_code == 4
    report = repair(place)
    assert (report.mended, report.lost, report.left, report.exit_code) == (["1.png", "later.png"], [], [], 0)
    assert report.run == 3 and report.parts == 2 and report.copied >= 2
    assert is_right(place) and part.exists()
    assert tilepress.compact(place / "archive", remove=True, **ONE).removed and not part.exists()
    assert is_right(place)
    assert compress(place).run is None


@pytest.mark.parametrize("harm", [unlink, tear])
def test_a_lost_part_is_made_again_from_the_source(harm: Callable[[Path], None], place: Path) -> None:
    (part, *_) = sorted((place / "archive/runs/0001/parts").iterdir())
    harm(part)
    report = repair(place)
    assert report.exit_code == 0 and report.run == 3 and report.parts == 1
    assert is_right(place)


def test_an_index_is_written_again_once_its_lost_part_is_replaced(place: Path) -> None:
    damage_image(place / "archive", "2.png")
    (place / "archive/runs/0001/index.parquet").unlink()
    report = repair(place)
    assert (report.exit_code, report.mended, report.remade) == (0, ["2.png"], ["runs/0001/index.parquet"])
    assert is_right(place)


def test_files_that_only_the_plan_still_names_are_made_again(place: Path) -> None:
    archive = place / "archive"
    (part, *_) = sorted((archive / "runs/0001/parts").iterdir())
    part.unlink()
    (archive / "runs/0001/index.parquet").unlink()
    named = {path: why for _, path, why in tilepress.verify(archive, **ONE).problems}
    assert named.keys() >= {"1.png", "2.png"}, "not missing without a word"
    assert "only the plan still names it" in named["1.png"]
    report = repair(place)
    assert (report.exit_code, report.lost) == (0, [])
    assert {*report.mended} == named.keys() - {"", "0.png"}, "that one has a newer version"
    assert is_right(place)


def test_files_that_nothing_names_any_more_are_lost_and_said_to_be(place: Path) -> None:
    run = place / "archive/runs/0001"
    (part, *_) = sorted((run / "parts").iterdir())
    for path in (part, run / "index.parquet", run / "plan.parquet"):
        path.unlink()
    report = repair(place)
    assert report.exit_code == 4 and report.run is None and report.left
    assert "files whose names are lost too" in " ".join(report.lost)
    report = repair(place, give_up=True)
    assert report.exit_code == 4 and report.parts == 1 and "names are lost" in " ".join(report.lost)


def test_what_is_found_nowhere_is_left_alone_unless_it_is_given_up(place: Path, capfd) -> None:
    archive = place / "archive"
    for path in ("1.png", "2.png"):
        damage_image(archive, path)
    (place / "source/1.png").unlink()
    before = tree(archive)
    report = repair(place, source=place / "source")
    assert (report.exit_code, report.lost, report.mended) == (4, ["1.png"], ["2.png"])
    assert {path for _, path, _ in report.left} >= {"1.png"}
    assert {name: data for name, data in tree(archive).items() if name in before} == before
    assert tilepress.open(archive)["2.png"].bytes() == NOW["2.png"], "what can be mended is"
    with pytest.raises(UsageError, match="no such file or folder"):
        repair(place, source=place / "nowhere", give_up=True)
    report = repair(place, source=place / "source", give_up=True)
    assert (report.exit_code, report.lost, report.left) == (4, ["1.png"], [])
    assert tilepress.verify(archive, **ONE).exit_code == 0
    assert [row["path"] for row in listing.failures(tilepress.open(archive)) if row["reason_code"] == "lost"] == [
        "1.png"
    ]
    assert "1.png" not in tilepress.open(archive)
    write_tree(place / "source", {"1.png": FILES["1.png"]})
    assert compress(place).planned_files == 1, "the next run tries it again"
    assert is_right(place)
    assert app._run(["repair", str(archive), "--engine", "local"]) == 0
    assert "0 problems found" in capfd.readouterr().out


def test_what_is_lost_is_found_in_the_source_under_another_name(place: Path) -> None:
    for path in ("1.png", "2.png", "b.txt"):
        damage_image(place / "archive", path)
    (place / "source/1.png").rename(place / "source/moved.png")
    os.utime(place / "source/2.png", ns=(5, 5))
    write_tree(place / "source", {"b.txt": b"TEXT\n" * 100})
    report = repair(place, source=place / "source")
    assert (report.mended, report.changed, report.lost) == (["1.png", "2.png", "b.txt"], ["b.txt"], [])
    found = {path: entry.bytes() for path, entry in tilepress.open(place / "archive").items()}
    assert found == NOW | {"b.txt": b"TEXT\n" * 100}
    assert tilepress.verify(place / "archive", **ONE).exit_code == 0
    assert compress(place).summary.images == {"same": 1}, "the new name"


def test_content_that_two_names_share_is_mended_from_either(place: Path) -> None:
    (place / "source/1.png").rename(place / "source/moved.png")
    compress(place)
    damage_image(place / "archive", "moved.png")
    report = repair(place, source=place / "source")
    assert (report.mended, report.lost, report.left) == (["1.png", "moved.png"], [], [])
    opened = tilepress.open(place / "archive", include_deleted=True)
    assert opened["1.png"].bytes() == opened["moved.png"].bytes() == NOW["1.png"]


def test_killed_at_every_object_it_goes_on_and_nothing_is_lost(place: Path) -> None:
    damage_image(place / "archive", "1.png")
    (place / "archive/runs/0002/index.parquet").unlink()
    sound = {path: data for path, data in NOW.items() if path != "1.png"}
    for nth in range(1, 30):
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, ("create", "create_file", "write"), nth)
            try:
                report = repair(place)
                break
            except Killed:
                opened = tilepress.open(place / "archive")
                assert {path: opened[path].bytes() for path in sound} == sound
    assert nth >= 5 and report.exit_code == 0
    assert is_right(place)


def test_an_unfinished_run_of_another_kind_is_in_the_way(place: Path) -> None:
    for name in ("index", "manifest", "parts/00000"):
        (place / f"archive/runs/0002/{name}.parquet").unlink()
    with pytest.raises(UsageError, match="unfinished run: repeat its command"):
        repair(place)


def test_a_run_that_a_command_is_at_work_on_is_left_to_it(place: Path) -> None:
    (place / "archive/runs/0002/manifest.parquet").unlink()
    with Lease(open_storage(str(place / "archive")), "compress") as lease:
        assert lease.begin() is None
        with pytest.raises(UsageError, match="unfinished run: repeat its command"):
            repair(place)
    assert repair(place).remade == ["runs/0002/manifest.parquet"]


@pytest.mark.parametrize(("number", "harm"), [(1, unlink), (1, tear), (2, tear)])
def test_a_manifest_is_written_again_where_everything_else_is_there(
    number: int, harm: Callable[[Path], None], place: Path
) -> None:
    before = tree(place / "archive")
    harm(place / f"archive/runs/{number:04d}/manifest.parquet")
    report = repair(place)
    assert (report.remade, report.exit_code) == ([f"runs/{number:04d}/manifest.parquet"], 0)
    assert tree(place / "archive") == before


def test_a_run_of_which_nothing_tells_what_it_was_to_be_stays_damaged(place: Path) -> None:
    for name in ("plan", "manifest"):
        (place / f"archive/runs/0001/{name}.parquet").unlink()
    before = tree(place / "archive")
    report = repair(place)
    assert (report.exit_code, report.remade, report.run) == (4, [], None)
    assert {name for name, _, _ in report.left} >= {"runs/0001/plan.parquet"}
    assert tree(place / "archive") == before
    assert {path: entry.bytes() for path, entry in tilepress.open(place / "archive").items()} == NOW


def test_a_repair_without_its_manifest_is_completed_and_not_given_up(place: Path) -> None:
    """The damaged part is gone: what the repair had of it is nowhere else."""
    damage_image(place / "archive", "1.png")
    run = repair(place).run
    assert tilepress.compact(place / "archive", remove=True, **ONE).removed
    shutil.rmtree(place / "source")
    manifest = place / "archive" / f"runs/000{run}/manifest.parquet"
    lost = manifest.read_bytes()
    manifest.unlink()
    assert (repair(place).exit_code, manifest.read_bytes()) == (0, lost)
    assert {path: entry.bytes() for path, entry in tilepress.open(place / "archive").items()} == NOW
