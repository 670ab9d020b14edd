"""Blocks that a picture's edges cut are found all the same, most of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.jpeg.file.tables import LUMA, standard_table
from tilepress.codecs.jpeg.transform import ISLOW
from tilepress.codecs.origins.jpeg.search.component import Component
from tilepress.codecs.origins.jpeg.search.dct import BASIS_OF_SAMPLE
from tilepress.codecs.origins.jpeg.search.lattice import nearest_points

SIDE = 96


def decoded(table: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks (n, 64) of a picture cut after so many columns of each, as encoders fill them up, and their samples."""
    plane = picture(TileSpec(SIDE, SIDE, 1, "uint8", 8, "gray"), seed=3)[0, :, :, 0]
    blocks = plane.reshape(SIDE // 8, 8, SIDE // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8).astype(np.float64)
    blocks[:, :, columns:] = blocks[:, :, columns - 1 : columns]
    quantised = np.rint((blocks.reshape(-1, 64) - 128) @ BASIS_OF_SAMPLE / table)
    return quantised, np.clip(np.rint((quantised * table) @ BASIS_OF_SAMPLE.T + 128), 0, 255)


@pytest.mark.parametrize(("quality", "columns", "least"), [(50, 4, 0.95), (75, 2, 0.9), (85, 4, 0.9), (90, 6, 0.95)])
def test_what_is_known_of_blocks_is_met(quality: int, columns: int, least: float) -> None:
    table = standard_table(LUMA, quality)
    _, samples = decoded(table, columns)
    known = np.tile(np.arange(8) < columns, 8)
    given = samples.reshape(-1, 8, 8).copy()
    given[:, :, columns:] = given[:, :, columns - 1 : columns]
    points = nearest_points(given.reshape(-1, 64) - 128, known, table, 32)
    assert points.shape == (len(samples), 32, 64)
    made = np.clip(np.rint((points * table) @ BASIS_OF_SAMPLE.T + 128), 0, 255)
    met = (made[:, :, known] == samples[:, None, known]).all(axis=2).any(axis=1)
    assert met.mean() >= least


def test_whole_blocks_are_rounded() -> None:
    table = standard_table(LUMA, 75)
    quantised, samples = decoded(table, 8)
    points = nearest_points(samples - 128, np.ones(64, bool), table, 1)
    assert (points[:, 0] == quantised).all(axis=1).mean() > 0.95


def test_a_component_of_any_size_is_found() -> None:
    table = standard_table(LUMA, 75)
    plane = Component(*_bounds(np.full((20, 21), 128, np.uint8)), ISLOW)
    plane.blocks[:, :, :4] = np.random.default_rng(0).integers(-3, 4, (*plane.blocks.shape[:2], 4))
    samples = plane.own_samples(table)
    found = Component(*_bounds(samples), ISLOW)
    found.solve(table)
    assert found.missed.sum() == 0
    np.testing.assert_array_equal(found.own_samples(table), samples)


def _bounds(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return samples, samples, samples.astype(np.float32)
