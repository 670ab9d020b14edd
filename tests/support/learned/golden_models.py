"""The slim models of golden streams, as they are and changed, as a hostile maker of models would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tilepress.codecs.codec import Codec
from tilepress.codecs.model import Model
from tilepress.codecs.registry import load_codec

_GOLDEN = Path(__file__).parents[2] / "golden"


def changed(folder: str, name: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, configured otherwise, some tensors changed by functions of them; its hash is right."""
    model = Model.load(_GOLDEN / folder / "models" / name)
    unknown = set(tensors) - set(model.tensors)
    assert not unknown
    new = {k: tensors.get(k, lambda a: a)(a) for k, a in model.tensors.items()}
    return replace(model, config={**model.config, **(config or {})}, tensors=new)


def loaded(model: Model) -> Codec:
    """The codec of a model."""
    return load_codec(model.codec_id, model)
