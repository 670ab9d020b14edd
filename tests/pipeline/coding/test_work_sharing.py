"""Threads that share work keep the order, never wait in a circle, and are never more than they may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from tilepress.pipeline.coding import work_sharing
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.work_sharing import WorkSharing
from tilepress.pipeline.storage.base import open_storage


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
    sharing, at_work, threads = WorkSharing(2), AtWork(), set()

    def spend(seconds: float) -> float:
        threads.add(threading.get_ident())
        return at_work.spend(seconds)

    def item(count: int) -> float:
        return sum(sharing.map(spend, [0.01] * count)) if count else 0.0

    assert list(sharing.map(item, [0, 50])) == pytest.approx([0.0, 0.5])
    assert at_work.most == 2 and len(threads) == 2


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


def test_while_threads_wait_elsewhere_others_work() -> None:
    """One at work, and all of six items are elsewhere at a time: a barrier lets none of them back before."""
    sharing, at_work, everybody = WorkSharing(1, away=6), AtWork(), threading.Barrier(6, timeout=20)

    def item(number: int) -> int:
        at_work.spend(0.002)
        with sharing.elsewhere():
            everybody.wait()
        at_work.spend(0.002)
        return number

    assert list(sharing.map(item, range(6))) == list(range(6))
    assert list(sharing.map_ahead(item, range(6), lambda _: 0, 1)) == list(range(6))
    assert at_work.most == 1


@pytest.mark.parametrize(("width", "away"), [(1, 0), (1, 3), (3, 0)])
def test_items_are_taken_only_so_far_ahead_as_they_hold_bytes(width: int, away: int) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    results = WorkSharing(width, away=away).map_ahead(lambda n: time.sleep(0.001) or n, numbers(), lambda _: 10, 50)
    for done, number in enumerate(results):
        assert number == done and len(taken) <= done + 6
    assert len(taken) == 40


def test_one_item_is_taken_however_large_it_is() -> None:
    assert list(WorkSharing(2).map_ahead(lambda n: -n, range(5), lambda _: 10**9, 1)) == [0, -1, -2, -3, -4]


def test_making_items_and_working_on_them_is_no_more_than_the_width() -> None:
    sharing, at_work = WorkSharing(2), AtWork()

    def items() -> Iterator[float]:
        for _ in range(12):
            at_work.spend(0.002)
            yield 0.004

    list(sharing.map_ahead(at_work.spend, items(), lambda _: 0, 1))
    assert at_work.most == 2


def test_who_takes_items_may_map_while_others_work_on_them() -> None:
    """As a shard's files are opened by several threads while its tiles are coded; and so may each item."""
    sharing = WorkSharing(2, away=2)

    def items() -> Iterator[int]:
        for start in range(0, 12, 4):
            yield from sharing.map(lambda n: time.sleep(0.001) or n, range(start, start + 4))

    def item(number: int) -> int:
        return sum(sharing.map_ahead(lambda n: n, [number] * 3, lambda _: 1, 2))

    assert list(sharing.map_ahead(item, items(), lambda _: 1, 3)) == [3 * n for n in range(12)]


@pytest.mark.parametrize("fails", ["item", "source"])
def test_an_error_of_an_item_or_of_what_makes_them_ends_it(fails: str) -> None:
    sharing, done = WorkSharing(2), []

    def items() -> Iterator[int]:
        yield from range(5)
        if fails == "source":
            raise KeyError("source")
        yield from range(5, 100)

    def item(number: int) -> int:
        time.sleep(0.002)
        done.append(number)
        if fails == "item" and number == 3:
            raise KeyError("item")
        return number

    with pytest.raises(KeyError, match=fails):
        list(sharing.map_ahead(item, items(), lambda _: 1, 4))
    count = len(done)
    time.sleep(0.02)
    assert count == len(done) < 20
    assert list(sharing.map(lambda n: n, range(3))) == [0, 1, 2]


def test_each_thread_may_have_an_item_however_large() -> None:
    pool = CodecPool(open_storage("."), threads=4)
    together = threading.Barrier(4, timeout=30)
    large = 1 << 40
    done = pool.map_ahead(lambda n: (n, together.wait())[0], range(4), lambda _: large, pool.room_for(large))
    assert list(done) == [0, 1, 2, 3]
