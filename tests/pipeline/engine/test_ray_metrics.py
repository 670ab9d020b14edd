"""What Prometheus learns of a command on Ray: the driver tells Ray's own metrics, each count once."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import pytest

from tilepress import compress, verify
from tilepress.pipeline.engine import ray_metrics

from .test_engine import make_source

ON_CPUS = {"engine": "ray", "workers": 2, "gpus_per_actor": 0}


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


def test_the_driver_tells_what_was_done_and_how_busy_actors_were(told, tmp_path) -> None:
    archive = str(tmp_path / "a")
    report = compress(
        str(make_source(tmp_path / "source")), archive, codec="block-dnn-16", shard_size=40_000, **ON_CPUS
    )
    labels = ("compress", archive, "1")
    assert told["tilepress_shards_done_total", *labels] == told["tilepress_shards_planned", *labels] == report.shards
    assert told["tilepress_images_total", *labels] == report.summary.images.total()
    assert 0 < told["tilepress_actor_busy_seconds_total", *labels] < told["tilepress_actor_seconds_total", *labels]
    assert told["tilepress_running", *labels] == 0
    checked = verify(archive, **ON_CPUS)
    assert told["tilepress_images_total", "verify", archive, ""] == checked.images
