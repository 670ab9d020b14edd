"""What was done to a picture is found, and nothing else is said of the same picture untouched."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tilepress.pipeline.findings.finding import BLURRED, CLIPPED, JPEG_GRID, UPSCALED, Finding
from tilepress.pipeline.findings.inspect import inspect

COFFEE = np.asarray(
    Image.open(Path(__file__).parents[3] / "infra" / "samples" / "images" / "coffee.png").convert("RGB")
)
SIZE = (280, 240)


def untouched() -> np.ndarray:
    """A photograph with noise, as cameras have it: sharp in every pixel, and no JPEG."""
    picture = np.asarray(Image.fromarray(COFFEE).resize(SIZE, Image.Resampling.BOX)).astype(float)
    noise = np.random.default_rng(1).normal(0, 2, picture.shape)
    return np.clip(np.rint(20 + picture * 0.8 + noise), 0, 255).astype(np.uint8)


def found(pixels: np.ndarray, lossy_format: bool = False) -> dict[str, Finding]:
    return {finding.kind: finding for finding in inspect(pixels, 8, lossy_format=lossy_format)}


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def test_of_an_untouched_picture_there_is_nothing_to_say() -> None:
    assert found(untouched()) == {}
    assert inspect(untouched()[..., 1], 8, lossy_format=False) == []
    assert inspect(untouched().astype(np.uint16) * 4 + 1, 10, lossy_format=False)[0].kind == "shallow"


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
@pytest.mark.parametrize("cut", [0, 3])
def test_pixels_of_a_jpeg_are_known_by_their_grid_and_where_it_begins(quality: int, cut: int) -> None:
    finding = found(jpeg(untouched(), quality)[cut:, 2 * cut :])[JPEG_GRID]
    assert finding.value > 0.3
    assert f"column {-2 * cut % 8} and row {-cut % 8}" in finding.detail


def test_the_grid_of_a_jpeg_file_is_no_finding() -> None:
    assert JPEG_GRID not in found(jpeg(untouched(), 75), lossy_format=True)


@pytest.mark.parametrize("factor", [1.5, 2, 3])
@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_interpolated_pictures_are_found_with_their_factor_and_not_called_blurred(factor: float, how: int) -> None:
    large = np.asarray(Image.fromarray(untouched()).resize(tuple(int(factor * side) for side in SIZE), how))
    findings = found(large)
    named = [findings[UPSCALED].value, *map(float, re.findall(r"likely, ([\d.]+)", findings[UPSCALED].detail))]
    assert min(abs(value / factor - 1) for value in named) < 0.02
    assert BLURRED not in findings


@pytest.mark.parametrize("sigma", [1.5, 3])
def test_blurred_pictures_are_found_and_measured(sigma: float) -> None:
    blurred = np.asarray(Image.fromarray(untouched()).filter(ImageFilter.GaussianBlur(sigma)))
    assert 0.6 * sigma < found(blurred)[BLURRED].value < 1.5 * sigma


def test_a_blurred_background_is_no_finding() -> None:
    picture = np.asarray(Image.fromarray(untouched()).filter(ImageFilter.GaussianBlur(3))).copy()
    picture[64:192, 64:192] = untouched()[64:192, 64:192]
    assert BLURRED not in found(picture)


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_parts_that_were_cut_off_are_found(dark: bool) -> None:
    y, x = np.mgrid[:200, :300]
    scene = 330 * (0.5 + 0.5 * np.sin(x / 40) * np.sin(y / 30)) + np.random.default_rng(1).normal(0, 1, (200, 300))
    pixels = np.clip(scene - (75 if dark else 0), 0, 255).astype(np.uint8)
    assert ("dark" if dark else "light") in found(pixels)[CLIPPED].detail


def test_dark_letters_on_a_white_page_are_not_cut_off() -> None:
    page = np.full((200, 300), 255, np.uint8)
    page[20:180:12, 20:280] = 20
    page[20:180:12, ::7] = 255
    assert CLIPPED not in found(page)
