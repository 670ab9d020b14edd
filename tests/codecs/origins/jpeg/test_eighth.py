"""Pictures at an eighth of their sides: each pixel stands where it does in the picture, however that was turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.chain import Step, eighth
from tilepress.codecs.origins.jpeg.eighth import eighth_of, mean_eighth
from tilepress.codecs.origins.jpeg.facts import TRANSPOSED, Facts, turned

SIDES = 64, 88


def jpeg(height: int, width: int) -> np.ndarray:
    """What a JPEG decodes to: uint8 (h, w, 3), every pixel another one."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([3 * y + x, y + 2 * x, 250 - 2 * x]).astype(np.uint8)


def shrinking(decoded: np.ndarray, asked: list[int]) -> Callable[[int], np.ndarray]:
    """What gives a JPEG at 1/8 or 1/1, and notes which was asked for."""

    def shrunk(factor: int) -> np.ndarray:
        asked.append(factor)
        return mean_eighth(decoded) if factor == 8 else decoded

    return shrunk


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 0), (0, 5), (7, 15), (8, 8)])
@pytest.mark.parametrize("odd", [0, 5])
def test_a_pixel_is_the_mean_of_what_it_stands_for(turn: int, top: int, left: int, odd: int) -> None:
    decoded, asked = jpeg(SIDES[0] + top, SIDES[1] + left + odd), list[int]()
    picture = turned(decoded[top:, left:], turn)
    spec = TileSpec(*picture.shape, "uint8", 8, "rgb")
    small = eighth_of(shrinking(decoded, asked), Facts(0, turn, top, left).pack(), spec)
    np.testing.assert_array_equal(small, mean_eighth(picture))
    if (top, left) in ((0, 0), (8, 8)) and (not odd or turn == 0):
        assert asked == [8], "blocks are its pixels"


def test_gray_is_spread_over_the_channels_and_rules_of_single_pixels_follow() -> None:
    decoded = jpeg(*SIDES)[:, :, :1]
    step = Step("jpeg", Facts(0, TRANSPOSED, 0, 0).pack(), b"exceptions")
    spec = TileSpec(88, 64, 3, "uint8", 8, "rgb")
    upright = mean_eighth(decoded).transpose(1, 0, 2).repeat(3, axis=2)
    np.testing.assert_array_equal(eighth((step,), shrinking(decoded, []), spec), upright)
    deep = replace(spec, dtype="uint16", bit_depth=16)
    steps = (Step("planes", b"\1\1\0\0", b""), Step("depth", b"\1\2\x08", b""), step)
    np.testing.assert_array_equal(eighth(steps, shrinking(decoded, []), deep), upright.astype(np.uint16) * 257)


def test_where_pixels_are_not_made_one_by_one_there_is_none() -> None:
    decoded, spec = shrinking(jpeg(30, 30), []), TileSpec(60, 60, 3, "uint8", 8, "rgb")
    scale = Step("scale", b"\1\2\0\2\0", b"")
    assert eighth((scale, Step("jpeg", Facts(0, 0, 0, 0).pack(), b"")), decoded, spec) is None
    assert eighth((scale,), decoded, spec) is None


@pytest.mark.parametrize(("shape", "channels"), [((72, 88, 3), 3), ((56, 88, 3), 3), ((64, 88, 3), 1)])
def test_a_jpeg_of_another_size_is_refused(shape: tuple[int, int, int], channels: int) -> None:
    spec = TileSpec(*SIDES, channels, "uint8", 8, "rgb" if channels == 3 else "gray")
    with pytest.raises(StreamError):
        eighth_of(shrinking(np.zeros(shape, np.uint8), []), Facts(0, 0, 0, 0).pack(), spec)
    with pytest.raises(StreamError):
        eighth_of(shrinking(np.zeros(shape, np.uint8), []), Facts(0, 0, 1, 0).pack(), spec)


def test_means_at_the_edges_are_of_what_is_there() -> None:
    samples = np.arange(9 * 17, dtype=np.uint16).reshape(9, 17, 1)
    small = mean_eighth(samples)[:, :, 0]
    assert small.shape == (2, 3) and small[1, 2] == samples[8, 16, 0]
    assert small[0, 0] == np.floor(samples[:8, :8].mean() + 0.5)
