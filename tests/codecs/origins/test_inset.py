"""Origin `inset`: of a picture that was a JPEG in a part, the part is found to the pixel, and stored as that JPEG."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.support.origins.jpegs import decoded_photo, jpeg_of, pillow_decoded, rough_photo
from tests.support.origins.made_pictures import GRAY, RGB, photo, spec_of, without_origin
from tests.support.origins.rule_samples import page_with
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Recovered
from tilepress.codecs.origins.chain import pack_steps, reproduce
from tilepress.codecs.origins.inset.blocks import find_blocks
from tilepress.codecs.origins.inset.region import find_region
from tilepress.codecs.origins.inset.rule import Inset, part_of
from tilepress.codecs.origins.jpeg.rule import Jpeg
from tilepress.codecs.origins.recover import recover
from tilepress.codecs.origins.rectangle import Rectangle

RULE = Inset()
PART = replace(RGB, height=150, width=133)  # cuts blocks
ORIGINAL = jpeg_of(rough_photo(PART), 85, "4:2:0")


def small() -> np.ndarray:
    return pillow_decoded(ORIGINAL)


def captioned() -> np.ndarray:
    """With some lines below it, in colours that are no JPEG's."""
    return np.concatenate([small(), photo(replace(PART, height=40))])


def padded() -> np.ndarray:
    return np.pad(small(), ((0, 0), (9, 8), (0, 0)))


def on_a_gray_page() -> np.ndarray:
    """Letters up to its edges, whose gray any JPEG may have."""
    page = page_with(small(), 31, 45)
    page[(page == (201, 33, 90)).all(axis=2)] = 90
    return page


def beside_a_photograph() -> np.ndarray:
    return np.concatenate([photo(replace(PART, width=90)), small()], axis=1)


