"""The schedule's program starts one run a night, follows it through failures of Kubernetes, and tells how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes.overlays import KUBERNETES, of_kind, rendered
from tests.support.kubernetes.schemas import problems

PROGRAM = KUBERNETES / "overlays/cron/start_rayjob.py"
ALL = "/apis/ray.io/v1/namespaces/tilepress/rayjobs"


class FakeKubernetes(ThreadingHTTPServer):
    """Keeps RayJobs, and moves each one step along `course` whenever somebody asks for it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.jobs: dict[str, dict[str, Any]] = {"tilepress": of_kind(rendered("cron"), "RayJob")[0]}
        self.course: list[dict[str, str]] = []
        self.failures: list[int] = []
        self.loses_answers = False


class Answers(BaseHTTPRequestHandler):
    server: FakeKubernetes

    def do_GET(self) -> None:
        self.failing() or self.found(self.path.removeprefix(f"{ALL}/"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["metadata"]["name"]
        if self.failing():
            return
        assert self.path == ALL
        if name in self.server.jobs:
            self.answer(409, {"reason": "AlreadyExists"})
            return
        self.server.jobs[name] = body
        if self.server.loses_answers:
            self.server.loses_answers = False
            self.answer(504, {})
            return
        self.answer(201, body)

    def found(self, name: str) -> None:
        if name not in self.server.jobs:
            self.answer(404, {"reason": "NotFound"})
            return
        job = self.server.jobs[name]
        if name != "tilepress" and self.server.course:
            job["status"] = self.server.course.pop(0)
        self.answer(200, job)

    def failing(self) -> bool:
        authorized = self.headers["Authorization"] == "Bearer secret-token"
        code = 401 if not authorized else self.server.failures.pop(0) if self.server.failures else 0
        if code:
            self.answer(code, {})
        return bool(code)

    def answer(self, code: int, body: dict[str, Any]) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def kubernetes() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def start(server: FakeKubernetes, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "namespace").write_text("tilepress")
    (folder / "token").write_text("secret-token\n")
    settings = {
        "KUBERNETES_API": f"http://127.0.0.1:{server.server_port}",
        "SERVICE_ACCOUNT": str(folder),
        "POLL_SECONDS": "0.01",
        "RAYJOB_TEMPLATE": "tilepress",
        "JOB_NAME": "tilepress-29401500",
        "JOB_UID": "4f5e",
    }
    return subprocess.run([sys.executable, PROGRAM], env=os.environ | settings, capture_output=True, text=True)


RUNNING = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
DONE = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}


def test_a_run_is_a_valid_copy_that_is_not_suspended_and_is_owned_by_the_nights_job(kubernetes, tmp_path) -> None:
    kubernetes.course = [{}, {"jobDeploymentStatus": "Initializing"}, RUNNING, RUNNING, DONE]
    done = start(kubernetes, tmp_path)
    assert done.returncode == 0, done.stderr
    told = ["accepted", "Initializing", "Running", "Complete", "Complete, SUCCEEDED."]
    assert done.stdout.splitlines() == [f"tilepress-29401500-run: {line}" for line in told]
    run = kubernetes.jobs["tilepress-29401500-run"]
    assert problems({name: part for name, part in run.items() if name != "status"}) == []
    assert run["spec"] == kubernetes.jobs["tilepress"]["spec"] | {"suspend": False}
    (owner,) = run["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", "tilepress-29401500", "4f5e")
    assert run["metadata"]["name"] != owner["name"], "KubeRay gives a Job the name of its RayJob"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (
            {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": "exit code 4"},
            "Failed, FAILED. exit code 4",
        ),
        (
            {"jobDeploymentStatus": "Failed", "message": "no node in time"},
            "Failed, no job was started. no node in time",
        ),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}, "Complete, STOPPED."),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "bad"}, "ValidationFailed, no job was started. bad"),
    ],
)
def test_a_run_that_ends_otherwise_fails_the_job(kubernetes, tmp_path, end, said) -> None:
    kubernetes.course = [RUNNING, end]
    done = start(kubernetes, tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"tilepress-29401500-run: {said}")


def test_a_pod_that_is_started_again_follows_the_run_of_the_first(kubernetes, tmp_path) -> None:
    kubernetes.jobs["tilepress-29401500-run"] = {"metadata": {}, "spec": {"entrypoint": "the first pod's"}}
    kubernetes.course = [RUNNING, DONE]
    assert start(kubernetes, tmp_path).returncode == 0
    assert kubernetes.jobs["tilepress-29401500-run"]["spec"] == {"entrypoint": "the first pod's"}


def test_failures_and_lost_answers_of_kubernetes_start_no_second_run(kubernetes, tmp_path) -> None:
    kubernetes.failures, kubernetes.loses_answers = [503, 429, 500], True
    kubernetes.course = [RUNNING, DONE]
    done = start(kubernetes, tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(kubernetes.jobs) == {"tilepress", "tilepress-29401500-run"}


@pytest.mark.parametrize("failures", [[403], [503] * 30])
def test_a_refusal_and_an_outage_that_lasts_are_told_and_are_no_success(kubernetes, tmp_path, failures) -> None:
    kubernetes.failures = list(failures)
    done = start(kubernetes, tmp_path)
    assert done.returncode == 5 and str(failures[0]) in done.stderr
    assert "secret-token" not in done.stdout + done.stderr and "Traceback" not in done.stderr
    assert set(kubernetes.jobs) == {"tilepress"}
