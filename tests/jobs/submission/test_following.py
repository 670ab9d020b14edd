"""Following a job: its log once, though connections break; two time limits; and the exit code that it really had."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.jobs.submission.job_files import job_of
from tilepress.errors import EngineError
from tilepress.jobs.run_report.places import put_at
from tilepress.jobs.run_report.report import RunReport
from tilepress.jobs.submission import following
from tilepress.jobs.submission.cluster import JobState, Say
from tilepress.jobs.submission.following import RUN_TIMEOUT, START_TIMEOUT, End, follow
from tilepress.jobs.submission.identity import Submission, submission_of

WAITING, RUNNING = JobState("waiting"), JobState("running")


class Scripted:
    """A cluster that tells states one after the other, and a log whose connection breaks in the middle."""

    def __init__(self, *states: JobState | EngineError) -> None:
        self._states = list(states)
        self.stopped: list[str] = []
        self._connections = 0

    def submit(self, submission: Submission) -> bool:
        return True

    def state(self, submission: Submission) -> JobState:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, EngineError):
            raise state
        return state

    def stop(self, submission: Submission) -> None:
        self.stopped.append(submission.id)

    def logs(self, submission: Submission, say: Say) -> None:
        self._connections += 1
        for line in ("one", "two"):
            say(line)
        if self._connections == 1:
            raise EngineError("broken")
        say("three")

    def end_logs(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_POLLS_S", (0.01, 0.02))


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    return submission_of(job_of(reports=str(tmp_path), timeouts={"start": 1, "run": 1}), None)


def followed(submission: Submission, *states: JobState | EngineError) -> tuple[End, list[str], Scripted]:
    lines: list[str] = []
    cluster = Scripted(*states)
    return follow(cluster, submission, lines.append), lines, cluster


def reported(submission: Submission, exit_code: int | None, identity: str = "") -> None:
    end = None if exit_code is None else "2026-11-28T02:00:00Z"
    put_at(submission.report, RunReport("compress", {}, "0", "h", "x", identity or submission.id, end, exit_code))


@pytest.mark.parametrize("exit_code", [0, 3, 4, 5, 143])
def test_the_exit_code_is_that_of_the_run_report(exit_code: int, submission: Submission) -> None:
    reported(submission, exit_code)
    end, lines, _ = followed(submission, WAITING, RUNNING, JobState("failed", "it failed", 1))
    assert end.exit_code == exit_code and end.report is not None
    assert lines == ["one", "two", "three"], "each line once"


@pytest.mark.parametrize(
    ("state", "exit_code"),
    [
        (JobState("stopped", "", 0), 143),
        (JobState("succeeded", "", 0), 0),
        (JobState("succeeded"), 0),
        (JobState("failed", "", 3), 3),
        (JobState("failed", "killed", -9), 137),
        (JobState("failed", "no node"), 5),
    ],
)
def test_without_a_report_the_cluster_says_it_and_a_job_that_was_stopped_never_ended_well(
    state: JobState, exit_code: int, submission: Submission
) -> None:
    reported(submission, 0, "another")
    assert followed(submission, RUNNING, state)[0].exit_code == exit_code


def test_a_job_that_was_killed_and_is_said_to_have_succeeded_is_not_believed(submission: Submission) -> None:
    reported(submission, None)
    assert followed(submission, RUNNING, JobState("succeeded"))[0].exit_code == 5


def test_a_job_that_does_not_start_or_end_in_time_is_stopped(submission: Submission) -> None:
    end, lines, cluster = followed(submission, JobState("waiting", since=time.time() - 0.7))
    assert (end.exit_code, lines, cluster.stopped) == (START_TIMEOUT, [], [submission.id])
    assert "did not start within 1 s" in end.why
    end, _, cluster = followed(submission, WAITING, RUNNING)
    assert (end.exit_code, cluster.stopped) == (RUN_TIMEOUT, [submission.id]) and "ran for longer than 1 s" in end.why
    attached = JobState("running", since=time.time() - 2)
    began = time.monotonic()
    assert followed(submission, attached)[0].exit_code == RUN_TIMEOUT and time.monotonic() - began < 0.9


def test_a_job_that_could_not_be_stopped_is_not_said_to_be(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Scripted, submission: Submission) -> None:
        raise EngineError("forbidden")

    monkeypatch.setattr(Scripted, "stop", refuse)
    end, _, _ = followed(submission, JobState("waiting", since=time.time() - 2))
    assert end.exit_code == START_TIMEOUT
    assert "may still run" in end.why and "forbidden" in end.why and "was stopped" not in end.why


def test_an_outage_is_waited_for_and_no_longer_than_it_may_be(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = EngineError("no answer")
    assert followed(submission, RUNNING, away, away, JobState("succeeded", "", 0))[0].exit_code == 0
    monkeypatch.setattr(following, "_OUTAGE_S", 0.05)
    with pytest.raises(EngineError, match="no answer"):
        followed(submission, RUNNING, away)
