"""A source, its archive and a certificate, made once; each test has copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree

PNG = encoded(image_of("RGB", 150, 150), "PNG")
FILES = {
    "a/0.png": PNG,
    "a/1.jpg": encoded(image_of("RGB", 150, 150, 1), "JPEG"),
    "a/twin.png": PNG,
    "b/c/small-0.png": encoded(image_of("L", 20, 30, 2), "PNG"),
    "b/c/small-1.png": encoded(image_of("L", 20, 30, 3), "PNG"),
    "b/notes.txt": b"not an image\n" * 40,
    "odd/new\nline.png": encoded(image_of("L", 20, 30, 4), "PNG"),
    "top.txt": b"",
}


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders source, archive and certificate; nobody changes them."""
    folder = tmp_path_factory.mktemp("certified")
    write_tree(folder / "source", FILES)
    assert tilepress.compress(folder / "source", folder / "archive", **ONE).exit_code == 0
    assert tilepress.certify(folder / "archive", out=folder / "certificate", **ONE).exit_code == 0
    return folder


@pytest.fixture
def place(certified: Path, tmp_path: Path) -> Path:
    """Copies of them."""
    shutil.copytree(certified, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"
