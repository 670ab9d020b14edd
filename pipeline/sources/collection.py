"""A collection: the files that `compress` and its sisters are given, in the order of their names.

| source | names |
|---|---|
| `photos`, `s3://bucket/photos` | every file below, relative to the folder or prefix; hidden ones too |
| `photos/**/*.jpg`, `s3://bucket/2020-*/x/*.tif` | matching files, relative to the last plain folder |
| `photos/one.png`, `s3://bucket/one.png` | that file, by its last part |
| `list:FILE` | the files named in a text file: see file_list.py |

Symbolic links below are what ListingRules say; one that is named itself, as the source or in a list, is followed.

Quote globs in the shell. Patterns are explained in globs.py.
"""

from __future__ import annotations

import logging
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tilepress.pipeline.errors import MissingError, UsageError
from tilepress.pipeline.storage.base import ListedFile, Storage, absolute, is_url, local_path_of, open_storage
from tilepress.pipeline.storage.data_urls import place_from_data
from tilepress.pipeline.storage.globs import CASE, MAGIC, Selection, compile_glob, literal_prefix
from tilepress.pipeline.storage.listing_rules import READ, ListingRules, OnSkip
from tilepress.pipeline.storage.options import StorageOptions

_ARCHIVE_README = "README.txt"
_ARCHIVE_JSON, _ARCHIVE_MARK, _ARCHIVE_JSON_LIMIT = "archive.json", b'"tilepress-archive-', 1 << 16
# Beside these two:
_ARCHIVE_OWN = ("audits", "certificates", "lease", "models", "only-copies", "parity", "run-report.json", "runs")

logger = logging.getLogger(__name__)


