"""Archives as data sets of PyTorch and Ray Data, in workers that were spawned, forked or started by a cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import tilepress
from tests.support.make_runs import files
from tilepress.pipeline.reading.archive import Archive

IMAGES = sorted({path for path in files() if not path.endswith(".txt")} | {"new.png"})


def half(image: torch.Tensor) -> torch.Tensor:
    return image[:, :30, :30] // 2


def test_items_are_the_pixels_of_entries_channels_first(archive: Archive) -> None:
    images = archive.dataset()
    assert isinstance(images, Dataset)
    assert [images[number]["path"] for number in range(len(images))] == IMAGES
    for item in (images[0], images[-1], images[2]):
        pixels = archive[item["path"]].array()
        assert item["image"].dtype == torch.uint8
        assert np.array_equal(item["image"].numpy().transpose(1, 2, 0), pixels)
    with pytest.raises(IndexError):
        images[len(IMAGES)]
    chosen = archive.dataset(include=["*.png"], exclude=["b/"], transform=half)
    assert [chosen[number]["path"] for number in range(len(chosen))] == ["a/gray.png", "a/rgb.png", "new.png"]
    assert torch.equal(chosen[1]["image"], images[1]["image"][:, :30, :30] // 2)


@pytest.mark.parametrize("way", [pytest.param("spawn", marks=pytest.mark.slow), "fork"])
def test_workers_of_a_loader_read_what_this_process_reads(archive: Archive, way: str) -> None:
    images = archive.dataset(exclude=["a/gray.png", "new.png"], transform=half)
    expected = {images[number]["path"]: images[number]["image"] for number in range(len(images))}
    loader = DataLoader(images, batch_size=2, shuffle=True, num_workers=2, multiprocessing_context=way)
    for _ in range(2):
        read = [pair for batch in loader for pair in zip(batch["path"], batch["image"], strict=True)]
        assert len(read) == len(expected)
        assert all(torch.equal(image, expected[path]) for path, image in read)


def test_previews_of_learned_codecs(archives: Path, tmp_path: Path) -> None:
    place = tmp_path / "learned"
    tilepress.compress(archives / "source", place, codec="block-dnn-16", include=["a/rgb.png"], engine="local")
    archive = tilepress.open(place)
    (item,) = (archive.dataset(preview=True)[0],)
    preview = archive["a/rgb.png"].array(preview=True)
    assert np.array_equal(item["image"].numpy().transpose(1, 2, 0), preview)
    assert not np.array_equal(preview, archive["a/rgb.png"].array())


def test_a_table_of_entries_is_a_sequence_that_splits(archive: Archive) -> None:
    images = archive.images()
    assert [entry.path for entry in images] == IMAGES == [entry.path for entry in images[:]]
    assert images[-1].path == IMAGES[-1] and [entry.path for entry in images[1:5:2]] == IMAGES[1:5:2]
    by_count = [[entry.path for entry in part] for part in images.slices(4, 1 << 40)]
    assert by_count == [IMAGES[:4], IMAGES[4:]]
    assert [len(part) for part in images.slices(100, 1)] == [1] * len(IMAGES)


@pytest.mark.slow
def test_ray_data_reads_every_image(archive: Archive, ray_cluster) -> None:
    images = tilepress.ray_dataset(archive.storage.url, exclude=["c.tif"])
    assert isinstance(images, ray_cluster.data.Dataset)
    rows = {row["path"]: row["image"] for row in images.take_all()}
    assert sorted(rows) == [path for path in IMAGES if path != "c.tif"]
    for path, pixels in rows.items():
        assert pixels.dtype == np.uint8 and np.array_equal(pixels, archive[path].array()), path
    means = images.map(lambda row: {"path": row["path"], "mean": float(row["image"].mean())})
    assert {row["path"]: row["mean"] for row in means.take_all()} == {path: rows[path].mean() for path in rows}
    assert tilepress.ray_dataset(archive.storage.url, include=["*.txt"]).count() == 0
