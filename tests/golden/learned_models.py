"""Tiny models of the learned codecs for the golden streams: made by the recipes from drawn pictures, in seconds.

The shipped models are too large for it, and are trained anew from time to time; a decoder does not see the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan
from tilepress.jobs.training.learner import Learner

_SIDE = 64
_BUCKETS, _SYMBOLS = 4, 20  # of the probability tables
_WHOLE = ["unshuffle 4", "conv 6 1", "relu", "conv 3 3"]
_BLOCKS = ["conv 6 3", "relu", "pool", "conv 3 3", "relu", "pool", "conv 3 3"]
_UP = ["conv 6 3", "relu", "up", "conv 4 3", "relu", "up", "conv 3 3"]
_BLOCK: dict[str, Any] = {"block": 8, "ratio": 16, "quantisation_steps": [64.0, 8.0]}
_CNN: dict[str, Any] = {"analysis": _BLOCKS, "synthesis": _UP, "quantisation_steps": [24, 8], "told": False}

_RESIDUAL = ["beside 6 3", "conv 8 3", "norm", "relu", "repeat 2", "conv 6 3", "relu"]
_GENERATOR = [*_RESIDUAL, "beside 4 3", "conv 6 1", "relu", "repeat 2", "conv 3 1"]
_RESTORATION = ["conv 48 1", "relu", "shuffle 4", "beside 5 3", "conv 8 3", "relu", "unshuffle 2", "conv 12 3", "relu"]
_RESTORATION += ["unshuffle 2", "conv 64 1"]

_RNN: dict[str, Any] = {"quantisation_steps": [64, 12]}
_RBM: dict[str, Any] = {"block": 8, "colour": "rgb", "quantisation_steps": [15, 255], "epochs": 1}

# folder: name: family, steps of training, `model` of the recipe
_LEARNED_1: dict[str, tuple[str, int, dict[str, Any]]] = {
    "block-dnn-sigmoid": ("block-dnn", 4, {**_BLOCK, "extra": 4, "activation": "sigmoid"}),
    "pca-uniform": ("pca", 0, _BLOCK),
    "pca-kmeans": ("pca", 0, {**_BLOCK, "quantiser": "kmeans"}),
    "cnn-ae-whole": (
        "cnn-ae",
        4,
        {
            "analysis": _WHOLE,
            "synthesis": ["conv 6 3", "relu", "conv 48 3", "shuffle 4"],
            "quantisation_steps": [64, 8],
            "margin": 2,
        },
    ),
    "cnn-ae-side-by-side": ("cnn-ae", 400, {**_CNN, "block": 16, "bits": 6}),
    "cnn-ae-overlapping": ("cnn-ae", 400, {**_CNN, "block": 16, "overlap": 6}),
    "gdn-factorized": ("gdn-factorized", 4, {"channels": [6, 6, 8], "rates": [0.003, 0.2]}),
}
_LEARNED_2: dict[str, tuple[str, int, dict[str, Any]]] = {
    "cnn-rnn-ae-whole": (
        "cnn-rnn-ae",
        4,
        {
            **_RNN,
            "analysis": _WHOLE,
            "synthesis": ["conv 6 3", "relu", "conv 48 3", "shuffle 4"],
            "shifts": [0, 1],
            "margin": 2,
        },
    ),
    "cnn-rnn-ae-overlapping": (
        "cnn-rnn-ae",
        200,
        {**_RNN, "analysis": _BLOCKS, "synthesis": _UP, "shared": True, "shifts": [0, 2], "block": 16, "overlap": 6},
    ),
}
_LEARNED_3: dict[str, tuple[str, int, dict[str, Any]]] = {
    "rbm-autoencoder-entropy": ("rbm-autoencoder", 40, {**_RBM, "layers": [12, 9, 7], "start": "klt"}),
    "rbm-autoencoder-fixed": (
        "rbm-autoencoder",
        4,
        {**_RBM, "layers": [9, 5], "quantiser": "kmeans", "coder": "fixed", "weight_bits": 16, "activation_bits": 8},
    ),
}
_LEARNED_4: dict[str, tuple[str, int, dict[str, Any]]] = {
    "cae-shuffled": (
        "cae",
        4,
        {
            "down": [["unshuffle 4", "conv 6 3", "relu"], ["unshuffle 2", "conv 8 1", "relu"]],
            "up": [["conv 6 3", "relu", "conv 48 3", "shuffle 4"], ["conv 24 1", "relu", "shuffle 2"]],
            "latents": [3, 4],
            "quantisation_steps": [12, 48],
            "margin": 1,
        },
    ),
    "cae-pooled": (
        "cae",
        200,
        {
            "down": [["conv 6 3", "relu", "pool"], ["conv 6 3", "relu", "pool", "conv 5 3", "relu"]],
            "up": [["conv 6 3", "relu", "up", "conv 3 3"], ["up", "conv 6 3", "relu"]],
            "latents": [3, 2],
            "quantisation_steps": [24, 8],
            "margin": 0,
            "rate": 0.0,
            "energy": 0.01,
        },
    ),
}
_LEARNED_5: dict[str, tuple[str, int, dict[str, Any]]] = {
    "gan-ae-entropy": (
        "gan-ae",
        8,
        {
            "analysis": _WHOLE,
            "synthesis": ["conv 6 3", "relu", "conv 48 3", "shuffle 4"],
            "quantisation_steps": [64, 8],
            "margin": 1,
            "adversarial": 0.1,
        },
    ),
    "gan-fixed": (
        "gan",
        200,
        {
            "synthesis": _GENERATOR,
            "quantisation_steps": [8, 1],
            "told": False,
            "bits": 8,
            "coder": "fixed",
            "block": 16,
            "game": "wasserstein",
            "adversarial": 0.1,
            "distortion": "l1",
        },
    ),
}
_LEARNED_6: dict[str, tuple[str, int, dict[str, Any]]] = {
    "jpeg-dncnn-narrow": ("jpeg-dncnn", 100, {"channels": 12, "layers": 2}),
    "jpeg-dncnn-beside": ("jpeg-dncnn", 100, {"network": _RESTORATION, "weight_bits": 16}),
}
FOLDERS = {"learned-1": _LEARNED_1, "learned-2": _LEARNED_2, "learned-3": _LEARNED_3, "learned-4": _LEARNED_4}
FOLDERS |= {"learned-5": _LEARNED_5, "learned-6": _LEARNED_6}
MODELS = {name: model for models in FOLDERS.values() for name, model in models.items()}


def learned_model(name: str) -> Model:
    """One of MODELS."""
    family, steps, model = MODELS[name]
    torch.set_num_threads(1)
    options = Options(crop=_SIDE, seed=3, lr=3e-3 if steps > 9 else 1e-3)
    levels = {} if family == "jpeg-dncnn" else {"default_level": 1}
    learner = Learner(TrainingPlan("golden", family, options, {**model, **levels}))
    pictures = np.stack([picture(_SIDE, _SIDE, 3, 8, seed) for seed in range(24)])
    learner.initialise(pictures)
    for step in range(steps):
        learner.learn(torch.from_numpy(pictures[step % 3 :: 3]), step, step / steps)
    training = {"made": "from drawn pictures, for tests", "seed": 3}
    with learner.exported() as network, torch.no_grad():
        exported = learner.recipe.export(network, list(pictures), training, "CC0-1.0")
    return _adjusted(name, replace(exported, tensors=_thinned(exported.tensors)))


def extreme(quantiser: Quantiser, latents: np.ndarray) -> np.ndarray:
    """Latents of the same shape, drawn from all that there are: decoders have to clip what comes of them."""
    axis = -1 if latents.shape[-1] == len(quantiser.low) else 2
    channel_last = np.moveaxis(latents, axis, -1)
    drawn = np.random.default_rng(7).integers(quantiser.low, quantiser.high, channel_last.shape, endpoint=True)
    return np.ascontiguousarray(np.moveaxis(drawn, -1, axis).astype(latents.dtype))


def extreme_coefficients(blocks: np.ndarray) -> np.ndarray:
    """Quantised coefficients of the same shape, few of them large, drawn from all that a JPEG file may hold."""
    rng = np.random.default_rng(7)
    drawn = rng.integers(-1023, 1024, blocks.shape) >> rng.integers(0, 11, blocks.shape)
    return np.where(rng.random(blocks.shape) < 0.1, drawn, 0).astype(blocks.dtype)


def _adjusted(name: str, model: Model) -> Model:
    """What recipes seldom give: less than 16 bits out of a cnn-ae, activations that a gdn-factorized has to clip.

    And corrections so large that many have to be kept in their cells, some by the second margin or a later one.
    """
    config, tensors = dict(model.config), dict(model.tensors)
    if name == "cnn-ae-overlapping":
        last = max(each for each in tensors if each.startswith("synthesis") and each.endswith(".shift"))
        tensors[last] = tensors[last] + np.int8(2)
        config["fraction_bits"] -= 2
    if name == "gdn-factorized":
        config["reach"] = [reach // 4 for reach in config["reach"]]
    if name.startswith("jpeg-dncnn"):
        config["fraction_bits"] -= 5
        config["margins"] = {"jpeg-dncnn-narrow": [4, 9, 24], "jpeg-dncnn-beside": [0, 3, 200, 4]}[name]
    return replace(model, config=config, tensors=tensors)


def _thinned(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """With few and short probability tables; what they leave out is escaped."""
    out = dict(tensors)
    for name in [name for name in tensors if name.endswith(".thresholds")]:
        cdf = name.replace("thresholds", "cdf")
        rows = tensors[cdf].reshape(-1, 4, tensors[cdf].shape[1])
        buckets = np.linspace(0, len(rows) - 1, _BUCKETS).astype(int)
        out[name] = np.ascontiguousarray(tensors[name][buckets[1:] - 1])
        columns = np.append(np.arange(_SYMBOLS), rows.shape[2] - 1)
        out[cdf] = np.ascontiguousarray(rows[buckets][:, :, columns].reshape(-1, len(columns)))
    return out


def picture(height: int, width: int, channels: int, bits: int, seed: int) -> np.ndarray:
    """Waves, an edge and some noise: (height, width, channels), uint8, or uint16 for more than 8 bits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    out = np.full((height, width, channels), 0.5)
    for _ in range(12):
        fy, fx = rng.normal(0, 0.03, 2)
        wave = np.sin(2 * np.pi * (fy * y + fx * x) + rng.uniform(0, 6.3))
        out += wave[:, :, None] * rng.normal(1, 0.4, channels) * 0.01 / (0.04 + np.hypot(fy, fx))
    out[y > rng.uniform(0.3, 0.9) * height + 0.3 * x] *= rng.uniform(0.3, 0.8)
    out += rng.normal(0, 0.01, out.shape)
    return np.rint(np.clip(out, 0, 1) * ((1 << bits) - 1)).astype(np.uint16 if bits > 8 else np.uint8)
