"""An audited collection, its archives, and how tests read what an audit wrote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, noise, write_tree
from tilepress import compress
from tilepress.pipeline.storage.base import open_storage

CAMERA = {271: "Nikon", 272: "Nikon D1", 306: "2024:05:01 12:00:00"}


def photo(seed: int, **fields: Any) -> bytes:
    """A small PNG file, with EXIF fields by their tags."""
    exif = Image.Exif()
    exif.update({int(tag): value for tag, value in fields.items()})
    return encoded(image_of("RGB", 60, 80, seed=seed), "PNG", exif=exif)


def table(out: Path | str, name: str = "images.parquet") -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(open_storage(str(out)).read(name))).to_pylist()


def by_path(out: Path | str) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in table(out)}


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two folders, one with a camera, two of the same pixels, a text, and a torn file."""
    folder = tmp_path_factory.mktemp("audit") / "source"
    whole = encoded(image_of("RGB", 90, 70, seed=5), "PNG")
    files = {
        "2023/a.png": encoded(image_of("RGB", 60, 80, seed=1), "PNG"),
        "2023/again.png": encoded(image_of("RGB", 60, 80, seed=1), "PNG", compress_level=1),
        "2024/camera.png": photo(2, **{str(tag): value for tag, value in CAMERA.items()}),
        "2024/large.png": encoded(image_of("RGB", 170, 165, seed=3), "PNG"),
        "blank.png": encoded(Image.fromarray(np.full((64, 64), 200, np.uint8)), "PNG"),
        "noise.jpg": encoded(Image.fromarray(noise(64, 64, 3)), "JPEG", quality=60),
        "notes.txt": b"not an image\n" * 3,
        "torn.png": whole[: len(whole) // 2],
    }
    write_tree(folder, files)
    return folder


@pytest.fixture(scope="session")
def exact(shots: Path) -> Path:
    """An archive of it, exact to the pixel."""
    compress(str(shots), str(shots.parent / "exact.tp"), **ONE)
    return shots.parent / "exact.tp"


@pytest.fixture(scope="session")
def lossy(shots: Path) -> Path:
    """A lossy archive of it."""
    compress(str(shots), str(shots.parent / "lossy.tp"), codec="jpeg", quality=60, fidelity="lossy", **ONE)
    return shots.parent / "lossy.tp"
