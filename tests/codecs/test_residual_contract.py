"""What every residual coder of the registry promises, whatever the base; new ones are found by themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from tests.support.tile_samples import (
    CONTENTS,
    KINDS,
    SIZES,
    assert_valid_or_stream_error,
    damaged,
    resealed,
    spec_of,
    tiles_of,
)
from tilepress.codecs import registry
from tilepress.codecs.codec import ResidualCoder, TileSpec
from tilepress.codecs.errors import StreamError

every_residual = pytest.mark.parametrize("residual_id", list(registry.RESIDUALS))
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def residual_of(residual_id: str) -> ResidualCoder:
    return registry.load_residual(residual_id)


def bases_of(tile: np.ndarray, spec: TileSpec) -> list[np.ndarray]:
    """Bases that are perfect, close, useless and constant."""
    noise = np.random.default_rng(5).integers(-3, 4, tile.shape)
    near = np.clip(tile.astype(np.int64) + noise, 0, spec.maximum).astype(spec.dtype)
    return [
        tile,
        near,
        tiles_of(spec, "noise", seed=9)[0],
        np.zeros_like(tile),
        np.full_like(tile, spec.maximum),
    ]


@every_residual
@every_kind
def test_a_residual_restores_every_kind_of_tile(residual_id: str, kind: str) -> None:
    coder, spec = residual_of(residual_id), spec_of(kind)
    for content in CONTENTS:
        tile = tiles_of(spec, content)[0]
        for base in bases_of(tile, spec):
            np.testing.assert_array_equal(coder.decode(coder.encode(tile, base, spec), base, spec), tile)


@every_residual
@pytest.mark.parametrize("size", [*SIZES, pytest.param((512, 512), marks=pytest.mark.slow)], ids=str)
def test_a_residual_restores_tiles_of_any_size(residual_id: str, size: tuple[int, int]) -> None:
    coder, spec = residual_of(residual_id), spec_of("rgb", *size)
    tile = tiles_of(spec, "gradient")[0]
    for base in bases_of(tile, spec)[1:3]:
        np.testing.assert_array_equal(coder.decode(coder.encode(tile, base, spec), base, spec), tile)


@every_residual
def test_damaged_residuals_raise_stream_error_and_forged_ones_no_other(residual_id: str) -> None:
    coder, rng = residual_of(residual_id), np.random.default_rng(3)
    for kind in ("gray", "rgb", "16-bit gray"):
        spec = spec_of(kind)
        tile = tiles_of(spec, "gradient")[0]
        base = bases_of(tile, spec)[1]
        data = coder.encode(tile, base, spec)
        for bad in damaged(data, rng):
            with pytest.raises(StreamError):
                coder.decode(bad, base, spec)
        for bad in resealed(data, rng):
            assert_valid_or_stream_error(lambda bad=bad, b=base, s=spec: coder.decode(bad, b, s), spec)


@every_residual
def test_one_residual_coder_may_be_used_from_four_threads_at_once(residual_id: str) -> None:
    coder, spec = residual_of(residual_id), spec_of("rgb", 60, 50)
    tiles = tiles_of(spec, "noise", count=8)
    base = tiles_of(spec, "gradient")[0]
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(lambda tile: coder.encode(tile, base, spec), tiles))
        decoded = list(pool.map(lambda data: coder.decode(data, base, spec), streams))
    np.testing.assert_array_equal(np.stack(decoded), tiles)
