"""Two or more files of one run are damaged: nothing is missing without a word, and the source has it all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tilepress
from tests.jobs.archives.repair.two_runs import FILES, NOW, compress, is_right, repair, tear, unlink
from tests.support.independent.reader import read_archive
from tests.support.interrupted import ONE
from tests.support.make_collection import tree, write_tree


def harm_files(place: Path, number: int, harm: Callable[[Path], None], *names: str) -> None:
    """Harm files of a run, and its first part."""
    run = place / f"archive/runs/{number:04d}"
    for path in (min((run / "parts").iterdir()), *(run / f"{name}.parquet" for name in names)):
        harm(path)


@pytest.mark.parametrize(("number", "harm"), [(1, unlink), (2, tear)])
def test_a_part_is_made_again_where_the_manifest_is_damaged_too(
    number: int, harm: Callable[[Path], None], place: Path
) -> None:
    harm_files(place, number, harm, "manifest")
    named = {path for _, path, _ in tilepress.verify(place / "archive", **ONE).problems} - {""}
    assert len(named) > 1, "not missing without a word"
    report = repair(place)
    assert (report.exit_code, report.lost, report.left, report.parts) == (0, [], [], 1)
    assert {*report.mended} == named - ({"0.png"} if number == 1 else set()), "of that there is a newer version"
    assert report.remade == [f"runs/{number:04d}/manifest.parquet"]
    assert is_right(place) and len(read_archive(place / "archive")) == len(NOW)
    assert compress(place).run is None
    tilepress.compact(place / "archive", remove=True, **ONE)
    assert is_right(place)


@pytest.mark.parametrize("other", ["manifest", "index"])
def test_a_file_that_was_gone_once_is_not_gone_again_where_its_rows_are_lost(other: str, place: Path) -> None:
    (place / "source/0.png").unlink()
    compress(place)
    write_tree(place / "source", {"0.png": FILES["0.png"][:-1]})
    compress(place)
    harm_files(place, 4, tear, other)
    assert repair(place).exit_code == 0
    found = {path: entry.bytes() for path, entry in tilepress.open(place / "archive").items()}
    assert found == NOW | {"0.png": FILES["0.png"][:-1]}
    assert compress(place).run is None


def test_what_is_lost_with_a_manifest_is_named_and_stored_again_when_it_is_back(place: Path) -> None:
    harm_files(place, 1, tear, "manifest")
    (place / "source/1.png").rename(place / "away.png")
    before = tree(place / "archive")
    report = repair(place, source=place / "source")
    assert (report.exit_code, report.lost) == (4, ["1.png"]) and "2.png" in report.mended
    assert {"runs/0001/manifest.parquet", "runs/0001/parts/00000.parquet"} <= {name for name, _, _ in report.left}
    assert {name: data for name, data in tree(place / "archive").items() if name in before} == before
    (place / "away.png").rename(place / "source/1.png")
    assert (repair(place, source=place / "source").exit_code, is_right(place)) == (0, True)


def test_files_whose_part_manifest_and_plan_are_lost_are_said_to_have_no_names(place: Path) -> None:
    harm_files(place, 1, tear, "manifest", "plan", "index")
    report = repair(place)
    assert report.lost == ["runs/0001/parts/00000.parquet: files whose names are lost too"]
    assert report.exit_code == 4 and report.run is None
