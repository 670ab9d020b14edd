"""Trains `jpeg-dncnn`: one network for all qualities, whose error is measured against that of JPEG.

A crop costs the squared error of its corrected coefficients, as a share of the squared error that JPEG left: a decibel
is worth the same at every quality. Luma and halved chroma of photographs, and drawings, are compressed with the tables
of libjpeg's qualities 5 to 100, and with some that are like those of no encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.errors import ModelError
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA
from tilepress.codecs.learned.dncnn.config import DncnnConfig
from tilepress.codecs.learned.dncnn.features import INPUTS, OUTPUTS, bounds
from tilepress.codecs.learned.networks import UNIT, plan_restoration
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.dncnn.compressed import (
    Compressed,
    chroma_mosaics,
    coefficients,
    compressed,
    drawings,
    luma,
    random_tables,
    tables_of,
)
from tilepress.jobs.recipes.dncnn.network import Restoration
from tilepress.jobs.recipes.export.calibration import Sample
from tilepress.jobs.recipes.export.synthesis import export_synthesis, factors
from tilepress.jobs.recipes.picture_recipe import LOSSES
from tilepress.jobs.recipes.recipe import Loss, Recipe
from tilepress.pipeline.errors import UsageError

_CROP_UNIT = 16  # pixels
_PEAK = 255.0  # levels
_LEAST_ERROR = 1.0  # squared levels that an error is never measured against
_LEAST_DEVIATION = 4.0  # levels
_HELD_OUT = (10, 20, 30, 40)  # qualities that held-out crops are compressed at
_CALIBRATED = (5, 10, 20, 30, 50, 70, 90)
_MARGINS = (8, 16, 24, 40)
_MOST_LAYERS = 29  # two operations each, and five around them: networks have 64 at most


class JpegDncnnRecipe(Recipe):
    """See the module."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "channels": 88,
        "layers": 8,
        "network": [],
        "drawings": 0.0625,
        "chroma": 0.125,
        "weight_bits": 8,
    }
    notes: ClassVar[Mapping[str, str]] = {
        "channels": "of a layer, at a quarter of each side",
        "layers": "how many of 3 x 3 there are",
        "network": "operations in the place of those that channels and layers stand for",
        "drawings": "share of the crops that are drawings",
        "chroma": "share of the crops that are chroma",
        "weight_bits": "of the integers that weights become: 8 or 16",
    }
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        LOSSES, "what is restored stays in the cells of its JPEG file, and is measured by its squared error"
    )

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        if not 0 <= self.model["layers"] <= _MOST_LAYERS:
            raise UsageError(f"model.layers must be from 0 to {_MOST_LAYERS}, not {self.model['layers']}")
        try:
            self.plan = plan_restoration(self.operations(), INPUTS)
            factors(self.plan)
        except ModelError as exc:
            raise UsageError(str(exc)) from exc
        if self.plan.outputs != OUTPUTS:
            raise UsageError(f"model.network has {self.plan.outputs} channels at its end, where {OUTPUTS} are needed")
        if self.model["weight_bits"] not in (8, 16):
            raise UsageError(f"model.weight_bits must be 8 or 16, not {self.model['weight_bits']}")
        if min(self.model["drawings"], self.model["chroma"]) < 0 or self.model["drawings"] + self.model["chroma"] > 0.5:
            raise UsageError("model.drawings and model.chroma must be at least 0, and 0.5 together at most")

    @property
    def crop_unit(self) -> int:
        """Two blocks: chroma has half the size."""
        return _CROP_UNIT

    def operations(self) -> list[str]:
        """Return the operations of the network."""
        if self.model["network"]:
            return list(self.model["network"])
        width = self.model["channels"]
        layers = [text for _ in range(self.model["layers"]) for text in (f"conv {width} 3", "relu")]
        return [f"conv {4 * width} 1", "relu", "shuffle 2", *layers, "unshuffle 2", f"conv {OUTPUTS} 1"]

    def build(self) -> torch.nn.Module:
        """Return the network: it corrects nothing yet."""
        return Restoration(self.plan)

    @torch.no_grad()
    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """Measure the deviations of coefficients."""
        assert isinstance(network, Restoration)
        squares = coefficients(luma(crops)).double().square().mean(dim=(0, 2, 3))
        network.deviations.copy_(squares.sqrt().clamp_min(_LEAST_DEVIATION).round())

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Squared error of corrected coefficients, relative to that of JPEG."""
        jpeg = self._learned_from(crops) if network.training else _held_out(crops)
        changes = network(jpeg.levels, jpeg.table)
        if not network.training:
            changes = changes.clamp(-0.5, 0.5)
        before = (jpeg.levels * jpeg.step - jpeg.original).square().mean(dim=(1, 2, 3))
        after = ((jpeg.levels + changes) * jpeg.step - jpeg.original).square().mean(dim=(1, 2, 3))
        share = (after + _LEAST_ERROR) / (before + _LEAST_ERROR)
        gain = -10 * torch.log10(share.detach()).mean()
        return Loss(share.mean(), {"mse": after.mean() / _PEAK**2, "gain": gain})

    def _learned_from(self, crops: torch.Tensor) -> Compressed:
        count, side = len(crops), crops.shape[1]
        mosaics, drawn = (round(self.model[name] * count) for name in ("chroma", "drawings"))
        planes = [luma(crops[mosaics + drawn :])]
        if mosaics:
            planes.append(chroma_mosaics(crops[: 2 * mosaics]))
        if drawn:
            planes.append(drawings(drawn, side, crops.device))
        kinds = torch.full((count,), LUMA, device=crops.device)
        first = count - mosaics - drawn
        kinds[first : first + mosaics] = CHROMA
        return compressed(torch.cat(planes), random_tables(kinds))

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return the network in integers."""
        assert isinstance(network, Restoration)
        samples = [_sample(network, tile, quality) for tile, quality in _paired(tiles)]
        bits = self.model["weight_bits"]
        exported = export_synthesis(self.plan, network.chain, bounds(), samples, bits)
        deviations = [int(each) for each in network.deviations]
        config = DncnnConfig.from_json(
            {
                "network": self.operations(),
                "deviations": deviations,
                "margins": list(_MARGINS),
                "activation_bits": exported.activation_bits,
                "fraction_bits": exported.fraction_bits,
            }
        )
        record = {**training, "integer_loss": round(exported.lost, 6)}
        return Model("jpeg-dncnn", config.to_json(), record, licence, exported.tensors)


