"""The codecs, residual coders and shipped models by name; none is imported before it is asked for."""

from __future__ import annotations

import difflib
import importlib
import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from tilepress.codecs.codec import Codec, ResidualCoder
from tilepress.codecs.errors import CodecError, ModelError, UnknownCodecError
from tilepress.codecs.extras import require_extra
from tilepress.codecs.model import JSON_NAME, MAX_JSON_BYTES, SHIPPED, Model

# Permanent: archives refer to these ids.
CODECS: dict[str, str] = {
    "raw": "tilepress.codecs.classical.raw:Raw",
    "jpegxl": "tilepress.codecs.classical.jpegxl:JpegXl",
    "png": "tilepress.codecs.classical.png:Png",
    "bzip2": "tilepress.codecs.classical.bzip2:Bzip2",
    "jpeg": "tilepress.codecs.classical.jpeg:Jpeg",
    "jpegls": "tilepress.codecs.classical.jpegls:JpegLs",
    "lossless": "tilepress.codecs.lossless.codec:Lossless",
    "lossless-quick": "tilepress.codecs.lossless.quick.codec:LosslessQuick",
    "huffman": "tilepress.codecs.classical.huffman:Huffman",
    "predictive-mlp": "tilepress.codecs.predictive_mlp.codec:PredictiveMlp",
    "predictive-mlp-range": "tilepress.codecs.predictive_mlp.codec:PredictiveMlpRange",
    "block-dnn": "tilepress.codecs.learned.block.dnn:BlockDnn",
    "pca": "tilepress.codecs.learned.block.pca:Pca",
    "cnn-ae": "tilepress.codecs.learned.cnn_ae.codec:CnnAe",
    "cnn-ae-ft": "tilepress.codecs.learned.cnn_ae_ft.codec:CnnAeFt",
    "gdn-factorized": "tilepress.codecs.learned.gdn.codec:GdnFactorized",
    "cnn-rnn-ae": "tilepress.codecs.learned.cnn_rnn_ae.codec:CnnRnnAe",
    "cae": "tilepress.codecs.learned.cae.codec:Cae",
    "gan": "tilepress.codecs.learned.adversarial.codec:Gan",
    "gan-ae": "tilepress.codecs.learned.adversarial.codec:GanAe",
    "rbm-autoencoder": "tilepress.codecs.learned.rbm.codec:RbmAutoencoder",
    "jpeg-dncnn": "tilepress.codecs.learned.dncnn.codec:JpegDncnn",
}
YARDSTICKS: dict[str, str] = {  # names to compare with; no archive refers to one
    "jpeg2000": "tilepress.codecs.yardsticks.jpeg2000:Jpeg2000",
    "webp": "tilepress.codecs.yardsticks.webp:WebP",
    "avif": "tilepress.codecs.yardsticks.avif:Avif",
    "jpegxl-lossy": "tilepress.codecs.yardsticks.jpegxl:JpegXlLossy",
}
RESIDUALS: dict[str, str] = {
    "lossless-1": "tilepress.codecs.lossless.residual:LosslessResidual",
    "lossless-quick-1": "tilepress.codecs.lossless.quick.residual:QuickResidual",
}
QUICK = "quick"
RESIDUAL_NAMES = {QUICK: "lossless-quick-1", "lossless": "lossless-1"}  # as people name those that new tiles may get
DEFAULT_RESIDUAL = RESIDUAL_NAMES[QUICK]  # what new tiles with a lossy base get; those in archives say which they have
DEFAULT_MODELS: dict[str, str] = {  # codec id -> the model its bare name stands for
    "lossless": "lossless",
    "block-dnn": "block-dnn-16",
    "pca": "pca-16",
    "cnn-ae": "cnn-ae",
    "cnn-ae-ft": "cnn-ae-ft",
    "gdn-factorized": "gdn-factorized",
    "cnn-rnn-ae": "cnn-rnn-ae",
    "cae": "cae",
    "rbm-autoencoder": "rbm-autoencoder",
    "gan": "gan",
    "gan-ae": "gan-ae",
    "jpeg-dncnn": "jpeg-dncnn",
}
ENTRY_POINTS = "tilepress.codecs"  # group in which other packages name their codecs


@dataclass(frozen=True)
class CodecChoice:
    """What a name stands for.

    `model_folder` is None for a codec without a model, a local folder, or the URL of one as a string. With a
    URL `codec_id` is "": this layer knows no storage, so fetch the folder and resolve its local path in turn.
    """

    codec_id: str
    model_folder: Path | str | None = None


def codec_ids() -> list[str]:
    """Return every codec id: the built-in ones first, then those of other packages. Imports no codec."""
    return [*CODECS, *sorted(_plugins())]


def shipped_models() -> dict[str, Path]:
    """Return folders of the models that come with tilepress, by name, in the order of their names."""
    if not SHIPPED.is_dir():
        return {}
    return {path.name: path for path in sorted(SHIPPED.iterdir()) if (path / JSON_NAME).is_file()}


def codec_class(codec_id: str) -> type[Codec]:
    """Return the class of a codec. UnknownCodecError if there is none; CodecError if a plug-in is broken."""
    if codec_id in CODECS:
        return cast(type[Codec], _load(CODECS[codec_id]))
    plugin = _plugins().get(codec_id)
    if plugin is None:
        raise _unknown("codec", codec_id, codec_ids())
    return _load_plugin(plugin)


def needed_packages(codec_id: str) -> list[str]:
    """Return the packages besides tilepress that a codec needs: "NAME VERSION" of a plug-in's, "tilepress[EXTRA]".

    Empty for most. UnknownCodecError and CodecError as `codec_class`.
    """
    cls, plugin = codec_class(codec_id), None if codec_id in CODECS else _plugins()[codec_id]
    packages = [_package(plugin)] if plugin else []
    return [*packages, "tilepress[learned]"] if cls.networks else packages


