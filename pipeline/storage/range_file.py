"""A stored object as a seekable file of range reads."""

from __future__ import annotations

import io
from typing import Any

from tilepress.pipeline.storage.base import Storage


class RangeFile(io.RawIOBase):
    """A stored object as a seekable file of range reads, with the tail (where Parquet footers are) read once."""

    _TAIL = 128 << 10

    def __init__(self, storage: Storage, name: str) -> None:
        """MissingError if there is no such object."""
        self._storage, self._name = storage, name
        self.size = storage.size(name)
        self._tail_at = max(0, self.size - self._TAIL)
        self._tail = self._read(self._tail_at, self.size - self._tail_at)
        self._held = (0, b"")
        self._position = 0

    def hold(self, offset: int, length: int) -> None:
        """Read bytes at once that are about to be read piece by piece, in place of those that were held before."""
        at, held = self._held
        if not (at <= offset and offset + length <= at + len(held)) and offset < self._tail_at:
            self._held = offset, self._read(offset, min(length, self.size - offset))

    def readable(self) -> bool:
        """Say so."""
        return True

    def seekable(self) -> bool:
        """Say so."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as any file does; return the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes from the position on; all that is left for a negative or no size."""
        end = self.size if size is None or size < 0 else min(self.size, self._position + size)
        start, length = self._position, max(0, end - self._position)
        self._position += length
        if start >= self._tail_at:
            return self._tail[start - self._tail_at : start - self._tail_at + length]
        at, held = self._held
        if at <= start and start + length <= at + len(held):
            return held[start - at : start - at + length]
        return self._read(start, length)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes there were."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, offset: int, length: int) -> bytes:
        return self._storage.read_ranges(self._name, [(offset, length)])[0] if length else b""
