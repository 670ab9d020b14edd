"""A codec with alternatives: of each tile the smallest is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.make_archives import encode_files, encoded, half_repetitive, noise, repetitive
from tilepress.codecs import registry
from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.errors import UnsupportedError
from tilepress.pipeline.coding.tile_coding import Coding

pytestmark = pytest.mark.usefixtures("plugin")


def codecs_of(folder: Path, samples: np.ndarray) -> list[str]:
    encoded_shard = encode_files(folder, {"a.tif": encoded(samples, "TIFF")}, codec="test-compared")
    assert np.array_equal(encoded_shard.pixels("a.tif"), samples)
    return [tile.facts.codec for tile in encoded_shard.images["a.tif"].tiles]


def test_of_each_tile_the_smaller_of_codec_and_rival_is_kept(tmp_path: Path) -> None:
    assert codecs_of(tmp_path, half_repetitive()) == ["test-compared", "jpegxl"]


def test_a_tile_that_neither_shrinks_is_kept_as_its_samples(tmp_path: Path) -> None:
    samples = np.concatenate([repetitive(64, 64, 0, count=256), noise(64, 64, 1)], axis=1)
    assert codecs_of(tmp_path, samples) == ["test-compared", "raw"]


def test_a_rival_that_fails_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise UnsupportedError("not this one")

    monkeypatch.setattr(JpegXl, "compress", refuse)
    assert codecs_of(tmp_path, half_repetitive()) == ["test-compared", "test-compared"]


def test_rivals_are_lossless_codecs_that_come_with_tilepress() -> None:
    for codec_id in registry.codec_ids():
        for alternative in registry.codec_class(codec_id).alternatives:
            assert alternative in registry.CODECS and registry.codec_class(alternative).lossless


def test_a_codec_whose_tiles_share_bytes_has_no_rivals() -> None:
    classes = [registry.codec_class(codec_id) for codec_id in registry.codec_ids()]
    assert not [cls.codec_id for cls in classes if cls.has_side_information and cls.alternatives]


def test_the_default_residual_coder_is_named_in_one_place() -> None:
    assert Coding("block-dnn").residual_id == registry.DEFAULT_RESIDUAL
    assert registry.DEFAULT_RESIDUAL in registry.RESIDUALS
