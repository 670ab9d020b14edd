"""JPEG files that were saved twice are known; whatever else is given, nothing is raised."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.findings.double_jpeg import inspect_jpeg
from tilepress.pipeline.findings.finding import DOUBLE_JPEG

SAMPLES = Path(__file__).parents[3] / "infra/samples/images"


def photograph(seed: int = 1) -> np.ndarray:
    spec = TileSpec(256, 320, 3, "uint8", 8, "rgb")
    noise = np.random.default_rng(seed).laplace(0, 4, spec.shape)
    return np.clip(np.rint(picture(spec, seed=seed)[0] + noise), 0, 255).astype(np.uint8)


def saved(pixels: np.ndarray, quality: int, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("quality", [40, 50, 60, 75, 85, 90, 95, 98])
@pytest.mark.parametrize("progressive", [False, True])
def test_files_saved_once_are_no_finding(quality: int, progressive: bool) -> None:
    assert inspect_jpeg(saved(photograph(), quality, progressive=progressive)) == []
    assert inspect_jpeg(saved(photograph()[..., 0], quality)) == []


@pytest.mark.parametrize("qualities", [(60, 85), (75, 90), (50, 75), (85, 95)])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_of_pixels_of_a_coarser_file_are_found(qualities: tuple[int, int], channels: int) -> None:
    pixels = photograph() if channels == 3 else photograph()[..., 0]
    (finding,) = inspect_jpeg(saved(opened(saved(pixels, qualities[0])), qualities[1]))
    assert finding.kind == DOUBLE_JPEG and finding.value >= 0.015


def test_files_of_pixels_of_a_finer_file_are_found_with_its_quality() -> None:
    coffee = np.asarray(Image.open(SAMPLES / "coffee.png").convert("RGB"))
    for first, then in ((85, 60), (90, 75), (80, 70)):
        assert inspect_jpeg(saved(coffee, then)) == []
        (finding,) = inspect_jpeg(saved(opened(saved(coffee, first)), then))
        assert finding.kind == DOUBLE_JPEG and f"of quality {first}," in finding.detail


def test_pixels_off_the_grid_of_their_first_file_are_not_double() -> None:
    assert inspect_jpeg(saved(opened(saved(photograph(), 60))[3:, 5:], 85)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 100), st.integers(0, 2**32), st.data())
def test_any_file_damaged_or_not_has_findings_or_none(height, width, quality, seed, data) -> None:
    rng = np.random.default_rng(seed)
    whole = saved(rng.integers(0, 256, (height, width, 3)).astype(np.uint8), quality)
    assert inspect_jpeg(whole) == []  # too small to tell
    hurt = bytearray(whole)
    hurt[data.draw(st.integers(0, len(hurt) - 1))] = data.draw(st.integers(0, 255))
    inspect_jpeg(bytes(hurt))
    assert inspect_jpeg(whole[: data.draw(st.integers(0, len(whole) - 3))]) == []


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_jpeg_file_has_no_findings(data: bytes) -> None:
    assert inspect_jpeg(data) == []
