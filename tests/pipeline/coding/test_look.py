"""How `auto` codes a tile: by a quicker codec than JPEG XL where that makes as little of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tilepress
from tests.support.make_archives import encoded, noise, repetitive, smooth, write_files
from tilepress.codecs.lossless.quick.codec import LosslessQuick
from tilepress.pipeline.coding import look
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.fallbacks import JPEG_XL, code_tiles
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.coding.tile_coding import CodedTile, Coding
from tilepress.pipeline.coding.tiles import Box, Tile
from tilepress.pipeline.formats.picture import tile_spec
from tilepress.pipeline.storage.base import open_storage

AUTO = replace(JPEG_XL, sparse=True, quick=True)
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def coded(samples: np.ndarray, coding: Coding = AUTO, mode: str = "") -> CodedTile:
    """A tile (h, w, c) uint8, which is also decoded and compared."""
    height, width, channels = samples.shape
    spec = tile_spec(mode or MODES[channels], "uint8", 8, height, width)
    pool = CodecPool(open_storage("."))
    (found,) = code_tiles([Tile(0, 0, Box(0, 0, width, height), spec, samples)], lambda _: coding, pool)
    assert np.array_equal(pool.codec(found.facts.codec).decode([found.latents], spec)[0], samples)
    return found


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_photograph_is_coded_by_level_quick(channels: int) -> None:
    samples = smooth(160, 160, channels)
    found = coded(samples)
    assert found.facts.codec == look.QUICK and found.nbytes < coded(samples, JPEG_XL).nbytes


def test_a_small_tile_loads_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LosslessQuick, "encode_tile", lambda *_: pytest.fail("level quick was tried"))
    assert coded(smooth(90, 90, 3)).facts.codec == "jpegxl"


def test_what_repeats_itself_is_coded_by_bzip2() -> None:
    assert coded(repetitive(160, 160, 1)).facts.codec == look.SPARSE


def test_where_jpeg_xl_is_far_smaller_it_is_kept() -> None:
    """Few colours that mean nothing in order: JPEG XL finds the palette."""
    palette = np.random.default_rng(1).integers(0, 256, (6, 3)).astype(np.uint8)
    indices = np.random.default_rng(2).integers(0, 6, (160, 160))
    indices = np.where(np.random.default_rng(3).random((160, 160)) < 0.1, indices, smooth(160, 160, 1)[..., 0] // 43)
    found = coded(palette[indices])
    assert found.facts.codec != look.QUICK


def test_noise_is_no_larger_than_its_samples() -> None:
    assert coded(noise(160, 160, 3)).facts.codec == "raw"


def test_palette_entries_are_no_picture() -> None:
    assert coded(smooth(160, 160, 1), mode="P").facts.codec != look.QUICK


def test_level_quick_that_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(LosslessQuick, "encode_tile", fail)
    found = coded(smooth(160, 160, 3))
    assert found.facts.codec == "jpegxl" and "lossless-quick" in found.warnings[0]


def test_a_run_that_an_earlier_release_planned_goes_on_as_it_was_planned(tmp_path, monkeypatch) -> None:
    source = write_files(tmp_path / "source", {f"{n}.png": encoded(smooth(160, 160, 3, seed=n)) for n in range(2)})
    archive, how = tmp_path / "a", {"shard_size": 1, "engine": "local", "workers": 1}
    to_json = EncodeSettings.to_json
    with monkeypatch.context() as earlier:
        earlier.setattr(EncodeSettings, "to_json", lambda self: to_json(replace(self, quick=False)))
        assert tilepress.compress(source, archive, **how).run == 1
    (archive / "runs/0001/manifest.parquet").unlink()
    (archive / "runs/0001/index.parquet").unlink()
    (archive / "runs/0001/parts/00001.parquet").unlink()
    report = tilepress.compress(source, archive, **how)
    assert (report.run, report.resumed_shards) == (1, 1)
    entries = tilepress.open(archive).entries()
    assert {tile.facts.codec for entry in entries for tile in entry.index_row.tiles} == {"jpegxl"}
