"""Following a submission to its end: its log, two time limits, and the exit code that its command really had."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tilepress.jobs.run_report.places import read_at
from tilepress.jobs.run_report.report import RunReport
from tilepress.jobs.submission.cluster import Cluster, JobState, Say
from tilepress.jobs.submission.identity import Submission
from tilepress.pipeline.errors import EngineError, TilepressError

START_TIMEOUT, RUN_TIMEOUT = 75, 124  # exit codes: EX_TEMPFAIL of sysexits.h, and that of timeout(1)
_STOPPED, _FAILED = 143, 5
_POLLS_S = (0.5, 10.0)  # between two looks: at first, and at most
_LAST_LINES_S = 10.0
_OUTAGE_S = 300.0  # a job server may be away for so long, as where the head's pod is replaced


@dataclass(frozen=True)
class End:
    """How a submission ended: the exit code of its command, why, and its report, if that could be read."""

    exit_code: int
    why: str
    report: RunReport | None = None


def follow(cluster: Cluster, submission: Submission, say: Say) -> End:
    """Say the lines of a submission's log until it has ended; stop it where it exceeds its time limits."""
    log = _Log(cluster, submission, say)
    try:
        state = _awaited(cluster, submission, log.begin)
    finally:
        log.end()
    if isinstance(state, End):
        return state
    return end_of(submission, state)


def _awaited(cluster: Cluster, submission: Submission, on_start: Callable[[], None]) -> JobState | End:
    """The last state, or the end that a time limit made."""
    limits = submission.job.timeouts
    began, started, seen = time.time(), None, time.monotonic()
    delay, longest = _POLLS_S
    while True:
        try:
            state, seen = cluster.state(submission), time.monotonic()
        except EngineError:
            if time.monotonic() - seen > _OUTAGE_S:
                raise
            time.sleep(longest)
            continue
        if state.ended:
            on_start()
            return state
        if state.phase == "running" and started is None:
            # A client that attached to a job that runs takes its start for that of the job.
            started = time.time() if time.time() - began > delay else state.since or began
            on_start()
        if started is None and time.time() - (state.since or began) > limits.start:
            return _given_up(cluster, submission, START_TIMEOUT, f"did not start within {limits.start} s")
        if started is not None and time.time() - started > limits.run:
            return _given_up(cluster, submission, RUN_TIMEOUT, f"ran for longer than {limits.run} s")
        time.sleep(delay)
        delay = min(1.5 * delay, longest)


def _given_up(cluster: Cluster, submission: Submission, exit_code: int, why: str) -> End:
    try:
        cluster.stop(submission)
        then = "and was stopped"
    except EngineError as exc:
        then = f"and may still run, as it could not be stopped ({exc}): see to it"
    return End(exit_code, f"{submission.id} {why}, {then}", _report(submission))


def end_of(submission: Submission, state: JobState) -> End:
    """Return how a submission ended that is in this last state.

    The real exit code is that of the report; else that of the process; else what the phase means.
    """
    report = _report(submission)
    if report is not None and report.exit_code is not None:
        return End(report.exit_code, report.error, report)
    if state.phase == "stopped":
        return End(_STOPPED, f"{submission.id} was stopped", report)
    code = state.exit_code
    if code is not None:
        code = 128 - code if code < 0 else code  # as shells say of signals
        return End(code, state.message if code else "", report)
    if state.phase == "succeeded" and report is None:
        return End(0, "", None)
    return End(_FAILED, state.message or f"{submission.id} ended without saying how", report)


def _report(submission: Submission) -> RunReport | None:
    """The report of this very submission; None if this machine cannot read it, as one on another's disk."""
    with suppress(TilepressError):
        report = read_at(submission.report)
        return report if report.submission == submission.id else None
    return None


class _Log:
    """Says the lines of a log in a thread, each once, though connections break."""

    def __init__(self, cluster: Cluster, submission: Submission, say: Say) -> None:
        self._cluster, self._submission, self._say = cluster, submission, say
        self._said = self._passed = 0  # lines: in all, and of the present connection
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def begin(self) -> None:
        """Begin, unless it has begun."""
        if not self._thread.is_alive() and self._thread.ident is None:
            self._thread.start()

    def end(self) -> None:
        """Say what is left, for some seconds at most."""
        self._ended.set()
        if self._thread.ident is not None:
            self._cluster.end_logs()
            self._thread.join(_LAST_LINES_S)

    def _run(self) -> None:
        while True:
            last = self._ended.is_set()  # once more after the end: what broke off has last lines
            self._passed = 0
            try:
                self._cluster.logs(self._submission, self._line)
                return
            except EngineError:
                if last:
                    return
                self._ended.wait(1.0)

    def _line(self, line: str) -> None:
        self._passed += 1
        if self._passed > self._said:
            self._said = self._passed
            self._say(line)
