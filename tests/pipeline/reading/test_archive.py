"""Reading archives: a mapping, the newest run, regions and previews."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import tilepress
from tests.support.make_archives import smooth
from tests.support.make_runs import commit, files
from tilepress.codecs.registry import shipped_models
from tilepress.pipeline.archive.models import store_model
from tilepress.pipeline.errors import UnsupportedPicture, UsageError
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.storage.base import open_storage

LEARNED = "block-dnn-16"


def pixels(data: bytes) -> np.ndarray:
    """By tilepress's own reader of image files, which has its own tests."""
    return np.concatenate(list(read_picture(data).read_bands(64)))


def test_an_archive_is_a_mapping_in_path_order(archive: Archive) -> None:
    assert isinstance(archive, Mapping)
    expected = sorted([*files(), "new.png"])
    assert list(archive) == expected == list(archive.keys()) == [entry.path for entry in archive.entries()]
    assert len(archive) == len(expected)
    assert "c.tif" in archive
    assert "c" not in archive
    assert "" not in archive
    assert "zzz" not in archive
    assert archive.get("missing") is None
    with pytest.raises(KeyError, match="missing"):
        archive["missing"]
    assert {path: entry.path for path, entry in archive.items()} == {path: path for path in expected}


def test_the_newest_run_wins(archive: Archive) -> None:
    assert [view.run.number for view in archive.runs] == [1, 2]
    assert archive["a/rgb.png"].run.number == 2
    assert np.array_equal(archive["a/rgb.png"].array(), smooth(80, 82, 3, seed=5))
    assert archive["a/gray.png"].run.number == 1
    (history,) = (each for each in archive.histories() if each.path == "a/rgb.png")
    older = archive.entry(*history.versions[0])
    assert np.array_equal(older.array(), smooth(150, 130, 3))


def test_a_handle_gives_bytes_pixels_and_a_pillow_image(archive: Archive) -> None:
    for path, data in files().items():
        if path == "a/rgb.png":
            continue
        entry = archive[path]
        if path.endswith((".jpg", ".txt")):
            assert entry.bytes() == data
        if not path.endswith(".txt"):
            assert np.array_equal(entry.array(), pixels(data)), path
            assert np.array_equal(pixels(entry.bytes()), pixels(data)), path
            with Image.open(io.BytesIO(data)) as original:
                assert np.array_equal(np.asarray(entry.image()), np.asarray(original))


def test_pixels_of_what_is_no_image_are_refused(archive: Archive) -> None:
    with pytest.raises(UnsupportedPicture):
        archive["d.txt"].array()


REGIONS = st.tuples(st.integers(0, 160), st.integers(0, 160), st.integers(1, 200), st.integers(1, 200))


@given(st.sampled_from([path for path in files() if not path.endswith(".txt")]), REGIONS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_region_is_a_slice_of_the_whole(archive: Archive, path: str, region: tuple[int, int, int, int]) -> None:
    entry = archive[path]
    whole = entry.array()
    x, y, w, h = region
    if x >= whole.shape[1] or y >= whole.shape[0]:
        with pytest.raises(UsageError, match="outside"):
            entry.array(region)
        return
    assert np.array_equal(entry.array(region), whole[y : y + h, x : x + w])


def test_a_region_fetches_only_its_tiles(archives: Path) -> None:
    archive = tilepress.open(str(archives / "archive"))
    fetched: list[tuple[int, int]] = []
    original = archive.storage.read_ranges
    archive.storage.read_ranges = lambda name, ranges: fetched.extend(ranges) or original(name, ranges)
    entry = archive["a/gray.png"]
    entry.array((0, 0, 10, 10))
    first = entry.index_row.tiles[0]
    assert sum(length for _, length in fetched) == first.latents[1] + first.residual[1]


@pytest.mark.skipif(LEARNED not in shipped_models(), reason="no model is shipped")
def test_a_preview_is_near_the_original_and_of_its_shape(archives: Path, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "learned"))
    reference = f"block-dnn@{store_model(storage, shipped_models()[LEARNED])}"
    commit(archives / "source", tmp_path / "learned", 1, finish=True, codec=reference)
    archive = tilepress.open(str(tmp_path / "learned"))
    entry = archive["a/rgb.png"]
    assert reference in {tile.facts.codec for tile in entry.index_row.tiles}
    exact, preview = entry.array(), entry.array(preview=True)
    assert np.array_equal(exact, smooth(150, 130, 3))
    assert preview.shape == exact.shape
    assert preview.dtype == exact.dtype
    error = float(np.mean((exact.astype(int) - preview) ** 2))
    assert 0 < error < 200
    assert np.array_equal(entry.array((20, 30, 100, 50), preview=True), preview[30:80, 20:120])
    jpegxl = tilepress.open(str(archives / "archive"))["a/gray.png"]
    assert np.array_equal(jpegxl.array(preview=True), jpegxl.array()), "without residual the preview is the picture"


def test_there_must_be_an_archive(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no archive"):
        tilepress.open(str(tmp_path))
