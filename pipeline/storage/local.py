"""A local folder, or one mounted over a network, as a storage."""

# ruff: noqa: D102, PTH100, PTH108, PTH116, PTH120 - see Storage; names need not be Unicode

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from tilepress.pipeline.errors import (
    AlreadyExists,
    ChangedError,
    MissingError,
    StorageError,
    TransientStorageError,
    UnsafeName,
    UnusableName,
)
from tilepress.pipeline.storage.base import (
    LINK,
    Blobs,
    Buffer,
    ListedFile,
    Names,
    Ranges,
    Storage,
    check_name,
    check_ranges,
    located,
)
from tilepress.pipeline.storage.creating import Content, create_once, holds, size_of
from tilepress.pipeline.storage.listing_rules import ALL, ListingRules
from tilepress.pipeline.storage.local_create import (
    is_there,
    link_exclusively,
    locked,
    make_folder,
    make_folders,
    make_link,
    replace_file,
    sync_folder,
    temporary_in,
)
from tilepress.pipeline.storage.local_listing import TEMPORARY_SUFFIX, listed, walk
from tilepress.pipeline.storage.local_read import mapped_source, open_regular, read_entry, read_fully, read_source
from tilepress.pipeline.storage.own_names import printable

MAP_FROM = 64 << 20  # bytes; smaller files are read, which is safer when somebody truncates them

_MAKE_ROOM = "make room and repeat the command, which goes on from there"
_HINTS = {
    errno.ENOSPC: f"the disk is full; {_MAKE_ROOM}",
    errno.EDQUOT: f"the disk quota is used up; {_MAKE_ROOM}",
    errno.EACCES: "permission is missing",
    errno.EPERM: "permission is missing",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk fails: check it before anything else",
}
_NAMES = {
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.EILSEQ: "this file system does not take such a name",
}
_TRANSIENT = {errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT, errno.EBUSY, errno.EINTR, errno.EHOSTDOWN}
_ORDINARY = 0o777  # permissions that a restored file gets: never those to act as its owner
_BEFORE = {errno.EAGAIN, errno.EBUSY}  # refused before anything was done; otherwise a server may have lost its answer


