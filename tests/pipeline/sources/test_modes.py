"""Modes come back: those of folders with files in them, too, where they are not what any folder has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, write_tree

PICTURE = encoded(image_of("RGB", 40, 30, seed=1), "PNG")
LOCAL = {"engine": "local", "workers": 1}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a `source`."""
    write_tree(tmp_path / "source", {"a.png": PICTURE, "sub/note.txt": b"words\n" * 30})
    return tmp_path


def compress(place: Path) -> Any:
    return tilepress.compress(place / "source", place / "archive", **LOCAL)


def restore(place: Path, to: str = "back") -> Any:
    return tilepress.restore(place / "archive", place / to, **LOCAL)


def test_modes_of_folders_with_files_come_back(place: Path) -> None:
    (place / "source/sub").chmod(0o700)
    write_tree(place / "source", {"read/only/b.png": PICTURE})
    (place / "source/read").chmod(0o750)
    assert compress(place).summary.images["folder"] == 2
    restore(place)
    assert [(place / "back" / name).stat().st_mode & 0o777 for name in ("sub", "read", "read/only")] == [
        0o700,
        0o750,
        0o755,
    ]
    assert tilepress.verify(place / "archive", against=place / "source", **LOCAL).exit_code == 0
    write_tree(place / "source", {"sub/new.txt": b"more"})
    assert compress(place).summary.images == {"file": 1}, "a new file changes the time of its folder, not its mode"
    (place / "source/sub").chmod(0o755)
    report = compress(place)
    assert (report.gone, report.planned_files) == (1, 0), "a folder as any other is no entry any more"
    assert compress(place).run is None
    restore(place, "again")
    assert (place / "again/sub").stat().st_mode & 0o777 == 0o755


def test_a_new_mode_of_a_file_is_noticed(place: Path) -> None:
    compress(place)
    (place / "source/sub/note.txt").chmod(0o600)
    assert compress(place).summary.images == {"same": 1}
    restore(place)
    assert (place / "back/sub/note.txt").stat().st_mode & 0o777 == 0o600
    assert compress(place).run is None
