"""Names of codecs, models and plug-ins, and what they load."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from tilepress.codecs import registry
from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.classical.raw import Raw
from tilepress.codecs.errors import CodecError, ModelError, UnknownCodecError
from tilepress.codecs.model import Model
from tilepress.codecs.registry import CodecChoice, codec_class, load_codec, load_residual, resolve


class Third(Raw):
    """A codec of another package."""

    codec_id = "third"


class Lying(Raw):
    """A codec that claims an id of ours."""

    codec_id = "jpegxl"


def install(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    """Pretend that installed packages offer codecs, id -> "module:Class"."""
    points = [EntryPoint(name, target, registry.ENTRY_POINTS) for name, target in targets.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.ENTRY_POINTS else [])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module name under which this file's classes can be imported."""
    monkeypatch.setitem(sys.modules, "third_party_codecs", sys.modules[__name__])
    return "third_party_codecs"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of shipped models: block-dnn-8 and block-dnn-16, and files that are no models."""
    for name in ("block-dnn-8", "block-dnn-16"):
        Model("block-dnn", {"of": name}, {}, "CC0-1.0", {"w": np.zeros(3, np.int8)}).save(tmp_path / name)
    (tmp_path / "README.md").write_text("models")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(registry, "SHIPPED", tmp_path)
    return tmp_path


def test_every_id_of_ours_names_a_class_with_that_id() -> None:
    for codec_id in registry.CODECS:
        assert codec_class(codec_id).codec_id == codec_id
    for residual_id in registry.RESIDUALS:
        assert load_residual(residual_id).residual_id == residual_id


def test_every_shipped_model_can_be_loaded_by_its_name() -> None:
    for name, folder in registry.shipped_models().items():
        choice = resolve(name)
        assert choice.model_folder == folder
        assert load_codec(choice.codec_id, choice.model_folder).codec_id == choice.codec_id


def test_a_codec_name_resolves_to_itself() -> None:
    assert resolve("jpegxl") == CodecChoice("jpegxl", None)
    assert isinstance(load_codec("jpegxl"), JpegXl)


def test_a_model_name_resolves_to_its_family_and_folder(models: Path) -> None:
    assert list(registry.shipped_models()) == ["block-dnn-16", "block-dnn-8"]
    assert resolve("block-dnn-8") == CodecChoice("block-dnn", models / "block-dnn-8")


def test_a_family_name_resolves_to_its_default_model(models: Path) -> None:
    assert resolve("block-dnn") == CodecChoice("block-dnn", models / "block-dnn-16")


def test_a_family_without_its_default_model_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "SHIPPED", tmp_path / "nothing")
    assert registry.shipped_models() == {}
    with pytest.raises(UnknownCodecError, match="no default model"):
        resolve("block-dnn")


def test_a_folder_resolves_by_what_its_description_says(models: Path) -> None:
    folder = models / "block-dnn-8"
    assert resolve(str(folder)) == CodecChoice("block-dnn", folder)


def test_a_url_is_left_to_whoever_can_fetch_it() -> None:
    assert resolve("s3://bucket/model") == CodecChoice("", "s3://bucket/model")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"codec_id": 5}', '{"codec_id": "nothing"}', "[" * 9999])
def test_a_folder_that_is_no_model_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises((ModelError, UnknownCodecError), match="model"):
        resolve(str(tmp_path))


def test_unknown_names_are_answered_with_the_nearest_and_with_all(models: Path) -> None:
    with pytest.raises(UnknownCodecError, match=r"Did you mean jpegxl.*There are: raw.*block-dnn-16"):
        resolve("jpeg-xl")
    with pytest.raises(UnknownCodecError, match=r"Did you mean block-dnn-16"):
        resolve("block-dnn-61")
    with pytest.raises(UnknownCodecError, match="There are: raw"):
        codec_class("qqq")
    with pytest.raises(UnknownCodecError, match="lossless-1"):
        load_residual("adaptive")


def test_models_are_demanded_and_refused_as_the_codec_says(models: Path) -> None:
    with pytest.raises(ModelError, match="needs a model"):
        load_codec("block-dnn")
    with pytest.raises(ModelError, match="takes no model"):
        load_codec("jpegxl", models / "block-dnn-16")
    description = json.loads((models / "block-dnn-16/model.json").read_text())
    foreign = Model("other", description["config"], {}, "CC0-1.0", {"w": np.zeros(3, np.int8)})
    with pytest.raises(ModelError, match="codec other"):
        load_codec("block-dnn", foreign)


def test_other_packages_can_add_codecs(monkeypatch: pytest.MonkeyPatch, here: str) -> None:
    install(monkeypatch, third=f"{here}:Third")
    assert codec_class("third") is Third
    assert resolve("third") == CodecChoice("third")
    assert registry.codec_ids()[-1] == "third"


def test_other_packages_cannot_replace_a_codec_of_ours(monkeypatch: pytest.MonkeyPatch, here: str) -> None:
    install(monkeypatch, jpegxl=f"{here}:Lying")
    assert codec_class("jpegxl") is JpegXl
    assert registry.codec_ids().count("jpegxl") == 1


def test_a_broken_plug_in_is_reported_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, here: str) -> None:
    install(monkeypatch, broken="no_such_module:X", lying=f"{here}:Lying", function=f"{here}:install")
    assert set(registry.codec_ids()) > {"broken", "lying", "function"}
    assert load_codec("raw").codec_id == "raw"
    with pytest.raises(CodecError, match=r"broken.*cannot be imported"):
        codec_class("broken")
    for name in ("lying", "function"):
        with pytest.raises(CodecError, match="is not a Codec class"):
            codec_class(name)


def test_listing_codecs_and_using_jpeg_xl_loads_neither_torch_nor_ray() -> None:
    program = """
import sys, numpy as np
from tilepress.codecs import registry
from tilepress.codecs.codec import TileSpec
registry.codec_ids(), registry.shipped_models(), registry.resolve("jpegxl")
spec, tile = TileSpec(8, 8, 1, "uint8", 8, "gray"), np.zeros((1, 8, 8, 1), np.uint8)
codec = registry.load_codec("jpegxl")
assert (codec.decode(codec.encode(tile, spec), spec) == tile).all()
print(sorted({"torch", "ray", "numba"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
