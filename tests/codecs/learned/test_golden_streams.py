"""Streams of learned codecs that were once written are read for ever: the golden streams, and those of shipped models.

If a test here fails, archives out there can no longer be read. tests/golden/make_golden_streams.py is not the remedy
(but where a shipped model was replaced on purpose, its pinned stream is written anew, as that file says).
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilepress.codecs.codec import Codec, TileSpec
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import load_codec

FOLDER = Path(__file__).parent.parent.parent / "golden"
SHA256 = {  # of the folders, as make_golden_streams.py gave it, once
    "learned-1": "6444c936f3a713b3e92141536a8d5fff91fc27a71f741aa5cc7726e7aa8b61b3",
    "learned-2": "90e613704bc844192a8cb6f2fe0313c981c8fc062c92490bdf2311ff0d82302e",
    "learned-3": "8269e180e41a379273573503d0bb3c3c747cb1c4957cf3c038b42a86359a8f42",
    "learned-4": "3de15d97502a5a9111609a649ce61cc1fd0ab3f133a319a1f30705cce40198a4",
    "learned-5": "ec4fd2d7e8da37ffe0d14502f8d87fd14eabc8151ce61f4adcfebe4a97b3d968",
    "learned-6": "50fde817bfb9c1d7a769e935e7612afb6ec63721aa7674b87e1f6390db9a92d8",
}
FAMILIES = {
    "learned-1": {"block-dnn", "pca", "cnn-ae", "gdn-factorized"},
    "learned-2": {"cnn-rnn-ae"},
    "learned-3": {"rbm-autoencoder"},
    "learned-4": {"cae"},
    "learned-5": {"gan", "gan-ae"},
    "learned-6": {"jpeg-dncnn"},
}
COLOURS = {"learned-6": {"rgb", "gray"}}  # where they are not those of all others, and of all depths
EXPECTED: list[dict[str, Any]] = [
    entry | {"folder": name} for name in SHA256 for entry in json.loads((FOLDER / name / "expected.json").read_text())
]
every_folder = pytest.mark.parametrize("folder", SHA256)
PINNED: list[dict[str, Any]] = json.loads((FOLDER / "shipped.json").read_text())


def label(entry: dict[str, Any]) -> str:
    tile = entry["tile"]
    return f"{entry['name']}-{tile['colour']}-{tile['channels']}x{tile['bit_depth']}"


@cache
def golden_codec(folder: str, name: str, digest: str) -> Codec:
    model = Model.load(FOLDER / folder / "models" / name, digest)
    return load_codec(model.codec_id, model)


def decoded(codec: Codec, entry: dict[str, Any]) -> np.ndarray:
    spec = TileSpec(**entry["tile"])
    (tile,) = codec.decode([base64.b64decode(entry["stream"])], spec)
    assert tile.shape == spec.shape and tile.dtype == spec.dtype
    return tile


def sha256(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()


@every_folder
def test_the_golden_streams_are_those_that_were_written(folder: str) -> None:
    out = hashlib.sha256()
    for path in sorted(path for path in (FOLDER / folder).rglob("*") if path.is_file()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        out.update(f"{path.relative_to(FOLDER / folder).as_posix()}\n{digest}\n".encode())
    assert out.hexdigest() == SHA256[folder]


@every_folder
def test_the_golden_streams_are_small(folder: str) -> None:
    assert sum(path.stat().st_size for path in (FOLDER / folder).rglob("*") if path.is_file()) < 125_000


@every_folder
def test_the_golden_streams_cover_every_learned_family(folder: str) -> None:
    entries = [entry for entry in EXPECTED if entry["folder"] == folder]
    place = FOLDER / folder / "models"
    models = {entry["name"]: Model.load(place / entry["name"], entry["model"]) for entry in entries}
    assert {model.codec_id for model in models.values()} == FAMILIES[folder]
    for name in models:
        streams = [entry for entry in entries if entry["name"] == name]
        assert {entry["tile"]["colour"] for entry in streams} == COLOURS.get(folder, {"rgb", "gray", "cmyk"})
        if folder not in COLOURS:
            assert {base64.b64decode(entry["stream"])[7] for entry in streams} == {0, 1}  # levels
            assert {entry["tile"]["bit_depth"] for entry in streams} == {3, 8, 12, 16}


def test_the_golden_streams_cover_what_models_may_be() -> None:
    models = {(e["folder"], e["name"]): FOLDER / e["folder"] / "models" / e["name"] for e in EXPECTED}
    configs = [Model.load(path).config for path in models.values()]
    assert {config["quantiser"] for config in configs if "quantiser" in config} == {"uniform", "kmeans"}
    cuts = {(bool(config["block"]), bool(config["overlap"])) for config in configs if "overlap" in config}
    assert cuts == {(False, False), (True, False), (True, True)}
    assert {config["shared"] for config in configs if "shared" in config} == {False, True}
    assert {config["coder"] for config in configs if "coder" in config} == {"fixed", "entropy"}


@pytest.mark.parametrize("entry", EXPECTED, ids=label)
def test_a_golden_stream_decodes_to_the_samples_that_it_did(entry: dict[str, Any]) -> None:
    assert sha256(decoded(golden_codec(entry["folder"], entry["name"], entry["model"]), entry)) == entry["samples"]


@pytest.mark.parametrize("entry", PINNED, ids=label)
def test_a_shipped_model_decodes_its_pinned_stream_to_the_samples_that_it_did(entry: dict[str, Any]) -> None:
    model = Model.load(SHIPPED / entry["name"])
    assert model.name == entry["model"], "the model was replaced: pin it with make_golden_streams.py --shipped"
    assert sha256(decoded(load_codec(model.codec_id, model), entry)) == entry["samples"]
