"""Fixtures of the command tests: collections and archives that are built once and never written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .make_collection import make_collection


@pytest.fixture(scope="session", autouse=True)
def _no_sync() -> Iterator[None]:
    """Restoring ends with a sync of all disks, which waits for whatever else this machine writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sync", lambda: None)
        yield


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of every kind, junk and nasty names."""
    folder = tmp_path_factory.mktemp("collection") / "source"
    make_collection(folder)
    return folder
