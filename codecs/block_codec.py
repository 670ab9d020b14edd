"""What the block codecs share: latents of W x W blocks, entropy-coded, and a linear integer decoder.

Every plane is cut into blocks after a reversible colour transform (block_planes.py); a family's analysis turns each
block of N = W * W samples into K latents (block_analysis.py). They are quantised at one of a few levels that the
model names; each level has its own integer decoder matrix and its own frozen entropy model (block_latents.py). Only
the analysis computes in float, and only its symbols count.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tilepress.codecs.bitstream import seal, unseal
from tilepress.codecs.block_analysis import BlockAnalysis
from tilepress.codecs.block_latents import Layout
from tilepress.codecs.block_model import BlockConfig, Level, load_level
from tilepress.codecs.block_planes import FRAME, check_frame, frames, from_blocks, to_blocks
from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.model import Model

_VERSION = 1
_HEADER = struct.Struct("<BHBHB")  # level, then the frame
_BLOCKS_AT_ONCE = 1 << 14


class BlockCodec(Codec):
    """See the module. Symbols: `latents` int16 (n, c, rows, columns, K), `frame` int32 (n, 4), `level` int32 (n,)."""

    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})
    magic: ClassVar[bytes]
    config_class: ClassVar[type[BlockConfig]] = BlockConfig

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its decoder is not provably exact."""
        import torch

        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model = model
        self.config = self.config_class.from_json(model.config)
        self.device = torch.device(device)
        self._analysis = self.load_analysis()
        self._levels = [
            load_level(model, i, self.config, self.load_table(i), device) for i in range(len(self.config.steps))
        ]

    @abstractmethod
    def load_analysis(self) -> BlockAnalysis:
        """The analysis that the model holds; ModelError if it is damaged."""

    def load_table(self, level: int) -> np.ndarray | None:
        """What symbols stand for in the decoder, int32 (K, S) that rises along S; None: themselves."""
        return None

    def level_of(self, quality: int | None) -> int:
        """Level for a quality of 1..100: 0 is the coarsest; None is the model's default."""
        if quality is None:
            return self.config.default_level
        if not 1 <= quality <= 100:
            raise UnsupportedError(f"quality {quality} is not within 1..100")
        return (quality - 1) * len(self.config.steps) // 100

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, shared: bytes = b"") -> Symbols:
        """Tiles (n, h, w, c) of `spec.dtype` to symbols; float32 on the device."""
        self.require(spec)
        level = self.level_of(settings.quality)
        frame = frames(tiles, spec)
        blocks = to_blocks(tiles, spec, frame, self.config.block)
        latents = self._analysis(blocks, (spec.height, spec.width), self._levels[level].quantiser)
        levels = np.full(len(tiles), level, np.int32)
        return Symbols(spec, {"latents": latents, "frame": frame, "level": levels}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Level and frame in the clear, then one rANS stream a tile."""
        layout = _layout(symbols.spec)
        packed = []
        rows = zip(*(symbols.arrays[key] for key in ("latents", "frame", "level")), strict=True)
        for latents, frame, level in rows:
            header = _HEADER.pack(int(level), *(int(v) for v in frame))
            stream = self._levels[int(level)].coder.encode(latents, layout)
            packed.append(seal(self.magic, _VERSION, header + stream))
        return packed

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Inverse of `pack`."""
        self.require(spec)
        grid = (spec.channels, -(-spec.height // self.config.block), -(-spec.width // self.config.block))
        out = np.empty((len(latents), *grid, self.config.latents), np.int16)
        frame = np.empty((len(latents), FRAME), np.int32)
        levels = np.empty(len(latents), np.int32)
        for i, data in enumerate(latents):
            levels[i], frame[i], stream = self._open(data, spec)
            out[i] = self._levels[levels[i]].coder.decode(stream, out.shape[1:], _layout(spec))
        return Symbols(spec, {"latents": out, "frame": frame, "level": levels})

    def _open(self, data: bytes, spec: TileSpec) -> tuple[int, np.ndarray, bytes]:
        _, payload = unseal(self.magic, {_VERSION}, data)
        if len(payload) < _HEADER.size:
            raise StreamError(f"payload of {len(payload)} bytes is shorter than its header")
        level, *frame = _HEADER.unpack_from(payload)
        if level >= len(self.config.steps):
            raise StreamError(f"level {level} is not one of this model's {len(self.config.steps)}")
        values = np.array(frame, np.int32)
        check_frame(values, spec)
        return level, values, payload[_HEADER.size :]

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        fixed = np.empty((*latents.shape[:-1], self.config.block**2), np.int32)
        for value in np.unique(levels):
            chosen = levels == value
            rows = latents[chosen].reshape(-1, latents.shape[-1])
            fixed[chosen] = self._multiply(rows, self._levels[int(value)]).reshape(-1, *fixed.shape[1:])
        return from_blocks(fixed, symbols.spec, frame, self.config.block, self.config.fraction_bits)

    def _multiply(self, rows: np.ndarray, level: Level) -> np.ndarray:
        out = np.empty((len(rows), self.config.block**2), np.int32)
        for i in range(0, len(rows), _BLOCKS_AT_ONCE):
            out[i : i + _BLOCKS_AT_ONCE] = level.decode(rows[i : i + _BLOCKS_AT_ONCE])
        return out


def _layout(spec: TileSpec) -> Layout:
    return Layout.of(spec.channels, spec.colour == "rgb")
