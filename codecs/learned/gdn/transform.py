"""The convolutional transform of the codecs with divisive normalisation: pictures to real latents by a float network,
quantised latents back to pictures by an integer one. It knows nothing of entropy coding: the factorised prior is in
`codec.py`, and another prior (a hyperprior, say) plugs in there.

Analysis: convolutions 8x8 / 4, 5x5 / 2, 5x5 / 2 with GDN between (Ballé, Laparra, Simoncelli 2017). Synthesis: three
times a 3x3 convolution and a pixel shuffle, with inverse GDN between. A quality level has a gain for every channel:
latents are multiplied by `gain` before they are rounded, and by the integer `inverse` after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerLayer, IntegerNetwork, InverseGdn, PixelShuffle, Step
from tilepress.codecs.model import Model, tensor

if TYPE_CHECKING:
    import torch

ALIGNMENT = 16  # pixels of a latent's side
SCALE = 4.0  # by which the analysis multiplies pixels, centred on 0, since GDN wants them around one
BITS = 16  # fraction bits of decoded pictures
FINE_BITS = 7  # of the first synthesis weights, besides the 8 that are stored for all
_SHAPES = ((3, 8, 4, 2), (None, 5, 2, 2), (None, 5, 2, 2))  # inputs, kernel, stride, padding of the analysis
_PIXELS_AT_ONCE = 1 << 20
_MAX_CHANNELS, _MAX_LEVELS = 1024, 32


@dataclass(frozen=True)
class GdnConfig:
    """Shape of the networks; round-trips through the `config` of a model.

    `channels`: after each stage of the analysis, the latents last. `reach`: clip of what the first two convolutions
    of the synthesis give. `dead_zone`: of each level, by how much of a step latents are drawn to 0 before rounding.
    """

    channels: tuple[int, int, int]
    levels: int
    default_level: int
    reach: tuple[int, int]
    dead_zone: tuple[float, ...]

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> GdnConfig:
        """ModelError if a field is missing, of another type or out of range."""
        try:
            first, second, latents = (int(c) for c in config["channels"])
            inner, outer = (int(r) for r in config["reach"])
            zones = tuple(float(z) for z in config["dead_zone"])
            levels, default = int(config["levels"]), int(config["default_level"])
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise ModelError(f"config of a convolutional model is incomplete: {exc}") from exc
        new = cls((first, second, latents), levels, default, (inner, outer), zones)
        sane = all(1 <= c <= _MAX_CHANNELS for c in new.channels) and all(1 <= r < 1 << 24 for r in new.reach)
        sane = sane and 0 <= default < levels <= _MAX_LEVELS and len(zones) == levels
        if not sane or not all(0 <= z <= 0.5 for z in zones):
            raise ModelError(f"config of a convolutional model is out of range: {dict(config)}")
        return new

    def to_json(self) -> dict[str, Any]:
        """The `config` of a model."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


class GdnAnalysis:
    """The float network on one device. Tensors `analysis{i}.weight`, `.bias`, `gdn{i}.beta`, `.gamma`; weights of
    int8 come with `analysis{i}.scale` for every output. Nothing here has to be repeatable."""

    def __init__(self, model: Model, config: GdnConfig, device: torch.device):
        self.device = device
        self._layers: list[dict[str, torch.Tensor]] = []
        inputs = 3
        for i, (outputs, (_, side, _, _)) in enumerate(zip(config.channels, _SHAPES, strict=True)):
            shape = (outputs, inputs, side, side)
            layer = {"weight": _float_weight(model, i, shape)}
            layer["bias"] = tensor(model.tensors, f"analysis{i}.bias", ("float32",), (outputs,))
            if i < len(config.channels) - 1:
                layer["beta"] = tensor(model.tensors, f"gdn{i}.beta", ("float32",), (outputs,))
                layer["gamma"] = tensor(model.tensors, f"gdn{i}.gamma", ("float16", "float32"), (outputs, outputs))[
                    :, :, None, None
                ]
            self._layers.append({name: _place(array, device) for name, array in layer.items()})
            inputs = outputs

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures (m, 3, H, W) float32 in [0, 1], sides multiples of ALIGNMENT, to (m, c, H / 16, W / 16) float32."""
        import torch

        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            parts = [self._network(torch.from_numpy(part).to(self.device)) for part in batches(pictures, ALIGNMENT**2)]
            out: np.ndarray = torch.cat(parts).cpu().numpy()
        return out

    def _network(self, x: torch.Tensor) -> torch.Tensor:
        import torch
        from torch.nn.functional import conv2d

        x = ((x - 0.5) * SCALE).contiguous(memory_format=torch.channels_last)
        for layer, (_, _, stride, padding) in zip(self._layers, _SHAPES, strict=True):
            x = conv2d(x, layer["weight"], layer["bias"], stride, padding)
            if "beta" in layer:
                x = x * conv2d(x.square(), layer["gamma"], layer["beta"]).clamp_min(1e-6).rsqrt()
        return x.contiguous()


class GdnSynthesis:
    """The integer network on one device. `bounds` (levels, c): max |latent| of each level; ModelError unless the
    network is proven exact for them."""

    def __init__(self, model: Model, config: GdnConfig, bounds: np.ndarray, device: str = "cpu"):
        latents = config.channels[2]
        inverse = [tensor(model.tensors, f"level{i}.inverse", ("int32",), (latents,)) for i in range(config.levels)]
        self._inverse = np.stack(inverse).astype(np.int64)
        if (self._inverse < 1).any():
            raise ModelError("an inverse gain is not positive: the model is damaged")
        self._network = IntegerNetwork(_steps(model, config), (bounds * self._inverse).max(axis=0), device)

    def __call__(self, latents: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Integers (m, c, h, w) at `levels` (m,) to pictures int32 (m, 3, 16 h, 16 w) in units of 2^-BITS."""
        scaled = latents.astype(np.int64) * self._inverse[levels][:, :, None, None]
        parts = [self._network(part).cpu().numpy().astype(np.int32) for part in batches(scaled, 1)]
        return np.concatenate(parts)


