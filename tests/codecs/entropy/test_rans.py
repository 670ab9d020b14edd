"""rANS: what is written comes back, costs what the tables say, and hostile bytes are bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.codecs.entropy import rans
from tilepress.codecs.errors import ModelError, StreamError


def tables_of(seed: int, count: int, symbols: int) -> rans.Tables:
    """Tables as uneven as exponential counts make them."""
    counts = np.random.default_rng(seed).exponential(1, (count, symbols)) ** 4 * 1000
    return rans.Tables.from_cdf(rans.frequencies(counts.astype(np.int64)))


@given(data=st.data())
@settings(max_examples=60)
def test_any_values_come_back_under_any_tables(data: st.DataObject) -> None:
    tables = tables_of(data.draw(st.integers(0, 99)), data.draw(st.integers(1, 9)), data.draw(st.integers(2, 300)))
    small, large = st.integers(0, tables.escape + 3), st.integers(0, 2**31 - 1)
    values = np.array(data.draw(st.lists(small | large, max_size=200)), np.int64)
    contexts = np.random.default_rng(len(values)).integers(0, len(tables.cdf), len(values))
    stream = rans.encode(values, contexts, tables)
    np.testing.assert_array_equal(rans.decode(stream, contexts, tables), values)


def test_the_length_is_the_entropy_under_the_tables() -> None:
    tables = tables_of(1, 4, 40)
    rng = np.random.default_rng(2)
    contexts = rng.integers(0, 4, 50_000)
    masses = np.diff(tables.cdf.astype(np.int64), axis=1) / rans.TOTAL
    masses[:, -1] = 0
    values = np.array([rng.choice(40, p=masses[c] / masses[c].sum()) for c in contexts[:5000]])
    bits = -np.log2(masses[contexts[:5000], values]).sum()
    stream = rans.encode(values, contexts[:5000], tables)
    assert bits / 8 <= len(stream) <= bits / 8 * 1.001 + 8


def test_almost_certain_symbols_cost_almost_nothing() -> None:
    tables = rans.Tables.from_cdf(rans.frequencies(np.array([[10**9, 0]])))
    stream = rans.encode(np.zeros(100_000, np.int64), np.zeros(100_000, np.int64), tables)
    assert len(stream) < 12


def test_the_format_is_frozen() -> None:
    """The bytes of version 1: an archive written today must be readable for ever."""
    tables = rans.Tables.from_cdf(np.array([[0, 20000, 30000, 32000, 32768], [0, 1, 2, 3, 32768]], np.uint16))
    values = np.array([0, 1, 2, 3, 4, 1000, 2**31 - 1, 0, 0, 1, 5, 0])
    contexts = np.array([0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0])
    expected = "b1c2272caf7ea925ecfff87f007e61b42288"
    assert rans.encode(values, contexts, tables).hex() == expected
    np.testing.assert_array_equal(rans.decode(bytes.fromhex(expected), contexts, tables), values)


@given(cut=st.integers(0, 2000))
@settings(max_examples=50)
def test_a_truncated_stream_is_a_stream_error(cut: int) -> None:
    tables = tables_of(3, 2, 30)
    values = np.random.default_rng(4).integers(0, 40, 3000)
    contexts = values % 2
    stream = rans.encode(values, contexts, tables)
    with pytest.raises(StreamError):
        rans.decode(stream[: min(cut, len(stream) - 1)], contexts, tables)


@given(junk=st.binary(max_size=300), seed=st.integers(0, 9))
@settings(max_examples=150)
def test_hostile_bytes_give_bounded_values_or_a_stream_error(junk: bytes, seed: int) -> None:
    tables = tables_of(seed, 3, 5 + 50 * seed)
    contexts = np.random.default_rng(seed).integers(0, 3, 1000)
    try:
        values = rans.decode(junk, contexts, tables)
    except StreamError:
        return
    assert values.shape == contexts.shape
    assert values.min() >= 0
    assert values.max() < 2**33


@pytest.mark.parametrize(
    "cdf",
    [
        np.array([[0, 100, 32767]], np.uint16),
        np.array([[1, 100, 32768]], np.uint16),
        np.array([[0, 100, 100, 32768]], np.uint16),
        np.array([[0, 200, 100, 32768]], np.uint16),
        np.array([[0, 32768]], np.uint16),
        np.array([0, 100, 32768], np.uint16),
        np.array([[0, 100, 32768]], np.int32),
        np.zeros((0, 3), np.uint16),
    ],
)
def test_tables_that_could_lead_out_of_bounds_are_refused(cdf: np.ndarray) -> None:
    with pytest.raises(ModelError):
        rans.Tables.from_cdf(cdf)


@given(seed=st.integers(0, 99), symbols=st.integers(2, 400))
@settings(max_examples=30)
def test_frequencies_leave_every_symbol_codable_and_follow_the_counts(seed: int, symbols: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 10**9, (3, symbols))
    counts[1] = 0
    masses = np.diff(rans.frequencies(counts).astype(np.int64), axis=1)
    assert masses.min() >= 1
    assert (masses.sum(axis=1) == rans.TOTAL).all()
    wanted = counts[0] * (rans.TOTAL - symbols) / counts[0].sum()
    others = np.arange(symbols) != masses[0].argmax()  # the largest takes what rounding left
    assert np.abs(masses[0] - wanted - 0.5)[others].max() <= 1


def test_values_and_contexts_out_of_range_are_refused() -> None:
    tables = tables_of(0, 2, 8)
    for values, contexts in (([-1], [0]), ([2**31], [0]), ([1], [2]), ([1], [-1]), ([1, 2], [0])):
        with pytest.raises(ValueError, match=r"values|context"):
            rans.encode(np.array(values), np.array(contexts), tables)
