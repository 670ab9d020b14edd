"""The paths of an archive in order, read from its indexes in the background, and what of them a search finds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tilepress.pipeline.errors import IntegrityError, StorageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.storage.globs import MAGIC, compile_glob

_CHUNK = 4096  # paths
_KEPT_SEARCHES = 8
MAX_QUERY = 500  # characters


@dataclass
class _Search:
    """Numbers of the paths that a query finds among the first `chunks` chunks."""

    chunks: int = 0
    found: list[np.ndarray] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Page:
    """Some of the paths that a query finds. `complete`: all paths have been looked at, so `total` is final."""

    paths: list[str]
    total: int
    complete: bool


class Catalogue:
    """Paths of an archive: some 60 bytes each, so a million take 60 MB.

    `lock` guards the archive's indexes, which one thread at a time may read.
    """

    def __init__(self, archive: Archive, lock: threading.Lock) -> None:
        """Begin to read the paths in a thread of its own."""
        self._archive, self._lock = archive, lock
        self._chunks: list[pa.Array] = []
        self._searches: OrderedDict[str, _Search] = OrderedDict()
        self._news = threading.Condition()
        self.problem = ""  # why not all paths could be read
        self._complete = False
        threading.Thread(target=self._read, name="catalogue", daemon=True).start()

    def page(self, query: str, start: int, count: int, patience: float = 1.0) -> Page:
        """Return paths number `start` to `start + count` of those that a query finds.

        A query with `*`, `?` or `[` is a glob, as those of `--include`; any other is part of a path, in any case.
        UsageError for a glob that is none. Waits at most `patience` seconds for paths that are not read yet.
        """
        search = self._search(query)
        with self._news:
            self._news.wait_for(lambda: self._complete or len(self._chunks) > start // _CHUNK, patience)
            chunks, complete = len(self._chunks), self._complete
        with search.lock:
            for number in range(search.chunks, chunks):
                search.found.append(_matches(self._chunks[number], query) + number * _CHUNK)
            search.chunks = max(chunks, search.chunks)
            numbers = list(_slice(search.found, start, count))
            total = sum(map(len, search.found))
        return Page([self._chunks[at // _CHUNK][at % _CHUNK].as_py() for at in numbers], total, complete)

    def _search(self, query: str) -> _Search:
        if MAGIC.search(query):
            compile_glob(query)
        with self._news:
            search = self._searches.setdefault(query, _Search())
            self._searches.move_to_end(query)
            while len(self._searches) > _KEPT_SEARCHES:
                self._searches.popitem(last=False)
        return search

    def _read(self) -> None:
        paths = iter(self._archive)
        try:
            while chunk := self._next(paths):
                with self._news:
                    self._chunks.append(pa.array(chunk, pa.string()))
                    self._news.notify_all()
        except (IntegrityError, StorageError) as exc:
            self.problem = str(exc)
        finally:
            with self._news:
                self._complete = True
                self._news.notify_all()

    def _next(self, paths: Iterator[str]) -> list[str]:
        with self._lock:
            return list(islice(paths, _CHUNK))


def _matches(paths: pa.Array, query: str) -> np.ndarray:
    """Numbers within a chunk of the paths that a query finds."""
    if not query:
        return np.arange(len(paths))
    if MAGIC.search(query):
        pattern = compile_glob(query)
        return np.array([at for at, path in enumerate(paths.to_pylist()) if pattern.fullmatch(path)], np.int64)
    found = pc.match_substring(paths, query, ignore_case=True)
    return np.flatnonzero(found.to_numpy(zero_copy_only=False))


def _slice(found: list[np.ndarray], start: int, count: int) -> Iterator[int]:
    """Numbers `start` to `start + count` of those of all chunks."""
    for numbers in found:
        if count <= 0:
            return
        here = numbers[start : start + count].tolist()
        yield from here
        start, count = max(0, start - len(numbers)), count - len(here)
