"""The protocol of places where submissions run: whether one is there, how it is, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from tilepress.jobs.submission.identity import Submission

Phase = Literal["waiting", "running", "succeeded", "failed", "stopped"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class JobState:
    """How a submission is. `exit_code`: of its process, where the cluster tells. `since`: Unix time of submission."""

    phase: Phase
    message: str = ""
    exit_code: int | None = None
    since: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in ("succeeded", "failed", "stopped")


class Cluster(Protocol):
    """Where submissions run. Everything raises EngineError where the cluster does not answer."""

    def submit(self, submission: Submission) -> bool:
        """Submit, unless the id is there already; tell whether this call did it."""

    def find(self, submission: Submission) -> JobState | None:
        """Return how it is; None if it is not there."""

    def state(self, submission: Submission) -> JobState:
        """Return how it is. EngineError if it is not there."""

    def stop(self, submission: Submission) -> None:
        """Ask it to end; what it has committed stays."""

    def logs(self, submission: Submission, say: Say) -> None:
        """Say the lines of its log until it has ended, from the first one on; EngineError if the connection breaks."""

    def end_logs(self) -> None:
        """Break off, in any thread, a log that would not end by itself; from then on, logs end where they are."""
