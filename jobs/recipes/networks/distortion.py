"""What the errors of decoded pictures cost while a network trains: a weighted sum of measures, shared by all recipes.

Every measure is scaled to about the squared error that it stands beside, so that a weight of 1 is worth as much as
that of squared error, and a rate keeps its price. Rates and steps of a recipe are thus left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from tilepress.jobs.recipes.networks.features import feature_distance
from tilepress.jobs.recipes.networks.similarity import ms_ssim
from tilepress.pipeline.errors import UsageError

Measure = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# What 1 - MS-SSIM is multiplied by. Where cnn-ae decodes photographs, squared error is 0.022 to 0.047 of it, the more
# the finer the level: infra/bench/learned/measures.py.
MS_SSIM_SCALE = 0.025
FEATURES_SCALE = 0.013  # of the distance of features, likewise: there it is 0.011 to 0.020


def squared_error(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error (n,) of pictures (n, c, h, w), full scale being 1."""
    return (decoded - pictures).square().mean(dim=(-3, -2, -1))


def absolute(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the squared mean of absolute errors, times pi / 2: of normal errors, their mean square.

    Within a picture gradients are those of L1. Between pictures and levels errors weigh as their squares do, so that
    bits cost the same.
    """
    return math.pi / 2 * (decoded - pictures).abs().mean(dim=(-3, -2, -1)).square()


def structural(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return 1 - MS-SSIM (n,) of pictures (n, c, h, w), scaled. UsageError if they are too small."""
    return MS_SSIM_SCALE * (1 - ms_ssim(decoded, pictures))


def perceptual(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the distance (n,) of features of pictures (n, c, h, w), scaled. UsageError if they are too small.

    Where squared error is the same, it ranks what was done to photographs much as SSIMULACRA 2 does: the rank
    correlation is 0.76, where that of 1 - MS-SSIM is 0.60 (infra/bench/learned/measures.py).
    """
    return FEATURES_SCALE * feature_distance(decoded, pictures)


MEASURES: Mapping[str, Measure] = {
    "mse": squared_error,
    "l1": absolute,
    "ms_ssim": structural,
    "features": perceptual,
}
WEIGHTS: Mapping[str, float] = {**dict.fromkeys(MEASURES, 0.0), "mse": 1.0}  # where a recipe says nothing else


@dataclass(frozen=True)
class WeightedDistortion:
    """The sum of measures by their `weights`; of those that are not named the weight is 0."""

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """UsageError for weights that make no loss."""
        if min(self.weights.values(), default=0.0) < 0 or not any(self.weights.values()):
            raise UsageError(f"model.measures must have weights from 0 up, and one above 0, not {dict(self.weights)}")

    def __call__(self, decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        """Return what errors cost, in squared error: (..., n) of decoded (..., n, c, h, w) and pictures (n, c, h, w).

        Full scale is 1. Whatever the precision of the training, measures are taken in float32.
        """
        flat = decoded.float().flatten(0, -4), pictures.expand_as(decoded).flatten(0, -4)
        with torch.autocast(decoded.device.type, enabled=False):
            costs = [weight * MEASURES[name](*flat) for name, weight in self.weights.items() if weight]
        return torch.stack(costs).sum(dim=0).reshape(decoded.shape[:-3])
