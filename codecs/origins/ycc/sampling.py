"""How chroma of half size becomes chroma of full size: two samples along each axis, weighted, added and shifted.

Chroma was sampled on a lattice, from which the picture may have been cropped, turned or thinned out since: position p
along an axis of the picture is position q of the lattice (`Axis.positions`). Along an axis of half size, q lies between
the plane's samples (q + lead) >> 1 and the one after it; their weights go by the parity of q.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

FULL, REPLICATED, MIDWAY, FANCY = range(4)  # permanent: facts hold them
FINE = range(4, 8)  # those of finer.py
_WEIGHTS = {REPLICATED: ((1, 0), (1, 0)), MIDWAY: ((2, 0), (1, 1)), FANCY: ((1, 3), (3, 1))}  # of even q, and of odd q
_REACH = {REPLICATED: (0, 2), MIDWAY: (-1, 2), FANCY: (-3, 1)}  # sample j has weights from 2j + the first on


class Lattice(NamedTuple):
    """A sampling of one picture, as kernels take it; axis 0 is vertical, axis 1 horizontal.

    `rows` int64 (h,), `columns` int64 (w,): position on the lattice of each row and column.
    `row_begin`, `row_end`, `column_begin`, `column_end` int64: rows and columns that each sample may have a weight at.
    `weights` int64 (2, 2, 2): axis, parity of q, first sample and second one.
    `half`, `lead` int64 (2,): 1 along axes of half size, and where their samples lie.
    `bias` int64 (2, 2): parity of q along either axis; added before the shift.
    `shift` int64 (1,).
    `largest` int64 (1,): the weight that a sample has at its own pixels.
    """

    rows: np.ndarray
    columns: np.ndarray
    row_begin: np.ndarray
    row_end: np.ndarray
    column_begin: np.ndarray
    column_end: np.ndarray
    weights: np.ndarray
    half: np.ndarray
    lead: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    largest: np.ndarray


@dataclass(frozen=True)
class Axis:
    """One axis: `half` its size or not; where the picture begins, 0 or 1; after how many positions one was left out.

    `period` 0: none was. Else 1..255: one after every `period`, the first of them after `period` - `offset`.
    """

    half: bool = False
    phase: int = 0
    period: int = 0
    offset: int = 0

    def valid(self) -> bool:
        """Tell whether there is such an axis."""
        begins = 0 <= self.phase <= self.half and 0 <= self.period <= 255 * self.half
        return begins and 0 <= self.offset < max(self.period, 1)

    def positions(self, side: int) -> np.ndarray:
        """Return the position on the lattice, int64 (side,), of each row or column."""
        p = np.arange(side, dtype=np.int64)
        return p + self.phase + ((p + self.offset) // self.period if self.period else 0)


@dataclass(frozen=True)
class Sampling:
    """How chroma was sampled: `kind`, one of those above, goes for the axes of half size."""

    kind: int
    vertical: Axis
    horizontal: Axis

    def valid(self) -> bool:
        """Tell whether there is such a sampling."""
        halves = self.vertical.half or self.horizontal.half
        return (
            FULL <= self.kind < FINE.stop and halves == (self.kind != FULL) and all(axis.valid() for axis in self._axes)
        )

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of a chroma plane for a picture."""
        return self._samples(self.vertical, height), self._samples(self.horizontal, width)

    def lattice(self, height: int, width: int) -> Lattice:
        """Return the same for kernels, for a picture; not for FINE."""
        rows, columns = self.vertical.positions(height), self.horizontal.positions(width)
        samples = self.shape(height, width)
        row_begin, row_end = np.searchsorted(rows, self._reaches(self.vertical, samples[0]))
        column_begin, column_end = np.searchsorted(columns, self._reaches(self.horizontal, samples[1]))
        pairs = [_WEIGHTS[self.kind] if axis.half else _WEIGHTS[REPLICATED] for axis in self._axes]
        weights = np.array(pairs, np.int64)
        shift = int(weights[:, 0].sum(axis=1).prod()).bit_length() - 1
        half = np.array([axis.half for axis in self._axes], np.int64)
        lead, largest = half * (self.kind == FANCY), np.array([weights.max(axis=(1, 2)).prod()])
        bounds = row_begin, row_end, column_begin, column_end
        return Lattice(rows, columns, *bounds, weights, half, lead, self._bias(shift), np.array([shift]), largest)

    @property
    def _axes(self) -> tuple[Axis, Axis]:
        return self.vertical, self.horizontal

    def _samples(self, axis: Axis, side: int) -> int:
        """Samples along an axis that all positions of the picture are made of."""
        if not axis.half:
            return side
        last = int(axis.positions(side)[-1])
        if self.kind in FINE:
            return last // 2 + 1
        return {REPLICATED: last // 2, MIDWAY: (last + 1) // 2, FANCY: (last + 1) // 2 + 1}[self.kind] + 1

    def _reaches(self, axis: Axis, count: int) -> np.ndarray:
        """Positions int64 (2, count) of the lattice from which on, and before which, each sample may have a weight."""
        samples, (first, end) = np.arange(count, dtype=np.int64), _REACH[self.kind] if axis.half else (0, 1)
        return np.stack([(samples << axis.half) + first, (samples << axis.half) + end])

    def _bias(self, shift: int) -> np.ndarray:
        if self.kind != FANCY:
            return np.full((2, 2), (1 << shift) >> 1, np.int64)
        if self.vertical.half and self.horizontal.half:
            return np.array([[8, 7], [8, 7]], np.int64)
        bias = np.array([1, 2], np.int64)
        return np.broadcast_to(bias[:, None] if self.vertical.half else bias, (2, 2)).copy()


def samplings() -> Iterator[Sampling]:
    """Return the samplings of pictures that were not thinned out: those of the fewest samples first, full size last."""
    halves = [Axis(half=True, phase=phase) for phase in range(2)]
    for vertical, horizontal in ((halves, halves), (halves, [Axis()]), ([Axis()], halves)):
        for kind in (REPLICATED, MIDWAY, FANCY):
            yield from (Sampling(kind, y, x) for y in vertical for x in horizontal)
    yield Sampling(FULL, Axis(), Axis())
