"""Threads that share work keep the order, never wait in a circle, and are never more than they may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from tilepress.pipeline.coding import work_sharing
from tilepress.pipeline.coding.work_sharing import WorkSharing


class AtWork:
    """How many are at work, and how many were at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = 0

    def spend(self, seconds: float) -> float:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(seconds)
        with self._lock:
            self.now -= 1
        return seconds


@pytest.mark.parametrize("width", [1, 2, 5])
def test_results_come_in_order(width: int) -> None:
    sharing = WorkSharing(width)
    assert list(sharing.map(lambda n: time.sleep(0.002 * (n % 3)) or n * n, range(20))) == [n * n for n in range(20)]
    assert list(sharing.map(lambda n: n, [])) == []


def test_callers_do_all_the_work_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    sharing = WorkSharing(3)
    for _ in range(2):
        assert list(sharing.map(lambda n: n * n, range(9))) == [n * n for n in range(9)]


def test_all_threads_work_on_the_items_of_one_caller() -> None:
    at_work = AtWork()
    list(WorkSharing(3).map(at_work.spend, [0.02] * 9))
    assert at_work.most == 3


def test_many_callers_are_no_more_threads_than_the_width() -> None:
    sharing, at_work = WorkSharing(3), AtWork()
    callers = [threading.Thread(target=lambda: list(sharing.map(at_work.spend, [0.01] * 6))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert at_work.most == 3


def test_a_caller_alone_at_the_end_gets_help_with_what_is_nested() -> None:
    """The second of two items is slow and maps items of its own: whoever is done with the first helps there."""
    sharing, at_work = WorkSharing(2), AtWork()

    def item(count: int) -> float:
        return sum(sharing.map(at_work.spend, [0.03] * count))

    began = time.monotonic()
    assert list(sharing.map(item, [1, 9])) == pytest.approx([0.03, 0.27])
    assert at_work.most == 2
    assert time.monotonic() - began < 0.25


def test_deep_nesting_ends() -> None:
    sharing = WorkSharing(3)

    def count(depth: int) -> int:
        return 1 if not depth else sum(sharing.map(count, [depth - 1] * 3))

    assert list(sharing.map(count, [5, 4])) == [3**5, 3**4]


def test_an_error_is_raised_in_its_place_and_nothing_is_at_work_afterwards() -> None:
    sharing, done = WorkSharing(2), []

    def fail_at_three(n: int) -> int:
        time.sleep(0.002)
        done.append(n)
        if n == 3:
            raise KeyError(n)
        return n

    results = sharing.map(fail_at_three, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)
    count = len(done)
    time.sleep(0.02)
    assert count == len(done) < 100
    assert list(sharing.map(lambda n: n, range(3))) == [0, 1, 2]


def test_items_are_taken_at_once_and_helpers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_sharing, "_IDLE_S", 0.01)
    before = set(threading.enumerate())

    def numbers() -> Iterable[int]:
        yield from range(4)

    results: Iterator[int] = WorkSharing(2).map(lambda n: time.sleep(0.01) or n, numbers())
    assert list(results) == [0, 1, 2, 3]
    for _ in range(100):
        if not set(threading.enumerate()) - before:
            break
        time.sleep(0.02)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "helper"]
