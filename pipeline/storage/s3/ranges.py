"""Listing a large bucket by several requests at a time, in order: ranges of keys that idle threads split.

A store answers a thousand keys at a time, a tenth of a second later, and the next request needs the last of them. So
another thread lists the keys that differ from that one in an early character: after "scans/0012/7.png" those from "t"
on, or if there are none those from "sd" on, and so on to "scans/1", where there may be many. Wherever the cut falls,
every key is in one range. Pages that nobody has asked for yet go to a temporary file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import IO

from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.storage.base import ListedFile

THREADS = 8
_NAME = "tilepress-listing"
_IN_MEMORY = 64  # pages that are held; some 25 MB
_MOST_HELD = 10_000  # pages, in memory and in the file; then only what is read next is listed on
_LAST_BEFORE_SURROGATES, _AFTER_THEM = 0xD7FF, 0xE000

Page = Sequence[ListedFile]
Fetch = Callable[[str], tuple[Page, bool]]  # the names above one, ascending; whether there are more
Held = Page | tuple[int, int]  # a page, or where it lies in the file


@dataclass(eq=False)
class _Range:
    """Names above `after`, up to `until`, or all that follow."""

    after: str
    until: str | None
    begun: bool = False
    done: bool = False
    whole: bool = False  # not cut since its last page
    pages: deque[Held] = field(default_factory=deque)


class RangeListing:
    """A listing in work, by `threads` that call `fetch`. All names have the same first `start` characters."""

    def __init__(self, fetch: Fetch, start: int = 0, threads: int = THREADS) -> None:
        self._fetch, self._start, self._threads = fetch, start, threads
        self._changed = Condition()
        self._ranges: list[_Range] = []  # in order; the first is being read
        self._held = self._in_memory = 0
        self._stopped = False
        self._failure: BaseException | None = None

    def entries(self, after: str) -> Iterator[ListedFile]:
        """Yield all entries above a name, ascending. Once; closing the generator stops the threads."""
        self._ranges = [_Range(after, None)]
        with tempfile.TemporaryFile() as file:
            # Daemons: whoever forgets a listing half read must be able to leave.
            threads = [Thread(target=self._work, args=(file,), name=_NAME, daemon=True) for _ in range(self._threads)]
            try:
                for thread in threads:
                    thread.start()
                while (page := self._next_page(file)) is not None:
                    yield from page
            finally:
                with self._changed:
                    self._stopped = True
                    self._changed.notify_all()
                for thread in threads:
                    thread.join()

    def _next_page(self, file: IO[bytes]) -> Page | None:
        """The page that follows, when it is there; None after the last."""
        with self._changed:
            while self._ranges:
                self._raise_failure()
                head = self._ranges[0]
                if head.pages:
                    self._changed.notify_all()
                    return self._taken(head.pages.popleft(), file)
                if head.done:
                    del self._ranges[0]
                    self._changed.notify_all()
                else:
                    self._changed.wait()
        return None

    def _raise_failure(self) -> None:
        if isinstance(self._failure, OSError):
            raise StorageError(f"the temporary folder holds no more of a listing: {self._failure}") from self._failure
        if self._failure is not None:
            raise self._failure

    def _work(self, file: IO[bytes]) -> None:
        """List one range after another, until all are listed."""
        try:
            while (mine := self._begin()) is not None:
                while self._has_room(mine):
                    self._keep(mine, *self._fetch(mine.after), file)
        except BaseException as exc:  # noqa: BLE001 - the reader raises it
            with self._changed:
                self._failure = exc
                self._changed.notify_all()

    def _begin(self) -> _Range | None:
        """A range that nobody lists, or half of one; None when nothing is left."""
        with self._changed:
            while not self._ended():
                mine = next((each for each in self._ranges if not each.begun), None) or self._split()
                if mine is not None:
                    mine.begun = True
                    return mine
                self._changed.wait()
        return None

    def _split(self) -> _Range | None:
        """The part of a range in work that seems to have most left; None where there is nothing to cut.

        A range is cut once a page: cuts behind which nothing is are as rare as pages, however few these are.
        """
        cuts = [
            (cut, each)
            for each in self._ranges
            if each.whole and not each.done and (cut := cut_after(each.after, each.until, self._start))
        ]
        if not cuts:
            return None
        cut, widest = min(cuts, key=lambda found: len(found[0]))
        widest.whole = False
        part = _Range(cut, widest.until)
        widest.until = cut
        self._ranges.insert(self._ranges.index(widest) + 1, part)
        return part

    def _has_room(self, mine: _Range) -> bool:
        """Wait until a range may be listed on; whether there is anything left of it."""
        with self._changed:
            while not (mine.done or self._ended()):
                if self._held < _MOST_HELD or (mine is self._ranges[0] and not mine.pages):
                    return True
                self._changed.wait()
        return False

    def _ended(self) -> bool:
        return self._stopped or self._failure is not None or all(each.done for each in self._ranges)

    def _keep(self, mine: _Range, page: Page, more: bool, file: IO[bytes]) -> None:
        """Add what was listed of a range, which may have been cut meanwhile."""
        _check_order(mine.after, page, more)
        with self._changed:
            within = [each for each in page if mine.until is None or each.name <= mine.until]
            mine.done = not more or len(within) < len(page)
            mine.whole = True
            if page:
                mine.after = page[-1].name
            if within:
                mine.pages.append(self._held_page(within, file))
            self._changed.notify_all()

    def _held_page(self, page: Page, file: IO[bytes]) -> Held:
        self._held += 1
        if self._in_memory < _IN_MEMORY:
            self._in_memory += 1
            return page
        rows = [(each.name, each.size, each.etag, each.modified_ns) for each in page]
        return file.seek(0, os.SEEK_END), file.write(json.dumps(rows).encode())

    def _taken(self, held: Held, file: IO[bytes]) -> Page:
        self._held -= 1
        if not isinstance(held, tuple):
            self._in_memory -= 1
            return held
        file.seek(held[0])
        page = [ListedFile(*row) for row in json.loads(file.read(held[1]))]
        if self._held == self._in_memory:  # nothing there is still to be read
            file.truncate(0)
        return page


def cut_after(name: str, until: str | None, start: int = 0) -> str | None:
    """Return the shortest text that is larger than all names with the same first characters, and below `until`.

    From `start` characters on; None where there is no such text.
    """
    for at in range(start, len(name)):
        if (following := _following(name[at])) is not None:
            cut = name[:at] + following
            if until is None or cut < until:
                return cut
    return None


def _following(character: str) -> str | None:
    """The next character that a key can hold."""
    if ord(character) == sys.maxunicode:
        return None
    return chr(_AFTER_THEM if ord(character) == _LAST_BEFORE_SURROGATES else ord(character) + 1)


def _check_order(after: str, page: Page, more: bool) -> None:
    """StorageError unless names ascend: lists that do not would lose some."""
    for each in page:
        if each.name <= after:
            raise StorageError(
                f"the store listed {each.name!r} after {after!r}, out of order; report that to its maker"
            )
        after = each.name
    if more and not page:
        raise StorageError(f"the store listed nothing after {after!r}, and said that there was more")
