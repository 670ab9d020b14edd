"""Fixtures of the reader tests: archives that are made once, and a `copy` to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tests.support.make_runs import commit, files
from tilepress.pipeline.reading.archive import Archive


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source`, `archive` (two runs, the second with a newer a/rgb.png) and `unfinished` (no index, no manifest)."""
    archives = tmp_path_factory.mktemp("reader")
    source = write_files(archives / "source", files())
    commit(source, archives / "archive", 1, finish=True)
    newer = write_files(
        archives / "newer", {"a/rgb.png": encoded(smooth(80, 82, 3, seed=5)), "new.png": files()["a/gray.png"]}
    )
    commit(newer, archives / "archive", 2, finish=True)
    commit(source, archives / "unfinished", 1, finish=False)
    return archives


@pytest.fixture(scope="session")
def archive(archives: Path) -> Archive:
    return tilepress.open(str(archives / "archive"))


@pytest.fixture
def copy(archives: Path, tmp_path: Path) -> Path:
    """The archive of two runs, to be damaged."""
    shutil.copytree(archives / "archive", tmp_path / "copy")
    return tmp_path / "copy"
