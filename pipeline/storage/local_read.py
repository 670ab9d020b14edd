"""Reading what a local folder holds: files, symbolic links, folders."""

# ruff: noqa: PTH115, PTH116 - names need not be Unicode

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO

from tilepress.pipeline.errors import ChangedError, StorageError
from tilepress.pipeline.storage.base import LINK, ListedFile, map_file, unmap
from tilepress.pipeline.storage.local_listing import entry_of, listed


def open_regular(path: str) -> BinaryIO:
    """Return a regular file, open; without waiting where a pipe has taken its place. OSError."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(errno.ENOENT, "not a file")
    return file


def read_source(file: BinaryIO, where: str, expect: ListedFile | None) -> bytes:
    """Return the content of an open file. ChangedError if it is not the one that is expected, or changes; OSError.

    `where`: the file, for messages.
    """
    before = os.fstat(file.fileno())
    data = file.read()
    if not before.st_size and data:
        raise StorageError(f"{where} says it is empty and is not, as files of /proc do: copy it, and give the copy")
    _require(expect, before, where)
    _require_still(before, file, len(data), where)
    return data


@contextmanager
def mapped_source(path: str, where: str, expect: ListedFile | None) -> Iterator[mmap.mmap]:
    """Open a context with the content of a file, mapped. ChangedError as `read_source`, at the end too; OSError."""
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        data = map_file(file)
        try:
            _require(expect, before, where)
            yield data
            _require_still(before, file, len(data), where)
        finally:
            unmap(data)


def _require(expect: ListedFile | None, facts: os.stat_result, where: str) -> None:
    if expect is not None and expect.fingerprint != listed(expect.name, facts).fingerprint:
        raise ChangedError(f"{where} changed since it was listed")


def _require_still(before: os.stat_result, file: BinaryIO, size: int, where: str) -> None:
    after = os.fstat(file.fileno())
    if (size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ChangedError(f"{where} changed while it was read")


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
    found = entry_of(expect.name, facts, expect.locator, expect.kind, len(target))
    return target, found if expect.modified_ns is not None else replace(found, modified_ns=None)
