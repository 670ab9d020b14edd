"""How the bytes of a file come into the process that reads it: small ones are sent, others are mapped by both."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tilepress.pipeline.storage.base import MappedFile, SourceBytes

_SENT = 1 << 20  # bytes


@contextmanager
def shared_source(source: SourceBytes) -> Iterator[tuple[list[bytes], int | None]]:
    """Open a context with what a message takes along: the bytes, or the descriptor of a file that has them."""
    if isinstance(source, MappedFile):
        yield [], source.descriptor
    elif len(source) <= _SENT:
        yield [bytes(source)], None
    else:
        with _anonymous() as file:
            file.write(source)
            file.flush()
            yield [], file.fileno()


def _anonymous() -> BinaryIO:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("tilepress"), "wb")  # noqa: PTH123 - a descriptor, no path
    return tempfile.TemporaryFile()
