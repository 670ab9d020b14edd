"""Origin `scale`: enlarged by whole factors, each pixel repeated.

Rows and columns have a factor each, and what was cropped away afterwards may have begun or ended within a pixel.

Facts: version uint8 = 1 | of rows, then of columns: factor uint8, 1 to 16; offset uint8, below the factor. Row y of the
picture is row (y + offset) // factor of the plane; columns alike.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Origin, Recovered

_FACTS = struct.Struct("<5B")
_VERSION = 1
_MAX_FACTOR = 16
_BEGIN = 64  # pixels of one line that are looked at in each direction at first
_FEW_LINES, _LINES = 3, 16  # whole lines, after that and if those do not tell
_LEAST_CHANGES = 4  # places where neighbours differ: fewer tell nothing
_Axis = tuple[int, int]  # factor, offset


class Scale(Origin):
    """Pixels repeated 2 to 16 times, along rows, columns or both."""

    id = "scale"
    colours: ClassVar[frozenset[str]] = frozenset(COLOUR_PLANES)  # palette entries, too, are only repeated

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at a few rows and columns whether they change at every second, third ... place only."""
        middle = picture[(spec.height - 1) // 2, :_BEGIN], picture[:_BEGIN, (spec.width - 1) // 2]
        if all(_is_fine(_changes(line)) for line in middle):
            return None  # as it is with most pictures
        for count in (_FEW_LINES, _LINES):
            rows, columns = (np.linspace(0, side - 1, count).astype(np.intp) for side in picture.shape[:2])
            changes = _changes(picture[rows].swapaxes(0, 1)), _changes(picture[:, columns])
            if any(_factor(places) > 1 for places in changes) and count == _LINES:
                return Guess(self.id, 1.0)
            if all(map(_is_fine, changes)):
                return None
        return None

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return one pixel of each that were repeated; None if the whole picture changes at other places, too."""
        down = _axis(picture)
        rows = picture[_firsts(spec.height, down)]
        across = _axis(rows.swapaxes(0, 1))
        if down[0] * across[0] == 1:
            return None
        plane = rows[:, _firsts(spec.width, across)]
        return Recovered(_FACTS.pack(_VERSION, *down, *across), (np.ascontiguousarray(plane),))

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return the smaller picture."""
        down, across = _read(facts)
        return (replace(spec, height=_count(spec.height, down), width=_count(spec.width, across)),)

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Repeat pixels."""
        down, across = _read(recovered.facts)
        (plane,) = recovered.planes
        wide = plane.take((np.arange(spec.width) + across[1]) // across[0], axis=1)
        picture: np.ndarray = wide.take((np.arange(spec.height) + down[1]) // down[0], axis=0)
        return picture

    def describe(self, recovered: Recovered) -> str:
        """Return the factors, width first."""
        down, across = _read(recovered.facts)
        return f"enlarged {across[0]} x {down[0]}"


def _axis(lines: np.ndarray) -> _Axis:
    """Factor and offset by which lines (n, ...) are repeated; (1, 0) if they are not, or too few to tell."""
    changes = _changes(lines)
    factor = _factor(changes)
    return (factor, -int(changes[0]) % factor) if factor > 1 else (1, 0)


def _changes(lines: np.ndarray) -> np.ndarray:
    """The lines that differ from those before them."""
    if len(lines) == 1:
        return np.zeros(0, np.intp)
    return np.flatnonzero((lines[1:] != lines[:-1]).reshape(len(lines) - 1, -1).any(axis=1)) + 1


def _factor(changes: np.ndarray) -> int:
    if len(changes) < _LEAST_CHANGES:
        return 1
    common = int(np.gcd.reduce(np.diff(changes)))
    return next(factor for factor in range(_MAX_FACTOR, 0, -1) if common % factor == 0)


def _is_fine(changes: np.ndarray) -> bool:
    """Tell whether lines change at places that no factor has."""
    return len(changes) >= _LEAST_CHANGES and _factor(changes) == 1


def _count(size: int, axis: _Axis) -> int:
    factor, offset = axis
    return (size - 1 + offset) // factor + 1


def _firsts(size: int, axis: _Axis) -> np.ndarray:
    """The first of each that were repeated."""
    factor, offset = axis
    return np.maximum(np.arange(_count(size, axis)) * factor - offset, 0)


def _read(facts: bytes) -> tuple[_Axis, _Axis]:
    """Factor and offset of rows and of columns."""
    if len(facts) != _FACTS.size or facts[0] != _VERSION:
        raise StreamError("facts of an origin `scale` are of another size or version")
    _, *axes = _FACTS.unpack(facts)
    down, across = (axes[0], axes[1]), (axes[2], axes[3])
    fits = all(1 <= factor <= _MAX_FACTOR and offset < factor for factor, offset in (down, across))
    if not fits or down[0] * across[0] == 1:
        raise StreamError("factors of an origin `scale` are not within 1 to 16, or their offsets not below them")
    return down, across
