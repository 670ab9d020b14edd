"""Giving a finished temporary file its name, once and durably, also where hard links are missing."""

# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH116, PTH120, PTH123 - names need not be Unicode

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from typing import BinaryIO

from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.local_walk import TEMPORARY_SUFFIX

_NO_LINKS = {
    errno.EPERM,
    errno.EACCES,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EMLINK,
    errno.EINVAL,
}
_CLAIM_ABANDONED_S = 600.0  # holding one takes milliseconds


@contextlib.contextmanager
def temporary_in(folder: str) -> Iterator[tuple[str, BinaryIO]]:
    """Path and open file of a new temporary file in `folder`; what is left of it at the end is removed."""
    path = f"{folder}/.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        with open(path, "xb") as out:
            yield path, out
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def link_exclusively(temporary: str, target: str) -> None:
    """Give the file its final name. FileExistsError if that is taken: one of several callers succeeds."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        rename_exclusively(temporary, target)


def rename_exclusively(temporary: str, target: str) -> None:
    """`link_exclusively` without hard links (FAT, SMB, FUSE): a rename under an exclusive claim.

    BlockingIOError while another writer holds the claim. A killed writer's claim is void after ten minutes.
    """
    folder, name = os.path.split(target)
    claim = f"{folder}/.claim-{hashlib.sha256(os.fsencode(name)).hexdigest()[:24]}{TEMPORARY_SUFFIX}"
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError as exc:
        _drop_abandoned(claim)
        raise BlockingIOError(errno.EAGAIN, "another writer is creating it") from exc
    try:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "already there")
        os.rename(temporary, target)
    finally:
        os.unlink(claim)


def make_folders(path: str) -> None:
    """Create the folder and those above it, durably."""
    if not os.path.isdir(path):
        above = os.path.dirname(path)
        make_folders(above)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        if not os.path.isdir(path):
            raise StorageError(f"{path} is in the way: it is a file where a folder is needed")
        sync_folder(above)


def sync_folder(path: str) -> None:
    """Make names in the folder survive a power failure, where the file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)


def _drop_abandoned(claim: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - os.stat(claim).st_mtime > _CLAIM_ABANDONED_S:
            os.unlink(claim)
