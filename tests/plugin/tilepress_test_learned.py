"""Slim learned families of another package: a hyperprior, a progressive codec with views, a restoration.

Each is built on the base of learned codecs alone. Their models are written down here instead of trained: a block of
8 x 8 samples is coded as the means of its quadrants.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tilepress.codecs.codec import Settings, Tiles, TileSpec
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior, FactorizedTables, freeze
from tilepress.codecs.entropy.latent_coder import Latents, Shapes
from tilepress.codecs.errors import StreamError
from tilepress.codecs.integer.network import IntegerLayer, IntegerNetwork
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.on_device import Tensors, sent
from tilepress.codecs.learned.restoration import RestorationCodec
from tilepress.codecs.model import Model, tensor
from tilepress.codecs.planes.blocks import from_blocks, to_blocks
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.stream import read_frame, write_frame

if TYPE_CHECKING:
    import torch

SIDE, QUADRANTS, BITS = 8, 4, 20
STEPS = (1 / 16, 1 / 128)
WIDEST = 2  # of the classes of a block's latents in ToyHyperprior
_QUADRANT = np.kron(np.arange(QUADRANTS).reshape(2, 2), np.ones((SIDE // 2, SIDE // 2), int)).ravel()
_SPREAD = np.eye(QUADRANTS, dtype=np.int32)[_QUADRANT]  # (64, 4): quadrants to the samples of a block


@dataclass(frozen=True)
class ToyConfig(LeveledConfig):
    steps: tuple[float, ...]

    @property
    def level_count(self) -> int:
        return len(self.steps)

    def worth(self, level: int) -> int:
        """A step in units of 2^-BITS."""
        return round(self.steps[level] * 2**BITS)


class ToyCodec(LeveledCodec):
    config_class: ClassVar[type[LeveledConfig]] = ToyConfig
    config: ToyConfig

    def network(self, name: str, bounds: np.ndarray, offset: int = 0) -> IntegerNetwork:
        """The linear decoder of a tensor (64, inputs); `offset` is added to each sample."""
        weight = tensor(self.model.tensors, name, ("int32",), (SIDE**2, len(bounds))).astype(np.int64)
        return IntegerNetwork([IntegerLayer(weight, np.full(len(weight), offset), shift=2)], bounds, self.device)

    def quantiser(self, number: int, low: int, channels: int) -> Quantiser:
        step, ones = self.config.steps[number], np.ones(channels, np.int64)
        return Quantiser(low * ones, round(1 / step) * ones, step=step, worth=self.config.worth(number) * ones)

    def grid(self, spec: TileSpec) -> tuple[int, int, int]:
        return spec.channels, -(-spec.height // SIDE), -(-spec.width // SIDE)


def quadrant_means(tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor) -> torch.Tensor:
    """float32 (n, c, rows, columns, 4) of tiles."""
    blocks = to_blocks(tiles, spec, frame, SIDE)
    return blocks @ sent((_SPREAD / (SIDE**2 / QUADRANTS)).astype(np.float32), blocks.device)


def code(prior: FactorizedPrior, latents: np.ndarray) -> bytes:
    """Latents (..., K), position by position."""
    return prior.encode(latents.reshape(1, -1, latents.shape[-1]).transpose(2, 0, 1))


def decode(prior: FactorizedPrior, stream: bytes, shape: Sequence[int]) -> np.ndarray:
    return prior.decode(stream, 1, int(np.prod(shape[:-1]))).transpose(1, 2, 0).reshape(shape)


@dataclass(frozen=True)
class HyperCoder:
    """`z`, the class of each block, under a prior; then `y` under the prior that the class chooses."""

    classes: FactorizedPrior
    priors: Sequence[FactorizedPrior]
    parts: int = 1

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        y, z = latents["y"], latents["z"]
        streams = [code(self.classes, z), *(code(p, y[z[..., 0] == k]) for k, p in enumerate(self.priors))]
        return [b"".join(struct.pack("<I", len(stream)) + stream for stream in streams)]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        (payload,) = streams
        pieces, at = [], 0
        for _ in range(1 + len(self.priors)):
            length = struct.unpack_from("<I", payload, at)[0] if len(payload) >= at + 4 else len(payload)
            if at + 4 + length > len(payload):
                raise StreamError("a hyperprior's stream is cut off")
            pieces.append(payload[at + 4 : at + 4 + length])
            at += 4 + length
        if at != len(payload):
            raise StreamError("a hyperprior's stream is too long")
        z, y = decode(self.classes, pieces[0], shapes["z"]), np.zeros(shapes["y"], np.int16)
        for k, prior in enumerate(self.priors):
            chosen = z[..., 0] == k
            y[chosen] = decode(prior, pieces[1 + k], (int(chosen.sum()), QUADRANTS))
        return {"y": y, "z": z}


class ToyHyperprior(ToyCodec):
    """Latents `y`, quadrants around mid-gray, and `z`, how large those of a block are."""

    codec_id: ClassVar[str] = "test-hyper"
    summary: ClassVar[str] = "a learned codec for tests with two arrays of latents"
    magic: ClassVar[bytes] = b"tH"

    def load_level(self, number: int) -> Level:
        tables = [FactorizedTables.of(self.model.tensors, f"level{number}.{k}") for k in range(WIDEST + 1)]
        priors = [FactorizedPrior(table, QUADRANTS) for table in tables]
        classes = FactorizedPrior(FactorizedTables.of(self.model.tensors, "classes"), 1)
        y = self.quantiser(number, -round(1 / self.config.steps[number]), QUADRANTS)
        z = Quantiser(np.zeros(1, np.int64), np.full(1, WIDEST))
        return Level(number, {"y": y, "z": z}, HyperCoder(classes, priors))

    def load_networks(self) -> None:
        bounds = np.max([level.quantisers["y"].bounds for level in self.levels], axis=0)
        self._synthesis = self.network("decoder", bounds, offset=1 << BITS + 1)

    def shapes(self, spec: TileSpec) -> Shapes:
        return {"y": (*self.grid(spec), QUADRANTS), "z": (*self.grid(spec), 1)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        y = level.quantisers["y"].latents(quadrant_means(tiles, spec, frame) - 0.5)
        largest = y.abs().amax(dim=-1, keepdim=True)
        return {"y": y, "z": sum((largest > int(p.high[0])).to(y.dtype) for p in level.coder.priors[:WIDEST])}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        y = latents["y"].reshape(-1, QUADRANTS)
        blocks = self._synthesis.floats(level.quantisers["y"].values(y))
        return from_blocks(blocks.reshape(*latents["y"].shape[:-1], -1), spec, frame, SIDE, BITS)


@dataclass(frozen=True)
class StepsCoder:
    """A part for each array."""

    priors: Mapping[str, FactorizedPrior]
    parts: int = 2

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        return [code(prior, latents[name]) for name, prior in self.priors.items()]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        pairs = zip(self.priors.items(), streams, strict=False)
        return {name: decode(prior, stream, shapes[name]) for (name, prior), stream in pairs}


class ToySteps(ToyCodec):
    """First the mean of a block, then what its quadrants differ by from what that decodes to; two decoders.

    An image's side information is the mean error of its first part, which every sample is corrected by.
    """

    codec_id: ClassVar[str] = "test-steps"
    summary: ClassVar[str] = "a learned codec for tests that is progressive, with views and side information"
    magic: ClassVar[bytes] = b"tS"
    has_side_information: ClassVar[bool] = True
    views = ("smooth",)
    offset = 0

    def load_level(self, number: int) -> Level:
        whole = round(1 / self.config.steps[number])
        quantisers = {"mean": self.quantiser(number, 0, 1), "rest": self.quantiser(number, -whole, QUADRANTS)}
        tables = {name: FactorizedTables.of(self.model.tensors, f"level{number}.{name}") for name in quantisers}
        priors = {name: FactorizedPrior(table, len(quantisers[name].low)) for name, table in tables.items()}
        return Level(number, quantisers, StepsCoder(priors))

    def load_networks(self) -> None:
        bounds = [np.concatenate([q.bounds for q in level.quantisers.values()]) for level in self.levels]
        networks = {"": "decoder", "smooth": "smooth"}
        self._networks = {
            view: self.network(name, np.max(bounds, axis=0), self.offset) for view, name in networks.items()
        }

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        errors = []
        for tile in tiles:
            kind = TileSpec(*tile.shape[:2], spec.channels, spec.dtype, spec.bit_depth, spec.colour)
            base = self.synthesise(self.unpack_prefix(self.encode(tile[None], kind, settings), kind, 1))
            errors.append(float(np.mean(tile - base[0].astype(np.float64))))
        return write_frame(b"tI", 1, struct.pack("<h", round(np.mean(errors) * 2**12 / (spec.maximum + 1))))

    def adapted(self, side_information: bytes) -> Self:
        if not side_information:
            return self
        _, payload = read_frame(b"tI", {1}, side_information)
        if len(payload) != 2:
            raise StreamError("the correction of an image is one number of 16 bits")
        other = copy.copy(self)
        other.offset = struct.unpack("<h", payload)[0] << BITS - 10
        other.load_networks()
        return other

    def shapes(self, spec: TileSpec) -> Shapes:
        return {"mean": (*self.grid(spec), 1), "rest": (*self.grid(spec), QUADRANTS)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        z = quadrant_means(tiles, spec, frame)
        mean = level.quantisers["mean"].latents(z.mean(dim=-1, keepdim=True))
        decoded = level.quantisers["mean"].values(mean) / 2**BITS
        return {"mean": mean, "rest": level.quantisers["rest"].latents(z - decoded)}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        import torch

        mean = latents["mean"]
        arrays = {"mean": mean, "rest": latents.get("rest", mean.new_zeros((*mean.shape[:-1], QUADRANTS)))}
        values = [level.quantisers[name].values(array) for name, array in arrays.items()]
        blocks = self._networks[self.view_name].floats(torch.cat(values, dim=-1).flatten(0, -2))
        return from_blocks(blocks.reshape(*mean.shape[:-1], -1), spec, frame, SIDE, BITS)


class ToyRestoration(RestorationCodec):
    """Smooths what JPEG-LS, or another codec, decodes within a bound that follows from the quality."""

    codec_id: ClassVar[str] = "test-restored"
    summary: ClassVar[str] = "a codec for tests that improves what another one decodes"
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})
    magic: ClassVar[bytes] = b"tR"

    def __init__(self, model: Model, device: str, base: Any) -> None:
        super().__init__(model, device, base)
        weight = tensor(model.tensors, "smooth", ("int32",), (1, 1, 3, 3)).astype(np.int64)
        layer = IntegerLayer(weight, np.full(1, int(weight.sum()) // 2), shift=int(weight.sum()).bit_length() - 1)
        self._network = IntegerNetwork([layer], [65535], device)

    def base_settings(self, settings: Settings) -> Settings:
        if "max_error" not in self.base.options:
            return settings
        return Settings(max_error=8 if settings.quality is None else (100 - settings.quality) // 4)

    def restored(self, tiles: Tiles, spec: TileSpec) -> Tiles:
        padded = np.pad(tiles, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge").transpose(0, 3, 1, 2).astype(np.int64)
        out = self._network(padded.reshape(-1, 1, *padded.shape[2:])).numpy()
        planes = out.reshape(len(tiles), spec.channels, spec.height, spec.width)
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)).astype(spec.dtype)


def _tables(prefix: str, low: int, high: int, channels: int, scale: float) -> dict[str, np.ndarray]:
    counts = 1e4 * np.exp(-np.abs(np.arange(low, high + 1)) / scale) + 1
    return freeze(np.full(channels, low), [counts] * channels).tensors(prefix)


def hyper_model() -> Model:
    tensors = {"decoder": 4 * _SPREAD, **_tables("classes", 0, WIDEST, 1, 1.0)}
    for i, step in enumerate(STEPS):
        for k, top in enumerate((2, round(0.2 / step), round(1 / step))):
            tensors |= _tables(f"level{i}.{k}", -top, top, QUADRANTS, 1 + top / 3)
    return Model("test-hyper", {"steps": list(STEPS), "default_level": 1}, {}, "CC0-1.0", tensors)


def steps_model() -> Model:
    plain = np.concatenate([4 * np.ones((SIDE**2, 1), np.int32), 4 * _SPREAD], axis=1)
    smooth = np.concatenate([plain[:, :1], 2 * _SPREAD], axis=1)
    tensors: dict[str, np.ndarray] = {"decoder": plain, "smooth": smooth}
    for i, step in enumerate(STEPS):
        whole = round(1 / step)
        tensors |= _tables(f"level{i}.mean", 0, whole, 1, whole) | _tables(f"level{i}.rest", -whole, whole, 4, 2.0)
    return Model("test-steps", {"steps": list(STEPS), "default_level": 1}, {}, "CC0-1.0", tensors)


def restored_model(base: str | Model = "jpegls") -> Model:
    """`base`: a codec without a model, or the model of one."""
    facts = {"codec_id": base} if isinstance(base, str) else {"codec_id": base.codec_id, "config": dict(base.config)}
    held = {} if isinstance(base, str) else {f"base.{name}": array for name, array in base.tensors.items()}
    smooth = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.int32)[None, None]
    return Model("test-restored", {"base": facts}, {}, "CC0-1.0", {"smooth": smooth, **held})
