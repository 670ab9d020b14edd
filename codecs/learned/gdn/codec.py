"""`gdn-factorized`: the factorised-prior model of Ballé, Laparra, Simoncelli 2017, decoded in integers.

The transform is in `transform.py`, the prior in `entropy/factorized_prior.py`. One model serves several rates:
`quality` chooses the level. Every level has its own frozen tables, one for each channel of the latents.

A stream: level and frame in the clear, then one rANS stream of the latents of all pictures of the tile, one above
the other (RGB is one picture, each other plane one more: `planes/rgb_inputs.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import Symbols, Tiles, TileSpec
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior, FactorizedTables
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.gdn.transform import ALIGNMENT, BITS, GdnAnalysis, GdnConfig, GdnSynthesis
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.model import Model, tensor
from tilepress.codecs.planes.rgb_inputs import from_pictures, padded_size, pictures_per_tile, to_pictures

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


class GdnFactorized(LeveledCodec):
    """See the module. Latents of a tile: int16 (pictures, c, h, w)."""

    codec_id: ClassVar[str] = "gdn-factorized"
    summary: ClassVar[str] = "convolutional transform with divisive normalisation, factorised prior (learned)"
    alignment: ClassVar[int] = ALIGNMENT
    magic: ClassVar[bytes] = b"GF"
    config: GdnConfig

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its synthesis is not provably exact."""
        import torch

        super().__init__(model)
        self.config = GdnConfig.from_json(model.config)
        self._levels = [_load_level(model, i, self.config) for i in range(self.config.levels)]
        self._analysis = GdnAnalysis(model, self.config, torch.device(device))
        bounds = np.stack([level.prior.bounds for level in self._levels])
        self._synthesis = GdnSynthesis(model, self.config, bounds, device)

    def latents_shape(self, spec: TileSpec) -> tuple[int, int, int, int]:
        """(pictures, c, h, w)."""
        height, width = (side // ALIGNMENT for side in padded_size(spec, ALIGNMENT))
        return pictures_per_tile(spec), self.config.channels[2], height, width

    def latents_of(self, tiles: Tiles, spec: TileSpec, frame: np.ndarray, level: int) -> np.ndarray:
        """The analysis of all pictures, quantised."""
        latents = self._levels[level].quantise(self._analysis(to_pictures(tiles, spec, frame, ALIGNMENT)))
        return latents.reshape(len(tiles), *self.latents_shape(spec))

    def encode_latents(self, latents: np.ndarray, level: int, spec: TileSpec) -> bytes:
        """One rANS stream, channel by channel, the pictures one above the other."""
        stacked = np.moveaxis(latents, 0, 1).reshape(latents.shape[1], -1, latents.shape[3])
        return self._levels[level].prior.encode(stacked)

    def decode_latents(self, stream: bytes, level: int, spec: TileSpec) -> np.ndarray:
        """Inverse of `encode_latents`."""
        pictures, channels, height, width = self.latents_shape(spec)
        stacked = self._levels[level].prior.decode(stream, pictures * height, width)
        return np.moveaxis(stacked.reshape(channels, pictures, height, width), 1, 0)

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        flat = latents.reshape(-1, *latents.shape[2:])
        fixed = self._synthesis(flat, np.repeat(levels, latents.shape[1]))
        return from_pictures(fixed, symbols.spec, frame, BITS)


def _load_level(model: Model, level: int, config: GdnConfig) -> Level:
    channels = config.channels[2]
    prior = FactorizedPrior(FactorizedTables.of(model.tensors, f"level{level}"), channels)
    if prior.bounds.max() > np.iinfo(_LATENT).max:
        raise ModelError(f"latents of level {level} do not fit {_LATENT.__name__}")
    gain = tensor(model.tensors, f"level{level}.gain", ("float32",), (channels,))
    return Level(np.asarray(gain), config.dead_zone[level], prior)
