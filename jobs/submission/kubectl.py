"""Submissions as RayJobs of KubeRay: the boundary to Kubernetes, which is `kubectl`."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from datetime import datetime
from typing import Any

from tilepress.jobs.submission.cluster import JobState, Phase, Say
from tilepress.jobs.submission.identity import Submission
from tilepress.jobs.submission.manifests import Manifest, ray_job
from tilepress.pipeline.errors import EngineError, UsageError

_JOBS: dict[str, Phase] = {"SUCCEEDED": "succeeded", "FAILED": "failed", "STOPPED": "stopped", "RUNNING": "running"}
_DEPLOYMENTS: dict[str, Phase] = {"Complete": "succeeded", "Failed": "failed", "Suspended": "stopped"}
_LOG = "/tmp/ray/session_latest/logs/job-driver-{}.log"
_ANSWER_S = 60.0


class KubeRay:
    """A Cluster: RayJobs in one namespace, each named by the id of its submission."""

    def __init__(self, namespace: str) -> None:
        """UsageError where there is no kubectl."""
        self._namespace = namespace
        self._lock = threading.Lock()
        self._tail: subprocess.Popen[str] | None = None
        self._follows = True
        if shutil.which("kubectl") is None:
            raise UsageError("there is no kubectl here: `dry_run` prints the manifests, for whoever has it")

    def apply(self, manifest: Manifest) -> str:
        """Create or change an object; return what kubectl says."""
        return self._kubectl("apply", "-f", "-", given=json.dumps(manifest)).strip()

    def submit(self, submission: Submission) -> bool:
        """See Cluster."""
        try:
            self._kubectl("create", "-f", "-", given=json.dumps(ray_job(submission)))
        except EngineError as exc:
            if "AlreadyExists" not in str(exc):
                raise
            return False
        return True

    def find(self, submission: Submission) -> JobState | None:
        """See Cluster."""
        try:
            return self.state(submission)
        except EngineError as exc:
            if "NotFound" not in str(exc):
                raise
            return None

    def state(self, submission: Submission) -> JobState:
        """See Cluster."""
        status = self._get(submission).get("status") or {}
        deployment, job = status.get("jobDeploymentStatus", ""), status.get("jobStatus", "")
        phase = _DEPLOYMENTS.get(deployment) or ("running" if _JOBS.get(job) else "waiting")
        if phase in ("succeeded", "failed"):  # KubeRay counts a stopped job as failed, or as complete
            phase = _JOBS.get(job, phase)
        return JobState(phase, str(status.get("message", "")), None, _seconds(status.get("startTime")))

    def stop(self, submission: Submission) -> None:
        """See Cluster. The cluster of the job goes; its RayJob stays, and says that it is suspended."""
        self._kubectl("patch", "rayjob", submission.id, "--type=merge", "-p", '{"spec":{"suspend":true}}')

    def logs(self, submission: Submission, say: Say) -> None:
        """See Cluster: the log of the driver, in the pod of the head."""
        cluster = (self._get(submission).get("status") or {}).get("rayClusterName", "")
        head = f"--selector=ray.io/cluster={cluster},ray.io/node-type=head"
        pod = self._kubectl("get", "pod", head, "-o", "name").strip()
        if not cluster or not pod:
            raise EngineError(f"{submission.id} has no head yet")
        with self._lock:  # so that `end_logs` finds each one that follows
            follows = self._follows
            words = [*self._words("exec", pod), "--", "tail", "-n", "+1", *(["-F"] if follows else [])]
            words.append(_LOG.format(submission.id))
            self._tail = tail = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
            )
        _say_lines(tail, say)
        if follows or tail.returncode:
            raise EngineError(f"the log of {submission.id} broke off")

    def end_logs(self) -> None:
        """See Cluster: `tail -F` outlasts the job."""
        with self._lock:
            self._follows = False
            if self._tail is not None:
                self._tail.kill()

    def _get(self, submission: Submission) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._kubectl("get", "rayjob", submission.id, "-o", "json"))
        return answer

    def _words(self, *words: str) -> list[str]:
        return ["kubectl", "--namespace", self._namespace, *words]

    def _kubectl(self, *words: str, given: str = "") -> str:
        try:
            done = subprocess.run(
                self._words(*words), input=given, capture_output=True, text=True, timeout=_ANSWER_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise EngineError(f"kubectl {words[0]} did not end: {exc}") from exc
        if done.returncode:
            raise EngineError(f"kubectl {words[0]}: {done.stderr.strip()}")
        return done.stdout


def _say_lines(tail: subprocess.Popen[str], say: Say) -> None:
    """Say the lines of a process until it ends; end it if they cannot be said."""
    with tail:
        assert tail.stdout is not None
        try:
            for line in tail.stdout:
                say(line.rstrip("\n"))
        except BaseException:
            tail.kill()
            raise


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
