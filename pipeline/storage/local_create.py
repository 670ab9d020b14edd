"""Giving a finished temporary file its name, once and durably, also where hard links are missing; links and folders."""

# ruff: noqa: PTH102, PTH104, PTH105, PTH108, PTH112, PTH115, PTH116, PTH120, PTH123, PTH211 - names need not be Unicode

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from tilepress.pipeline.errors import InTheWay
from tilepress.pipeline.storage.base import FOLDER, LINK
from tilepress.pipeline.storage.local_listing import TEMPORARY_SUFFIX

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
_DESCRIPTORS = "/proc/self/fd/"


@contextlib.contextmanager
def temporary_in(folder: str, *, nameless: bool = False) -> Iterator[tuple[str, BinaryIO]]:
    """Open a new temporary file in `folder`: its path and file. What is left of it at the end is removed.

    `nameless`: where the system can, a file without a name in any folder, so that nothing is left of it however its
    writer dies; its path is good for `link_exclusively` only.
    """
    descriptor = _open_nameless(folder) if nameless else None
    if descriptor is not None:
        with open(descriptor, "wb") as out:
            yield f"{_DESCRIPTORS}{descriptor}", out
        return
    path = f"{folder}/.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        with open(path, "xb") as out:
            yield path, out
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Open a context in which no other process or thread of this machine is, for the same folder.

    A file system that locks no folders, as many over a network, lets everybody in.
    """
    make_folders(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def link_exclusively(temporary: str, target: str) -> None:
    """Give the file its final name. FileExistsError if that is taken: one of several callers succeeds."""
    try:
        # A directory descriptor, though unused, makes Python follow the link that stands for a nameless file.
        os.link(temporary, target, src_dir_fd=0, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        if temporary.startswith(_DESCRIPTORS):
            _name_and_rename(temporary, target)
        else:
            rename_exclusively(temporary, target)


def _open_nameless(folder: str) -> int | None:
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not os.path.isdir(_DESCRIPTORS):
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, 0o666)
    except OSError:  # many file systems over a network, old kernels
        return None


def _name_and_rename(nameless: str, target: str) -> None:
    with temporary_in(os.path.dirname(target)) as (named, out), open(nameless, "rb") as file:
        shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
        rename_exclusively(named, target)


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


def replace_file(temporary: str, target: str) -> None:
    """Give a file the name of another, which it replaces. InTheWay where a folder has that name."""
    try:
        os.replace(temporary, target)
    except IsADirectoryError as exc:
        raise InTheWay(f"{target} is in the way: it is a folder where a file is needed") from exc


def make_folders(path: str) -> None:
    """Create the folder and those above it, durably."""
    missing = []
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        if not os.path.isdir(folder):
            raise InTheWay(f"{folder} is in the way: it is a file where a folder is needed")
        sync_folder(os.path.dirname(folder))


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


def make_link(path: str, target: bytes, *, overwrite: bool) -> None:
    """Make a symbolic link in one step, in the place of a file or a link if `overwrite`. FileExistsError, OSError."""
    folder = os.path.dirname(path)
    make_folders(folder)
    if overwrite and os.path.lexists(path):
        temporary = f"{folder}/.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
        os.symlink(target, os.fsencode(temporary))
        try:
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    else:
        os.symlink(target, os.fsencode(path))
    sync_folder(folder)


def make_folder(path: str) -> None:
    """Make a folder. FileExistsError, also where it is there; OSError."""
    make_folders(os.path.dirname(path))
    os.mkdir(path)
    sync_folder(os.path.dirname(path))


def is_there(path: str, kind: str, target: bytes) -> bool:
    """Tell whether there is a link with this target, or a folder and no link to one."""
    try:
        if kind == LINK:
            return os.fsencode(os.readlink(path)) == target
        return kind == FOLDER and stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _drop_abandoned(claim: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - os.stat(claim).st_mtime > _CLAIM_ABANDONED_S:
            os.unlink(claim)
