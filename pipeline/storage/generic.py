"""Any other place that fsspec can reach: memory://, gs://, az://, sftp:// ...

Whether such a place keeps the create-only promise depends on its driver: see archive.is_create_only.
"""

# ruff: noqa: D102 - the methods are documented in Storage

from __future__ import annotations

import contextlib
import datetime
import mmap
import os
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import fsspec.core

from tilepress.pipeline.errors import (
    AlreadyExists,
    ChangedError,
    MissingError,
    StorageError,
    TilepressError,
    TransientStorageError,
    UsageError,
)
from tilepress.pipeline.storage.base import (
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
from tilepress.pipeline.storage.creating import Content, create_once, holds
from tilepress.pipeline.storage.listing_rules import ALL, ListingRules
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions, with_settings
from tilepress.pipeline.storage.retry import retrying

T = TypeVar("T")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
_NO_CACHES = {"use_listings_cache": False, "skip_instance_cache": True}
_TAGS = ("ETag", "etag", "md5Hash", "content_md5")


class FsspecStorage(Storage):
    """Objects are files of an fsspec file system below one path."""

    def __init__(self, url: str, options: StorageOptions = NO_OPTIONS) -> None:
        super().__init__(url.rstrip("/"), options)
        self._opened: tuple[int, Any, str] | None = None

    def read(self, name: str) -> bytes:
        return self._request(name, lambda fs, path: bytes(fs.cat_file(path)))

    def read_ranges(self, name: str, ranges: Ranges) -> Blobs:
        check_ranges(f"{self.url}/{name}", ranges)
        found = self._request(name, lambda fs, path: [fs.cat_file(path, start=o, end=o + n) for o, n in ranges])
        for (offset, length), data in zip(ranges, found, strict=True):
            if len(data) != length:
                raise StorageError(f"{self.url}/{name} ends before byte {offset + length}: it is truncated")
        return found

    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        name = located(name, locator)
        facts = self._request(name, lambda fs, path: fs.info(path))
        if facts["type"] != "file":
            raise MissingError(f"{self.url}/{name}: there is no such file")
        return _entry(name, facts)

    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        folder = prefix.rpartition("/")[0]
        root, found = self._find(folder)
        entries = [_entry(path[len(root) :].lstrip("/"), facts) for path, facts in found.items()]
        entries.sort(key=attrgetter("name"))
        return (entry for entry in entries if entry.name.startswith(prefix) and entry.name)

    def folders(self, prefix: str = "") -> Names:
        names = (entry.name[len(prefix) :] for entry in self.list(prefix))
        return sorted({name.split("/")[0] for name in names if "/" in name})

    @contextlib.contextmanager
    def open_source(
        self, name: str, locator: bytes = b"", expect: ListedFile | None = None
    ) -> Iterator[bytes | mmap.mmap]:
        name = located(name, locator)
        if expect is not None and self.stat(name).fingerprint != expect.fingerprint:
            raise ChangedError(f"{self.url}/{name} changed since it was listed")
        yield self.read(name)

    def create(self, name: str, data: Buffer) -> None:
        self.write(name, data)

    def create_file(self, name: str, local_path: Path) -> None:
        self.write_file(name, local_path)

    def write(self, name: str, data: Buffer, *, overwrite: bool = False) -> None:
        content, mode = bytes(data), "overwrite" if overwrite else "create"
        self._create(name, content, lambda fs, path: fs.pipe_file(path, content, mode=mode))

    def write_file(self, name: str, local_path: Path, *, overwrite: bool = False) -> None:
        mode = "overwrite" if overwrite else "create"
        self._create(name, local_path, lambda fs, path: fs.put_file(os.fspath(local_path), path, mode=mode))

    def remove(self, name: str) -> None:
        self._request(name, lambda fs, path: fs.rm_file(path))

    def remove_stale_temporaries(self, prefix: str = "", older_than_s: float = 86400.0) -> int:
        return 0  # fsspec has no word for unfinished uploads

    def _find(self, folder: str) -> tuple[str, dict[str, Any]]:
        """The root's path, and path -> facts of the files below `folder`."""

        def find(fs: Any, path: str) -> tuple[str, dict[str, Any]]:
            return self._file_system()[1], fs.find(path, detail=True)

        try:
            return self._request(folder, find)
        except MissingError:
            return "", {}

    def _create(self, name: str, content: Content, send: Callable[[Any, str], object]) -> None:
        check_name(name)
        create_once(lambda: self._send(name, send), lambda: holds(self, name, content))

    def _request(self, name: str, send: Callable[[Any, str], T]) -> T:
        """Send a request that may be repeated freely."""
        return retrying(lambda: self._send(name, send))

    def _send(self, name: str, send: Callable[[Any, str], T]) -> T:
        with _errors(f"{self.url}/{name}"):
            fs, root = self._file_system()
            return send(fs, f"{root}/{name}" if name else root)

    def _file_system(self) -> tuple[Any, str]:
        """The driver and the root's path; made anew after a fork, which connections do not survive."""
        if self._opened is None or self._opened[0] != os.getpid():
            options = with_settings(self.url.partition("://")[0], self.options.at(self.url))
            try:
                fs, root = fsspec.core.url_to_fs(self.url, **{**options, **_NO_CACHES})
            except (ImportError, ValueError, TypeError) as exc:
                raise UsageError(f"{self.url}: {exc}") from exc
            self._opened = os.getpid(), fs, root.rstrip("/")
        return self._opened[1:]


@contextlib.contextmanager
def _errors(where: str) -> Iterator[None]:
    """The boundary at which the drivers' errors become those of errors.py."""
    try:
        yield
    except TilepressError:
        raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
        raise MissingError(f"{where}: there is no such file") from exc
    except FileExistsError as exc:
        raise AlreadyExists(f"{where} exists already") from exc
    except PermissionError as exc:
        raise StorageError(f"{where}: access denied ({exc}); check the credentials") from exc
    except (TimeoutError, ConnectionError) as exc:
        raise TransientStorageError(f"{where}: {exc}; check the network") from exc
    except Exception as exc:  # every driver has errors of its own
        raise StorageError(f"{where}: {type(exc).__name__}: {exc}") from exc


def _entry(name: str, facts: dict[str, Any]) -> ListedFile:
    tag = next((str(facts[key]).strip('"') for key in _TAGS if facts.get(key)), "")
    return ListedFile(name, int(facts["size"] or 0), tag, _nanoseconds(next(filter(None, map(facts.get, _TIMES)), 0)))


def _nanoseconds(time: Any) -> int:
    if isinstance(time, str):
        time = datetime.datetime.fromisoformat(time)
    seconds = time.timestamp() if isinstance(time, datetime.datetime) else float(time)
    return int(seconds * 1e6) * 1000
