"""Origin `depth`: 16 bits that were made from fewer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from tests.support.origins.made_pictures import DEEP, RGB, made_of, photo, spec_of, without_origin
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Recovered
from tilepress.codecs.origins.depth import Depth

RULE = Depth()
NOISE = replace(DEEP, height=200, width=210)


def noise(bits: int) -> np.ndarray:
    """All values of so many bits, as uint16."""
    return np.random.default_rng(bits).integers(0, 1 << bits, NOISE.shape).astype(np.uint16)


@pytest.mark.parametrize("factor", [256, 257])
def test_8_bits_that_opencv_made_16_come_back(factor: int) -> None:
    pixels = photo(RGB)
    deep = cv2.multiply(pixels, (factor,) * 4, dtype=cv2.CV_16U)
    recovered = made_of(RULE, deep, spec_of(deep))
    assert np.array_equal(recovered.planes[0], pixels)
    assert recovered.planes[0].dtype == np.uint8


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_shifted_repeated_and_scaled_bits_come_back(bits: int) -> None:
    few = noise(bits)
    largest = (1 << bits) - 1
    scaled = [int(Fraction(q * 65535, largest) + Fraction(1, 2)) for q in range(largest + 1)]
    made = {
        "in the upper bits of": few << (16 - bits),
        "repeated to": few << (16 - bits) | few >> (2 * bits - 16),
        "scaled to": np.array(scaled, np.uint16)[few],
    }
    for words, deep in made.items():
        recovered = made_of(RULE, deep, NOISE)
        assert np.array_equal(recovered.planes[0], few)
        assert RULE.describe(recovered) == f"{bits} bits {words} 16"


def test_values_of_a_gamma_table_are_numbered() -> None:
    table = np.rint(65535 * (np.arange(1 << 14) / 16383) ** (1 / 2.2)).astype(np.uint16)
    few = noise(14)
    recovered = made_of(RULE, table[few], NOISE)
    assert len(np.unique(recovered.planes[0])) == len(np.unique(table[few]))
    assert recovered.planes[0].max() < 1 << 14
    assert RULE.describe(recovered) == "values of a table of 14 bits"


def test_every_channel_has_a_table_of_its_own_where_a_common_one_would_take_more_bits() -> None:
    few = noise(13)
    tables = [np.sort(np.random.default_rng(c).permutation(60_000)[: 1 << 13]).astype(np.uint16) for c in range(3)]
    deep = np.dstack([table[few[..., c]] for c, table in enumerate(tables)])
    recovered = made_of(RULE, deep, NOISE)
    assert RULE.plane_specs(recovered.facts, NOISE)[0].bit_depth == 13


def test_few_samples_that_do_not_fit_are_left_to_exceptions() -> None:
    deep = noise(12) << 4
    guess = RULE.detect(deep, NOISE)
    deep[100, 100] |= 3
    assert guess is not None
    recovered = RULE.invert(deep, NOISE, guess)
    assert recovered is not None
    assert (RULE.apply(recovered, NOISE) != deep).sum() == 3


def test_pictures_that_use_their_bits_have_no_such_origin() -> None:
    dense = (noise(15) + 1000).astype(np.uint16)  # a range, which coders know how to code
    for pixels in [*without_origin(), noise(16), dense]:
        assert RULE.detect(pixels, spec_of(pixels)) is None
    assert RULE.detect(noise(12), replace(NOISE, bit_depth=12)) is None


def test_facts_and_planes_that_nobody_writes_are_refused() -> None:
    table = made_of(RULE, np.random.default_rng(1).permutation(65536)[:20_000].astype(np.uint16)[noise(14)], NOISE)
    head = table.facts[:3]
    wrong = [b"", b"\x01\x01", b"\x02\x01\x08", b"\x01\x05\x08", b"\x01\x01\x07", b"\x01\x01\x10", b"\x01\x01\x08\x00"]
    wrong += [head, head + b"\x02" + table.facts[4:], table.facts + b"\0", table.facts[:-1]]
    wrong += [head[:2] + b"\x0a" + table.facts[3:]]
    for facts in wrong:
        with pytest.raises(StreamError):
            RULE.plane_specs(facts, NOISE)
    with pytest.raises(StreamError):
        RULE.plane_specs(b"\x01\x01\x08", replace(NOISE, bit_depth=12))
    with pytest.raises(StreamError, match="values"):
        RULE.apply(Recovered(table.facts, (noise(16),)), NOISE)
