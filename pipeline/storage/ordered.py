"""Streams in the order of names, in memory that does not grow with them: sorting one, and joining two."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import IO, TypeVar

from tilepress.pipeline.storage.base import ListedFile

Left = TypeVar("Left")
Right = TypeVar("Right")

RUN_LENGTH = 100_000  # entries; some 40 MB of memory


def sorted_by_name(entries: Iterable[ListedFile], run_length: int | None = None) -> Iterator[ListedFile]:
    """Sort entries by the UTF-8 bytes of their names, which is the order of strings; locators are dropped.

    Sorted runs go to temporary files, and one merge reads them.
    """
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


def merge_join(
    left: Iterable[Left], right: Iterable[Right], left_name: Callable[[Left], str], right_name: Callable[[Right], str]
) -> Iterator[tuple[Left | None, Right | None]]:
    """Join two streams by name: items of equal names in pairs, every other item with None, in order.

    Both sides ascend by the UTF-8 bytes of their names, and no name occurs twice on a side.
    """
    lefts, rights = iter(left), iter(right)
    ours, theirs = next(lefts, None), next(rights, None)
    while ours is not None or theirs is not None:
        mine = None if ours is None else left_name(ours).encode()
        other = None if theirs is None else right_name(theirs).encode()
        ours_comes = other is None or (mine is not None and mine <= other)
        theirs_comes = mine is None or (other is not None and other <= mine)
        yield ours if ours_comes else None, theirs if theirs_comes else None
        ours = next(lefts, None) if ours_comes else ours
        theirs = next(rights, None) if theirs_comes else theirs
