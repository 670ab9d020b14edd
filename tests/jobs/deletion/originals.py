"""Asking for originals to be removed, and looking at what is left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tilepress
from tests.support.interrupted import ONE
from tilepress.jobs.deletion.delete_source import DeleteSourceReport
from tilepress.pipeline.archive.sealed import read_json


def delete(place: Path, *, source: str = "source", **options: Any) -> DeleteSourceReport:
    where = {"source": place / source, "certificate": place / "certificate"}
    return tilepress.delete_source(place / "archive", **where, **{"yes": True, **options}, **ONE)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below, by its name; what a link leads to is no file of the folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def names(folder: Path) -> set[str]:
    """The name of every file below, which another process may remove in the meantime."""
    return {str((Path(at) / name).relative_to(folder)) for at, _, found in os.walk(folder) for name in found}


def logged(place: Path) -> set[str]:
    """Every name that was written down before it was removed."""
    logs = [path for path in (place / "certificate/removals").glob("*.json") if not path.stem.endswith("-done")]
    return {each["path"] for log in logs for each in read_json(log.read_bytes(), "log")["files"]}


def given_back(place: Path) -> dict[str, bytes]:
    archive = tilepress.open(place / "archive", include_deleted=True)
    return {path: entry.bytes() for path, entry in archive.items()}
