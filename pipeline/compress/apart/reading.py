"""Image files read in other processes: what `formats.registry` and `transcoding` do, and no file can crash its caller.

What a file does to the process that reads it becomes a CrashingPicture, as any other fault of a file is a PictureError.
"""

from __future__ import annotations

import os
import socket
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tilepress.pipeline.compress.apart.messages import Message
from tilepress.pipeline.compress.apart.process import DiedError, GoneError, Question, ReadingProcess
from tilepress.pipeline.compress.apart.processes import PROCESSES
from tilepress.pipeline.compress.apart.sharing import shared_source
from tilepress.pipeline.compress.apart.tries import CrowdedError, Tries
from tilepress.pipeline.compress.transcoding import Transcoding, is_jpeg, try_transcoding
from tilepress.pipeline.errors import (
    CrashingPicture,
    DamagedPicture,
    LimitExceeded,
    NotSmaller,
    PictureError,
    UnsupportedPicture,
)
from tilepress.pipeline.formats import registry
from tilepress.pipeline.formats.bands import regroup
from tilepress.pipeline.formats.container import MAX_BYTES
from tilepress.pipeline.formats.picture import MODES, Bands, Limits, Picture
from tilepress.pipeline.formats.png.small import may_be_small
from tilepress.pipeline.storage.base import SourceBytes

SWITCH = "TILEPRESS_READ_APART"  # environment variable: 0 reads files in the process that asks
_MORE = 2 << 20  # bytes of an answer beyond what is bounded elsewhere
_HASTE = 0.1  # small files together take a moment, and each may still be read alone
_ERRORS = {kind.__name__: kind for kind in (UnsupportedPicture, LimitExceeded, DamagedPicture, NotSmaller)}
_NONSENSE = CrashingPicture("the process that read it gave an answer that is none")


def reads_apart() -> bool:
    """Tell whether files are read in other processes: where the system can, and unless the environment forbids it."""
    return os.environ.get(SWITCH) != "0" and hasattr(socket, "send_fds")


def prepare() -> None:
    """Start a process that reads files, unless there is one: something else may be done until it is asked."""
    if reads_apart():
        PROCESSES.prepare()


def read_picture(source: SourceBytes, limits: Limits) -> Picture:
    """Do what `registry.read_picture` does. Raises CrashingPicture too, as reading bands of the picture may."""
    if not reads_apart():
        return registry.read_picture(source, limits)
    return _PictureApart(source, limits).picture()


def read_small_pictures(sources: Sequence[SourceBytes], limits: Limits) -> list[Picture | None]:
    """Do what `registry.read_small_pictures` does; of files that crash, too, it is said when they are read alone."""
    if not reads_apart():
        return registry.read_small_pictures(sources, limits)
    pictures: list[Picture | None] = [None] * len(sources)
    small = [(at, source) for at, source in enumerate(sources) if isinstance(source, bytes) and may_be_small(source)]
    if small:
        asked = Message({"ask": "small", "limits": _limits(limits)}, [source for _, source in small])
        size = sum(len(source) for _, source in small)
        try:
            answer = _ask(Question(asked, size, len(small) * _MORE, _HASTE), Tries(1))[1]
            for (at, _), picture in zip(small, _small_pictures(answer, limits), strict=True):
                pictures[at] = picture
        except (PictureError, ValueError):  # of one file, which must not keep the others from being read
            return [None] * len(sources)
    return pictures


def transcoding_of(data: SourceBytes) -> Transcoding | PictureError | None:
    """Do what `try_transcoding` does; a CrashingPicture may be why there is none."""
    if not is_jpeg(data) or not reads_apart():
        return try_transcoding(data)
    try:
        with shared_source(data) as (blobs, file):
            asked = Message({"ask": "transcode"}, blobs, file)
            answer = _ask(Question(asked, len(data), len(data) + _MORE))[1]
    except PictureError as exc:
        return exc
    end = answer.facts.get("end")
    if type(end) is not int or not 0 < end <= len(data) or len(answer.blobs) != 1:
        return _NONSENSE
    return Transcoding(bytes(answer.blobs[0]), end)


def _ask(question: Question, tries: Tries | None = None) -> tuple[ReadingProcess, Message]:
    """What a process answers, and which: a PictureError if it answers with one, or dies of the question."""
    tries = tries or Tries()
    while True:
        try:
            with PROCESSES.alone() if tries.alone else PROCESSES.idle() as process:
                return process, _checked(process.ask(question), process)
        except (GoneError, DiedError, CrowdedError) as exc:
            tries.go_on(exc)


