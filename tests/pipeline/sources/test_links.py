"""Symbolic links and empty folders: kept as such and restored, or followed; nothing is written through one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.in_process import run
from tests.support.independent.reader import read_archive
from tests.support.make_collection import encoded, held, image_of, tree, write_tree
from tilepress.errors import IntegrityError, UsageError
from tilepress.jobs.archives import listing
from tilepress.pipeline.archive.plan import LeftOut
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage import local

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
NOTE = b"stored verbatim"
FILES = {"a.png": encoded(image_of("RGB", 40, 30, seed=1), "PNG"), "sub/note.txt": NOTE}
LINKS = {
    b"far": b"../outside",
    b"folder": b"sub",
    b"near.png": b"a.png",
    b"nowhere": b"not/there",
    b"odd\xff": b"target\xfe\\",
    b"sub/up": b"..",
}
FOLDERS = {"closed": 0o700, "sub/empty": 0o755}
OUT = "a link out of the source: stored as a link, without what it leads to (following links stores that)"
LEFT = [LeftOut("far", OUT, unreadable=False), LeftOut("pipe", "a pipe, not a file", unreadable=False)]
LOOP = "a link to a folder that it lies in, which is not followed: there would be no end"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Of a source with links of every kind, a pipe and empty folders."""
    source = tmp_path / "source"
    write_tree(source, FILES)
    write_tree(tmp_path / "outside", {"x.txt": b"outside"})
    for name, target in LINKS.items():
        os.symlink(target, os.fsencode(source) + b"/" + name)  # noqa: PTH211 - names need not be Unicode
    os.utime(source / "near.png", ns=(10**18, 10**18), follow_symlinks=False)
    for name, mode in FOLDERS.items():
        (source / name).mkdir()
        (source / name).chmod(mode)
    os.mkfifo(source / "pipe")
    return tmp_path


def compress(place: Path, **options: Any) -> Any:
    return tilepress.compress(place / "source", place / "archive", **LOCAL, **options)


def restore(place: Path, to: str = "back", **options: Any) -> Any:
    return tilepress.restore(place / "archive", place / to, **LOCAL, **options)


def test_links_and_empty_folders_come_back_as_they_were(place: Path) -> None:
    report = compress(place)
    assert (report.exit_code, report.left_out) == (0, LEFT)
    assert (report.summary.images["link"], report.summary.images["folder"]) == (len(LINKS), len(FOLDERS))
    restored = restore(place)
    assert restored.exit_code == 0 and restored.not_identical == []
    assert restored.restored == {"byte-identical": 2, "symbolic link": len(LINKS), "folder": len(FOLDERS)}
    assert held(place / "back") == held(place / "source")
    assert restore(place).restored == restore(place, overwrite=True).restored == {"already there": 10}


def test_nothing_is_new_in_what_is_stored_and_verify_compares_links(place: Path) -> None:
    compress(place)
    assert compress(place).run is None
    assert tilepress.verify(place / "archive", against=place / "source", **LOCAL).exit_code == 0
    (place / "source/folder").unlink()
    (place / "source/folder").write_bytes(b"sub")  # of the link's own bytes
    os.utime(place / "source/folder", ns=(1, 1))
    (place / "source/nowhere").unlink()
    (place / "source/nowhere").symlink_to("else/where")
    differing = dict(tilepress.verify(place / "archive", against=place / "source", **LOCAL).differing)
    assert differing == {
        "folder": "the source has a file there",
        "nowhere": "the source file is not the one that was stored",
    }


def test_a_reader_of_the_format_finds_targets(place: Path) -> None:
    compress(place)
    stored = read_archive(place / "archive")
    links = {path: image.file() for path, image in stored.items() if image.row["method"] == "link"}
    assert sorted(links.values()) == sorted(LINKS.values()) and links["near.png"] == b"a.png"
    assert [path for path, image in stored.items() if image.row["method"] == "folder"] == sorted(FOLDERS)


def test_followed_links_are_what_they_lead_to_and_loops_end(place: Path) -> None:
    report = compress(place, links="follow")
    assert [(each.name, each.reason) for each in report.left_out] == [
        ("folder/up", LOOP),
        ("nowhere", "a link that leads nowhere"),
        ("odd\\xff", "a link that leads nowhere"),
        ("pipe", "a pipe, not a file"),
        ("sub/up", LOOP),
    ]
    assert compress(place, links="follow").run is None
    assert tilepress.verify(place / "archive", against=place / "source", **LOCAL).exit_code == 0
    restore(place)
    expected = FILES | {"far/x.txt": b"outside", "folder/note.txt": NOTE, "near.png": FILES["a.png"]}
    assert tree(place / "back") == expected and (place / "back/folder/empty").is_dir()


