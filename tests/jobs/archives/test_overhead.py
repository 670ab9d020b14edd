"""What an archive takes besides the payload: at most 1 % and 300 bytes an image."""

from __future__ import annotations

from pathlib import Path

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, noise

IMAGES = 1000
KINDS = {"jpegxl": "pixels in one tile", "jpeg": "transcoded JPEGs", "file": "kept files"}


def small_file(method: str, number: int) -> bytes:
    """A file that is held by this method."""
    if method == "jpeg":
        return encoded(image_of("RGB", 96, 88, seed=number), "JPEG", quality=90)
    if method == "file":
        return noise(5, 20, 1, seed=number).tobytes()
    return encoded(image_of("L", 32, 32, seed=number), "TIFF")


@pytest.mark.parametrize(
    "method", [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "jpegxl"), id=KINDS[kind]) for kind in KINDS]
)
def test_a_thousand_small_images_cost_300_bytes_each(method: str, tmp_path: Path) -> None:
    for number in range(IMAGES):
        path = tmp_path / f"source/{number % 10}/image-{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small_file(method, number))
    local = {"engine": "local", "workers": 1}
    report = tilepress.compress(str(tmp_path / "source"), str(tmp_path / "a"), effort=1, **local)
    payload = report.summary.bytes_out.total()
    total = sum(path.stat().st_size for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert report.summary.images[method] > 0.7 * IMAGES, "the files of this test are not what it wants"
    assert total <= 1.01 * payload + 300 * IMAGES, f"{(total - payload) / IMAGES:.0f} bytes an image"
