"""Listings by several requests at a time: everything once and in order, whatever keys there are."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilepress.pipeline.errors import StorageError, TransientStorageError
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.s3 import ranges
from tilepress.pipeline.storage.s3.ranges import RangeListing, cut_after

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)
DIGITS = [f"scans/{number // 300:04}/{number:07}.png" for number in range(3000)]


class Store:
    """Names a page at a time, each after a while; knows how many requests it had, and how many at once."""

    def __init__(self, names: Sequence[str], per_page: int, seconds: float = 0.0) -> None:
        self.names, self.per_page, self.seconds = sorted(names), per_page, seconds
        self.requests = self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def above(self, after: str) -> tuple[list[ListedFile], bool]:
        with self._lock:
            self.requests += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds)
        with self._lock:
            self.at_once -= 1
        at = bisect_right(self.names, after)
        page = [ListedFile(name, len(name), f"e{name}", 7) for name in self.names[at : at + self.per_page]]
        return page, at + self.per_page < len(self.names)


def listed(store: Store, after: str = "") -> list[str]:
    found = list(RangeListing(store.above).entries(after))
    assert all(each == ListedFile(each.name, len(each.name), f"e{each.name}", 7) for each in found)
    return [each.name for each in found]


@given(st.sets(NAMES, max_size=60), st.integers(1, 5), st.booleans())
def test_all_names_come_once_and_in_order(names: set[str], per_page: int, spill: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if spill:
            patch.setattr(ranges, "_IN_MEMORY", 1)
            patch.setattr(ranges, "_MOST_HELD", 3)
        assert listed(Store(list(names), per_page)) == sorted(names)


@given(st.sets(NAMES, min_size=1, max_size=30), NAMES)
def test_a_listing_goes_on_above_any_name(names: set[str], after: str) -> None:
    assert listed(Store(list(names), 3), after) == sorted(name for name in names if name > after)


@pytest.mark.parametrize("names", [DIGITS, [name.rpartition("/")[2] for name in DIGITS]], ids=["folders", "flat"])
def test_most_requests_run_beside_others_and_few_are_in_vain(names: list[str]) -> None:
    store = Store(names, 10, seconds=0.002)
    assert listed(store) == names
    assert store.most_at_once == ranges.THREADS
    assert store.requests < 1.5 * len(names) / 10


@given(NAMES, st.none() | NAMES)
def test_a_cut_lies_between(after: str, until: str | None) -> None:
    found = cut_after(after, until)
    assert found is None or (after < found and (until is None or found < until))
    if found is not None:
        found.encode()


def test_a_failure_reaches_the_reader_and_ends_all_requests() -> None:
    store = Store(DIGITS, 10, seconds=0.001)

    def above(after: str) -> tuple[list[ListedFile], bool]:
        if after > DIGITS[1000]:
            raise TransientStorageError("gone")
        return store.above(after)

    with pytest.raises(TransientStorageError, match="gone"):
        list(RangeListing(above).entries(""))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tilepress-listing")]


def test_a_reader_that_stops_early_stops_the_requests() -> None:
    store = Store(DIGITS, 10, seconds=0.001)
    entries = RangeListing(store.above).entries("")
    assert next(entries).name == DIGITS[0]
    entries.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tilepress-listing")]


def test_a_listing_that_is_left_half_read_does_not_keep_a_process_from_ending() -> None:
    code = (
        "from tilepress.pipeline.storage.base import ListedFile\n"
        "from tilepress.pipeline.storage.s3 import ranges\n"
        "ranges._MOST_HELD = 2\n"
        "page = lambda after: ([ListedFile(f'{int(after or 0) + 1:09d}', 1)], True)\n"
        "entries = ranges.RangeListing(page).entries('')\n"
        "next(entries)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_full_disk_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RangeListing, "_held_page", full)
    with pytest.raises(StorageError, match="temporary folder"):
        listed(Store(DIGITS, 10))


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"]])
def test_a_store_that_breaks_its_order_is_an_error(names: list[str]) -> None:
    page = [ListedFile(name, 1) for name in names]
    with pytest.raises(StorageError, match="out of order"):
        list(RangeListing(lambda after: (page, False)).entries(""))


def test_a_store_that_promises_more_and_gives_nothing_is_an_error() -> None:
    with pytest.raises(StorageError, match="nothing after"):
        list(RangeListing(lambda after: ([], True)).entries(""))
