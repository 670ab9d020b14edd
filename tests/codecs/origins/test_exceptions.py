"""What exceptions promise: the picture comes back, at about what the exceptions are worth; other bytes are refused."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.photo_like import picture
from tests.support.tile_samples import (
    KINDS,
    assert_valid_or_stream_error,
    damaged,
    forged,
    resealed,
    spec_of,
    tiles_of,
)
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.origins.exceptions import pack_exceptions, with_exceptions

MEGAPIXEL = TileSpec(1024, 1024, 3, "uint8", 8, "rgb")
FRAME = 7  # bytes, before the kind
SCATTERED, DIFFERENCES, SAMPLES = 1, 2, 3


def packed(picture: np.ndarray, made: np.ndarray, spec: TileSpec) -> bytes:
    """The exceptions of a picture, which bring it back."""
    kept = made.copy()
    data = pack_exceptions(picture, made, spec)
    back = with_exceptions(made, data, spec)
    np.testing.assert_array_equal(back, picture)
    np.testing.assert_array_equal(made, kept)
    assert back.dtype == picture.dtype
    return data


def changed(made: np.ndarray, share: float, reach: int, spec: TileSpec, seed: int = 0) -> np.ndarray:
    """A picture that differs at a share of the pixels, by at most `reach` modulo the number of values."""
    rng = np.random.default_rng(seed)
    there = rng.random(spec.shape[:2]) < share
    difference = rng.integers(-reach, reach + 1, spec.shape) * there[:, :, None]
    return ((made + difference) & spec.maximum).astype(spec.dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_every_kind_of_picture_comes_back(kind: str, share: float) -> None:
    spec = spec_of(kind, 37, 50)
    made = tiles_of(spec, "noise")[0]
    data = packed(changed(made, share, spec.maximum, spec), made, spec)
    assert (data == b"") == (share == 0)


@given(data=st.data())
@settings(max_examples=100)
def test_pictures_of_any_size_come_back(data: st.DataObject) -> None:
    spec = spec_of(
        data.draw(st.sampled_from(sorted(KINDS))), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    )
    made = tiles_of(
        spec, data.draw(st.sampled_from(["noise", "gradient", "white"])), seed=data.draw(st.integers(0, 9))
    )[0]
    reach = 1 << data.draw(st.integers(0, spec.bit_depth))
    packed(changed(made, data.draw(st.floats(0, 1)), reach, spec, data.draw(st.integers(0, 99))), made, spec)


def test_ten_exceptions_in_a_megapixel_take_less_than_sixty_bytes() -> None:
    made = np.full(MEGAPIXEL.shape, 100, np.uint8)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        differing = made.copy()
        differing[rng.integers(0, 1024, 10), rng.integers(0, 1024, 10)] += rng.integers(1, 3, (10, 3)).astype(np.uint8)
        assert len(packed(differing, made, MEGAPIXEL)) < 60


def test_scattered_exceptions_take_what_they_are_worth() -> None:
    """A place of one in a hundred has 8.1 bits, one of the 27 differences at most 4.8: 5 % more at the most."""
    made = tiles_of(MEGAPIXEL, "noise")[0] | 1
    differing = changed(made, 0.01, 1, MEGAPIXEL)
    count = int((differing != made).any(axis=2).sum())
    assert len(packed(differing, made, MEGAPIXEL)) < 1.05 * count * (8.1 + 4.8) / 8


@pytest.mark.parametrize("made", [0, 128])
def test_where_a_rule_fails_a_region_costs_what_a_lossless_coder_takes_for_it(made: int) -> None:
    """Against JPEG XL of the region alone; the rule may have made anything there."""
    spec = TileSpec(300, 320, 3, "uint8", 8, "rgb")
    region = picture(TileSpec(160, 150, 3, "uint8", 8, "rgb"))[0]
    differing = np.full(spec.shape, made, np.uint8)
    differing[100:260, 33:183] = region
    alone = packed(region, np.zeros_like(region), TileSpec(160, 150, 3, "uint8", 8, "rgb"))
    data = packed(differing, np.full(spec.shape, made, np.uint8), spec)
    assert data[FRAME] in (DIFFERENCES, SAMPLES)
    assert len(data) <= len(alone) + 64


def test_what_differs_little_from_a_made_picture_costs_its_difference() -> None:
    spec = TileSpec(256, 256, 3, "uint8", 8, "rgb")
    made = tiles_of(spec, "noise")[0]
    differing = ((made + np.arange(256)[:, None, None] // 4) & 255).astype(np.uint8)
    data = packed(differing, made, spec)
    assert len(data) < 1000
    assert data[FRAME] == DIFFERENCES


def test_pictures_of_another_kind_are_refused() -> None:
    spec = spec_of("rgb")
    tile = tiles_of(spec, "noise")[0]
    for bad in (tile[:-1], tile.astype(np.uint16)):
        with pytest.raises(UnsupportedError):
            pack_exceptions(tile, bad, spec)
        with pytest.raises(UnsupportedError):
            pack_exceptions(bad, tile, spec)


@cache
def streams() -> list[tuple[bytes, np.ndarray, TileSpec]]:
    """One stream of each kind."""
    spec = spec_of("rgb", 40, 50)
    made = tiles_of(spec, "noise")[0]
    smooth = picture(spec)[0]
    cases = [(changed(made, 0.05, 3, spec), made), ((made + 9) & 255, made), (smooth, made)]
    found = [(pack_exceptions(differing.astype(np.uint8), base, spec), base, spec) for differing, base in cases]
    assert [data[FRAME] for data, _, _ in found] == [SCATTERED, DIFFERENCES, SAMPLES]
    return found


@pytest.mark.parametrize("number", range(3))
def test_damage_is_found(number: int) -> None:
    data, made, spec = streams()[number]
    for bad in damaged(data, np.random.default_rng(1)):
        if bad:
            with pytest.raises(StreamError):
                with_exceptions(made, bad, spec)


@pytest.mark.parametrize("number", range(3))
def test_forged_streams_give_a_picture_or_the_one_error(number: int) -> None:
    data, made, spec = streams()[number]
    for bad in resealed(data, np.random.default_rng(2)):
        assert_valid_or_stream_error(lambda bad=bad: with_exceptions(made, bad, spec), spec)


@given(data=st.data())
@settings(max_examples=100)
def test_forged_bytes_of_any_kind_give_a_picture_or_the_one_error(data: st.DataObject) -> None:
    stream, made, spec = streams()[data.draw(st.integers(0, 2))]
    bad = forged(data, b"OX", stream[FRAME:])
    assert_valid_or_stream_error(lambda: with_exceptions(made, bad, spec), spec)
