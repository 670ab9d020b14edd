"""A slot whose job failed or was stopped is tried again when that is asked for, and at no other time, once for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import pytest
import yaml

import tilepress
from tests.jobs.submission.job_files import NIGHTLY, job_of
from tilepress.errors import EngineError, UsageError
from tilepress.jobs.cli import app
from tilepress.jobs.run_report.places import put_at
from tilepress.jobs.run_report.report import RunReport
from tilepress.jobs.submission import ray_jobs
from tilepress.jobs.submission.attempts import Attempt, submit_once
from tilepress.jobs.submission.cluster import JobState, Say
from tilepress.jobs.submission.identity import Submission, submission_of


class Cluster:
    """A cluster that takes an id once. What is submitted runs until `now` says something else of it."""

    def __init__(self, dashboard: str = "") -> None:
        self.now: dict[str, JobState] = {}
        self._lock = Lock()

    def submit(self, submission: Submission) -> bool:
        with self._lock:
            new = submission.id not in self.now
            self.now.setdefault(submission.id, JobState("running"))
        return new

    def find(self, submission: Submission) -> JobState | None:
        return self.now.get(submission.id)

    def state(self, submission: Submission) -> JobState:
        if submission.id not in self.now:
            raise EngineError("none")
        return self.now[submission.id]

    def stop(self, submission: Submission) -> None:
        self.now[submission.id] = JobState("stopped")

    def logs(self, submission: Submission, say: Say) -> None:
        say("a line")

    def end_logs(self) -> None:
        pass


@pytest.fixture
def slot(tmp_path: Path) -> Submission:
    return submission_of(job_of(reports=str(tmp_path)), "2026-11-28T02:00Z")


FAILED, STOPPED, WELL = JobState("failed", "it failed", 1), JobState("stopped"), JobState("succeeded", "", 0)


@pytest.mark.parametrize("ended", [FAILED, STOPPED, JobState("failed", "damage", 4)])
def test_a_job_that_failed_or_was_stopped_gets_another_one_if_that_is_asked_for(
    ended: JobState, slot: Submission
) -> None:
    cluster = Cluster()
    assert submit_once(cluster, slot, again=True) == Attempt(slot, new=True), "the first, where there is none"
    cluster.now[slot.id] = ended
    assert submit_once(cluster, slot, again=False) == Attempt(slot)
    second = submit_once(cluster, slot, again=True)
    assert (second.submission.attempt, second.new) == (2, True)
    assert second.submission.id != slot.id and len(second.submission.id) == len(slot.id)
    assert second.submission.report != slot.report
    for again in (False, True):
        assert submit_once(cluster, slot, again=again) == Attempt(second.submission), "which runs, and is found"
    cluster.now[second.submission.id] = STOPPED
    assert submit_once(cluster, slot, again=True).submission.attempt == 3


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_job_that_ended_well_is_not_repeated(exit_code: int, slot: Submission) -> None:
    cluster = Cluster()
    cluster.now[slot.id] = WELL if exit_code == 0 else JobState("failed", "", exit_code)
    assert submit_once(cluster, slot, again=True) == Attempt(slot, done=True)


def test_a_job_that_is_said_to_have_ended_well_and_was_killed_is_repeated(slot: Submission) -> None:
    put_at(slot.report, RunReport("compress", {}, "0", "h", "x", slot.id, "2026-11-28T02:00:00Z", 143))
    cluster = Cluster()
    cluster.now[slot.id] = WELL
    assert submit_once(cluster, slot, again=True).submission.attempt == 2


def test_clients_that_ask_for_the_next_attempt_at_once_get_one_job(slot: Submission) -> None:
    cluster, together = Cluster(), Barrier(6)
    cluster.now[slot.id] = FAILED

    def ask(_: int) -> Attempt:
        together.wait()
        return submit_once(cluster, slot, again=True)

    with ThreadPoolExecutor(6) as clients:
        found = list(clients.map(ask, range(6)))
    assert sum(each.new for each in found) == 1 and {each.submission.attempt for each in found} == {2}
    assert len(cluster.now) == 2


def test_the_command_says_which_attempt_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster()
    monkeypatch.setattr(ray_jobs, "RayJobs", lambda dashboard: cluster)
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump({**NIGHTLY, "reports": str(tmp_path)}))
    first = tilepress.submit(job, at="2026-11-28T02:00Z")
    cluster.now[first.id] = FAILED
    assert app._run(["submit", str(job), "--at", "2026-11-28T02:00Z", "--wait"]) == 1
    assert "--again makes another attempt" in capsys.readouterr().out
    second = tilepress.submit(job, at="2026-11-28T02:00Z", again=True)
    assert (second.attempt, second.new, second.id != first.id) == (2, True, True)
    cluster.now[second.id] = WELL
    assert app._run(["submit", str(job), "--at", "2026-11-28T02:00Z", "--again"]) == 0
    assert f"{second.id}: has ended well, and is not repeated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dry_run": True}, "leave out `again`"),
        ({"on": "cron"}, "`again` has no effect with `on` cron"),
        ({"on": "kuberay"}, "say `at` for the run of one slot"),
    ],
)
def test_where_there_is_no_attempt_to_repeat_that_is_said(asked: dict[str, object], said: str, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({**NIGHTLY, "kubernetes": {"image": "i"}}))
    with pytest.raises(UsageError, match=said):
        tilepress.submit(tmp_path / "job.yaml", again=True, **asked)
