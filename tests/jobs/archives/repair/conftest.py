"""The archive that is damaged and repaired."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.jobs.archives.repair.two_runs import FILES, LATER, compress
from tests.support.make_collection import write_tree


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source`, and an `archive` of two runs."""
    place = tmp_path_factory.mktemp("repair")
    for files in (FILES, LATER):
        write_tree(place / "source", files)
        compress(place)
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The same, to be damaged; the plan still names the first source."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"
