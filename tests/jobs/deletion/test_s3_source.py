"""Originals in a bucket: the very version that was read is deleted, or none."""

from __future__ import annotations

from typing import Any

import pytest

import tilepress
from tests.jobs.deletion.conftest import FILES
from tests.support.interrupted import ONE
from tests.support.lost_answers import losing_answers
from tilepress.jobs.deletion import removing
from tilepress.jobs.deletion.delete_source import DeleteSourceReport
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.removal import Remover
from tilepress.pipeline.storage.s3.bucket import S3Storage

STAYS = {"it is not the file that was certified": 1}


@pytest.fixture
def bucket(s3_url: str) -> str:
    """A prefix with originals, their archive and its certificate."""
    for name, data in FILES.items():
        open_storage(f"{s3_url}/source").create(name, data)
    assert tilepress.compress(f"{s3_url}/source", f"{s3_url}/archive", **ONE).exit_code == 0
    assert tilepress.certify(f"{s3_url}/archive", out=f"{s3_url}/certificate", **ONE).exit_code == 0
    return s3_url


def delete(bucket: str, **options: Any) -> DeleteSourceReport:
    return tilepress.delete_source(
        f"{bucket}/archive", f"{bucket}/source", f"{bucket}/certificate", **{"yes": True, **options}, **ONE
    )


def names(bucket: str) -> set[str]:
    return {entry.name for entry in open_storage(f"{bucket}/source").list()}


def test_objects_go_and_the_command_may_be_repeated(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    original = S3Storage.remove_version

    def noting(self: S3Storage, name: str, etag: str) -> None:
        asked.append(name)
        original(self, name, etag)

    monkeypatch.setattr(S3Storage, "remove_version", noting)
    monkeypatch.setattr(removing, "_BATCH_FILES", 2)  # files of a task
    assert delete(bucket, yes=False).removed == len(FILES) and names(bucket) == set(FILES)
    report = delete(bucket)
    assert len([name for name in asked if name not in FILES]) == 1  # whether there is conditional deletion
    assert (report.exit_code, report.removed, names(bucket)) == (0, len(FILES), set())
    assert not [note for note in report.notes if "conditional" in note]
    assert delete(bucket).removed == 0


@pytest.mark.parametrize("conditional", [True, False])
def test_an_object_that_changes_after_it_was_read_stays(
    bucket: str, monkeypatch: pytest.MonkeyPatch, conditional: bool
) -> None:
    original = S3Storage.open_source

    def changing(self: S3Storage, name: str, *arguments: Any, **options: Any) -> Any:
        context = original(self, name, *arguments, **options)
        if name == "a/0.png":
            with context as data:
                kept = bytes(data)
            open_storage(f"{bucket}/source").write(name, kept[::-1], overwrite=True)
            return _Given(kept)
        return context

    monkeypatch.setattr(S3Storage, "open_source", changing)
    if not conditional:
        monkeypatch.setattr(Remover, "is_conditional", False)
    report = delete(bucket)
    assert names(bucket) == {"a/0.png"} and report.kept == STAYS
    assert bool([note for note in report.notes if "conditional" in note]) is not conditional


def test_an_object_is_removed_though_the_answer_was_lost(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = losing_answers(monkeypatch, requests=("DeleteObject",))
    report = delete(bucket)
    assert len(lost) > len(FILES)  # also of the question whether there is conditional deletion
    assert (report.exit_code, report.removed, report.kept, names(bucket)) == (0, len(FILES), {}, set())


class _Given:
    """A context with bytes that were read before."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> bytes:
        return self._data

    def __exit__(self, *exc: object) -> None:
        pass
