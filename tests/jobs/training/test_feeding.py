"""Windows of crops: small images fill them with many, large ones with a few that are decoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tilepress.jobs.recipes.options import Options
from tilepress.jobs.training.feeding import Feed, batches
from tilepress.pipeline.sources.crops import WINDOW_IMAGES, split
from tilepress.pipeline.sources.dataset import Source


def feed(folder: Path, side: int, **options: object) -> Feed:
    """Of 40 gray images, each of a value of its own."""
    for value in range(40):
        Image.fromarray(np.full((side, side), 5 * value, np.uint8)).save(folder / f"{value}.png")
    source = Source(str(folder))
    return Feed(source, split(source.open(), 0.01), Options(**{"crop": 8, "batch_size": 13, **options}), 1)


@pytest.mark.parametrize(
    ("side", "images"),
    [(8, 247), (4, 247), (16, 62), (32, WINDOW_IMAGES), (100, WINDOW_IMAGES)],
)
def test_a_window_takes_no_more_crops_of_an_image_than_it_has_room_for(tmp_path: Path, side: int, images: int) -> None:
    assert feed(tmp_path, side).crops.images == images


def test_a_pass_over_images_of_the_size_of_a_crop_sees_every_one_once(tmp_path: Path) -> None:
    small = feed(tmp_path, 8, batch_size=39)
    first = next(batches(small, 0))
    assert small.window_crops == 234 and first.shape == (39, 8, 8, 1)
    assert small.cropper().windows_per_pass == 1
    window = small.cropper().window(0, 39)
    assert len(np.unique(window[:, 0, 0, 0])) == 39
