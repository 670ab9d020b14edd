"""An archive as earlier runs saw the source: by the number of a run, or by a date."""

from __future__ import annotations

import json
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.errors import UsageError
from tilepress.jobs.cli import app
from tilepress.pipeline.archive import dates

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
OLD, NEW, LATER = (encoded(image_of("L", 40, 50, seed=seed), "PNG") for seed in range(3))
DATES = ("2026-11-25T08:00:00Z", "2026-11-26T22:30:00Z", "2026-11-27T23:59:59Z")
SEEN = ({"a.png": OLD, "b.png": OLD}, {"a.png": NEW, "b.png": OLD}, {"a.png": NEW, "later.png": LATER})


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, of three days."""
    folder = tmp_path_factory.mktemp("history")
    with pytest.MonkeyPatch.context() as patch:
        for date, files in zip(DATES, SEEN, strict=True):
            patch.setenv(dates.OVERRIDE, date)
            write_tree(folder / "source", files)
            for path in set(tree(folder / "source")) - set(files):
                (folder / "source" / path).unlink()
            tilepress.compress(folder / "source", folder / "archive", **LOCAL)
    return folder / "archive"


def seen(archive: Path, **options: Any) -> dict[str, bytes]:
    return {path: entry.bytes() for path, entry in tilepress.open(archive, **options).items()}


def test_every_run_can_be_read_as_it_saw_the_source(archive: Path, tmp_path: Path) -> None:
    assert seen(archive) == seen(archive, run=3) == SEEN[2]
    for number, files in enumerate(SEEN, 1):
        assert seen(archive, run=number) == files
        report = tilepress.restore(archive, tmp_path / str(number), run=number, **LOCAL)
        assert report.exit_code == 0 and tree(tmp_path / str(number)) == files
    assert seen(archive, include_deleted=True) == SEEN[2] | {"b.png": OLD}


@pytest.mark.parametrize(
    ("as_of", "run"),
    [
        ("2026-11-25", 1),
        ("2026-11-26T22:29:59", 1),
        ("2026-11-26T22:30Z", 2),
        ("2026-11-27T00:30+02:00", 2),
        ("2026-11-26", 2),
        ("2026-11-27T23:59:58Z", 2),
        ("2026-11-27", 3),
        ("2030-01-01", 3),
    ],
)
def test_a_date_means_the_newest_run_that_was_planned_by_then(archive: Path, as_of: str, run: int) -> None:
    assert seen(archive, as_of=as_of) == SEEN[run - 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"run": 4}, "`run` 4: the archive has no such run, but 1, 2, 3"),
        ({"as_of": "2026-11-24"}, r"first run was planned later \(2026-11-25T08:00:00Z\)"),
        ({"as_of": "yesterday"}, "`as_of` 'yesterday' is neither a date nor a time"),
        ({"as_of": "2026-11-26", "run": 1}, "give one of them"),
    ],
)
def test_a_run_that_is_not_there_is_said_to_be_missing(archive: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tilepress.open(archive, **options)


def test_an_archive_travels_with_the_run_that_is_read(archive: Path) -> None:
    for options in ({}, {"run": 1}, {"as_of": DATES[1]}, {"include_deleted": True}):
        opened = tilepress.open(archive, **options)
        assert list(ForkingPickler.loads(ForkingPickler.dumps(opened))) == list(opened)


def test_the_commands_that_look_take_a_run_or_a_date(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert app._run([arguments[0], str(archive), *arguments[1:]]) == 0
        return capfd.readouterr().out

    assert [row.split()[-1] for row in said("ls").splitlines()[1:-1]] == ["a.png", "later.png"]
    assert [row.split()[-1] for row in said("ls", "--as-of", "2026-11-26").splitlines()[1:-1]] == ["a.png", "b.png"]
    assert "b.png  (gone from the source)" in said("ls", "--include-deleted")
    assert json.loads(said("info", "a.png", "--run", "1", "--json"))["run"] == 1
    assert json.loads(said("info", "a.png", "--json"))["run"] == 2
    assert app._run(["cat", str(archive), "a.png", "--run", "1", "-o", str(archive.parent / "a.png")]) == 0
    assert (archive.parent / "a.png").read_bytes() == OLD
    told = said("info", "--run", "2")
    assert "2026-11-25 08:00:00 UTC, complete" in told and "2026-11-26 22:30:00 UTC, complete" in told
    assert "run 3" not in told
    assert [run["date"] for run in json.loads(said("info", "--json"))["runs"]] == list(DATES)


def test_a_run_keeps_its_date_where_its_index_is_damaged(archive: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "copy", tree(archive))
    for name in ("index", "manifest"):
        (tmp_path / f"copy/runs/0001/{name}.parquet").unlink()
        assert tilepress.open(tmp_path / "copy").runs[0].date == DATES[0]
        assert seen(tmp_path / "copy", as_of=DATES[0]) == SEEN[0]


def test_a_date_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(dates.OVERRIDE, "soon")
    write_tree(tmp_path / "source", SEEN[0])
    with pytest.raises(UsageError, match="TILEPRESS_DATE 'soon'"):
        tilepress.compress(tmp_path / "source", tmp_path / "archive", **LOCAL)
    assert not (tmp_path / "archive").exists()
    monkeypatch.delenv(dates.OVERRIDE)
    assert dates.moment(dates.now(), "now")
