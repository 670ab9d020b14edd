"""Slim models of rbm-autoencoder with random weights, which decode as exactly as trained ones do."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from tilepress.codecs.entropy.factorized_prior import freeze
from tilepress.codecs.learned.rbm.codec import RbmAutoencoder
from tilepress.codecs.model import Model

CONFIG: dict[str, Any] = {
    "default_level": 1,
    "block": 8,
    "layers": [12, 6],
    "steps": [5, 255],
    "quantiser": "uniform",
    "coder": "entropy",
    "activation_bits": 9,
}
CASES: dict[str, dict[str, Any]] = {
    "uniform": {},
    "kmeans": {"quantiser": "kmeans", "steps": [4, 200]},
    "fixed": {"coder": "fixed"},
    "fixed kmeans": {"coder": "fixed", "quantiser": "kmeans"},
}


@cache
def slim_model(case: str = "uniform") -> Model:
    """One of CASES."""
    config = CONFIG | CASES[case]
    sizes, rng = [config["block"] ** 2, *config["layers"]], np.random.default_rng(5)
    tensors: dict[str, np.ndarray] = {}
    for j, (inputs, outputs) in enumerate(pairwise(sizes)):
        tensors[f"encoder{j}.weight"] = rng.integers(-99, 99, (outputs, inputs)).astype(np.int8)
        tensors[f"encoder{j}.scale"] = np.full(outputs, 0.01, np.float32)
        tensors[f"encoder{j}.bias"] = rng.normal(0, 1, outputs).astype(np.float32)
    for j, (inputs, outputs) in enumerate(pairwise(sizes[::-1])):
        tensors[f"decoder{j}.weight"] = rng.integers(-99, 99, (outputs, inputs)).astype(np.int8)
        tensors[f"decoder{j}.bias"] = rng.integers(-9999, 9999, outputs).astype(np.int32)
        tensors[f"decoder{j}.shift"] = rng.integers(4, 8, outputs).astype(np.int8)
    for number, steps in enumerate(config["steps"]):
        if config["quantiser"] == "kmeans":
            tensors[f"level{number}.centres"] = np.sort(rng.integers(0, 4081, (sizes[-1], steps + 1))).astype(np.int16)
        if config["coder"] == "entropy":
            counts = rng.integers(0, 100, (sizes[-1], steps + 1))
            tensors |= freeze(np.zeros(sizes[-1], np.int64), list(counts)).tensors(f"level{number}")
    return Model("rbm-autoencoder", config, {}, "CC0-1.0", tensors)


@cache
def slim_codec(case: str = "uniform", device: str = "cpu") -> RbmAutoencoder:
    """The codec of one of CASES."""
    return RbmAutoencoder(slim_model(case), device)
