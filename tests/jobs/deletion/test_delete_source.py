"""Originals go only if the archive gives them back, and only when that is said; nothing else is ever touched."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tilepress
from tests.jobs.deletion.conftest import FILES, PNG
from tests.jobs.deletion.originals import delete, files, given_back, logged
from tests.support.interrupted import ONE, Killed, dying
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import TilepressError, UsageError
from tilepress.jobs.deletion import delete_source as job
from tilepress.jobs.deletion import removing
from tilepress.jobs.deletion.removing import Removed, RemoveTask
from tilepress.pipeline.storage import local_remove, removal


def test_nothing_is_removed_unless_that_is_said(place: Path) -> None:
    report = delete(place, yes=False)
    assert (report.exit_code, report.dry_run, report.removed) == (0, True, len(FILES))
    assert report.removed_bytes == sum(map(len, FILES.values()))
    assert files(place / "source") == FILES and not (place / "certificate/removals").exists()


def test_what_comes_back_is_removed_and_comes_back(place: Path) -> None:
    report = delete(place)
    assert (report.exit_code, report.removed, report.kept) == (0, len(FILES), {})
    assert files(place / "source") == {} and logged(place) == set(FILES)
    tilepress.restore(place / "archive", place / "back", **ONE)
    assert files(place / "back") == FILES
    assert delete(place).removed == 0  # the same command, repeated


def test_a_part_of_a_source_may_go(place: Path) -> None:
    assert delete(place, include=["a/"], exclude=["*.jpg"]).removed == 2
    assert files(place / "source").keys() == FILES.keys() - {"a/0.png", "a/twin.png"}
    assert delete(place, source="source/b/*.txt").kept == {"the certificate does not have it": 1}
    with pytest.raises(UsageError, match="is a list"):
        tilepress.delete_source(place / "archive", f"list:{place}/x", place / "certificate")


def test_what_is_no_file_stays_and_is_counted_once(place: Path) -> None:
    (place / "source/out").symlink_to("/etc")
    (place / "source/in").symlink_to("top.txt")
    (place / "source/empty").mkdir()
    os.mkfifo(place / "source/pipe")
    report = delete(place)
    assert (report.removed, report.exit_code) == (len(FILES), 0) and list(report.kept.values()) == [4]
    assert {path for path, _ in report.named} == {"out", "in", "empty", "pipe"}


def test_links_and_what_is_behind_them_stay(place: Path) -> None:
    source = place / "source"
    shutil.move(source / "b", place / "outside")
    (source / "b").symlink_to(place / "outside")
    (source / "a/0.png").rename(place / "elsewhere.png")
    (source / "a/0.png").symlink_to(place / "elsewhere.png")
    os.link(source / "top.txt", place / "second name")
    report = delete(place)
    assert report.removed == len(FILES) - 5 and report.exit_code == 3
    assert (place / "elsewhere.png").read_bytes() == PNG and len(files(place / "outside")) == 3
    assert (source / "a/0.png").is_symlink() and (source / "top.txt").exists()
    assert report.kept["symbolic or hard links lead there"] == 1


def test_a_folder_that_becomes_a_link_meanwhile_is_not_entered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, original = place / "source", local_remove.remove_local

    def swapped(root: str, *arguments: Any) -> None:
        if (source / "b").is_dir() and not (source / "b").is_symlink():
            shutil.move(source / "b", place / "outside")
            (source / "b").symlink_to(place / "outside")
        original(root, *arguments)

    monkeypatch.setattr(removal, "remove_local", swapped)
    report = delete(place)
    assert len(files(place / "outside")) == 3 and report.kept == {"symbolic or hard links lead there": 3}


@pytest.mark.parametrize("change", ["content", "time", "replaced"])
def test_a_file_that_changes_while_it_is_read_stays(place: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    path, original = place / "source/a/0.png", local_remove.hashlib.file_digest

    def changing(file: Any, name: str) -> Any:
        found = original(file, name)
        if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            if change == "replaced":
                path.with_name("new").write_bytes(PNG)
                path.with_name("new").replace(path)
            elif change == "time":
                os.utime(path, ns=(1, 1))
            else:
                path.write_bytes(b"x" * len(PNG))
        return found

    monkeypatch.setattr(local_remove.hashlib, "file_digest", changing)
    report = delete(place)
    assert path.exists() and report.kept == {"it is not the file that was certified": 1}
    assert report.removed == len(FILES) - 1


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["change", "same size", "touch", "remove", "link", "hard link", "swap", "new"]),
        st.sampled_from(sorted(FILES)),
        st.sampled_from(sorted(FILES)),
    ),
    max_size=6,
)


def disturb(source: Path, outside: Path, operation: str, name: str, other: str) -> None:
    """Do something to a file of the source that people do."""
    path, second = source / name, source / other
    if not path.is_file() or path.is_symlink():
        return
    if operation == "change":
        path.write_bytes(path.read_bytes() + b"x")
    elif operation == "same size":
        path.write_bytes(bytes(len(path.read_bytes())))
    elif operation == "touch":
        os.utime(path, ns=(10**18, 10**18))
    elif operation == "remove":
        path.unlink()
    elif operation == "link":
        path.rename(outside / str(len(list(outside.iterdir()))))
        path.symlink_to(outside)
    elif operation == "hard link":
        os.link(path, outside / str(len(list(outside.iterdir()))))
    elif operation == "swap" and second.is_file() and not second.is_symlink():
        path.write_bytes(second.read_bytes())
    elif operation == "new":
        (path.parent / "new.png").write_bytes(path.read_bytes())


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, dies=st.integers(1, 14))
def test_nothing_is_ever_removed_that_the_archive_does_not_give_back(
    certified: Path, tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, str, str]], dies: int
) -> None:
    place = tmp_path_factory.mktemp("place")
    for folder in ("source", "certificate"):
        shutil.copytree(certified / folder, place / folder)
    (place / "archive").symlink_to(certified / "archive")
    (place / "outside").mkdir()
    for operation in operations:
        disturb(place / "source", place / "outside", *operation)
    before, outside = files(place / "source"), files(place / "outside")
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
        kill_at_removal(patch, dies)
        delete(place)
    delete(place)  # again, whether it was killed or not
    after, back = files(place / "source"), given_back(place)
    assert files(place / "outside") == outside
    assert {name: data for name, data in before.items() if name in after} == after
    gone = before.keys() - after.keys()
    assert {name: before[name] for name in gone} == {name: back[name] for name in gone}
    assert gone <= logged(place)
    untouched = {name for name, data in FILES.items() if before.get(name) == data}
    assert not untouched & after.keys() - linked(place / "source")  # and all goes that may


def linked(source: Path) -> set[str]:
    return {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and path.stat().st_nlink > 1}


def kill_at_removal(patch: pytest.MonkeyPatch, nth: int) -> None:
    """Let the process die before or after its nth removal."""
    original, made = local_remove.os.unlink, 0

    def unlink(*arguments: Any, **options: Any) -> None:
        nonlocal made
        made += "dir_fd" in options
        if made * 2 == nth:
            raise Killed
        original(*arguments, **options)
        if made * 2 - 1 == nth and "dir_fd" in options:
            raise Killed

    patch.setattr(local_remove.os, "unlink", unlink)


@pytest.mark.parametrize("nth", range(1, 5))
def test_a_command_that_cannot_write_down_what_it_removes_removes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    with monkeypatch.context() as patch:
        dying(patch, ("create",), nth)
        with pytest.raises(Killed):
            delete(place)
            raise Killed
    assert FILES.keys() - files(place / "source").keys() <= (logged(place) if nth > 1 else set())
    assert delete(place).exit_code == 0 and files(place / "source") == {}


def test_what_comes_back_otherwise_goes_only_if_that_is_accepted(tmp_path: Path) -> None:
    data = encoded(image_of("RGB", 200, 200), "PNG")
    write_tree(tmp_path / "source", {"a.png": data})
    tilepress.compress(tmp_path / "source", tmp_path / "archive", codec="jpeg", fidelity="lossy", **ONE)
    tilepress.certify(tmp_path / "archive", out=tmp_path / "certificate", **ONE)
    for accept in ("same-file", "equal-pixels"):
        report = delete(tmp_path, accept=accept)
        assert (report.removed, report.exit_code) == (0, 3)
    write_tree(tmp_path / "source", {"a.png": data[:-1] + b"x"})
    assert delete(tmp_path, accept="lossy").removed == 0
    write_tree(tmp_path / "source", {"a.png": data})
    assert delete(tmp_path, accept="lossy").by_what_comes_back == {"lossy": 1}


@pytest.mark.parametrize("killed", [True, False])
def test_a_task_that_runs_again_counts_what_it_removed_before(
    place: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    original = job.remove_files

    def twice(task: RemoveTask, *given: Any) -> Removed:
        (place / "source/b/notes.txt").unlink()  # by somebody else, since it was listed
        original(task, *given)
        done = next((place / "certificate/removals").glob("*-done.json"))
        if killed:  # before it could tell
            done.unlink()
        return original(task, *given)

    monkeypatch.setattr(job, "remove_files", twice)
    report = delete(place)
    assert report.removed == len(FILES) - (not killed) and files(place / "source") == {}
    assert report.kept == ({} if killed else {removing.GONE: 1})


def test_other_places_than_folders_and_buckets_are_refused(place: Path) -> None:
    with pytest.raises(UsageError, match="from local folders and from S3 only"):
        tilepress.delete_source(place / "archive", "memory://somewhere", place / "certificate", yes=True)
    with pytest.raises(TilepressError):
        tilepress.delete_source(place / "archive", place / "archive/runs", place / "certificate", yes=True)
