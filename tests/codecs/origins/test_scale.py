"""Origin `scale`: enlarged by whole factors, cropped anywhere."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.support.origins.made_pictures import RGB, made_of, photo, spec_of, without_origin
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.scale import Scale

RULE = Scale()


@pytest.mark.parametrize("factors", [(2, 2), (1, 3), (16, 1), (5, 7)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_opencv_enlarged_is_found_at_any_phase(factors: tuple[int, int], dtype: type) -> None:
    small = photo(spec_of(np.zeros((40, 38, 3), dtype)))
    large = cv2.resize(small, None, fx=factors[1], fy=factors[0], interpolation=cv2.INTER_NEAREST)
    for top, left in ((0, 0), (1, 3), (factors[0], 2 * factors[1] - 1)):
        cropped = np.ascontiguousarray(large[top : large.shape[0] - top // 2, left:])
        (plane,) = made_of(RULE, cropped, spec_of(cropped)).planes
        expected = small[top // factors[0] : -(-(large.shape[0] - top // 2) // factors[0]), left // factors[1] :]
        assert np.array_equal(plane, expected)


def test_palette_entries_may_be_repeated() -> None:
    entries = np.random.default_rng(0).integers(0, 9, (60, 50, 1)).astype(np.uint8)
    large = entries.repeat(3, axis=0).repeat(3, axis=1)
    spec = replace(spec_of(large), colour="indexed")
    recovered = made_of(RULE, large, spec)
    assert np.array_equal(recovered.planes[0], entries)
    assert RULE.plane_specs(recovered.facts, spec)[0].colour == "indexed"
    assert RULE.describe(recovered) == "enlarged 3 x 3"


def test_blocks_larger_than_the_largest_factor_are_divided() -> None:
    large = photo(replace(RGB, height=20, width=20)).repeat(40, axis=0).repeat(34, axis=1)
    (plane,) = made_of(RULE, large, spec_of(large)).planes
    assert plane.shape == (20 * 4, 20 * 17, 3)  # 40 is 4 times 10, 34 is 17 times 2


def test_pictures_that_were_not_enlarged_and_flat_ones_have_no_such_origin() -> None:
    flat = np.full(RGB.shape, 7, np.uint8)
    edge = flat.copy()
    edge[:, 64:] = 9
    for pixels in [*without_origin(), flat, edge, edge[:1], edge[:, :1]]:
        assert RULE.detect(pixels, spec_of(pixels)) is None


def test_a_sample_that_deceives_costs_nothing_but_time() -> None:
    large = photo(RGB).repeat(2, axis=0).repeat(2, axis=1)
    guess = RULE.detect(large, spec_of(large))
    large[101, 101] ^= 1
    assert guess is not None
    assert RULE.invert(large, spec_of(large), guess) is None


@pytest.mark.parametrize(
    "facts", [b"", b"\x01\x02\x00\x02", b"\x01\x01\x00\x01\x00", b"\x01\x02\x02\x01\x00", b"\x01\x11\0\x01\0"]
)
def test_facts_that_nobody_writes_are_refused(facts: bytes) -> None:
    with pytest.raises(StreamError):
        RULE.plane_specs(facts, RGB)
