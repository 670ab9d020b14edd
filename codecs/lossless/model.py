"""Models of the lossless codec: for each level a network, or none, and the mixing weights to begin with.

Config: {"levels": {"fast": {"hidden": [32, 32]}, ...}}, `hidden` empty for a level without a network. Tensors, all
int32: "<level>.layer1.weight" (inputs, outputs), "<level>.layer1.bias", the same of layer2 and layer3, and
"<level>.mixing" (NODES, INPUTS) with 16 fractional bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.lossless.features import FEATURES
from tilepress.codecs.lossless.levels import LEVELS
from tilepress.codecs.lossless.mixer import INPUTS, NODES
from tilepress.codecs.lossless.network import OUTPUTS, WIDTHS, Network
from tilepress.codecs.lossless.stack import StartState
from tilepress.codecs.model import Model, tensor

CODEC_ID = "lossless"
MIXING_ONE = 1 << 16
MIXING_LIMIT = 16  # largest magnitude of a mixing weight: far more than training gives

_LAYERS = ("layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias", "layer3.weight", "layer3.bias")


def starts_of(model: Model) -> dict[int, StartState]:
    """Return the StartState of every level by its code.

    ModelError for a model of another codec or with anything missing.
    """
    if model.codec_id != CODEC_ID:
        raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {CODEC_ID}")
    levels = model.config.get("levels")
    if not isinstance(levels, dict) or levels.keys() != {level.name for level in LEVELS}:
        raise ModelError(f"a lossless model describes the levels {', '.join(level.name for level in LEVELS)}")
    return {level.code: _prior(model.tensors, level.name, levels[level.name]) for level in LEVELS}


def model_of(priors: Mapping[str, StartState], training: Mapping[str, Any], licence: str) -> Model:
    """Return the model of a StartState for every level's name. Mixing weights are rounded to 1/65536.

    ModelError if it could not be read back.
    """
    levels: dict[str, Any] = {}
    tensors: dict[str, np.ndarray] = {}
    for name, prior in priors.items():
        layers = prior.network.layers if prior.network else ()
        levels[name] = {"hidden": [int(bias.size) for bias in layers[1:4:2]]}
        tensors |= {f"{name}.{layer}": array for layer, array in zip(_LAYERS, layers, strict=False)}
        tensors[f"{name}.mixing"] = _rounded(prior.mixing)
    model = Model(CODEC_ID, {"levels": levels}, training, licence, tensors)
    starts_of(model)
    return model


def _rounded(mixing: np.ndarray) -> np.ndarray:
    most = MIXING_LIMIT * MIXING_ONE
    rounded: np.ndarray = np.clip(np.rint(mixing * MIXING_ONE), -most, most).astype(np.int32)
    return rounded


def _prior(tensors: Mapping[str, np.ndarray], name: str, config: object) -> StartState:
    mixing = tensor(tensors, f"{name}.mixing", ("int32",), (NODES, INPUTS))
    if int(np.abs(mixing.astype(np.int64)).max()) > MIXING_LIMIT * MIXING_ONE:
        raise ModelError(f"tensor {name}.mixing has weights beyond {MIXING_LIMIT}: the training failed")
    return StartState(_network(tensors, name, _hidden(name, config)), mixing / MIXING_ONE)


def _hidden(name: str, config: object) -> list[int]:
    hidden = config.get("hidden") if isinstance(config, dict) else None
    if hidden == [] or (isinstance(hidden, list) and len(hidden) == 2 and all(_is_width(item) for item in hidden)):
        return hidden
    raise ModelError(f"level {name} of a lossless model has not two hidden layers, {WIDTHS[0]} to {WIDTHS[-1]} wide")


def _is_width(item: object) -> bool:
    return type(item) is int and item in WIDTHS


def _network(tensors: Mapping[str, np.ndarray], name: str, hidden: list[int]) -> Network | None:
    if not hidden:
        return None
    one, two = hidden
    shapes = ((FEATURES, one), (one,), (one, two), (two,), (two, OUTPUTS), (OUTPUTS,))
    first, first_bias, second, second_bias, third, third_bias = (
        # copies: numba compiles kernels anew for the read-only arrays of a model that was read
        np.array(tensor(tensors, f"{name}.{layer}", ("int32",), shape), order="C")
        for layer, shape in zip(_LAYERS, shapes, strict=True)
    )
    return Network((first, first_bias, second, second_bias, third, third_bias))
