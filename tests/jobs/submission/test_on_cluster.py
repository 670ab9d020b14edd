"""Jobs on a Ray cluster of three machines with a bucket: killed, stopped, overlapping, and the same archive after all.

The machines are network namespaces (tests/support/cluster). `make cluster` runs this file, and shows its figures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import tilepress
from tests.support.cluster.machines import Lab, Loopback
from tests.support.cluster.ray_nodes import RayNodes
from tests.support.interrupted import contents, make_source, uninterrupted
from tilepress.pipeline.storage.base import open_storage

IMAGES = 10
SETTINGS = {"codec": "test-slow", "tile": 64, "shard_size": 9000}
SHOWN = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED")
SECRET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
SLOTS = ("2026-11-27T02:00Z", "2026-11-28T02:00Z")
pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(900)]


@dataclass
class Site:
    """A cluster, a bucket with pictures, and what an undisturbed run on this machine makes of them."""

    nodes: RayNodes
    source: str
    wanted: dict[str, bytes]
    new_prefix: Callable[[], str]
    folder: Path
    shown: dict[str, str] = field(default_factory=dict)

    def job(self, archive: str, seconds: float, **changes: Any) -> Path:
        """A file of a job that compresses the pictures; `seconds` of a tile, of which a picture has two."""
        arguments = {"source": self.source, "archive": archive, "engine": "ray", **SETTINGS}
        arguments |= changes.pop("arguments", {})
        environment = {**self.shown, "TILEPRESS_TEST_SECONDS": str(seconds)}
        environment["TILEPRESS_DATE"] = os.environ["TILEPRESS_DATE"]
        secrets = {name: {"file": str(self.nodes.folder / name)} for name in SECRET}
        job = {"name": "cluster", "verb": "compress", "arguments": arguments}
        file = self.folder / f"{archive.rpartition('/')[2]}.yaml"
        file.write_text(yaml.safe_dump({**job, "environment": environment, "secrets": secrets, **changes}))
        return file

    def submit(self, job: Path, *options: str, **environment: str) -> Client:
        return Client(
            [sys.executable, "-m", "tilepress", "submit", str(job), "--on", "ray", "--json", "--wait", *options],
            {**self.nodes.environment, **os.environ, "RAY_AUTH_MODE": "token", **environment},
            self.nodes.dashboard,
        )

    def is_as_wanted(self, archive: str) -> bool:
        """Whether an archive verifies, and holds the very objects of the undisturbed run."""
        verified = subprocess.run(
            [sys.executable, "-m", "tilepress", "verify", archive], capture_output=True, text=True
        )
        assert verified.returncode == 0, verified.stdout + verified.stderr
        return contents(archive) == self.wanted


class Client:
    """A `tilepress submit --wait` that runs."""

    def __init__(self, words: list[str], environment: dict[str, str], dashboard: str) -> None:
        self.began = time.monotonic()
        environment = {**environment, "RAY_API_SERVER_ADDRESS": dashboard}
        self._process = subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Exit code, report and the rest."""
        out, said = self._process.communicate(timeout=400)
        return self._process.returncode, json.loads(out) if out.strip() else {}, said

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 1)


@pytest.fixture(scope="module")
def site(plugin: Path, server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="tpc-"))  # short: paths of sockets have at most 107 characters
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RAY_"))}
    machines = Lab() if Lab.is_permitted() else Loopback()
    try:
        with machines, server_class(machines.address) as server, pytest.MonkeyPatch.context() as patch:
            for name, value in server.environment.items():
                patch.setenv(name, value)
            for name in SECRET:
                (folder / name).write_text(server.environment[name])
            nodes = RayNodes(machines, folder, foreign)
            for _ in range(2):
                nodes.add_worker()
            patch.setenv("RAY_AUTH_TOKEN_PATH", nodes.environment["RAY_AUTH_TOKEN_PATH"])
            source, wanted = pictures(server.new_prefix(), tmp_path_factory.mktemp("local"), patch)
            nodes.await_nodes(3)
            shown = {name: server.environment[name] for name in SHOWN}
            yield Site(nodes, source, wanted, server.new_prefix, tmp_path_factory.mktemp("jobs"), shown)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pictures(bucket: str, folder: Path, patch: pytest.MonkeyPatch) -> tuple[str, dict[str, bytes]]:
    """Put pictures into a bucket; return its URL, and what an undisturbed run on this machine makes of them."""
    local, storage = make_source(folder / "source", IMAGES), open_storage(bucket)
    for file in sorted(path for path in local.rglob("*") if path.is_file()):
        storage.create(str(file.relative_to(local)), file.read_bytes())
    patch.setenv("TILEPRESS_TEST_SECONDS", "0")
    return bucket, uninterrupted(bucket, folder / "wanted", **SETTINGS)  # type: ignore[arg-type]  # a URL does, too


@pytest.fixture
def figures(site: Site, figures: dict[str, Any]) -> dict[str, Any]:
    """What a test counts: shown when all have run."""
    figures["machines"] = site.nodes.machines.kind
    return figures


def await_parts(archive: str, count: int, client: Client) -> None:
    """Wait until an archive has so many parts."""
    storage, end = open_storage(archive), time.monotonic() + 200
    while sum("/parts/" in file.name for file in storage.list("runs/")) < count:
        assert not client.ended, client.end()
        assert time.monotonic() < end, f"{archive} gets no parts"
        time.sleep(0.2)


