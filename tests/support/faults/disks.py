"""Small disks that fill up: real ones where this process may mount file systems, else a quota that is pretended."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import pytest

from tilepress.pipeline.storage import local
from tilepress.pipeline.storage.creating import Content, reader_of

_PAGE = 4096  # what a file takes at least


class Disk(Protocol):
    """A folder with so much room."""

    folder: Path

    def resize(self, size: int) -> None:
        """Let there be room for `size` bytes in all."""


class Tmpfs:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)


class Quota:
    """A folder in which local storages find no room for more; what they wrote of a file until then is there."""

    def __init__(self, folder: Path, size: int, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.size = folder, size
        patch.setattr(local, "_copy", self._copy)

    def resize(self, size: int) -> None:
        self.size = size

    def _copy(self, content: Content, out: BinaryIO) -> None:
        with reader_of(content) as (size, read):
            place = Path(f"/proc/self/fd/{out.fileno()}").readlink()
            fits = self.size - self._used() if place.is_relative_to(self.folder) else size
            out.write(read(0, max(0, min(size, fits))))
        if size > fits:
            out.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _used(self) -> int:
        sizes = (path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return sum(-(-size // _PAGE) * _PAGE for size in sizes)


@contextmanager
def pretended_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of `size` bytes that any process may have."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        yield Quota(folder, size, patch)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A real disk of `size` bytes, where this process may mount one."""
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(options, capture_output=True, check=False).returncode:
        folder.rmdir()
        with pretended_disk(folder, size) as disk:
            yield disk
        return
    try:
        yield Tmpfs(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
