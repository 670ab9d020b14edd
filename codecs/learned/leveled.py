"""The base of learned codecs: configuration, quality levels, frames, streams, prefixes, views and side information.

A family adds its networks: `load_level`, `load_networks`, `shapes`, `latents_of`, `tiles_of`. A model names a few
levels, coarse to fine; each has its own quantisers and its own frozen entropy model. A stream: level (uint8) and frame
(planes/frame.py) in the clear, then what the level's coder makes of the latents. If that is more than one part, the
lengths (uint32) of all but the last stand before them. FORMAT.md sections 8 to 8d.
"""

from __future__ import annotations

import copy
import struct
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.entropy.latent_coder import LATENTS, LatentCoder, Latents, Shapes
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.on_device import Tensors, in_batches, tiles_at_once
from tilepress.codecs.model import Model
from tilepress.codecs.planes.frame import FRAME, FRAME_BYTES, frames, pack_frame, unpack_frame
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.samples import arrived, returned, to_return, to_travel
from tilepress.codecs.stream import read_frame, write_frame

if TYPE_CHECKING:
    import torch

_VERSION = 1
_LEVEL, _FRAME = "level", "frame"  # arrays of the symbols besides the latents
_TILES = "tiles"


@dataclass(frozen=True)
class Level:
    """One quality level of a model: a quantiser for each array of latents, by name, and the coder of them all."""

    number: int
    quantisers: Mapping[str, Quantiser]
    coder: LatentCoder

    @property
    def quantiser(self) -> Quantiser:
        """The quantiser of a codec with one array of latents."""
        return self.quantisers[LATENTS]


