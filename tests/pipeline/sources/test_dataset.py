"""What train and evaluate are promised of a data set: the same images from a folder, a bucket or an archive of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tilepress import compress
from tilepress.pipeline.errors import PictureError, UsageError
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.sources.crops import Cropper, CropSettings, as_samples, split
from tilepress.pipeline.sources.dataset import Source, picture_tiles, whole

ONE = {"engine": "local", "workers": 1}


def picture_of(seed: int, height: int, width: int, channels: int, bits: int) -> np.ndarray:
    """Waves with a little noise, (height, width, channels), over the whole range."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / (9 + c + seed)) + np.cos(y / (7 + c)) for c in range(channels)], axis=2)
    noisy = waves + np.random.default_rng(seed).normal(0, 0.02, waves.shape)
    unit = (noisy - noisy.min()) / np.ptp(noisy)
    return np.round(unit * ((1 << bits) - 1)).astype(np.uint16 if bits > 8 else np.uint8)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five RGB images, a gray one, one with a palette, a text."""
    folder = tmp_path_factory.mktemp("dataset") / "source"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.png").write_bytes(png(picture_of(n, 60 + n, 90, 3, 8)))
    (folder / "gray.png").write_bytes(png(picture_of(9, 70, 80, 1, 8)))
    Image.fromarray(picture_of(1, 20, 20, 3, 8)).quantize(8).save(folder / "palette.png")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    archive = str(tmp_path_factory.mktemp("dataset") / "archive")
    compress(str(folder), archive, codec="block-dnn-16", tile=64, **ONE)
    return archive


def images_of(source: Source) -> dict[str, np.ndarray]:
    data = source.open()
    images = {}
    for item in data.items():
        try:
            with data.open(item) as picture:
                images[item.name] = whole(picture)
        except PictureError:
            continue
    return images


def test_an_archive_holds_the_same_images_as_the_folder_it_was_made_of(folder, archive):
    found, wanted = images_of(Source(archive)), images_of(Source(str(folder)))
    assert found.keys() == wanted.keys() == {"0.png", "1.png", "2.png", "3.png", "4.png", "gray.png", "palette.png"}
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_previews_of_an_archive_are_what_its_reader_gives(archive):
    exact, previews = images_of(Source(archive)), images_of(Source(archive, preview=True))
    handles = open_archive(archive)
    for name, pixels in previews.items():
        np.testing.assert_array_equal(pixels, handles[name].array(preview=True))
    assert not np.array_equal(previews["0.png"], exact["0.png"])


def test_tile_records_are_the_same_from_both_at_any_tile_size(folder, archive):
    for size in (24, 32, 100):
        for source in (Source(str(folder)), Source(archive)):
            data = source.open()
            item = next(item for item in data.items() if item.name == "3.png")
            with data.open(item) as picture:
                tiles = list(picture_tiles(7, picture, picture.read_bands(size), size))
            back = np.zeros((63, 90, 3), np.uint8)
            for tile in tiles:
                box = tile.box
                back[box.y : box.y + box.h, box.x : box.x + box.w] = tile.samples
                assert tile.owner == 7 and max(box.w, box.h) <= size and tile.spec.shape == tile.samples.shape
            np.testing.assert_array_equal(back, picture_of(3, 63, 90, 3, 8))


def test_include_and_exclude_choose_from_both(folder, archive):
    for url in (str(folder), archive):
        names = [item.name for item in Source(url, include=("?.png",), exclude=("3*",)).open().items()]
        assert names == ["0.png", "1.png", "2.png", "4.png"]


def test_images_are_divided_by_name_and_what_cannot_be_trained_on_is_named(folder):
    divided = split(Source(str(folder)).open(), 0.34)
    names = {item.name for item in (*divided.train, *divided.validation)}
    assert names == {"0.png", "1.png", "2.png", "3.png", "4.png", "gray.png"}
    assert len(divided.validation) == 2 and not set(divided.train) & set(divided.validation)
    assert {name for name, _ in divided.unusable} == {"notes.txt", "palette.png"}
    assert divided.pixels == sum(90 * (60 + int(i.name[0])) if i.name[0] != "g" else 5600 for i in divided.train)
    assert split(Source(str(folder)).open(), 0.34).fingerprint == divided.fingerprint


def test_a_single_image_is_trained_on_and_validated_with(folder):
    divided = split(Source(str(folder), include=("1.png",)).open(), 0.5)
    assert divided.train == divided.validation and len(divided.train) == 1


def test_nothing_to_train_on_is_a_usage_error_that_says_why(folder):
    with pytest.raises(UsageError, match=r"no image that can be trained on.*notes.txt"):
        split(Source(str(folder), include=("notes.txt",)).open(), 0.1)


def cropper(folder: Path, **changes: object) -> Cropper:
    source = Source(str(folder), include=("?.png", "gray.png"))
    settings = CropSettings(**{"side": 16, "channels": 3, "flips": True, "seed": 5, **changes})
    return Cropper(source, split(source.open(), 0.01).train, settings)


def test_a_window_of_crops_depends_on_its_number_and_the_seed_alone(folder):
    one, other = cropper(folder), cropper(folder)
    wanted = [one.window(number, 12) for number in (0, 1, 5)]
    for number, crops in zip((5, 1, 0), reversed(wanted), strict=True):
        np.testing.assert_array_equal(other.window(number, 12), crops)
    assert not np.array_equal(wanted[0], wanted[1])
    assert not np.array_equal(cropper(folder, seed=6).window(0, 12), wanted[0])


def test_crops_are_pieces_of_the_images_and_all_images_are_seen(folder):
    crops = cropper(folder, flips=False, side=24).window(0, 30)
    images = images_of(Source(str(folder), include=("?.png",)))
    images["gray.png"] = np.repeat(picture_of(9, 70, 80, 1, 8), 3, axis=2)
    found = set()
    for crop in crops:
        for name, image in images.items():
            views = np.lib.stride_tricks.sliding_window_view(image, (24, 24), axis=(0, 1))
            corner = (views[..., 0, 0] == crop[0, 0]).all(axis=2)
            if any((image[y : y + 24, x : x + 24] == crop).all() for y, x in np.argwhere(corner)):
                found.add(name)
                break
        else:
            pytest.fail("a crop is no piece of any image")
    assert len(found) == 5  # all but the one that is held out


def test_images_smaller_than_a_crop_are_continued_by_their_edges(folder):
    crops = cropper(folder, side=128, flips=False).window(0, 6)
    assert crops.shape == (6, 128, 128, 3)
    assert all((crop[-1] == crop[-50]).all() for crop in crops)


def test_luma_is_the_one_that_everyone_uses(folder):
    data = Source(str(folder), include=("2.png",)).open()
    (item,) = data.items()
    with data.open(item) as picture:
        found = as_samples(whole(picture), picture, 1)
    wanted = np.asarray(Image.open(folder / "2.png").convert("L"))
    assert np.abs(found[:, :, 0].astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(("bits", "offset"), [(16, 0), (12, 0), (12, 40_000)])
def test_deep_samples_fill_eight_bits_wherever_they_lie(bits, offset):
    import imagecodecs

    pixels = picture_of(3, 40, 50, 1, bits).astype(np.uint16) + np.uint16(offset)
    picture = read_picture(bytes(imagecodecs.png_encode(pixels)))
    samples = as_samples(whole(picture), picture, 1)
    assert samples.dtype == np.uint8 and samples.max() >= 240 and samples.min() == 0
    order = np.argsort(pixels.ravel(), kind="stable")
    assert (np.diff(samples.ravel()[order].astype(int)) >= 0).all()


def test_an_image_that_turns_out_to_be_damaged_is_left_out_and_training_goes_on(folder, tmp_path, caplog):
    for name in ("0.png", "1.png", "2.png"):
        data = (folder / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2] if name == "1.png" else data)
    source = Source(str(tmp_path))
    items = list(source.open().items())
    settings = CropSettings(16, 3, False, 1)
    crops = Cropper(source, items, settings).window(0, 30)
    assert crops.shape == (30, 16, 16, 3) and "left out: 1.png" in caplog.text
    with pytest.raises(UsageError, match="none of the 1 images decodes"):
        Cropper(source, items[1:2], settings).window(0, 3)


def test_of_many_images_some_are_chosen_by_name(folder):
    data = Source(str(folder), include=("?.png", "gray.png")).open()
    few = split(data, 0.3, most=3)
    all_of_them = split(data, 0.3)
    assert len(few.train) + len(few.validation) == 3
    assert {*few.train, *few.validation} < {*all_of_them.train, *all_of_them.validation}
