"""`gdn-factorized`: the factorised-prior model of Ballé, Laparra, Simoncelli 2017, decoded in integers.

The transform is in `gdn_transform.py`, the prior in `factorized.py`. One model serves several rates: `quality`
chooses the level. Every level has its own frozen tables, one for each channel of the latents.

A stream: level and frame in the clear, then one rANS stream of the latents of all pictures of the tile, one above
the other (RGB is one picture, each other plane one more: `conv_pictures.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tilepress.codecs.bitstream import seal, unseal
from tilepress.codecs.block_planes import FRAME, check_frame, frames
from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.conv_pictures import from_pictures, padded_size, pictures_per_tile, to_pictures
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.factorized import FactorizedPrior, Frozen
from tilepress.codecs.gdn_transform import BITS, GRANULE, GdnAnalysis, GdnConfig, GdnSynthesis
from tilepress.codecs.model import Model
from tilepress.codecs.tensors import tensor

_MAGIC = b"GF"
_VERSION = 1
_HEADER = struct.Struct("<BHBHB")  # level, then the frame
_LATENT = np.int16


@dataclass(frozen=True)
class Level:
    """What a quality level adds to the transform. `gain` (c,) float32, and the part of a step that latents are
    drawn to 0 by before they are rounded."""

    gain: np.ndarray
    dead_zone: float
    prior: FactorizedPrior

    def quantise(self, latents: np.ndarray) -> np.ndarray:
        """Real latents (m, c, h, w) to integers within the range of the prior."""
        scaled = latents * self.gain[:, None, None]
        drawn = np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5 - self.dead_zone))
        low, high = (edge.astype(np.float32)[:, None, None] for edge in (self.prior.low, self.prior.high))
        symbols: np.ndarray = np.clip(drawn, low, high).astype(_LATENT)
        return symbols


class GdnFactorized(Codec):
    """See the module. Symbols: `latents` int16 (n, pictures, c, h, w), `frame` int32 (n, 4), `level` int32 (n,)."""

    codec_id: ClassVar[str] = "gdn-factorized"
    summary: ClassVar[str] = "convolutional transform with divisive normalisation, factorised prior (learned)"
    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    granule: ClassVar[int] = GRANULE
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its synthesis is not provably exact."""
        import torch

        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model = model
        self.config = GdnConfig.from_json(model.config)
        self._levels = [_load_level(model, i, self.config) for i in range(self.config.levels)]
        self._analysis = GdnAnalysis(model, self.config, torch.device(device))
        bounds = np.stack([level.prior.bounds for level in self._levels])
        self._synthesis = GdnSynthesis(model, self.config, bounds, device)

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
        level = self.level_of(settings.quality)
        frame = frames(tiles, spec)
        latents = self._levels[level].quantise(self._analysis(to_pictures(tiles, spec, frame, GRANULE)))
        latents = latents.reshape(len(tiles), pictures_per_tile(spec), *latents.shape[1:])
        return Symbols(spec, {"latents": latents, "frame": frame, "level": np.full(len(tiles), level, np.int32)})

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Level and frame in the clear, then one rANS stream a tile."""
        packed = []
        for latents, frame, level in zip(*(symbols.arrays[k] for k in ("latents", "frame", "level")), strict=True):
            header = _HEADER.pack(int(level), *(int(v) for v in frame))
            stacked = np.moveaxis(latents, 0, 1).reshape(latents.shape[1], -1, latents.shape[3])
            packed.append(seal(_MAGIC, _VERSION, header + self._levels[int(level)].prior.encode(stacked)))
        return packed

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Inverse of `pack`."""
        self.require(spec)
        pictures, channels = pictures_per_tile(spec), self.config.channels[2]
        rows, columns = (side // GRANULE for side in padded_size(spec, GRANULE))
        out = np.empty((len(latents), pictures, channels, rows, columns), _LATENT)
        frame = np.empty((len(latents), FRAME), np.int32)
        levels = np.empty(len(latents), np.int32)
        for i, data in enumerate(latents):
            levels[i], frame[i], stream = self._open(data, spec)
            stacked = self._levels[levels[i]].prior.decode(stream, pictures * rows, columns)
            out[i] = np.moveaxis(stacked.reshape(channels, pictures, rows, columns), 1, 0)
        return Symbols(spec, {"latents": out, "frame": frame, "level": levels})

    def _open(self, data: bytes, spec: TileSpec) -> tuple[int, np.ndarray, bytes]:
        _, payload = unseal(_MAGIC, {_VERSION}, data)
        if len(payload) < _HEADER.size:
            raise StreamError(f"payload of {len(payload)} bytes is shorter than its header")
        level, *frame = _HEADER.unpack_from(payload)
        if level >= self.config.levels:
            raise StreamError(f"level {level} is not one of this model's {self.config.levels}")
        values = np.array(frame, np.int32)
        check_frame(values, spec)
        return level, values, payload[_HEADER.size :]

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        flat = latents.reshape(-1, *latents.shape[2:])
        fixed = self._synthesis(flat, np.repeat(levels, latents.shape[1]))
        return from_pictures(fixed, symbols.spec, frame, BITS)


def _load_level(model: Model, level: int, config: GdnConfig) -> Level:
    channels = config.channels[2]
    prior = FactorizedPrior(Frozen.of(model.tensors, f"level{level}"), channels)
    if prior.bounds.max() > np.iinfo(_LATENT).max:
        raise ModelError(f"latents of level {level} do not fit {_LATENT.__name__}")
    gain = tensor(model.tensors, f"level{level}.gain", ("float32",), (channels,))
    return Level(np.asarray(gain), config.dead_zone[level], prior)
