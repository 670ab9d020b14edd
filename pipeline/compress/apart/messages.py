"""What the process that reads image files and its owner say to each other: JSON, bytes, and perhaps an open file.

Nothing is pickled, and no length is believed beyond what the receiver expects: the process that reads meets hostile
files, and what it says may be a file's doing.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_PREFIX = struct.Struct("<IQ")  # bytes of the JSON, and of everything behind it
_MAX_JSON = 4 << 20
_STEP = 1 << 20  # memory grows with what arrives, not with what was announced


class ChannelError(Exception):
    """The other side is gone, or says what no message is."""


@dataclass(frozen=True)
class Message:
    """A JSON object, some bytes, and at most one open file (its descriptor, which the receiver owns)."""

    facts: dict[str, Any]
    blobs: Sequence[bytes | bytearray | memoryview] = field(default=())
    file: int | None = None


def send(channel: socket.socket, message: Message) -> None:
    """Send a message; ChannelError."""
    sizes = [len(memoryview(blob).cast("B")) if len(blob) else 0 for blob in message.blobs]
    text = json.dumps({**message.facts, "sizes": sizes}).encode()
    prefix = _PREFIX.pack(len(text), sum(sizes))
    try:
        if message.file is None:
            channel.sendall(prefix)
        else:
            socket.send_fds(channel, [prefix], [message.file])
        channel.sendall(text)
        for blob in filter(len, message.blobs):
            channel.sendall(blob)
    except OSError as exc:
        raise ChannelError(str(exc)) from exc


def receive(channel: socket.socket, most: int) -> Message:
    """Return the next message, of at most `most` bytes besides its JSON; ChannelError."""
    try:
        prefix, files, _, _ = socket.recv_fds(channel, _PREFIX.size, 1)
        return _received(channel, prefix, files[0] if files else None, most)
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise ChannelError(f"not a message: {exc}") from exc


def _received(channel: socket.socket, prefix: bytes, file: int | None, most: int) -> Message:
    try:
        length, rest = _PREFIX.unpack(prefix + _exactly(channel, _PREFIX.size - len(prefix)))
        if length > _MAX_JSON or rest > most:
            raise ValueError(f"{length} and {rest} bytes, {most} at most")
        facts = json.loads(_exactly(channel, length))
        sizes = facts.pop("sizes")
        if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) != rest:
            raise ValueError("its sizes do not add up")
        return Message(facts, [_exactly(channel, size) for size in sizes], file)
    except BaseException:
        if file is not None:
            os.close(file)
        raise


def _exactly(channel: socket.socket, length: int) -> bytearray:
    """The next `length` bytes."""
    data, have = bytearray(min(length, _STEP)), 0
    while have < length:
        if have == len(data):
            data += bytes(min(len(data), length - have))
        got = channel.recv_into(memoryview(data)[have:])
        if not got:
            raise ChannelError("it ended")
        have += got
    return data
