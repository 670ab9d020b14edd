"""`block-dnn`: the block autoencoder of the literature, a fully connected network over W x W blocks.

Encoder: N = W * W inputs in [0, 1], ReLU hidden layers, the last of K = N / ratio neurons: the latents, >= 0.
Decoder: one linear layer. Every plane goes through the same network, after a reversible colour transform. Latents
are quantised uniformly, with one of a few steps that the model names; each has its own integer decoder matrix and
its own frozen entropy model. Only the analysis computes in float, and only its symbols count.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tilepress.codecs import rans
from tilepress.codecs.bitstream import seal, unseal
from tilepress.codecs.block_analysis import BlockAnalysis, Quantiser
from tilepress.codecs.block_latents import Fitted, LatentCoder, Layout
from tilepress.codecs.block_planes import FRAME, check_frame, frames, from_blocks, to_blocks
from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.exact import IntegerLayer, IntegerNetwork
from tilepress.codecs.model import Model

_MAGIC = b"BD"
_VERSION = 1
_HEADER = struct.Struct("<BHBHB")  # level, then the frame
_MIN_BITS, _MAX_BITS = 18, 22  # fraction bits; 17 bits of colour difference must fit below them
_BLOCKS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class BlockConfig:
    """Shape of the network; round-trips through the `config` of a model.

    `steps`: quantisation step of the latents at each level, coarse to fine, where a block's pixels are in [0, 1].
    """

    block: int
    latents: int
    steps: tuple[float, ...]
    default_level: int
    fraction_bits: int
    layers: int

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> BlockConfig:
        """ModelError if a field is missing, of another type or out of range."""
        try:
            steps = tuple(float(s) for s in config["steps"])
            numbers = {key: int(config[key]) for key in cls.__annotations__ if key != "steps"}
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise ModelError(f"config of a block-dnn model is incomplete: {exc}") from exc
        new = cls(steps=steps, **numbers)
        sane = 2 <= new.block <= 64 and 1 <= new.latents <= min(new.block**2, 1024) and 1 <= new.layers <= 8
        sane = sane and 1 <= len(steps) <= 16 and all(1e-6 < s < 1e6 for s in steps)
        if not sane or not 0 <= new.default_level < len(steps) or not _MIN_BITS <= new.fraction_bits <= _MAX_BITS:
            raise ModelError(f"config of a block-dnn model is out of range: {config}")
        return new

    def to_json(self) -> dict[str, Any]:
        """The `config` of a model."""
        return {**vars(self), "steps": list(self.steps)}


@dataclass(frozen=True)
class _Level:
    quantiser: Quantiser
    coder: LatentCoder
    decoder: IntegerNetwork


class BlockDnn(Codec):
    """See the module. Symbols: `latents` int16 (n, c, rows, columns, K), `frame` int32 (n, 4), `level` int32 (n,)."""

    codec_id: ClassVar[str] = "block-dnn"
    summary: ClassVar[str] = "block autoencoder (learned): linear integer decoder, four to sixteen times fewer values"
    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its decoder is not provably exact."""
        import torch

        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model = model
        self.config = BlockConfig.from_json(model.config)
        self.device = torch.device(device)
        self._analysis = BlockAnalysis(_load_analysis(model, self.config), self.device)
        self._levels = [_load_level(model, i, self.config, device) for i in range(len(self.config.steps))]

    def level_of(self, quality: int | None) -> int:
        """Level for a quality of 1..100: 0 is the coarsest; None is the model's default."""
        if quality is None:
            return self.config.default_level
        if not 1 <= quality <= 100:
            raise UnsupportedError(f"quality {quality} is not within 1..100")
        return (quality - 1) * len(self.config.steps) // 100

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, shared: bytes = b"") -> Symbols:
        """Tiles (n, h, w, c) of `spec.dtype` to symbols; float32 on the device."""
        self.require(spec)
        level = self.level_of(settings.quality)
        frame = frames(tiles, spec)
        blocks = to_blocks(tiles, spec, frame, self.config.block)
        latents = self._analysis(blocks, (spec.height, spec.width), self._levels[level].quantiser)
        levels = np.full(len(tiles), level, np.int32)
        return Symbols(spec, {"latents": latents, "frame": frame, "level": levels}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Level and frame in the clear, then one rANS stream a tile."""
        layout = _layout(symbols.spec)
        packed = []
        rows = zip(*(symbols.arrays[key] for key in ("latents", "frame", "level")), strict=True)
        for latents, frame, level in rows:
            header = _HEADER.pack(int(level), *(int(v) for v in frame))
            stream = self._levels[int(level)].coder.encode(latents, layout)
            packed.append(seal(_MAGIC, _VERSION, header + stream))
        return packed

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Inverse of `pack`."""
        self.require(spec)
        grid = (spec.channels, -(-spec.height // self.config.block), -(-spec.width // self.config.block))
        out = np.empty((len(latents), *grid, self.config.latents), np.int16)
        frame = np.empty((len(latents), FRAME), np.int32)
        levels = np.empty(len(latents), np.int32)
        for i, data in enumerate(latents):
            levels[i], frame[i], stream = self._open(data, spec)
            out[i] = self._levels[levels[i]].coder.decode(stream, out.shape[1:], _layout(spec))
        return Symbols(spec, {"latents": out, "frame": frame, "level": levels})

    def _open(self, data: bytes, spec: TileSpec) -> tuple[int, np.ndarray, bytes]:
        _, payload = unseal(_MAGIC, {_VERSION}, data)
        if len(payload) < _HEADER.size:
            raise StreamError(f"payload of {len(payload)} bytes is shorter than its header")
        level, *frame = _HEADER.unpack_from(payload)
        if level >= len(self.config.steps):
            raise StreamError(f"level {level} is not one of this model's {len(self.config.steps)}")
        values = np.array(frame, np.int32)
        check_frame(values, spec)
        return level, values, payload[_HEADER.size :]

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        fixed = np.empty((*latents.shape[:-1], self.config.block**2), np.int32)
        for value in np.unique(levels):
            chosen = levels == value
            rows = latents[chosen].reshape(-1, latents.shape[-1])
            fixed[chosen] = self._multiply(rows, int(value)).reshape(-1, *fixed.shape[1:])
        return from_blocks(fixed, symbols.spec, frame, self.config.block, self.config.fraction_bits)

    def _multiply(self, rows: np.ndarray, level: int) -> np.ndarray:
        out = np.empty((len(rows), self.config.block**2), np.int32)
        for i in range(0, len(rows), _BLOCKS_AT_ONCE):
            y = self._levels[level].decoder(rows[i : i + _BLOCKS_AT_ONCE])
            out[i : i + _BLOCKS_AT_ONCE] = y.cpu().numpy()
        return out


def _layout(spec: TileSpec) -> Layout:
    return Layout.of(spec.channels, spec.colour == "rgb")


def tensor(model: Model, name: str, dtypes: Sequence[str], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A tensor of a model; ModelError unless it is there with one of these dtypes and this shape."""
    array = model.tensors.get(name)
    if array is None or str(array.dtype) not in dtypes or (shape is not None and array.shape != shape):
        raise ModelError(f"model {model.name[:16]} lacks tensor {name} of {'/'.join(dtypes)} {shape or ''}")
    return array


def _load_level(model: Model, level: int, config: BlockConfig, device: str) -> _Level:
    coder = _load_coder(model, level, config)
    layer = _load_decoder(model, level, config)
    one = float(1 << config.fraction_bits)
    top = coder.fitted.top
    quantiser = Quantiser(config.steps[level], top, layer.weight / one, layer.bias / one)
    return _Level(quantiser, coder, IntegerNetwork([layer], top, device))


def _load_coder(model: Model, level: int, config: BlockConfig) -> LatentCoder:
    integers = ("int8", "int16", "int32")
    fitted = Fitted._make(tensor(model, f"level{level}.{name}", integers).astype(np.int32) for name in Fitted._fields)
    if fitted.top.shape != (config.latents,):
        raise ModelError(f"the entropy model of level {level} is not for {config.latents} latents")
    return LatentCoder(fitted, rans.Tables.from_cdf(tensor(model, f"level{level}.cdf", ("uint16",))))


def _load_decoder(model: Model, level: int, config: BlockConfig) -> IntegerLayer:
    size = config.block**2
    weight = tensor(model, f"level{level}.decoder", ("int16", "int32"), (size, config.latents))
    bias = tensor(model, f"level{level}.offset", ("int32",), (size,))
    one = 1 << config.fraction_bits
    return IntegerLayer(weight.astype(np.int64), bias.astype(np.int64), low=-one, high=2 * one)


def _load_analysis(model: Model, config: BlockConfig) -> list[tuple[np.ndarray, np.ndarray]]:
    layers, width = [], config.block**2
    for i in range(config.layers):
        weight = tensor(model, f"analysis{i}.weight", ("float32",))
        if weight.ndim != 2 or weight.shape[1] != width:
            raise ModelError(f"analysis layer {i} has weights of {weight.shape} for {width} inputs")
        bias = tensor(model, f"analysis{i}.bias", ("float32",), weight.shape[:1])
        if not np.isfinite(weight).all() or not np.isfinite(bias).all():
            raise ModelError(f"analysis layer {i} has weights that are not finite: the training failed")
        width = len(weight)
        layers.append((weight, bias))
    if width != config.latents:
        raise ModelError(f"the analysis gives {width} latents, not {config.latents}")
    return layers
