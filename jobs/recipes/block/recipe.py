"""What the recipes of the block codecs share: the shape of blocks and levels, and how a network is exported.

Latents of the training's blocks are quantised at every level, and the levels fitted to them (levels.py).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.learned.block.codec import BlockCodec
from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.block.crops import channels_of, export_blocks, in_parts, latents_of
from tilepress.jobs.recipes.block.levels import level_tensors, uniform
from tilepress.jobs.recipes.recipe import Recipe
from tilepress.pipeline.errors import UsageError

DEFAULTS: Mapping[str, Any] = {
    "colour": "rgb",
    "block": 16,
    "ratio": 16,
    "quantisation_steps": [256.0, 128.0, 64.0, 32.0, 24.0, 16.0, 12.0, 8.0],
    "default_level": 1,
}
NOTES: Mapping[str, str] = {
    "colour": "rgb: luma and colour differences through one network; or gray",
    "block": "side of the blocks, in samples of a plane",
    "ratio": "samples of a block for one latent",
    "quantisation_steps": "of latents at each level, coarse to fine, in 1/256 of full scale",
    "default_level": "which of them is taken where no quality is asked for; 0: the first",
}


class BlockRecipe(Recipe):
    """See the module; sizes of steps are in units of 1/256 of full scale."""

    codec: ClassVar[type[BlockCodec]]

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.latents = latents_of(self.model)
        steps = self.model["quantisation_steps"]
        if not 1 <= len(steps) <= 16 or min(steps) < 0.5 or steps != sorted(set(steps), reverse=True):
            raise UsageError(f"model.quantisation_steps must be 1 to 16 numbers that fall, 0.5 or more: {steps}")
        if not 0 <= self.model["default_level"] < len(steps):
            raise UsageError(
                f"model.default_level must be 0 to {len(steps) - 1}, the place of one of quantisation_steps"
            )

    @property
    def channels(self) -> int:
        """1 or 3, by `colour`."""
        return channels_of(self.model)

    @abstractmethod
    def encode(self, network: torch.nn.Module, blocks: torch.Tensor) -> torch.Tensor:
        """Return the latents (m, K) that are quantised, of blocks (m, N) in [0, 1]."""

    @abstractmethod
    def analysis(self, network: torch.nn.Module) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors of the analysis, and the fields of the configuration that only this family has."""

    def quantiser(self, z: np.ndarray, gray: np.ndarray, step: float) -> Quantiser:
        """Return how latents z (..., K) are quantised at a step; `gray` (K,) are those of a gray block."""
        return uniform(z, gray, step)

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return quantisers, decoders and entropy models of all levels."""

        def encode(part: torch.Tensor) -> torch.Tensor:
            return self.encode(network, part)

        blocks = export_blocks(tiles, self.model["block"])
        z = in_parts(encode, blocks)
        gray = in_parts(encode, np.full((1, blocks.shape[-1]), 0.5, np.float32))[0].astype(np.float64)
        steps = tuple(step / 256 for step in self.model["quantisation_steps"])
        tensors, bits = level_tensors([self.quantiser(z, gray, step) for step in steps], z, blocks, seed=1)
        analysis, own = self.analysis(network)
        shape = {"block": self.model["block"], "latents": self.latents, "steps": steps, "fraction_bits": bits}
        config = self.codec.config_class.from_json({**shape, "default_level": self.model["default_level"], **own})
        model = Model(self.codec.codec_id, config.to_json(), training, licence, tensors | analysis)
        self.codec(model)  # proves that it is exact
        return model

    def check(self, key: str, known: Sequence[str]) -> None:
        """UsageError unless a key of `model` has one of these values."""
        if self.model[key] not in known:
            raise UsageError(f"model.{key} must be one of {', '.join(known)}, not {self.model[key]!r}")
