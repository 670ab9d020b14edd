"""Layers in integers: as fine as their bounds allow, with weights of as many bits as asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import FLOAT32_BOUND, FLOAT64_BOUND
from tilepress.codecs.learned.networks import SYNTHESIS, plan, plan_restoration
from tilepress.jobs.recipes.export.integer_layer import Bounds, with_fraction, with_shifts
from tilepress.jobs.recipes.export.synthesis import factors, folds


def layer(seed: int, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, biases, and how far inputs reach."""
    rng = np.random.default_rng(seed)
    spread = scale * 2.0 ** rng.uniform(-6, 0, (6, 1, 1, 1))
    return rng.normal(0, spread, (6, 5, 3, 3)), rng.normal(0, 20, 6), rng.integers(1, 256, 5).astype(float)


@given(seed=st.integers(0, 999), bits=st.sampled_from([8, 16]), scale=st.sampled_from([0.01, 1.0, 9.0]))
@settings(max_examples=60)
def test_every_output_is_as_fine_as_bits_and_bounds_allow(seed: int, bits: int, scale: float) -> None:
    weight, bias, reach = layer(seed, scale)
    found = with_shifts(weight, bias, reach, Bounds(FLOAT32_BOUND, bits))
    assert found is not None
    whole, offset, shift = found
    assert whole.dtype == np.dtype(f"int{bits}") and offset.dtype == np.int32 and shift.dtype == np.int8
    most = (1 << (bits - 1)) - 1
    assert np.abs(whole.astype(int)).max() <= most
    sums = (np.abs(whole.astype(int)).sum(axis=(2, 3)) * reach).sum(axis=1) + np.abs(offset)
    assert (sums < FLOAT32_BOUND).all()
    units = 2.0 ** shift.astype(float)
    assert np.abs(whole / units[:, None, None, None] - weight).max() * units.min() <= 0.5
    half = (1 << shift.astype(int)) >> 1
    np.testing.assert_allclose((offset - half) / units, bias, atol=0.5 / units.min())
    finer = 2 * np.abs(weight).reshape(6, -1).max(axis=1) * units
    full = (np.abs(weight).sum(axis=(2, 3)) * reach).sum(axis=1) + np.abs(bias) + 0.5
    assert ((finer > most - 1) | (2 * full * units > 0.99 * FLOAT32_BOUND) | (shift == 20)).all()


def test_a_layer_that_no_shift_helps_is_none() -> None:
    one, bias = np.ones((1, 1, 1, 1)), np.zeros(1)
    assert with_shifts(one * 128, bias, np.ones(1), Bounds(FLOAT64_BOUND, 8)) is None
    assert with_shifts(one * 127, bias, np.ones(1), Bounds(FLOAT64_BOUND, 8)) is not None
    assert with_shifts(one, bias, np.full(1, FLOAT32_BOUND), Bounds(FLOAT32_BOUND, 16)) is None


@pytest.mark.parametrize("bits", [8, 16])
def test_results_that_are_not_shifted_come_of_weights_of_16_bits(bits: int) -> None:
    weight, bias, reach = layer(1, 0.01)
    fraction, found = with_fraction(weight, bias, reach, Bounds(FLOAT32_BOUND, bits))
    assert fraction == 16 and found is not None
    assert found[0].dtype == np.int16 and not found[2].any()
    np.testing.assert_array_equal(found[0], np.rint(weight * 2.0**16))
    fewer, _ = with_fraction(100 * weight, bias, reach, Bounds(FLOAT32_BOUND, bits))
    assert 10 <= fewer < 16
    assert with_fraction(1e6 * weight, bias, reach, Bounds(FLOAT32_BOUND, bits)) == (0, None)


def test_what_is_folded_and_shuffled_is_counted_for_the_layer_that_it_concerns() -> None:
    network = plan_restoration(
        ["conv 64 1", "relu", "shuffle 4", "conv 8 3", "relu", "unshuffle 2", "beside 4 3", "conv 8 1", "relu",
         "unshuffle 2", "conv 4 1"], 12,
    )  # fmt: skip
    assert folds(network) == [1, 1, 4, 1, 4]
    assert factors(network) == [4, 1, 1, 1, 0]


@pytest.mark.parametrize(
    "operations",
    [["conv 4 1", "conv 4 1"], ["conv 4 1", "relu"], ["conv 16 1", "shuffle 2", "relu", "conv 4 1"],
     ["shuffle 2", "conv 4 1"]],
)  # fmt: skip
def test_layers_that_are_not_exported_are_a_model_error(operations: list[str]) -> None:
    with pytest.raises(ModelError):
        factors(plan(operations, 12, SYNTHESIS))
