"""Detectors take whatever pictures there are, and say of each what its kind promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.findings.finding import BLANK, KINDS, SHALLOW
from tilepress.pipeline.findings.inks import light_of_inks
from tilepress.pipeline.findings.inspect import inspect

GRAY = TileSpec(96, 80, 1, "uint8", 8, "gray")


def kinds(pixels: np.ndarray, bits: int, lossy_format: bool = False) -> set[str]:
    return {finding.kind for finding in inspect(pixels, bits, lossy_format=lossy_format)}


@st.composite
def pictures(draw) -> tuple[np.ndarray, int]:
    """Pictures of any kind, with noise, ramps or nothing in them, and the bits of their samples."""
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    bits = draw(st.integers(1, 8 * np.dtype(dtype).itemsize))
    shape = draw(st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = sorted(draw(st.tuples(*[st.integers(0, (1 << bits) - 1)] * 2)))
    made = rng.integers(low, high + 1, shape)
    if draw(st.booleans()):
        made = np.sort(made, axis=draw(st.integers(0, 1)))
    return made.astype(dtype)[..., 0 if draw(st.booleans()) else slice(None)], bits


@settings(max_examples=40, deadline=None)
@given(pictures(), st.booleans())
def test_any_picture_has_findings_of_known_kinds_with_finite_values(made, lossy_format):
    found = inspect(*made, lossy_format=lossy_format)
    assert all(finding.kind in KINDS and np.isfinite(finding.value) and finding.detail for finding in found)
    assert len({finding.kind for finding in found}) == len(found)
    assert found == inspect(np.asfortranarray(made[0]), made[1], lossy_format=lossy_format)


@pytest.mark.parametrize(
    ("pixels", "bits"),
    [
        (np.zeros((0, 5, 3), np.uint8), 8),
        (np.zeros((5, 5), np.int16), 8),
        (np.zeros((5, 5), np.uint8), 9),
        (np.zeros((5, 5), np.uint16), 0),
        (np.zeros(5, np.uint8), 8),
    ],
)
def test_what_is_no_picture_is_refused(pixels, bits):
    with pytest.raises(ValueError, match="no"):
        inspect(pixels, bits, lossy_format=False)


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16), (np.uint16, 12)])
def test_a_picture_of_one_value_is_blank_and_nothing_else(dtype, bits):
    noise = np.random.default_rng(1).integers(-1, 2, (300, 200, 3))
    assert kinds((noise + 100).astype(dtype), bits) == {BLANK}
    assert kinds(np.full((1, 1), 7, dtype), bits) == {BLANK}


def test_a_page_with_a_word_on_it_is_not_blank():
    page = np.full((3000, 2000), 255, np.uint8)
    page[1100:1140, 300:900] = 0
    assert BLANK not in kinds(page, 8)


@pytest.mark.parametrize("stretch", [lambda x: x * 257, lambda x: x << 8, lambda x: x * 13 + 2000])
def test_8_bits_in_16_are_found_however_they_were_stretched(stretch):
    wide = stretch(picture(GRAY)[0].astype(np.uint16))
    (found,) = [each for each in inspect(wide, 16, lossy_format=False) if each.kind == SHALLOW]
    assert 6 <= found.value <= 8


def test_8_bits_through_a_curve_are_found_in_16():
    curve = np.rint((np.arange(256) / 255) ** 2.2 * 65535).astype(np.uint16)
    assert SHALLOW in kinds(curve[picture(GRAY)[0]], 16)


@pytest.mark.parametrize(("bits", "spec"), [(16, TileSpec(96, 80, 1, "uint16", 16, "gray")), (8, GRAY)])
def test_all_bits_in_use_are_no_finding(bits, spec):
    assert SHALLOW not in kinds(picture(spec)[0], bits)


def test_few_bits_in_8_are_found_and_drawings_of_few_colours_are_not():
    assert SHALLOW in kinds(picture(GRAY)[0] >> 3 << 3, 8)
    assert SHALLOW not in kinds(np.random.default_rng(2).choice([0, 80, 255], (90, 90)).astype(np.uint8), 8)


def blobs(shape: tuple[int, int], count: int) -> np.ndarray:
    """A label map: every pixel has the number of the nearest of some points."""
    rng = np.random.default_rng(4)
    points = rng.uniform(0, 1, (count, 2)) * shape
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.argmin([(y - py) ** 2 + (x - px) ** 2 for py, px in points], axis=0)


@pytest.mark.parametrize(
    ("pixels", "bits"),
    [
        (blobs((200, 300), 2), 1),
        (np.minimum(blobs((200, 300), 5), 2) * 255 // 2, 8),
        (blobs((200, 300), 40), 8),
        (blobs((200, 300), 40) * 5, 8),
        (np.minimum(blobs((200, 300), 200), 90), 16),
        (blobs((400, 300), 9) % 2, 1),
    ],
)
def test_bits_classes_and_labels_are_no_photograph_to_judge(pixels, bits):
    assert kinds(pixels.astype(np.uint16 if bits > 8 else np.uint8), bits) == set()


def test_the_sample_of_one_bit_is_no_finding():
    name = Path(__file__).parents[3] / "infra/samples/images/gray/horse-1bit.png"
    assert kinds(np.asarray(Image.open(name)).astype(np.uint8), 1) == set()


def test_inks_are_judged_by_the_light_that_they_leave():
    black_only = np.zeros((96, 80, 4), np.uint8)
    black_only[:, :, 3] = 255 - picture(GRAY)[0][:, :, 0]
    light = light_of_inks(black_only, 8)
    assert np.array_equal(light, np.repeat(picture(GRAY)[0], 3, axis=2)) and kinds(light, 8) == kinds(
        picture(GRAY)[0], 8
    )
    assert light_of_inks(np.array([[[0, 65535, 0, 0]]], np.uint16), 16).tolist() == [[[65535, 0, 65535]]]
