"""Origin `demosaic`: pictures that OpenCV interpolated from a Bayer mosaic."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.support.origins.made_pictures import RGB, made_of, photo, spec_of, without_origin
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.chain import Step, plane_specs, reproduce
from tilepress.codecs.origins.demosaic.interpolation import Pattern
from tilepress.codecs.origins.demosaic.rule import Demosaic
from tilepress.codecs.origins.demosaic.split import EIGHTHS, Layout, joined, split
from tilepress.codecs.origins.recover import recover

RULE = Demosaic()
PATTERNS = ("RGGB", "GRBG", "BGGR", "GBRG")
CODES = {  # OpenCV names patterns by the second row and column
    "bilinear": (cv2.COLOR_BayerBG2RGB, cv2.COLOR_BayerGB2RGB, cv2.COLOR_BayerRG2RGB, cv2.COLOR_BayerGR2RGB),
    "edge-aware": (
        cv2.COLOR_BayerBG2RGB_EA,
        cv2.COLOR_BayerGB2RGB_EA,
        cv2.COLOR_BayerRG2RGB_EA,
        cv2.COLOR_BayerGR2RGB_EA,
    ),
}
every_method = pytest.mark.parametrize("method", CODES)


def mosaic_of(pattern: str, pixels: np.ndarray) -> np.ndarray:
    """What a sensor of such a pattern sees of a scene (h, w, 3)."""
    mosaic = np.empty(pixels.shape[:2], pixels.dtype)
    for place, letter in enumerate(pattern):
        at = np.s_[place // 2 :: 2, place % 2 :: 2]
        mosaic[at] = pixels[..., "RGB".index(letter)][at]
    return mosaic


def interpolated(pixels: np.ndarray, pattern: str, method: str = "bilinear") -> np.ndarray:
    """A scene as OpenCV gives it back from its mosaic."""
    return cv2.cvtColor(mosaic_of(pattern, pixels), CODES[method][PATTERNS.index(pattern)])


@every_method
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 16), ("uint16", 12)])
@pytest.mark.parametrize("size", [(64, 50), (51, 64), (49, 65)])
def test_what_opencv_interpolated_is_found(
    method: str, pattern: str, dtype: str, bits: int, size: tuple[int, int]
) -> None:
    spec = replace(RGB, height=size[0], width=size[1], dtype=dtype, bit_depth=bits)  # type: ignore[arg-type]
    mosaic = mosaic_of(pattern, photo(spec))
    recovered = made_of(RULE, interpolated(photo(spec), pattern, method), spec)
    red = pattern.index("R")
    layout = Layout(bool(recovered.facts[4]), (recovered.facts[5], recovered.facts[6]))
    found = joined(*recovered.planes, Pattern(red // 2, red % 2), layout, spec.maximum)[: size[0], : size[1]]
    assert np.array_equal(found[1:-1, 1:-1], mosaic[1:-1, 1:-1])
    assert RULE.describe(recovered) == f"{method} Bayer {pattern}"


@pytest.mark.parametrize("crop", [np.s_[1:, :], np.s_[:-1, 3:], np.s_[5:-4, 2:-7]])
def test_cropped_and_turned_pictures_are_found(crop: tuple[slice, slice]) -> None:
    picture = interpolated(photo(RGB), "GBRG")[crop]
    for turned in (picture, np.rot90(picture), picture[::-1], picture[:, ::-1].swapaxes(0, 1)):
        pixels = np.ascontiguousarray(turned)
        made_of(RULE, pixels, spec_of(pixels))


@every_method
def test_extremes_are_interpolated_from_some_mosaic_too(method: str) -> None:
    """Of noise between black and white nothing in the frame is as it was, and all of it gives the same."""
    noise = np.random.default_rng(1).choice(np.array([0, 1, 254, 255], np.uint8), RGB.shape)
    made_of(RULE, interpolated(noise, "RGGB", method), RGB)


def test_pixels_that_were_changed_are_left_to_exceptions() -> None:
    picture = interpolated(photo(RGB), "RGGB")
    picture[60:64, 70:80] = 255
    guess = RULE.detect(picture, RGB)
    assert guess is not None
    recovered = RULE.invert(picture, RGB, guess)
    assert recovered is not None
    wrong = (RULE.apply(recovered, RGB) != picture).any(axis=2)
    assert wrong.sum() < 100 and not wrong[:58].any()


def test_a_mosaic_is_worth_it_and_ends_its_chain() -> None:
    picture = interpolated(photo(RGB), "RGGB")
    chain = recover(picture, RGB)
    assert chain is not None and [step.origin for step in chain.steps] == ["demosaic"]
    assert np.array_equal(reproduce(chain, RGB), picture)
    with pytest.raises(StreamError, match="more or less than one plane"):
        plane_specs((*chain.steps, Step("scale", b"\1\2\0\2\0", b"")), RGB)


def test_pictures_that_were_not_interpolated_have_no_such_origin() -> None:
    ramp = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)[..., None].repeat(3, axis=2)
    smooth = cv2.blur(photo(RGB), (5, 5))
    for pixels in [*without_origin(), ramp, smooth]:
        assert RULE.detect(pixels, spec_of(pixels)) is None


@pytest.mark.parametrize("pattern", [Pattern(y, x) for y in (0, 1) for x in (0, 1)])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_every_layout_gives_the_mosaic_back(pattern: Pattern, bits: int) -> None:
    maximum = (1 << bits) - 1
    noise = np.random.default_rng(bits).integers(0, maximum + 1, (14, 22)).astype(np.uint8 if bits == 8 else np.uint16)
    for rows_apart in (False, True):
        for weights in ((0, EIGHTHS), (3, 5)):
            layout = Layout(rows_apart, weights)
            planes = split(noise, pattern, layout, maximum)
            assert tuple(plane.shape for plane in planes) == layout.shapes(14, 22)
            assert np.array_equal(joined(*planes, pattern, layout, maximum), noise)


def test_green_is_taken_off_only_where_it_foretells_something() -> None:
    noise = np.random.default_rng(2).normal(128, 200, RGB.shape)
    pixels = np.clip(cv2.GaussianBlur(noise, None, 1.5), 0, 255).astype(np.uint8)
    pixels[..., 0] = pixels[..., 1]
    recovered = made_of(RULE, interpolated(pixels, "RGGB"), RGB)
    assert recovered.facts[5] == EIGHTHS and recovered.facts[6] == 0


def test_facts_that_nobody_writes_are_refused() -> None:
    assert RULE.plane_specs(b"\1\1\3\x0f\0\0\0", RGB)[1].shape == (70, 66, 2)
    wrong = (b"", b"\1\1\0\0\0\0", b"\2\1\0\0\0\0\0", b"\1\3\0\0\0\0\0", b"\1\1\4\0\0\0\0")
    for facts in (*wrong, b"\1\1\0\x10\0\0\0", b"\1\1\0\0\2\0\0", b"\1\1\0\0\0\x09\0", b"\1\1\0\0\0\0\x09"):
        with pytest.raises(StreamError):
            RULE.plane_specs(facts, RGB)
    for spec in (replace(RGB, height=5), replace(RGB, channels=4), replace(RGB, channels=1, colour="gray")):
        with pytest.raises(StreamError):
            RULE.plane_specs(b"\1\1\0\0\0\0\0", spec)
