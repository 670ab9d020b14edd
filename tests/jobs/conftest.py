"""Fixtures of the command tests: collections and archives that are built once and never written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.evaluations import CODECS, QUALITIES
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, make_collection, picture, png16, write_tree
from tilepress import evaluate
from tilepress.jobs.evaluation.evaluate import EvaluateReport


@pytest.fixture(scope="session", autouse=True)
def _no_sync() -> Iterator[None]:
    """Restoring ends with a sync of all disks, which waits for whatever else this machine writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sync", lambda: None)
        yield


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of every kind, junk and nasty names."""
    folder = tmp_path_factory.mktemp("collection") / "source"
    make_collection(folder)
    return folder


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs in colour and gray, one large enough for MS-SSIM, one of 16 bits, a text and a torn file."""
    folder = tmp_path_factory.mktemp("evaluate") / "source"
    whole = encoded(image_of("RGB", 90, 70, seed=5), "PNG")
    files = {
        "a/gray.png": encoded(image_of("L", 60, 80, seed=1), "PNG"),
        "a/large.png": encoded(image_of("RGB", 170, 165, seed=2), "PNG"),
        "colour.png": encoded(image_of("RGB", 60, 80, seed=3), "PNG"),
        "deep.png": png16(1),
        "notes.txt": b"not an image\n",
        "torn.png": whole[: len(whole) // 2],
    }
    write_tree(folder, files)
    return folder


@pytest.fixture(scope="session")
def evaluated(mixed: Path) -> tuple[Path, EvaluateReport]:
    """A finished evaluation, never written to."""
    out = mixed.parent / "done"
    return out, evaluate(str(mixed), str(out), CODECS, qualities=QUALITIES, tile=32, **ONE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Seven RGB and three gray pictures."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    folder.mkdir()
    for n in range(10):
        samples = picture(56, 64, 3 if n < 7 else 1, seed=n)
        Image.fromarray(samples.squeeze()).save(folder / f"{n}.png")
    return str(folder)
