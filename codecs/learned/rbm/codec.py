"""`rbm-autoencoder`: the deep autoencoder that began as restricted Boltzmann machines (Hinton, Salakhutdinov 2006).

Every plane is cut into blocks of W x W samples, 28 x 28 as the digits of MNIST, of which stacks of digits are made.
Logistic layers turn the N samples of a block into K codes within 0..1; the codes are quantised, uniformly or by
k-means, and stored in a byte each, as published, or entropy-coded, at one of a few levels. The decoder is the mirror
of the encoder in exact integers: linear layers, and the logistic function as a table (integer/sigmoid.py). Machines
are a way of training alone (jobs/recipes/rbm): a model does not show whether it began as some.

View `binary`: samples are 0 or the largest, whichever is nearer: as published, for drawings in black and white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior, FactorizedTables
from tilepress.codecs.entropy.latent_coder import LATENTS, LatentCoder, Shapes
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.sigmoid import SIGMOID_BITS
from tilepress.codecs.learned.coders import FactorizedLatents, FixedLatents
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.dense import DenseNetwork
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.on_device import Tensors
from tilepress.codecs.learned.rbm.config import UNIT, RbmConfig
from tilepress.codecs.learned.rbm.layers import load_decoder, load_encoder
from tilepress.codecs.model import tensor
from tilepress.codecs.planes.blocks import from_blocks, to_blocks
from tilepress.codecs.planes.quantiser import Quantiser

if TYPE_CHECKING:
    import torch

BINARY = "binary"
_BLOCKS_AT_ONCE = 1 << 12  # of a processor


class RbmAutoencoder(LeveledCodec):
    """See the module. Latents of a tile: int16 (planes, K, rows, columns), rows and columns of blocks."""

    codec_id: ClassVar[str] = "rbm-autoencoder"
    summary: ClassVar[str] = "deep autoencoder of 28 x 28 blocks that began as Boltzmann machines (learned): for digits"
    magic: ClassVar[bytes] = b"RB"
    config_class: ClassVar[type[LeveledConfig]] = RbmConfig
    config: RbmConfig
    views: tuple[str, ...] = (BINARY,)

    def load_level(self, number: int) -> Level:
        """Return the level: its quantiser, and the coder of its codes. ModelError."""
        return Level(number, {LATENTS: self._quantiser(number)}, self._coder(number))

    def _quantiser(self, number: int) -> Quantiser:
        steps = self.config.steps[number]
        low, high = np.zeros(self.config.codes, np.int64), np.full(self.config.codes, steps)
        if self.config.quantiser == "uniform":
            return Quantiser(low, high, step=1 / steps, worth=UNIT // steps)
        name, shape = f"level{number}.centres", (len(high), steps + 1)
        table = tensor(self.model.tensors, name, ("int16",), shape).astype(np.int64)
        if (np.diff(table) < 0).any() or table.min() < 0 or table.max() > UNIT:
            raise ModelError(f"the centres of level {number} do not rise within 0..{UNIT}: the model is damaged")
        return Quantiser(low, high, step=1 / UNIT, table=table)

    def _coder(self, number: int) -> LatentCoder:
        steps = self.config.steps[number]
        if self.config.coder == "fixed":
            return FixedLatents(steps)
        prior = FactorizedPrior(FactorizedTables.of(self.model.tensors, f"level{number}"), self.config.codes)
        if (prior.low != 0).any() or (prior.high != steps).any():
            raise ModelError(f"the entropy model of level {number} is not one of codes 0..{steps}: it is damaged")
        return FactorizedLatents(prior)

    def load_networks(self) -> None:
        """Load the encoder, and the decoder, proven for the codes of all levels. ModelError."""
        sizes = (self.config.block**2, *self.config.layers)
        self._encoder = DenseNetwork(load_encoder(self.model.tensors, sizes), self.device, "sigmoid")
        bounds = np.max([level.quantiser.bounds for level in self.levels], axis=0)
        bits = self.config.activation_bits
        self._decoder = load_decoder(self.model.tensors, sizes[::-1], bits, bounds, self.device)

    def shapes(self, spec: TileSpec) -> Shapes:
        """Return (planes, K, rows, columns)."""
        rows, columns = (-(-side // self.config.block) for side in (spec.height, spec.width))
        return {LATENTS: (spec.channels, self.config.codes, rows, columns)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the codes of all blocks, quantised; incomplete blocks are filled by their edges."""
        codes = self._encoder(to_blocks(tiles, spec, frame, self.config.block))
        return {LATENTS: level.quantiser.latents(codes).movedim(-1, 2)}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles of the blocks that codes decode to; of view `binary`, with 0 and the largest value alone."""
        tiles = from_blocks(self._blocks(latents[LATENTS], level), spec, frame, self.config.block, SIGMOID_BITS)
        if self.view_name != BINARY:
            return tiles
        return (tiles > spec.maximum // 2).to(tiles.dtype) * spec.maximum

    def _blocks(self, latents: torch.Tensor, level: Level) -> torch.Tensor:
        """Return blocks (n, planes, rows, columns, N) in floats, full scale 2^SIGMOID_BITS, of codes. Exact."""
        import torch

        codes = latents.movedim(2, -1)
        values = level.quantiser.values(codes.reshape(-1, codes.shape[-1]))
        at_once = _BLOCKS_AT_ONCE if values.device.type == "cpu" else max(1, len(values))
        parts = [self._decoder.floats(part) for part in torch.split(values, at_once)]
        return torch.cat(parts).reshape(*codes.shape[:-1], -1)