def parts(archive: str) -> int:
    return sum("/parts/" in file.name for file in open_storage(archive).list("runs/"))


def test_a_job_makes_the_archive_that_a_run_on_one_machine_makes(site: Site, figures: dict[str, Any]) -> None:
    archive = site.new_prefix()
    client = site.submit(site.job(archive, 0))
    code, report, said = client.end()
    assert (code, report.get("job_exit_code"), report.get("new")) == (0, 0, True), said
    assert site.is_as_wanted(archive)
    figures |= {"exit code": code, "files": IMAGES + 1, "parts": parts(archive), "seconds": client.seconds}


def test_a_worker_that_loses_power_costs_a_retry(site: Site, figures: dict[str, Any]) -> None:
    archive = site.new_prefix()
    client = site.submit(site.job(archive, 1.0))
    await_parts(archive, 2, client)
    before = parts(archive)
    figures |= {"parts before": before, "processes killed": site.nodes.kill_worker()}
    code, report, said = client.end()
    assert code == 0, said
    assert site.is_as_wanted(archive)
    retries = report["run_report"]["retries"]
    assert before < parts(archive) and sum(retries.values()) >= 1
    figures |= {"exit code": code, "retries": retries, "seconds": client.seconds}
    site.nodes.add_worker()
    site.nodes.await_nodes(3)


def test_a_job_that_is_stopped_goes_on_where_it_was(site: Site, figures: dict[str, Any]) -> None:
    archive = site.new_prefix()
    job = site.job(archive, 1.0)
    client = site.submit(job)
    await_parts(archive, 2, client)
    [running] = [each for each in site.nodes.ask("/api/jobs/") if each["status"] == "RUNNING"]
    site.nodes.ray("job", "stop", "--no-wait", "--address", site.nodes.dashboard, running["submission_id"])
    code, report, said = client.end()
    assert (code, report["job_exit_code"], report["why"]) == (143, 143, "terminated"), said
    before = {file.name: file.modified_ns for file in open_storage(archive).list("runs/") if "/parts/" in file.name}
    assert 2 <= len(before) < len([name for name in site.wanted if "/parts/" in name])
    again = site.submit(site.job(archive, 0))
    second, report, said = again.end()
    assert second == 0, said
    assert site.is_as_wanted(archive)
    after = {file.name: file.modified_ns for file in open_storage(archive).list("runs/")}
    assert all(after[name] == moment for name, moment in before.items())
    figures |= {"exit codes": f"{code}, {second}", "parts kept": len(before), "parts": parts(archive)}


def overlapping(site: Site, archive: str, if_busy: str) -> tuple[Client, Client]:
    """Two slots of a nightly job, the second one submitted while the first one is at work for 40 s."""
    job = site.job(archive, 4.0, schedule="0 2 * * *", arguments={"if_busy": if_busy})
    first = site.submit(job, "--at", SLOTS[0])
    await_parts(archive, 1, first)
    return first, site.submit(job, "--at", SLOTS[1])


def test_a_night_that_finds_the_last_one_at_work_leaves_it_alone(site: Site, figures: dict[str, Any]) -> None:
    archive = site.new_prefix()
    first, second = overlapping(site, archive, "skip")
    here: dict[str, Any] = {"if_busy": "skip", "engine": "local", **SETTINGS}
    assert "`compress`" in tilepress.compress(site.source, archive, **here).busy, "of a machine with the same name"
    code, report, said = second.end()
    assert (code, report["new"], first.ended) == (0, True, False), said
    assert "is busy with `compress`" in said and "nothing was done" in said
    ended, report, said = first.end()
    assert ended == 0, said
    assert site.is_as_wanted(archive)
    figures |= {"exit codes": f"{ended}, {code}", "seconds": f"{first.seconds}, {second.seconds}"}


def test_two_nights_share_the_work(site: Site, figures: dict[str, Any]) -> None:
    archive = site.new_prefix()
    first, second = overlapping(site, archive, "share")
    ends = [client.end() for client in (first, second)]
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert ends[0][1]["id"] != ends[1][1]["id"]
    assert site.is_as_wanted(archive)
    counts = [report["run_report"]["counts"] for _, report, _ in ends]
    conflicts = sum(each["commit_conflicts"] for each in counts)
    assert conflicts <= 1, "what one was at work on the other left alone"
    figures |= {"exit codes": "0, 0", "parts": parts(archive), "conflicts": conflicts}
    figures |= {"seconds": f"{first.seconds}, {second.seconds}"}


def test_a_wrong_token_is_refused_and_nothing_is_written(site: Site, figures: dict[str, Any]) -> None:
    archive, wrong = site.new_prefix(), site.folder / "wrong"
    wrong.write_text("f" * 64)
    jobs = len(site.nodes.ask("/api/jobs/"))
    client = site.submit(site.job(archive, 0), RAY_AUTH_TOKEN_PATH=str(wrong))
    code, _, said = client.end()
    assert code == 5 and "RAY_AUTH_TOKEN_PATH" in said and "Traceback" not in said, said
    assert "f" * 64 not in said
    assert not list(open_storage(archive).list()) and not list(open_storage(f"{archive}.reports").list())
    assert len(site.nodes.ask("/api/jobs/")) == jobs
    figures |= {"exit code": code, "seconds": client.seconds, "said": json.loads(said.splitlines()[-1])}
