"""Groups: files of an archive that are protected together, and how their bytes are laid out for the code.

Every file is cut into blocks, its last one filled up with zeros, and the blocks of all files are numbered in a row.
Block n is in stripe n mod S, as its data row n div S, where S is the number of stripes. So a lost file, whose blocks
follow each other, costs every stripe as few rows as can be: the same parity is good for whole files and for scattered
damage.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from tilepress.pipeline.parity.code import MOST_ROWS

MAX_BLOCK, MIN_BLOCK = 64 << 10, 512
MOST_DATA = 200  # data rows
GROUP_BYTES = 32 << 30  # of files; scratch space for the parity of so many is needed at a time
_KEY_DIGITS = 16
_COPIES = 3


@dataclass(frozen=True)
class CoveredFile:
    """One protected file; `seal` as other files of the archive name it, empty where none does."""

    name: str
    bytes: int
    seal: str = ""


@dataclass(frozen=True)
class Group:
    """Files that are protected together; `data` and `parity` rows of blocks of `block` bytes."""

    folder: str  # where its parity lies: "runs/0001/parity"
    files: tuple[CoveredFile, ...]
    block: int
    data: int
    parity: int

    @classmethod
    def of(cls, folder: str, files: Iterable[CoveredFile], percent: float) -> Group:
        """Return files as a group with at least so many percent of parity.

        Blocks are as large as possible while one stripe holds them all; larger groups have several stripes.
        """
        files, most = tuple(files), min(MOST_DATA, math.floor(MOST_ROWS / (1 + percent / 100)))
        block = MIN_BLOCK
        while block < MAX_BLOCK and _blocks(files, block) > most:
            block *= 2
        blocks = _blocks(files, block)
        data = math.ceil(blocks / math.ceil(blocks / most))
        return cls(folder, files, block, data, max(1, math.ceil(data * percent / 100 - 1e-9)))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Number of the first block of each file, and behind them that of all blocks."""
        return tuple(accumulate((_blocks_of(file, self.block) for file in self.files), initial=0))

    @property
    def blocks(self) -> int:
        """Blocks of all files together."""
        return self.starts[-1]

    @property
    def stripes(self) -> int:
        """Stripes of up to `data` blocks each; those that lack a last block have zeros for it."""
        return math.ceil(self.blocks / self.data)

    @property
    def bytes(self) -> int:
        """Bytes of the files."""
        return sum(file.bytes for file in self.files)

    @property
    def parity_bytes(self) -> int:
        """Bytes of all parity rows."""
        return self.parity * self.stripes * self.block

    @cached_property
    def key(self) -> str:
        """Names the group: 16 hex digits that follow from the files and the layout."""
        files = [[file.name, file.bytes, file.seal] for file in self.files]
        asked = json.dumps([self.folder, files, self.block, self.data, self.parity])
        return hashlib.sha256(asked.encode()).hexdigest()[:_KEY_DIGITS]

    @property
    def description(self) -> str:
        """Name of the file that describes the group."""
        return f"{self.folder}/{self.key}.json"

    @property
    def sums(self) -> str:
        """Name of the file with the CRC-32 of every block."""
        return f"{self.folder}/{self.key}.crc"

    def row(self, number: int) -> str:
        """Return the name of the file of a parity row."""
        return f"{self.folder}/{self.key}-{number:03d}.parity"

    @property
    def copies(self) -> range:
        """Parity rows with copies of sums and description behind the blocks."""
        return range(min(_COPIES, self.parity))

    @property
    def objects(self) -> list[str]:
        """Names of all files of the group's parity."""
        return [self.description, self.sums, *map(self.row, range(self.parity))]

    @property
    def whole_files(self) -> int:
        """How many whole files of the group may be lost at once, whichever they are, and are restored."""
        costs = sorted((math.ceil(_blocks_of(file, self.block) / self.stripes) for file in self.files), reverse=True)
        return sum(1 for total in accumulate(costs) if total <= self.parity)

    def spans(self, first: int, count: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield where blocks lie: (number of the file, offset in it, bytes, offset within the blocks).

        What no span covers is zeros.
        """
        for number in range(max(0, bisect_right(self.starts, first) - 1), len(self.files)):
            file = self.files[number]
            if self.starts[number] >= first + count:
                return
            start, end = max(first, self.starts[number]), min(first + count, self.starts[number + 1])
            offset = (start - self.starts[number]) * self.block
            length = min(file.bytes - offset, (end - start) * self.block)
            if length > 0:
                yield number, offset, length, (start - first) * self.block


def _blocks_of(file: CoveredFile, block: int) -> int:
    return max(1, math.ceil(file.bytes / block))


def _blocks(files: Iterable[CoveredFile], block: int) -> int:
    return sum(_blocks_of(file, block) for file in files)


def groups_of(folder: str, files: Iterable[CoveredFile], percent: float) -> Iterator[Group]:
    """Yield files as groups, in their order, none much larger than `GROUP_BYTES`."""
    found, size = list[CoveredFile](), 0
    for file in files:
        if found and size + file.bytes > GROUP_BYTES:
            yield Group.of(folder, found, percent)
            found, size = [], 0
        found.append(file)
        size += file.bytes
    if found:
        yield Group.of(folder, found, percent)
