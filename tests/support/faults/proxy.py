"""A proxy before an S3 server that does what networks and servers do to requests, to some of them, at random.

with FaultProxy(server.port, seed=1) as proxy:
    tilepress.compress(source, url, storage_options={"endpoint_url": proxy.endpoint})
proxy.happened          # how often each kind of fault did
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.faults.http import OK, Request, answer_of, error_answer, read_request, send_and_read

STALL_S = 30.0  # longer than any client of these tests waits
Fits = Callable[[Request], bool]


def _any(request: Request) -> bool:
    return True


def _sends(request: Request) -> bool:
    return request.length > 1


def _changes(request: Request) -> bool:
    return request.method in ("PUT", "POST", "DELETE")


def _reads(request: Request) -> bool:
    return request.method == "GET"


# What may go wrong, and with which requests. The first ones go wrong before the server hears of the request.
REFUSED, SLOW_DOWN, RESET_BEFORE, RESET_AFTER = "500", "503 SlowDown", "reset before the body", "reset after the body"
STALLED, CUT_REQUEST = "stalled", "request cut short"
FAILED_AFTER, LOST_ANSWER, CUT_ANSWER = "500 though carried out", "lost answer of a change", "answer cut short"
LOST_OTHER = "lost answer of another request"
KINDS: dict[str, Fits] = {
    REFUSED: _any,
    SLOW_DOWN: _any,
    RESET_BEFORE: _any,
    RESET_AFTER: _any,
    STALLED: _any,
    CUT_REQUEST: _sends,
    FAILED_AFTER: _changes,
    LOST_ANSWER: _changes,
    CUT_ANSWER: _reads,
    LOST_OTHER: _any,  # and what the three before become where the answer is a refusal
}


@dataclass
class Faults:
    """Which requests go wrong, and how: a share of them, each kind as often as the others where it fits."""

    seed: int = 0
    share: float = 0.05
    kinds: tuple[str, ...] = tuple(KINDS)
    next: str = ""  # the kind that befalls the next request that it fits; then nothing more

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._drawn: Counter[str] = Counter()

    def draw(self, request: Request) -> str:
        """Return the kind of fault that befalls a request, or an empty text."""
        if self.next:
            return self._take() if KINDS[self.next](request) else ""
        fitting = [kind for kind in self.kinds if KINDS[kind](request)]
        if not fitting or self._random.random() >= self.share:
            return ""
        least = min(self._drawn[kind] for kind in fitting)
        kind = self._random.choice([kind for kind in fitting if self._drawn[kind] == least])
        self._drawn[kind] += 1
        return kind

    def _take(self) -> str:
        kind, self.next, self.share = self.next, "", 0.0
        return kind


class FaultProxy:
    """Listens on 127.0.0.1 while it is a context, in a thread of its own.

    `requests` counts what came, `happened` the faults by kind.
    """

    def __init__(self, port: int, faults: Faults | None = None, *, overwrites: bool = False) -> None:
        """Before the server at `port`; `overwrites`: refused creations are told to be successful."""
        self.faults = faults or Faults()
        self.requests = 0
        self.happened: Counter[str] = Counter()
        self._server_port, self._overwrites = port, overwrites
        self._loop = asyncio.new_event_loop()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._end: asyncio.Event | None = None
        self._connections: set[asyncio.Task[None]] = set()  # the loop alone would not keep them

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(lambda: self._end and self._end.set())
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.close()

    async def _listen(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._serve, sock=self._listening)
        await self._end.wait()
        server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, until it or a fault ends it."""
        task = asyncio.current_task()
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await read_request(reader):
                self.requests += 1
                if not await self._answer(request, reader, writer):
                    break
        writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request, well or not; return whether the connection goes on."""
        fault = self.faults.draw(request)
        if fault == RESET_BEFORE:
            return self._note(fault) or _reset(writer)
        if request.expects_continue:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(request.length)
        if fault in (RESET_AFTER, STALLED, CUT_REQUEST):
            self._note(fault)
            if fault == STALLED:  # until the client has enough of it
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), STALL_S)
            if fault == CUT_REQUEST:
                await send_and_read(self._server_port, request, body[: len(body) // 2], whole=False)
            return _reset(writer)
        if fault in (REFUSED, SLOW_DOWN):
            self._note(fault)
            answer = error_answer(request, 500 if fault == REFUSED else 503)
        else:
            answer, fault = self._spoil(request, await send_and_read(self._server_port, request, body), fault)
            if fault in (LOST_ANSWER, LOST_OTHER):
                return _reset(writer)
        writer.write(answer)
        await writer.drain()
        return fault != CUT_ANSWER

    def _spoil(self, request: Request, answer: bytes, fault: str) -> tuple[bytes, str]:
        """What the client gets of the server's answer, and the fault, if it fits the answer, too."""
        status, body = answer_of(answer)
        if status == 412 and self._overwrites:
            return OK, ""
        if fault == CUT_ANSWER and status in (200, 206) and len(body) > 1:
            self._note(fault)
            return answer[: -(len(body) // 2 + 1)], fault
        if fault in (FAILED_AFTER, LOST_ANSWER) and 200 <= status < 300:
            self._note(fault)
            return error_answer(request, 500), fault
        if fault:
            self._note(LOST_OTHER)
            return b"", LOST_OTHER
        return answer, ""

    def _note(self, fault: str) -> bool:
        self.happened[fault] += 1
        return False


def _reset(writer: asyncio.StreamWriter) -> bool:
    """End a connection with an error, as a server that dies does; return that it does not go on."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
