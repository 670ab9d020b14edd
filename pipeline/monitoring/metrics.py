"""The metrics of tilepress, each once: name, kind and help; and what they read, from what a command has counted.

Names follow Prometheus' conventions: a prefix, base units, `_total` for what only grows. Labels have few values:
the verb, the archive, the number of the run, and the cause of a retry.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tilepress.pipeline.monitoring.scope import Command
from tilepress.pipeline.tally import ACTOR_BUSY_MS, ACTOR_MS, TALLY, retries

PREFIX = "tilepress_"
COMMAND_LABELS = ("verb", "archive", "run")


@dataclass(frozen=True)
class Metric:
    """A metric: `name` without the prefix."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = COMMAND_LABELS

    @property
    def full_name(self) -> str:
        """The name that Prometheus knows."""
        return PREFIX + self.name


@dataclass(frozen=True)
class Reading:
    """The value of a metric, under these labels, now."""

    metric: Metric
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float = 0.0


_COUNTED = {
    "images": Metric("images_total", "counter", "Files done, those included that an earlier command did."),
    "tiles": Metric("tiles_total", "counter", "Tiles of these files."),
    "bytes_in": Metric("in_bytes_total", "counter", "Bytes of the files in their source."),
    "bytes_out": Metric("out_bytes_total", "counter", "Bytes that hold them in the archive, or that were written."),
    "shards_planned": Metric("shards_planned", "gauge", "Units of work that there are."),
    "shards_done": Metric("shards_done_total", "counter", "Units of work that are done."),
    "commit_conflicts": Metric("commit_conflicts_total", "counter", "Parts that another process created first."),
    "verify_failures": Metric("verify_failures_total", "counter", "Images or files that are not what they should be."),
    "quarantined": Metric("quarantined_files_total", "counter", "Files that crash whoever compresses them."),
}  # by the names of tally.py
_TIMES = {
    ACTOR_BUSY_MS: Metric("actor_busy_seconds_total", "counter", "Time that processes for networks worked, on Ray."),
    ACTOR_MS: Metric("actor_seconds_total", "counter", "Time that processes for networks were there, on Ray."),
}
_RETRIES = Metric("retries_total", "counter", "Attempts beyond the first.", (*COMMAND_LABELS, "cause"))
_STARTED = Metric("start_timestamp_seconds", "gauge", "When the command began.")
_LAST_COMMIT = Metric("last_commit_timestamp_seconds", "gauge", "When a shard was last done; at first the beginning.")
_RUNNING = Metric("running", "gauge", "1 while the command runs (or if it was killed), 0 when it has ended.")
_EXIT_CODE = Metric("exit_code", "gauge", "How the command ended: 0 complete, 3 something to look at; see --help.")
_LAST_SUCCESS = Metric(
    "last_success_timestamp_seconds", "gauge", "When the command ended with 0 or 3.", ("verb", "archive")
)
METRICS = (*_COUNTED.values(), *_TIMES.values(), _RETRIES, _STARTED, _LAST_COMMIT, _RUNNING, _EXIT_CODE, _LAST_SUCCESS)


def progress_readings(command: Command, *, running: bool = True) -> Iterator[Reading]:
    """Yield what a command has done so far."""
    counts, labels = command.counts, _labels(command)
    for name, metric in _COUNTED.items():
        yield Reading(metric, labels, counts[name])
    for name, metric in _TIMES.items():
        if counts[ACTOR_MS]:
            yield Reading(metric, labels, counts[name] / 1000)
    for cause, count in retries(counts).items():
        yield Reading(_RETRIES, {**labels, "cause": cause}, count)
    yield Reading(_STARTED, labels, command.started)
    yield Reading(_LAST_COMMIT, labels, max(command.started, TALLY.last("shards_done")))
    yield Reading(_RUNNING, labels, float(running))


def end_readings(command: Command, exit_code: int, *, success: bool) -> Iterator[Reading]:
    """Yield how a command has ended; a `success` is dated with the present moment."""
    labels = _labels(command)
    yield Reading(_EXIT_CODE, labels, exit_code)
    if success:
        yield Reading(_LAST_SUCCESS, {name: labels[name] for name in _LAST_SUCCESS.labels}, time.time())


def _labels(command: Command) -> dict[str, str]:
    return {"verb": command.verb, "archive": command.archive, "run": str(command.run or "")}