def _held_out(crops: torch.Tensor) -> Compressed:
    """Luma of crops, each at each of a few qualities."""
    qualities = torch.tensor(_HELD_OUT, device=crops.device).repeat(len(crops))
    planes = luma(crops).repeat_interleave(len(_HELD_OUT), dim=0)
    return compressed(planes, tables_of(qualities, torch.full_like(qualities, LUMA)))


def _paired(tiles: Sequence[np.ndarray]) -> list[tuple[np.ndarray, int]]:
    """A tile for each quality that integers are tried at, cut to whole blocks; small ones continued, as crops are."""
    wide = [tile for tile in tiles if min(tile.shape[:2]) >= _CROP_UNIT] or [_continued(tile) for tile in tiles]
    chosen = (wide[at * len(wide) // len(_CALIBRATED)] for at in range(len(_CALIBRATED)))
    cut = (
        tile[: tile.shape[0] // _CROP_UNIT * _CROP_UNIT, : tile.shape[1] // _CROP_UNIT * _CROP_UNIT] for tile in chosen
    )
    return list(zip(cut, _CALIBRATED, strict=True))


def _continued(tile: np.ndarray) -> np.ndarray:
    height, width = (max(0, _CROP_UNIT - side) for side in tile.shape[:2])
    return np.pad(tile, [(0, height), (0, width), (0, 0)], mode="edge")


@torch.no_grad()
def _sample(network: Restoration, tile: np.ndarray, quality: int) -> Sample:
    """What the network sees of a tile's JPEG, as integers, and the corrections, in steps, that would be right."""
    qualities = torch.tensor([quality])
    jpeg = compressed(luma(torch.from_numpy(tile[None].copy())), tables_of(qualities, torch.full_like(qualities, LUMA)))
    values = (network.features(jpeg.levels, jpeg.table) * UNIT).round().to(torch.int64).numpy()
    right = (jpeg.original / jpeg.step - jpeg.levels).numpy()
    return Sample(values, right, (-0.5, 0.5))
