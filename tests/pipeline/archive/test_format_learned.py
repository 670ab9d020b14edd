"""FORMAT.md says enough about learned codecs: decoders written from it alone give what the golden streams gave."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.independent import adversarial as independent_adversarial
from tests.support.independent import codecs as independent_codecs
from tests.support.independent import reader as independent_reader
from tests.support.independent import streams as independent_streams
from tilepress import compress
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import load_codec
from tilepress.pipeline.reading.archive import open_archive

FOLDER = Path(__file__).parent.parent.parent / "golden"
FOLDERS = [FOLDER / name for name in ("learned-1", "learned-2", "learned-3", "learned-4", "learned-5", "learned-6")]
GOLDEN: list[dict[str, Any]] = [
    entry for folder in FOLDERS for entry in json.loads((folder / "expected.json").read_text())
]
PINNED: list[dict[str, Any]] = json.loads((FOLDER / "shipped.json").read_text())
MODES = {("gray", 1): "L", ("gray", 2): "LA", ("rgb", 3): "RGB", ("rgb", 4): "RGBA", ("cmyk", 4): "CMYK"}
UNPINNED = sorted({path.name for path in SHIPPED.iterdir() if path.is_dir()} - {entry["name"] for entry in PINNED})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models as an archive has them: in folders named by their hashes."""
    folder = tmp_path_factory.mktemp("models")
    golden = [model for each in FOLDERS for model in (each / "models").iterdir()]
    for place in [*golden, *(path for path in SHIPPED.iterdir() if path.is_dir())]:
        (folder / json.loads((place / "model.json").read_text())["sha256"]).symlink_to(place)
    return folder


def decoded(model: Path, stream: bytes, tile: dict[str, Any]) -> np.ndarray:
    codec = json.loads((model / "model.json").read_text())["codec_id"]
    facts = {name: tile[name] for name in ("height", "width", "channels", "dtype", "bit_depth")}
    shape = independent_codecs.Shape(**facts, mode=MODES[tile["colour"], tile["channels"]])
    return independent_codecs.decode(f"{codec}@{model.name}", stream, shape, model.parent)


@pytest.mark.parametrize("name", sorted({entry["name"] for entry in GOLDEN + PINNED}))
def test_a_decoder_written_from_the_text_alone_reads_learned_streams(name: str, models: Path) -> None:
    for entry in (entry for entry in GOLDEN + PINNED if entry["name"] == name):
        samples = decoded(models / entry["model"], base64.b64decode(entry["stream"]), entry["tile"])
        little = samples.astype(samples.dtype.newbyteorder("<"))
        assert hashlib.sha256(little.tobytes()).hexdigest() == entry["samples"], entry["tile"]


@pytest.mark.parametrize("entry", [entry for entry in GOLDEN if entry["name"].startswith("gan")][::4], ids=str)
def test_a_decoder_written_from_the_text_alone_shows_the_adversarial_view(entry: dict[str, Any], models: Path) -> None:
    model, spec = Model.load(models / entry["model"]), TileSpec(**entry["tile"])
    stream, tile = base64.b64decode(entry["stream"]), entry["tile"]
    config, tensors = independent_streams.read_model(models / entry["model"])
    facts = {name: tile[name] for name in ("height", "width", "channels", "dtype", "bit_depth")}
    shape = independent_streams.Shape(**facts, mode=MODES[tile["colour"], tile["channels"]])
    magic = independent_codecs.LEARNED[model.codec_id][0]
    found = independent_adversarial.adversarial(config, tensors).decode(independent_codecs.unseal(magic, stream), shape)
    codec = load_codec(model.codec_id, model).view("adversarial")
    np.testing.assert_array_equal(found, codec.decode([stream], spec)[0])


@pytest.mark.parametrize("name", UNPINNED)
def test_a_decoder_written_from_the_text_alone_reads_what_other_shipped_models_write(name: str, models: Path) -> None:
    model = Model.load(SHIPPED / name)
    codec, spec = load_codec(model.codec_id, model), TileSpec(20, 33, 2, "uint8", 8, "gray")
    y, x = np.mgrid[:20, :33]
    tile = np.stack([120 + 90 * np.sin(x / 5) * np.cos(y / 7), 255 - 3 * y], -1).astype(np.uint8)
    for quality in (1, 100):
        (stream,) = codec.encode(tile[None], spec, Settings(quality=quality))
        np.testing.assert_array_equal(decoded(models / model.name, stream, vars(spec)), codec.decode([stream], spec)[0])


@pytest.mark.parametrize(
    "codec", ["pca-16-kmeans", "cnn-ae", "cnn-ae-ft", "gdn-factorized", "rbm-autoencoder", "jpeg-dncnn"]
)
def test_a_reader_written_from_the_text_alone_gives_the_bases_of_a_whole_archive(codec: str, tmp_path: Path) -> None:
    y, x = np.mgrid[:43, :35]
    noise = np.random.default_rng(1).normal(0, 9, (43, 35, 3))
    waves = np.stack([120 + 70 * np.sin(x / 5 + c) * np.cos(y / 7) for c in range(3)], -1) + noise
    (tmp_path / "source").mkdir()
    for name, samples in (("gray.png", waves[:, :, 0]), ("rgb.png", waves)):
        Image.fromarray(samples.astype(np.uint8)).save(tmp_path / "source" / name)
    compress(str(tmp_path / "source"), str(tmp_path / "archive"), codec=codec, fidelity="lossy", tile=32)
    images, opened = independent_reader.read_archive(tmp_path / "archive"), open_archive(str(tmp_path / "archive"))
    for name, image in images.items():
        assert codec.partition("-16")[0] in {tile["codec"].partition("@")[0] for tile in image.row["tiles"]}
        np.testing.assert_array_equal(image.pixels(), opened[name].array(preview=True))
