"""What Prometheus learns of a command on Ray: the driver tells Ray's own metrics, each count once."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import pytest

from tests.support.interrupted import make_source
from tilepress import compress, verify
from tilepress.pipeline.engine import ray_metrics
from tilepress.pipeline.engine.ray_metrics import ActorClock
from tilepress.pipeline.tally import ACTOR_BUSY_MS, ACTOR_MS, TALLY

ON_CPUS = {"engine": "ray", "workers": 2, "gpus_per_actor": 0}
IN_ACTORS = ON_CPUS | {"gpus_per_actor": 1}


class Told:
    """Stands for Ray's counters and gauges; what they were told, by name and tags."""

    sums: ClassVar[Counter[tuple[str, ...]]] = Counter()

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        assert description
        self._name, self._keys = name, tag_keys

    def inc(self, value: float, tags: dict[str, str]) -> None:
        assert value > 0 and tuple(tags) == self._keys
        self.sums[self._name, *tags.values()] += value

    def set(self, value: float, tags: dict[str, str]) -> None:
        self.sums[self._name, *tags.values()] = value


@pytest.fixture
def told(ray_cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    Told.sums = Counter()
    for kind in ("Counter", "Gauge"):
        monkeypatch.setattr(ray_metrics, kind, Told)
    monkeypatch.setattr(ray_metrics, "_EVERY_S", 0.0)
    return Told.sums


def test_the_driver_tells_what_was_done_each_count_once(told, tmp_path) -> None:
    archive = str(tmp_path / "a")
    report = compress(str(make_source(tmp_path / "source", 3)), archive, shard_size=1, **ON_CPUS)
    labels = ("compress", archive, "1")
    assert told["tilepress_shards_done_total", *labels] == told["tilepress_shards_planned", *labels] == report.shards
    assert told["tilepress_images_total", *labels] == report.summary.images.total()
    assert told["tilepress_running", *labels] == 0
    checked = verify(archive, **ON_CPUS)  # files, then images, in one command
    assert told["tilepress_images_total", "verify", archive, ""] == checked.images


def test_time_of_actors_is_counted_also_when_they_begin_anew(ray_cluster) -> None:
    """An actor that answers with one pair after the other; `ray_cluster` is the module `ray`."""

    class Answers:
        def __init__(self) -> None:
            self._left = [(300, 1000), (700, 2000), (100, 500)]

        def spent(self) -> tuple[int, int]:
            return self._left.pop(0) if len(self._left) > 1 else self._left[0]

    actor = ray_cluster.remote(num_cpus=0)(Answers).remote()
    before, clock = TALLY.now(), ActorClock([actor])
    for _ in range(4):
        clock.look()
        ray_cluster.wait([clock._asked[actor]])
    ray_cluster.kill(actor)
    clock.look()
    clock.look()
    clock.look_last()
    assert TALLY.since(before) == {ACTOR_BUSY_MS: 800, ACTOR_MS: 2500}


def test_a_command_that_ends_before_the_second_look_counts_the_time_of_its_actors(ray_cluster) -> None:
    class Answers:
        def __init__(self) -> None:
            self._left = [(0, 10), (300, 1000)]

        def spent(self) -> tuple[int, int]:
            return self._left.pop(0)

    actor = ray_cluster.remote(num_cpus=0)(Answers).remote()
    before, clock = TALLY.now(), ActorClock([actor])
    clock.look()
    clock.look_last()
    assert TALLY.since(before) == {ACTOR_BUSY_MS: 300, ACTOR_MS: 1000}


@pytest.mark.slow
def test_networks_in_actors_are_busy_for_a_part_of_their_time(told, tmp_path) -> None:
    archive = str(tmp_path / "a")
    compress(str(make_source(tmp_path / "source")), archive, codec="block-dnn-16", shard_size=40_000, **IN_ACTORS)
    busy, there = (
        told[f"tilepress_actor_{name}", "compress", archive, "1"] for name in ("busy_seconds_total", "seconds_total")
    )
    assert 0 < busy < there
