"""Residual coder "lossless-1": the lossless codec on a tile whose base is known, as planes that predict the tile's.

Stream: magic "rL", version 1, payload as in stack.py. Its network and first weights belong to the format
for ever: residual_models/lossless-1, whose content hash stands below.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import ResidualCoder, Settings, TileSpec
from tilepress.codecs.lossless.levels import DEFAULT
from tilepress.codecs.lossless.model import starts_of
from tilepress.codecs.lossless.stack import StartState, decode_stack, encode_stack
from tilepress.codecs.model import Model
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC = b"rL"
_VERSION = 1
_FOLDER = Path(__file__).parents[1] / "residual_models" / "lossless-1"
_MODEL = "fddfbd9b598cd3bc39249b8a6fd0fbf1feffc4b959f3bd716f522a6fb12bc578"


class LosslessResidual(ResidualCoder):
    """The lossless codec at its default level, on top of a base."""

    residual_id = "lossless-1"
    near_lossless: ClassVar[bool] = True
    model_folder: ClassVar[Path | None] = _FOLDER

    def encode(self, tile: np.ndarray, base: np.ndarray, spec: TileSpec, max_error: int = 0) -> bytes:
        """Return the stream of a tile (h, w, c) over its base, at most 10 bytes longer than its raw samples.

        UnsupportedError if tile or base are not as `spec` says.
        """
        Settings(max_error=max_error).require()
        return write_frame(
            _MAGIC, _VERSION, encode_stack(tile, base, spec, DEFAULT, max_error, _starts()[DEFAULT.code])
        )

    def decode(self, data: bytes, base: np.ndarray, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c). StreamError for damaged bytes. The tile bounds the time, whatever the bytes."""
        spec.require(base, "base")
        _, payload = read_frame(_MAGIC, {_VERSION}, data)
        return decode_stack(payload, base, spec, _starts(), quick=False)


@cache
def _starts() -> dict[int, StartState]:
    return starts_of(Model.load(_FOLDER, _MODEL))
