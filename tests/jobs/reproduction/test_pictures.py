"""Pictures as a table shows them to codecs, and the coders that archives do not know."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photo_like import picture
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.errors import UsageError
from tilepress.jobs.reproduction.coders import CODERS, LibraryCoder
from tilepress.jobs.reproduction.pictures import enlarged, samples
from tilepress.jobs.reproduction.table import Arrays, Pictures
from tilepress.pipeline.sources.dataset import Source

FILE = "t10k-images-idx3-ubyte.gz"


def stacks(folder: Path, count: int, columns: int = 3, rows: int = 2) -> list[np.ndarray]:
    """The stacks of the first `count` of twelve images of 4 x 5 pixels."""
    images = np.arange(12 * 20, dtype=np.uint8).reshape(12, 4, 5)
    header = struct.pack(">4i", 0x803, *images.shape)
    (folder / FILE).write_bytes(gzip.compress(header + images.tobytes()))
    wanted = Pictures("mnist", "stacks", arrays=Arrays(FILE, count), columns=columns, rows=rows)
    return [sample.pixels for sample in samples(wanted, Source(str(folder)))]


def test_small_images_lie_side_by_side_in_raster_order(tmp_path: Path) -> None:
    first, second = stacks(tmp_path, 12)
    assert first.shape == second.shape == (8, 15, 1)
    cells = np.arange(12 * 20).reshape(12, 4, 5)
    assert np.array_equal(first[:4, 5:10, 0], cells[1]) and np.array_equal(second[4:, :5, 0], cells[9])


def test_stacks_are_full_and_of_images_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="10 images, no multiple of 6"):
        stacks(tmp_path, 10)
    with pytest.raises(UsageError, match="12 images, not 18"):
        stacks(tmp_path, 18)


def test_luma_of_video_is_made_of_colour_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), "red").save(tmp_path / "red.png")
    (red,) = samples(Pictures("live1", "video luma"), Source(str(tmp_path)))
    assert red.pixels.shape == (2, 3, 1) and (red.pixels == 81).all()


def test_only_other_sizes_are_enlarged() -> None:
    large, small = np.zeros((512, 512, 1), np.uint8), np.full((256, 256, 1), 7, np.uint8)
    assert enlarged(large) is large
    assert enlarged(small).shape == (512, 512, 1) and (enlarged(small) == 7).all()


@pytest.mark.parametrize(
    ("name", "channels"), [(name, planes) for name in CODERS for planes in CODERS[name].channels & {1, 3}]
)
def test_coders_give_back_a_picture_better_with_more_quality(name: str, channels: int) -> None:
    codec, spec = CODERS[name](), TileSpec(48, 64, channels, "uint8", 8, "gray" if channels == 1 else "rgb")
    (tile,) = picture(spec)
    settings = [Settings()]
    if isinstance(codec, LibraryCoder) and "quality" in codec.options:
        settings = [Settings(quality=codec.qualities[len(codec.qualities) // share]) for share in (8, 2)]
    shared = codec.prepare([tile], spec, Settings()) if codec.has_side_information else b""
    errors = []
    for each in settings:
        streams = codec.encode(tile[None], spec, each, shared)
        errors.append(np.abs(codec.decode(streams, spec, shared)[0].astype(int) - tile).mean())
    assert errors == [0] if codec.lossless else errors[0] > errors[1] > 0
