"""Start a copy of the namespace's suspended RayJob, follow it to its end, and tell how it ended.

The container of a CronJob runs this; it needs nothing but Python. The copy is named for the Kubernetes Job that the
CronJob made for this night, so a pod that is started again finds the run of the pod before it, and follows that one.
The Job owns the copy: Kubernetes removes the two together.

Exit codes, as tilepress has them: 0 complete, 1 the run ended otherwise (`kubectl describe rayjob NAME` says how),
5 Kubernetes could not be asked.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
API = os.environ.get("KUBERNETES_API", "https://kubernetes.default.svc")
POLL_S = float(os.environ.get("POLL_SECONDS", "20"))
PATIENCE = 30  # failed requests in a row: ten minutes, in which a control plane is upgraded
TIMEOUT_S = 30.0
EXISTS, BUSY = 409, 429
SERVER_ERROR = 500
FAILED, UNREACHABLE = 1, 5
ENDED = ("Complete", "Failed", "ValidationFailed")


def main() -> int:
    """Start or find the run, and wait; the exit code."""
    template, job = os.environ["RAYJOB_TEMPLATE"], os.environ["JOB_NAME"]
    # Not the Job's own name: KubeRay gives a Kubernetes Job the name of its RayJob, and would take ours for that one.
    run = f"{job}-run"
    try:
        create(copy_of(patient("GET", path(template)), run, {"name": job, "uid": os.environ["JOB_UID"]}))
        status = wait(run)
    except (OSError, ValueError) as exc:  # urllib's errors are OSErrors
        print(f"Kubernetes could not be asked about {run}: {exc}", file=sys.stderr)
        return UNREACHABLE
    outcome = status.get("jobStatus") or "no job was started"
    print(f"{run}: {status['jobDeploymentStatus']}, {outcome}. {status.get('message', '')}".rstrip())
    return 0 if outcome == "SUCCEEDED" else FAILED


def path(name: str = "") -> str:
    """Return the API's path of a RayJob, or of all of them, in the namespace of this pod."""
    namespace = (ACCOUNT / "namespace").read_text()
    return f"/apis/ray.io/v1/namespaces/{namespace}/rayjobs/{name}".rstrip("/")


def copy_of(template: dict[str, Any], name: str, owner: dict[str, str]) -> dict[str, Any]:
    """Return a RayJob that does the template's work at once, owned by the Job of the name and uid in `owner`."""
    owned = {"apiVersion": "batch/v1", "kind": "Job"} | owner
    labels = template["metadata"].get("labels", {})
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owned]},
        "spec": template["spec"] | {"suspend": False},
    }


def create(job: dict[str, Any]) -> None:
    """Create the run, unless a pod before this one did."""
    try:
        patient("POST", path(), job)
    except urllib.error.HTTPError as exc:
        if exc.code != EXISTS:
            raise


def wait(name: str) -> dict[str, Any]:
    """Return the status of a run that has ended; its changes are printed as they come."""
    told = None
    while True:
        status: dict[str, Any] = patient("GET", path(name)).get("status", {})
        now = status.get("jobDeploymentStatus", "")
        if now != told:
            print(f"{name}: {now or 'accepted'}", flush=True)
            told = now
        if now in ENDED:
            return status
        time.sleep(POLL_S)


def patient(method: str, where: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask as `ask` does, again and again while Kubernetes is away or busy."""
    for attempt in range(PATIENCE):
        try:
            return ask(method, where, body)
        except urllib.error.HTTPError as exc:
            if exc.code < SERVER_ERROR and exc.code != BUSY:
                raise
            last: OSError = exc
        except OSError as exc:
            last = exc
        if attempt < PATIENCE - 1:
            time.sleep(POLL_S)
    raise last


def ask(method: str, where: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return Kubernetes' answer to one request, HTTPError for a refusal."""
    token = (ACCOUNT / "token").read_text().strip()  # read each time: it is renewed every hour
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + where, data=data, headers=headers, method=method)
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")) if API.startswith("https:") else None
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


if __name__ == "__main__":
    sys.exit(main())
