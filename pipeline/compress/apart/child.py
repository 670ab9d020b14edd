"""The process that reads image files: it is asked, decodes, and answers; what it cannot survive, its owner does.

It limits itself, in memory and in time, so that it ends even where its owner is gone.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilepress.pipeline.compress.apart.messages import ChannelError, Message, receive, send
from tilepress.pipeline.compress.transcoding import transcode
from tilepress.pipeline.engine.child_process import limit_child
from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, PictureError
from tilepress.pipeline.formats.picture import Bands, Limits, Picture
from tilepress.pipeline.formats.registry import Source, read_picture, read_small_pictures

_MOST = 1 << 33  # bytes of a request: the owner is trusted
_MOST_TEXT = 2000  # of a message for people
_FACTS = [
    "format",
    "mode",
    "width",
    "height",
    "dtype",
    "bit_depth",
    "has_reserved_value",
    "palette_size",
    "describes_bytes",
]


def main(descriptor: int, memory: int) -> None:
    """Answer what is asked on an open socket until its other end is closed, with at most `memory` bytes of data."""
    limit_child(memory)
    channel = socket.socket(fileno=descriptor)
    send(channel, Message({"ready": True}))
    reader = _Reader()
    with contextlib.suppress(ChannelError):
        while True:
            send(channel, reader.answer(receive(channel, _MOST)))


@dataclass
class _Reading:
    """Bands of a picture that are being read, and the processor seconds that this took."""

    bands: Bands
    seconds: float = 0.0


class _Reader:
    """The pictures that are open."""

    def __init__(self) -> None:
        self._pictures: dict[int, Picture] = {}
        self._readings: dict[int, _Reading] = {}
        self._number = 0
        self._questions: dict[str, Callable[[Message], Message]] = {
            "small": self._small,
            "open": self._open,
            "read": self._read,
            "next": self._next,
            "transcode": self._transcode,
        }

    def answer(self, asked: Message) -> Message:
        """Return the answer to a question; that it was a PictureError, if it was."""
        for number in asked.facts["forget"]:
            self._pictures.pop(number, None)
            self._readings.pop(number, None)
        try:
            with _time_limits(asked.facts["seconds"], self._spent(asked)):
                return self._questions[asked.facts["ask"]](asked)
        except PictureError as exc:
            return _failed(exc, short=isinstance(exc.__cause__, MemoryError))
        except MemoryError:
            return _failed(LimitExceeded("decoding it needs more memory than there is"), short=True)
        except Exception as exc:  # noqa: BLE001 - a decoder may raise anything on a hostile file
            return _failed(DamagedPicture(f"does not decode ({type(exc).__name__}: {exc})"))

    def _spent(self, asked: Message) -> float:
        reading = self._readings.get(asked.facts.get("picture", -1))
        return reading.seconds if reading and asked.facts["ask"] == "next" else 0.0

    def _small(self, asked: Message) -> Message:
        found = read_small_pictures([bytes(blob) for blob in asked.blobs], _limits(asked))
        blobs: list[Any] = []
        for picture in filter(None, found):
            (pixels,) = picture.read_bands(picture.height)
            blobs += [picture.container, np.ascontiguousarray(pixels).data.cast("B")]
        return Message({"pictures": [picture and _facts(picture) for picture in found]}, blobs)

    def _open(self, asked: Message) -> Message:
        picture = read_picture(_source(asked), _limits(asked), byte_exact=asked.facts["byte_exact"])
        self._number += 1
        self._pictures[self._number] = picture
        return Message({"picture": self._number, **_facts(picture)}, [picture.container])

    def _read(self, asked: Message) -> Message:
        number = asked.facts["picture"]
        self._readings[number] = _Reading(self._pictures[number].read_bands(asked.facts["rows"]))
        return Message({})

    def _next(self, asked: Message) -> Message:
        reading = self._readings[asked.facts["picture"]]
        began = _processor_seconds()
        band = next(reading.bands, None)
        reading.seconds += _processor_seconds() - began
        return Message({}, [] if band is None else [np.ascontiguousarray(band).data.cast("B")])

    def _transcode(self, asked: Message) -> Message:
        found = transcode(_source(asked))
        return Message({"end": found.end}, [found.payload])


def _source(asked: Message) -> Source:
    """The file that is meant: sent along, or mapped."""
    if asked.file is None:
        return bytes(asked.blobs[0])
    try:
        return mmap.mmap(asked.file, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(asked.file)


def _limits(asked: Message) -> Limits:
    return Limits(*asked.facts["limits"])


def _facts(picture: Picture) -> dict[str, Any]:
    return {name: getattr(picture, name) for name in _FACTS}


def _failed(error: PictureError, *, short: bool = False) -> Message:
    """The answer that is an error. `short` of memory: perhaps because of other pictures that are open here."""
    text = str(error).encode(errors="backslashreplace").decode()
    return Message({"error": type(error).__name__, "message": text[:_MOST_TEXT], "short": short})


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _time_limits(seconds: tuple[int, int], spent: float) -> Iterator[None]:
    """End this process after so many seconds of its processor, or so many of the clock: native code hears no less."""
    of_processor, of_clock = seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = int(_processor_seconds() + max(0.0, of_processor - spent)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard < 0 else min(limit, hard), hard))
    signal.alarm(of_clock)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
