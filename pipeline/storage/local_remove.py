"""Removing one file of a local folder, if it is the very file that is meant, and nothing else leads to it."""

# ruff: noqa: PTH123 - names need not be Unicode, and are relative to open folders

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from tilepress.pipeline.errors import ChangedError, UnsafeName
from tilepress.pipeline.storage.base import ListedFile, check_name, located
from tilepress.pipeline.storage.local_listing import listed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def remove_local(root: str, entry: ListedFile, sha256: bytes) -> None:
    """Remove a file whose content has this SHA-256: read through the open file that is removed, as far as POSIX can.

    No folder on the way from the root is entered through a symbolic link, by whoever it was put there meanwhile: names
    are looked up one by one from open folders.

    Args:
        root: The folder, a symbolic link perhaps.
        entry: The file as it was listed.
        sha256: Of its content.

    Raises:
        UnsafeName: A symbolic link is on the way or in its place, or the file has other names (hard links).
        ChangedError: It is not the file that was listed, has other content, or changed while it was read.
        OSError: For the caller to translate.
    """
    where = f"{root}/{entry.name}"
    *folders, name = check_name(located(entry.name, entry.locator)).split("/")
    with _folder(root, folders, where) as parent:
        before = _proven(parent, name, entry, sha256, where)
        # The last look, at the name and not at the open file: between it and the removal is one system call.
        if _identity(os.stat(name, dir_fd=parent, follow_symlinks=False)) != before:
            raise ChangedError(f"{where} changed while it was read")
        os.unlink(name, dir_fd=parent)


@contextmanager
def _folder(root: str, folders: list[str], where: str) -> Iterator[int]:
    """The folder of a file, open."""
    here = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for folder in folders:
            facts = os.stat(folder, dir_fd=here, follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                raise UnsafeName(f"{where} is left alone: {folder} on the way to it is a symbolic link")
            here, above = os.open(folder, _FOLDER, dir_fd=here), here
            os.close(above)
        yield here
    finally:
        os.close(here)


def _proven(parent: int, name: str, entry: ListedFile, sha256: bytes, where: str) -> tuple[int, ...]:
    """What tells the file from any other and from any change, once its content is the one that is meant."""
    if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise UnsafeName(f"{where} is left alone: it is a symbolic link")
    with open(os.open(name, _FILE, dir_fd=parent), "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or listed(entry.name, facts).fingerprint != entry.fingerprint:
            raise ChangedError(f"{where} changed since it was listed")
        if facts.st_nlink != 1:
            raise UnsafeName(f"{where} is left alone: it has {facts.st_nlink} names (hard links)")
        if hashlib.file_digest(file, "sha256").digest() != sha256:
            raise ChangedError(f"{where} is not the file that was certified")
        if _identity(os.fstat(file.fileno())) != _identity(facts):
            raise ChangedError(f"{where} changed while it was read")
    return _identity(facts)


def _identity(facts: os.stat_result) -> tuple[int, ...]:
    known = facts.st_dev, facts.st_ino, facts.st_mode, facts.st_nlink, facts.st_size
    return (*known, facts.st_mtime_ns, facts.st_ctime_ns)
