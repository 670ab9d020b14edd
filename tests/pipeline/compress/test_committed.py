"""A copy in another shard of the same run refers to what an earlier shard has committed."""

from __future__ import annotations

from pathlib import Path

import pytest

import tilepress
from tests.jobs.archives.test_same_content import FILES, assert_restored, compress
from tests.support.interrupted import ONE, contents
from tests.support.make_collection import write_tree
from tilepress.pipeline.compress import committed, known


def test_copies_in_other_shards_of_a_run_are_stored_once(tmp_path: Path) -> None:
    copies = {f"{folder}/{path}": data for folder in ("a", "b", "c") for path, data in FILES.items()}
    write_tree(tmp_path / "source", copies)
    report = compress(tmp_path, shard_size=20_000)
    assert report.shards > 3 and report.summary.images["same"] == 2 * (len(FILES) - 1)
    assert_restored(tmp_path, copies)
    assert compress(tmp_path, shard_size=20_000).run is None
    tilepress.forget(tmp_path / "archive", include=["a/"])
    tilepress.compact(tmp_path / "archive", write=True, remove=True, unused=1, **ONE)
    left = {path: data for path, data in copies.items() if path[0] != "a"}
    assert {path: entry.bytes() for path, entry in tilepress.open(tmp_path / "archive").items()} == left
    assert tilepress.verify(tmp_path / "archive", **ONE).exit_code == 0


def test_copies_in_other_shards_are_found_again_by_a_resumed_run(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {f"{at}/{path}": data for at in range(3) for path, data in FILES.items()})
    compress(tmp_path, shard_size=20_000)
    archive = tmp_path / "archive"
    whole = contents(str(archive))
    for name in ("manifest.parquet", "index.parquet", "parts/00003.parquet"):
        (archive / "runs/0001" / name).unlink()
    compress(tmp_path, shard_size=20_000)
    assert contents(str(archive)) == whole


@pytest.mark.parametrize("most", ["_MOST", "MOST_OF_A_SIZE"])
def test_few_of_a_runs_files_may_be_remembered(most: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committed, most, 0)
    write_tree(tmp_path / "source", {f"{at}/{path}": data for at in range(2) for path, data in FILES.items()})
    report = compress(tmp_path, shard_size=20_000)
    assert report.summary.images["same"] == (0 if most == "_MOST" else len(FILES) - 1), "by their names"
    assert tilepress.verify(tmp_path / "archive", against=tmp_path / "source", **ONE).exit_code == 0


def test_many_files_of_one_size_do_not_cost_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CT slices that are not compressed are all of one size: each has the same few candidates."""
    read: list[object] = []
    for module, reader in ((committed, "index_row"), (known, "index_row_or_damage")):
        original = getattr(module, reader)
        monkeypatch.setattr(module, reader, lambda row, original=original: (read.append(row), original(row))[1])
    write_tree(tmp_path / "source", {f"{number:03d}.raw": number.to_bytes(2, "big") * 50 for number in range(200)})
    assert compress(tmp_path, shard_size=2_000).shards == 10
    assert len(read) <= committed.MOST_OF_A_SIZE
    read.clear()
    write_tree(tmp_path / "source", {f"b{number:03d}.raw": number.to_bytes(2, "little") * 50 for number in range(200)})
    assert compress(tmp_path, shard_size=2_000).shards == 10
    assert 0 < len(read) <= 2 * committed.MOST_OF_A_SIZE + 200 * committed.MOST_NEAR
