"""Near-lossless images in a part: within the bound, proven against the source; exact where a bound means nothing."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.support.make_archives import EncodedShard, bilevel_tiff, encode_files, encoded, noise, palette_tiff, smooth
from tilepress.codecs import registry
from tilepress.pipeline.archive.schema import TILES
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.coding.tile_coding import Coding
from tilepress.pipeline.compress import commit
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.near_lossless import prove_within
from tilepress.pipeline.reading.rebuild import prove


@pytest.fixture
def near_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codecs of near_codecs.py, registered; residuals are those of its coder."""
    module = "tests.support.near_codecs"
    for name in ("Coarse", "Careless"):
        monkeypatch.setitem(registry.CODECS, f"near-{name.lower()}", f"{module}:{name}")
    monkeypatch.setitem(registry.RESIDUALS, "near-steps", f"{module}:Steps")
    coding = EncodeSettings.coding.fget
    assert coding is not None

    def with_steps(self: EncodeSettings) -> Coding:
        return replace(coding(self), residual_id="near-steps")

    monkeypatch.setattr(EncodeSettings, "coding", property(with_steps))


def error_of(encoded_shard: EncodedShard, path: str, original: np.ndarray) -> int:
    return int(np.abs(encoded_shard.pixels(path).astype(int) - original).max())


@pytest.mark.parametrize("bound", [1, 3, 20])
def test_images_come_back_within_the_bound_and_say_so(bound: int, tmp_path: Path) -> None:
    pictures = {f"{c}.png": smooth(150, 170, c) for c in (1, 2, 3, 4)}
    files = {name: encoded(samples) for name, samples in pictures.items()}
    encoded_shard = encode_files(tmp_path, files, codec="jpegls", max_error=bound)
    for name, samples in pictures.items():
        image = encoded_shard.images[name]
        assert 0 < error_of(encoded_shard, name, samples) <= bound
        assert image.facts.method == TILES and image.facts.promised.bound == bound
        prove_within(image, files[name], encoded_shard.reader)
        assert all(tile.facts.codec == "jpegls" and tile.facts.psnr is not None for tile in image.tiles)
        assert image.nbytes < len(files[name])


def test_what_no_bound_may_touch_stays_exact(tmp_path: Path) -> None:
    levels = encoded(smooth(90, 90, 1) // 64)  # two bits in eight are eight bits all the same
    files = {
        "palette.tif": palette_tiff(90, 99),
        "1.tif": bilevel_tiff(250, 190),
        "photo.jpg": encoded(smooth(99, 99, 3), "JPEG"),
        "text.txt": b"text" * 99,
        "levels.png": levels,
    }
    encoded_shard = encode_files(tmp_path, files, codec="jpegls", max_error=5)
    exact = encode_files(tmp_path / "exact", files, codec="jpegls")
    for name in files.keys() - {"levels.png"}:
        assert encoded_shard.images[name].facts.fidelity == "pixels", name
        prove(encoded_shard.images[name], encoded_shard.reader)
    for name in ("palette.tif", "1.tif"):
        assert np.array_equal(encoded_shard.pixels(name), exact.pixels(name)), name
    assert encoded_shard.file("photo.jpg") == files["photo.jpg"] and encoded_shard.file("text.txt") == files["text.txt"]
    assert error_of(encoded_shard, "levels.png", smooth(90, 90, 1) // 64) <= 5


def test_images_one_of_whose_values_has_a_meaning_of_its_own_stay_exact(tmp_path: Path) -> None:
    """A transparent colour or a value for no data would be met by others, or missed, within any bound."""
    samples = smooth(100, 120, 3)
    no_data = io.BytesIO()
    tifffile.imwrite(no_data, samples, extratags=[(42113, "s", 0, "0", True)])
    transparent = io.BytesIO()
    Image.fromarray(samples).save(transparent, "PNG", transparency=(9, 9, 9))
    files = {
        "transparent-value.png": transparent.getvalue(),
        "no-data.tif": no_data.getvalue(),
        "plain.png": encoded(samples),
    }
    encoded_shard = encode_files(tmp_path, files, codec="jpegls", max_error=2)
    assert {name: error_of(encoded_shard, name, samples) for name in files} == {
        "transparent-value.png": 0,
        "no-data.tif": 0,
        "plain.png": 2,
    }
    assert {name for name in files if encoded_shard.images[name].facts.fidelity == "pixels"} == {
        "transparent-value.png",
        "no-data.tif",
    }


@pytest.mark.parametrize(("bound", "near"), [(127, True), (128, False), (60000, False)])
def test_a_bound_that_would_allow_an_even_gray_is_not_used(bound: int, near: bool, tmp_path: Path) -> None:
    samples = smooth(120, 120, 1)
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(samples)}, codec="jpegls", max_error=bound)
    assert (error_of(encoded_shard, "a.png", samples) > 0) == near


