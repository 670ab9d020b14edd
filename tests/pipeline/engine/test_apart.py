"""What the local engine promises of tasks that may crash their process: others of them do, and this one goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import engine_stages
from tests.support.engine_stages import ERRORS, Note
from tilepress.pipeline.engine import worker_process
from tilepress.pipeline.engine.engine import Engine, EngineConfig, RunsAlone, open_engine
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.storage.base import Location
from tilepress.pipeline.tally import TALLY, retries

STAGE = engine_stages.crashes


def without_crash(task: Note, runs_alone: RunsAlone) -> Note:
    """Another task if this one crashes a process, alone."""
    alone = Note(task.number, task.folder, what=task.what)
    return task if runs_alone(STAGE, alone) else replace(task, what=7)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    config, archive = EngineConfig("local", 1), Location(str(tmp_path / "archive"))
    with open_engine(config, archive, 3, 0, networks=False, on_crash=without_crash) as opened:
        yield opened


def test_a_task_that_crashes_is_searched_for_the_cause_and_from_then_on_all_work_is_done_apart(
    engine: Engine, tmp_path: Path
) -> None:
    before = TALLY.now()
    tasks = [Note(0, str(tmp_path)), Note(1, str(tmp_path), what=signal.SIGSEGV)]
    first, second = engine.map_shards(STAGE, tasks, apart=True)
    assert second == 7 and first != os.getpid()
    assert len(tasks[1].lines) == 1 + 2 + 1, "once as it is, twice alone, and then without what crashes"
    assert retries(TALLY.since(before)) == {"worker died": 1}
    assert list(engine.map_shards(STAGE, [Note(2, str(tmp_path))])) != [os.getpid()]


def test_work_that_may_crash_and_does_not_is_done_apart_and_what_follows_is_not(engine: Engine, tmp_path: Path) -> None:
    apart = list(engine.map_shards(STAGE, [Note(0, str(tmp_path)), Note(1, str(tmp_path))], apart=True))
    assert apart[0] == apart[1] != os.getpid(), "one process for both"
    assert list(engine.map_shards(STAGE, [Note(2, str(tmp_path))])) == [os.getpid()]
    with pytest.raises(type(ERRORS["integrity"]()), match="not what was written"):
        list(engine.map_shards(engine_stages.fails, [Note(2, str(tmp_path), what="integrity")], apart=True))


def test_processes_that_somebody_kills_blame_nothing(engine: Engine, tmp_path: Path) -> None:
    task = Note(0, str(tmp_path), what=signal.SIGKILL)
    with pytest.raises(EngineError, match=r"shard 0: the process .* was killed, 3 times.*same command goes on"):
        list(engine.map_shards(STAGE, [task], apart=True))
    assert len(task.lines) == 3, "and the task was not searched"


def test_processes_that_a_machine_without_memory_kills_are_crashes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter(range(100))
    monkeypatch.setattr(worker_process, "memory_kills", lambda: next(counts))
    task = Note(0, str(tmp_path), what=signal.SIGKILL)
    assert list(engine.map_shards(STAGE, [task], apart=True)) == [7]


def test_a_process_that_cannot_start_is_an_error_with_what_to_do(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_CHILD", "tilepress.no_such_module")
    with pytest.raises(EngineError, match=r"did not start \(exit code 1\): see that .* can import tilepress"):
        list(engine.map_shards(STAGE, [Note(0, str(tmp_path))], apart=True))