class Collection(ABC):
    """Files of one source. Cheap to open, so that every worker opens its own by the same arguments."""

    def __init__(self, source: str, selection: Selection, options: StorageOptions, rules: ListingRules) -> None:
        self.source = source
        self._selection = selection
        self._options = options
        self._rules = rules

    @staticmethod
    def open(
        source: str,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        on_skip: OnSkip | None = None,
        on_unreadable: OnSkip | None = None,
        links: str = READ,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Collection:
        """Return the collection at `source`. UsageError if there is none (in a remote folder: from `entries`).

        Args:
            source: A folder, prefix, glob, file or list, as this module's first lines say.
            include: Only files that match one of these patterns.
            exclude: Leave out files that match; folders below which everything matches are not even read.
            on_skip: Hears of what is no file (see ListingRules), if the patterns let its name pass, and of archives; or
                the log does.
            on_unreadable: Hears of files and folders that may not be read; or the log does. The others are listed.
            links: What links become, and whether empty folders are entries: see ListingRules.
            storage_options: How remote places are reached; see StorageOptions.
        """
        selection, options = Selection(include, exclude), StorageOptions(storage_options)
        hears = on_skip or _warn

        def skip(name: str, reason: str) -> None:
            if name.endswith("/") or name in selection:
                hears(name, reason)

        rules = ListingRules(selection.enters, skip, on_unreadable or _warn, links)
        from tilepress.pipeline.sources.file_list import LIST_PREFIX, FileListCollection

        if source.startswith(LIST_PREFIX):
            return FileListCollection(source, selection, options, rules)
        return StoredCollection(source, selection, options, rules)

    def entries(self) -> Iterator[ListedFile]:
        """Yield every wanted file, sorted by the UTF-8 bytes of its name. UsageError if there is none."""
        empty = True
        for entry in self.wanted():
            empty = False
            yield entry
        if empty:
            raise UsageError(f"{self.source}: no files there, or none that `include` and `exclude` let pass{CASE}")

    def wanted(self) -> Iterator[ListedFile]:
        """Yield what `entries` does, and nothing where there is none. UsageError if a local place is not there."""
        return (entry for entry in self._all() if entry.name in self._selection)

    def covers(self, name: str) -> bool:
        """Tell whether a file of this name would be listed if the source had it."""
        return name in self._selection

    @abstractmethod
    def open_source(self, entry: ListedFile) -> AbstractContextManager[bytes | mmap.mmap]:
        """Return the file's bytes. MissingError if it vanished, ChangedError if it is not that version."""

    @abstractmethod
    def _all(self) -> Iterator[ListedFile]:
        """Every file, wanted or not, sorted by name."""


class StoredCollection(Collection):
    """Files below one folder or prefix: all of them, those that match a glob, or a single one."""

    def __init__(self, source: str, selection: Selection, options: StorageOptions, rules: ListingRules) -> None:
        super().__init__(source, selection, options, rules)
        path = source if is_url(source) else local_path_of(source) or "."
        self._prefix = ""
        self._matches: Callable[[str], bool] = lambda name: True
        self._single = ""
        if _is_glob(path):
            base, self._prefix, pattern = _split_glob(path)
            self._storage = open_storage(base, options)
            glob = compile_glob(pattern, anchored=True)
            self._matches = lambda name: glob.fullmatch(name) is not None
        else:
            self._storage, self._single = _locate(path, options)

    @property
    def storage(self) -> Storage:
        """Where the files are: their names are those in it."""
        return self._storage

    def covers(self, name: str) -> bool:
        """See Collection."""
        return super().covers(name) and self._matches(name) and self._single in ("", name)

    def open_source(self, entry: ListedFile) -> AbstractContextManager[bytes | mmap.mmap]:
        """See Collection."""
        return self._storage.open_source(entry.name, entry.locator, expect=entry)

    def _all(self) -> Iterator[ListedFile]:
        try:
            if self._single:
                yield self._storage.stat(self._single)
            else:
                found = self._storage.list(self._prefix, self._rules)
                yield from filter(lambda entry: self._matches(entry.name), self._outside_archives(found))
        except MissingError as exc:
            raise UsageError(f"{self.source}: there is no such file or folder ({exc})") from exc

    def _outside_archives(self, entries: Iterator[ListedFile]) -> Iterator[ListedFile]:
        """The entries without the files of archives: an archive kept inside its source is not part of it."""
        own: tuple[str, ...] = ()
        for entry in entries:
            folder = entry.name.removesuffix(_ARCHIVE_JSON)
            if folder != entry.name and folder[-1:] in ("", "/") and self._is_archive(entry):
                if not folder:
                    raise UsageError(f"{self.source} is an archive; to get its images, `tilepress restore` it")
                self._rules.on_skip(folder, "an archive of tilepress, not part of the collection")
                own += tuple(f"{folder}{name}/" for name in _ARCHIVE_OWN)
            elif not f"{entry.name}/".startswith(own or "\0") and not self._explains_archive(entry):
                yield entry

    def _explains_archive(self, entry: ListedFile) -> bool:
        """Whether it is the README.txt of an archive, which is listed before the archive.json beside it."""
        folder = entry.name.removesuffix(_ARCHIVE_README)
        if folder == entry.name or folder[-1:] not in ("", "/"):
            return False
        try:
            return self._is_archive(self._storage.stat(folder + _ARCHIVE_JSON))
        except MissingError:
            return False

    def _is_archive(self, entry: ListedFile) -> bool:
        if entry.size > _ARCHIVE_JSON_LIMIT or entry.kind:
            return False
        with self._storage.open_source(entry.name, entry.locator) as data:
            return _ARCHIVE_MARK in bytes(data)


def require_source_of_data(source: str, named_in: str) -> None:
    """Raise UsageError for a source that data may not name: see `place_from_data`."""
    from tilepress.pipeline.sources.file_list import LIST_PREFIX

    place_from_data(source.removeprefix(LIST_PREFIX), named_in)


def absolute_source(source: str) -> str:
    """Return the same source for workers, whose working folder may be another."""
    from tilepress.pipeline.sources.file_list import LIST_PREFIX

    listed = LIST_PREFIX if source.startswith(LIST_PREFIX) else ""
    return listed + absolute(source.removeprefix(listed))


def _locate(path: str, options: StorageOptions) -> tuple[Storage, str]:
    """Storage and name of a single file, or storage of a folder or prefix and no name."""
    parent, _, name = path.rpartition("/")
    if is_url(path):
        if name and not parent.endswith(":/"):  # s3://bucket and s3://bucket/x/ can only be prefixes
            storage = open_storage(parent, options)
            if storage.exists(name):
                return storage, name
        return open_storage(path, options), ""
    if Path(path).is_dir():
        return open_storage(path), ""
    if Path(path).is_file():
        return open_storage(parent or ("/" if path.startswith("/") else ".")), name
    there = os.path.lexists(path)
    raise UsageError(f"{path}: {'neither a file nor a folder' if there else 'there is no such file or folder'}")


def _is_glob(path: str) -> bool:
    return bool(MAGIC.search(path)) and (is_url(path) or not os.path.lexists(path))


def _split_glob(path: str) -> tuple[str, str, str]:
    """Folder before the first special character, what names in it begin with, and the pattern below it."""
    literal = literal_prefix(path)
    base, slash, prefix = literal.rpartition("/")
    if base.endswith(":/"):
        raise UsageError(f"{path}: the bucket must be named, without special characters")
    return base or slash or ".", prefix, path[len(base) + len(slash) :]


def _warn(name: str, reason: str) -> None:
    logger.warning("left out: %s (%s)", name, reason)
