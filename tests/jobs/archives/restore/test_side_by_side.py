"""Images of one shard are worked on side by side, and how many at a time changes nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.jobs.archives import restore, verify
from tilepress.jobs.audit import images as audited
from tilepress.jobs.evaluation import images as evaluated

TWO = {"engine": "local", "workers": 2}
IMAGES = 4


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one shard, its source beside it."""
    folder = tmp_path_factory.mktemp("side")
    files = {f"{at}.png": encoded(image_of("RGB", 140, 160, seed=at), "PNG") for at in range(IMAGES)}
    write_tree(folder / "source", files)
    report = tilepress.compress(folder / "source", folder / "a", codec="jpegxl", effort=1, **TWO)
    assert (report.exit_code, report.shards) == (0, 1)
    return folder / "a"


def meeting(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> None:
    """Let an image's work begin only when that of another has: whoever takes one after the other waits in vain."""
    both, right = threading.Barrier(2, timeout=20), getattr(place, name)

    def work(*arguments: Any, **options: Any) -> Any:
        both.wait()
        return right(*arguments, **options)

    monkeypatch.setattr(place, name, work)


def test_restore_and_verify_work_on_images_of_one_shard_at_a_time(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting(monkeypatch, restore, "_restored")
    meeting(monkeypatch, verify, "_verified")
    assert tilepress.restore(archive, tmp_path / "out", **TWO).restored == {"byte-identical": IMAGES}
    assert tilepress.verify(archive, **TWO).images == IMAGES


def test_audit_does(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting(monkeypatch, audited._Looking, "row")
    assert tilepress.audit(archive, **TWO).images == IMAGES


@pytest.mark.slow
def test_evaluate_does(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting(monkeypatch, evaluated, "_image_rows")
    asked = {"qualities": (50,), "metrics": (), **TWO}
    assert tilepress.evaluate(archive.parent / "source", tmp_path / "out", ["jpeg"], **asked).exit_code == 0


def test_as_many_at_a_time_as_are_asked_for_give_the_same_files(archive: Path, tmp_path: Path) -> None:
    for workers in (1, 4):
        tilepress.restore(archive, tmp_path / str(workers), engine="local", workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "4") == tree(archive.parent / "source")
