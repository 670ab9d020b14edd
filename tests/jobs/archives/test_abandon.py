"""Giving up an unfinished run: it holds nothing from then on, whoever still works on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.interrupted import ONE, Killed, make_source
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.errors import EngineError, UsageError
from tilepress.jobs.archives import compress as job
from tilepress.jobs.cli import app
from tilepress.pipeline.archive.layout import Run, list_runs
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.local import LocalStorage

SMALL: dict[str, Any] = {"shard_size": 9000, **ONE}
MANIFEST = "runs/0002/manifest.parquet"


def kill(monkeypatch: pytest.MonkeyPatch, method: str, name: str) -> None:
    """The next process dies when it is about to do something to an object whose name contains `name`."""
    original = getattr(LocalStorage, method)

    def dying(self: LocalStorage, given: str, *arguments: Any, **options: Any) -> Any:
        if name in given:
            raise Killed(given)
        return original(self, given, *arguments, **options)

    monkeypatch.setattr(LocalStorage, method, dying)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`source`, and an `archive` of it whose second run was killed before its last part."""
    make_source(tmp_path / "source")
    tilepress.compress(tmp_path / "source", tmp_path / "archive", **SMALL)
    write_tree(tmp_path / "source", {f"new/{n}.png": encoded(image_of("L", 90, 99, n), "PNG") for n in range(3)})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        kill(patch, "create", "0002/parts/00001")
        tilepress.compress(tmp_path / "source", tmp_path / "archive", **SMALL)
    return tmp_path


def test_a_run_that_is_given_up_holds_nothing_and_the_next_one_stores_its_files(place: Path) -> None:
    archive = place / "archive"
    assert "new/0.png" in tilepress.open(archive)
    parts = [path for path in archive.rglob("*") if path.is_file() and "runs/0002" in str(path)]
    report = tilepress.abandon(archive)
    assert (report.run, report.removed_files, report.exit_code) == (2, len(parts), 0) and len(parts) >= 3
    assert [name for name in tree(archive) if name.startswith("runs/0002")] == [MANIFEST]
    assert "new/0.png" not in tilepress.open(archive) and not tilepress.open(archive).problems
    assert tilepress.verify(archive, **ONE).exit_code == 0
    done = tilepress.compress(place / "source", archive, codec="png", **SMALL)
    assert (done.run, done.planned_files, done.resumed_shards) == (3, 3, 0)
    assert tilepress.verify(archive, against=place / "source", **ONE).exit_code == 0
    assert tilepress.compress(place / "source", archive, **SMALL).run is None


def test_nothing_is_given_up_where_no_run_is_unfinished(place: Path) -> None:
    tilepress.compress(place / "source", place / "archive", **SMALL)
    before = tree(place / "archive")
    with pytest.raises(UsageError, match="no run is unfinished"):
        tilepress.abandon(place / "archive")
    with pytest.raises(UsageError, match="no archive"):
        tilepress.abandon(place / "source")
    assert tree(place / "archive") == before


@pytest.mark.parametrize(("method", "name"), [("create", "manifest"), ("remove", "plan"), ("remove", "parts/00000")])
def test_killed_on_the_way_it_is_done_by_the_next_attempt(method: str, name: str, place: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill(patch, method, name)
        tilepress.abandon(place / "archive")
    assert tilepress.verify(place / "archive", **ONE).exit_code == 0
    assert tilepress.abandon(place / "archive").run == (2 if method == "create" else None)
    assert [name for name in tree(place / "archive") if name.startswith("runs/0002")] == [MANIFEST]
    assert tilepress.verify(place / "archive", **ONE).exit_code == 0


def test_whoever_still_works_on_it_cannot_complete_it_and_leaves_no_harm(place: Path, monkeypatch) -> None:
    original = job.create_index

    def given_up_meanwhile(*arguments: Any) -> str:
        tilepress.abandon(place / "archive", yes=True)
        return original(*arguments)

    monkeypatch.setattr(job, "create_index", given_up_meanwhile)
    with pytest.raises(UsageError, match="given up while this process worked on it"):
        tilepress.compress(place / "source", place / "archive", **SMALL)
    assert "new/0.png" not in tilepress.open(place / "archive")
    assert tilepress.verify(place / "archive", **ONE).exit_code == 0


def test_a_run_whose_plan_is_lost_can_be_given_up(place: Path) -> None:
    (place / "archive/runs/0002/plan.parquet").unlink()
    assert tilepress.abandon(place / "archive").run == 2
    assert tilepress.compress(place / "source", place / "archive", **SMALL).run == 3
    assert tilepress.verify(place / "archive", against=place / "source", **ONE).exit_code == 0


@pytest.mark.parametrize("lost", [["manifest"], ["manifest", "index"]])
def test_a_run_that_has_all_its_parts_is_completed_by_repair_and_given_up_only_if_told_to(
    lost: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = place / "archive"
    tilepress.compress(place / "source", archive, **SMALL)
    before = tree(archive)
    for name in lost:
        (archive / f"runs/0002/{name}.parquet").unlink()
    harmed = tree(archive)
    assert app._run(["abandon", str(archive)]) == 2
    said = capsys.readouterr().err
    assert f"tilepress repair {archive}" in said and "--yes" in said and "3 files" in said
    assert tree(archive).keys() - {"run-report.json"} == harmed.keys() - {"run-report.json"}
    assert app._run(["repair", str(archive), "--dry-run", "--engine", "local", "-j", "1"]) == (0 if lost[1:] else 4)
    assert app._run(["repair", str(archive), "--engine", "local", "-j", "1"]) == 0
    assert "written again: runs/0002/manifest.parquet" in capsys.readouterr().out
    assert {name: data for name, data in tree(archive).items() if name != "run-report.json"} == {
        name: data for name, data in before.items() if name != "run-report.json"
    }
    (archive / MANIFEST).unlink()
    assert tilepress.abandon(archive, yes=True).run == 2


def test_an_engine_that_cannot_be_had_leaves_nothing_claimed(place: Path, monkeypatch) -> None:
    def unreachable(*arguments: Any, **options: Any) -> Any:
        raise EngineError("no Ray cluster could be joined")

    monkeypatch.setattr(job, "open_engine", unreachable)
    assert engines.open_engine is not job.open_engine
    write_tree(place / "other", {"a.png": encoded(image_of("L", 30, 30), "PNG")})
    with pytest.raises(EngineError):
        tilepress.compress(place / "other", place / "untouched", **ONE)
    assert not (place / "untouched").exists()
    tilepress.abandon(place / "archive")
    with pytest.raises(EngineError):
        tilepress.compress(place / "source", place / "archive", **SMALL)
    assert list_runs(open_storage(str(place / "archive"))) == [Run(1), Run(2)]
