"""Runs that are interrupted and go on, and what must be the same afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import compress
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.local import LocalStorage

ONE = {"engine": "local", "workers": 1}


def make_source(folder: Path, count: int = 6) -> Path:
    """A collection of small pictures and a file that is no picture."""
    files = {
        f"{at // 3}/{at}.png": encoded(image_of("RGB" if at % 2 else "L", 60, 80, seed=at), "PNG")
        for at in range(count)
    }
    write_tree(folder, files | {"notes.txt": b"not an image\n" * 40})
    return folder


_OF_ITS_OWN = ("archive.json", "run-report.json")


def contents(archive: str) -> dict[str, bytes]:
    """Every object of an archive but its identity, and the report of the last command."""
    storage = open_storage(archive)
    return {entry.name: storage.read(entry.name) for entry in storage.list() if entry.name not in _OF_ITS_OWN}


def identities(archive: str) -> dict[str, tuple[int, ...]]:
    """What changes when a part is written again: its modification time and, locally, its inode."""
    storage, found = open_storage(archive), {}
    for entry in storage.list("runs/"):
        if "/parts/" in entry.name:
            path = storage.local_path(entry.name)
            found[entry.name] = (entry.modified_ns, path.stat().st_ino if path else 0)
    return found


def uninterrupted(source: Path, archive: Path, **options: Any) -> dict[str, bytes]:
    """What an undisturbed run makes of the source."""
    assert compress(str(source), str(archive), **ONE, **options).exit_code == 0
    return contents(str(archive))


def command(*arguments: object) -> subprocess.Popen[str]:
    """The command line in a process of its own, which Ctrl-C reaches even if these tests run in the background."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, "-m", "tilepress", *map(str, arguments)],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **pipes,
    )


def damage_image(archive: Path, path: str) -> Path:
    """Flip a bit of the payload of an image; gives the part that holds it."""
    entry = tilepress.open(archive, include_deleted=True)[path]
    tiles = [span for tile in entry.index_row.tiles for span in (tile.latents, tile.residual)]
    start, _ = next(span for span in [*tiles, *entry.index_row.spans.values()] if span[1])
    data = bytearray((archive / entry.part).read_bytes())
    data[start] ^= 1
    (archive / entry.part).write_bytes(data)
    return archive / entry.part


class Killed(BaseException):
    """What a test raises in the middle of a command."""


def dying(monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...], nth: int) -> None:
    """Let the process die at its nth change of a local storage by these methods."""
    made = 0

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def change(self: LocalStorage, *arguments: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made == nth:
                raise Killed
            return original(self, *arguments, **options)

        return change

    for method in methods:
        monkeypatch.setattr(LocalStorage, method, wrapped(getattr(LocalStorage, method)))
