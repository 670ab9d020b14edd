"""Decoders with bugs, for files that name them: read by Python at its start where the folder is in PYTHONPATH.

So a process that is started with it reads image files as if a library that it uses were broken.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

from tilepress.pipeline.compress import transcoding
from tilepress.pipeline.formats import registry


def _segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _spin() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(16 << 20))


def _be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _break_off() -> None:
    os.closerange(3, 1000)
    time.sleep(3600)


def _crowd() -> None:
    if len(_READ) > 1:
        raise MemoryError


_READ: list[bytes] = []  # a file each that this process has read
BUGS = {
    b"SEGFAULTS": _segfault,
    b"SPINS": _spin,
    b"SLEEPS": lambda: time.sleep(3600),
    b"EATS": _eat,
    b"KILLED": _be_killed,
    b"BREAKS OFF": _break_off,
    b"CROWDS": _crowd,
}


def _broken(reader):
    def read(source, *rest):
        _READ.append(b"")
        for name, bug in BUGS.items():
            if name in bytes(source):
                bug()
        return reader(source, *rest)

    return read


def _breaks_later(reader):
    """The same, while bands are read."""

    def read(source, *rest):
        picture = reader(source, *rest)
        if b"LATER" in bytes(source):

            def bands(rows):
                yield from list(picture.read_bands(rows))[:1]
                _segfault()

            return replace(picture, read_bands=bands)
        return picture

    return read


registry._READERS = tuple((magic, name, _breaks_later(_broken(reader))) for magic, name, reader in registry._READERS)
_read_small_pngs = registry.read_small_pngs


def _read_small(sources, limits):
    return _broken(lambda *_: _read_small_pngs(sources, limits))(b"".join(sources))


registry.read_small_pngs = _read_small
transcoding.pack_jpeg = _broken(transcoding.pack_jpeg)
