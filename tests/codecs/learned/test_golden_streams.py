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
GOLDEN = FOLDER / "learned-1"
SHA256 = "6444c936f3a713b3e92141536a8d5fff91fc27a71f741aa5cc7726e7aa8b61b3"  # as make_golden_streams.py gave it, once
EXPECTED: list[dict[str, Any]] = json.loads((GOLDEN / "expected.json").read_text())
PINNED: list[dict[str, Any]] = json.loads((FOLDER / "shipped.json").read_text())


def label(entry: dict[str, Any]) -> str:
    tile = entry["tile"]
    return f"{entry['name']}-{tile['colour']}-{tile['channels']}x{tile['bit_depth']}"


@cache
def golden_codec(name: str, digest: str) -> Codec:
    model = Model.load(GOLDEN / "models" / name, digest)
    return load_codec(model.codec_id, model)


def decoded(codec: Codec, entry: dict[str, Any]) -> np.ndarray:
    spec = TileSpec(**entry["tile"])
    (tile,) = codec.decode([base64.b64decode(entry["stream"])], spec)
    assert tile.shape == spec.shape and tile.dtype == spec.dtype
    return tile


def sha256(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()


def test_the_golden_streams_are_those_that_were_written() -> None:
    out = hashlib.sha256()
    for path in sorted(path for path in GOLDEN.rglob("*") if path.is_file()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        out.update(f"{path.relative_to(GOLDEN).as_posix()}\n{digest}\n".encode())
    assert out.hexdigest() == SHA256


def test_the_golden_streams_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 125_000


def test_the_golden_streams_cover_every_learned_family() -> None:
    models = {entry["name"]: Model.load(GOLDEN / "models" / entry["name"], entry["model"]) for entry in EXPECTED}
    assert {model.codec_id for model in models.values()} == {"block-dnn", "pca", "cnn-ae", "gdn-factorized"}
    configs = [model.config for model in models.values()]
    assert {config["quantiser"] for config in configs if "quantiser" in config} == {"uniform", "kmeans"}
    cuts = {(bool(config["block"]), bool(config["overlap"])) for config in configs if "overlap" in config}
    assert cuts == {(False, False), (True, False), (True, True)}
    for name in models:
        streams = [entry for entry in EXPECTED if entry["name"] == name]
        assert {base64.b64decode(entry["stream"])[7] for entry in streams} == {0, 1}  # levels
        assert {entry["tile"]["colour"] for entry in streams} == {"rgb", "gray", "cmyk"}
        assert {entry["tile"]["bit_depth"] for entry in streams} == {3, 8, 12, 16}


@pytest.mark.parametrize("entry", EXPECTED, ids=label)
def test_a_golden_stream_decodes_to_the_samples_that_it_did(entry: dict[str, Any]) -> None:
    assert sha256(decoded(golden_codec(entry["name"], entry["model"]), entry)) == entry["samples"]


@pytest.mark.parametrize("entry", PINNED, ids=label)
def test_a_shipped_model_decodes_its_pinned_stream_to_the_samples_that_it_did(entry: dict[str, Any]) -> None:
    model = Model.load(SHIPPED / entry["name"])
    assert model.name == entry["model"], "the model was replaced: pin it with make_golden_streams.py --shipped"
    assert sha256(decoded(load_codec(model.codec_id, model), entry)) == entry["samples"]
