"""Restores files of a group from what is left of them and from its parity.

A file is replaced only by bytes with the SHA-256 that the description names: by exactly what it was.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tilepress.pipeline.parity.blocks import Blocks, as_rows, crcs, sums_by_row
from tilepress.pipeline.parity.code import Code
from tilepress.pipeline.parity.description import Description, read_sums
from tilepress.pipeline.storage.base import Storage

Flags = npt.NDArray[np.bool_]


def restore_files(storage: Storage, description: Description, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Restore those of the named files that the group has; yield each that was damaged, and why it still is, if so.

    IntegrityError if the sums of the group are lost.
    """
    group = description.group
    numbers = [number for number, file in enumerate(group.files) if file.name in names]
    with tempfile.TemporaryFile() as scratch:
        mended = _Mended(storage, description, scratch)
        damaged = {number: mended.damaged_blocks(number) for number in numbers}
        mended.decode(np.concatenate([np.zeros(0, np.int64), *damaged.values()]))
        for number in numbers:
            if len(damaged[number]) or not mended.is_as_large(number):
                yield group.files[number].name, mended.write(number, damaged[number])


class _Mended:
    """Blocks that were decoded, in a temporary file."""

    def __init__(self, storage: Storage, description: Description, scratch: BinaryIO) -> None:
        self._storage, self._description, self._scratch = storage, description, scratch
        self._group = description.group
        self._blocks = Blocks(storage, self._group)
        self._places = dict[int, int]()  # by number of the block, where it lies in the temporary file
        self._data_crc, parity_crc = read_sums(storage, description)
        self._expected = np.concatenate([sums_by_row(self._group, self._data_crc), parity_crc])  # (rows, stripes)

    def damaged_blocks(self, number: int) -> npt.NDArray[np.int64]:
        """Return the numbers of the blocks of a file that are not as they were."""
        found = [np.zeros(0, np.int64)]
        for first, data in self._blocks.of_file(number):
            sums = crcs(data, self._group.block)
            wrong = np.flatnonzero(sums != self._data_crc[first : first + len(sums)])
            found.append(first + wrong.astype(np.int64))
        return np.concatenate(found)

    def decode(self, damaged: npt.NDArray[np.int64]) -> None:
        """Decode these blocks, as far as enough of their stripes is left."""
        if not len(damaged):
            return
        group = self._group
        code, wanted = Code(group.data, group.parity), set(damaged.tolist())
        stripes = np.unique(damaged % group.stripes)
        for run in np.split(stripes, np.flatnonzero(np.diff(stripes) > 1) + 1):
            for at in range(0, len(run), self._blocks.window):
                self._decode(code, int(run[at]), min(self._blocks.window, len(run) - at), wanted)

    def _decode(self, code: Code, stripe: int, count: int, wanted: Collection[int]) -> None:
        """Decode consecutive stripes; those that lack the same rows at once."""
        group = self._group
        stored = self._blocks.data(stripe, count) + self._blocks.parity(stripe, count)
        rows = as_rows(stored, group.data + group.parity).reshape(-1, count, group.block)
        right = crcs(stored, group.block).reshape(-1, count) == self._expected[:, stripe : stripe + count]
        patterns, which = np.unique(right, axis=1, return_inverse=True)
        for number in range(patterns.shape[1]):
            pattern, columns = patterns[:, number], np.flatnonzero(which.reshape(-1) == number)
            if pattern[: group.data].all() or pattern.sum() < group.data:
                continue
            there = {int(row): rows[row, columns].tobytes() for row in np.flatnonzero(pattern)[: group.data]}
            data = as_rows(code.decode(there), group.data).reshape(group.data, len(columns), group.block)
            for row in np.flatnonzero(~pattern[: group.data]):
                for column, content in zip(columns, data[row], strict=True):
                    self._keep(int(row) * group.stripes + stripe + int(column), content.tobytes(), wanted)

    def _keep(self, block: int, content: bytes, wanted: Collection[int]) -> None:
        if block in wanted:
            self._places[block] = self._scratch.seek(0, io.SEEK_END)
            self._scratch.write(content)

    def write(self, number: int, damaged: npt.NDArray[np.int64]) -> str:
        """Write a file as it was; return why that cannot be done."""
        group, file = self._group, self._group.files[number]
        lost = [block for block in damaged.tolist() if block not in self._places]
        if lost:
            blocks = group.starts[number + 1] - group.starts[number]
            return f"{len(lost):,} of its {blocks:,} blocks are damaged beyond its parity"
        with tempfile.TemporaryDirectory(prefix="tilepress-") as folder:
            path = Path(folder) / "file"
            if self._assemble(number, damaged, path) != self._description.files_sha256[number]:
                return "what its parity gives is not what was written"
            self._storage.write_file(file.name, path, overwrite=True)
        return ""

    def is_as_large(self, number: int) -> bool:
        """Tell whether a file has the bytes that it had."""
        file = self._group.files[number]
        return self._storage.exists(file.name) and self._storage.size(file.name) == file.bytes

    def _assemble(self, number: int, damaged: npt.NDArray[np.int64], path: Path) -> str:
        """Put a file together; its SHA-256."""
        group, digest, written = self._group, hashlib.sha256(), 0
        size = group.files[number].bytes
        with path.open("wb") as out:
            for first, data in self._blocks.of_file(number):
                inside = damaged[(damaged >= first) & (damaged < first + len(data) // group.block)]
                for block in inside.tolist():
                    self._scratch.seek(self._places[block])
                    at = (block - first) * group.block
                    data[at : at + group.block] = self._scratch.read(group.block)
                part = data[: size - written]
                digest.update(part)
                written += out.write(part)
        return digest.hexdigest()
