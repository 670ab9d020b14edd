"""Streams of every codec, side information, residuals, and models. Learned codecs have the slim models of the tests.

Of a stream what is inside its frame is mutated, and the checksum forged. A tile that comes out is one of its kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import safetensors
import safetensors.numpy

from tests.fuzz.parser import GOLDEN, Parser
from tests.support.tile_samples import spec_of, tiles_of
from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnknownCodecError
from tilepress.codecs.learned.cnn_ae_ft.changes import Changes, arrays_of, pack_changes
from tilepress.codecs.learned.cnn_ae_ft.codec import CnnAeFt
from tilepress.codecs.model import Model
from tilepress.codecs.stream import write_frame

_FRAME = 7  # bytes: magic, version, CRC-32
_KINDS = ("rgb", "16-bit gray", "gray", "palette")
_MOST_KINDS = 2
_MODELS = {  # slim ones; a codec that has none here is fuzzed with the model that ships
    "lossless": GOLDEN / "lossless-1/models/networks",
    "block-dnn": GOLDEN / "learned-1/models/block-dnn-sigmoid",
    "pca": GOLDEN / "learned-1/models/pca-kmeans",
    "cnn-ae": GOLDEN / "learned-1/models/cnn-ae-whole",
    "gdn-factorized": GOLDEN / "learned-1/models/gdn-factorized",
    "cnn-rnn-ae": GOLDEN / "learned-2/models/cnn-rnn-ae-whole",
    "rbm-autoencoder": GOLDEN / "learned-3/models/rbm-autoencoder-entropy",
    "cae": GOLDEN / "learned-4/models/cae-shuffled",
    "gan-ae": GOLDEN / "learned-5/models/gan-ae-entropy",
    "gan": GOLDEN / "learned-5/models/gan-fixed",
    "jpeg-dncnn": GOLDEN / "learned-6/models/jpeg-dncnn-narrow",
}
_SLIM = sorted(path for path in GOLDEN.glob("l*/models/*") if path.is_dir())


@cache
def _codec(codec_id: str) -> Codec:
    return registry.load_codec(codec_id, _MODELS.get(codec_id) or registry.resolve(codec_id).model_folder)


def _tiles(spec: TileSpec) -> np.ndarray:
    return tiles_of(spec, "gradient") // 2 + tiles_of(spec, "noise") // 8


@cache
def _samples(codec_id: str) -> list[tuple[TileSpec, bytes]]:
    """Some kinds of tiles, and a stream of one of each."""
    codec = _codec(codec_id)
    specs = [spec for spec in map(spec_of, _KINDS) if codec.supports(spec)][:_MOST_KINDS]
    return [(spec, codec.encode(_tiles(spec), spec)[0]) for spec in specs]


@cache
def _shared(codec_id: str) -> tuple[TileSpec, bytes, bytes]:
    """A kind of tiles, side information and a stream that needs it."""
    codec = _codec(codec_id)
    spec = spec_of("rgb", 96, 96)
    if isinstance(codec, CnnAeFt):  # tuning takes long; what it finds is of this form
        arrays = arrays_of(codec.steps)
        ones = tuple((np.arange(array.size) % 97 == 0).astype(np.int64).reshape(array.shape) for array in arrays)
        side = pack_changes(Changes((1,) * len(arrays), ones))
    else:
        side = codec.prepare(list(_tiles(spec)), spec, Settings(effort=1))
    return spec, side, codec.encode(_tiles(spec), spec, side_information=side)[0]


def _require_tile(tile: np.ndarray, spec: TileSpec) -> None:
    assert tile.shape[-3:] == spec.shape and tile.dtype == spec.dtype and tile.max() <= spec.maximum


def _forged(stream: bytes, payload: bytes) -> bytes:
    """A stream with another payload, in its frame."""
    return write_frame(stream[:2], stream[2], payload)


def _stream(codec_id: str, data: bytes) -> None:
    samples = _samples(codec_id)
    spec, stream = samples[data[0] % len(samples) if data else 0]
    _require_tile(_codec(codec_id).decode([_forged(stream, data[1:])], spec), spec)


def _side(codec_id: str, data: bytes) -> None:
    spec, side, stream = _shared(codec_id)
    _require_tile(_codec(codec_id).decode([stream], spec, _forged(side, data)), spec)


def _numbered(payloads: Sequence[bytes]) -> list[bytes]:
    return [bytes([number]) + payload for number, payload in enumerate(payloads)]


def _streams_of(codec_id: str) -> Callable[[], Sequence[bytes]]:
    return lambda: _numbered([stream[_FRAME:] for _, stream in _samples(codec_id)])


def _sides_of(codec_id: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [_shared(codec_id)[1][_FRAME:]]


@cache
def _residuals(residual_id: str) -> list[tuple[TileSpec, np.ndarray, bytes]]:
    """Kind, base and stream of some residuals, exact and near-lossless."""
    coder = registry.load_residual(residual_id)
    found = []
    for kind, max_error in (("rgb", 0), ("16-bit gray", 0), ("gray", 3)):
        spec = spec_of(kind)
        base = tiles_of(spec, "gradient")[0] // 2
        tile = base + tiles_of(spec, "noise")[0] // 16
        found.append((spec, base, coder.encode(tile, base, spec, max_error)))
    return found


def _residual_seeds(residual_id: str) -> Sequence[bytes]:
    return _numbered([stream[_FRAME:] for _, _, stream in _residuals(residual_id)])


def _residual(residual_id: str, data: bytes) -> None:
    found = _residuals(residual_id)
    spec, base, stream = found[data[0] % len(found) if data else 0]
    coder = registry.load_residual(residual_id)
    _require_tile(coder.decode(_forged(stream, data[1:]), base, spec), spec)


def _load(description: bytes, weights: bytes) -> None:
    """Load a model with the hash forged, and decode a stream that it may not have written."""
    try:
        facts = json.loads(description)
        tensors = safetensors.numpy.load(weights)
        parts = (facts[key] for key in ("codec_id", "config", "training", "licence"))
        facts["sha256"] = Model(*parts, tensors).name
        description = json.dumps(facts).encode()
    except Exception:  # noqa: BLE001 - whatever it is, loading is to say it
        pass
    model = Model.from_bytes(description, weights)
    codec = registry.load_codec(model.codec_id, model)
    spec = next(spec for spec in map(spec_of, _KINDS) if codec.supports(spec))
    stream = _samples(model.codec_id)[0][1]
    _require_tile(codec.decode([stream], spec), spec)


def _files(number: int) -> tuple[bytes, bytes]:
    folder = _SLIM[number % len(_SLIM)]
    return (folder / "model.json").read_bytes(), (folder / "weights.safetensors").read_bytes()


def _description(data: bytes) -> None:
    _load(data[1:], _files(data[0] if data else 0)[1])


def _weights(data: bytes) -> None:
    _load(_files(data[0] if data else 0)[0], data[1:])


def _parsers() -> dict[str, Parser]:
    found = {}
    for codec_id, target in registry.CODECS.items():
        # The tests load every network besides; `lossless` mixes the predictions of three dozen models for each bit.
        runs, tests = (200_000, 20) if ".learned." in target else (1_000_000, 100)
        runs, tests = (50_000, 10) if codec_id == "lossless" else (runs, tests)
        found[f"stream-{codec_id}"] = Parser(
            partial(_stream, codec_id), (StreamError,), _streams_of(codec_id), runs, tests
        )
    for codec_id in ("predictive-mlp", "predictive-mlp-range", "cnn-ae-ft"):
        found[f"side-{codec_id}"] = Parser(partial(_side, codec_id), (StreamError,), _sides_of(codec_id), 50_000, 20)
    for residual_id in registry.RESIDUALS:
        seeds = partial(_residual_seeds, residual_id)
        found[f"residual-{residual_id}"] = Parser(partial(_residual, residual_id), (StreamError,), seeds, 100_000, 60)
    return found


_OF_MODELS = (ModelError, UnknownCodecError, StreamError)
PARSERS = {
    **_parsers(),
    "model-description": Parser(
        _description, _OF_MODELS, lambda: _numbered([_files(number)[0] for number in range(len(_SLIM))]), 50_000, 40
    ),
    "model-weights": Parser(
        _weights, _OF_MODELS, lambda: _numbered([_files(number)[1] for number in range(len(_SLIM))]), 50_000, 40
    ),
}
