"""Origin `jpeg`: what Pillow decoded is found, and made again of the JPEG, smaller than any coder makes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.origins.jpegs import SUBSAMPLING, decoded_photo, jpeg_of, pillow_decoded, rough_photo
from tests.support.origins.made_pictures import GRAY, RGB, spec_of, without_origin
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import DECODERS
from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header
from tilepress.codecs.origins.base import Recovered
from tilepress.codecs.origins.jpeg.facts import read_facts, turned
from tilepress.codecs.origins.jpeg.rule import Jpeg

RULE = Jpeg()
LARGE = replace(RGB, height=208, width=208)


def found(pixels: np.ndarray) -> Recovered:
    """What the rule finds; AssertionError if it finds nothing."""
    spec = spec_of(pixels)
    guess = RULE.detect(pixels, spec)
    assert guess is not None
    recovered = RULE.invert(pixels, spec, guess)
    assert recovered is not None and recovered.planes == RULE.plane_specs(recovered.facts, spec) == ()
    return recovered


def share_equal(recovered: Recovered, pixels: np.ndarray) -> float:
    """The share of pixels that are made again."""
    made = RULE.apply(recovered, spec_of(pixels))
    assert made.shape == pixels.shape and made.dtype == np.uint8
    return float((made == pixels).all(axis=2).mean())


@pytest.mark.parametrize("sampling", SUBSAMPLING)
@pytest.mark.parametrize("quality", [75, 85, 92, 95])
def test_what_pillow_decoded_comes_back_as_its_jpeg(sampling: str, quality: int) -> None:
    original = jpeg_of(rough_photo(LARGE), quality, sampling)
    pixels = pillow_decoded(original)
    recovered = found(pixels)
    assert RULE.describe(recovered) == f"JPEG, quality {quality}, {sampling}, libjpeg-turbo"
    assert share_equal(recovered, pixels) > 0.99
    assert len(recovered.file) < 1.03 * len(original)
    assert np.array_equal(pillow_decoded(recovered.file), RULE.apply(recovered, spec_of(pixels)))


@pytest.mark.parametrize("quality", [30, 75, 95, 98])
def test_gray_comes_back_too_also_where_three_channels_are_equal(quality: int) -> None:
    pixels = decoded_photo(replace(GRAY, height=200, width=210), quality)
    recovered = found(pixels)
    assert share_equal(recovered, pixels) > 0.99
    assert found(np.repeat(pixels, 3, axis=2)) == recovered
    assert share_equal(recovered, np.repeat(pixels, 3, axis=2)) > 0.99


@pytest.mark.parametrize("top", [0, 3])
def test_cropped_pictures_come_back(top: int) -> None:
    pixels = decoded_photo(LARGE, 75, "4:4:4")
    cropped = np.ascontiguousarray(pixels[top : 190 - top, 5:])
    recovered = found(cropped)
    assert "cropped" in RULE.describe(recovered)
    assert share_equal(recovered, cropped) > 0.9


@pytest.mark.parametrize("turn", range(1, 8))
@pytest.mark.parametrize("sampling", SUBSAMPLING)
def test_turned_and_mirrored_pictures_come_back(sampling: str, turn: int) -> None:
    pixels = turned(decoded_photo(replace(LARGE, height=176), 75, sampling), turn)
    recovered = found(np.ascontiguousarray(pixels))
    assert share_equal(recovered, pixels) > 0.99
    assert sampling in RULE.describe(recovered)


@pytest.mark.parametrize("sampling", SUBSAMPLING)
def test_clipped_pictures_come_back(sampling: str) -> None:
    """Dark and light: an eighth of the pixels have a channel at 0 or 255."""
    pixels = rough_photo(LARGE).astype(np.float32)
    pixels = np.clip((pixels - 128) * 2 + 128, 0, 255).astype(np.uint8)
    decoded = pillow_decoded(jpeg_of(pixels, 85, sampling))
    assert ((decoded == 0) | (decoded == 255)).any(axis=2).mean() > 0.05
    assert share_equal(found(decoded), decoded) > 0.97


@pytest.mark.parametrize("sampling", ["4:2:2", "4:2:0"])
def test_replicated_chroma_is_found(sampling: str) -> None:
    """As merged upsampling makes it, and all decoders that do not interpolate."""
    interpolated = found(decoded_photo(LARGE, 85, sampling))
    pixels = decode(read_blocks_of(read_header(interpolated.file)), DECODERS[1])
    recovered = found(pixels)
    assert "chroma replicated" in RULE.describe(recovered)
    assert share_equal(recovered, pixels) > 0.99


DECODED = [
    (2, "4:4:4"),
    (2, "4:2:0"),
    (3, "4:2:0"),
    (4, "4:4:4"),
    (4, "4:2:2"),
    (4, "4:2:0"),
    (5, "4:2:2"),
    (5, "4:2:0"),
]
DECODED += [(2, "gray"), (4, "gray")]


def decoded_by(number: int, sampling: str, quality: int = 85) -> np.ndarray:
    """What a decoder makes of a picture like a photograph."""
    spec = replace(LARGE, channels=1, colour="gray") if sampling == "gray" else LARGE
    file = found(decoded_photo(spec, quality, "4:4:4" if sampling == "gray" else sampling)).file
    return decode(read_blocks_of(read_header(file)), DECODERS[number])


@pytest.mark.parametrize(("number", "sampling"), DECODED)
def test_what_another_decoder_made_is_found(number: int, sampling: str) -> None:
    pixels = decoded_by(number, sampling)
    recovered = found(pixels)
    assert RULE.describe(recovered) == f"JPEG, quality 85, {sampling}, {DECODERS[number].name}"
    assert read_facts(recovered.facts).decoder == number
    assert share_equal(recovered, pixels) > 0.99


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
def test_strong_colours_tell_libjpeg_9_from_those_before(sampling: str) -> None:
    """One in five hundred is another one: the last bit of a constant of green."""
    pixels = rough_photo(LARGE).astype(np.int64)
    pixels[:, :, 2] = np.clip(2 * pixels[:, :, 2] - pixels[:, :, 1] + np.arange(-90, 118), 1, 254)
    file = found(pillow_decoded(jpeg_of(pixels.astype(np.uint8), 85, sampling))).file
    decoded = decode(read_blocks_of(read_header(file)), DECODERS[6])
    assert RULE.describe(found(decoded)).endswith("libjpeg 9a or later")


@pytest.mark.parametrize("number", [2, 4, 5])
@pytest.mark.parametrize("turn", [1, 2, 4, 7])
def test_what_another_decoder_made_is_found_turned(number: int, turn: int) -> None:
    pixels = np.ascontiguousarray(turned(decoded_by(number, "4:2:0"), turn))
    recovered = found(pixels)
    assert DECODERS[number].name in RULE.describe(recovered)
    assert share_equal(recovered, pixels) > 0.99


@pytest.mark.parametrize("number", [4, 5])
def test_what_another_decoder_made_is_found_cropped(number: int) -> None:
    pixels = np.ascontiguousarray(decoded_by(number, "4:2:0")[11:, 5:-6])
    recovered = found(pixels)
    assert DECODERS[number].name in RULE.describe(recovered)
    assert share_equal(recovered, pixels) > 0.9


def test_steps_of_no_standard_are_found() -> None:
    rng = np.random.default_rng(5)
    steps = [[int(step) for step in rng.integers(4, 14, 64)] for _ in range(2)]
    original = jpeg_of(rough_photo(LARGE), 75, "4:4:4", qtables=steps)
    decoded = pillow_decoded(original)
    recovered = found(decoded)
    assert "tables of its own" in RULE.describe(recovered)
    assert share_equal(recovered, decoded) > 0.99
    assert len(recovered.file) < 1.05 * len(original)


def test_pictures_that_no_jpeg_decoder_made_are_left_alone() -> None:
    for pixels in without_origin():
        assert RULE.detect(pixels, spec_of(pixels)) is None


@pytest.mark.parametrize("place", range(5))
def test_forged_facts_are_refused(place: int) -> None:
    pixels = decoded_photo(replace(RGB, height=64, width=64), 75)
    recovered = found(pixels)
    spec = spec_of(pixels)
    forged = bytearray(recovered.facts)
    forged[place] = 200
    for facts in (bytes(forged), recovered.facts[:-1], b""):
        with pytest.raises(StreamError):
            RULE.apply(replace(recovered, facts=facts), spec)


def test_forged_files_are_refused_or_make_another_picture() -> None:
    pixels = decoded_photo(replace(RGB, height=64, width=64), 75, "4:2:0")
    recovered, spec = found(pixels), spec_of(pixels)
    rng = np.random.default_rng(1)
    for _ in range(400):
        forged = bytearray(recovered.file)
        for at in rng.integers(0, len(forged), rng.integers(1, 4)):
            forged[at] = rng.integers(0, 256)
        try:
            made = RULE.apply(replace(recovered, file=bytes(forged[: rng.integers(1, 2 * len(forged))])), spec)
        except StreamError:
            continue
        assert made.shape == spec.shape
    for other in (replace(spec, height=65), TileSpec(64, 64, 1, "uint8", 8, "gray"), replace(spec, dtype="uint16")):
        with pytest.raises(StreamError):
            RULE.apply(recovered, other)
