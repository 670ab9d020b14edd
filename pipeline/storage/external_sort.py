"""Sorting more entries than memory should hold: sorted runs in temporary files, then one merge."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import IO

from tilepress.pipeline.storage.base import ListedFile

RUN_LENGTH = 100_000  # entries; some 40 MB of memory


def sorted_by_name(entries: Iterable[ListedFile], run_length: int | None = None) -> Iterator[ListedFile]:
    """The entries in the order of their names' UTF-8 bytes, which is that of strings. No locators."""
    source = iter(entries)
    with contextlib.ExitStack() as files:
        runs: list[Iterator[ListedFile]] = []
        while run := sorted(itertools.islice(source, run_length or RUN_LENGTH), key=attrgetter("name")):
            following = next(source, None)
            if following is None:
                runs.append(iter(run))  # the last run needs no file
                break
            source = itertools.chain([following], source)
            runs.append(_spill(run, files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))))
        yield from heapq.merge(*runs, key=attrgetter("name"))


def _spill(run: list[ListedFile], file: IO[str]) -> Iterator[ListedFile]:
    for entry in run:
        file.write(json.dumps((entry.name, entry.size, entry.etag, entry.modified_ns)) + "\n")
    file.seek(0)
    return (ListedFile(*json.loads(line)) for line in file)
