"""The models of an archive: copies of the model folders that its images need, each file compressed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import zstandard

from tilepress.codecs.errors import ModelError
from tilepress.codecs.model import JSON_NAME, MAX_JSON_BYTES, MAX_WEIGHTS_BYTES, WEIGHTS_NAME, Model
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError
from tilepress.pipeline.storage.base import Storage

MODEL_FILES = (JSON_NAME, WEIGHTS_NAME)  # of a model folder
_COMPRESSED = ".zst"
_LEVEL = 19  # models are written once, and read by every worker


def store_model(storage: Storage, folder: Path | str) -> str:
    """Copy a model folder into the archive; return its hash."""
    model = Model.load(Path(folder))
    for name, content in model_files(model).items():
        with suppress(AlreadyExists):
            storage.create(name, content)
    load_model(storage, model.name)  # what is stored is what was meant, whoever wrote it
    return model.name


def model_files(model: Model) -> dict[str, bytes]:
    """Return the files of a model as an archive holds them, by name."""
    squeezer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    return {
        name: squeezer.compress(content)
        for name, content in zip(model_objects(model.name), model.to_bytes(), strict=True)
    }


def model_objects(sha256: str) -> tuple[str, ...]:
    """Return the names of a model's objects in an archive, in the order of MODEL_FILES."""
    return tuple(f"models/{sha256}/{name}{_COMPRESSED}" for name in MODEL_FILES)


def load_model(storage: Storage, sha256: str) -> Model:
    """Return a model of the archive; IntegrityError unless its content has the hash it is named by."""
    folder = f"models/{sha256}"
    try:
        description, weights = (
            _inflated(storage.read(name), limit)
            for name, limit in zip(model_objects(sha256), (MAX_JSON_BYTES, MAX_WEIGHTS_BYTES), strict=True)
        )
        model = Model.from_bytes(description, weights)
    except MissingError as exc:
        raise IntegrityError(f"{storage.url}/{folder}: the archive lacks a model that it uses") from exc
    except (ModelError, zstandard.ZstdError) as exc:
        raise IntegrityError(f"{storage.url}/{folder}: {exc}") from exc
    if model.to_bytes()[0] != description:  # the hash does not cover how it is spelt
        raise IntegrityError(f"{storage.url}/{folder}/{JSON_NAME}: its bytes are not what was written")
    if model.name != sha256:
        raise IntegrityError(f"{storage.url}/{folder}: the model's content is not that of its name")
    return model


def _inflated(data: bytes, limit: int) -> bytes:
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= limit:
        raise ModelError(f"a file of it claims {size} bytes, which is not within {limit}")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
