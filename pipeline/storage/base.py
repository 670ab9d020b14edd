"""Where sources, archives and restored files live: one small interface over local folders and object stores.

    open_storage("photos")                    LocalStorage    local.py
    open_storage("s3://bucket/prefix")        S3Storage       s3/bucket.py
    open_storage("memory://x"), "gs://..."    FsspecStorage   generic.py

A storage is a root; objects in it are addressed by relative POSIX names. Every error is one of errors.py;
transient ones have been retried. Storages may be used from several threads, and after a fork; they do not
travel between processes: send `location` and open it there.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import unquote

from tilepress.pipeline.errors import ChangedError, MissingError, StorageError, UnsafeName, UnusableName
from tilepress.pipeline.storage.listing_rules import ALL, ListingRules
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions


class MappedFile(mmap.mmap):
    """A file, mapped for reading, that another process can map again while it is open: it has its `descriptor`."""

    descriptor: int


SourceBytes = bytes | mmap.mmap  # a whole file as it is read: in memory, or mapped
Buffer = bytes | bytearray | memoryview | mmap.mmap
Ranges = Sequence[tuple[int, int]]  # (offset, length) in bytes
Blobs = list[bytes]  # these two names because Storage.list hides the built-in type from annotations
Names = list[str]
LINK, FOLDER = "link", "folder"  # the kinds of entries that are no files
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One stored object.

    `name` is valid Unicode. A local name that is not UTF-8 shows its odd bytes as \\xNN, and `locator` then
    holds the true bytes, by which it is read, and `own_name` the same, under which it is to come back; otherwise both
    are empty. With a locator, an entry of any storage is the object of that name under another one. `etag` is empty for
    local files.
    """

    name: str
    size: int  # bytes
    etag: str = ""
    modified_ns: int | None = None  # since 1970, UTC; None: unknown
    locator: bytes = b""
    permissions: int | None = None  # the low 12 bits of a POSIX mode; None: unknown
    own_name: bytes = b""  # where it is not UTF-8
    kind: str = ""  # LINK (its bytes are its target) or FOLDER (empty); else a file

    @property
    def fingerprint(self) -> str:
        """Return a text that changes whenever the object does (locally: its size or modification time)."""
        return f"{self.kind}{self.size}-{self.etag or self.modified_ns}"


def located(name: str, locator: bytes) -> str:
    """Return the name by which an object is read: that of its locator, if it has one."""
    return os.fsdecode(locator) if locator else name


@dataclass(frozen=True)
class Location:
    """Where a storage is and how it is reached, as it travels to workers."""

    url: str
    options: StorageOptions = NO_OPTIONS

    def open(self) -> Storage:
        """Return the storage there, untouched yet."""
        return open_storage(self.url, self.options)

    def absolute(self) -> Location:
        """Return the same place for a process with another working folder."""
        return replace(self, url=absolute(self.url))


