"""Fixtures of the training tests: a recipe of seconds, and photographs for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.make_collection import picture

RECIPE = "family: test-tiny\nsteps: 40\nbatch_size: 4\ncrop: 32\nlr: 0.01\nvalidate_every: 10\ncheckpoint_every: 10\n"


@pytest.fixture(autouse=True)
def _one_thread(plugin) -> Iterator[None]:
    """The recipe and codec `test-tiny`; threads of so small a network only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("photos") / "photos"
    folder.mkdir()
    for n in range(6):
        Image.fromarray(picture(64, 80, 3, seed=n)).save(folder / f"{n}.png")
    return str(folder)


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return str(path)
