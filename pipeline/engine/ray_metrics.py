"""Metrics of a command by Ray: the driver tells Ray's metrics agent, which Prometheus asks on every node.

Ray puts `ray_` before the names. Only the driver tells: what workers count comes with their results (ray_workers.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray import exceptions as ray_errors
from ray.util.metrics import Counter, Gauge

from tilepress.pipeline.monitoring.metrics import Metric, Reading, progress_readings
from tilepress.pipeline.monitoring.scope import COMMAND, Command
from tilepress.pipeline.tally import ACTOR_BUSY_MS, ACTOR_MS, TALLY

_EVERY_S = 5.0
_LAST_ANSWERS_S = 10.0  # for all actors together: one whose node is gone never answers
_Key = tuple[str, ...]  # of a reading: its name and the values of its labels


class RayMetrics:
    """The readings of the command at work, told to Ray now and then."""

    def __init__(self, actors: Sequence[Any] = ()) -> None:
        """`actors`: those whose busy time is counted."""
        self._command = COMMAND.get() or Command()
        self._made: dict[Metric, Counter | Gauge] = {}
        self._clock = ActorClock(actors)
        self._next = float("-inf")

    def tell_often(self) -> None:
        """Tell Ray the readings, if it is time to. Call it often: it waits for nothing."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_S
            self._clock.look()
            self.tell()

    def end(self) -> None:
        """Tell Ray the last readings, and that nothing is running any more; the actors are still there."""
        with suppress(ray_errors.RayError):  # the cluster is gone: figures do not hide why the command ends
            self._clock.look_last()
        self.tell(running=False)

    def tell(self, *, running: bool = True) -> None:
        """Tell Ray the readings now."""
        told = self._command.told
        for reading in progress_readings(self._command, running=running):
            if reading.metric.kind == "gauge":
                self._of(reading.metric).set(reading.value, tags=dict(reading.labels))
            elif (more := reading.value - told.get(key := _key(reading), 0.0)) > 0:
                self._of(reading.metric).inc(more, tags=dict(reading.labels))
                told[key] = reading.value

    def _of(self, metric: Metric) -> Any:
        if metric not in self._made:
            kind = Gauge if metric.kind == "gauge" else Counter
            self._made[metric] = kind(metric.full_name, metric.help, tag_keys=metric.labels)
        return self._made[metric]


class ActorClock:
    """Counts the time of actors, and how much of it they worked; lost actors are neither waited for nor missed."""

    def __init__(self, actors: Iterable[Any]) -> None:
        """`actors` are CodecActors."""
        self._asked: dict[Any, Any] = dict.fromkeys(actors)  # actor -> the answer that is due
        self._known: dict[Any, Mapping[str, int]] = {}

    def look(self, *, again: bool = True) -> None:
        """Count what has been answered, and ask `again`; waits for nothing."""
        for actor, answer in self._asked.items():
            if answer is not None:
                if not ray.wait([answer], timeout=0)[0]:
                    continue
                self._count(actor, answer)
            self._asked[actor] = actor.spent.remote() if again else None

    def look_last(self) -> None:
        """Count up to now: without it, a command would lack what its actors did after the last look."""
        self._wait()
        self.look()
        self._wait()
        self.look(again=False)  # or Ray would complain of a question to an actor that is ended

    def _wait(self) -> None:
        answers = [answer for answer in self._asked.values() if answer is not None]
        if answers:
            ray.wait(answers, num_returns=len(answers), timeout=_LAST_ANSWERS_S / 2)

    def _count(self, actor: Any, answer: Any) -> None:
        try:
            busy, alive = ray.get(answer)
        except ray_errors.RayError:  # it died: figures are no reason to end a run
            return
        now = {ACTOR_BUSY_MS: busy, ACTOR_MS: alive}
        before = self._known.get(actor, {})
        begun_anew = alive < before.get(ACTOR_MS, 0)
        self._known[actor] = now
        TALLY.merge({name: value - (0 if begun_anew else before.get(name, 0)) for name, value in now.items()})


def _key(reading: Reading) -> _Key:
    return (reading.metric.name, *(reading.labels[name] for name in reading.metric.labels))
