"""Room is given back in two steps, and no image is ever lost on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.independent import reader
from tests.support.interrupted import ONE, Killed, damage_image, dying
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.errors import IntegrityError, ResumeError, UsageError
from tilepress.jobs.archives import listing
from tilepress.jobs.archives.compress import CompressReport
from tilepress.jobs.cli import app

OLD = {
    **{f"{at}.png": encoded(image_of("RGB", 60, 50, at), "PNG") for at in range(4)},
    "a.jpg": encoded(image_of("RGB", 64, 64), "JPEG"),
    "b.txt": b"text\n" * 100,
    "near.png": encoded(image_of("L", 50, 60, 9), "PNG"),
}
CHANGED = {name: encoded(image_of("RGB", 50, 40, 10 + at), "PNG") for at, name in enumerate(("0.png", "2.png"))}
NOW = {path: data for path, data in (OLD | CHANGED).items() if path != "3.png"}  # the source no longer has it


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source`, and an `archive` of three runs with two older versions, an inexact image and a deleted one."""
    place = tmp_path_factory.mktemp("compact")
    for files in (OLD, CHANGED, {}):
        write_tree(place / "source", files)
        if not files:
            (place / "source/3.png").unlink()
        compress(place)
    return place


def compress(place: Path, **options: Any) -> CompressReport:
    kind = {"codec": "jpegls", "max_error": 2, "shard_size": 15_000, "tile": 32}
    return tilepress.compress(place / "source", place / "archive", **kind, **ONE, **options)


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def seen(archive: Path, **options: Any) -> dict[str, tuple[bytes, bool, str]]:
    """Everything that an archive gives: the bytes of each image, whether it is gone, and its hash."""
    opened = tilepress.open(archive, include_deleted=True, **options)
    return {path: (entry.bytes(), entry.gone, entry.sha256) for path, entry in opened.items()}


def size_of(archive: Path) -> int:
    return sum(map(len, tree(archive).values()))


def test_nothing_is_written_unless_it_is_asked_for(place: Path) -> None:
    before = tree(place / "archive")
    report = tilepress.compact(place / "archive", **ONE)
    assert report.parts >= 2 and report.images >= 2 and report.run is None
    assert 0 < report.kept_bytes < report.part_bytes and report.replaced_parts == 0
    assert tree(place / "archive") == before


def test_two_steps_give_room_back_and_every_image_is_what_it_was(place: Path) -> None:
    archive, wanted = place / "archive", seen(place / "archive")
    assert {path: data for path, (data, gone, _) in wanted.items() if not gone}.keys() == NOW.keys()
    before = tree(archive)
    planned = tilepress.compact(archive, unused=1, **ONE)
    written = tilepress.compact(archive, write=True, unused=1, **ONE)
    assert (written.run, written.parts, written.replaced_parts, written.removed) == (
        4,
        planned.parts,
        planned.parts,
        False,
    )
    after = tree(archive)
    assert {name: after[name] for name in before} == before, "the first step removes nothing"
    assert seen(archive) == wanted
    assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0
    removed = tilepress.compact(archive, remove=True, unused=1, **ONE)
    assert removed.removed and (removed.replaced_parts, removed.replaced_bytes) == (planned.parts, planned.part_bytes)
    assert seen(archive) == wanted and size_of(archive) < sum(map(len, after.values())) - planned.part_bytes + 1
    report = tilepress.verify(archive, against=place / "source", **ONE)
    assert (report.exit_code, report.problems, report.differing) == (0, [], [])
    assert listing.archive_info(str(archive)).superseded_bytes == 0
    again = tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    assert (again.parts, again.run, again.removed) == (0, None, False)
    assert compress(place).run is None, "nothing looks new or gone"


def test_life_goes_on_after_it(place: Path) -> None:
    archive = place / "archive"
    for turn in range(3):
        write_tree(place / "source", {"0.png": encoded(image_of("L", 60, 50, 20 + turn), "PNG")})
        compress(place)
        wanted = seen(archive)
        assert tilepress.compact(archive, write=True, remove=True, unused=1, **ONE).removed
        assert seen(archive) == wanted
        assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0
    write_tree(place / "source", {"3.png": OLD["3.png"]})
    assert compress(place).planned_files == 1
    assert not tilepress.open(archive)["3.png"].gone


