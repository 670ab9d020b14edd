"""A collection given as a text file: `list:FILE`.

One local path or URL a line, UTF-8; empty lines and lines that begin with '#' are skipped. Relative paths
start at the folder of FILE, which may be a URL itself. A file's name in the collection is its line: relative
paths as they are, absolute ones without the first '/', URLs without their scheme. A list is data: which URLs it may
name is said in storage/data_urls.py, and one that is not of this machine names none of its files.
"""

from __future__ import annotations

import functools
import itertools
import mmap
import posixpath
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from tilepress.pipeline.errors import MissingError, UsageError
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import ListedFile, Storage, is_url, local_path_of, open_storage
from tilepress.pipeline.storage.data_urls import place_from_data
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.listing_rules import ListingRules
from tilepress.pipeline.storage.options import StorageOptions

LIST_PREFIX = "list:"
_THREADS = 16
_BATCH = 1024


class FileListCollection(Collection):
    """Files at the places that a text file names; an entry's locator is its place."""

    def __init__(self, source: str, selection: Selection, options: StorageOptions, rules: ListingRules) -> None:
        super().__init__(source, selection, options, rules)
        file = source.removeprefix(LIST_PREFIX)
        self._folder, _, self._file = (local_path_of(file) or file).rpartition("/")

    def open_source(self, entry: ListedFile) -> AbstractContextManager[bytes | mmap.mmap]:
        """See Collection."""
        storage, name = _split(entry.locator.decode(), self._options)
        return storage.open_source(name, expect=entry)

    def _all(self) -> Iterator[ListedFile]:
        places = iter(sorted(self._places().items()))
        with ThreadPoolExecutor(_THREADS) as threads:
            while batch := list(itertools.islice(places, _BATCH)):
                yield from threads.map(self._entry, batch)

    def _entry(self, named: tuple[str, str]) -> ListedFile:
        name, place = named
        storage, inner = _split(place, self._options)
        try:
            found = storage.stat(inner)
        except MissingError as exc:
            raise UsageError(f"{self.source} names {place}, but there is no such file") from exc
        return ListedFile(name, found.size, found.etag, found.modified_ns, place.encode(), found.permissions)

    def _places(self) -> dict[str, str]:
        """Name -> place, for every line."""
        places: dict[str, str] = {}
        for number, line in enumerate(self._text().splitlines(), 1):
            if line and not line.startswith("#"):
                name, place = self._resolve(line)
                if name in places:
                    raise UsageError(f"{self.source}, line {number}: {name} is named a second time")
                places[name] = place
        return places

    def _text(self) -> str:
        try:
            return open_storage(self._folder or ".", self._options).read(self._file).decode()
        except MissingError as exc:
            raise UsageError(f"{self.source}: there is no such list of files") from exc
        except UnicodeDecodeError as exc:
            raise UsageError(f"{self.source}: the list is not UTF-8 ({exc})") from exc

    def _resolve(self, line: str) -> tuple[str, str]:
        """Name and place of a line."""
        place_from_data(line, self.source, local=not is_url(self._folder) or not _is_absolute(line))
        if is_url(line):
            return line.split("://", 1)[1].lstrip("/"), line
        path = local_path_of(line) or line
        scheme, mark, folder = self._folder.rpartition("://")
        place = posixpath.normpath(path if path.startswith("/") else f"{folder or '.'}/{path}")
        name = posixpath.normpath(path)
        if path.startswith("/"):
            return name.lstrip("/"), place
        if name.startswith("../"):
            name = (place if mark else posixpath.abspath(place)).lstrip("/")
        return name, scheme + mark + place


def _is_absolute(line: str) -> bool:
    return "://" in line or line.startswith("/")


def _split(place: str, options: StorageOptions) -> tuple[Storage, str]:
    parent, _, name = place.rpartition("/")
    return _storage(parent or ("/" if place.startswith("/") else "."), options), name


@functools.lru_cache(maxsize=256)
def _storage(url: str, options: StorageOptions) -> Storage:
    return open_storage(url, options)
