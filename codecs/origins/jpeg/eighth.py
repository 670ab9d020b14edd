"""A picture that was a JPEG at an eighth of its sides: the means of the JPEG's blocks, where its pixels are those."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.jpeg.facts import FLIPPED, MIRRORED, TRANSPOSED, read_facts, turned

EIGHTH = 8  # the sides of a block, of which a DC coefficient is the mean


def eighth_of(decoded: Callable[[int], np.ndarray], facts: bytes, spec: TileSpec) -> np.ndarray:
    """Return a picture of `spec` at an eighth of its sides, rounded up: uint8 (h, w, channels).

    Of a picture that was cut elsewhere than between blocks, no DC coefficient says what a pixel is: all is decoded.
    StreamError unless the JPEG, which has one channel or as many as the picture, is one that the picture is made of.

    Args:
        decoded: Gives the JPEG at 1/8 or 1/1 of its sides, rounded up: uint8 (h, w, channels), for 8 or 1.
        facts: Those of the origin.
        spec: Of the whole picture.
    """
    found = read_facts(facts)
    down, across = (MIRRORED, FLIPPED) if found.turn & TRANSPOSED else (FLIPPED, MIRRORED)
    sides = found.size(spec)
    first = _first(sides[0], found.top, found.turn & down), _first(sides[1], found.left, found.turn & across)
    factor = 1 if first[0] % EIGHTH or first[1] % EIGHTH else EIGHTH
    shrunk = decoded(factor)
    if shrunk.shape[:2] != tuple(-(-side // factor) for side in sides) or shrunk.shape[2] not in (1, spec.channels):
        raise StreamError("JPEG file: it is not of the size of its picture")
    if factor == EIGHTH:
        small = turned(shrunk[first[0] // EIGHTH :, first[1] // EIGHTH :], found.turn)
    else:
        small = mean_eighth(found.cut(shrunk))
    return np.ascontiguousarray(np.broadcast_to(small, (*small.shape[:2], spec.channels)))


def _first(side: int, before: int, backwards: int) -> int:
    """The line of a JPEG of `side` lines, `before` of which are not the picture's, from which on eights are counted.

    `backwards`: the picture is turned, and the last line is its first.
    """
    return side - EIGHTH * -(-(side - before) // EIGHTH) if backwards else before


def mean_eighth(samples: np.ndarray) -> np.ndarray:
    """Return the means of 8 x 8 pixels each, fewer at the lower and right edges: of (h, w, c), of its type."""
    height, width, _ = samples.shape
    rows, columns = np.arange(0, height, EIGHTH), np.arange(0, width, EIGHTH)
    sums = np.add.reduceat(np.add.reduceat(samples, rows, axis=0, dtype=np.uint32), columns, axis=1)
    counts = np.outer(np.minimum(height - rows, EIGHTH), np.minimum(width - columns, EIGHTH))[:, :, None]
    means: np.ndarray = ((sums + counts // 2) // counts).astype(samples.dtype)
    return means
