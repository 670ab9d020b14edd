"""Images of pages: thumbnails, exact crops, and where two images differ most."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tilepress.jobs.pages.pictures import exact, exact_pair, levels_of, thumbnail, worst_window

_RNG = np.random.default_rng(4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_exact_picture_has_every_sample(channels: int) -> None:
    samples = _RNG.integers(0, 256, (37, 53, channels), np.uint8)
    picture = exact(samples)
    image = Image.open(io.BytesIO(picture.data))
    assert (picture.width, picture.height) == image.size == (53, 37)
    back = np.asarray(image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]))
    assert np.array_equal(back.reshape(samples.shape), samples)
    assert picture.uri.startswith("data:image/webp;base64,")
    assert picture.cost >= len(picture.uri)


def test_samples_of_16_bits_are_shown_between_the_levels_of_the_original() -> None:
    original = np.array([[[1000], [2000], [3000]]], np.uint16)
    first, second = exact_pair(original, original + np.array([[[0], [500], [9000]]], np.uint16))
    assert [np.asarray(Image.open(io.BytesIO(each.data)))[0, :, 0].tolist() for each in (first, second)] == [
        [0, 128, 255],
        [0, 191, 255],
    ]


@pytest.mark.parametrize(
    ("shape", "size"), [((100, 1000, 3), (192, 19)), ((28, 28, 1), (28, 28)), ((1, 5000, 4), (192, 1))]
)
def test_a_thumbnail_is_small(shape: tuple[int, int, int], size: tuple[int, int]) -> None:
    picture = thumbnail(_RNG.integers(0, 256, shape, np.uint8))
    assert (picture.width, picture.height) == size


def test_a_thumbnail_of_cmyk_is_in_colours_of_the_screen() -> None:
    cyan = np.zeros((20, 20, 4), np.uint8)
    cyan[:, :, 0] = 255
    pixels = np.asarray(Image.open(io.BytesIO(thumbnail(cyan, "CMYK").data)).convert("RGB"))
    assert pixels[10, 10].tolist() == [0, 255, 255]


@pytest.mark.parametrize(("place", "shape"), [((300, 900), (400, 1000)), ((0, 0), (400, 1000)), ((5, 7), (20, 30))])
def test_the_worst_window_has_the_greatest_error(place: tuple[int, int], shape: tuple[int, int]) -> None:
    original = _RNG.integers(0, 50, (*shape, 3), np.uint8)
    decoded = original.copy()
    decoded[:10, shape[1] // 2] += 2
    decoded[place] += 200
    rows, columns = worst_window(original, decoded, 64)
    assert rows.start <= place[0] < rows.stop and columns.start <= place[1] < columns.stop
    assert original[rows, columns].shape[:2] == (min(64, shape[0]), min(64, shape[1]))


def test_one_bit_is_black_and_white_on_a_page() -> None:
    bits = _RNG.integers(0, 2, (30, 30, 1), np.uint8)
    for picture in (thumbnail(bits, "1", 1), exact(bits, "1", levels_of(bits, 1)), *exact_pair(bits, bits, "1", 1)):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.data)))[:, :, 0], bits[:, :, 0] * 255)


def test_eight_and_twelve_bits_in_sixteen_are_no_black_pictures() -> None:
    for bits in (8, 12, 16):
        samples = _RNG.integers(0, 1 << bits, (30, 30, 3)).astype(np.uint16)
        shown = np.asarray(Image.open(io.BytesIO(thumbnail(samples, "RGB", bits).data)))
        assert (shown.min(), shown.max()) == (0, 255)
    white = np.full((30, 30, 1), 65535, np.uint16)
    assert np.asarray(Image.open(io.BytesIO(thumbnail(white).data))).min() == 255
