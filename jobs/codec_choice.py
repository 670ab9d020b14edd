"""From what a person typed after --codec to a codec whose model lies in the archive, or a clear refusal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilepress.codecs.codec import RANGES, Codec
from tilepress.codecs.errors import CodecError, ModelError
from tilepress.codecs.model import Model
from tilepress.codecs.registry import (
    QUICK,
    RESIDUAL_NAMES,
    CodecChoice,
    codec_class,
    is_yardstick,
    load_codec,
    load_residual,
    needed_packages,
    resolve,
    yardstick_class,
)
from tilepress.pipeline.archive.fidelity import FIDELITIES
from tilepress.pipeline.archive.models import MODEL_FILES
from tilepress.pipeline.coding import look
from tilepress.pipeline.coding.codec_pool import yardstick_reference
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import open_storage

AUTO = "auto"
AUTO_CODECS = ("jpegxl", look.QUICK, look.SPARSE)  # the first where no other makes a tile as small


@dataclass(frozen=True)
class ChosenCodec:
    """A codec's class, its model folder if it has one, and the reference that archives use."""

    codec: type[Codec]
    reference: str
    model_folder: Path | None

    def models(self, settings: EncodeSettings) -> list[Path]:
        """Return folders of all models that an archive of such settings cannot be read without."""
        folders = [self.model_folder]
        if not (self.codec.lossless or settings.lossy):
            folders.append(load_residual(settings.residual_id).model_folder)
        return [folder for folder in folders if folder is not None]

    def packages(self) -> dict[str, list[str]]:
        """Return what reading tiles of this codec takes besides tilepress: names of packages by codec id, or {}."""
        ids = [self.codec.codec_id]
        if self.codec.restores and self.model_folder is not None:
            ids.append(Model.load(self.model_folder).base().codec_id)
        needed = dict.fromkeys(package for codec_id in ids for package in needed_packages(codec_id))
        return {self.codec.codec_id: list(needed)} if needed else {}


@contextmanager
def chosen_codec(
    name: str, storage_options: Mapping[str, Any] | None = None, *, yardsticks: bool = False
) -> Iterator[ChosenCodec]:
    """The codec of a name, model or model folder's URL; UsageError if there is none.

    `yardsticks`: also those that only evaluations may use.
    """
    if is_yardstick(name):
        yield _yardstick(name, wanted=yardsticks)
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            choice = resolve(AUTO_CODECS[0] if name == AUTO else name, yardsticks=yardsticks)
            if isinstance(choice.model_folder, str):
                choice = resolve(str(_download(choice.model_folder, Path(scratch), storage_options)))
            yield _chosen(choice, name)
        except CodecError as exc:
            raise UsageError(str(exc)) from exc


def _yardstick(name: str, *, wanted: bool) -> ChosenCodec:
    if wanted:
        return ChosenCodec(yardstick_class(name), yardstick_reference(name), None)
    raise UsageError(
        f"codec {name} is there to compare with, in `tilepress evaluate`: its decoders do not return the same samples "
        "everywhere, and archives promise that. Choose jpegxl or lossless for exact pixels, cnn-ae with `fidelity` "
        "lossy for small approximate ones"
    )


def _chosen(choice: CodecChoice, name: str) -> ChosenCodec:
    """`name`: what was asked for, which messages name."""
    if choice.model_folder is None:
        return ChosenCodec(codec_class(choice.codec_id), choice.codec_id, None)
    folder = Path(choice.model_folder)
    try:
        model = Model.load(folder)
        load_codec(choice.codec_id, model)  # a model that no worker could use must not get into an archive
    except ModelError as exc:
        raise ModelError(f"{name}: {exc}") from exc
    reference = f"{choice.codec_id}@{model.name}"
    return ChosenCodec(codec_class(choice.codec_id), reference, folder)


def _download(url: str, folder: Path, storage_options: Mapping[str, Any] | None) -> Path:
    storage = open_storage(url, storage_options)
    for name in MODEL_FILES:
        (folder / name).write_bytes(storage.read(name))
    return folder


def encode_settings(
    choice: ChosenCodec,
    name: str,
    *,
    fidelity: str,
    quality: int | None,
    effort: int | None,
    max_error: int | None,
    residual: str = QUICK,
    tile: int,
) -> EncodeSettings:
    """Return how a codec that was asked for by `name` stores images; tiles are cut as it can code them.

    UsageError for settings that contradict the codec or would have no effect.
    """
    alignment = choice.codec.alignment
    looks = name == AUTO and not max_error and effort is None
    settings = EncodeSettings(
        codec=choice.reference,
        fidelity=fidelity,
        quality=quality,
        effort=effort,
        max_error=max_error or None,
        residual=None if residual == QUICK else residual,
        sparse=looks,
        quick=looks,
        tile=max(alignment, tile // alignment * alignment),
    )
    check_settings(name, choice.codec, settings)
    return settings


def check_settings(name: str, codec: type[Codec], settings: EncodeSettings) -> None:
    """Raise UsageError for settings that contradict the codec or would have no effect."""
    if settings.fidelity not in FIDELITIES:
        raise UsageError(f"`fidelity` {settings.fidelity!r} is not one of {', '.join(FIDELITIES)}")
    if settings.residual is not None and settings.residual not in RESIDUAL_NAMES:
        raise UsageError(f"`residual` {settings.residual!r} is not one of {', '.join(RESIDUAL_NAMES)}")
    for option in ("quality", "effort"):
        if getattr(settings, option) is not None and option not in codec.options:
            raise UsageError(f"`{option}` has no effect on {name}: leave it out or choose another codec")
    if settings.residual is not None and (codec.lossless or settings.lossy):
        raise UsageError(f"`residual` has no effect on {name} with fidelity {settings.fidelity}: leave it out")
    if settings.max_error is not None:
        _check_max_error(name, codec, settings)
    if settings.fidelity == "lossy" and codec.lossless:
        raise UsageError(
            f"`codec` {name} is lossless: for `fidelity` lossy choose a lossy codec, such as jpeg or block-dnn-16"
        )
    if settings.fidelity != "lossy" and not (codec.lossless or codec.exact):
        raise UsageError(
            f"`codec` {name} does not decode the same on every machine, so nothing exact can be built on it: "
            "add `fidelity` lossy or choose another codec"
        )
    for option, (low, high) in RANGES.items():
        value = getattr(settings, option)
        if value is not None and not low <= value <= high:
            raise UsageError(f"`{option}` {value} is not within {low} to {high}")


def _check_max_error(name: str, codec: type[Codec], settings: EncodeSettings) -> None:
    if settings.fidelity == "lossy":
        raise UsageError("`fidelity` lossy keeps no bound, `max_error` does: leave one of them out")
    if settings.fidelity == "file":
        raise UsageError("`fidelity` file keeps every byte, so `max_error` would have no effect: leave one of them out")
    if "max_error" in codec.options or (not codec.lossless and load_residual(settings.residual_id).near_lossless):
        return
    raise UsageError(
        f"`max_error` has no effect on {name}: leave it out, or choose a codec that has this option "
        "(`tilepress codecs`), such as lossless or jpegls"
    )
