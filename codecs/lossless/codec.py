"""Codec `lossless`: adaptive prediction and context mixing, smaller than general coders; or near-lossless.

Stream: magic "LL", version 1, payload as in stack.py. The model holds small networks, one for each
level but quick.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import Settings, TileCodec, TileSpec
from tilepress.codecs.lossless.levels import DEFAULT, FAST, MAX, QUICK, Level
from tilepress.codecs.lossless.model import starts_of
from tilepress.codecs.lossless.stack import decode_stack, encode_quickly, encode_stack
from tilepress.codecs.model import Model
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC = b"LL"
_VERSION = 1


class Lossless(TileCodec):
    """Least squares around each sample, a small network and adaptive counters, mixed for every binary decision.

    That is so from `effort` 2 on: 2 and 3 are level fast, 4 to 6 default, 7 to 9 max. At 1, level quick, a predictor
    serves many samples, in classes of blocks (quick/): ten times as quick. `max_error` bounds the difference of every
    sample; single bits stay exact.
    """

    codec_id = "lossless"
    summary = (
        "tilepress's own lossless coder: the smallest; slower than JPEG XL (effort 1 is quick, 5 default, 9 smallest)"
    )
    exact = True
    lossless = True
    needs_model: ClassVar[bool] = True
    colours = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"effort", "max_error"})
    alternatives: ClassVar[tuple[str, ...]] = ("jpegxl",)

    def __init__(self, model: Model, device: str = "cpu") -> None:
        """`model`: one of this family. Runs on CPU whatever the device. ModelError if it is not whole."""
        self._starts = starts_of(model)

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the stream of a tile (h, w, c), at most 10 bytes longer than its raw samples.

        UnsupportedError if the tile is not as `spec` says.
        """
        self.require(spec)
        settings.require()
        level, bound = level_of(settings.effort), settings.max_error or 0
        if level is QUICK:
            return write_frame(_MAGIC, _VERSION, encode_quickly(tile, None, spec, bound))
        prior = self._starts[level.code]
        return write_frame(_MAGIC, _VERSION, encode_stack(tile, None, spec, level, bound, prior))

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c). StreamError for damaged bytes. The tile bounds the time, whatever the bytes."""
        self.require(spec)
        _, payload = read_frame(_MAGIC, {_VERSION}, data)
        return decode_stack(payload, None, spec, self._starts)


def level_of(effort: int | None) -> Level:
    """Return the level of an effort 1..9; None means the default."""
    if effort is None:
        return DEFAULT
    if effort <= 1:
        return QUICK
    return FAST if effort <= 3 else DEFAULT if effort <= 6 else MAX