def test_a_link_may_become_a_file_and_a_file_a_link(place: Path) -> None:
    compress(place)
    source = place / "source"
    times = source.joinpath("near.png").lstat().st_mtime_ns
    (source / "near.png").unlink()
    (source / "near.png").write_bytes(b"12345")  # as many bytes as the target had, at the same time
    os.utime(source / "near.png", ns=(times, times))
    (source / "a.png").unlink()
    (source / "a.png").symlink_to("sub/note.txt")
    (source / "folder").unlink()
    (source / "sub/empty/new.txt").write_bytes(b"new")
    report = compress(place)
    assert (report.planned_files, report.gone) == (3, 2)
    archive = tilepress.open(place / "archive", include_deleted=True)
    assert [path for path in archive if archive[path].gone] == ["folder", "sub/empty"]
    restore(place)
    assert held(place / "back") == held(source)
    restore(place, "first", run=1)
    assert {"near.png", "folder"} == {path.name for path in (place / "first").iterdir() if path.is_symlink()} - {
        "far",
        "nowhere",
        "odd\udcff",
    }
    assert compress(place, links="follow").planned_files > 0  # links are files now


def test_patterns_select_links_and_folders_and_what_is_said(place: Path) -> None:
    report = compress(place, include=["sub", "near*"], exclude=["sub/up"])
    assert list(tilepress.open(place / "archive")) == ["near.png", "sub/empty", "sub/note.txt"]
    assert report.left_out == []
    assert restore(place, exclude=["sub/**"]).restored == {"symbolic link": 1}


def test_no_file_is_written_through_a_restored_link(place: Path) -> None:
    write_tree(place / "source", {"d/x.txt": b"mine", "e/x.txt": b"other"})
    compress(place)
    (place / "source/d/x.txt").unlink()
    (place / "source/d").rmdir()
    (place / "source/d").symlink_to("../outside")
    compress(place)
    before = tree(place / "outside")
    report = restore(place, include=["d", "d/x.txt"], include_deleted=True)
    assert [path for path, _ in report.refused] == ["d"] and tree(place / "back") == {"d/x.txt": b"mine"}
    assert restore(place, "linked", include=["d"]).exit_code == 0 and (place / "linked/d").is_symlink()
    for overwrite in (False, True):
        report = restore(place, "linked", include=["d/x.txt"], include_deleted=True, overwrite=overwrite)
        assert [path for path, _ in report.failed] == ["d/x.txt"]
    assert tree(place / "outside") == before


def test_overwriting_replaces_links_and_not_what_they_lead_to(place: Path) -> None:
    compress(place)
    back = place / "back"
    write_tree(back, {"kept.txt": NOTE, "near.png": b"in the way", "closed": b"in the way"})
    (back / "sub").mkdir()
    (back / "sub/note.txt").symlink_to("../kept.txt")  # of the right content, but a link
    assert sorted(path for path, _ in restore(place).refused) == ["closed", "near.png", "sub/note.txt"]
    assert [path for path, _ in restore(place, overwrite=True).refused] == ["closed"]
    assert not (back / "sub/note.txt").is_symlink() and (back / "near.png").is_symlink()
    assert (back / "kept.txt").read_bytes() == NOTE


def test_an_object_store_says_what_it_cannot_hold(place: Path) -> None:
    compress(place)
    report = tilepress.restore(place / "archive", "memory://test-links/back", **LOCAL)
    assert (report.exit_code, report.restored) == (3, {"byte-identical": 2})
    missing = [*FOLDERS, "far", "folder", "near.png", "nowhere", "odd\\xff", "sub/up"]
    assert [path for path, _ in report.absent] == sorted(missing)
    assert dict(report.absent)["far"] == "a symbolic link to ../outside, which an object store does not have"
    assert report.notes == ["memory://test-links/back keeps neither modification times nor permissions of files"]