def test_what_older_runs_saw_is_refused_where_it_was_given_up_and_never_wrong(place: Path) -> None:
    archive, last = place / "archive", seen(place / "archive")
    tilepress.compact(archive, write=True, unused=1, **ONE)
    assert seen(archive, run=3) == seen(archive, run=4) == last
    for options in ({"run": 1}, {"run": 2}):
        with pytest.raises(UsageError, match="older versions were given up when content was moved by run 4"):
            tilepress.open(archive, **options)
    write_tree(place / "source", {"new.png": OLD["0.png"]})
    compress(place)
    assert seen(archive, run=4) == last


@pytest.mark.parametrize("step", [{"write": True}, {"remove": True}], ids=["write", "remove"])
def test_killed_at_every_object_nothing_is_lost_and_it_goes_on(step: dict[str, bool], place: Path) -> None:
    archive, wanted = place / "archive", seen(place / "archive")
    methods = ("create", "create_file") if "write" in step else ("remove",)
    if "remove" in step:
        tilepress.compact(archive, write=True, unused=1, **ONE)
    kills, nth, done = 0, 1, False
    while not done:
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, methods, nth)
            try:
                report = tilepress.compact(archive, unused=1, **step, **ONE)
                done = True
            except Killed:
                kills += 1
        nth = nth + 1 if "write" in step else 2
        assert seen(archive) == wanted
        assert tilepress.verify(archive, **ONE).exit_code == 0
    assert kills >= 2 and (report.run == 4 or report.removed)


def test_killed_before_its_manifest_or_without_it_later_it_is_completed(place: Path) -> None:
    archive, wanted = place / "archive", seen(place / "archive")
    for removed in (False, True):
        tilepress.compact(archive, write=True, remove=removed, unused=1, **ONE)
        manifest = archive / "runs/0004/manifest.parquet"
        lost = manifest.read_bytes()
        manifest.unlink()
        assert seen(archive) == wanted
        assert tilepress.compact(archive, write=True, unused=1, **ONE).run == 4
        assert manifest.read_bytes() == lost and seen(archive) == wanted
    assert tilepress.verify(archive, **ONE).exit_code == 0


def test_one_that_lost_its_manifest_and_parts_is_damaged_and_says_so(place: Path) -> None:
    archive = place / "archive"
    tilepress.compact(archive, write=True, unused=1, **ONE)
    (archive / "runs/0004/manifest.parquet").unlink()
    for part in archive.glob("runs/0004/parts/*"):
        part.unlink()
    with pytest.raises(IntegrityError, match="runs/0004 lost parts: see `tilepress verify"):
        tilepress.compact(archive, write=True, unused=1, **ONE)


def test_one_that_was_complete_is_not_given_up_by_mistake(place: Path) -> None:
    archive, wanted = place / "archive", seen(place / "archive")
    tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    for name in ("manifest", "index"):
        (archive / f"runs/0004/{name}.parquet").unlink()
        with pytest.raises(UsageError, match=r"runs/0004 has been complete.* giving it up would lose images"):
            tilepress.abandon(archive)
    assert tilepress.compact(archive, write=True, unused=1, **ONE).run == 4
    assert seen(archive) == wanted and tilepress.verify(archive, **ONE).exit_code == 0


def test_an_unfinished_one_is_in_the_way_of_other_runs_and_can_be_given_up(place: Path, monkeypatch) -> None:
    archive, wanted = place / "archive", seen(place / "archive")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        dying(patch, ("create",), 8)
        tilepress.compact(archive, write=True, unused=1, **ONE)
    write_tree(place / "source", {"new.png": OLD["0.png"]})
    with pytest.raises(ResumeError, match="tilepress abandon"):
        compress(place)
    with pytest.raises(ResumeError, match="unused was 1, now 50"):
        tilepress.compact(archive, write=True, unused=50, **ONE)
    assert tilepress.abandon(archive).run == 4
    assert seen(archive) == wanted
    assert compress(place).planned_files == 1
    assert tilepress.compact(archive, write=True, remove=True, unused=1, **ONE).removed
    assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0


