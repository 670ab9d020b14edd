"""`cnn-ae`: a convolutional autoencoder, after the published one over 32 x 32 RGB blocks.

The analysis turns pictures of three channels (planes/rgb_inputs.py) into a few channels of latents, one for 4 x 4
pixels: a grid of 8 x 8 for a block. They are quantised uniformly at one of a few levels and coded under the adaptive
entropy model of entropy/latent_coder.py, each picture by itself. One integer synthesis serves all levels. A model's
configuration says how pictures go through the networks (planes/tiling.py): blocks side by side, overlapping and
blended, or whole; the archive keeps the model of every stream, so that streams stay decodable
whatever later models choose.

The published configuration: 32 * 32 * 24 bits of a block become 8 * 8 latents of 4 channels and 6 bits, 24,576 to
1,536 bits, which is 16:1, before entropy coding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tilepress.codecs.codec import Symbols, Tiles, TileSpec
from tilepress.codecs.entropy.context_model import LatentLayout
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.cnn_ae.model import CnnConfig, load_level
from tilepress.codecs.learned.cnn_ae.network import load_analysis, load_synthesis
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.model import Model
from tilepress.codecs.planes.rgb_inputs import MIN_BITS, from_pictures, pictures_per_tile, to_pictures

if TYPE_CHECKING:
    import torch

_PIXELS_AT_ONCE = 1 << 19


class CnnAe(LeveledCodec):
    """See the module. Latents of a tile: int16 (pictures, rows, columns, K)."""

    codec_id: ClassVar[str] = "cnn-ae"
    summary: ClassVar[str] = "convolutional autoencoder (learned): a few latents for 4 x 4 pixels, integer decoder"
    magic: ClassVar[bytes] = b"CA"
    config: CnnConfig

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its synthesis is not provably exact."""
        super().__init__(model)
        self.config = config = CnnConfig.from_json(model.config)
        self.device = device
        self._levels = [load_level(model, i, config) for i in range(config.levels)]
        self._analysis = load_analysis(config.analysis_plan, model.tensors, device)
        steps = load_synthesis(config.synthesis_plan, model.tensors, config.activation_bits)
        self._synthesis = IntegerNetwork(steps, config.input_bounds([lv.quantiser for lv in self._levels]), device)

    def latents_shape(self, spec: TileSpec) -> tuple[int, int, int, int]:
        """(pictures, rows, columns, K)."""
        cut = self.config.cut
        return pictures_per_tile(spec), cut.grid(spec.height), cut.grid(spec.width), self.config.latents

    def latents_of(self, tiles: Tiles, spec: TileSpec, frame: np.ndarray, level: int) -> np.ndarray:
        """The analysis of all pictures, quantised."""
        import torch

        cut = self.config.cut
        pieces = cut.split(cut.pad(to_pictures(tiles, spec, frame, 1)))
        with torch.no_grad(), torch.autocast(torch.device(self.device).type, enabled=False):
            parts = [self._analysis(part.to(self.device)).cpu().numpy() for part in _parts(torch.from_numpy(pieces))]
        symbols = self._levels[level].quantiser.symbols(np.concatenate(parts))
        grids = cut.gather(symbols, spec.height, spec.width).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(grids.reshape(len(tiles), *self.latents_shape(spec)))

    def encode_latents(self, latents: np.ndarray, level: int, spec: TileSpec) -> bytes:
        """One rANS stream, each picture by itself."""
        return self._levels[level].coder.encode(latents, _layout(spec))

    def decode_latents(self, stream: bytes, level: int, spec: TileSpec) -> np.ndarray:
        """Inverse of `encode_latents`."""
        return self._levels[level].coder.decode(stream, self.latents_shape(spec), _layout(spec))

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        spec, cut = symbols.spec, self.config.cut
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        tiles = np.empty((len(latents), *spec.shape), spec.dtype)
        for number in np.unique(levels):
            chosen = levels == number
            grids = latents[chosen].reshape(-1, *latents.shape[2:]).transpose(0, 3, 1, 2)
            values = self._levels[int(number)].quantiser.values(cut.scatter(grids, spec.height, spec.width))
            inputs = self.config.synthesis_inputs(values, int(number))
            decoded = cut.join(self._synthesise(inputs), spec.height, spec.width)
            tiles[chosen] = from_pictures(decoded, spec, frame[chosen], max(MIN_BITS, self.config.fraction_bits))
        return tiles

    def _synthesise(self, inputs: np.ndarray) -> np.ndarray:
        """Latents (m, K, h, w) to pictures (m, 3, H, W) int64 in units of 2^-max(MIN_BITS, fraction_bits)."""
        import torch

        missing = max(0, MIN_BITS - self.config.fraction_bits)
        pixels = self.config.cut.stride**2
        parts = [self._synthesis(part).cpu().numpy() for part in _parts(torch.from_numpy(inputs), pixels)]
        return np.concatenate(parts) << missing


def _layout(spec: TileSpec) -> LatentLayout:
    return LatentLayout.of(pictures_per_tile(spec), differences=False)


def _parts(pieces: torch.Tensor, pixels: int = 1) -> Iterator[torch.Tensor]:
    """Pieces (m, c, h, w) in batches of bounded size; `pixels` of the picture for each of theirs."""
    import torch

    each = pieces.shape[2] * pieces.shape[3] * pixels
    return iter(torch.split(pieces, max(1, _PIXELS_AT_ONCE // each)))