def test_tiles_that_do_not_shrink_are_kept_exactly(tmp_path: Path) -> None:
    samples = np.concatenate([noise(64, 64, 1), smooth(64, 64, 1)], axis=1)
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(samples, "TIFF")}, codec="jpegls", max_error=1)
    tiles = encoded_shard.images["a.tif"].tiles
    assert all(tile.latents[1] <= 64 * 64 + 16 for tile in tiles)
    assert error_of(encoded_shard, "a.tif", samples) <= 1


@pytest.mark.usefixtures("near_codecs")
def test_a_residual_leads_to_within_the_bound_from_a_lossy_base(tmp_path: Path) -> None:
    samples = (np.indices((150, 170)).sum(0)[:, :, None] * 2 // 3 % 256).astype(np.uint8)
    sizes = []
    for bound in (None, 2, 6, 15):
        encoded_shard = encode_files(
            tmp_path / str(bound), {"a.tif": encoded(samples, "TIFF")}, codec="near-coarse", max_error=bound
        )
        assert error_of(encoded_shard, "a.tif", samples) <= (bound or 0)
        tiles = [tile for tile in encoded_shard.images["a.tif"].tiles if tile.facts.codec == "near-coarse"]
        assert {tile.facts.residual_codec for tile in tiles} == {"" if bound == 15 else "near-steps"}
        sizes.append(sum(tile.residual[1] for tile in tiles))
    assert sizes[0] > sizes[2] > sizes[3] == 0


@pytest.mark.usefixtures("near_codecs")
def test_a_codec_that_misses_its_bound_is_not_used(tmp_path: Path) -> None:
    samples = smooth(150, 170, 1)
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(samples)}, codec="near-careless", max_error=4)
    assert error_of(encoded_shard, "a.png", samples) <= 4
    assert "near-careless" not in {tile.facts.codec for tile in encoded_shard.images["a.png"].tiles}


def near_image(folder: Path, bound: int = 3) -> tuple[EncodedShard, bytes]:
    data = encoded(smooth(100, 130, 3))
    return encode_files(folder, {"a.png": data}, codec="jpegls", max_error=bound), data


def test_the_bound_is_proven_against_the_source_and_not_believed(tmp_path: Path) -> None:
    encoded_shard, data = near_image(tmp_path)
    image = encoded_shard.images["a.png"]
    closer = replace(image, facts=replace(image.facts, fidelity="max-error-1"))
    with pytest.raises(IntegrityError, match="by 3 levels, not by at most 1"):
        prove_within(closer, data, encoded_shard.reader)
    with pytest.raises(IntegrityError, match="another file"):
        prove_within(image, encoded(smooth(100, 130, 3, seed=1)), encoded_shard.reader)


def test_an_image_that_fails_the_proof_before_commit_is_kept_as_its_file(tmp_path: Path, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise IntegrityError("a sample differs from the source by 9 levels")

    monkeypatch.setattr(commit, "prove_within", fails)
    encoded_shard, data = near_image(tmp_path)
    facts = encoded_shard.images["a.png"].facts
    assert (facts.reason_code, facts.fidelity) == ("untrusted", "pixels") and "9 levels" in facts.reason
    assert encoded_shard.file("a.png") == data


def test_other_pixels_than_were_stored_are_damage_even_within_the_bound(tmp_path: Path) -> None:
    encoded_shard, _ = near_image(tmp_path)
    image = encoded_shard.images["a.png"]
    first = image.tiles[0]
    forged = replace(first, facts=replace(first.facts, pixels_crc=1))
    with pytest.raises(IntegrityError):
        prove(replace(image, tiles=(forged, *image.tiles[1:])), encoded_shard.reader)
