"""Attempts at a slot: which one a cluster has, and another one if that is asked for.

An attempt is a submission with an id of its own, which follows from job, slot and number. So clients that ask for the
same next attempt at the same time get one job.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilepress.jobs.submission.cluster import Cluster, JobState
from tilepress.jobs.submission.following import end_of
from tilepress.jobs.submission.identity import Submission

_ENDED_WELL = (0, 3)  # exit codes of commands that are complete


@dataclass(frozen=True)
class Attempt:
    """The attempt that a cluster has now. `done`: it was to be repeated, and is not, since it ended well."""

    submission: Submission
    new: bool = False  # False: it was there already
    done: bool = False


def submit_once(cluster: Cluster, submission: Submission, *, again: bool) -> Attempt:
    """Submit the first attempt at a slot, or find the last one that the cluster has; return which it is.

    With `again`, submit the one behind the last, if that ended otherwise than well.
    """
    if not again and cluster.submit(submission):
        return Attempt(submission, new=True)
    last, state = _last(cluster, submission)
    if state is None:
        return Attempt(last, new=cluster.submit(last))
    if not again or not state.ended:
        return Attempt(last)
    if end_of(last, state).exit_code in _ENDED_WELL:
        return Attempt(last, done=True)
    following = replace(last, attempt=last.attempt + 1)
    return Attempt(following, new=cluster.submit(following))


def _last(cluster: Cluster, submission: Submission) -> tuple[Submission, JobState | None]:
    """The last attempt that the cluster has, and how it is; the first one and None, if it has none."""
    state = cluster.find(submission)
    following = replace(submission, attempt=submission.attempt + 1)
    if state is None or (later := _last(cluster, following))[1] is None:
        return submission, state
    return later
