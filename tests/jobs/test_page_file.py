"""Pages of every verb: one that tilepress wrote may be replaced, and no other file is; found out before any work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.interrupted import ONE, make_source
from tilepress.jobs.audit import audit as audit_module
from tilepress.pipeline.errors import StorageError, UsageError

Write = Callable[[Path], Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a collection and its archive."""
    folder = tmp_path_factory.mktemp("pages")
    tilepress.compress(make_source(folder / "source", 2), folder / "a.tp", **ONE)
    return folder


def audited(place: Path, page: Path, **options: Any) -> object:
    return tilepress.audit(place / "source", report=page, **ONE, **options)


def estimated(place: Path, page: Path) -> object:
    return tilepress.estimate(place / "source", report=page, codecs=["jpegxl"], sample=2, engine="local")


def reported(place: Path, page: Path) -> object:
    return tilepress.report(place / "a.tp", out=page, overwrite=True)


@pytest.fixture(params=[audited, estimated, reported], ids=lambda verb: verb.__name__)
def write(request: pytest.FixtureRequest, place: Path) -> Write:
    return partial(request.param, place)


def test_a_page_replaces_one_of_tilepress_and_no_other_file(write: Write, tmp_path: Path) -> None:
    page = tmp_path / "pages/x.html"
    write(page)
    page.write_bytes(page.read_bytes()[:2000])
    write(page)
    assert page.read_bytes().endswith(b"</html>") and [*page.parent.iterdir()] == [page]
    for mine in (b"", b"<html><title>tilepress</title>mine"):
        page.write_bytes(mine)
        with pytest.raises(UsageError, match=r"x\.html is no page that tilepress wrote, and is not replaced"):
            write(page)
        assert page.read_bytes() == mine


@pytest.mark.parametrize("verb", [audited, estimated])
def test_a_page_that_cannot_be_written_is_told_before_the_work(verb, place, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(audit_module, "open_engine", None)
    with pytest.raises(StorageError, match="is in the way"):
        verb(place, tmp_path / "file/x.html")


def test_a_rotation_of_an_archive_that_cannot_be_written_is_refused_before_the_work(place, monkeypatch) -> None:
    (place / "a.tp/audits").write_bytes(b"")  # a file, where the folder of what is remembered would be
    monkeypatch.setattr(audit_module, "open_engine", None)
    with pytest.raises(StorageError, match=r"remembered in the archive: give `slice` in its place"):
        tilepress.audit(place / "a.tp", rotate=2, **ONE)
    (place / "a.tp/audits").unlink()
    monkeypatch.undo()
    tilepress.audit(place / "a.tp", rotate=2, **ONE)
    assert [each.parent.name for each in (place / "a.tp/audits").rglob("*.*")] == ["0002"]
