"""Originals go only if the archive gives them back, and only when that is said; nothing else is ever touched."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tilepress
from tests.jobs.deletion.conftest import FILES, PNG
from tests.support.interrupted import ONE, Killed, damage_image, dying
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import IntegrityError, TilepressError, UsageError
from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.jobs.deletion import delete_source as job
from tilepress.jobs.deletion.delete_source import DeleteSourceReport
from tilepress.pipeline.archive.sealed import SealedWriter, read_json, seal_json
from tilepress.pipeline.storage import local_remove, removal


def delete(place: Path, *, source: str = "source", **options: Any) -> DeleteSourceReport:
    where = {"source": place / source, "certificate": place / "certificate"}
    return tilepress.delete_source(place / "archive", **where, **{"yes": True, **options}, **ONE)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below, by its name; what a link leads to is no file of the folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def logged(place: Path) -> set[str]:
    """Every name that was written down before it was removed."""
    logs = [path for path in (place / "certificate/removals").glob("*.json") if not path.stem.endswith("-done")]
    return {each["path"] for log in logs for each in read_json(log.read_bytes(), "log")["files"]}


def given_back(place: Path) -> dict[str, bytes]:
    archive = tilepress.open(place / "archive", include_deleted=True)
    return {path: entry.bytes() for path, entry in archive.items()}


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


def test_an_old_certificate_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEPRESS_DATE", "2026-12-28")
    with pytest.raises(UsageError, match="more than 30 days ago"):
        delete(place)
    assert delete(place, max_age=60, yes=False).removed == len(FILES)
    monkeypatch.setenv("TILEPRESS_DATE", "2026-11-20")
    with pytest.raises(UsageError, match="yet to come"):
        delete(place)
    assert files(place / "source") == FILES


@pytest.mark.parametrize("verb", ["compress", "forget", "compact"])
def test_runs_since_the_certificate_refuse_it(place: Path, verb: str) -> None:
    if verb == "compress":
        write_tree(place / "source", {"z.png": encoded(image_of("L", 9, 9), "PNG")})
        tilepress.compress(place / "source", place / "archive", **ONE)
    else:
        tilepress.forget(place / "archive", include=["a/"])
        if verb == "compact":
            tilepress.compact(place / "archive", write=True, **ONE)
            tilepress.compact(place / "archive", remove=True, **ONE)
    with pytest.raises(UsageError, match="has runs that the certificate does not know"):
        delete(place)
    assert files(place / "source").items() >= FILES.items()


def test_a_run_that_begins_meanwhile_ends_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = job.remove_tasks

    def forgetting(*arguments: Any) -> Any:
        tilepress.forget(place / "archive", include=["a/"])
        return original(*arguments)

    monkeypatch.setattr(job, "remove_tasks", forgetting)
    with pytest.raises(UsageError, match="got another run meanwhile"):
        delete(place)
    assert files(place / "source") == FILES


def test_a_damaged_archive_removes_nothing(place: Path) -> None:
    part = place / "archive/runs/0001/parts/00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="has not the"):
        delete(place)
    part.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        delete(place)
    assert files(place / "source") == FILES


def test_damage_is_found_before_there_is_a_certificate(place: Path) -> None:
    damage_image(place / "archive", "a/0.png")
    assert tilepress.certify(place / "archive", out=place / "anew", **ONE).exit_code == 4
    with pytest.raises(UsageError, match="no certificate"):
        tilepress.delete_source(place / "archive", place / "source", place / "anew", yes=True)


def forge(place: Path, change: dict[str, Any]) -> None:
    """Another certificate of the same runs, whose rows say something else; its seals are right."""
    folder = place / "certificate"
    rows = [row | change for row in pq.read_table(folder / "files.parquet").to_pylist()]
    with (folder / "files.parquet").open("wb+") as out:
        writer = SealedWriter(out, ROW_SCHEMA)
        writer.write(pa.Table.from_pylist(rows, schema=ROW_SCHEMA))
        seal = writer.close({})
    content = read_json((folder / "certificate.json").read_bytes(), "certificate")
    content["files"]["seal"] = seal
    (folder / "certificate.json").write_bytes(seal_json(content))


@pytest.mark.parametrize(
    "change",
    [
        {"returned_sha256": bytes(32)},
        {"part_seal": "0" * 64},
        {"source_bytes": 1},
        {"part": "runs/0001/parts/7.parquet"},
    ],
)
def test_a_certificate_that_contradicts_the_archive_removes_nothing(place: Path, change: dict[str, Any]) -> None:
    forge(place, change)
    report = delete(place)
    assert report.removed == 0 and files(place / "source") == FILES


def test_a_certificate_must_be_signed_where_a_key_is_given(place: Path) -> None:
    from tests.jobs.certification.test_certify import keys

    _, public = keys(place, "ours")
    with pytest.raises(IntegrityError, match="not signed"):
        delete(place, public_key=public)
    with pytest.raises(UsageError, match="require_independent"):
        delete(place, require_independent=True)
    assert files(place / "source") == FILES


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


def test_other_places_than_folders_and_buckets_are_refused(place: Path) -> None:
    with pytest.raises(UsageError, match="from local folders and from S3 only"):
        tilepress.delete_source(place / "archive", "memory://somewhere", place / "certificate", yes=True)
    with pytest.raises(TilepressError):
        tilepress.delete_source(place / "archive", place / "archive/runs", place / "certificate", yes=True)
