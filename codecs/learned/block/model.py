"""The model of a block codec: its configuration, and its levels with everything that decoding needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self

import numpy as np

from tilepress.codecs.entropy.latent_coder import LatentCoder, load_coder
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerLayer, IntegerNetwork
from tilepress.codecs.model import Model, tensor
from tilepress.codecs.planes.quantiser import Quantiser

VALUE_BITS = 8  # fraction bits of what symbols stand for, where a table says it
_MIN_BITS, _MAX_BITS = 18, 22  # fraction bits; 17 bits of colour difference must fit below them


@dataclass(frozen=True)
class BlockConfig:
    """The `config` of a model, which it round-trips through; families add fields, with defaults where they came later.

    `steps`: quantisation step of the latents at each level, coarse to fine, where a block's pixels are in [0, 1].
    """

    block: int
    latents: int
    steps: tuple[float, ...]
    default_level: int
    fraction_bits: int

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """ModelError if a field is missing, of another type or out of range."""
        try:
            known = {f.name: f for f in fields(cls)}
            given = {name: config[name] for name, f in known.items() if name in config or f.default is MISSING}
            numbers = {key: int(given[key]) for key in given if known[key].type == "int"}
            new = cls(**{**given, "steps": tuple(float(s) for s in config["steps"]), **numbers})
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise ModelError(f"config of a block model is incomplete: {exc}") from exc
        if not new.sane():
            raise ModelError(f"config of a block model is out of range: {config}")
        return new

    @property
    def levels(self) -> int:
        """How many quality levels there are."""
        return len(self.steps)

    def sane(self) -> bool:
        """Whether all fields are within their range."""
        steps = 1 <= len(self.steps) <= 16 and all(1e-6 < s < 1e6 for s in self.steps)
        shape = 2 <= self.block <= 64 and 1 <= self.latents <= min(self.block**2, 1024)
        bits = _MIN_BITS <= self.fraction_bits <= _MAX_BITS
        return shape and steps and bits and 0 <= self.default_level < len(self.steps)

    def to_json(self) -> dict[str, Any]:
        """The `config` of a model."""
        return {**vars(self), "steps": list(self.steps)}


@dataclass(frozen=True)
class Level:
    """One quality level, as encoder and decoder take it."""

    quantiser: Quantiser
    coder: LatentCoder
    decoder: IntegerNetwork
    table: np.ndarray | None  # int32 (K, S): the decoder's inputs, units of 2^-VALUE_BITS; None: the symbols

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        """Symbols (m, K) to fixed-point blocks (m, N) int64. Exact."""
        values = symbols if self.table is None else self.table[np.arange(len(self.table)), symbols]
        blocks: np.ndarray = self.decoder(values).cpu().numpy()
        return blocks


def load_level(model: Model, level: int, config: BlockConfig, table: np.ndarray | None, device: str) -> Level:
    """A level of a model. `table`: as `Level` has it. ModelError if it is damaged or not provably exact."""
    coder, layer = load_coder(model.tensors, f"level{level}", config.latents), _load_decoder(model, level, config)
    one, top = float(1 << config.fraction_bits), coder.fitted.top
    if table is not None and table.shape[1] <= top.max():
        raise ModelError(f"level {level} has latents without a value: the model is damaged")
    zero, name = np.zeros(len(top)), f"level{level}.zero"
    if name in model.tensors:
        zero = tensor(model.tensors, name, ("float32",), top.shape).astype(np.float64)
    floats = None if table is None else table.astype(np.float64)
    step = config.steps[level] if table is None else 2.0**-VALUE_BITS
    quantiser = Quantiser(step, zero, top, layer.weight / one, layer.bias / one, floats)
    bounds = top if table is None else np.abs(table.astype(np.int64)).max(axis=1)
    return Level(quantiser, coder, IntegerNetwork([layer], bounds, device), table)


def _load_decoder(model: Model, level: int, config: BlockConfig) -> IntegerLayer:
    size = config.block**2
    weight = tensor(model.tensors, f"level{level}.decoder", ("int16", "int32"), (size, config.latents))
    bias = tensor(model.tensors, f"level{level}.offset", ("int32",), (size,))
    one = 1 << config.fraction_bits
    return IntegerLayer(weight.astype(np.int64), bias.astype(np.int64), low=-one, high=2 * one)


def load_layers(model: Model, inputs: int, count: int, outputs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (out, in) and biases (out,) float32 of `count` layers of an analysis; ModelError if they do not fit."""
    layers, width = [], inputs
    for i in range(count):
        weight = tensor(model.tensors, f"analysis{i}.weight", ("float32",))
        if weight.ndim != 2 or weight.shape[1] != width:
            raise ModelError(f"analysis layer {i} has weights of {weight.shape} for {width} inputs")
        layers.append((weight, tensor(model.tensors, f"analysis{i}.bias", ("float32",), weight.shape[:1])))
        width = len(weight)
    if width != outputs:
        raise ModelError(f"the analysis gives {width} latents, not {outputs}")
    return layers
