"""Reading what a local folder holds: files, symbolic links, empty folders."""

# ruff: noqa: PTH115, PTH116 - names need not be Unicode

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from tilepress.pipeline.storage.base import LINK, ListedFile
from tilepress.pipeline.storage.local_listing import entry_of


def open_regular(path: str) -> BinaryIO:
    """Return a regular file, open; without waiting where a pipe has taken its place. OSError."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(errno.ENOENT, "not a file")
    return file


def read_fully(descriptor: int, offset: int, length: int) -> bytes:
    """Return up to `length` bytes; fewer only at the end of the file."""
    if offset + length > os.fstat(descriptor).st_size:  # before allocating what a damaged index asks for
        return b""
    data = os.pread(descriptor, length, offset)
    while len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
        data += more
    return data


def read_entry(path: str, expect: ListedFile) -> tuple[bytes, ListedFile]:
    """Return the target of a link, or nothing for a folder, and its entry as it is now, perhaps a file. OSError."""
    facts = os.stat(path, follow_symlinks=expect.kind != LINK)
    if not (stat.S_ISLNK if expect.kind == LINK else stat.S_ISDIR)(facts.st_mode):
        return b"", entry_of(expect.name, facts, expect.locator, "", facts.st_size)
    target = os.fsencode(os.readlink(path)) if expect.kind == LINK else b""
    return target, entry_of(expect.name, facts, expect.locator, expect.kind, len(target))
