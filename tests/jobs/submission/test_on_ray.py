"""Submissions on a real Ray head with dashboard and token: once, found again, stopped, and how they really end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.jobs.run_report.places import read_at

HIDDEN = "hunter2hunter2hunter2"
TOKEN = "0123456789abcdef" * 4
PORTS = ("dashboard", "ray-client-server", "dashboard-agent-listen", "dashboard-agent-grpc", "metrics-export")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Head:
    """A Ray head, and the variables by which clients reach it."""

    dashboard: str
    environment: dict[str, str]

    def submit(self, job: Path, *options: str, **more: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tilepress", "submit", str(job), *options]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(words, env={**self.environment, **more}, **pipes)

    def submitted(self, job: Path, *options: str, **more: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, report and the rest of a command that ends."""
        client = self.submit(job, "--json", *options, **more)
        out, said = client.communicate(timeout=200)
        return client.returncode, json.loads(out) if out else {}, said

    def ask(self, path: str) -> str:
        request = urllib.request.Request(self.dashboard + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def stop(self, submission: str) -> None:
        words = ["ray", "job", "stop", "--no-wait", "--address", self.dashboard, submission]
        subprocess.run(words, env=self.environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def head(plugin: Path) -> Iterator[Head]:
    # Ray's sockets lie below it, whose paths may have 107 bytes: pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="r"))
    ports = {name: free_port() for name in PORTS}
    words = ["ray", "start", "--head", "--block", "--include-dashboard=true", "--dashboard-host=127.0.0.1"]
    words += [f"--port={free_port()}", *(f"--{name}-port={port}" for name, port in ports.items())]
    words += ["--num-cpus=2", "--object-store-memory=100000000", "--disable-usage-stats", f"--temp-dir={folder}"]
    words += ["--min-worker-port=0", "--max-worker-port=0"]
    dashboard = f"http://127.0.0.1:{ports['dashboard']}"
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_API_SERVER_ADDRESS": dashboard}
    environment = {**os.environ, **variables}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (folder / "log").open("w") as log:
        ray = subprocess.Popen(words, env={**environment, "BUCKET_KEY": HIDDEN}, stdout=log, stderr=log)
    found = Head(dashboard, environment)
    try:
        await_answer(found, ray, folder / "log")
        yield found
    finally:
        ray.terminate()
        ray.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def await_answer(head: Head, ray: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert ray.poll() is None, log.read_text()
        try:
            head.ask("/api/jobs/")
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(log.read_text())


def job_file(place: Path, **changes: Any) -> Path:
    arguments = {"source": str(place / "source"), "archive": str(place / "a.tp"), "workers": 1, "engine": "local"}
    job = {"name": place.name[:20].strip("-_").replace("_", "-"), "verb": "compress", "arguments": arguments}
    job["arguments"] |= changes.pop("arguments", {})
    (place / "job.yaml").write_text(yaml.safe_dump({**job, **changes}))
    return place / "job.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    pictures = {f"{n}.png": encoded(image_of("RGB", 60, 60, seed=n), "PNG") for n in range(6)}
    write_tree(tmp_path / "source", pictures)
    return tmp_path


def slow_job(place: Path, seconds: str = "5", **changes: Any) -> Path:
    return job_file(
        place, arguments={"codec": "test-slow", "tile": 64}, environment={"TILEPRESS_TEST_SECONDS": seconds}, **changes
    )


def await_running(head: Head, submission: str) -> None:
    for _ in range(240):
        if f"Running entrypoint for job {submission}" in head.ask(f"/api/jobs/{submission}/logs"):
            return
        time.sleep(0.25)
    raise AssertionError(head.ask(f"/api/jobs/{submission}"))


def test_a_job_ends_with_the_code_of_its_command_however_often_it_is_asked_for(head: Head, place: Path) -> None:
    write_tree(place / "source", {"torn.png": encoded(image_of("RGB", 60, 60, seed=9), "PNG")[:900]})
    secrets = {"AWS_SECRET_ACCESS_KEY": {"env": "BUCKET_KEY"}}
    job = job_file(place, secrets=secrets)
    code, report, said = head.submitted(job, "--wait")
    assert (code, report["new"], report["job_exit_code"]) == (3, True, 3), said
    assert report["run_report"]["counts"]["images"] == 7 and "damaged" in report["why"]
    assert any("7 files" in json.loads(line).get("line", "") for line in said.splitlines()), "its log was followed"
    code, again, _ = head.submitted(job, "--wait")
    assert (code, again["new"], again["id"]) == (3, False, report["id"])
    everything = [said, json.dumps(report), head.ask("/api/jobs/"), head.ask(f"/api/jobs/{report['id']}/logs")]
    everything += [file.read_text() for file in (place / "a.tp.reports").iterdir()]
    assert not any(HIDDEN in text for text in everything)


def test_a_client_that_died_attaches_again_and_a_job_that_was_stopped_did_not_end_well(head: Head, place: Path) -> None:
    job = slow_job(place)
    code, first, said = head.submitted(job)
    assert (code, first["new"]) == (0, True), said
    client = head.submit(job, "--wait")
    await_running(head, first["id"])
    client.send_signal(signal.SIGKILL)
    client.communicate()
    attached = head.submit(job, "--wait", "--json")
    time.sleep(3)
    assert attached.poll() is None, "the job went on"
    head.stop(first["id"])
    out, said = attached.communicate(timeout=120)
    assert (attached.returncode, json.loads(out)["id"]) == (143, first["id"]), said
    report = read_at(first["report_place"])
    assert (report.exit_code, report.submission) == (143, first["id"])
    code, second, said = head.submitted(slow_job(place, "0"), "--at", "2026-11-28T02:00Z", "--wait")
    assert (code, second["new"], second["run_report"]["run"]) == (0, True, 1), said


def test_a_job_that_runs_for_too_long_is_stopped_and_tried_again_if_that_is_asked_for(head: Head, place: Path) -> None:
    code, report, said = head.submitted(slow_job(place, "2", timeouts={"run": 4}), "--wait")
    assert code == 124 and "ran for longer than 4 s" in report["why"], said
    code, again, said = head.submitted(slow_job(place, "2"), "--again", "--wait")
    assert (code, again["new"], again["attempt"]) == (0, True, 2) and again["id"] != report["id"], said
    code, done, said = head.submitted(slow_job(place, "2"), "--again", "--wait")
    assert (code, done["new"], done["done"], done["id"]) == (0, False, True, again["id"]), said


def test_who_has_no_token_is_refused(head: Head, place: Path) -> None:
    code, _, said = head.submitted(job_file(place), RAY_AUTH_TOKEN="f" * 64)
    assert code == 5 and "/api/jobs/" not in said and TOKEN not in said and "f" * 64 not in said