def needs_model(codec_id: str) -> bool:
    """Tell whether the codec is a family whose members differ by their model."""
    cls = codec_class(codec_id)
    return bool(getattr(cls, "needs_model", cls.networks))


def load_codec(codec_id: str, model: Model | str | Path | None = None, device: str = "cpu") -> Codec:
    """Return an instance. `model`, loaded or as its local folder, is required if `needs_model(codec_id)`.

    Raises UnknownCodecError, ModelError (no model, a superfluous, damaged or foreign one), CodecError, and MissingExtra
    if the codec has networks and there is no torch.
    """
    cls = codec_class(codec_id)
    if cls.networks:
        require_extra("learned", f"codec {codec_id}")
    if not needs_model(codec_id):
        if model is not None:
            raise ModelError(f"codec {codec_id} takes no model")
        return cls()
    if model is None:
        raise ModelError(f"codec {codec_id} needs a model: name a shipped one or give the path of a model folder")
    model = model if isinstance(model, Model) else Model.load(model)
    if model.codec_id != codec_id:
        raise ModelError(f"the model is one of codec {model.codec_id}, not of {codec_id}")
    if cls.restores:
        return cls(model, device, _base_of(model, device))  # type: ignore[call-arg]
    return cls(model, device)  # type: ignore[call-arg]


def _base_of(model: Model, device: str) -> Codec:
    """The codec that a model is built on; ModelError if that is built on another one in turn."""
    base = model.base()
    if codec_class(base.codec_id).restores:
        raise ModelError(f"the model is built on {base.codec_id}, which is built on another codec itself")
    return load_codec(base.codec_id, base if needs_model(base.codec_id) else None, device)


def load_residual(residual_id: str) -> ResidualCoder:
    """Return an instance of a residual coder. UnknownCodecError if there is none."""
    if residual_id not in RESIDUALS:
        raise _unknown("residual coder", residual_id, list(RESIDUALS))
    return cast(type[ResidualCoder], _load(RESIDUALS[residual_id]))()


def is_yardstick(name: str) -> bool:
    """Tell whether a name is a yardstick's, and no codec's of another package."""
    return name in YARDSTICKS and name not in _plugins()


def yardstick_class(name: str) -> type[Codec]:
    """Return the class of a yardstick. UnknownCodecError if there is none."""
    if name not in YARDSTICKS:
        raise _unknown("yardstick", name, list(YARDSTICKS))
    return cast(type[Codec], _load(YARDSTICKS[name]))


def resolve(name: str, *, yardsticks: bool = False) -> CodecChoice:
    """Return the codec and model that a name typed by a person means.

    `name` is a codec's ("jpegxl"; "block-dnn" stands for its default model), a shipped model's
    ("block-dnn-16"), or the path or URL of a model folder. UnknownCodecError, with the nearest names, if it
    is none of them; ModelError if it is a folder without a readable model.json. `yardsticks`: that error names
    those, too, where they may be asked for.
    """
    models = shipped_models()
    if name in models:
        return CodecChoice(_family(models[name]), models[name])
    if name in CODECS or name in _plugins():
        return _resolve_codec(name, models)
    if "://" in name:
        return CodecChoice("", name)
    path = Path(name).expanduser()
    if path.is_dir():
        return CodecChoice(_family(path), path)
    raise _unknown(
        "codec, shipped model or model folder", name, [*codec_ids(), *(YARDSTICKS if yardsticks else ()), *models]
    )


def _resolve_codec(codec_id: str, models: dict[str, Path]) -> CodecChoice:
    if not needs_model(codec_id):
        return CodecChoice(codec_id)
    default = DEFAULT_MODELS.get(codec_id)
    if default in models:
        return CodecChoice(codec_id, models[default])
    raise UnknownCodecError(f"codec {codec_id} has no default model here: give the path or URL of a model folder")


def _family(folder: Path) -> str:
    """The codec id in a model folder's description; the model itself is verified when it is loaded."""
    try:
        with (folder / JSON_NAME).open("rb") as file:
            codec_id = json.loads(file.read(MAX_JSON_BYTES))["codec_id"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as exc:
        raise ModelError(f"{folder} is not a model folder: {JSON_NAME} is missing or damaged") from exc
    if codec_id not in codec_ids():
        raise _unknown(f"codec (which the model in {folder} is for)", str(codec_id), codec_ids())
    return cast(str, codec_id)


def _plugins() -> dict[str, EntryPoint]:
    """Codecs of other packages by id; a built-in id stays what it is, whatever is installed."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in CODECS}


def _load(target: str) -> object:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _package(point: EntryPoint) -> str:
    """Name and version of the package that declares an entry point; its module's name where nobody knows them."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.module.partition(".")[0]


def _load_plugin(point: EntryPoint) -> type[Codec]:
    source = point.dist.name if point.dist else point.value
    try:
        cls = point.load()
    except Exception as exc:
        raise CodecError(f"codec {point.name} of package {source} cannot be imported: {exc}") from exc
    if not (isinstance(cls, type) and issubclass(cls, Codec)) or cls.codec_id != point.name:
        raise CodecError(f"codec {point.name} of package {source} is not a Codec class with that codec_id")
    return cls


def _unknown(kind: str, name: str, known: list[str]) -> UnknownCodecError:
    known = list(dict.fromkeys(known))  # some models have the name of their codec
    near = difflib.get_close_matches(name.lower(), known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UnknownCodecError(f"There is no {kind} named {name!r}.{hint} There are: {', '.join(known)}.")
