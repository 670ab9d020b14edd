"""`cnn-ae-ft`: `cnn-ae` with a narrow synthesis that is tuned to each image.

The analysis stays as it was trained. What tuning changes in the weights of the synthesis is the image's side
information, and is kept only where the image is cheaper with it. Streams are those of `cnn-ae` under another magic.
With an effort of 7 and more, latents are refined too: moved to where the synthesis makes most of them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tilepress.codecs.codec import Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.entropy.latent_coder import LATENTS
from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.cnn_ae.codec import CnnAe
from tilepress.codecs.learned.cnn_ae_ft.changes import Changes, arrays_of, pack_changes, unpack_changes
from tilepress.codecs.learned.coders import BIT_PRICE
from tilepress.codecs.learned.grids import joinable
from tilepress.codecs.learned.leveled import Level
from tilepress.codecs.learned.networks import UNIT
from tilepress.codecs.learned.on_device import sent
from tilepress.codecs.planes.frame import frames
from tilepress.codecs.planes.samples import arrived, to_travel

if TYPE_CHECKING:
    from tilepress.codecs.learned.cnn_ae_ft.tuning import Image

_DEFAULT_EFFORT, _ROUNDS = 5, 12  # steps of learning for each point of effort
REFINED_FROM = 7  # this effort, latents are
_MOST_PIXELS = 4 << 20  # of an image that tuning looks at
_LEAST_PIXELS = 1 << 14  # of an image for which tuning is tried
_TUNED = 4  # codecs of other images that are at hand


class CnnAeFt(CnnAe):
    """See the module."""

    codec_id: ClassVar[str] = "cnn-ae-ft"
    summary: ClassVar[str] = "convolutional autoencoder (learned) whose narrow decoder is tuned to each image"
    magic: ClassVar[bytes] = b"CF"
    options: ClassVar[frozenset[str]] = frozenset({"quality", "effort"})
    has_side_information: ClassVar[bool] = True

    def load_networks(self) -> None:
        """Load the networks; none of an image is known yet. ModelError."""
        super().load_networks()
        self._tuned: dict[bytes, Self] = {}

    def adapted(self, side_information: bytes) -> Self:
        """Return this codec with an image's changes in its synthesis, proven again. StreamError."""
        if not side_information:
            return self
        found = self._tuned.get(side_information)
        if found is None:
            if len(self._tuned) >= _TUNED:
                self._tuned.clear()
            found = self._tuned[side_information] = self._with(side_information)
        return found

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """Return the changes of the synthesis that are worth their bytes for an image's tiles; b"" for none."""
        from tilepress.codecs.learned.cnn_ae_ft.tuning import tune

        self.require(spec)
        settings.require()
        if sum(tile.shape[0] * tile.shape[1] for tile in tiles) < _LEAST_PIXELS:
            return b""
        level = self.levels[self.level_of(settings.quality)]
        image = self._image(tiles, spec, level)

        def cost(changes: Changes) -> float:
            """Squared error of three samples over all pixels, and the price of the changes."""
            nbytes = len(pack_changes(changes)) if any(m.any() for m in changes.multiples) else 0
            codec = self._with_changes(changes)
            errors = map(codec._squared_error, image.inputs, image.targets)
            return sum(errors) + image.price * 8 * nbytes

        rounds = _ROUNDS * (settings.effort or _DEFAULT_EFFORT)
        changes = tune(self.steps, image, rounds, cost)
        return pack_changes(changes) if changes else b""

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return the symbols of tiles (n, h, w, c); at efforts from 7 on, of latents that are refined."""
        settings.require()
        symbols = super().analyse(tiles, spec, settings, side_information)
        if (settings.effort or 0) >= REFINED_FROM and not self.config.block:
            codec, level = self.adapted(side_information), self.levels[self.level_of(settings.quality)]
            for tile, latents in zip(tiles, symbols.arrays[LATENTS], strict=True):
                latents[...] = codec._refined(tile[None], latents, spec, level, settings.effort or 0)
        return symbols

    def _refined(self, tile: np.ndarray, latents: np.ndarray, spec: TileSpec, level: Level, effort: int) -> np.ndarray:
        """Latents (pictures, rows, columns, K) of one tile (1, h, w, c), as they are or better."""
        from tilepress.codecs.learned.cnn_ae_ft.refinement import Target, refine

        pieces = self._pieces(tile, spec)
        price = price_of(self.config.steps[level.number])

        def cost(symbols: np.ndarray) -> float:
            nbytes = len(level.coder.encode({LATENTS: symbols}, spec)[0])
            inputs = self.inputs_of({LATENTS: sent(symbols[None], self.place)}, spec, level)
            return self._squared_error(inputs.cpu().numpy(), pieces) + price * 8 * nbytes

        told = self.config.strengths[level.number] if self.config.strengths else None
        target = Target(pieces, float(1 << self.config.fraction_bits), self.config.margin, price, told)
        return refine(self.steps, level.quantiser, target, effort, latents, cost)

    def _image(self, tiles: Sequence[np.ndarray], spec: TileSpec, level: Level) -> Image:
        """What tuning sees of an image: some of its tiles, if it is large."""
        from tilepress.codecs.learned.cnn_ae_ft.tuning import Image

        every = -(-sum(tile[..., 0].size for tile in tiles) // _MOST_PIXELS)
        inputs, targets = [], []
        for tile in tiles[::every]:
            own = replace(spec, height=tile.shape[0], width=tile.shape[1])
            there = arrived(sent(to_travel(tile[None]), self.place))
            latents = self.latents_of(there, own, frames(there, own), level)
            inputs.append(self.inputs_of(latents, own, level).cpu().numpy())
            targets.append(self._pieces(tile[None], own))
        share = len(tiles[::every]) / len(tiles)
        price = price_of(self.config.steps[level.number]) * share
        return Image(inputs, targets, float(1 << self.config.fraction_bits), self.config.margin, price)

    def _pieces(self, tile: np.ndarray, spec: TileSpec) -> np.ndarray:
        """What the analysis takes of tiles (n, h, w, c), as an array."""
        there = arrived(sent(to_travel(tile), self.place))
        pieces: np.ndarray = self.pieces_of(there, spec, frames(there, spec)).cpu().numpy()
        return pieces

    def _squared_error(self, inputs: np.ndarray, pieces: np.ndarray) -> float:
        """Squared error over all samples of what is decoded, full scale being 1; margins left out."""
        around = self.config.margin * self.config.cut.stride
        there = self.decoded(sent(inputs, self.place)).cpu().numpy()
        decoded = there.astype(np.float64) / float(1 << self.config.fraction_bits)
        height, width = pieces.shape[2:]
        error = (decoded.clip(0, 1) - pieces)[:, :, around : height - around, around : width - around]
        return float(np.square(error).sum())

    def _with(self, side_information: bytes) -> Self:
        changes = unpack_changes(side_information, arrays_of(self.steps))
        try:
            return self._with_changes(changes)
        except ModelError as exc:
            raise StreamError(f"changes of a synthesis that is not provably exact with them: {exc}") from exc

    def _with_changes(self, changes: Changes) -> Self:
        other = copy.copy(self)
        other.steps = changes.added_to(self.steps)
        other._synthesis = joinable(IntegerNetwork(other.steps, self.bounds, self.device), self.fraction_bits)
        return other


def price_of(step: int) -> float:
    """Return what a bit is worth at a quantisation step in units of 1 / UNIT, in squared error of full scale 1."""
    return BIT_PRICE * (step / UNIT) ** 2
