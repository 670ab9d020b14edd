"""Learners under test: what they see, what they cost on pictures never seen, and what comes out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.networks.distortion import squared_error
from tilepress.jobs.recipes.networks.pictures import Coded, pictures
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan
from tilepress.jobs.training.learner import Learner

# Keys of `model` of networks that train in a second.
SLIM: dict[str, dict[str, object]] = {
    "cnn-ae": {
        "analysis": ["unshuffle 4", "conv 16 3", "relu", "conv 8 3"],
        "synthesis": ["conv 16 3", "relu", "conv 48 3", "shuffle 4"],
        "quantisation_steps": [64, 32, 16],
        "default_level": 1,
    },
    "cnn-rnn-ae": {
        "analysis": ["unshuffle 4", "conv 12 3", "relu", "conv 6 3"],
        "synthesis": ["conv 12 3", "relu", "conv 48 3", "shuffle 4"],
        "quantisation_steps": [48, 16],
        "shifts": [0, 0],
        "default_level": 1,
    },
    "cae": {
        "down": [["unshuffle 4", "conv 12 1", "relu"], ["unshuffle 2", "conv 16 1", "relu"]],
        "up": [["conv 12 3", "relu", "conv 48 1", "shuffle 4"], ["conv 48 1", "relu", "shuffle 2"]],
        "latents": [6, 8],
        "quantisation_steps": [12, 48],
        "default_level": 1,
    },
    "gdn-factorized": {"channels": [8, 12, 16], "rates": [0.01, 0.1], "default_level": 1},
    "block-dnn": {"block": 8, "ratio": 8, "extra": 8, "quantisation_steps": [16.0], "default_level": 0},
    "gan": {"synthesis": ["conv 8 3", "relu", "beside 6 3", "conv 8 3", "relu", "conv 48 3", "shuffle 4"]},
    "gan-ae": {
        "analysis": ["unshuffle 4", "conv 12 3", "relu", "conv 6 3"],
        "synthesis": ["conv 12 3", "relu", "conv 48 3", "shuffle 4"],
        "default_level": 1,
    },
}


def learner_of(family: str, own: Mapping[str, object], start: Model | None = None, **options: object) -> Learner:
    """A learner of SLIM, with keys of its own and options, that begins anew or with a model."""
    settings = Options(**{"crop": 32, "seed": 3, **options})
    learner = Learner(TrainingPlan("test", family, settings, {**SLIM[family], **own}, start))
    learner.initialise(crops(12))
    return learner


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
