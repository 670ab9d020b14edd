"""The codecs that an estimate compares, and how each would store the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tilepress.codecs.codec import Codec
from tilepress.codecs.model import Model
from tilepress.codecs.registry import QUICK
from tilepress.jobs.codec_choice import ChosenCodec, chosen_codec, encode_settings
from tilepress.jobs.estimation.measuring import CodecAsked
from tilepress.pipeline.archive.fidelity import LOSSY, PIXELS
from tilepress.pipeline.archive.models import model_files
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.options import StorageOptions

_OPTIONS = ("quality", "effort", "max_error", "residual")


class Encoding(Protocol):
    """How codecs were asked to store: see `tilepress.compress`."""

    @property
    def fidelity(self) -> str:
        """pixels, file or lossy."""

    @property
    def quality(self) -> int | None:
        """For codecs that have it."""

    @property
    def effort(self) -> int | None:
        """For codecs that have it."""

    @property
    def max_error(self) -> int | None:
        """For codecs that have it."""

    @property
    def residual(self) -> str:
        """For lossy codecs."""

    @property
    def tile(self) -> int:
        """Pixels."""


@dataclass(frozen=True)
class Chosen:
    """A codec with what is asked of it, and the models that it takes."""

    asked: CodecAsked
    choice: ChosenCodec
    name: str


@contextmanager
def chosen_codecs(names: Sequence[str], encoding: Encoding, options: StorageOptions) -> Iterator[list[Chosen]]:
    """The codecs of `names`, each asked for the options that it has; their models are there in this context.

    Of several codecs, one that lacks an option goes without, and a lossless one stays so. UsageError where an option
    has no effect on any, for other settings that contradict a codec, and for a name that is there twice.
    """
    if len(set(names)) < len(names):
        raise UsageError("a codec is there twice among `codecs`: name each once")
    with ExitStack() as stack:
        choices = [stack.enter_context(chosen_codec(name, options)) for name in names]
        if len(names) > 1:
            _require_effect(choices, encoding)
        yield [
            _asked(name, choice, encoding, alone=len(names) == 1) for name, choice in zip(names, choices, strict=True)
        ]


def _require_effect(choices: Sequence[ChosenCodec], encoding: Encoding) -> None:
    for option in _OPTIONS:
        if _asked_for(encoding, option) is not None and not any(_has(choice.codec, option) for choice in choices):
            raise UsageError(f"`{option}` has no effect on any of `codecs`: leave it out")
    if encoding.fidelity == LOSSY and all(choice.codec.lossless for choice in choices):
        raise UsageError("`fidelity` lossy takes a lossy codec, such as jpeg or block-dnn-16, among `codecs`")


def _asked(name: str, choice: ChosenCodec, encoding: Encoding, *, alone: bool) -> Chosen:
    said = {option: _asked_for(encoding, option) for option in _OPTIONS}
    said = {option: value if alone or _has(choice.codec, option) else None for option, value in said.items()}
    lossy = encoding.fidelity == LOSSY
    fidelity = PIXELS if lossy and choice.codec.lossless and not alone else encoding.fidelity
    settings = encode_settings(
        choice, name, fidelity=fidelity, tile=encoding.tile, **{**said, "residual": said["residual"] or QUICK}
    )
    words = [f"{option.replace('_', ' ')} {value}" for option, value in said.items() if value is not None]
    words = words if fidelity == PIXELS else [fidelity, *words]
    label = f"{name} ({', '.join(words)})" if words else name
    stored = (model_files(Model.load(Path(folder))) for folder in choice.models(settings))
    models = sum(len(content) for files in stored for content in files.values())
    return Chosen(CodecAsked(label, settings, models), choice, name)


def _has(codec: type[Codec], option: str) -> bool:
    return option in codec.options or (option in ("max_error", "residual") and not codec.lossless)


def _asked_for(encoding: Encoding, option: str) -> Any:
    """What was asked for; None for nothing but the default."""
    value = getattr(encoding, option)
    return None if option == "residual" and value == QUICK else value
