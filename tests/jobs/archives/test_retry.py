"""Files that were not stored as they should are tried again, and nothing else is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.errors import UsageError
from tilepress.jobs.archives import listing
from tilepress.jobs.cli import app
from tilepress.pipeline.archive.schema import DAMAGED
from tilepress.pipeline.compress import opening, shard

PNG = encoded(image_of("RGB", 60, 50), "PNG")
FILES = {
    "a.png": PNG,
    "b.txt": b"text\n" * 50,
    "cut.png": PNG[:900],
    "raw/x.png": encoded(image_of("RGB", 61, 50), "PNG"),
}


def stored(place: Path, path: str) -> tuple[str, str, int]:
    """Method, reason and run of the newest version of an image."""
    entry = tilepress.open(place / "archive")[path]
    return entry.index_row.facts.method, entry.index_row.facts.reason_code, entry.run.number


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`source`, and an `archive` of it by a version that takes a.png for damaged."""
    write_tree(tmp_path / "source", FILES)
    read = shard.read_picture

    def confused(data: Any, *arguments: Any, **options: Any) -> Any:
        return read(data[:900] if bytes(data) == PNG else data, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(opening, "read_small_pictures", lambda files, limits: [None] * len(files))
        patch.setattr(shard, "read_picture", confused)
        report = tilepress.compress(tmp_path / "source", tmp_path / "archive", codec="png", exclude=["raw/"], **ONE)
    assert report.exit_code == 3 and stored(tmp_path, "a.png") == ("file", DAMAGED, 1)
    return tmp_path


def test_what_failed_is_stored_again_by_the_same_settings(place: Path) -> None:
    write_tree(place / "source", {"new.png": encoded(image_of("L", 30, 40), "PNG")})
    before = tree(place / "archive")
    dry = tilepress.retry(place / "archive", failed=True, dry_run=True, **ONE)
    assert (dry.run, dry.planned_files) == (None, 2) and tree(place / "archive") == before
    report = tilepress.retry(place / "archive", failed=True, **ONE)
    assert (report.run, report.planned_files, report.gone, report.exit_code) == (2, 2, 0, 3)
    assert stored(place, "a.png") == ("tiles", "", 2) and stored(place, "b.txt")[2] == 1
    first, second = (run["settings"] for run in listing.archive_info(str(place / "archive")).runs)
    assert {name: value for name, value in second.items() if name != "again"} == first and first["codec"] == "png"
    assert stored(place, "cut.png")[1:] == (DAMAGED, 2), "what is damaged in the source stays so"
    assert "new.png" not in tilepress.open(place / "archive") and "raw/x.png" not in tilepress.open(place / "archive")
    again = tilepress.compress(place / "source", place / "archive", codec="png", exclude=["raw/"], **ONE)
    assert (again.run, again.planned_files) == (3, 1)
    assert tilepress.verify(place / "archive", against=place / "source", exclude=["raw/"], **ONE).exit_code == 0


def test_without_failed_whatever_errors_lists_is_tried(place: Path) -> None:
    assert tilepress.retry(place / "archive", **ONE).planned_files == 3
    assert [stored(place, path)[2] for path in ("a.png", "b.txt", "cut.png")] == [2, 2, 2]


def test_the_source_may_have_moved_and_a_mended_file_is_no_failure_any_more(place: Path, capfd) -> None:
    (place / "source").rename(place / "moved")
    with pytest.raises(UsageError, match="no such file or folder"):
        tilepress.retry(place / "archive", failed=True, **ONE)
    (place / "moved/cut.png").write_bytes(PNG)
    assert tilepress.retry(place / "archive", source=place / "moved", failed=True, **ONE).exit_code == 0
    assert stored(place, "cut.png") == ("tiles", "", 2), "the content of a.png, which is stored once"
    arguments = ["retry", str(place / "archive"), "--failed", "--source", str(place / "moved"), "--engine", "local"]
    assert app._run(arguments) == 0
    assert "nothing to try again" in capfd.readouterr().out
