"""An HTTP server that answers S3 requests as a script says: what real servers do only when they fail."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

OK = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\n\r\n'
TAKEN = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
CLOSE, RESET = b"", b"reset"  # no answer: the connection ends as it does when a server stops, or with an error


def content(data: bytes, length: int | None = None) -> bytes:
    """An answer with a body; one with a greater `length` is cut short."""
    size = len(data) if length is None else length
    head = f"HTTP/1.1 200 OK\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + data


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire; `connection` counts from 0."""

    connection: int
    line: str
    body: bytes


class ScriptedServer:
    """Gives `answers` in turn, to whatever is asked. `requests` has what came."""

    def __init__(self, answers: list[bytes]) -> None:
        self.requests: list[Request] = []
        self._answers = iter(answers)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # or else the accept under way would take one more
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            for number in range(1 << 20):
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            for line, body in _requests(connection, cast(BinaryIO, file)):
                self.requests.append(Request(number, line, body))
                answer = next(self._answers)
                if answer == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if answer in (CLOSE, RESET):
                    return
                connection.sendall(answer)
                if answer.startswith(b"HTTP/1.1 200") and not _whole(answer):
                    return


def _requests(connection: socket.socket, file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    while line := file.readline().decode().strip():
        headers = {}
        while header := file.readline().decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect") == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        yield line, file.read(int(headers.get("content-length", 0)))


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) == len(body)