class LeveledCodec(Codec):
    """See the module. Symbols: arrays of latents int16 (n, *shape), `frame` int32 (n, FRAME), `level` int32 (n,).

    `view_name`: which of the model's decoders `tiles_of` runs; "" for the one whose tiles are the base.
    """

    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})
    magic: ClassVar[bytes]
    config_class: ClassVar[type[LeveledConfig]]
    config: LeveledConfig
    view_name: str = ""

    def __init__(self, model: Model, device: str = "cpu") -> None:
        """ModelError if the model is of another family, damaged, or its decoder is not provably exact."""
        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model, self.device = model, device
        self.config = self.config_class.from_json(model.config)
        self.levels = [self.load_level(number) for number in range(self.config.level_count)]
        self.progressive = any(level.coder.parts > 1 for level in self.levels)
        self.load_networks()

    @abstractmethod
    def load_level(self, number: int) -> Level:
        """Return a level of the model. ModelError if it is damaged."""

    @abstractmethod
    def load_networks(self) -> None:
        """Load analysis and synthesis; all levels are there. ModelError if they are damaged or not provably exact."""

    @abstractmethod
    def shapes(self, spec: TileSpec) -> Shapes:
        """Return the shape of each array of latents of one such tile."""

    @abstractmethod
    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the quantised latents, int16 (n, *shape), of tiles (n, h, w, c) with their frames (n, FRAME).

        All are on the device; tiles are in the `sample_type` of planes/samples.py.
        """

    @abstractmethod
    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles (n, h, w, c) of latents at one level: exact integers, in batches of any size the same.

        All are on the device, as with `latents_of`. Of a prefix of the streams, `latents` has the arrays that the
        prefix holds. Arrays that the level does not have may be there too, if other tiles of a batch are of other
        levels: they mean nothing.
        """

    def adapted(self, side_information: bytes) -> Self:
        """Return this codec with an image's side information in its networks, proven again.

        Families that have some override it, and `prepare`. StreamError for bytes that `prepare` did not write.
        """
        if side_information:
            raise StreamError(f"codec {self.codec_id} takes no side information")
        return self

    def view(self, name: str) -> Self:
        """Return this codec with `view_name` set, for `tiles_of` to look at. UnsupportedError."""
        if name not in self.views:
            raise UnsupportedError(f"this {self.codec_id} model has no view {name!r}; it has: {', '.join(self.views)}")
        other = copy.copy(self)
        other.view_name = name
        return other

    def level_of(self, quality: int | None) -> int:
        """Return the level of a quality of 1..100: 0 is the coarsest; None is the model's default."""
        Settings(quality=quality).require()
        return self.config.level_of(quality)

    @cached_property
    def place(self) -> torch.device:
        """The device as PyTorch has it."""
        import torch

        return torch.device(self.device)

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return the symbols of tiles (n, h, w, c) of `spec.dtype`; float32 on the device."""
        self.require(spec)
        level, codec = self.levels[self.level_of(settings.quality)], self.adapted(side_information)

        def work(batch: Tensors) -> Tensors:
            there = arrived(batch[_TILES])
            frame = frames(there, spec)
            return {**codec.latents_of(there, spec, frame, level), _FRAME: frame}

        arrays = in_batches(work, {_TILES: to_travel(tiles)}, tiles_at_once(spec, self.place), self.place)
        return Symbols(spec, {**arrays, _LEVEL: np.full(len(tiles), level.number, np.int32)}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Return level and frame in the clear, then the coded latents, of each tile."""
        packed = []
        for i, number in enumerate(symbols.arrays[_LEVEL]):
            latents = {name: array[i] for name, array in symbols.arrays.items() if name not in (_LEVEL, _FRAME)}
            streams = self.levels[number].coder.encode(latents, symbols.spec)
            header = bytes([number]) + pack_frame(symbols.arrays[_FRAME][i])
            packed.append(write_frame(self.magic, _VERSION, header + _join(streams)))
        return packed

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Return the symbols that `pack` wrote. StreamError."""
        return self._unpack(latents, spec, None)

    def unpack_prefix(self, latents: Sequence[bytes], spec: TileSpec, parts: int) -> Symbols:
        """Return the symbols that the first `parts` of each stream hold. StreamError."""
        return self._unpack(latents, spec, parts)

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return exact integers: the same on every device, in batches of any size."""
        codec, spec, levels = self.adapted(side_information), symbols.spec, symbols.arrays[_LEVEL]
        arrays = {name: array for name, array in symbols.arrays.items() if name != _LEVEL}
        found = np.unique(levels)
        if len(found) == 1:
            return codec._synthesised(arrays, spec, self.levels[int(found[0])])
        tiles = np.empty((len(levels), *spec.shape), spec.dtype)
        for number in found:
            chosen = np.flatnonzero(levels == number)
            part = {name: array[chosen] for name, array in arrays.items()}
            tiles[chosen] = codec._synthesised(part, spec, self.levels[int(number)])
        return tiles

    def _synthesised(self, arrays: Mapping[str, np.ndarray], spec: TileSpec, level: Level) -> Tiles:
        """Tiles of one level, of frames and latents."""

        def work(batch: dict[str, torch.Tensor]) -> Tensors:
            frame = batch.pop(_FRAME)
            return {_TILES: to_return(self.tiles_of(batch, spec, frame, level))}

        return returned(in_batches(work, arrays, tiles_at_once(spec, self.place), self.place)[_TILES])

    def _unpack(self, latents: Sequence[bytes], spec: TileSpec, parts: int | None) -> Symbols:
        self.require(spec)
        shapes = self.shapes(spec)
        frame, levels = np.empty((len(latents), FRAME), np.int32), np.empty(len(latents), np.int32)
        decoded = []
        for i, data in enumerate(latents):
            level, frame[i], payload = self._open(data, spec)
            levels[i] = level.number
            decoded.append(level.coder.decode(_split(payload, level.coder.parts)[:parts], shapes, spec))
        return Symbols(spec, {**_stacked(decoded, shapes), _FRAME: frame, _LEVEL: levels})

    def _open(self, data: bytes, spec: TileSpec) -> tuple[Level, np.ndarray, bytes]:
        """Return level, frame and coded latents of a stream."""
        _, payload = read_frame(self.magic, {_VERSION}, data)
        if len(payload) < 1 + FRAME_BYTES:
            raise StreamError(f"payload of {len(payload)} bytes is shorter than its header")
        if payload[0] >= len(self.levels):
            raise StreamError(f"level {payload[0]} is not one of this model's {len(self.levels)}")
        frame = unpack_frame(payload[1 : 1 + FRAME_BYTES], spec)
        return self.levels[payload[0]], frame, payload[1 + FRAME_BYTES :]


def _stacked(decoded: Sequence[Latents], shapes: Shapes) -> dict[str, np.ndarray]:
    """Return the arrays int16 (n, *shape) that any tile has; of tiles whose level has no such array, zeros."""
    arrays = {}
    for name, shape in shapes.items():
        if not decoded or any(name in one for one in decoded):
            arrays[name] = np.zeros((len(decoded), *shape), np.int16)
            for out, one in zip(arrays[name], decoded, strict=True):
                out[...] = one.get(name, 0)
    return arrays


def _join(streams: Sequence[bytes]) -> bytes:
    """Return the parts of a stream behind their lengths."""
    return struct.pack(f"<{len(streams) - 1}I", *map(len, streams[:-1])) + b"".join(streams)


def _split(payload: bytes, parts: int) -> list[bytes]:
    """Return the `parts` that `_join` joined. StreamError if they are not there."""
    at = 4 * (parts - 1)
    if len(payload) < at:
        raise StreamError("a stream ends within the lengths of its parts: the bytes are damaged")
    out = []
    for length in struct.unpack_from(f"<{parts - 1}I", payload):
        if length > len(payload) - at:
            raise StreamError("a part of a stream is longer than what is there: the bytes are damaged")
        out.append(payload[at : at + length])
        at += length
    return [*out, payload[at:]]
