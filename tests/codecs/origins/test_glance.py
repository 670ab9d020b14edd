"""Glances, by which most pictures are left alone: they miss nothing that closer looks find, and load no kernel."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.origins.jpegs import decoded_photo
from tests.support.origins.made_pictures import GRAY, RGB, photo, spec_of, without_origin
from tilepress.codecs.origins.demosaic.look import may_be_mosaic
from tilepress.codecs.origins.jpeg.search.grid import find_grid
from tilepress.codecs.origins.ycc.colours import COLOURS, EXACT_SWSCALE, JFIF
from tilepress.codecs.origins.ycc.finer import fine_chroma, make_fine_colours
from tilepress.codecs.origins.ycc.finer_filters import filters, parameters
from tilepress.codecs.origins.ycc.finer_glance import WINDOW, lively_windows, may_be_interpolated
from tilepress.codecs.origins.ycc.glance import likely_conversions
from tilepress.codecs.origins.ycc.sampling import FINE, Axis, Sampling
from tilepress.codecs.origins.ycc.upsampling import picture_of

ROOT = Path(__file__).parents[3]
SIDE = 140


def converted(number: int, spread: float, seed: int) -> np.ndarray:
    """Luma of all levels and chroma about gray, converted: (140, 140, 3)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    u, v = (np.clip(rng.normal(middle, spread, (SIDE, SIDE)), 0, 255).astype(np.uint8) for middle in (140, 132))
    out = np.empty((SIDE, SIDE, 3), np.uint8)
    picture_of(y, u, v, COLOURS[number], out)
    return out


@pytest.mark.parametrize("number", COLOURS)
def test_the_conversion_of_a_picture_is_always_likely(number: int) -> None:
    for seed in range(20):
        pixels = converted(number, 6 + 3 * seed, seed)
        assert number in likely_conversions(pixels, spec_of(pixels), grays=bool(seed % 2))


def test_of_other_pictures_none_is_likely_nor_of_too_few_colours() -> None:
    pictures = [pixels for pixels in without_origin() if pixels.dtype == np.uint8 and pixels.shape[2] == 3]
    for pixels in [*pictures, *(photo(RGB, seed) for seed in range(20))]:
        assert not likely_conversions(pixels, spec_of(pixels), grays=False)
    few = converted(JFIF, 20, 0)[:1, :50].repeat(SIDE, axis=0)
    assert not likely_conversions(few, spec_of(few), grays=True)


def test_grays_count_where_they_are_asked_for() -> None:
    pixels = photo(GRAY).repeat(3, axis=2)
    pixels[::12, ::12, 0] ^= 1
    assert JFIF in likely_conversions(pixels, spec_of(pixels), grays=True)
    assert not likely_conversions(pixels, spec_of(pixels), grays=False)


def interpolated(number: int, sampling: Sampling, clipped: float) -> np.ndarray:
    """A window of lively chroma as swscale interpolates it, some channels of which are 255: (48, 48, 3)."""
    rng = np.random.default_rng(number)
    y = cv2.GaussianBlur(rng.integers(60, 200, (WINDOW, WINDOW)).astype(np.uint8), (3, 3), 0)
    shape = sampling.shape(WINDOW, WINDOW)
    u, v = (cv2.GaussianBlur(rng.integers(60, 200, shape).astype(np.uint8), (5, 5), 0) for _ in range(2))
    vertical, horizontal = filters(sampling, WINDOW, WINDOW)
    out = np.empty((WINDOW, WINDOW, 3), np.uint8)
    fine = fine_chroma(u, vertical, horizontal), fine_chroma(v, vertical, horizontal)
    make_fine_colours(y, *fine, parameters(number), out)
    out[rng.random((WINDOW, WINDOW)) < clipped, 0] = 255
    return out


@pytest.mark.parametrize("number", EXACT_SWSCALE)
@pytest.mark.parametrize("kind", FINE)
def test_interpolated_chroma_is_seen_as_such(kind: int, number: int) -> None:
    for phase in (0, 1):
        half = Axis(half=True, phase=phase)
        for vertical in (Axis(), half):
            for clipped in (0, 0.02, 0.3):
                assert may_be_interpolated(interpolated(number, Sampling(kind, vertical, half), clipped))


def test_other_chroma_is_not() -> None:
    seen = 0
    for seed in range(20):
        windows = lively_windows(photo(RGB, seed))
        assert all(window.shape == (WINDOW, WINDOW, 3) for window in windows)
        assert not windows or not may_be_interpolated(windows[0])
        seen += len(windows)
    assert seen >= 20
    assert lively_windows(photo(GRAY).repeat(3, axis=2)) == lively_windows(photo(RGB)[:40]) == []


@pytest.mark.parametrize("kind", ["BG", "GR", "BG2RGB_EA"])
def test_a_mosaic_is_seen_as_such(kind: str) -> None:
    code = getattr(cv2, f"COLOR_Bayer{kind if '2' in kind else f'{kind}2RGB'}")
    for seed in range(5):
        assert may_be_mosaic(cv2.cvtColor(photo(GRAY, seed)[:, :, 0], code), 69)
        assert not may_be_mosaic(photo(RGB, seed), 69)


@pytest.mark.parametrize("top", range(0, 8, 3))
@pytest.mark.parametrize("left", range(0, 8, 3))
def test_the_grid_of_a_jpeg_is_found_wherever_it_begins(top: int, left: int) -> None:
    plane = decoded_photo(replace(GRAY, height=200, width=216), 85)[8 - top :, 8 - left :, 0]
    found = find_grid(np.ascontiguousarray(plane), 24)
    assert found is not None and found[:2] == (top, left) and found[2] > 0.7


def test_where_there_is_none_no_grid_is_found() -> None:
    for plane in (photo(GRAY)[:, :, 0], np.full((99, 99), 7, np.uint8), np.zeros((15, 14), np.uint8)):
        assert find_grid(plane) is None


LOOK = """
import sys
import numpy as np
from PIL import Image
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.origins.recover import recover

for name in sys.argv[1:]:
    pixels = np.atleast_3d(np.asarray(Image.open(name)))
    spec = TileSpec(*pixels.shape, "uint8", 8, "gray" if pixels.shape[2] == 1 else "rgb")
    assert recover(pixels, spec) is None
assert "numba" not in sys.modules
"""


def test_a_picture_without_an_origin_loads_no_kernel(tmp_path: Path) -> None:
    names = [str(ROOT / "infra/samples/images" / name) for name in ("coffee.png", "gray/camera.tif")]
    done = subprocess.run([sys.executable, "-c", LOOK, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