def _checked(answer: Message, process: ReadingProcess, picture: int | None = None) -> Message:
    """The answer about a picture, or about one to be opened, unless it is an error."""
    if "error" not in answer.facts:
        return answer
    text = str(answer.facts.get("message"))
    if answer.facts.get("short") and process.pictures - {picture} and not process.alone:
        raise CrowdedError(text)
    raise _ERRORS.get(answer.facts["error"], DamagedPicture)(text)


def _limits(limits: Limits) -> list[int]:
    return [limits.max_pixels, limits.max_file_bytes, limits.max_whole_bytes]


def _small_pictures(answer: Message, limits: Limits) -> list[Picture | None]:
    blobs = iter(answer.blobs)
    found: list[Picture | None] = []
    for facts in answer.facts["pictures"]:
        picture = None if facts is None else _picture(facts, bytes(next(blobs)), limits)
        if picture is not None:
            pixels = _samples(next(blobs), picture)
            picture = _with_bands(picture, lambda rows, pixels=pixels: regroup((pixels,), rows))
        found.append(picture)
    return found


def _samples(blob: Any, picture: Picture) -> np.ndarray:
    """The rows that a process sent: (rows, width, channels)."""
    try:
        return np.frombuffer(blob, picture.dtype).reshape(-1, picture.width, picture.channels)
    except ValueError as exc:
        raise _NONSENSE from exc


def _with_bands(picture: Picture, read_bands: Any) -> Picture:
    return Picture(**{**vars(picture), "read_bands": read_bands})


def _picture(facts: dict[str, Any], container: bytes, limits: Limits) -> Picture:
    """A picture of what a process said, bands missing; nothing is taken for granted."""
    width, height, depth = (_count(facts.get(name)) for name in ("width", "height", "bit_depth"))
    right = (
        facts.get("format") in ("png", "jpeg", "tiff")
        and facts.get("mode") in MODES
        and facts.get("dtype") in ("uint8", "uint16")
        and 0 < width * height <= limits.max_pixels
        and 0 < depth <= 16
        and type(facts.get("palette_size")) in (int, type(None))
        and type(facts.get("has_reserved_value")) is bool
        and type(facts.get("describes_bytes")) is str
    )
    if not right:
        raise _NONSENSE
    wanted = {name: facts[name] for name in Picture.__dataclass_fields__ if name in facts}
    return Picture(**wanted, container=container, read_bands=lambda rows: iter(()))


def _count(value: object) -> int:
    """A number of something; 0 for what is none."""
    return value if type(value) is int and value > 0 else 0


class _PictureApart:
    """A picture that a process holds open; opened again in another one if that process dies of something else."""

    def __init__(self, source: SourceBytes, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._let_go: Callable[[], object] = lambda: None
        self._facts = self._open(Tries())

    def picture(self) -> Picture:
        """The picture, whose bands keep this alive."""
        return _with_bands(self._facts, self._read_bands)

    def _open(self, tries: Tries) -> Picture:
        facts = {"ask": "open", "limits": _limits(self._limits), "byte_exact": True}
        with shared_source(self._source) as (blobs, file):
            question = Question(Message(facts, blobs, file), len(self._source), MAX_BYTES + _MORE)
            self._process, answer = _ask(question, tries)
        self._number = answer.facts.pop("picture", None)
        if type(self._number) is not int:
            raise _NONSENSE
        self._let_go()  # of where it was open before
        self._let_go = finalizer = weakref.finalize(self, self._process.forget, self._number)
        finalizer.atexit = False
        if len(answer.blobs) != 1:
            raise _NONSENSE
        return _picture(answer.facts, bytes(answer.blobs[0]), self._limits)

    def _read_bands(self, rows: int) -> Bands:
        if rows < 1:
            raise ValueError(f"a band has at least one row, not {rows}")
        done, tries = 0, Tries()
        while True:
            try:
                for at, band in enumerate(self._bands(rows)):
                    if at == done:
                        done += 1
                        yield band
                return
            except (GoneError, DiedError, CrowdedError) as exc:
                tries.go_on(exc)
            self._open(tries)

    def _bands(self, rows: int) -> Bands:
        facts, row = self._facts, self._facts.nbytes // self._facts.height
        self._asked(0, ask="read", rows=rows)
        y = 0
        while answer := self._asked(rows * row, ask="next").blobs:
            band = _samples(answer[0], facts)
            y += len(band)
            yield band
        if y != facts.height:
            raise _NONSENSE

    def _asked(self, most: int, **facts: Any) -> Message:
        asked = Message({**facts, "picture": self._number})
        answer = self._process.ask(Question(asked, len(self._source), most))
        return _checked(answer, self._process, self._number)
