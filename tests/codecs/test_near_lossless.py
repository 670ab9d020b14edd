"""What every codec and residual coder that takes a bound promises; new ones are found by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tile_samples import CONTENTS, KINDS, spec_of, tiles_of
from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import UnsupportedError

from .test_contract import SUBJECTS, codec_of
from .test_residual_contract import bases_of, residual_of

NEAR = [subject for subject in SUBJECTS if "max_error" in codec_of(subject).options]
every_codec = pytest.mark.parametrize("subject", NEAR)


def test_codecs_that_take_a_bound_are_found() -> None:
    assert {"jpegls", "lossless"} <= set(NEAR)


def photograph(spec: TileSpec) -> np.ndarray:
    """Slopes with noise, of which a bound takes most."""
    slope = tiles_of(spec, "gradient")[0].astype(np.float64)
    noise = np.random.default_rng(3).normal(0, 4 * spec.maximum / 255, spec.shape)
    return np.clip(np.round(slope + noise), 0, spec.maximum).astype(spec.dtype)


def assert_within(codec: Codec, tiles: np.ndarray, spec: TileSpec, bound: int) -> None:
    decoded = codec.decode(codec.encode(tiles, spec, Settings(max_error=bound)), spec)
    assert decoded.dtype == tiles.dtype and decoded.max() <= spec.maximum
    allowed = 0 if spec.colour == "indexed" or spec.bit_depth == 1 else bound
    assert np.abs(decoded.astype(np.int64) - tiles).max() <= allowed


@every_codec
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bound", [0, 1, 2, 7, 127, 128, 255, 256, 65535])
def test_every_sample_of_every_kind_is_within_the_bound(subject: str, kind: str, bound: int) -> None:
    codec, spec = codec_of(subject), spec_of(kind)
    if codec.supports(spec):
        for content in CONTENTS:
            assert_within(codec, tiles_of(spec, content), spec, bound)
        assert_within(codec, photograph(spec)[None], spec, bound)


@every_codec
@given(data=st.data())
@settings(max_examples=40)
def test_tiles_of_any_shape_and_range_are_within_the_bound(subject: str, data: st.DataObject) -> None:
    codec = codec_of(subject)
    kind = data.draw(st.sampled_from([kind for kind in KINDS if codec.supports(spec_of(kind))]))
    spec = spec_of(kind, data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24)))
    tiles = tiles_of(spec, "noise", seed=data.draw(st.integers(0, 99))) >> data.draw(st.integers(0, spec.bit_depth - 1))
    assert_within(codec, tiles, spec, data.draw(st.integers(0, spec.maximum)))


@every_codec
@pytest.mark.parametrize("kind", ["gray", "rgb", "rgba", "16-bit gray", "12-bit gray"])
def test_the_size_falls_as_the_bound_grows(subject: str, kind: str) -> None:
    codec, spec = codec_of(subject), spec_of(kind, 128, 128)
    bounds = [level * (spec.maximum + 1) // 256 for level in (0, 1, 2, 4, 8)]
    tiles = photograph(spec)[None]
    sizes = [len(codec.encode(tiles, spec, Settings(max_error=bound))[0]) for bound in bounds]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.6 * sizes[0]


@every_codec
def test_no_bound_and_a_bound_of_zero_are_lossless_and_the_same(subject: str) -> None:
    codec, spec = codec_of(subject), spec_of("rgb", 40, 40)
    tiles = photograph(spec)[None]
    none, zero = (codec.encode(tiles, spec, Settings(max_error=bound)) for bound in (None, 0))
    assert none == zero and codec.lossless
    np.testing.assert_array_equal(codec.decode(zero, spec), tiles)


@pytest.mark.parametrize("residual_id", registry.RESIDUALS)
@pytest.mark.parametrize("kind", ["gray", "rgba", "4-bit palette", "16-bit gray", "12-bit rgb"])
@pytest.mark.parametrize("bound", [1, 5, 100])
def test_what_a_residual_leads_to_is_within_the_bound_or_it_is_refused(residual_id: str, kind: str, bound: int) -> None:
    coder, spec = residual_of(residual_id), spec_of(kind)
    if not coder.near_lossless:
        tile = tiles_of(spec, "noise")[0]
        with pytest.raises(UnsupportedError):
            coder.encode(tile, tile, spec, bound)
        return
    for content in CONTENTS:
        tile = tiles_of(spec, content)[0]
        for base in bases_of(tile, spec):
            decoded = coder.decode(coder.encode(tile, base, spec, bound), base, spec)
            assert decoded.dtype == tile.dtype and decoded.max() <= spec.maximum
            assert np.abs(decoded.astype(np.int64) - tile).max() <= bound
