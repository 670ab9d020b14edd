"""How busy `compress --engine ray` keeps the actor that holds the networks, and the device below it.

An actor is busy while it runs a step (from Ray's own timeline); the device's use is what NVIDIA's library samples.
An actor reports its steps a few times a second, and is killed when a run ends: with it would go what it has not
reported. So each is heard to the end first.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tilepress.jobs.archives.compress import CompressConfig, run_compress
from tilepress.pipeline.engine.engine import EngineConfig

_EVERY_S = 0.05
_SHARD_BYTES = 2 << 20  # small, so that many shards are under way side by side
_EVENTS_MS = 200
_ACTOR = "task::CodecActor."
_STEPS = ("analyse", "synthesise")
_LAST = "device"  # a call that an actor answers at once: what it reports of it comes after all else
_PATIENCE_S = 10.0


@contextmanager
def cluster(device: str) -> Iterator[Any]:
    """Ray on this machine, with its GPU or without one; actors on a pretended GPU would fail."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    ray.init(
        num_gpus=1 if device == "cuda" else 0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _system_config={"task_events_report_interval_ms": _EVENTS_MS},
    )
    try:
        yield ray
    finally:
        ray.shutdown()


def measure(ray: Any, model: str, images: Path, device: str) -> dict[str, Any]:
    """Compress `images` with a model (a name or folder): wall time, MP/s, busy shares (0..1) over the run.

    A run over a few images comes first: workers compile their kernels in it. TimeoutError if Ray does not tell what
    the actors did.
    """
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineConfig("ray")
        warm = CompressConfig(
            str(images), f"{folder}/warm", codec=model, include=("*0.tif",), shard_bytes=_SHARD_BYTES, engine=engine
        )
        run_compress(warm)
        config = CompressConfig(str(images), f"{folder}/archive", codec=model, shard_bytes=_SHARD_BYTES, engine=engine)
        started = time.time()
        with _Sampler(device) as sampler, heard_to_the_end(ray, sampler.stop) as unheard:
            report = run_compress(config)
    if unheard:
        raise TimeoutError(f"{model}: Ray did not tell within {_PATIENCE_S:.0f} s what {unheard[0]} did")
    spans = actor_spans(ray.timeline(), started)
    busy = [covered(each) for each in spans.values()]
    whole = max((end for each in spans.values() for _, end in each), default=0.0)
    first = min((begin for each in spans.values() for begin, _ in each), default=0.0)
    return {
        "images": report.summary.images.total(),
        "megapixels": round(report.summary.pixels / 1e6, 2),
        "seconds": report.seconds,
        "mp_per_s": round(report.summary.pixels / 1e6 / max(1e-3, report.seconds), 2),
        "actors": len(spans),
        "actor_busy": round(sum(busy) / max(1, len(busy)) / max(1e-3, report.seconds), 4),
        # without what comes before the first step (processes start, models load) and after the last
        "actor_busy_inside": round(sum(busy) / max(1, len(busy)) / max(1e-3, whole - first), 4),
        "device_busy": sampler.mean,
    }


@contextmanager
def heard_to_the_end(ray: Any, over: Callable[[], None]) -> Iterator[list[str]]:
    """While it lasts, actors are killed when all that they did is in Ray's timeline; gives those that it never was of.

    `over` is called as soon as the first one is to be killed: then the run is over, and only the waiting begins.
    """
    kill, unheard = ray.kill, list[str]()

    def kill_when_heard(actor: Any, **options: Any) -> None:
        over()
        if not _heard(ray, actor):
            unheard.append(str(actor))
        kill(actor, **options)

    ray.kill = kill_when_heard
    try:
        yield unheard
    finally:
        ray.kill = kill


def _heard(ray: Any, actor: Any) -> bool:
    """Whether one more call of an actor came to be in the timeline; it reports in the order in which it worked."""
    asked = time.time()
    try:
        ray.get(getattr(actor, _LAST).remote(), timeout=_PATIENCE_S)
    except ray.exceptions.RayError as exc:
        print(f"{actor} does not answer: {exc}")
        return False
    while time.time() < asked + _PATIENCE_S:
        if any(e.get("cat") == _ACTOR + _LAST and e["ts"] / 1e6 >= asked for e in ray.timeline()):
            return True
        time.sleep(_EVENTS_MS / 1000)
    return False


def actor_spans(events: list[dict[str, Any]], since: float) -> dict[str, list[tuple[float, float]]]:
    """(begin, end) in seconds of every step since a time, by the worker process that ran it."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in events:
        begin = event.get("ts", 0.0) / 1e6
        if event.get("cat", "").startswith(_ACTOR) and event["name"] in _STEPS and begin >= since:
            spans[event["tid"]].append((begin, begin + event["dur"] / 1e6))
    return dict(spans)


def covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in at least one of the spans."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


class _Sampler:
    """Mean use (0..1) of the GPU while the context lasts; None where there is none or it cannot be asked."""

    def __init__(self, device: str) -> None:
        self.mean: float | None = None
        self._read = _utilisation() if device == "cuda" else None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nothing that comes later counts."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        found = []
        while self._read and not self._over.wait(_EVERY_S):
            found.append(self._read() / 100)
        if found:
            self.mean = round(sum(found) / len(found), 4)


def _utilisation() -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetUtilizationRates(handle)
    except Exception as exc:  # noqa: BLE001 - a driver may refuse in many ways; the actor's share is measured anyway
        print(f"the GPU's use cannot be read: {exc}")
        return None
    return lambda: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu
