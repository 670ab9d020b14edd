"""Facts of the origin `jpeg`: by which decoder, and as which part of what the JPEG holds, a picture is made of it.

version uint8 | decoder uint8 | turn uint8 | top, left uint8
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError

_VERSION = 1
_FORMAT = struct.Struct("<5B")
_MOST_BEFORE = 15  # rows and columns: less than an MCU
MIRRORED, FLIPPED, TRANSPOSED = 1, 2, 4  # of `turn`: what is done to the decoded picture, in the opposite order
TURNS = range(8)


@dataclass(frozen=True)
class Facts:
    """`decoder`: a number of DECODERS. `turn`: of TURNS.

    `top`, `left`: rows and columns decoded before those of the picture.
    """

    decoder: int
    turn: int
    top: int
    left: int

    def pack(self) -> bytes:
        """Return the facts as bytes."""
        return _FORMAT.pack(_VERSION, self.decoder, self.turn, self.top, self.left)

    def size(self, spec: TileSpec) -> tuple[int, int]:
        """Return height and width of the JPEG of which a picture of `spec` is made."""
        height, width = (spec.width, spec.height) if self.turn & TRANSPOSED else (spec.height, spec.width)
        return self.top + height, self.left + width

    def cut(self, decoded: np.ndarray) -> np.ndarray:
        """Return the picture, turned and without what lies before it, of all that was decoded: a view."""
        return turned(decoded[self.top :, self.left :], self.turn)


def turned(picture: np.ndarray, turn: int) -> np.ndarray:
    """Return a picture (h, w, c) transposed, then upside down, then mirrored, as the bits of `turn` say: a view."""
    picture = picture.transpose(1, 0, 2) if turn & TRANSPOSED else picture
    picture = picture[::-1] if turn & FLIPPED else picture
    return picture[:, ::-1] if turn & MIRRORED else picture


def read_facts(data: bytes) -> Facts:
    """Return the facts of their bytes. StreamError for what `Facts.pack` does not write."""
    from tilepress.codecs.jpeg.decoders import DECODERS  # loads numba

    if len(data) != _FORMAT.size:
        raise StreamError(f"facts of the origin jpeg have {len(data)} bytes, not {_FORMAT.size}")
    version, decoder, turn, top, left = _FORMAT.unpack(data)
    if version != _VERSION or decoder not in DECODERS or turn not in TURNS or max(top, left) > _MOST_BEFORE:
        raise StreamError("facts of the origin jpeg are of another version, or damaged")
    return Facts(decoder, turn, top, left)