def test_nothing_damaged_is_copied_and_nothing_removed_that_is_needed(place: Path) -> None:
    archive, wanted = place / "archive", seen(place / "archive")
    sound = tree(archive)
    for path in wanted:
        damage_image(archive, path)
    with pytest.raises(IntegrityError, match="nothing was changed"):
        tilepress.compact(archive, write=True, unused=1, **ONE)
    write_tree(archive, sound)
    assert seen(archive) == wanted and tilepress.verify(archive, **ONE).exit_code == 0
    run = tilepress.compact(archive, write=True, unused=1, **ONE).run
    before = tree(archive)
    moved = next(path for path, entry in tilepress.open(archive).items() if entry.run.number == run)
    damage_image(archive, moved)
    with pytest.raises(IntegrityError, match="nothing was removed"):
        tilepress.compact(archive, remove=True, unused=1, **ONE)
    write_tree(archive, before)
    assert tree(archive) == before and seen(archive) == wanted


def test_forgotten_images_are_given_out_no_more_and_their_bytes_go(place: Path, capfd) -> None:
    archive, before = place / "archive", seen(place / "archive")
    dry = tilepress.forget(archive, include=["a.*", "0.png"], dry_run=True)
    assert (dry.run, dry.images, dry.paths) == (None, 2, ["0.png", "a.jpg"]) and seen(archive) == before
    assert dry.bytes == len(NOW["0.png"]) + len(NOW["a.jpg"])
    assert tilepress.forget(archive, deleted=True).paths == ["3.png"]
    assert app._run(["forget", str(archive), "--include", "a.*", "--include", "0.png"]) == 0
    assert "run 5" in capfd.readouterr().out
    left = {path: data for path, data in before.items() if path not in ("a.jpg", "0.png", "3.png")}
    assert seen(archive) == left and seen(archive, run=3) == before
    assert tilepress.verify(archive, exclude=["a.*", "0.png"], against=place / "source", **ONE).exit_code == 0
    for wrong in ({"include": ["a.*"]}, {"deleted": True}, {}):
        with pytest.raises(UsageError):
            tilepress.forget(archive, **wrong)
    stored = (archive / "runs").rglob("*.parquet")
    assert any(OLD["b.txt"] not in path.read_bytes() for path in stored)
    assert tilepress.compact(archive, write=True, remove=True, unused=1, **ONE).removed
    assert seen(archive) == left
    independent = reader.read_archive(archive)
    assert {path: image.row["file_sha256"].hex() for path, image in independent.items()} == {
        path: sha256 for path, (_, _, sha256) in left.items()
    }
    info = json.loads((app._run(["info", str(archive), "--json"]), capfd.readouterr().out)[1])
    assert info["superseded_bytes"] == 0 and info["problems"] == []
    assert compress(place, exclude=["a.*", "0.png"]).run is None
    assert compress(place).planned_files == 2, "what the source has comes back"
    assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0


def test_images_of_a_stack_move_with_it(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    small = {f"{at}.png": encoded(image_of("L", 20, 24, at), "PNG") for at in range(9)}
    write_tree(tmp_path / "source", small | {"large.png": encoded(image_of("RGB", 200, 200), "PNG")})
    tilepress.compress(tmp_path / "source", archive, **ONE)
    tilepress.forget(archive, include=["large.png", "3.png", "0.png"])
    tilepress.compact(archive, write=True, unused=1, **ONE)
    tilepress.compact(archive, remove=True, unused=1, **ONE)
    kept = {path: data for path, data in small.items() if path not in ("0.png", "3.png")}
    assert {path: entry.bytes() for path, entry in tilepress.open(archive).items()} == kept
    assert {image.row["method"] for image in reader.read_archive(archive).values()} == {"stack"}
    assert tilepress.verify(archive, **ONE).exit_code == 0
