"""`cnn-ae`: a convolutional autoencoder, after the published one over 32 x 32 RGB blocks.

The analysis turns pictures of three channels (conv_pictures.py) into a few channels of latents, one for 4 x 4 pixels:
a grid of 8 x 8 for a block. They are quantised uniformly at one of a few levels and coded under the adaptive entropy
model of block_latents.py, each picture by itself. One integer synthesis serves all levels. A model's configuration
says how pictures go through the networks (cnn_cuts.py): blocks side by side, overlapping and blended, or whole; the
archive keeps the model of every stream, so that streams stay decodable whatever later models choose.

The published configuration: 32 * 32 * 24 bits of a block become 8 * 8 latents of 4 channels and 6 bits, 24,576 to
1,536 bits, which is 16:1, before entropy coding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tilepress.codecs.bitstream import seal, unseal
from tilepress.codecs.block_latents import Layout
from tilepress.codecs.block_planes import FRAME, check_frame, frames
from tilepress.codecs.cnn_model import CnnConfig, Level, load_level
from tilepress.codecs.cnn_network import load_analysis, load_synthesis
from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.conv_pictures import MIN_BITS, from_pictures, pictures_per_tile, to_pictures
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.exact import IntegerNetwork
from tilepress.codecs.model import Model

if TYPE_CHECKING:
    import torch

_MAGIC, _VERSION = b"CA", 1
_HEADER = struct.Struct("<BHBHB")  # level, then the frame
_PIXELS_AT_ONCE = 1 << 19


class CnnAe(Codec):
    """See the module. Symbols: `latents` int16 (n, pictures, rows, columns, K), `frame` int32 (n, 4), `level` int32
    (n,)."""

    codec_id: ClassVar[str] = "cnn-ae"
    summary: ClassVar[str] = "convolutional autoencoder (learned): a few latents for 4 x 4 pixels, integer decoder"
    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its synthesis is not provably exact."""
        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model = model
        self.config = config = CnnConfig.from_json(model.config)
        self.device = device
        self.quality_levels: list[Level] = [load_level(model, i, config) for i in range(len(config.steps))]
        self._analysis = load_analysis(config.analysis_plan, model.tensors, device)
        bounds = np.max([level.quantiser.reach for level in self.quality_levels], axis=0)
        if config.strengths:
            bounds = np.append(bounds, max(config.strengths))
        steps = load_synthesis(config.synthesis_plan, model.tensors, config.activation_bits)
        self._synthesis = IntegerNetwork(steps, bounds, device)

    def level_of(self, quality: int | None) -> int:
        """Level for a quality of 1..100: 0 is the coarsest; None is the model's default."""
        if quality is None:
            return self.config.default_level
        if not 1 <= quality <= 100:
            raise UnsupportedError(f"quality {quality} is not within 1..100")
        return (quality - 1) * len(self.config.steps) // 100

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, shared: bytes = b"") -> Symbols:
        """Tiles (n, h, w, c) of `spec.dtype` to symbols; float32 on the device."""
        import torch

        self.require(spec)
        number, frame, cut = self.level_of(settings.quality), frames(tiles, spec), self.config.cut
        pieces = cut.split(cut.pad(to_pictures(tiles, spec, frame, 1)))
        with torch.no_grad(), torch.autocast(torch.device(self.device).type, enabled=False):
            parts = [self._analysis(part.to(self.device)).cpu().numpy() for part in _parts(torch.from_numpy(pieces))]
        grids = cut.gather(
            self.quality_levels[number].quantiser.symbols(np.concatenate(parts)), spec.height, spec.width
        )
        latents = grids.transpose(0, 2, 3, 1).reshape(len(tiles), -1, *grids.shape[2:], grids.shape[1])
        levels = np.full(len(tiles), number, np.int32)
        return Symbols(spec, {"latents": np.ascontiguousarray(latents), "frame": frame, "level": levels}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Level and frame in the clear, then one rANS stream a tile."""
        layout = Layout.of(pictures_per_tile(symbols.spec), differences=False)
        packed = []
        rows = zip(*(symbols.arrays[key] for key in ("latents", "frame", "level")), strict=True)
        for latents, frame, level in rows:
            header = _HEADER.pack(int(level), *(int(v) for v in frame))
            packed.append(
                seal(_MAGIC, _VERSION, header + self.quality_levels[int(level)].coder.encode(latents, layout))
            )
        return packed

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Inverse of `pack`."""
        self.require(spec)
        cut, pictures = self.config.cut, pictures_per_tile(spec)
        grid = (pictures, cut.grid(spec.height), cut.grid(spec.width), self.config.latents)
        layout = Layout.of(pictures, differences=False)
        out = np.empty((len(latents), *grid), np.int16)
        frame = np.empty((len(latents), FRAME), np.int32)
        levels = np.empty(len(latents), np.int32)
        for i, data in enumerate(latents):
            levels[i], frame[i], stream = self._open(data, spec)
            out[i] = self.quality_levels[levels[i]].coder.decode(stream, grid, layout)
        return Symbols(spec, {"latents": out, "frame": frame, "level": levels})

    def _open(self, data: bytes, spec: TileSpec) -> tuple[int, np.ndarray, bytes]:
        _, payload = unseal(_MAGIC, {_VERSION}, data)
        if len(payload) < _HEADER.size:
            raise StreamError(f"payload of {len(payload)} bytes is shorter than its header")
        level, *frame = _HEADER.unpack_from(payload)
        if level >= len(self.quality_levels):
            raise StreamError(f"level {level} is not one of this model's {len(self.quality_levels)}")
        values = np.array(frame, np.int32)
        check_frame(values, spec)
        return level, values, payload[_HEADER.size :]

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        spec, cut = symbols.spec, self.config.cut
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        tiles = np.empty((len(latents), *spec.shape), spec.dtype)
        for number in np.unique(levels):
            chosen = levels == number
            grids = latents[chosen].reshape(-1, *latents.shape[2:]).transpose(0, 3, 1, 2)
            inputs = self._inputs(cut.scatter(grids, spec.height, spec.width), int(number))
            decoded = cut.join(self._synthesise(inputs), spec.height, spec.width)
            tiles[chosen] = from_pictures(decoded, spec, frame[chosen], max(MIN_BITS, self.config.fraction_bits))
        return tiles

    def _inputs(self, symbols: np.ndarray, number: int) -> np.ndarray:
        values = self.quality_levels[number].quantiser.values(symbols)
        if not self.config.strengths:
            return values
        strength = np.full((len(values), 1, *values.shape[2:]), self.config.strengths[number], np.int32)
        return np.concatenate([values, strength], axis=1)

    def _synthesise(self, inputs: np.ndarray) -> np.ndarray:
        """Latents (m, K, h, w) to pictures (m, 3, H, W) int64 in units of 2^-max(MIN_BITS, fraction_bits)."""
        import torch

        missing = max(0, MIN_BITS - self.config.fraction_bits)
        pixels = self.config.cut.stride**2
        parts = [self._synthesis(part).cpu().numpy() for part in _parts(torch.from_numpy(inputs), pixels)]
        return np.concatenate(parts) << missing


def _parts(pieces: torch.Tensor, pixels: int = 1) -> Iterator[torch.Tensor]:
    """Pieces (m, c, h, w) in batches of bounded size; `pixels` of the picture for each of theirs."""
    import torch

    each = pieces.shape[2] * pieces.shape[3] * pixels
    return iter(torch.split(pieces, max(1, _PIXELS_AT_ONCE // each)))
