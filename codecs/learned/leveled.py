"""What learned codecs with quality levels share: which level a quality means, and the stream of a tile.

A model names a few levels, coarse to fine; each has its own quantisation and its own frozen entropy model. A stream:
level (uint8) and frame (offset uint16 and depth uint8 of the colour planes, then of alpha: planes/blocks.py) in the
clear, then the entropy-coded latents. FORMAT.md sections 8 to 8d.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.model import Model
from tilepress.codecs.planes.blocks import FRAME, check_frame, frames
from tilepress.codecs.stream import read_frame, write_frame

_VERSION = 1
_HEADER = struct.Struct("<BHBHB")  # level, then the frame
_ARRAYS = ("latents", "frame", "level")


class LeveledConfig(Protocol):
    """What the configuration of such a model says of its levels."""

    @property
    def levels(self) -> int:
        """How many there are, 1..256."""

    @property
    def default_level(self) -> int:
        """The level of a person who asks for none."""


class LeveledCodec(Codec):
    """See the module. Symbols: `latents` int16 (n, *latents_shape), `frame` int32 (n, 4), `level` int32 (n,).

    A family sets `magic`, sets `config` when it loads its model, and fills in the abstract methods.
    """

    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})
    magic: ClassVar[bytes]
    config: LeveledConfig

    def __init__(self, model: Model):
        """ModelError if the model is of another family."""
        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model = model

    @abstractmethod
    def latents_shape(self, spec: TileSpec) -> tuple[int, ...]:
        """Shape of the latents of one such tile."""

    @abstractmethod
    def latents_of(self, tiles: Tiles, spec: TileSpec, frame: np.ndarray, level: int) -> np.ndarray:
        """Tiles (n, h, w, c) with their frames (n, 4) to quantised latents, int16 (n, *latents_shape)."""

    @abstractmethod
    def encode_latents(self, latents: np.ndarray, level: int, spec: TileSpec) -> bytes:
        """Entropy-code the latents (*latents_shape) of one tile."""

    @abstractmethod
    def decode_latents(self, stream: bytes, level: int, spec: TileSpec) -> np.ndarray:
        """Inverse of `encode_latents`. StreamError."""

    def level_of(self, quality: int | None) -> int:
        """Level for a quality of 1..100: 0 is the coarsest; None is the model's default."""
        if quality is None:
            return self.config.default_level
        if not 1 <= quality <= 100:
            raise UnsupportedError(f"quality {quality} is not within 1..100")
        return (quality - 1) * self.config.levels // 100

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, shared: bytes = b"") -> Symbols:
        """Tiles (n, h, w, c) of `spec.dtype` to symbols; float32 on the device."""
        self.require(spec)
        level, frame = self.level_of(settings.quality), frames(tiles, spec)
        latents = self.latents_of(tiles, spec, frame, level)
        arrays = (latents, frame, np.full(len(tiles), level, np.int32))
        return Symbols(spec, dict(zip(_ARRAYS, arrays, strict=True)), settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Level and frame in the clear, then the latents."""
        packed = []
        for latents, frame, level in zip(*(symbols.arrays[name] for name in _ARRAYS), strict=True):
            header = _HEADER.pack(int(level), *(int(v) for v in frame))
            packed.append(
                write_frame(self.magic, _VERSION, header + self.encode_latents(latents, int(level), symbols.spec))
            )
        return packed

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Inverse of `pack`."""
        self.require(spec)
        out = np.empty((len(latents), *self.latents_shape(spec)), np.int16)
        frame = np.empty((len(latents), FRAME), np.int32)
        levels = np.empty(len(latents), np.int32)
        for i, data in enumerate(latents):
            levels[i], frame[i], stream = self._open(data, spec)
            out[i] = self.decode_latents(stream, int(levels[i]), spec)
        return Symbols(spec, dict(zip(_ARRAYS, (out, frame, levels), strict=True)))

    def _open(self, data: bytes, spec: TileSpec) -> tuple[int, np.ndarray, bytes]:
        _, payload = read_frame(self.magic, {_VERSION}, data)
        if len(payload) < _HEADER.size:
            raise StreamError(f"payload of {len(payload)} bytes is shorter than its header")
        level, *frame = _HEADER.unpack_from(payload)
        if level >= self.config.levels:
            raise StreamError(f"level {level} is not one of this model's {self.config.levels}")
        values = np.array(frame, np.int32)
        check_frame(values, spec)
        return level, values, payload[_HEADER.size :]