def batches(pictures: np.ndarray, share: int) -> Iterator[np.ndarray]:
    """Parts of (m, c, h, w) that are small enough for one pass; `share`: how many values of it a latent's side
    squared has (ALIGNMENT^2 for pixels, 1 for latents)."""
    pixels = pictures.shape[2] * pictures.shape[3] * ALIGNMENT**2 // share
    size = max(1, _PIXELS_AT_ONCE // max(1, pixels))
    return (pictures[at : at + size] for at in range(0, len(pictures), size))


def _steps(model: Model, config: GdnConfig) -> list[Step]:
    first, second, latents = config.channels
    shapes = ((4 * second, latents), (4 * first, second), (3 * 16, first))
    clips = ((-config.reach[0], config.reach[0]), (-config.reach[1], config.reach[1]), (-(1 << BITS), 2 << BITS))
    steps: list[Step] = []
    for i, (shape, clip) in enumerate(zip(shapes, clips, strict=True)):
        steps += [_convolution(model, i, shape, clip), PixelShuffle(4 if i == 2 else 2)]
        if i < 2:
            steps.append(_inverse_gdn(model, i, shape[0] // 4))
    return steps


def _convolution(model: Model, i: int, shape: tuple[int, int], clip: tuple[int, int]) -> IntegerLayer:
    weight = tensor(model.tensors, f"synthesis{i}.weight", ("int8", "int16", "int32"), (*shape, 3, 3))
    bias = tensor(model.tensors, f"synthesis{i}.bias", ("int32", "int64"), shape[:1])
    shift = tensor(model.tensors, f"synthesis{i}.shift", ("int32",), shape[:1])
    weight = _refined(model, weight) if i == 0 else weight
    return IntegerLayer(weight.astype(np.int64), bias.astype(np.int64), shift.astype(np.int64), *clip, padding=1)


def _refined(model: Model, weight: np.ndarray) -> np.ndarray:
    """Weights of 8 bits in units of 2^FINE_BITS, and `synthesis0.fine` added where the inputs are `synthesis0.index`:
    the few latents of great power, whose products would otherwise be wrong by more than all others together."""
    out = weight.astype(np.int64) << FINE_BITS
    index = tensor(model.tensors, "synthesis0.index", ("int32",))
    if index.ndim != 1 or ((index < 0) | (index >= weight.shape[1])).any() or len(np.unique(index)) != len(index):
        raise ModelError("the finer weights of the synthesis are for inputs that it does not have")
    out[:, index] += tensor(model.tensors, "synthesis0.fine", ("int8",), (len(weight), len(index), *weight.shape[2:]))
    return out


def _inverse_gdn(model: Model, i: int, channels: int) -> InverseGdn:
    beta = tensor(model.tensors, f"igdn{i}.beta", ("int64",), (channels,))
    gamma = tensor(model.tensors, f"igdn{i}.gamma", ("int32", "int64"), (channels, channels))
    limit = tensor(model.tensors, f"igdn{i}.limit", ("int32",), (channels,))
    shift = tensor(model.tensors, f"igdn{i}.shift", ("int32",), (1,))
    return InverseGdn(beta, gamma.astype(np.int64), int(shift[0]), limit.astype(np.int64))


def _float_weight(model: Model, i: int, shape: tuple[int, ...]) -> np.ndarray:
    weight = tensor(model.tensors, f"analysis{i}.weight", ("int8", "float16", "float32"), shape).astype(np.float32)
    if model.tensors[f"analysis{i}.weight"].dtype == np.int8:
        weight = weight * tensor(model.tensors, f"analysis{i}.scale", ("float32",), shape[:1])[:, None, None, None]
    return weight


def _place(array: np.ndarray, device: torch.device) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.array(array, np.float32)).to(device)
