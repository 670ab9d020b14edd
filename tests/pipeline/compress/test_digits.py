"""Digits in an archive by rbm-autoencoder: stacks of 28 x 28 pictures are its blocks, one for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilepress
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import load_codec

SIDE, COUNT = 28, 12


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rings of several sizes, white on black, as PNG files."""
    folder = tmp_path_factory.mktemp("digits")
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    for number in range(COUNT):
        ring = np.clip(2.5 - np.abs(np.hypot(y, x * (1 + number / 20)) - 4 - number / 3), 0, 1)
        Image.fromarray(np.rint(255 * ring).astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder


def arrays(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def test_each_digit_of_a_lossy_stack_is_what_its_own_block_decodes_to(digits: Path, tmp_path: Path) -> None:
    tilepress.compress(digits, tmp_path / "a.tp", codec="rbm-autoencoder", fidelity="lossy")
    archive = tilepress.open(str(tmp_path / "a.tp"))
    decoded = np.stack([archive[f"{number:02}.png"].array(preview=True)[..., 0] for number in range(COUNT)])
    codec = load_codec("rbm-autoencoder", Model.load(SHIPPED / "rbm-autoencoder"))
    spec = TileSpec(SIDE, SIDE, 1, "uint8", 8, "gray")
    alone = codec.decode(codec.encode(arrays(digits)[..., None], spec), spec)[..., 0]
    np.testing.assert_array_equal(decoded, alone)


def test_digits_come_back_to_the_bit_or_by_the_view_in_black_and_white(digits: Path, tmp_path: Path) -> None:
    tilepress.compress(digits, tmp_path / "a.tp", codec="rbm-autoencoder", residual="lossless")
    tilepress.restore(tmp_path / "a.tp", tmp_path / "exact")
    tilepress.restore(tmp_path / "a.tp", tmp_path / "seen", view="binary")
    np.testing.assert_array_equal(arrays(tmp_path / "exact"), arrays(digits))
    seen = arrays(tmp_path / "seen")
    assert set(np.unique(seen)) == {0, 255}
    assert np.mean((seen > 127) != (arrays(digits) > 127)) < 0.1
