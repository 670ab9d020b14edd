"""The files of a collection as they are listed: counted in cells, and a sample of every cell kept, in bounded memory.

What is drawn is a *unit*: a large file, or consecutive small ones of a cell, which `compress` codes side by side. Units
are drawn with probabilities in proportion to their bytes, by priority sampling (Duffield, Lund & Thorup, "Priority
sampling for estimation of arbitrary subset sums", J. ACM 54(6), 2007): a unit of x bytes has the key u / x, where u in
(0, 1) is a hash of its name, and the units of the smallest keys are the sample, of any size. Names decide, so the same
files, listed in the order of their names, give the same sample every time.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tilepress.pipeline.storage.base import ListedFile

_SMALL_BYTES = 128 << 10  # a smaller file may share a stack with its neighbours (pipeline/compress/stack.py)
_BLOCK_BYTES, _BLOCK_FILES = 1 << 20, 729  # of a unit of small files: 28 x 28 pixels fill a stack with as many
_SMALLEST_CLASS, _LARGEST_CLASS = 4, 9  # decades of sizes: up to 10 kB, from 1 GB on
_MOST_ENDINGS, _MOST_FOLDERS, _MOST_CELLS = 16, 24, 256  # told apart; whatever comes later is of none of them
_KEPT_FILES, _LEAST_UNITS = 1 << 15, 4  # files in the samples of all cells; units of a cell, whatever they hold
_LONGEST_ENDING = 8
OTHER = ""  # the ending, or the folder, of whatever has none of its own


@dataclass(frozen=True, slots=True)
class Cell:
    """What files of a kind, a place and a size have in common; `size` is the power of ten below their bytes."""

    ending: str  # of the name, in lower case, without the dot
    size: int
    folder: str  # the first of the path


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that are measured together, with the key by which they are drawn."""

    key: float
    files: tuple[ListedFile, ...]

    @property
    def bytes(self) -> int:
        """Bytes of the files."""
        return sum(file.size for file in self.files)


class Reservoir:
    """Units of the smallest keys of one cell."""

    def __init__(self) -> None:
        self.files = self.bytes = 0
        self.limit = math.inf  # every unit of a smaller key is kept, none of a larger one
        self._heap: list[tuple[float, int, Unit]] = []
        self._kept_files = self._offered = 0
        self._block: list[ListedFile] = []
        self._block_bytes = 0

    def add(self, file: ListedFile, seed: int, most_files: int) -> None:
        """Count a file, and keep its unit while it is in the sample, which holds `most_files` files or few units."""
        self.files += 1
        self.bytes += file.size
        self._block.append(file)
        self._block_bytes += file.size
        if file.size >= _SMALL_BYTES or self._block_bytes >= _BLOCK_BYTES or len(self._block) == _BLOCK_FILES:
            self.close_block(seed, most_files)

    def close_block(self, seed: int, most_files: int) -> None:
        """Make a unit of the files that wait for others."""
        if not self._block:
            return
        unit = Unit(uniform(self._block[0].name, seed) / self._block_bytes, tuple(self._block))
        self._block, self._block_bytes = [], 0
        if unit.key >= self.limit:
            return
        self._offered += 1
        heapq.heappush(self._heap, (-unit.key, self._offered, unit))
        self._kept_files += len(unit.files)
        while self._kept_files > most_files and len(self._heap) > _LEAST_UNITS:
            dropped = heapq.heappop(self._heap)[-1]
            self._kept_files -= len(dropped.files)
            self.limit = dropped.key

    def units(self) -> list[Unit]:
        """Return the units that are kept, by ascending keys."""
        return sorted((unit for _, _, unit in self._heap), key=lambda unit: unit.key)


@dataclass
class Population:
    """What was listed: `cells` of files that hold bytes; `empty` counts links, folders and files without any."""

    seed: int = 0
    cells: dict[Cell, Reservoir] = field(default_factory=dict)
    empty: int = 0
    complete: bool = True  # everything was listed
    largest: int = 0  # bytes of the largest file
    _endings: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)

    @property
    def files(self) -> int:
        """Entries of every kind."""
        return self.empty + sum(cell.files for cell in self.cells.values())

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(cell.bytes for cell in self.cells.values())

    def add(self, file: ListedFile) -> None:
        """Count an entry, in the order in which they are listed."""
        if file.kind or not file.size:
            self.empty += 1
            return
        self.largest = max(self.largest, file.size)
        self._reservoir(file).add(file, self.seed, self._most_files)

    def finish(self) -> None:
        """Make units of the files that still wait for others."""
        for reservoir in self.cells.values():
            reservoir.close_block(self.seed, self._most_files)

    @property
    def _most_files(self) -> int:
        return _KEPT_FILES // max(1, len(self.cells))

    def _reservoir(self, file: ListedFile) -> Reservoir:
        folder, slash, _ = file.name.partition("/")
        ending = _one_of(self._endings, ending_of(file.name), _MOST_ENDINGS)
        size = min(max(len(str(file.size)) - 1, _SMALLEST_CLASS - 1), _LARGEST_CLASS)
        cell = Cell(ending, size, _one_of(self._folders, folder if slash else OTHER, _MOST_FOLDERS))
        if cell not in self.cells and len(self.cells) >= _MOST_CELLS:
            cell = Cell(ending, size, OTHER)  # at most 16 x 7 more
        return self.cells.setdefault(cell, Reservoir())


def survey(entries: Iterable[ListedFile], seed: int = 0) -> Population:
    """Return the population of entries, each cell with its sample. The same entries and seed give the same."""
    population = Population(seed)
    for entry in entries:
        population.add(entry)
    population.finish()
    return population


def ending_of(name: str) -> str:
    """Return what a name ends in, "jpg" of "a/B.JPG", or OTHER where that is nothing short and plain."""
    stem, dot, ending = name.rpartition("/")[-1].rpartition(".")
    plain = stem and dot and ending.isascii() and ending.isalnum() and len(ending) <= _LONGEST_ENDING
    return ending.lower() if plain else OTHER


def identities(units: Iterable[Unit]) -> Iterator[bytes]:
    """Yield name and version of every file of units, for a digest."""
    for unit in units:
        for file in unit.files:
            yield f"{file.name}\0{file.fingerprint}\n".encode()


def _one_of(known: set[str], value: str, most: int) -> str:
    """The value, if it is one of the first so many."""
    if value in known or len(known) < most:
        known.add(value)
        return value
    return OTHER


def uniform(name: str, seed: int) -> float:
    """Return a number in (0, 1) that follows from a name, as if it were random."""
    digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64
