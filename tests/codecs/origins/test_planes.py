"""Origin `planes`: gray in RGB, and alpha that is the same everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.origins.made_pictures import GRAY, RGB, made_of, photo, spec_of, without_origin
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.planes import Planes

RULE = Planes()


def test_gray_in_rgb_is_one_plane() -> None:
    gray = photo(GRAY)
    recovered = made_of(RULE, np.repeat(gray, 3, axis=2), RGB)
    assert np.array_equal(recovered.planes[0], gray)
    assert RULE.describe(recovered) == "gray in RGB"


@pytest.mark.parametrize("pixels", [photo(RGB), photo(GRAY), np.repeat(photo(GRAY), 3, axis=2)])
def test_constant_alpha_goes(pixels: np.ndarray) -> None:
    alpha = np.full((*pixels.shape[:2], 1), 200, np.uint8)
    with_alpha = np.dstack([pixels, alpha])
    spec = replace(spec_of(pixels), channels=pixels.shape[2] + 1)
    recovered = made_of(RULE, with_alpha, spec)
    gray = pixels.shape[2] == 1 or (pixels[..., :1] == pixels).all()
    assert np.array_equal(recovered.planes[0], pixels[..., :1] if gray else pixels)
    assert "alpha 200 everywhere" in RULE.describe(recovered)


def test_alpha_that_varies_stays_with_the_gray_plane() -> None:
    both = np.dstack([photo(GRAY), photo(GRAY, seed=1)])
    recovered = made_of(RULE, both[..., [0, 0, 0, 1]], replace(RGB, channels=4))
    assert np.array_equal(recovered.planes[0], both)


def test_pictures_of_several_planes_have_no_such_origin() -> None:
    for pixels in without_origin():
        assert RULE.detect(pixels, spec_of(pixels)) is None


def test_one_pixel_of_colour_is_found_before_anything_is_lost() -> None:
    pixels = np.repeat(photo(GRAY), 3, axis=2)
    guess = RULE.detect(pixels, RGB)
    pixels[77, 33, 1] ^= 1
    assert guess is not None
    assert RULE.invert(pixels, RGB, guess) is None


@pytest.mark.parametrize(
    "facts", [b"", b"\x02\x01\0\0", b"\x01\0\0\0", b"\x01\x02\0\0", b"\x01\x01\x01\0", b"\x01\x05\0\0"]
)
def test_facts_of_other_pictures_are_refused(facts: bytes) -> None:
    with pytest.raises(StreamError):
        RULE.plane_specs(facts, RGB)