def test_a_damaged_link_is_found_and_stored_again_as_a_link(place: Path) -> None:
    compress(place)
    (part,) = (place / "archive/runs/0001/parts").iterdir()
    data = part.read_bytes()
    at = data.index(b"not/there")
    part.write_bytes(data[:at] + b"N" + data[at + 1 :])
    assert tilepress.verify(place / "archive", **LOCAL).exit_code == 4
    assert tilepress.repair(place / "archive", **LOCAL).exit_code == 0
    assert tilepress.verify(place / "archive", against=place / "source", **LOCAL).exit_code == 0
    assert (restore(place).exit_code, held(place / "back")) == (0, held(place / "source"))
    assert read_archive(place / "archive")["nowhere"].file() == b"not/there"


def test_links_are_moved_with_their_kind(place: Path) -> None:
    compress(place)
    tilepress.forget(place / "archive", include=["a.png"])
    assert tilepress.compact(place / "archive", write=True, remove=True, unused=1, **LOCAL).removed
    assert tilepress.verify(place / "archive", **LOCAL).exit_code == 0
    (place / "source/a.png").unlink()
    assert restore(place).exit_code == 0 and held(place / "back") == held(place / "source")
    moved = [path for path, image in read_archive(place / "archive").items() if image.row["method"] == "link"]
    assert len(moved) == len(LINKS) and compress(place).planned_files == 0


def test_a_folder_that_may_not_be_read_any_more_is_not_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compress(place)
    original = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = compress(place)
    assert (report.run, report.gone, report.exit_code) == (None, 0, 3)


def test_a_target_that_no_link_can_have_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "read_entry", lambda path, expect: (b"a\0b", expect))
    with pytest.raises(IntegrityError, match="no link can have the stored target"):
        compress(place)


def test_a_link_that_changes_under_way_is_said_to_have_changed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = local.read_entry

    def changing(path: str, expect: Any) -> Any:
        if path.endswith("nowhere") and Path(path).is_symlink():
            Path(path).unlink()
            Path(path).write_bytes(b"a file now")
        return original(path, expect)

    monkeypatch.setattr(local, "read_entry", changing)
    report = compress(place)
    assert (report.exit_code, report.summary.failures) == (3, {"changed": 1})
    assert compress(place).exit_code == 0 and tilepress.open(place / "archive")["nowhere"].bytes() == b"a file now"


def test_a_named_link_is_followed(place: Path) -> None:
    (place / "list.txt").write_text("source/near.png\n")
    for source, name in (
        (place / "source/near.png", "near.png"),
        (f"list:{place / 'list.txt'}", "source/near.png"),
        (place / "source/folder", "note.txt"),
    ):
        archive = place / name.replace("/", "-")
        tilepress.compress(source, archive, **LOCAL)
        assert tilepress.open(archive)[name].codec not in ("link", "folder")


def test_what_is_left_out_stays_said_after_other_runs(place: Path) -> None:
    compress(place)
    tilepress.forget(place / "archive", include=["a.png"])
    rows = list(listing.left_out(tilepress.open(place / "archive")))
    assert [(row["path"], row["reason_code"], row["comes_back"]) for row in rows] == [
        ("far", "left out", None),
        ("pipe", "left out", None),
    ]


def test_commands_tell_of_links(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, "compress", place / "source", place / "archive", "--engine", "local")
    assert code == 0 and re.search(r"symbolic links +6 ", out) and re.search(r"folders +2 ", out)
    assert "left out: 2 of the source" in out and "left out: pipe (a pipe, not a file)" in err
    assert "odd\\xff -> target\\xfe\\" in run(capfd, "ls", place / "archive")[1]
    assert json.loads(run(capfd, "info", place / "archive", "far", "--json")[1])["link_target"] == "../outside"
    assert "far is a symbolic link to ../outside" in run(capfd, "cat", place / "archive", "far")[2]
    assert re.search(r"sure to come back: .*\d files byte for byte", run(capfd, "info", place / "archive")[1])
    _, out, _ = run(capfd, "restore", place / "archive", place / "back", "--engine", "local")
    assert out.endswith("2 byte-identical, 2 folders, 6 symbolic links\n")


def test_datasets_have_no_links(place: Path) -> None:
    compress(place)
    assert [item.name for item in Source(str(place / "archive")).open().items()] == ["a.png", "sub/note.txt"]
    with pytest.raises(UsageError):
        tilepress.restore(place / "archive", place / "none", include=["nothing"], **LOCAL)
