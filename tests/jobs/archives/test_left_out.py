"""What of a source no run can store is said and stays said; and an archive is never made where other files are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.errors import StorageError, UsageError
from tilepress.jobs.archives import listing
from tilepress.jobs.archives.compress import CompressReport
from tilepress.pipeline.archive.plan import LeftOut
from tilepress.pipeline.storage.local import LocalStorage

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
FILES = {f"{at}/{at}.png": encoded(image_of("RGB", 60, 60, seed=at), "PNG") for at in range(3)}
HIDDEN = LeftOut("1/", "it may not be read; permit it, or run as its owner", unreadable=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_tree(tmp_path / "source", FILES)
    return tmp_path


def hide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder 1 may not be read; tests run as root, who may read everything."""
    original = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("source/1"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)


def compress(place: Path, **options: Any) -> CompressReport:
    return tilepress.compress(place / "source", place / "archive", **LOCAL, **options)


def test_the_rest_of_a_folder_is_stored_and_what_is_missing_is_exit_code_3(place, monkeypatch) -> None:
    os.mkfifo(place / "source/pipe")
    hide(monkeypatch)
    report = compress(place)
    pipe = LeftOut("pipe", "a pipe, not a file", unreadable=False)
    assert (report.exit_code, report.left_out, report.planned_files) == (3, [HIDDEN, pipe], 2)
    archive = tilepress.open(place / "archive")
    assert list(archive) == ["0/0.png", "2/2.png"]
    said = [(row["reason_code"], row["path"]) for row in listing.left_out(archive)]
    assert said == [("unreadable", "1/"), ("left out", "pipe")]


def test_nothing_new_and_a_folder_that_may_not_be_read_is_exit_code_3_and_nothing_is_gone(place, monkeypatch) -> None:
    assert compress(place).exit_code == 0
    with monkeypatch.context() as patch:
        hide(patch)
        report = compress(place)
        assert (report.run, report.gone, report.exit_code, report.left_out) == (None, 0, 3, [HIDDEN])
        (place / "source/2/2.png").unlink()
        assert compress(place).gone == 1
    assert not tilepress.open(place / "archive")["1/1.png"].gone


def test_a_run_that_goes_on_says_what_its_first_attempt_left_out(place, monkeypatch) -> None:
    create = LocalStorage.create

    def full(self: LocalStorage, name: str, data: Any) -> None:
        if "/parts/" in name:
            raise StorageError("the disk is full")
        create(self, name, data)

    with monkeypatch.context() as patch:
        hide(patch)
        patch.setattr(LocalStorage, "create", full)
        with pytest.raises(StorageError, match="full"):
            compress(place)
    report = compress(place)
    assert (report.run, report.exit_code, report.left_out) == (1, 3, [HIDDEN])
    assert compress(place).exit_code == 0 and sorted(tilepress.open(place / "archive")) == sorted(FILES)


def test_no_archive_is_made_of_the_source_or_beside_other_files_unless_one_says_so(place) -> None:
    before = tree(place)
    with pytest.raises(UsageError, match="source is the source itself"):
        tilepress.compress(place / "source", place / "source/../source", **LOCAL)
    with pytest.raises(UsageError, match=r"holds other files, such as .*or say `allow_other_files`"):
        tilepress.compress(place / "source", place, **LOCAL)
    assert tree(place) == before
    assert tilepress.compress(place / "source", place, allow_other_files=True, **LOCAL).run == 1
    assert tilepress.compress(place / "source", place, **LOCAL).run is None
    assert tilepress.verify(place, against=place / "source", **LOCAL).exit_code == 0


@pytest.mark.parametrize(
    ("wrong", "right"), [("s3:b/x", "s3://b/x"), ("s3:/b", "s3://b"), ("GS:b", "GS://b"), ("file:/a", "file:///a")]
)
def test_a_url_without_its_slashes_never_becomes_a_local_folder(wrong, right, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tree(tmp_path / "source", FILES)
    for call in (lambda: tilepress.compress("source", wrong, **LOCAL), lambda: tilepress.open(wrong)):
        with pytest.raises(UsageError, match=f"say {right}, or ./{wrong} for a local path"):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert tilepress.compress("source", f"./{wrong}", **LOCAL).run == 1


def test_what_is_said_to_be_saved_counts_the_whole_archive_and_nothing_that_is_not_stored(place, capsys) -> None:
    from tilepress.jobs.cli import app

    compress(place)
    info = listing.archive_info(str(place / "archive"))
    everything = tree(place / "archive") | {"run-report.json": (place / "archive/run-report.json").read_bytes()}
    assert (info.objects, info.disk_bytes) == (len(everything), sum(map(len, everything.values())))
    assert info.superseded_bytes == 0
    before = info.summary.bytes_out.total()
    (place / "source/1/1.png").write_bytes(encoded(image_of("RGB", 60, 60, seed=9), "PNG"))
    compress(place)
    info = listing.archive_info(str(place / "archive"))
    assert 0 < info.superseded_bytes < before
    assert app._run(["info", str(place / "archive")]) == 0
    out = capsys.readouterr().out
    assert f"in {info.objects} files, models and indexes included, " in out and "are older versions of images" in out


def test_files_that_are_not_stored_are_not_saved(capsys) -> None:
    from tilepress.jobs.cli.tables import print_summary
    from tilepress.pipeline.archive.summary import Summary

    summary = Summary()
    for method, size, stored in (("jpegxl", 1000, 500), ("none", 8000, 0)):
        summary.images[method] += 1
        summary.bytes_in[method] += size
        summary.bytes_out[method] += stored
    print_summary(summary)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[-1] == ["all", "stored", "1", "1", "kB", "500", "B", "50.0", "%"]
    assert next(row for row in rows if row[:2] == ["not", "stored"]) == ["not", "stored", "1", "8", "kB", "0", "B"]
