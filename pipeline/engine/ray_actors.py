"""Networks in actors: a codec's device steps run there, and a worker codes other batches meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import ray
from ray import exceptions as ray_errors

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.pipeline.coding.codec_pool import CodecPool, one_torch_thread
from tilepress.pipeline.engine.ray_environment import adopt
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.errors import ActorLostError
from tilepress.pipeline.storage.base import Location

_ON_DEVICE = 2  # batches on a GPU at a time: one is computed while another one is copied
CALLS_AT_ONCE = _ON_DEVICE + 2  # of an actor: batches come and go while others are on the device


class RemoteNetworks:
    """Device steps in actors, batches dealt to them in turn. The calling thread waits; others may call meanwhile."""

    def __init__(self, actors: tuple[Any, ...], first: int, most: int) -> None:
        """Prepare for calls.

        Args:
            actors: CodecActors.
            first: Where to begin, so that workers do not all begin with the same actor.
            most: Bytes that may be with actors at a time, tiles going there and coming back: what the object store
                has for this worker. A batch that is larger goes alone.
        """
        self._actors = actors
        self._next = first
        self._room = _Room(most)

    def prepare(self, reference: str, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """See Networks."""
        with self._room.taken(sum(tile.nbytes for tile in tiles)):
            made: bytes = _of_actor(self._actor().prepare.remote(reference, list(tiles), spec, settings))
            return made

    def analyse(
        self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes
    ) -> Symbols:
        """See Networks."""
        with self._room.taken(2 * tiles.nbytes):
            call = self._actor().analyse.remote(reference, tiles, spec, settings, side_information)
            symbols: Symbols = _of_actor(call)
            # What comes out of the object store is read-only, and kernels are compiled for writable arrays. Besides, a
            # copy makes room there at once, and takes a thousandth of the time that coding does.
            symbols.arrays = {name: array.copy() for name, array in symbols.arrays.items()}
            return symbols

    def synthesise(self, reference: str, symbols: Symbols, side_information: bytes) -> Tiles:
        """See Networks."""
        count = len(next(iter(symbols.arrays.values())))
        with self._room.taken(2 * count * symbols.spec.nbytes):
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


class _Room:
    """Bytes that threads share; each waits until there is room for what it needs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, nbytes: int) -> Iterator[None]:
        """Open a context in which `nbytes` are taken, or all that there are."""
        nbytes = min(nbytes, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + nbytes <= self._most)
            self._taken += nbytes
        try:
            yield
        finally:
            with self._changed:
                self._taken -= nbytes
                self._changed.notify_all()


class _Clock:
    """Counts the time in which something is done, by one thread or several."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._since = self._spent = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Open a context whose time counts."""
        with self._lock:
            if not self._threads:
                self._since = time.monotonic()
            self._threads += 1
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                if not self._threads:
                    self._spent += time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        """The time until now."""
        with self._lock:
            return self._spent + (time.monotonic() - self._since if self._threads else 0.0)


@ray.remote
class CodecActor:
    """Holds codec models on one device. Calls come from several threads, so that batches travel during another's."""

    def __init__(self, archive: Location, variables: tuple[tuple[str, str], ...], device: str) -> None:
        """`device`: "cpu" or "cuda"."""
        adopt(variables)
        self._began, self._busy = time.monotonic(), _Clock()
        self._device = device
        self._free = threading.Semaphore(1 if device == "cpu" else _ON_DEVICE)
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
        return round(1000 * self._busy.seconds), round(1000 * (time.monotonic() - self._began))

    def prepare(self, reference: str, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> Any:
        """See Networks; or the RemoteError."""
        writable = [tile.copy() for tile in tiles]  # what comes out of the object store is not
        return self._on_device(reference, lambda codec: codec.prepare(writable, spec, settings))

    def analyse(self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes) -> Any:
        """See Networks; or the RemoteError."""
        return self._on_device(reference, lambda codec: codec.analyse(tiles, spec, settings, side_information))

    def synthesise(self, reference: str, symbols: Symbols, side_information: bytes) -> Any:
        """See Networks; or the RemoteError."""
        return self._on_device(reference, lambda codec: codec.synthesise(symbols, side_information))

    def _on_device(self, reference: str, step: Callable[[Codec], Any]) -> Any:
        try:
            with self._free, self._busy.running():
                one_torch_thread()
                return step(self._pool.codec(reference))
        except Exception as exc:  # noqa: BLE001 - raised again by the caller
            return RemoteError.of(exc)
