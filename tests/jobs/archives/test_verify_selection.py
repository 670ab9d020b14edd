"""What verify is asked to look at, what it says of deletions, and of archives that nothing vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import UsageError
from tilepress.jobs.archives.verify import VerifyReport
from tilepress.jobs.cli import app
from tilepress.jobs.cli.meter import Meter

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
FILES = {f"{folder}/{at}.png": encoded(image_of("L", 40, 50, at), "PNG") for folder in "ab" for at in range(2)}
RAW = {"exclude": ("raw/",)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_tree(tmp_path / "source", FILES | {"raw/x.png": FILES["a/0.png"]})
    tilepress.compress(tmp_path / "source", tmp_path / "archive", **RAW, **LOCAL)
    return tmp_path


def against(place: Path, **options: Any) -> VerifyReport:
    return tilepress.verify(place / "archive", against=place / "source", **options, **LOCAL)


def test_the_selection_of_compress_is_that_of_verify(place: Path) -> None:
    assert against(place).differing == [("raw/x.png", "the archive does not have it")]
    report = against(place, **RAW)
    assert (report.exit_code, report.images, report.differing) == (0, 4, [])
    assert against(place, include=["a/*"]).images == 2
    report = tilepress.verify(place / "archive", include=["b/1.png"], **LOCAL)
    assert (report.exit_code, report.images, report.parts) == (0, 1, 0)
    with pytest.raises(UsageError, match="holds nothing that matches"):
        tilepress.verify(place / "archive", include=["c/*"], **LOCAL)


def test_a_deletion_is_reported_until_a_run_has_recorded_it(place: Path) -> None:
    (place / "source/a/1.png").unlink()
    report = against(place, **RAW)
    assert (report.exit_code, report.differing) == (3, [("a/1.png", "the source no longer has it")])
    assert tilepress.compress(place / "source", place / "archive", **RAW, **LOCAL).gone == 1
    report = against(place, **RAW)
    assert (report.exit_code, report.images, report.differing) == (0, 4, [])
    write_tree(place / "source", {"a/1.png": FILES["b/0.png"]})
    assert against(place, **RAW).differing == [("a/1.png", "the source file is not the one that was stored")]


def test_files_are_gone_only_where_the_source_that_was_given_would_have_them(place: Path) -> None:
    (place / "source/a/1.png").unlink()
    for source, gone in (("source/b/*.png", 0), ("source/raw/x.png", 0)):
        write_tree(place, {source.replace("*", "new"): FILES["b/1.png"]})
        assert tilepress.compress(place / source, place / "archive", **LOCAL).gone == gone
    assert tilepress.compress(place / "source", place / "archive", include=["b/*"], **LOCAL).gone == 0
    assert tilepress.compress(place / "source", place / "archive", include=["a/*"], **LOCAL).gone == 1


def test_without_a_complete_run_neither_verify_nor_restore_end_with_0(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("manifest", "index"):
        (place / f"archive/runs/0001/{name}.parquet").unlink()
    for command in (["verify"], ["restore", str(place / "out")]):
        assert app._run([command[0], str(place / "archive"), *command[1:], "--engine", "local"]) == 3
        assert "is complete: repeat the command of the last one to finish it" in capfd.readouterr().out
    assert {path.name: path.read_bytes() for path in (place / "out/a").iterdir()} == {
        f"{at}.png": FILES[f"a/{at}.png"] for at in range(2)
    }
    tilepress.abandon(place / "archive", yes=True)
    report = tilepress.verify(place / "archive", **LOCAL)
    assert (report.exit_code, report.complete, report.problems) == (3, False, [])


def test_a_subset_that_selects_nothing_says_so(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = []
    for part in range(1, 31):
        assert app._run(["verify", str(place / "archive"), "--subset", f"{part}/30", "--engine", "local"]) == 0
        said.append(capfd.readouterr().out)
    empty = [out for out in said if "0 images" in out.splitlines()[0]]
    assert 26 <= len(empty) < 30
    assert all("nothing was decoded" in out and "as it was written" not in out for out in empty)
    assert all("as it was written" in out for out in said if out not in empty)


def test_how_far_the_files_of_the_archive_are_is_told_before_the_images(place: Path, monkeypatch) -> None:
    told: list[tuple[str, int, int]] = []

    class Told(Meter):
        def advance(self, *, bytes_in: int, images: int, **more: Any) -> None:
            super().advance(bytes_in=bytes_in, images=images, **more)
            told.append((self._task_name, self._bytes, self._total))

    monkeypatch.setattr("tilepress.jobs.archives.verify.Meter", Told)
    assert tilepress.verify(place / "archive", **LOCAL).exit_code == 0
    size = sum(path.stat().st_size for path in (place / "archive/runs/0001/parts").iterdir())
    assert told[0] == ("verify files", size, size)
    assert told[-1][0] == "verify" and told[-1][1] == told[-1][2]
