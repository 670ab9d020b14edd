"""Work of requests in threads: few at a time, one of the large ones, and none for a browser that has gone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from anyio import CapacityLimiter
from starlette.requests import Request

from tilepress.jobs.viewer.errors import Abandoned

Result = TypeVar("Result")
_LARGE = 1 << 23  # pixels that a request is made from: what takes more than some 30 MB


class Waiting:
    """Whether a request is still wanted: threads ask, the event loop tells."""

    def __init__(self) -> None:
        """It is wanted."""
        self._gone = threading.Event()

    def give_up(self) -> None:
        """Note that nobody waits any more."""
        self._gone.set()

    def check(self) -> None:
        """Raise Abandoned if nobody waits."""
        if self._gone.is_set():
            raise Abandoned


class _Threads:
    """Daemon threads that are kept: one that decodes a large file does not keep the process when the server ends.

    The threads of anyio and of executors are waited for when a process ends. A thread for each request would make the
    event loop wait until it runs, which takes milliseconds while others decode.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = threading.Semaphore(0)

    def run(self, function: Callable[[], Result]) -> Future[Result]:
        """Begin a function in a thread that has nothing to do, or in a new one."""
        done: Future[Result] = Future()
        done.set_running_or_notify_cancel()  # from now on it cannot be cancelled, so a late result has its place

        def work() -> None:
            try:
                done.set_result(function())
            except BaseException as exc:  # noqa: BLE001 - raised again where the result is awaited
                done.set_exception(exc)

        self._jobs.put(work)
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._serve, name="request", daemon=True).start()
        return done

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            job()
            del job  # and what it holds
            self._idle.release()


class Workers:
    """Bounds of what runs at a time."""

    def __init__(self) -> None:
        """One request a processor, and one more; lookups in indexes have threads of their own."""
        self._decoding = CapacityLimiter((os.cpu_count() or 1) + 1)
        self._looking = CapacityLimiter(8)
        self._large = CapacityLimiter(1)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._threads = _Threads()

    def end(self) -> None:
        """Abandon all requests that decode, since the server ends. To be called in the main thread."""
        for task in list(self._under_way):
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def look(self, function: Callable[[], Result]) -> Result:
        """Run a lookup in a thread."""
        return await self._in_thread(function, self._looking)

    async def decode(self, request: Request, function: Callable[[Waiting], Result], pixels: int = 0) -> Result:
        """Run what decodes in a thread. Abandoned when the browser has gone: the thread ends at its next check.

        `pixels`: what the answer is made from; of answers made from many, one is made at a time.
        """
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            if pixels <= _LARGE:
                return await self._watched(request, function)
            async with self._large:
                return await self._watched(request, function)
        except asyncio.CancelledError:
            raise Abandoned from None
        finally:
            self._under_way.discard(task)

    async def _watched(self, request: Request, function: Callable[[Waiting], Result]) -> Result:
        waiting = Waiting()
        watching = asyncio.create_task(_watch(request, waiting))
        try:
            return await self._in_thread(partial(function, waiting), self._decoding)
        finally:
            waiting.give_up()
            watching.cancel()

    async def _in_thread(self, function: Callable[[], Result], limiter: CapacityLimiter) -> Result:
        """Run a function in a thread, as soon as few enough run."""
        async with limiter:
            return await asyncio.wrap_future(self._threads.run(function))


async def _watch(request: Request, waiting: Waiting) -> None:
    """Give up when the browser has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    waiting.give_up()
