"""From the cells of a population to a few strata, and the order in which their units are measured.

A stratum is worth its own share of a sample: cells too small for that join their neighbours, first those of the same
kind and size in other folders, then those of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from tilepress.jobs.estimation.population import Cell, Population, Reservoir, Unit

_SHARE = 1 / 64  # of all bytes, that makes a stratum of its own
_OF_NOTE = 0.005  # of all bytes: a kind that is looked at before others are looked at twice


@dataclass(frozen=True)
class Stratum:
    """Cells with one sample: `units` by ascending keys, all of the stratum whose keys are below `limit`."""

    ending: str
    files: int
    bytes: int
    limit: float
    units: tuple[Unit, ...]

    def threshold(self, measured: int) -> float:
        """Return the key below which all units are among the first `measured`: infinity where these are all."""
        return self.units[measured].key if measured < len(self.units) else self.limit


def strata_of(population: Population) -> tuple[Stratum, ...]:
    """Return the strata of a population, the largest first."""
    groups: dict[tuple[str, int | None, str | None], list[Cell]] = {}
    for cell in sorted(population.cells, key=lambda cell: (cell.ending, cell.size, cell.folder)):
        groups.setdefault((cell.ending, cell.size, cell.folder), []).append(cell)
    least = _SHARE * population.bytes
    for drop in (2, 1):  # folders first, then sizes
        merged: dict[tuple[str, int | None, str | None], list[Cell]] = {}
        for key, cells in groups.items():
            large = sum(population.cells[cell].bytes for cell in cells) >= least
            wider = (key[0], None if drop == 1 else key[1], None)
            merged.setdefault(key if large else wider, []).extend(cells)
        groups = merged
    found = (_stratum(key[0], [population.cells[cell] for cell in cells]) for key, cells in groups.items())
    return tuple(sorted(found, key=lambda stratum: -stratum.bytes))


def in_order(strata: Sequence[Stratum]) -> Iterator[tuple[int, Unit]]:
    """Yield (number of the stratum, unit), so that every beginning is a fair sample of all.

    The largest stratum of each kind comes first, one unit each; then Sainte-Lague's method divides units among strata
    in proportion to the square roots of their bytes. In proportion to bytes, large folders that are all alike would get
    most, and small ones hide what makes an archive larger: files that a lossy codec cannot take.
    """
    total = sum(stratum.bytes for stratum in strata)
    taken = [0] * len(strata)
    for number in _first_of_kinds(strata, _OF_NOTE * total):
        taken[number] = 1
        yield number, strata[number].units[0]
    queue = [_turn(stratum.bytes, taken[number], number) for number, stratum in enumerate(strata)]
    heapify(queue)
    left = sum(len(stratum.units) for stratum in strata) - sum(taken)
    while left:
        number = queue[0][1]
        if taken[number] < len(strata[number].units):
            yield number, strata[number].units[taken[number]]
            left -= 1
        taken[number] += 1
        exhausted = taken[number] >= len(strata[number].units)
        turn = (math.inf, number) if exhausted else _turn(strata[number].bytes, taken[number], number)
        heapreplace(queue, turn)


def _first_of_kinds(strata: Sequence[Stratum], least: float) -> list[int]:
    seen: dict[str, int] = {}
    for number, stratum in enumerate(strata):
        if stratum.bytes >= least and stratum.units:
            seen.setdefault(stratum.ending, number)
    return list(seen.values())


def _turn(nbytes: int, taken: int, number: int) -> tuple[float, int]:
    return ((2 * taken + 1) / math.sqrt(nbytes), number)


def _stratum(ending: str, cells: Sequence[Reservoir]) -> Stratum:
    limit = min(cell.limit for cell in cells)
    units = sorted((unit for cell in cells for unit in cell.units()), key=lambda unit: unit.key)
    kept = tuple(unit for unit in units if unit.key < limit)
    return Stratum(ending, sum(cell.files for cell in cells), sum(cell.bytes for cell in cells), limit, kept)