class Storage(ABC):
    """Objects below one root. Names: see `check_name`."""

    def __init__(self, url: str, options: StorageOptions = NO_OPTIONS) -> None:
        self.url = url
        self.options = options

    @property
    def location(self) -> Location:
        """What another process opens this storage by."""
        return Location(self.url, self.options)

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the whole object. MissingError."""

    @abstractmethod
    def read_ranges(self, name: str, ranges: Ranges) -> Blobs:
        """Return the bytes of each (offset, length), by one request a range and no other. MissingError.

        StorageError where the object ends before a range does: never fewer bytes than asked for.
        """

    @abstractmethod
    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        """Return the object's facts. MissingError; a folder is not an object."""

    @abstractmethod
    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        """Yield every object whose name starts with `prefix`, recursively, in the order of the names' UTF-8 bytes.

        Lazy; memory does not grow with the number of objects, locally with those of a folder.
        """

    @abstractmethod
    def folders(self, prefix: str = "") -> Names:
        """Return the sorted names of the folders right below `prefix`, without slashes.

        `prefix` is empty or ends in '/'.
        """

    @abstractmethod
    def open_source(
        self, name: str, locator: bytes = b"", expect: ListedFile | None = None
    ) -> AbstractContextManager[bytes | mmap.mmap]:
        """Open a context with the whole object, mapped from disk where it is large. MissingError.

        Of an entry that is a link, with its target; of a folder, with nothing.
        ChangedError if it is not the version `expect`, and when a local file changes while it is open.
        """

    @abstractmethod
    def create(self, name: str, data: Buffer) -> None:
        """Write a new object: durable, whole or not at all. AlreadyExists if there is one of that name.

        An object of this very content counts as written by this call where an answer was lost: see creating.py.
        """

    @abstractmethod
    def create_file(self, name: str, local_path: Path) -> None:
        """Do what `create` does, with the content of a local file."""

    @abstractmethod
    def write(self, name: str, data: Buffer, *, overwrite: bool = False) -> None:
        """Write a restored file, whole or not; durable after `flush`. AlreadyExists unless `overwrite`."""

    @abstractmethod
    def write_file(self, name: str, local_path: Path, *, overwrite: bool = False) -> None:
        """Do what `write` does, with the content of a local file."""

    def replace(self, name: str, data: Buffer, expect: ListedFile | None) -> None:
        """Write an object in the place of the version `expect`, as `stat` gave it; None: only where there is none.

        ChangedError, or AlreadyExists for None, if something else is there: of several writers one succeeds. That is
        the store's promise on S3, and kept by a lock on a local disk; elsewhere writers at the very same moment are
        not told apart.
        """
        if self._fingerprint(name) != (expect and expect.fingerprint):
            raise ChangedError(f"{self.url}/{name} is another one by now")
        self.write(name, data, overwrite=True)

    def _fingerprint(self, name: str) -> str | None:
        try:
            return self.stat(name).fingerprint
        except MissingError:
            return None

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete the object. MissingError where the store says that there is none."""

    @abstractmethod
    def remove_stale_temporaries(self, prefix: str = "", older_than_s: float = 86400.0) -> int:
        """Remove what killed writers left below `prefix`: temporary files, unfinished uploads. Returns how many."""

    def exists(self, name: str) -> bool:
        """Tell whether there is an object of that name."""
        try:
            self.stat(name)
        except MissingError:
            return False
        return True

    def size(self, name: str) -> int:
        """Return the bytes of the object. MissingError."""
        return self.stat(name).size

    def local_path(self, name: str) -> Path | None:
        """Return where the object lies on a local disk, or None."""
        return None

    def set_facts(self, name: str, modified_ns: int | None, permissions: int | None) -> None:
        """Set modification time and permissions of a local file, where they are known; object stores have none."""
        return

    def flush(self) -> None:
        """Make everything written so far survive a power failure."""
        return

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("storages do not travel between processes: send .location and open() it there")


def open_storage(url: str, storage_options: Mapping[str, Any] | None = None) -> Storage:
    """Return the storage at a local path, file://, s3:// or any other URL that fsspec knows. Touches nothing yet.

    `storage_options`: see StorageOptions; local paths take none.
    """
    path = local_path_of(url)
    if path is not None:
        from tilepress.pipeline.storage.local import LocalStorage

        return LocalStorage(path)
    options = StorageOptions(storage_options)
    if url.lower().startswith(("s3://", "s3a://")):
        from tilepress.pipeline.storage.s3.bucket import S3Storage

        return S3Storage(url, options)
    from tilepress.pipeline.storage.generic import FsspecStorage

    return FsspecStorage(url, options)


def local_path_of(url: str) -> str | None:
    """Return the path that a file:// URL or a plain path means; None for URLs of other places. UnusableName."""
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme[1].lower() not in ("file", "local"):
        return None
    path = url if scheme is None else unquote(url[scheme.end() :])
    if "\0" in path:
        raise UnusableName(f"{url!r} is not a place: it holds a NUL character")
    return path


def is_url(source: str) -> bool:
    """Tell whether this is a URL of another place than the local disk."""
    return local_path_of(source) is None


def absolute(url: str) -> str:
    """Return the same place for a process with another working folder."""
    path = local_path_of(url)
    return url if path is None else os.path.abspath(path)  # noqa: PTH100 - a path may be bytes that are no text


def true_place(url: str) -> str:
    """Return a text that is the same for every spelling of a place: links and `..` resolved, no slash at the end."""
    path = local_path_of(url)
    return url.rstrip("/") if path is None else os.path.realpath(path)


def check_ranges(where: str, ranges: Ranges) -> None:
    """Raise StorageError for a negative offset or length: they come from an index, which may be damaged."""
    for offset, length in ranges:
        if offset < 0 or length < 0:
            raise StorageError(f"{where}: there is no range of {length} bytes at {offset}; its index is damaged")


def check_name(name: str) -> str:
    """Return the name itself, if it stays below the root; UnsafeName otherwise."""
    if not name or "\0" in name:
        raise UnsafeName(f"{name!r} is not a name: it is empty or holds a NUL character")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise UnsafeName(f"{name!r} is refused: it is absolute, or has an empty, '.' or '..' part")
    return name


def map_file(file: IO[bytes]) -> MappedFile:
    """Return an open file, mapped; it is to stay open as long as the mapping is used. OSError."""
    data = MappedFile(file.fileno(), 0, access=mmap.ACCESS_READ)
    data.descriptor = file.fileno()
    return data


def unmap(data: mmap.mmap) -> None:
    """Close a mapping; one that an array still looks at is unmapped together with the last of them."""
    with contextlib.suppress(BufferError):
        data.close()
