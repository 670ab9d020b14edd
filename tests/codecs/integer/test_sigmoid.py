"""The table of the logistic function: its values, their distance from ties, and how it runs in a network."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from tests.support.everywhere import DEVICES
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerLayer, IntegerNetwork
from tilepress.codecs.integer.sigmoid import SIGMOID_BITS, SIGMOID_REACH, Sigmoid, sigmoid_table

ONE = 1 << SIGMOID_BITS


def real(t: np.ndarray) -> np.ndarray:
    """2^18 / (1 + e^(-t / 256)) in float64, by numpy."""
    return ONE / (1 + np.exp(-t / 256))


def test_entries_are_nearest_to_the_function_and_far_from_ties() -> None:
    """What any float64 rounds them to, errors of 1e-9 included: the least distance from a tie is 3.6e-4."""
    t = np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1)
    np.testing.assert_array_equal(sigmoid_table(), np.rint(real(t)))
    away = np.abs(real(t) - np.floor(real(t)) - 0.5)
    assert away.min() > 3e-4
    assert not sigmoid_table().flags.writeable


def test_a_few_entries_are_what_they_always_were() -> None:
    places = np.array([-SIGMOID_REACH, -256, -1, 0, 1, 256, SIGMOID_REACH]) + SIGMOID_REACH
    np.testing.assert_array_equal(sigmoid_table()[places], [12, 70501, 130816, 131072, 131328, 191643, 262132])


def test_the_table_does_not_depend_on_the_callers_decimal_context() -> None:
    sigmoid_table.cache_clear()
    with localcontext() as context:
        context.prec = 4
        assert len(str(+Decimal(1) / 3)) == 6
        np.testing.assert_array_equal(sigmoid_table(), np.rint(real(np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1))))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", [1, 8, 17, 18])
def test_a_network_looks_values_up_rounds_them_and_clips_what_lies_beyond(bits: int, device: str) -> None:
    x = np.array([[-(1 << 20), 3], [-700, 0], [81, -2560], [1 << 20, 2561]])
    got = IntegerNetwork([Sigmoid(bits)], [1 << 20, 4000], device)(x).cpu().numpy()
    whole = sigmoid_table()[np.clip(x, -SIGMOID_REACH, SIGMOID_REACH) + SIGMOID_REACH]
    drop = SIGMOID_BITS - bits
    np.testing.assert_array_equal(got, (whole + (1 << drop >> 1)) >> drop)
    assert got.max() <= 1 << bits


def test_sums_beyond_24_bits_are_looked_up_in_float64() -> None:
    layer = IntegerLayer(np.array([[1 << 20]]), np.array([1]))
    network = IntegerNetwork([layer, Sigmoid(8), IntegerLayer(np.array([[-1]]), np.array([0]))], [1 << 10])
    assert network.needs == [53, 53, 24]
    np.testing.assert_array_equal(network(np.array([[-1], [0], [1]])), [[0], [-128], [-256]])


@pytest.mark.parametrize(("bits", "inputs"), [(0, 3), (19, 3), (8, 0)])
def test_what_is_no_logistic_function_is_a_model_error(bits: int, inputs: int) -> None:
    with pytest.raises(ModelError, match="layer 7"):
        Sigmoid(bits).prove(np.full(inputs, 5, dtype=object), 7)
