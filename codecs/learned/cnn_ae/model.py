"""The model of `cnn-ae`: its configuration, and its quality levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np

from tilepress.codecs.entropy.context_model import MAX_LATENT
from tilepress.codecs.entropy.latent_coder import LatentCoder, load_coder
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.cnn_ae.network import ANALYSIS, SYNTHESIS, NetworkPlan, plan
from tilepress.codecs.model import INTEGERS, Model, tensor
from tilepress.codecs.planes.rgb_inputs import CHANNELS, MIN_BITS
from tilepress.codecs.planes.tiling import Tiling

UNIT = 256  # the latents' 1, in integers: steps and the synthesis' inputs are in units of 1 / UNIT
_MAX_STEP = 1 << 14


@dataclass(frozen=True)
class CnnConfig:
    """The `config` of a model, which it round-trips through.

    `analysis`, `synthesis`: see network.py. `block`, `overlap`, `margin`: see planes/tiling.py. `steps`: quantisation
    step of the latents at each level, coarse to fine. `strengths`: what the synthesis is told of each level in a
    channel of its own behind the latents, or nothing. Decoded pictures are in units of 2^-fraction_bits of full scale.
    """

    analysis: tuple[str, ...]
    synthesis: tuple[str, ...]
    block: int
    overlap: int
    steps: tuple[int, ...]
    strengths: tuple[int, ...]
    default_level: int
    activation_bits: int
    fraction_bits: int
    margin: int = 0

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """ModelError if a field is missing, of another type or out of range, or the networks do not fit together."""
        try:
            given = {f.name: config[f.name] for f in fields(cls) if f.name in config or f.default is MISSING}
            for name in ("block", "overlap", "default_level", "activation_bits", "fraction_bits", "margin"):
                given[name] = int(given.get(name, 0))
            for name in ("steps", "strengths"):
                given[name] = tuple(int(v) for v in given[name])
            for name in ("analysis", "synthesis"):
                given[name] = tuple(str(v) for v in given[name])
            new = cls(**given)
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise ModelError(f"config of a cnn-ae model is incomplete: {exc}") from exc
        if not new._sane():
            raise ModelError(f"config of a cnn-ae model is out of range: {config}")
        return new

    def to_json(self) -> dict[str, Any]:
        """The `config` of a model."""
        return {f.name: _listed(getattr(self, f.name)) for f in fields(self)}

    @cached_property
    def analysis_plan(self) -> NetworkPlan:
        """From pictures of three channels to latents."""
        return plan(self.analysis, CHANNELS, ANALYSIS)

    @cached_property
    def synthesis_plan(self) -> NetworkPlan:
        """From latents, and the level's strength where there is one, to pictures."""
        return plan(self.synthesis, self.latents + bool(self.strengths), SYNTHESIS)

    @property
    def levels(self) -> int:
        """How many quality levels there are."""
        return len(self.steps)

    @property
    def latents(self) -> int:
        """Channels of latents."""
        return self.analysis_plan.outputs

    @property
    def cut(self) -> Tiling:
        """How pictures go through the networks."""
        return Tiling(self.analysis_plan.stride, self.block, self.overlap, self.margin)

    def synthesis_inputs(self, values: np.ndarray, level: int) -> np.ndarray:
        """Latents (m, K, h, w) int32 as the synthesis takes them: with the level's strength behind, if it is told."""
        if not self.strengths:
            return values
        strength = np.full((len(values), 1, *values.shape[2:]), self.strengths[level], np.int32)
        return np.concatenate([values, strength], axis=1)

    def input_bounds(self, quantisers: Sequence[Quantiser]) -> np.ndarray:
        """max |input| of each channel of the synthesis, over the quantisers of all levels."""
        bounds: np.ndarray = np.max([quantiser.reach for quantiser in quantisers], axis=0)
        return np.append(bounds, max(self.strengths)) if self.strengths else bounds

    def _sane(self) -> bool:
        steps = 1 <= len(self.steps) <= 16 and all(1 <= s <= _MAX_STEP for s in self.steps)
        told = len(self.strengths) in (0, len(self.steps)) and all(0 <= s <= UNIT for s in self.strengths)
        bits = 4 <= self.activation_bits <= 16 and 8 <= self.fraction_bits <= MIN_BITS + 4
        level = 0 <= self.default_level < len(self.steps)
        few = self.latents <= CHANNELS * self.analysis_plan.stride**2  # no more numbers than the picture has
        back = (
            few and self.synthesis_plan.stride == self.analysis_plan.stride and self.synthesis_plan.outputs == CHANNELS
        )
        return steps and told and bits and level and back and self.block >= 0 and self.cut.sane


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Quantiser:
    """Latents z become symbols round(UNIT z / step) + zero within 0..top. `zero`, `top`: (K,) int32.

    `dead` (K,) float32, 0..0.5: how much later than at a half the encoder rounds away from 0. Where a latent is mostly
    0, that costs little error for its bits (Sullivan, "Efficient scalar quantization of exponential and Laplacian
    random variables", IEEE Trans. Information Theory 42(5), 1996).
    """

    step: int
    zero: np.ndarray
    top: np.ndarray
    dead: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """(K,) int64: max |value|."""
        zero = self.zero.astype(np.int64)
        reach: np.ndarray = np.maximum(np.abs(zero), np.abs(self.top - zero)) * self.step
        return reach

    def symbols(self, z: np.ndarray) -> np.ndarray:
        """Latents (m, K, h, w) float32, 1 being full scale, to int16 symbols."""
        column = (slice(None), None, None)
        scaled = z * np.float32(UNIT / self.step)
        whole = np.copysign(np.floor(np.abs(scaled) + (np.float32(0.5) - self.dead[column])), scaled)
        symbols: np.ndarray = np.clip(whole + self.zero.astype(np.float32)[column], 0, self.top[column])
        return symbols.astype(np.int16)

    def values(self, symbols: np.ndarray) -> np.ndarray:
        """Symbols (m, K, h, w) to int32 latents in units of 1 / UNIT."""
        values: np.ndarray = (symbols.astype(np.int32) - self.zero[:, None, None]) * np.int32(self.step)
        return values


@dataclass(frozen=True)
class Level:
    """One quality level, as encoder and decoder take it."""

    quantiser: Quantiser
    coder: LatentCoder


def load_level(model: Model, level: int, config: CnnConfig) -> Level:
    """A level of a model; ModelError if it is damaged."""
    coder = load_coder(model.tensors, f"level{level}", config.latents)
    top = coder.fitted.top
    zero = tensor(model.tensors, f"level{level}.zero", INTEGERS, top.shape).astype(np.int32)
    if abs(zero.astype(np.int64)).max() > MAX_LATENT:
        raise ModelError(f"the zeros of level {level} exceed 16 bits: the model is damaged")
    dead = tensor(model.tensors, f"level{level}.dead", ("float32",), top.shape)
    if not ((dead >= 0) & (dead < 0.5)).all():
        raise ModelError(f"the dead zones of level {level} are not within 0..0.5: the model is damaged")
    return Level(Quantiser(config.steps[level], zero, top, dead), coder)