def found(pixels: np.ndarray) -> Recovered:
    """What the rule finds; AssertionError if it finds nothing."""
    spec = spec_of(pixels)
    guess = RULE.detect(pixels, spec)
    assert guess is not None
    recovered = RULE.invert(pixels, spec, guess)
    assert recovered is not None
    return recovered


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: page_with(small(), 31, 45), Rectangle(31, 45, 150, 133)),
        (on_a_gray_page, Rectangle(31, 45, 150, 133)),
        (captioned, Rectangle(0, 0, 150, 133)),
        (padded, Rectangle(0, 9, 150, 133)),
        (beside_a_photograph, Rectangle(0, 90, 150, 133)),
    ],
)
def test_the_part_is_found_to_the_pixel(make: Callable[[], np.ndarray], expected: Rectangle) -> None:
    pixels = make()
    recovered = found(pixels)
    assert part_of(recovered.facts) == expected
    made = RULE.apply(recovered, spec_of(pixels))
    assert (made != pixels).any(axis=2).mean() < 0.005
    assert len(recovered.file) < 1.05 * len(ORIGINAL)
    place = f"133 x 150 at {expected.x}, {expected.y}"
    assert RULE.describe(recovered) == f"JPEG in part, quality 85, 4:2:0, libjpeg-turbo, {place}"
    (left,) = recovered.planes
    outside = np.ones(pixels.shape[:2], bool)
    outside[expected.place] = False
    assert np.array_equal(left[outside], pixels[outside])
    assert len(np.unique(left[expected.place].reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("make", [lambda: page_with(small(), 31, 45), captioned, padded, beside_a_photograph])
def test_the_part_is_taken_where_it_is_smaller_than_all(make: Callable[[], np.ndarray]) -> None:
    pixels = make()
    chain = recover(pixels, spec_of(pixels))
    assert chain is not None and [step.origin for step in chain.steps] == ["inset"]
    assert np.array_equal(reproduce(chain, spec_of(pixels)), pixels)
    assert len(pack_steps(chain.steps)) < 1500


def test_all_of_a_picture_is_no_part_of_it() -> None:
    pixels = decoded_photo(PART, 90)
    region = find_region(pixels)
    assert region is not None and region.whole and find_blocks(pixels) is None
    chain = recover(pixels, spec_of(pixels))
    assert chain is not None and [step.origin for step in chain.steps] == ["jpeg"]


@pytest.mark.parametrize("quality", [75, 92])
def test_of_gray_pictures_the_part_is_found_whose_blocks_lie_on_one_grid(quality: int) -> None:
    part = decoded_photo(replace(GRAY, height=150, width=163), quality)
    other = photo(replace(GRAY, height=150, width=61), seed=3)
    for pixels, expected in (
        (np.concatenate([other, part], axis=1), Rectangle(0, 61, 150, 163)),
        (np.concatenate([part, other[:44].repeat(3, axis=1)[:, :163]]), Rectangle(0, 0, 150, 163)),
        (np.ascontiguousarray(page_with(part.repeat(3, axis=2), 31, 19)[:, :, 1:2]), Rectangle(31, 19, 150, 163)),
    ):
        recovered = found(pixels)
        assert part_of(recovered.facts) == expected
        assert (RULE.apply(recovered, spec_of(pixels)) != pixels).mean() < 0.005
    assert find_blocks(part) is None


def test_of_jpegs_beside_each_other_the_largest_is_found() -> None:
    """Their grids differ: one begins where the other ends, within a block, which is seen as it is darker."""
    other = pillow_decoded(jpeg_of(rough_photo(replace(PART, width=70), seed=5) // 3, 60, "4:4:4"))
    pixels = np.concatenate([small(), other], axis=1)
    recovered = found(pixels)
    assert part_of(recovered.facts) == Rectangle(0, 0, 150, 133)
    assert RULE.describe(recovered).startswith("JPEG in part, quality 85, 4:2:0")


@pytest.mark.parametrize("quality", [75, 95])
def test_a_jpeg_with_a_white_margin_is_one_jpeg(quality: int) -> None:
    """Nothing but gray and white is around the part that has colours: ringing, and blocks that an edge cuts."""
    original = page_with(rough_photo(replace(PART, height=90)), 37, 42)
    gray = (original.min(axis=2) > 250) | (original.max(axis=2) < 60)
    gray[30:150, 40:180] = True
    pixels = pillow_decoded(jpeg_of(np.where(gray[:, :, None], original, 255).astype(np.uint8), quality, "4:2:0"))
    chain = recover(pixels, spec_of(pixels))
    assert chain is not None and [step.origin for step in chain.steps] == ["jpeg"]
    assert np.array_equal(reproduce(chain, spec_of(pixels)), pixels)


def test_of_jpegs_on_one_grid_the_steps_tell_which_is_which() -> None:
    left = pillow_decoded(jpeg_of(rough_photo(replace(PART, width=136)), 85, "4:2:0"))
    right = pillow_decoded(jpeg_of(rough_photo(replace(PART, width=80), seed=5), 60, "4:4:4"))
    recovered = found(np.concatenate([left, right], axis=1))
    assert part_of(recovered.facts) == Rectangle(0, 0, 150, 136)
    assert RULE.describe(recovered).startswith("JPEG in part, quality 85, 4:2:0")


def test_pictures_in_which_no_part_was_a_jpeg_are_left_alone() -> None:
    page = page_with(photo(PART), 20, 30)
    for pixels in (page, *without_origin()):
        assert RULE.detect(pixels, spec_of(pixels)) is None
    assert find_region(page) is None


def test_facts_are_laid_out_as_the_format_says() -> None:
    facts = found(page_with(small(), 31, 45)).facts
    assert facts == b"\1" + struct.pack("<4I", 31, 45, 150, 133) + b"\1\0\0\0\0"


@pytest.mark.parametrize(
    "forged",
    [
        b"\2" + struct.pack("<4I", 31, 45, 150, 133),
        b"\1" + struct.pack("<4I", 31, 45, 150, 0),
        b"\1" + struct.pack("<4I", 71, 45, 150, 133),
        b"\1" + struct.pack("<4I", 31, 2**32 - 1, 150, 133),
        b"\1" + struct.pack("<4I", 31, 45, 151, 133),
    ],
)
def test_forged_facts_are_refused(forged: bytes) -> None:
    pixels = page_with(small(), 31, 45)
    recovered, spec = found(pixels), spec_of(pixels)
    for facts in (forged + recovered.facts[-5:], forged, forged + b"\1\0\0\0"):
        with pytest.raises(StreamError):
            RULE.apply(replace(recovered, facts=facts), spec)
    with pytest.raises(StreamError):
        RULE.plane_specs(recovered.facts, replace(spec, channels=4))


def test_shades_of_a_wall_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours of one tint are such as YCbCr gives, wherever a camera saw them; a search would take seconds."""
    monkeypatch.setattr(Jpeg, "invert", lambda *_: pytest.fail("it is searched"))
    luma = np.linspace(60, 200, 120)[:, None] + np.random.default_rng(4).normal(0, 3, (120, 130))
    tint = np.array([91881 * 13, -22554 * -8 - 46802 * 13, 116130 * -8])  # of Cb 120, Cr 141, as libjpeg adds it
    wall = np.rint(luma).astype(np.int64)[:, :, None] + ((tint + (1 << 15)) >> 16)
    pixels = photo(replace(PART, height=200, width=240)).copy()
    pixels[31:151, 45:175] = wall
    region = find_region(pixels)
    assert region is not None and region.part.height >= 100 and region.part.width >= 100, "colours alone tell of one"
    assert RULE.invert(pixels, spec_of(pixels), Guess(RULE.id, 1.0)) is None
