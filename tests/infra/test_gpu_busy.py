"""The busy share of an actor: what counts, and that nothing an actor did is missing when it is counted."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from infra.gpu import busy
from infra.gpu.busy import actor_spans, covered, heard_to_the_end


def test_busy_seconds_do_not_count_twice_what_overlaps():
    assert covered([(3.0, 4.0), (0.0, 2.0), (1.0, 2.5), (1.2, 1.3)]) == pytest.approx(3.5)
    events = [
        {"cat": "task::CodecActor.analyse", "name": "analyse", "tid": "a", "ts": 5e6, "dur": 2e6},
        {"cat": "task::CodecActor.device", "name": "device", "tid": "a", "ts": 5e6, "dur": 2e6},
        {"cat": "task::CodecActor.synthesise", "name": "synthesise", "tid": "b", "ts": 1e6, "dur": 2e6},
        {"cat": "task:execute", "name": "task:execute", "tid": "a", "ts": 5e6, "dur": 2e6},
    ]
    assert actor_spans(events, since=4.0) == {"a": [(5.0, 7.0)]}


class SlowToTell:
    """Ray, whose timeline has an actor's calls only after it was asked for `times` times."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, times: int) -> None:
        self.done: list[str] = []
        self._times = times
        self.actor = SimpleNamespace(device=SimpleNamespace(remote=lambda: time.time()))

    def get(self, called: float, timeout: float) -> None:
        self.done.append("called")
        self._called = called

    def timeline(self) -> list[dict[str, Any]]:
        self._times -= 1
        self.done.append("asked")
        calls = [0.0] + [self._called] * (self._times <= 0)  # it was called when it began, too
        return [{"cat": "task::CodecActor.device", "name": "device", "tid": "a", "ts": at * 1e6} for at in calls]

    def kill(self, actor: object) -> None:
        self.done.append("killed")


def test_an_actor_is_not_killed_before_all_that_it_did_is_in_the_timeline():
    ray = SlowToTell(times=3)
    kill = ray.kill
    with heard_to_the_end(ray, lambda: ray.done.append("over")) as unheard:
        ray.kill(ray.actor)
    assert ray.done == ["over", "called", "asked", "asked", "asked", "killed"] and unheard == []
    assert ray.kill == kill


def test_an_actor_that_is_never_heard_of_is_killed_all_the_same_and_named(monkeypatch):
    monkeypatch.setattr(busy, "_PATIENCE_S", 0.5)
    ray = SlowToTell(times=10**6)
    with heard_to_the_end(ray, lambda: None) as unheard:
        ray.kill(ray.actor)
    assert ray.done[-1] == "killed" and unheard == [str(ray.actor)]


def test_an_actor_that_is_dead_is_not_waited_for(monkeypatch):
    ray = SlowToTell(times=1)

    def dead(called: float, timeout: float) -> None:
        raise RuntimeError("the actor died")

    monkeypatch.setattr(ray, "get", dead)
    with heard_to_the_end(ray, lambda: None) as unheard:
        ray.kill(ray.actor)
    assert ray.done == ["killed"] and unheard == [str(ray.actor)]
