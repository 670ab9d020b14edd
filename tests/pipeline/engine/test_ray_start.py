"""Starting a local cluster: what this machine lacks, what Ray raises about it, and what a killed driver left."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import ray

from tilepress.pipeline.engine import ray_cluster
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.engine.ray_remains import end_orphaned_agents
from tilepress.pipeline.errors import EngineError

CONFIG = EngineConfig("ray", 1)


@pytest.fixture
def started_with(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The options that Ray would be started with."""
    options: dict[str, object] = {}
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **given: options.update(given))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return options


def test_objects_lie_in_shared_memory_unless_that_is_read_only(started_with, tmp_path, monkeypatch):
    for shared, writable, folder in (
        (tmp_path, True, None),
        (tmp_path, False, tempfile.gettempdir()),
        (tmp_path / "missing", False, None),
    ):
        monkeypatch.setattr(ray_cluster, "_SHARED_MEMORY", shared)
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda *_, allowed=writable: allowed)  # the superuser may write everywhere
            assert ray_cluster.connect(CONFIG)
        assert started_with.pop("_plasma_directory", None) == folder


def test_a_cluster_of_its_own_is_started_beside_one_that_runs_here_and_has_room_for_batches_of_all_workers(
    started_with, tmp_path, monkeypatch
):
    monkeypatch.setattr(ray_cluster, "_SHARED_MEMORY", tmp_path)
    for workers, free, store in ((1, 1 << 40, 512), (16, 1 << 40, 2048), (16, 2 << 30, 1024), (16, 1 << 20, 512)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(ray_cluster.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert ray_cluster.connect(EngineConfig("ray", workers))
        assert (started_with["address"], started_with["num_cpus"]) == ("local", workers)
        assert started_with["object_store_memory"] == store << 20


@pytest.mark.parametrize("error", [Exception("The current node timed out"), KeyError("node"), OSError("no /dev/shm")])
def test_whatever_ray_raises_as_it_starts_is_an_error_with_what_to_do(started_with, monkeypatch, error):
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(EngineError, match=r"this machine: .*`engine` local") as caught:
        ray_cluster.connect(CONFIG)
    assert caught.value.__cause__ is error and str(error) in str(caught.value)


@contextmanager
def agent(parent: Path | str, title: str) -> Iterator[psutil.Process]:
    """A process under that title, whose parent is a program of another name."""
    script = f"(exec -a {title} sleep 30) & echo $!; wait"
    with subprocess.Popen(
        [parent, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        while child.cmdline()[:1] != [title]:
            time.sleep(0.001)
        try:
            yield child
        finally:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def test_agents_without_a_server_are_ended_and_no_others(tmp_path):
    bash = shutil.which("bash")
    assert bash is not None
    server, other = (Path(shutil.copy(bash, tmp_path / name)) for name in ("raylet", "init"))
    with (
        agent(server, "ray::DashboardAgent") as served,
        agent(other, "ray::DashboardAgent") as adopted,
        agent(other, "ray::RuntimeEnvAgent") as orphan,
        agent(other, "ray::IDLE") as worker,
    ):
        ended = end_orphaned_agents()
        assert {adopted.pid, orphan.pid} <= set(ended) and not {served.pid, worker.pid, os.getpid()} & set(ended)
        assert served.is_running() and worker.is_running()


def test_a_start_ends_them(started_with, monkeypatch):
    called: list[int] = []
    monkeypatch.setattr(ray_cluster, "end_orphaned_agents", lambda: called.append(1))
    ray_cluster.connect(EngineConfig("ray", 1, ray_address="auto"))
    assert not called  # whose cluster it is, they may be on other machines
    ray_cluster.connect(CONFIG)
    assert called
