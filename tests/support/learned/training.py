"""Learners under test: what they see, what they cost on pictures never seen, and what comes out of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.networks.distortion import squared_error
from tilepress.jobs.recipes.networks.pictures import Coded, pictures
from tilepress.jobs.training.learner import Learner


def crops(count: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """Pictures like photographs, and as much noise as a sensor's."""
    smooth = picture(TileSpec(side, side, 3, "uint8", 8, "rgb"), count, seed)
    noise = np.random.default_rng(seed).normal(0, 5, smooth.shape)
    return np.rint(np.clip(smooth + noise, 0, 255)).astype(np.uint8)


def figures_of(learner: Learner, tiles: np.ndarray) -> dict[str, float]:
    """What the network costs on tiles uint8 (n, h, w, c)."""
    return learner.validate(iter([torch.from_numpy(tiles)]))


def exported(learner: Learner, tiles: Sequence[np.ndarray]) -> Model:
    """The model of a learner's network, fitted to tiles."""
    with learner.exported() as network, torch.no_grad():
        return learner.recipe.export(network, tiles, {"seed": 3}, "terms of the data")


def errors_of(coded: Coded, tiles: np.ndarray) -> list[float]:
    """The mean squared error of each way in which tiles uint8 (n, h, w, 3) were coded, full scale 1."""
    return [float(error) for error in squared_error(coded.pictures, pictures(torch.from_numpy(tiles))).mean(dim=1)]
