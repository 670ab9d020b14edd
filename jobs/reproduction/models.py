"""The models of a table: trained where they are missing, found again where they are there, and loaded as codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tilepress.codecs.codec import Codec
from tilepress.codecs.errors import CodecError
from tilepress.codecs.model import Model
from tilepress.codecs.registry import load_codec, resolve
from tilepress.jobs.data.import_arrays import ImportConfig, run_import
from tilepress.jobs.reproduction.coders import CODERS
from tilepress.jobs.reproduction.table import Row, Table, TrainedModel
from tilepress.jobs.training.train import TrainConfig, run_train
from tilepress.pipeline.archive.models import MODEL_FILES
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import IntegrityError, MissingError, UsageError
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import Storage

TRAINED = "trained:"


def train_missing(
    table: Table,
    sources: Mapping[str, Source],
    work: Storage,
    overrides: Sequence[str],
    storage_options: Mapping[str, Any],
    *,
    quiet: bool,
) -> list[str]:
    """Train the models that `work` does not hold yet; return their names.

    Args:
        table: Whose models.
        sources: Its data sets, by name.
        work: The folder of the table, which was claimed.
        overrides: "key=value" for each recipe, after the table's own.
        storage_options: Of all places, as fsspec takes them.
        quiet: Show no progress.
    """
    trained = []
    for model in table.models:
        if work.exists(f"{_folder(model.name)}/{MODEL_FILES[0]}"):
            continue
        data = _training_data(model, sources[model.data], work, storage_options, quiet=quiet)
        config = TrainConfig(
            model.recipe,
            data,
            f"{work.url}/{_folder(model.name)}",
            (*model.overrides, *overrides),
            quiet=quiet,
            storage_options=storage_options,
        )
        run_train(config)
        trained.append(model.name)
    return trained


def _folder(model: str) -> str:
    return f"models/{model}"


def log_name(model: str) -> str:
    """Return where in the folder of a table the log of a training is."""
    return f"{_folder(model)}.training/log.parquet"


def _training_data(
    model: TrainedModel, source: Source, work: Storage, storage_options: Mapping[str, Any], *, quiet: bool
) -> str:
    """The URL of what a model learns from: the data set, or a collection made of its arrays."""
    if model.arrays is None:
        return source.url
    name = f"sets/{model.data}-{model.arrays.count}"
    asked = ImportConfig(
        f"{source.url}/{model.arrays.file}",
        f"{work.url}/{name}",
        limit=model.arrays.count,
        quiet=quiet,
        storage_options=storage_options,
    )
    run_import(asked)
    return asked.destination


def load_row(row: Row, work: Storage) -> tuple[Codec, str]:
    """Return the codec of a row, and what tells it from any other: its name and its model's.

    UsageError if there is no such codec, or its model is not there.
    """
    try:
        codec, name = _load(row.codec, work)
        return (codec.view(row.view) if row.view else codec), name
    except CodecError as exc:
        raise UsageError(f"row {row.name}: {exc}") from exc


def _load(name: str, work: Storage) -> tuple[Codec, str]:
    if name in CODERS:
        return CODERS[name](), name
    if name.startswith(TRAINED):
        model = _trained_model(_folder(name.removeprefix(TRAINED)), work)
        return load_codec(model.codec_id, model), f"{model.codec_id}@{model.name}"
    choice = resolve(name)
    if choice.model_folder is None:
        return load_codec(choice.codec_id), name
    model = Model.load(Path(choice.model_folder))
    return load_codec(choice.codec_id, model), f"{choice.codec_id}@{model.name}"


def _trained_model(folder: str, work: Storage) -> Model:
    """The model in a folder of `work`. IntegrityError if it is damaged, or not there."""
    try:
        description, weights = (work.read(f"{folder}/{file}") for file in MODEL_FILES)
        return Model.from_bytes(description, weights)
    except (CodecError, MissingError) as exc:
        raise IntegrityError(f"{work.url}/{folder}: {exc}; remove {work.url}/{folder} to train it again") from exc


class RowPool(CodecPool):
    """A pool of the codec of one row, under any reference."""

    def __init__(self, work: Storage, codec: Codec) -> None:
        super().__init__(work)
        self._codec = codec

    def codec(self, reference: str) -> Codec:
        """Return the codec of the row."""
        return self._codec