class LocalStorage(Storage):
    """Objects are files. Links to files are read through; no link that leaves the root is written through."""

    def __init__(self, root: str) -> None:
        super().__init__(os.path.abspath(root or "."))

    @cached_property
    def _root(self) -> str:
        """The true path of the root, as it was when it was first written to."""
        return os.path.realpath(self.url)

    def read(self, name: str) -> bytes:
        with Translating(f"{self.url}/{name}"), open_regular(self._path(name)) as file:
            return file.read()

    def read_ranges(self, name: str, ranges: Ranges) -> Blobs:
        check_ranges(f"{self.url}/{name}", ranges)
        with Translating(f"{self.url}/{name}"), open_regular(self._path(name)) as file:
            found = [read_fully(file.fileno(), *each) for each in ranges]
        for (offset, length), data in zip(ranges, found, strict=True):
            if len(data) != length:
                raise StorageError(f"{self.url}/{name} ends before byte {offset + length}: it is truncated")
        return found

    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        with Translating(f"{self.url}/{name}"):
            facts = os.stat(self._path(name, locator))
            if not stat.S_ISREG(facts.st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a file")
        return listed(name, facts, locator)

    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        _check_prefix(prefix)
        with Translating(f"{self.url}/{prefix}"):
            yield from walk(self.url, prefix, rules)

    def folders(self, prefix: str = "") -> Names:
        _check_prefix(prefix)
        try:
            with Translating(f"{self.url}/{prefix}"), os.scandir(f"{self.url}/{prefix}") as items:
                return sorted(item.name for item in items if item.is_dir(follow_symlinks=False))
        except MissingError:
            return []

    def open_source(
        self, name: str, locator: bytes = b"", expect: ListedFile | None = None
    ) -> AbstractContextManager[bytes | mmap.mmap]:
        if expect is not None and expect.kind:
            return nullcontext(self._read_entry(name, expect))
        where = f"{self.url}/{name}"
        with Translating(where), open_regular(self._path(name, locator)) as file:
            if os.fstat(file.fileno()).st_size < MAP_FROM:
                return nullcontext(read_source(file, where, expect))
        return self._mapped(where, self._path(name, locator), expect)

    @contextlib.contextmanager
    def _mapped(self, where: str, path: str, expect: ListedFile | None) -> Iterator[mmap.mmap]:
        with contextlib.ExitStack() as stack:
            with Translating(where):
                data = stack.enter_context(mapped_source(path, where, expect))
            yield data

    def create(self, name: str, data: Buffer) -> None:
        self._create(name, data, exclusive=True, durable=True)

    def create_file(self, name: str, local_path: Path) -> None:
        self._create(name, local_path, exclusive=True, durable=True)

    def write(self, name: str, data: Buffer, *, overwrite: bool = False) -> None:
        self._create(name, data, exclusive=not overwrite, durable=False)

    def write_file(self, name: str, local_path: Path, *, overwrite: bool = False) -> None:
        self._create(name, local_path, exclusive=not overwrite, durable=False)

    def replace(self, name: str, data: Buffer, expect: ListedFile | None) -> None:
        with Translating(f"{self.url}/{name}"), locked(os.path.dirname(self._target(name))):
            super().replace(name, data, expect)

    def remove(self, name: str) -> None:
        with Translating(f"{self.url}/{name}"):
            os.unlink(self._target(name))

    def remove_stale_temporaries(self, prefix: str = "", older_than_s: float = 86400.0) -> int:
        stale: list[str] = []
        for _ in walk(self.url, prefix, ListingRules(on_skip=lambda name, _: stale.append(name))):
            pass
        removed = 0
        for path in (f"{self.url}/{name}" for name in stale if name.endswith(TEMPORARY_SUFFIX)):
            with contextlib.suppress(MissingError), Translating(path):
                if time.time() - os.lstat(path).st_mtime >= older_than_s:
                    os.unlink(path)
                    removed += 1
        return removed

    def local_path(self, name: str) -> Path | None:
        return Path(self._path(name))

    def set_facts(self, name: str, modified_ns: int | None, permissions: int | None) -> None:
        with Translating(f"{self.url}/{name}"):
            path = self._target(name)
            if modified_ns is not None:
                os.utime(path, ns=(modified_ns, modified_ns), follow_symlinks=False)
            if permissions is not None and not Path(path).is_symlink():
                Path(path).chmod(permissions & _ORDINARY)

    def create_entry(self, name: str, kind: str, target: bytes, *, overwrite: bool = False) -> bool:
        """Make a link to `target`, or a folder, of that name; return False if it is there as it should be.

        A link may lead anywhere: it is written through no more than any other (see the class). AlreadyExists where
        something else is there, but for a file or a link if `overwrite`.
        """
        path = self._target(name)
        if is_there(path, kind, target):
            return False
        with Translating(f"{self.url}/{name}"):
            if kind == LINK:
                make_link(path, target, overwrite=overwrite)
            else:
                make_folder(path)
        return True

    def flush(self) -> None:
        os.sync()

    def _read_entry(self, name: str, expect: ListedFile) -> bytes:
        """The content of a link or folder, if it is as it was listed."""
        with Translating(f"{self.url}/{name}"):
            content, found = read_entry(self._path(name, expect.locator), expect)
        if found.fingerprint != expect.fingerprint:
            raise ChangedError(f"{self.url}/{name} changed since it was listed")
        return content

    def _create(self, name: str, content: Content, *, exclusive: bool, durable: bool) -> None:
        create_once(
            lambda: self._publish(name, lambda out: _copy(content, out), exclusive, durable, size_of(content)),
            lambda: holds(self, name, content),
            lambda error: getattr(error.__cause__, "errno", None) not in _BEFORE,
        )

    def _publish(
        self, name: str, fill: Callable[[BinaryIO], None], exclusive: bool, durable: bool, needed: int = 0
    ) -> None:
        """Fill a temporary file of `needed` bytes beside the target, then give it the target's name in one step."""
        target = self._target(name)
        folder = os.path.dirname(target)
        with Translating(f"{self.url}/{name}", needed):
            if exclusive and os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "already there")
            make_folders(folder)
            with temporary_in(folder, nameless=exclusive) as (temporary, out):
                fill(out)
                out.flush()
                if durable:
                    os.fsync(out.fileno())
                if exclusive:
                    link_exclusively(temporary, target)
                else:
                    replace_file(temporary, target)
            if durable:
                sync_folder(folder)

    def _path(self, name: str, locator: bytes = b"") -> str:
        """Path for reading."""
        return f"{self.url}/{check_name(located(name, locator))}"

    def _target(self, name: str) -> str:
        """Path for writing: no folder on the way may be a link that leaves the root."""
        path = self._path(name)
        parent = os.path.realpath(os.path.dirname(path))
        if os.path.commonpath((self._root, parent)) != self._root:
            raise UnsafeName(f"{path} is refused: a symbolic link on the way leads out of {self.url}")
        return path


class Translating:
    """A context that is the boundary at which the operating system's errors become those of errors.py.

    A class, since a generator would take as long as reading a tiny file does.
    """

    def __init__(self, where: str, needed: int = 0) -> None:
        """`needed`: bytes that are to be written."""
        self._where, self._needed = where, needed

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | UnicodeEncodeError):
            raise _translated(error, printable(self._where), self._needed) from error


def _translated(error: OSError | UnicodeEncodeError, where: str, needed: int) -> StorageError:
    if isinstance(error, UnicodeEncodeError):
        return UnsafeName(f"{where!r}: the name is not valid Unicode")
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return MissingError(f"{where}: there is no such file")
    if isinstance(error, FileExistsError):
        return AlreadyExists(f"{where} exists already")
    if error.errno in _NAMES:
        return UnusableName(f"{where}: {_NAMES[error.errno]}")
    kind = TransientStorageError if error.errno in _TRANSIENT else StorageError
    takes = f" ({needed:,} bytes)" if needed else ""
    return kind(f"{where}{takes}: {_HINTS.get(error.errno or 0, error.strerror or str(error))}")


def _copy(content: Content, out: BinaryIO) -> None:
    if not isinstance(content, Path):
        out.write(content)
        return
    with content.open("rb") as file:
        shutil.copyfileobj(file, out, 1 << 20)


def _check_prefix(prefix: str) -> None:
    folder, slash, _ = prefix.rpartition("/")
    if slash:
        check_name(folder)
