"""Drivers, workers and whole nodes are killed at any moment: the archive is that of an uninterrupted run."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.faults import stages
from tests.support.faults.amounts import amount
from tests.support.faults.killing import Nodes, killing_workers
from tests.support.interrupted import ONE, command, contents, identities, make_source, uninterrupted
from tilepress.jobs.archives import compress as compress_job
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.storage.base import open_storage

HOW = {"codec": "test-slow", "tile": 32, "shard_size": 9000}  # some 12 shards
DRIVERS, WORKERS, RAYLETS = amount(4, 10), amount(8, 25), amount(1, 5)  # on each of two kinds of storage
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("kills") / "source", 24)


@pytest.fixture(scope="module")
def wanted(source: Path, plugin: Path) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILEPRESS_TEST_SECONDS", "0")
        return uninterrupted(source, source.parent / "wanted", **HOW)


def aws() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def check(archive: str, wanted: dict[str, bytes]) -> None:
    """The archive is the wanted one, to the last byte, and sound. Marks of killed drivers may be left over."""
    found = contents(archive)
    assert {name: data for name, data in found.items() if "/taken-" not in name and "lease/" not in name} == wanted
    assert tilepress.verify(archive, **ONE).exit_code == 0


def test_drivers_killed_at_random_moments(storage_root, source, wanted, plugin, figures) -> None:
    import tilepress_test_drivers as drivers

    rng, kills, runs = random.Random(14), 0, 0
    environment, options = aws() | {"TILEPRESS_TEST_SECONDS": "0.02"}, HOW | {"engine": "local", "workers": 2}
    while kills < DRIVERS:
        archive, done = f"{storage_root}/{runs}", False
        while not done:
            before = identities(archive)
            child = drivers.start(drivers.run, str(source), archive, options, environment)
            child.join(rng.uniform(0.1, 2.0) if kills < DRIVERS else None)
            child.kill()
            child.join()
            done, kills = child.exitcode == 0, kills + (child.exitcode != 0)
            assert before.items() <= identities(archive).items(), "a part was lost, or written again"
        check(archive, wanted)
        runs += 1
    figures |= {"drivers killed": kills, "archives": runs}


def test_workers_killed_at_random_moments(storage_root, source, wanted, ray_cluster, monkeypatch, figures) -> None:
    ray_cluster.cloudpickle.register_pickle_by_value(stages)
    monkeypatch.setattr(compress_job, "encode_shard", stages.noted)
    monkeypatch.setattr(engines, "FIRST_DELAY_S", 0.05)
    notes = source.parent / stages.AT_WORK
    notes.mkdir(exist_ok=True)
    kills, runs = 0, 0
    while kills < WORKERS:
        archive = f"{storage_root}/{runs}"
        with killing_workers(notes, WORKERS - kills, seed=runs) as killed:
            report = tilepress.compress(str(source), archive, engine="ray", workers=2, gpus_per_actor=0, **HOW)
        assert report.exit_code == 0
        check(archive, wanted)
        kills, runs = kills + len(killed), runs + 1
    figures |= {"workers killed": kills, "archives": runs}


@pytest.fixture
def nodes(s3_server, plugin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0.2")
    made = Nodes()
    yield made
    made.shutdown()


def test_raylets_killed_in_the_middle(storage_root, source, wanted, nodes: Nodes, figures) -> None:
    rng, kills, runs, commands = random.Random(7), 0, 0, 0
    while kills < RAYLETS:
        archive, code = f"{storage_root}/{runs}", None
        while code != 0:  # a shard that lost too many nodes ends the command, which goes on when it is repeated
            driver = compressing(source, archive, nodes)
            commands += 1
            while kills < RAYLETS and begun(archive, driver):
                time.sleep(rng.uniform(0, 1.0))
                nodes.kill_raylet(rng.randrange(2))
                kills += 1
            _, said = driver.communicate(timeout=300)
            code = driver.returncode
            assert code in (0, 5), said
        check(archive, wanted)
        runs += 1
    figures |= {"raylets killed": kills, "archives": runs, "commands": commands}


def compressing(source: Path, archive: str, nodes: Nodes) -> Any:
    how = ["--codec", HOW["codec"], "--tile", HOW["tile"], "--shard-size", HOW["shard_size"]]
    return command("compress", source, archive, *how, "--engine", "ray", "--ray-address", nodes.address)


def begun(archive: str, driver: Any) -> bool:
    """Wait until the driver has committed something more; False once it has ended."""
    before = parts_of(archive)
    while driver.poll() is None:
        if parts_of(archive) > before:
            return True
        time.sleep(0.1)
    return False


def parts_of(archive: str) -> int:
    return sum(1 for _ in open_storage(archive).list("runs/0001/parts/"))
