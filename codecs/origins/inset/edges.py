"""Whether a JPEG goes on around a part of a picture, where colours do not tell: its margins may be white, or gray.

A small piece of the picture, half of it inside the part and half outside, where most is to be seen beside the part, is
looked for as a JPEG of its own. The half inside tells grid and steps; whether the other one is made again, decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.origins.base import Guess
from tilepress.codecs.origins.jpeg.rule import Jpeg
from tilepress.codecs.origins.rectangle import Rectangle

_LENGTH, _INSIDE, _OUTSIDE = 96, 64, 32  # of a piece along an edge, and across it on both sides, in pixels
_LIVELY = 0.03  # of the pixels of the piece outside differ from a neighbour: fewer do not tell
_SAME = 0.5  # of those pixels are made again; of letters at the edge of a photograph, a fifth by chance
_JPEG = Jpeg()


def goes_on(picture: np.ndarray, part: Rectangle, spec: TileSpec) -> bool:
    """Tell whether the JPEG of a part of a picture was larger than that.

    Args:
        picture: (h, w, 1 or 3) uint8.
        part: Of it, made by a JPEG decoder.
        spec: Of the picture.
    """
    lively = _changing(picture, part)
    pieces = [piece for strip, along in _strips(part, spec) if (piece := _liveliest(lively, strip, along))]
    if not pieces:
        return False
    piece = max(pieces, key=lambda piece: int(lively[piece.place].sum()))
    outside = lively[piece.place]
    if outside.sum() < _LIVELY * (piece.area - part.common(piece)):
        return False
    cut = np.ascontiguousarray(picture[piece.place])
    inner = replace(spec, height=piece.height, width=piece.width)
    found = _JPEG.invert(cut, inner, Guess(_JPEG.id, 1.0))
    if found is None:
        return False
    made = _JPEG.apply(found, inner)
    return bool((made == cut).all(axis=2)[outside].mean() >= _SAME)


def _strips(part: Rectangle, spec: TileSpec) -> Iterator[tuple[Rectangle, int]]:
    """Pieces as long as each edge of a part that is no edge of the picture, and the axis along them."""
    (top, bottom), (left, right) = ((lines.start, lines.stop) for lines in part.place)
    for first, end, size, axis in ((top, bottom, spec.height, 1), (left, right, spec.width, 0)):
        for start, stop in ((first - _OUTSIDE, first + _INSIDE), (end - _INSIDE, end + _OUTSIDE)):
            start, stop = max(start, 0), min(stop, size)
            if start < first or stop > end:
                across = Rectangle(start, left, stop - start, part.width)
                yield (across if axis else Rectangle(top, start, part.height, stop - start)), axis


def _liveliest(lively: np.ndarray, strip: Rectangle, axis: int) -> Rectangle | None:
    """The piece of a strip in which most pixels are marked; None if none is."""
    counts = np.concatenate([[0], lively[strip.place].sum(axis=1 - axis).cumsum()])
    length = min(_LENGTH, len(counts) - 1)
    within = counts[length:] - counts[:-length]
    at = int(within.argmax())
    if not within[at]:
        return None
    return replace(strip, x=strip.x + at, width=length) if axis else replace(strip, y=strip.y + at, height=length)


def _changing(picture: np.ndarray, part: Rectangle) -> np.ndarray:
    """Pixels outside of a part, bool (h, w), that differ from the one to the left or above, which is outside, too."""
    outside = np.ones(picture.shape[:2], bool)
    outside[part.place] = False
    changing = np.zeros_like(outside)
    changing[:, 1:] = (picture[:, 1:] != picture[:, :-1]).any(axis=2) & outside[:, 1:] & outside[:, :-1]
    changing[1:] |= (picture[1:] != picture[:-1]).any(axis=2) & outside[1:] & outside[:-1]
    return changing
