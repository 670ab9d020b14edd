"""As much of HTTP/1.1 as a proxy needs: requests and answers as they come over the wire, and their lengths."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

OK = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\n\r\n'
_CODES = {500: ("Internal Server Error", "InternalError"), 503: ("Slow Down", "SlowDown")}


@dataclass(frozen=True)
class Request:
    """The head of a request as it came; `length` in bytes is that of the body behind it."""

    lines: tuple[bytes, ...]
    length: int

    @property
    def method(self) -> str:
        return self.lines[0].partition(b" ")[0].decode()

    @property
    def expects_continue(self) -> bool:
        return any(line.lower().startswith(b"expect:") for line in self.lines)

    def forwarded(self) -> bytes:
        """The head for the server, which is to end the connection when it has answered. What is signed stays."""
        kept = [line for line in self.lines if not line.lower().startswith((b"expect:", b"connection:"))]
        return b"\r\n".join([*kept, b"Connection: close", b"", b""])


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request's head, or None where the client has ended the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = tuple(head[:-4].split(b"\r\n"))
    assert not _value(lines, b"transfer-encoding"), "S3 clients say the length of what they send"
    return Request(lines, int(_value(lines, b"content-length") or 0))


async def send_and_read(port: int, request: Request, body: bytes, *, whole: bool = True) -> bytes:
    """The server's answer to a request, so that the client's connection may go on; nothing where not `whole`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.forwarded() + body)
        await writer.drain()
        answer = await reader.read() if whole else b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return _kept_alive(request, answer) if whole else b""


def _kept_alive(request: Request, answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    lengths = b"content-length", b"transfer-encoding"
    if request.method != "HEAD" and not any(_value(lines, name) for name in lengths) and b" 204 " not in lines[0]:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def answer_of(answer: bytes) -> tuple[int, bytes]:
    """Status and body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def error_answer(request: Request, status: int) -> bytes:
    """What S3 answers when it fails, or is asked too much."""
    reason, code = _CODES[status]
    xml = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>a fault of the test</Message></Error>'.encode()
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(xml)}\r\n\r\n"
    return head.encode() + (b"" if request.method == "HEAD" else xml)


def _value(lines: tuple[bytes, ...] | list[bytes], name: bytes) -> bytes:
    values = [line.partition(b":")[2].strip() for line in lines[1:] if line.lower().startswith(name + b":")]
    return values[0] if values else b""
