"""Submissions on a Ray cluster that is there: the boundary to Ray's job server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tilepress.codecs.extras import require_extra
from tilepress.jobs.submission.cluster import JobState, Phase, Say
from tilepress.jobs.submission.entrypoint import entrypoint
from tilepress.jobs.submission.identity import Submission
from tilepress.jobs.submission.schema import Job
from tilepress.pipeline.errors import EngineError, UsageError

_HERE = "http://127.0.0.1:8265"
_PHASES: dict[str, Phase] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "stopped",
}


def ray_request(submission: Submission) -> dict[str, Any]:
    """Return what Ray's job server is asked; its dashboard shows that, so there is no secret in it."""
    job = submission.job
    foreign = [name for name, secret in job.secrets.items() if secret.kubernetes is not None]
    if foreign:
        raise UsageError(
            f"`secrets.{foreign[0]}` is of Kubernetes, which only `on` kuberay reads: say {{env: NAME}} or "
            "{file: /PATH}, as the nodes of the cluster have it"
        )
    return {
        "entrypoint": entrypoint(job, job.ray.command, submission.id, submission.report),
        "submission_id": submission.id,
        "runtime_env": {"env_vars": dict(job.environment)},
        "metadata": {"tilepress_job": job.name, "tilepress_verb": job.verb},
        "entrypoint_num_cpus": job.ray.cpus,
    }


def dashboard_of(job: Job, given: str | None) -> str:
    """Return the URL of the dashboard: as given, of the file, of $RAY_API_SERVER_ADDRESS, or of this machine."""
    found = given or job.ray.dashboard or os.environ.get("RAY_API_SERVER_ADDRESS") or _HERE
    if not found.startswith(("http://", "https://")):
        raise UsageError(f"`ray_dashboard` {found} is no URL of a dashboard, such as {_HERE}")
    return found


class RayJobs:
    """A Cluster: Ray's job server, whose token is in $RAY_AUTH_TOKEN or its file as for all of Ray."""

    def __init__(self, dashboard: str) -> None:
        """Connect. EngineError if nothing answers there."""
        require_extra("jobs", "`on` ray", "ray", "aiohttp_cors")  # the second is of ray[default] alone
        from ray.job_submission import JobSubmissionClient

        logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.ERROR)  # it tells of every connection
        self._dashboard = dashboard
        with self._errors():
            self._client = JobSubmissionClient(dashboard)

    def submit(self, submission: Submission) -> bool:
        """See Cluster."""
        if self._find(submission) is not None:
            return False
        try:
            with self._errors():
                self._client.submit_job(**ray_request(submission))
        except EngineError:
            if self._find(submission) is None:
                raise
            return False  # another client was faster, or the answer was lost
        return True

    def find(self, submission: Submission) -> JobState | None:
        """See Cluster."""
        found = self._find(submission)
        if found is None:
            return None
        return JobState(
            _PHASES[str(found.status.value)],
            str(found.message or ""),
            found.driver_exit_code,
            None if found.start_time is None else found.start_time / 1000,
        )

    def state(self, submission: Submission) -> JobState:
        """See Cluster."""
        state = self.find(submission)
        if state is None:
            raise EngineError(f"{self._dashboard} knows no job {submission.id} any more: the cluster began anew")
        return state

    def stop(self, submission: Submission) -> None:
        """See Cluster."""
        with self._errors():
            self._client.stop_job(submission.id)

    def logs(self, submission: Submission, say: Say) -> None:
        """See Cluster."""
        with self._errors():
            asyncio.run(self._tail(submission.id, say))

    async def _tail(self, submission: str, say: Say) -> None:
        begun = ""
        async for text in self._client.tail_job_logs(submission):
            *lines, begun = (begun + text).split("\n")
            for line in lines:
                say(line.rpartition("\r")[2])
        if begun:
            say(begun)

    def end_logs(self) -> None:
        """See Cluster: these end with the job."""

    def _find(self, submission: Submission) -> Any:
        """The details of a job, None if there is none of that id."""
        try:
            return self._client.get_job_info(submission.id)
        except RuntimeError as exc:
            if "404" in str(exc) or "does not exist" in str(exc):
                return None
            raise EngineError(f"{self._dashboard}: {_first_line(exc)}") from exc
        except (OSError, ValueError) as exc:
            raise EngineError(f"{self._dashboard} does not answer: {_first_line(exc)}") from exc

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # of requests, aiohttp and Ray, which raises bare RuntimeErrors
            raise EngineError(f"the job server at {self._dashboard} failed: {_first_line(exc)}{_advice(exc)}") from exc


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _advice(error: Exception) -> str:
    """What to do about an error, where that is known."""
    from ray.exceptions import AuthenticationError

    if isinstance(error, AuthenticationError):
        return "; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to a file with the token of the cluster"
    return ""
