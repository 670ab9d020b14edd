"""Origin `demosaic`: a colour picture that was interpolated from a Bayer mosaic, a third of its samples.

OpenCV repeats the outermost pixels that it can interpolate where it cannot; a picture that was cropped afterwards lacks
that on some sides or on all, and one that was turned or mirrored is of another pattern.

Facts: version uint8 = 1 | method uint8: 1 bilinear, 2 aware of edges | pattern uint8: row and column of red in the
mosaic's first 2 x 2, 2 y + x | sides uint8 on which the outermost pixels repeat those beside them: 1 above, 2 below,
4 left, 8 right | layout, as split.py says: rows apart uint8, 0 or 1; weights of red and blue, uint8 each. The mosaic is
as large as what is left without repeated pixels, and two rows and columns larger.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.demosaic.choose import layout_of
from tilepress.codecs.origins.demosaic.interpolation import BILINEAR, EDGE_AWARE, Pattern, interpolated
from tilepress.codecs.origins.demosaic.look import may_be_mosaic, mosaic_at
from tilepress.codecs.origins.demosaic.mosaic import mosaic_of
from tilepress.codecs.origins.demosaic.split import EIGHTHS, Layout, joined, split

_FACTS = struct.Struct("<7B")
_VERSION = 1
_WORDS = {BILINEAR: "bilinear", EDGE_AWARE: "edge-aware"}
_ABOVE, _BELOW, _LEFT, _RIGHT = 1, 2, 4, 8
_ALL_SIDES = 15
_LEAST_SIDE = 4  # of what is left without repeated pixels
_FEW_PIXELS, _PIXELS = 1024, 8192  # that are looked at, first and if those do not tell
_PAIRS = 4  # of rows: as many at least in the end
_SURE = 0.8  # of those pixels beyond chance


@dataclass(frozen=True)
class _Facts:
    method: int
    pattern: Pattern
    sides: int
    layout: Layout

    def packed(self) -> bytes:
        """Return the bytes of it."""
        pattern = 2 * self.pattern.y + self.pattern.x
        return _FACTS.pack(_VERSION, self.method, pattern, self.sides, self.layout.rows_apart, *self.layout.weights)

    @property
    def frame(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the repeated pixels above and below, left and right: 0 or 1 each."""
        above, below, left, right = (bool(self.sides & side) for side in (_ABOVE, _BELOW, _LEFT, _RIGHT))
        return (int(above), int(below)), (int(left), int(right))

    def inner(self, spec: TileSpec) -> tuple[int, int]:
        """Return height and width of what is left without repeated pixels."""
        (above, below), (left, right) = self.frame
        return spec.height - above - below, spec.width - left - right


class Demosaic(Origin):
    """Interpolation of a Bayer mosaic, bilinear or aware of edges."""

    id = "demosaic"
    colours: ClassVar[frozenset[str]] = frozenset({"rgb"})

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at a few rows whether every second pixel is the mean of its neighbours."""
        if not _may_have(spec) or not may_be_mosaic(picture, (spec.height - 2) // 2):
            return None
        for pairs, pixels in ((1, _FEW_PIXELS), (_PAIRS, _PIXELS)):
            pairs = max(pairs, min(pixels // spec.width, spec.height) // 2)
            rows = np.linspace(0, spec.height - 2, pairs + 2).astype(np.intp)[1:-1]
            sure, *found = mosaic_at(picture, np.concatenate([rows, rows + 1]))
            if 0 <= sure < _SURE:
                return None  # as it is with most pictures after two rows
        return Guess(self.id, sure, tuple(found)) if sure > 0 else None

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return green and the rest of the mosaic; None for pictures of other channels or of a few pixels."""
        if not _may_have(spec):
            return None
        if isinstance(guess.hints, tuple):
            found, method = guess.hints
        else:
            _, found, method = mosaic_at(picture, np.arange(1, spec.height - 1))
        facts = _Facts(method, found, _repeated(picture), Layout(False, (0, 0)))
        (above, _), (left, _) = facts.frame
        pattern = Pattern((found.y + 1 - above) % 2, (found.x + 1 - left) % 2)
        height, width = facts.inner(spec)
        mosaic = mosaic_of(picture[above : above + height, left : left + width], pattern, method, spec.maximum)
        even = np.pad(mosaic, ((0, height % 2), (0, width % 2)), mode="reflect")
        layout = layout_of(even, pattern, spec.maximum)
        planes = split(even, pattern, layout, spec.maximum)
        return Recovered(replace(facts, pattern=pattern, layout=layout).packed(), planes)

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return green, and red and blue less green."""
        found = _read(facts, spec)
        shapes = found.layout.shapes(*(_even(side + 2) for side in found.inner(spec)))
        return tuple(replace(spec, height=h, width=w, channels=c, colour="gray") for h, w, c in shapes)

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Join the mosaic, interpolate, and repeat the outermost pixels."""
        facts = _read(recovered.facts, spec)
        height, width = facts.inner(spec)
        green, left = recovered.planes
        mosaic = joined(green, left, facts.pattern, facts.layout, spec.maximum)[: height + 2, : width + 2]
        return np.pad(interpolated(mosaic, facts.pattern, facts.method), (*facts.frame, (0, 0)), mode="edge")

    def describe(self, recovered: Recovered) -> str:
        """Return the pattern by its first four colours, row by row."""
        facts = _parsed(recovered.facts)
        letters = ("RGB"[facts.pattern.colour(y, x)] for y in (0, 1) for x in (0, 1))
        return f"{_WORDS[facts.method]} Bayer {''.join(letters)}"


def _may_have(spec: TileSpec) -> bool:
    return spec.colour == "rgb" and spec.channels == 3 and min(spec.height, spec.width) >= _LEAST_SIDE + 2


def _repeated(picture: np.ndarray) -> int:
    """The sides on which outermost pixels are those beside them."""
    pairs = (
        (_ABOVE, picture[0], picture[1]),
        (_BELOW, picture[-1], picture[-2]),
        (_LEFT, picture[:, 0], picture[:, 1]),
        (_RIGHT, picture[:, -1], picture[:, -2]),
    )
    return sum(side for side, outer, inner in pairs if np.array_equal(outer, inner))


def _even(side: int) -> int:
    return side + side % 2


def _parsed(facts: bytes) -> _Facts:
    if len(facts) != _FACTS.size or facts[0] != _VERSION:
        raise StreamError("facts of an origin `demosaic` are of another size or version")
    _, method, pattern, sides, rows_apart, *weights = _FACTS.unpack(facts)
    if method not in _WORDS or pattern > 3 or sides > _ALL_SIDES or rows_apart > 1 or max(weights) > EIGHTHS:
        raise StreamError("an origin `demosaic` of these facts is not known: the bytes are damaged")
    return _Facts(method, Pattern(*divmod(pattern, 2)), sides, Layout(bool(rows_apart), (weights[0], weights[1])))


def _read(facts: bytes, spec: TileSpec) -> _Facts:
    found = _parsed(facts)
    if not _may_have(spec):
        raise StreamError(f"a picture of {spec.shape} has no origin `demosaic`")
    return found
