"""The id of a submission: it follows from the job and its slot, so that a slot that is submitted twice is one job."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from tilepress.jobs.submission.arguments import argument, command_words
from tilepress.jobs.submission.schedule import Schedule
from tilepress.jobs.submission.schema import Job
from tilepress.pipeline.errors import UsageError

_DIGITS = 8
_FIRST_YEAR = 1970
_OUTPUTS = {"compress": "archive", "verify": "archive", "train": "out", "evaluate": "out", "audit": "out"}


@dataclass(frozen=True)
class Submission:
    """A job at one slot. `id` is good as a name in Kubernetes: at most 47 characters, as KubeRay wants it."""

    job: Job
    slot: datetime | None  # UTC; None: of a job without a schedule, which is submitted once
    attempt: int = 1  # those behind the first are made only if asked for: see attempts.py

    @property
    def id(self) -> str:
        """Its id."""
        outcome = self.job.model_dump(mode="json", include={"name", "environment", "secrets", "reports"})
        outcome |= {"words": command_words(self.job.verb, self.job.arguments), "slot": str(self.slot)}
        outcome |= {"attempt": self.attempt} if self.attempt > 1 else {}
        digest = sha256(json.dumps(outcome, sort_keys=True).encode()).hexdigest()[:_DIGITS]
        moment = [] if self.slot is None else [self.slot.strftime("%Y%m%dt%H%M")]
        return "-".join([self.job.name, *moment, digest])

    @property
    def report(self) -> str:
        """Where the job writes how it ended."""
        return f"{reports_of(self.job)}/{self.id}.json"


def submission_of(job: Job, at: str | None) -> Submission:
    """Return a job at the slot of a moment in ISO 8601, now if it is not given.

    The moment of a job without a schedule is a slot by itself; without one there is no slot.
    """
    moment = datetime.now(UTC) if at is None else _moment(at)
    if job.schedule is not None:
        return Submission(job, Schedule.parse(job.schedule).slot(moment))
    return Submission(job, None if at is None else moment.replace(second=0, microsecond=0))


def reports_of(job: Job) -> str:
    """Return the folder of a job's run reports: `reports`, or beside what it writes or looks at."""
    output = argument(job.verb, job.arguments, _OUTPUTS[job.verb])
    if job.reports is None and output is None:
        raise UsageError(f"`reports` is missing: a place for the run reports of this {job.verb}, which has no `out`")
    return (job.reports or f"{str(output).rstrip('/')}.reports").rstrip("/")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"`at` {text!r} is no time such as 2026-11-28T02:00Z") from None
    if moment.year < _FIRST_YEAR:  # what was due before may have no date
        raise UsageError(f"`at` {text!r} is before {_FIRST_YEAR}")
    return moment
