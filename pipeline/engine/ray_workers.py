"""What runs in Ray's worker processes: a stage over one shard, and networks in actors."""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from ray import exceptions as ray_errors

from tilepress.codecs.codec import Settings, Symbols, Tiles, TileSpec
from tilepress.pipeline.coding.codec_pool import CodecPool, one_torch_thread
from tilepress.pipeline.engine.engine import Stage, run_stage
from tilepress.pipeline.engine.ray_progress import poster
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.engine.remote_result import Done, done
from tilepress.pipeline.errors import ActorLostError
from tilepress.pipeline.storage.base import Location

_FORWARDED = ("AWS_", "FSSPEC_")  # environment variables that a driver's workers need as much as the driver does


@dataclass(frozen=True)
class WorkerContext:
    """What every worker needs to know besides its task."""

    archive: Location
    environment: tuple[tuple[str, str], ...]
    timeout_s: float
    threads: int = 1
    actors: tuple[Any, ...] = ()
    board: Any = None  # hears of progress; see ray_progress.py
    heard: bool = False  # whether anybody listens to events; see monitoring/lines.py


def environment() -> tuple[tuple[str, str], ...]:
    """Return this process's storage settings. Sent with tasks: a cluster's own workers were started without them."""
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith(_FORWARDED)))


def adopt(variables: tuple[tuple[str, str], ...]) -> None:
    """Take over a driver's storage settings."""
    for name in [name for name in os.environ if name.startswith(_FORWARDED)]:
        del os.environ[name]
    os.environ.update(variables)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End the process, and so the attempt, if it takes longer: native code that hangs cannot be stopped otherwise."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def attempt_shard(stage: Stage, task: Any, context: WorkerContext, attempt: int) -> Done:
    """Make an attempt at a stage over one shard; a worker has one at a time."""
    return done(lambda: _result(stage, task, context, attempt), heard=context.heard)


run_shard: Any = ray.remote(attempt_shard)  # which workers import: Ray would copy what a decorated function names


def _result(stage: Stage, task: Any, context: WorkerContext, attempt: int) -> Any:
    with _time_limit(context.timeout_s):
        adopt(context.environment)
        pool = _pool(context, task.number)
        if context.board is not None:
            pool = pool.told_to(poster(context.board, task.number))
        return run_stage(stage, task, context.archive.open(), pool, attempt)


_LATEST: list[tuple[Any, CodecPool]] = []  # the codec pool of this process, so that models are loaded once


def _pool(context: WorkerContext, shard: int) -> CodecPool:
    """Return the codec pool of an archive; only the latest is kept, since a worker may see many archives."""
    key = (context.archive, context.environment, context.threads, tuple(a._actor_id for a in context.actors))
    if not _LATEST or _LATEST[0][0] != key:
        networks = RemoteNetworks(context.actors, shard) if context.actors else None
        pool = CodecPool(context.archive.open(), networks=networks, threads=context.threads)
        _LATEST[:] = [(key, pool)]
    return _LATEST[0][1]


class RemoteNetworks:
    """Device steps in actors, batches dealt to them in turn."""

    def __init__(self, actors: tuple[Any, ...], first: int) -> None:
        """`first`: where to begin, so that workers do not all begin with the same actor."""
        self._actors = actors
        self._next = first

    def prepare(self, reference: str, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """See Networks."""
        side_information: bytes = _of_actor(self._actor().prepare.remote(reference, list(tiles), spec, settings))
        return side_information

    def analyse(
        self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes
    ) -> Symbols:
        """See Networks."""
        symbols: Symbols = _of_actor(self._actor().analyse.remote(reference, tiles, spec, settings, side_information))
        # what comes out of the object store is read-only, and kernels are compiled for writable arrays
        symbols.arrays = {name: array.copy() for name, array in symbols.arrays.items()}
        return symbols

    def synthesise(self, reference: str, symbols: Symbols, side_information: bytes) -> Tiles:
        """See Networks."""
        tiles: Tiles = _of_actor(self._actor().synthesise.remote(reference, symbols, side_information))
        return tiles.copy()

    def _actor(self) -> Any:
        self._next += 1
        return self._actors[self._next % len(self._actors)]


def _of_actor(ref: Any) -> Any:
    try:
        found = ray.get(ref)
    except ray_errors.RayActorError as exc:
        raise ActorLostError(f"the process that runs the networks died: {exc}") from exc
    if isinstance(found, RemoteError):
        raise found.error()
    return found


@ray.remote
class CodecActor:
    """Holds codec models on one device."""

    def __init__(self, archive: Location, variables: tuple[tuple[str, str], ...], device: str) -> None:
        """`device`: "cpu" or "cuda"."""
        adopt(variables)
        self._began, self._busy_s = time.monotonic(), 0.0
        self._device = device
        self._pool = CodecPool(archive.open(), device)

    def device(self) -> Any:
        """Return the device, once it has been seen to work; or the RemoteError."""
        import torch

        try:
            torch.zeros(1, device=self._device)
        except Exception as exc:  # noqa: BLE001 - torch raises what it likes about drivers
            return RemoteError.of(exc)
        return self._device

    def spent(self) -> tuple[int, int]:
        """Return milliseconds that it worked, and that it was there to work."""
        return round(1000 * self._busy_s), round(1000 * (time.monotonic() - self._began))

    @contextmanager
    def _working(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._busy_s += time.monotonic() - began

    def prepare(self, reference: str, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> Any:
        """See Networks; or the RemoteError."""
        try:
            one_torch_thread()
            with self._working():  # what comes out of the object store is read-only
                return self._pool.codec(reference).prepare([tile.copy() for tile in tiles], spec, settings)
        except Exception as exc:  # noqa: BLE001 - raised again by the caller
            return RemoteError.of(exc)

    def analyse(self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes) -> Any:
        """See Networks; or the RemoteError."""
        try:
            one_torch_thread()
            with self._working():
                return self._pool.codec(reference).analyse(tiles, spec, settings, side_information)
        except Exception as exc:  # noqa: BLE001 - raised again by the caller
            return RemoteError.of(exc)

    def synthesise(self, reference: str, symbols: Symbols, side_information: bytes) -> Any:
        """See Networks; or the RemoteError."""
        try:
            one_torch_thread()
            with self._working():
                return self._pool.codec(reference).synthesise(symbols, side_information)
        except Exception as exc:  # noqa: BLE001 - raised again by the caller
            return RemoteError.of(exc)
