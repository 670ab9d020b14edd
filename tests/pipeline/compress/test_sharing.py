"""Drivers of one run share its shards: none is encoded twice while all of them live, and none is lost if one dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tilepress.jobs.archives.compress import CompressReport
from tilepress.jobs.cli.tables import ranges
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.plan import ADD, Plan, PlannedFile
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.archive.schema import GONE
from tilepress.pipeline.compress import commit, sharing
from tilepress.pipeline.compress.sharing import Driver, Round, SharedShards
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.local import LocalStorage

RUN = Run(1)
SHARDS = 6
ELSEWHERE = replace(Driver.new(), machine="elsewhere")


@pytest.fixture
def plan() -> Plan:
    """A plan of SHARDS shards with a file each, and one in which a file is gone and nothing is stored."""
    files = [PlannedFile(0, 0, ADD, f"{n}.png", bytes=100) for n in range(SHARDS)]
    return write_plan([*files, PlannedFile(0, 0, GONE, "x.png")], {}, shard_bytes=50)


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    return LocalStorage(str(tmp_path / "archive"))


def commit_part(storage: Storage, shard: int) -> None:
    storage.create(RUN.part(shard), b"a part")


def marks(storage: Storage) -> list[str]:
    return [file.name for file in storage.list() if "taken" in file.name]


def mark(storage: Storage, shard: int, owner: Driver, attempt: int = 1) -> None:
    storage.create(f"{RUN.folder}/taken-{shard:05d}-{attempt}", json.dumps(asdict(owner)).encode())


def of_round(rounds: Iterator[Round]) -> tuple[bool, list[int]]:
    """Whether the shards of the next round are orphans, and their numbers."""
    found = next(rounds)
    return found.orphans, [shard.number for shard, _ in found.shards]


def numbers(shared: SharedShards, storage: Storage, do: int = 99) -> list[tuple[int, bool]]:
    """Work on up to `do` shards; number and whether the part was there."""
    done = []
    for each in shared.rounds():
        for shard, committed in each.shards:
            if not committed:
                commit_part(storage, shard.number)
            shared.finish(shard.number)
            done.append((shard.number, committed))
            if len(done) == do:
                return done
    return done


def test_a_driver_alone_takes_all_in_order_and_leaves_no_mark(storage: Storage, plan: Plan) -> None:
    commit_part(storage, 2)
    with SharedShards(storage, RUN, plan) as shared:
        assert numbers(shared, storage) == [(n, n == 2) for n in range(SHARDS)]
        assert [shared.finish(n) for n in range(SHARDS)] == [n == 2 for n in range(SHARDS)]
    assert marks(storage) == []


def test_drivers_take_different_shards_and_each_hears_of_all(storage: Storage, plan: Plan) -> None:
    with SharedShards(storage, RUN, plan) as first, SharedShards(storage, RUN, plan) as second:
        mine, theirs = next(first.rounds()).shards, next(second.rounds()).shards
        taken = [next(each)[0].number for each in (mine, mine, theirs, mine)]
        assert taken == [0, 1, 2, 3] and len(marks(storage)) == 4
        for shard in taken:
            commit_part(storage, shard)
        assert numbers(SharedShards(storage, RUN, plan), storage) == [(n, n < 4) for n in range(SHARDS)]
    assert marks(storage) == []


def test_what_another_driver_commits_is_waited_for(local: Storage, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    mark(local, 3, ELSEWHERE)

    def sleep(seconds: float) -> None:
        with suppress(tilepress.errors.AlreadyExists):
            commit_part(local, 3)

    monkeypatch.setattr(sharing.time, "sleep", sleep)
    waited: list[int] = []
    with SharedShards(local, RUN, plan, waited.append) as shared:
        assert numbers(shared, local) == [*((n, False) for n in range(SHARDS) if n != 3), (3, True)]
        assert waited == [1]
        assert not shared.finish(3)
    assert marks(local) == []


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        return child.pid


@pytest.mark.parametrize("how", ["ended here", "silent elsewhere", "silent here", "no mark of ours"])
def test_what_another_driver_gives_up_is_taken_over(
    how: str, local: Storage, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Driver.new()
    owner = {"ended here": replace(here, process=ended_process()), "silent elsewhere": ELSEWHERE, "silent here": here}
    if how in owner:
        mark(local, 1, owner[how])
    else:
        local.create(f"{RUN.folder}/taken-00001-1", b"[]")
    waits: list[float] = []
    monkeypatch.setattr(sharing.time, "sleep", waits.append)
    monkeypatch.setattr(sharing, "LEASE_S", 0.05)
    with SharedShards(local, RUN, plan) as shared:
        assert numbers(shared, local)[0 if how == "ended here" else -1] == (1, False)
    assert marks(local) == [] and (how != "ended here" or not waits)


def test_what_a_driver_left_that_ended_without_a_word_comes_apart_from_the_rest(
    local: Storage, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of such a shard may have crashed it: on this machine, which is known first, or on another one."""
    monkeypatch.setattr(sharing, "LEASE_S", 0.05)
    mark(local, 1, replace(Driver.new(), process=ended_process()))
    mark(local, 3, ELSEWHERE)
    with SharedShards(local, RUN, plan) as shared:
        rounds = shared.rounds()
        assert [of_round(rounds) for _ in range(3)] == [(True, [1]), (False, [0, 2, 4, 5]), (True, [3])]


def test_a_mark_that_is_removed_without_a_part_is_no_mark(local: Storage, plan: Plan) -> None:
    gave_up = SharedShards(local, RUN, plan)
    with suppress(KeyboardInterrupt), gave_up:
        next(next(gave_up.rounds()).shards)
        shared = SharedShards(local, RUN, plan)
        rounds = shared.rounds()
        assert of_round(rounds) == (False, [1, 2, 3, 4, 5])
        raise KeyboardInterrupt
    assert of_round(rounds) == (False, [0])


def test_one_of_two_drivers_takes_over(local: Storage, plan: Plan) -> None:
    mark(local, 0, replace(Driver.new(), process=ended_process()))
    both = [SharedShards(local, RUN, plan) for _ in range(2)]
    first, second = (each.rounds() for each in both)
    assert of_round(first) == (True, [0]) and of_round(second) == (True, [])
    assert of_round(first) == (False, [1, 2, 3, 4, 5]) and of_round(second) == (False, [])
    for shard in range(SHARDS):
        commit_part(local, shard)
    assert [(shard.number, there) for shard, there in next(second).shards] == [(n, True) for n in range(SHARDS)]


def test_a_process_that_lives_is_not_gone() -> None:
    me = Driver.new()
    assert not me.is_gone(me.machine) and not replace(me, process=1).is_gone(me.machine)
    assert not replace(me, process=ended_process()).is_gone("another machine")
    assert not replace(me, process=1 << 70).is_gone(me.machine) and not replace(me, process=0).is_gone(me.machine)


def test_a_process_of_a_container_with_the_name_of_this_machine_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pods on the network of their node have it: their numbers of processes are not those that are seen here."""
    here = Driver.new()
    (tmp_path / "pid").symlink_to("pid:[4026539999]")
    monkeypatch.setattr(sharing, "_PROCESSES", tmp_path / "pid")
    there = replace(Driver.new(), process=ended_process())
    assert not there.is_gone(here.machine) and there.is_gone(Driver.new().machine)
    monkeypatch.setattr(sharing, "_PROCESSES", tmp_path / "none")
    assert len(Driver.new().machine) == 16


def test_two_drivers_at_once_encode_each_shard_once(
    tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share of double work is nothing: of 12 shards, two drivers with two threads each encode 12."""
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0.02")
    source = write_files(tmp_path / "source", {f"{n:02}.png": encoded(smooth(40, 40, 1, n)) for n in range(12)})
    built, lock, build = Counter[int](), Lock(), commit.build_part

    def counting(task: Any, *context: Any) -> Any:
        with lock:
            built[task.number] += 1
        return build(task, *context)

    monkeypatch.setattr(commit, "build_part", counting)
    together = Barrier(2)

    def drive(_: int) -> CompressReport:
        together.wait()
        return tilepress.compress(
            source, tmp_path / "archive", codec="test-slow", shard_size=100, engine="local", workers=2
        )

    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(drive, range(2)))
    assert built == Counter(range(12))
    first, second = (report.others_shards for report in reports)
    assert first and second and sorted(first + second) == list(range(12))
    assert all(report.exit_code == 0 and report.summary.images.total() == 12 for report in reports)
    assert marks(LocalStorage(str(tmp_path / "archive"))) == []
    assert tilepress.verify(tmp_path / "archive", against=source, engine="local", workers=1).exit_code == 0


def test_numbers_of_shards_are_said_as_ranges() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8" and ranges([]) == ""
