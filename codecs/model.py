"""Model folders: `model.json` and `weights.safetensors`, immutable, named by the SHA-256 of their content.

The hash covers the canonical content (sorted JSON without the hash itself, then every tensor by name with dtype,
shape and little-endian bytes), so that it does not depend on how the two files were laid out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from tilepress.codecs.errors import ModelError

JSON_NAME = "model.json"
WEIGHTS_NAME = "weights.safetensors"
FORMAT = 1
MAX_JSON_BYTES = 1 << 20
MAX_WEIGHTS_BYTES = 1 << 30
DTYPES = frozenset({"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float16", "float32", "float64"})
INTEGERS = ("int8", "int16", "int32")  # dtypes of what decoding may use
SHIPPED = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Model:
    """Everything a learned codec needs. `config`, `training`: JSON objects; `tensors`: arrays of DTYPES by name.

    `codec_id` names the family that understands it; `licence` says under which terms the weights may be used.
    """

    codec_id: str
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    licence: str
    tensors: Mapping[str, np.ndarray]

    @cached_property
    def name(self) -> str:
        """Return SHA-256 of the canonical content, 64 hexadecimal digits."""
        digest = hashlib.sha256(_canonical(self._facts()))
        for key, array in sorted(self.tensors.items()):
            digest.update(_canonical([key, str(array.dtype), list(array.shape)]))
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> tuple[bytes, bytes]:
        """Return contents of `model.json` and `weights.safetensors`."""
        text = json.dumps({**self._facts(), "sha256": self.name}, indent=1, sort_keys=True, allow_nan=False)
        tensors = {key: np.ascontiguousarray(array) for key, array in self.tensors.items()}
        return text.encode() + b"\n", safetensors.numpy.save(tensors)

    @classmethod
    def from_bytes(cls, description: bytes, weights: bytes, expected: str | None = None) -> Model:
        """Inverse of `to_bytes`. ModelError if anything is damaged, or the hash is not `expected` (if given)."""
        facts = _parse_json(description)
        model = cls(facts["codec_id"], facts["config"], facts["training"], facts["licence"], _parse(weights))
        if model.name != facts["sha256"] or model.name != (expected or model.name):
            wanted = expected or facts["sha256"]
            raise ModelError(f"model content hashes to {model.name[:16]}..., not {wanted[:16]}...: it is damaged")
        return model

    def base(self) -> Model:
        """Return the model of the codec that this one is built on: what `config.base` says, and tensors `base.NAME`.

        ModelError if it names none. Of a codec without a model it has no tensors.
        """
        facts = self.config.get("base")
        if not isinstance(facts, dict) or not isinstance(facts.get("codec_id"), str):
            raise ModelError("the model does not name the codec that it is built on (config.base.codec_id)")
        config = facts.get("config", {})
        if not isinstance(config, dict):
            raise ModelError("the model's config.base.config is not a JSON object")
        tensors = {name.removeprefix("base."): a for name, a in self.tensors.items() if name.startswith("base.")}
        return Model(facts["codec_id"], config, self.training, self.licence, tensors)

    def save(self, folder: str | Path) -> None:
        """Write the two files; a folder that already holds another model is refused with ModelError."""
        folder = Path(folder)
        if (folder / JSON_NAME).exists():
            if Model.load(folder).name != self.name:
                raise ModelError(f"{folder} holds another model; models are immutable, choose a new folder")
            return
        folder.mkdir(parents=True, exist_ok=True)
        description, weights = self.to_bytes()
        (folder / WEIGHTS_NAME).write_bytes(weights)
        (folder / JSON_NAME).write_bytes(description)

    @classmethod
    def load(cls, folder: str | Path, expected: str | None = None) -> Model:
        """Read and verify a local folder. ModelError if it is not a whole, undamaged model."""
        folder = Path(folder)
        description = _read(folder / JSON_NAME, MAX_JSON_BYTES)
        return cls.from_bytes(description, _read(folder / WEIGHTS_NAME, MAX_WEIGHTS_BYTES), expected)

    def _facts(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "codec_id": self.codec_id,
            "config": dict(self.config),
            "training": dict(self.training),
            "licence": self.licence,
        }


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as exc:
        raise ModelError(
            f"cannot read {path}: {exc.strerror}; a model is a folder of {JSON_NAME} and {WEIGHTS_NAME}"
        ) from exc
    if len(data) > limit:
        raise ModelError(f"{path} is larger than {limit} bytes: not a model of this tilepress")
    return data


def _no_constants(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _parse_json(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_JSON_BYTES:
        raise ModelError(f"{JSON_NAME} is larger than {MAX_JSON_BYTES} bytes")
    try:
        facts = json.loads(data.decode(), parse_constant=_no_constants)
        _canonical(facts)  # refuses what the hash could not cover: infinities, endless nesting
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{JSON_NAME} is not valid JSON: {exc}") from exc
    kinds = {"codec_id": str, "config": dict, "training": dict, "licence": str, "sha256": str, "format": int}
    if not isinstance(facts, dict) or not all(isinstance(facts.get(k), kind) for k, kind in kinds.items()):
        raise ModelError(f"{JSON_NAME} lacks one of {', '.join(kinds)}, or has it of another type")
    if facts["format"] != FORMAT:
        raise ModelError(f"model format {facts['format']} is not known to this tilepress; use a newer one")
    return facts


def _parse(data: bytes) -> dict[str, np.ndarray]:
    if len(data) > MAX_WEIGHTS_BYTES:
        raise ModelError(f"{WEIGHTS_NAME} is larger than {MAX_WEIGHTS_BYTES} bytes")
    try:
        tensors: dict[str, np.ndarray] = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ModelError(f"{WEIGHTS_NAME} is damaged or no safetensors file: {exc}") from exc
    for key, array in tensors.items():
        if str(array.dtype) not in DTYPES:
            raise ModelError(f"{WEIGHTS_NAME}: tensor {key} has dtype {array.dtype}, which no codec uses")
        array.setflags(write=False)
    return tensors


def tensor(
    tensors: Mapping[str, np.ndarray], name: str, dtypes: Sequence[str], shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """Return a tensor by name; ModelError unless it has one of these dtypes, this shape, and finite values."""
    array = tensors.get(name)
    if array is None or str(array.dtype) not in dtypes or (shape is not None and array.shape != shape):
        raise ModelError(f"the model lacks tensor {name} of {'/'.join(dtypes)} {shape or ''}".rstrip())
    if not np.isfinite(array).all():
        raise ModelError(f"tensor {name} has values that are not finite: the training failed")
    return array
