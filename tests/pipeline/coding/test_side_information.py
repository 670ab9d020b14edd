"""Bytes that an image's tiles share: prepared once, stored with the image, given back to whatever decodes its tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.engine.test_engine import tree
from tests.support.make_archives import encode_files, encoded, noise, repetitive, smooth, write_files
from tilepress import compress, evaluate, restore, verify
from tilepress.codecs.predictive_mlp.codec import LINEAR_LEAST
from tilepress.codecs.predictive_mlp.weights import LINEAR, MLP, unseal_predictors
from tilepress.pipeline.archive.index_row import fetch_image_row
from tilepress.pipeline.archive.schema import row_crc
from tilepress.pipeline.coding import side_information
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import prove
from tilepress.pipeline.sources.dataset import Source, whole

pytestmark = pytest.mark.usefixtures("plugin")
LOCAL = {"engine": "local", "workers": 1}
TILE = 64


def pictures() -> dict[str, np.ndarray]:
    """Images of different values, one with a tile that nothing shrinks."""
    mixed = repetitive(150, 200, 3)
    mixed[:TILE, :TILE] = noise(TILE, TILE, 1)
    return {"a.tif": repetitive(150, 200, 1), "b.tif": repetitive(150, 200, 2), "mixed.tif": mixed}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "source"
    return write_files(folder, {name: encoded(samples, "TIFF") for name, samples in pictures().items()})


@pytest.fixture(scope="module")
def archive(source: Path, plugin: Path) -> Path:
    report = compress(str(source), str(source.parent / "local"), codec="test-ranks", tile=TILE, **LOCAL)
    assert report.exit_code == 0
    return source.parent / "local"


def test_every_image_has_its_own_shared_bytes(archive: Path) -> None:
    entries = {entry.path: entry.index_row for entry in open_archive(str(archive)).entries()}
    codecs = {name: {tile.facts.codec for tile in image.tiles} for name, image in entries.items()}
    assert codecs == {"a.tif": {"test-ranks"}, "b.tif": {"test-ranks"}, "mixed.tif": {"test-ranks", "raw"}}
    assert all(image.spans["shared"][1] == 256 for image in entries.values())


def test_everything_that_decodes_gets_them(archive: Path, source: Path, tmp_path: Path) -> None:
    assert verify(str(archive), against=str(source), rebuild=True, **LOCAL).exit_code == 0
    assert restore(str(archive), str(tmp_path / "back"), **LOCAL).restored == {"byte-identical": 3}
    assert restore(str(archive), str(tmp_path / "crops"), region=(60, 5, 30, 9), **LOCAL).exit_code == 0
    assert restore(str(archive), str(tmp_path / "previews"), preview=True, **LOCAL).exit_code == 0
    opened = open_archive(str(archive))
    for name, samples in pictures().items():
        assert (tmp_path / "back" / name).read_bytes() == opened[name].bytes() == (source / name).read_bytes()
        assert np.array_equal(opened[name].array(preview=True), samples)
        assert np.array_equal(opened[name].array(region=(60, 60, 70, 70)), samples[60:130, 60:130])
    data = Source(str(archive)).open()
    for item in data.items():
        with data.open(item) as picture:
            assert np.array_equal(whole(picture), pictures()[item.name])


@pytest.mark.slow
def test_actors_on_ray_prepare_and_are_given_them(source: Path, archive: Path, tmp_path: Path, ray_cluster) -> None:
    config = {"engine": "ray", "workers": 2, "gpus_per_actor": 1}
    report = compress(str(source), str(tmp_path / "ray"), codec="test-ranks", tile=TILE, **config)
    assert (report.engine, report.exit_code) == ("ray", 0)
    assert tree(tmp_path / "ray") == tree(archive)
    assert restore(str(tmp_path / "ray"), str(tmp_path / "back"), **config).restored == {"byte-identical": 3}


def codec_and_side_information(folder: Path, files: Mapping[str, bytes], codec: str) -> dict[str, tuple[set[str], int]]:
    encoded_shard = encode_files(folder, dict(files), codec=codec)
    for name, image in encoded_shard.images.items():
        prove(image, encoded_shard.reader)
        assert image.nbytes <= len(files[name])
    return {
        name: ({tile.facts.codec for tile in image.tiles}, image.spans["shared"][1])
        for name, image in encoded_shard.images.items()
    }


def test_they_count_and_are_dropped_with_the_codec(tmp_path: Path) -> None:
    flat = np.full((20, 20, 1), 9, np.uint8)
    files = {"tiny.png": encoded(smooth(16, 17, 1), "PNG"), "flat.png": encoded(flat, "PNG")}
    found = codec_and_side_information(tmp_path, files, "test-ranks")
    assert all(shared == 0 and "test-ranks" not in codecs for codecs, shared in found.values())


def test_an_image_of_tiles_that_all_fell_back_has_none(tmp_path: Path) -> None:
    samples = noise(70, 80, 1)
    files = {"noise.tif": encoded(samples, "TIFF") + bytes(2000)}
    assert codec_and_side_information(tmp_path, files, "test-ranks") == {"noise.tif": ({"raw"}, 0)}


@pytest.mark.parametrize(("side", "kind"), [(130, LINEAR), (190, MLP)])
def test_a_predictor_is_fitted_to_an_image_whose_tiles_are_too_small_for_one(tmp_path, side: int, kind: int) -> None:
    samples = smooth(side, side, 1)
    assert 48 * 48 < LINEAR_LEAST < side * side
    encoded_shard = encode_files(
        tmp_path, {"a.tif": encoded(samples, "TIFF")}, codec="predictive-mlp", effort=1, tile=48
    )
    image = encoded_shard.images["a.tif"]
    assert image.spans["shared"][1] > 0 and {tile.facts.codec for tile in image.tiles} == {"predictive-mlp"}
    _, shared, _ = fetch_image_row(image, encoded_shard.part.fetch)
    assert [predictor.kind for predictor in unseal_predictors(shared, 1, 255)] == [kind]
    assert np.array_equal(encoded_shard.pixels("a.tif"), samples)


def test_a_large_image_is_sampled_within_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tilepress_test_encoders import Ranks

    monkeypatch.setattr(side_information, "SAMPLE_PIXELS", 7 * TILE * TILE)
    monkeypatch.setattr(Ranks, "seen", [])
    samples = repetitive(5 * TILE, 6 * TILE, 1)
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(samples, "TIFF")}, codec="test-ranks")
    assert Ranks.seen == [7]
    assert np.array_equal(encoded_shard.pixels("a.tif"), samples)


def test_damage_to_them_is_found_before_a_pixel_is_returned(tmp_path: Path) -> None:
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(repetitive(90, 99, 5), "TIFF")}, codec="test-ranks")
    image = encoded_shard.images["a.tif"]
    start, length = image.spans["shared"]
    data = bytearray(encoded_shard.part.fetch([(0, encoded_shard.part.nbytes)])[0])
    data[start + length // 2] ^= 1
    with pytest.raises(IntegrityError, match="CRC"):
        prove(image, PartReader(lambda ranges: [bytes(data[o : o + n]) for o, n in ranges], encoded_shard.pool))


def test_an_image_none_of_whose_codecs_takes_them_is_refused(tmp_path: Path) -> None:
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(smooth(90, 99, 1), "TIFF")}, codec="jpegxl")
    image, (forged,) = encoded_shard.images["a.tif"], encoded_shard.part.fetch([(0, 256)])
    spans = image.spans | {"shared": (0, 256)}
    crc = row_crc(image.facts, (encoded_shard.part.fetch([image.spans["container"]])[0], forged, b""))
    with pytest.raises(IntegrityError, match="side information"):
        prove(replace(image, spans=spans, crc=crc), encoded_shard.reader)


def test_evaluate_counts_them(source: Path, archive: Path, tmp_path: Path) -> None:
    report = evaluate(str(source), str(tmp_path / "out"), ["test-ranks"], tile=TILE, **LOCAL)
    assert report.exit_code == 0 and not report.failed
    entries = open_archive(str(archive)).entries()
    tiles = sum(
        entry.index_row.spans["shared"][1] + sum(t.latents[1] for t in entry.index_row.tiles) for entry in entries
    )
    pixels = sum(samples.size for samples in pictures().values())
    assert round(report.means[0].bpp * pixels / 8) >= tiles
