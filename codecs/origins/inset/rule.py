"""Origin `inset`: pictures of which a part was a JPEG: a photograph in a screenshot, a scan on a page, a caption below.

That part is stored as the JPEG, and the picture, with one colour in place of the part, as its plane.

Facts: version uint8 = 1 | y, x, height, width of the part, uint32 each | facts of the origin `jpeg` (jpeg/facts.py).
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.inset.glance import may_have_inset
from tilepress.codecs.origins.jpeg.facts import read_facts
from tilepress.codecs.origins.jpeg.glance import members, telling
from tilepress.codecs.origins.jpeg.rule import Jpeg, shared_grid
from tilepress.codecs.origins.jpeg.search.grid import find_grid
from tilepress.codecs.origins.rectangle import Rectangle
from tilepress.codecs.origins.sample import distinct_colours

_VERSION = 1
_HEAD = struct.Struct("<B4I")
_LEAST_COLOURS = 64  # distinct ones, neither gray nor clipped
_CHANCE = 0.25  # of a colour to be one that YCbCr gives
_MEMBERS = 0.05  # of the colours beyond chance are such
_SPREAD = 3 * 0.58  # times the root of the number of colours: beyond what chance alone spreads
_MANY_COLOURS = 1000  # of a part, all of them such as YCbCr gives: shades of a wall or of the sky are some hundreds
_LUMA = np.array([19595, 38470, 7471], np.int32)  # of red, green and blue, in units of 2^-16: libjpeg's
_JPEG = Jpeg()


class Inset(Origin):
    """A rectangle that was a JPEG, in a picture that was none."""

    id: ClassVar[str] = "inset"
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb"})

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look whether somewhere all colours are such as YCbCr gives, and more of all than chance makes of others.

        Of gray pictures, look whether there is a grid.
        """
        if not _fits(spec):
            return None
        if spec.channels == 1:
            grid = shared_grid(picture)
            return Guess(self.id, grid[2]) if grid else None
        if not may_have_inset(picture):
            return None  # as it is with most pictures
        colours = distinct_colours(picture, spec).T
        inner = colours[:, telling(colours)]
        count = inner.shape[1]
        if count < _LEAST_COLOURS:
            return None
        share = (np.count_nonzero(members(inner)) / count - _CHANCE) / (1 - _CHANCE)
        return Guess(self.id, share) if share >= max(_MEMBERS, _SPREAD / count**0.5) else None

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return the JPEG of the part, and the picture without it; None where there is no such part."""
        if not _fits(spec) or (part := _part(picture, spec)) is None:
            return None
        cut = np.ascontiguousarray(picture[part.place])
        found = _JPEG.invert(cut, _inner(spec, part), guess)
        if found is None:
            return None
        left = picture.copy()
        left[part.place] = _usual_colour(picture, part)
        return Recovered(_HEAD.pack(_VERSION, *vars(part).values()) + found.facts, (left,), found.file)

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return the picture, of which the part is overwritten."""
        _read(facts, spec)
        return (spec,)

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Decode the JPEG, and put it in its place."""
        part, facts = _read(recovered.facts, spec)
        picture = recovered.planes[0].copy()
        picture[part.place] = _JPEG.apply(Recovered(facts, file=recovered.file), _inner(spec, part))
        return picture

    def describe(self, recovered: Recovered) -> str:
        """Return such as "JPEG in part, quality 90, 4:2:0, libjpeg-turbo, 640 x 480 at 100, 40"."""
        part, facts = _parsed(recovered.facts)
        words = _JPEG.describe(Recovered(facts, file=recovered.file)).removeprefix("JPEG")
        return f"JPEG in part{words}, {part.width} x {part.height} at {part.x}, {part.y}"


def part_of(facts: bytes) -> Rectangle:
    """Return the part of a picture that was a JPEG; `facts`: of this origin. StreamError for any others."""
    return _parsed(facts)[0]


def jpeg_facts_of(facts: bytes) -> bytes:
    """Return the facts of the part's JPEG; `facts`: of this origin. StreamError for any others."""
    return _parsed(facts)[1]


def _fits(spec: TileSpec) -> bool:
    eight_bits = spec.dtype == "uint8" and spec.bit_depth == 8
    return eight_bits and not spec.alpha and spec.colour in Inset.colours


def _part(picture: np.ndarray, spec: TileSpec) -> Rectangle | None:
    """The part that was a JPEG, told from colours; of gray pictures, and where colours tell no part, from blocks."""
    from tilepress.codecs.origins.inset.blocks import find_blocks
    from tilepress.codecs.origins.inset.edges import goes_on
    from tilepress.codecs.origins.inset.region import find_region  # loads numba

    region = find_region(picture) if spec.channels == 3 else find_blocks(picture)
    if region is not None and region.whole:
        region = find_blocks(picture)
    if region is None or (not region.distinct and goes_on(picture, region.part, spec)):
        return None
    return region.part if spec.channels == 1 or _was_surely(picture[region.part.place], spec) else None


def _was_surely(part: np.ndarray, spec: TileSpec) -> bool:
    """Whether a part of a colour picture (h, w, 3) has many colours, or a grid: a few shades are such by chance."""
    many = distinct_colours(np.ascontiguousarray(part), replace(spec, height=part.shape[0], width=part.shape[1]))
    if len(many) >= _MANY_COLOURS:
        return True
    luma = (part.astype(np.int32) @ _LUMA + (1 << 15)) >> 16
    return find_grid(luma.astype(np.uint8)) is not None


def _inner(spec: TileSpec, part: Rectangle) -> TileSpec:
    return replace(spec, height=part.height, width=part.width)


def _usual_colour(picture: np.ndarray, part: Rectangle) -> np.ndarray:
    """The most frequent colour right around a part: where that is a plain page, the part becomes one of the page."""
    (top, bottom), (left, right) = ((lines.start, lines.stop) for lines in part.place)
    frame = picture[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    ring = np.ones(frame.shape[:2], bool)
    ring[top - max(top - 1, 0) :, left - max(left - 1, 0) :][: part.height, : part.width] = False
    colours, counts = np.unique(frame[ring], axis=0, return_counts=True)
    colour: np.ndarray = colours[counts.argmax()]
    return colour


def _parsed(facts: bytes) -> tuple[Rectangle, bytes]:
    """The part, and the facts of its JPEG."""
    if len(facts) < _HEAD.size or facts[0] != _VERSION:
        raise StreamError("facts of an origin `inset` are of another size or version")
    part, rest = Rectangle(*_HEAD.unpack_from(facts)[1:]), facts[_HEAD.size :]
    read_facts(rest)
    return part, rest


def _read(facts: bytes, spec: TileSpec) -> tuple[Rectangle, bytes]:
    part, rest = _parsed(facts)
    if not _fits(spec) or not part.within(spec):
        raise StreamError("facts of an origin `inset` are not of such a picture")
    return part, rest
