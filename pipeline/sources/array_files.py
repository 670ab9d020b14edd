"""Arrays of samples as data sets ship them: MNIST's idx files, NumPy's .npz, CIFAR's binary records.

A file's header is believed only where it agrees with the bytes that are there, and samples are read in pieces, so that
no header decides how much memory is taken. Nothing is unpickled.
"""

from __future__ import annotations

import gzip
import io
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from numpy.lib import format as npy

from tilepress.pipeline.errors import UsageError

Source = bytes | mmap.mmap
Opener = Callable[[], AbstractContextManager[BinaryIO]]

_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_IDX_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # yann.lecun.com/exdb/mnist
_MAX_DIMENSIONS = 8
_MAX_NPY_HEADER = 1 << 14
_MAX_ARRAYS = 4096  # of one .npz
_PIECE_BYTES = 4 << 20
_CIFAR_IMAGE = (3, 32, 32)  # planes, rows, columns
_CIFAR_LABELS = (1, 2)  # bytes before each image: CIFAR-10; CIFAR-100, coarse and fine
_CIFAR_10 = 10
_FOREIGN = (EOFError, OSError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class StoredArray:
    """One array of a file. `where` names it in messages; `key` is its name in an .npz, else empty."""

    where: str
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype
    skip: int  # bytes before the samples
    opener: Opener

    @property
    def row_bytes(self) -> int:
        """Bytes of one item along the first axis."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def pieces(self, at_most: int | None = None) -> Iterator[np.ndarray]:
        """Yield the first `at_most` items, some at a time, (n, *shape[1:]).

        UsageError where the file ends too early.
        """
        left = self.shape[0] if at_most is None else min(at_most, self.shape[0])
        each = max(1, _PIECE_BYTES // max(1, self.row_bytes))
        with _reading(self.where), self.opener() as file:
            _take(file, self.skip)
            while left:
                count = min(left, each)
                data = _take(file, count * self.row_bytes)
                yield np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])
                left -= count

    def whole(self) -> np.ndarray:
        """Return the whole array: for labels."""
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *self.pieces()])

    def check_length(self) -> None:
        """UsageError unless the file holds exactly these samples; it is read through once, and nothing kept."""
        left = self.skip + self.shape[0] * self.row_bytes
        with _reading(self.where), self.opener() as file:
            while left and (data := file.read(min(left, _PIECE_BYTES))):
                left -= len(data)
            if left or file.read(1):
                found = "ends too early" if left else "goes on after them"
                raise ValueError(f"its header says {'x'.join(map(str, self.shape))} samples, the file {found}")


def stored_arrays(where: str, data: Source) -> list[StoredArray]:
    """Return the arrays of an idx file (plain or gzip) or .npz, lengths checked. UsageError names the file `where`."""
    with _reading(where):
        arrays = _npz_arrays(where, data) if data[:2] == _ZIP else [_idx_array(where, data)]
        for array in arrays:
            array.check_length()
        return arrays


def cifar_arrays(where: str, data: Source) -> tuple[StoredArray, np.ndarray]:
    """Records of CIFAR's binary version: uint8 (n, label bytes + 3072), and the label of each (CIFAR-100's fine one).

    The files have no header: their size and labels must fit.
    """
    image = math.prod(_CIFAR_IMAGE)
    for extra in _CIFAR_LABELS:
        count, rest = divmod(len(data), extra + image)
        if rest or not count:
            continue
        records = StoredArray(where, "", (count, extra + image), np.dtype("u1"), 0, _plain(data))
        labels = np.concatenate([piece[:, extra - 1].astype(np.int64) for piece in records.pieces()])
        if extra > 1 or labels.max() < _CIFAR_10:
            return records, labels
    raise UsageError(f"{where} is not a file of CIFAR's binary version: its size or its labels do not fit")


def cifar_pixels(records: np.ndarray) -> np.ndarray:
    """Return the images (n, 32, 32, 3) of records (n, label bytes + 3072)."""
    planes = records[:, -math.prod(_CIFAR_IMAGE) :].reshape(-1, *_CIFAR_IMAGE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def _idx_array(where: str, data: Source) -> StoredArray:
    opener = _unzipped(data) if data[:2] == _GZIP else _plain(data)
    with opener() as file:
        zero, kind, dimensions = struct.unpack(">HBB", _take(file, 4))
        if zero or kind not in _IDX_DTYPES or not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise ValueError("it does not begin as an idx file does")
        shape = struct.unpack(f">{dimensions}I", _take(file, 4 * dimensions))
    return StoredArray(where, "", _sane(shape), np.dtype(_IDX_DTYPES[kind]), 4 + 4 * dimensions, opener)


def _npz_arrays(where: str, data: Source) -> list[StoredArray]:
    container = zipfile.ZipFile(io.BytesIO(data))
    members = [info for info in container.infolist() if info.filename.endswith(".npy")]
    if len(members) > _MAX_ARRAYS:
        raise ValueError(f"it holds more than {_MAX_ARRAYS} arrays")
    return [array for info in members if (array := _npy_array(where, container, info)) is not None]


def _npy_array(where: str, container: zipfile.ZipFile, info: zipfile.ZipInfo) -> StoredArray | None:
    """None for arrays of other things than numbers, which only unpickling could read, and for those by columns."""

    def opener() -> AbstractContextManager[BinaryIO]:
        return container.open(info)  # type: ignore[return-value]

    with opener() as file:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(npy.read_magic(file))
        if read is None:
            raise ValueError(f"array {info.filename} is of an unknown version")
        shape, by_columns, dtype = read(file, max_header_size=_MAX_NPY_HEADER)
        skip = file.tell()
    if dtype.hasobject or dtype.kind not in "biuf" or not shape or (by_columns and len(shape) > 1):
        return None
    if skip + math.prod(shape) * dtype.itemsize != info.file_size:
        raise ValueError(f"array {info.filename} is not as large as its header says")
    return StoredArray(where, info.filename.removesuffix(".npy"), _sane(shape), dtype, skip, opener)


def _sane(shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(size < 0 for size in shape) or math.prod(shape[1:]) > 1 << 31:
        raise ValueError(f"its header speaks of {'x'.join(map(str, shape))} samples")
    return tuple(int(size) for size in shape)


def _plain(data: Source) -> Opener:
    return lambda: nullcontext(io.BytesIO(data) if isinstance(data, bytes) else cast(BinaryIO, _Mapped(data)))


def _unzipped(data: Source) -> Opener:
    return lambda: gzip.GzipFile(fileobj=io.BytesIO(data))  # type: ignore[return-value]


class _Mapped(io.RawIOBase):
    """A mapped file from its beginning, without a copy of it."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes."""
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found


def _take(file: BinaryIO, size: int) -> bytes:
    """Exactly `size` bytes; only as much is allocated as is there."""
    parts = []
    while size:
        data = file.read(min(size, _PIECE_BYTES))
        if not data:
            raise EOFError("it ends too early")
        parts.append(data)
        size -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except _FOREIGN as exc:
        raise UsageError(f"{where} cannot be read as an array file, it is damaged or another kind: {exc}") from exc
