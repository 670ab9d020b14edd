"""The frozen factorised prior: every latent in range comes back, near its entropy, and damage is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.codecs.entropy import factorized_prior
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior, FactorizedTables, freeze
from tilepress.codecs.errors import ModelError, StreamError

SCALES = (0.05, 0.7, 4.0, 30.0, 900.0)  # of the latents of five channels


def sample(count: int, seed: int = 0) -> np.ndarray:
    """Laplacian latents (channels, count), each channel around its own median."""
    rng = np.random.default_rng(seed)
    return np.rint(np.stack([rng.laplace(7 * i, scale, count) for i, scale in enumerate(SCALES)])).astype(np.int64)


def frozen_for(latents: np.ndarray) -> FactorizedTables:
    low = latents.min(axis=1)
    return freeze(low, [np.bincount(row - first) for row, first in zip(latents, low, strict=True)])


def prior() -> FactorizedPrior:
    return FactorizedPrior(frozen_for(sample(40_000)), len(SCALES))


def entropy(row: np.ndarray) -> float:
    counts = np.bincount(row - row.min())
    share = counts[counts > 0] / len(row)
    return float(-(share * np.log2(share)).sum())


def test_streams_are_within_two_percent_of_the_entropy_of_their_channels() -> None:
    latents = sample(40_000)
    bits = 8 * len(prior().encode(latents.reshape(-1, 200, 200)))
    assert bits < 1.02 * sum(entropy(row) for row in latents) * 40_000


@given(seed=st.integers(0, 999), height=st.integers(0, 9), width=st.integers(1, 9))
@settings(max_examples=50)
def test_any_latents_within_range_come_back(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    coder = prior()
    shape = (len(SCALES), height, width)
    latents = rng.integers(coder.low[:, None, None], coder.high[:, None, None] + 1, shape)
    np.testing.assert_array_equal(coder.decode(coder.encode(latents), height, width), latents)


def test_the_ends_of_the_range_come_back_and_what_lies_beyond_is_refused() -> None:
    coder = prior()
    ends = np.stack([coder.low, coder.high], axis=1)[:, None]
    np.testing.assert_array_equal(coder.decode(coder.encode(ends), 1, 2), ends)
    assert (np.abs(ends).max(axis=(1, 2)) == coder.bounds).all()
    for beyond in (ends + np.array([0, 1]), ends - np.array([1, 0])):
        with pytest.raises(ValueError, match="range"):
            coder.encode(beyond)


def test_a_table_keeps_working_as_a_models_tensors() -> None:
    tensors = frozen_for(sample(500)).tensors("level3")
    coder = FactorizedPrior(FactorizedTables.of(tensors, "level3"), len(SCALES))
    latents = sample(500).reshape(-1, 20, 25)
    np.testing.assert_array_equal(coder.decode(coder.encode(latents), 20, 25), latents)
    for name in tensors:
        with pytest.raises(ModelError):
            FactorizedTables.of({key: array for key, array in tensors.items() if key != name}, "level3")
        with pytest.raises(ModelError):
            FactorizedTables.of({**tensors, name: tensors[name].astype(np.float32)}, "level3")


def test_damaged_streams_give_stream_error_or_latents_within_range() -> None:
    coder, rng = prior(), np.random.default_rng(4)
    good = coder.encode(sample(60).reshape(-1, 6, 10))
    for bad in (b"", good[:3], good[:-2], good + b"\0\0", b"\0" * 40, rng.bytes(400)):
        with pytest.raises(StreamError):
            coder.decode(bad, 6, 10)
    for _ in range(300):
        forged = bytearray(good)
        forged[rng.integers(len(forged))] ^= int(rng.integers(1, 256))
        try:
            latents = coder.decode(bytes(forged), 6, 10)
        except StreamError:
            continue
        assert ((latents >= coder.low[:, None, None]) & (latents <= coder.high[:, None, None])).all()


def test_latents_beyond_the_range_of_their_channel_are_a_stream_error() -> None:
    wide, narrow = frozen_for(sample(4000)), frozen_for(sample(4000))
    narrow = narrow._replace(high=np.maximum(narrow.centre, 3))
    stream = FactorizedPrior(wide, len(SCALES)).encode(sample(60).reshape(-1, 6, 10))
    with pytest.raises(StreamError, match="range"):
        FactorizedPrior(narrow, len(SCALES)).decode(stream, 6, 10)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("cdf", lambda a: a[:-1]),
        ("cdf", lambda a: np.where(np.arange(len(a)) == 1, 0, a).astype(np.uint16)),
        ("sizes", lambda a: a[:-1]),
        ("sizes", lambda a: a + (np.arange(len(a)) == 0)),
        ("sizes", lambda a: np.where(np.arange(len(a)) == 0, 2, a)),
        ("centre", lambda a: a + 10**6),
        ("shift", lambda a: a - 1),
        ("shift", lambda a: a + factorized_prior.MAX_SHIFT + 1),
        ("high", lambda a: a + factorized_prior.MAX_LATENT),
        ("low", lambda a: a - factorized_prior.MAX_LATENT - 1),
        ("low", lambda a: a.astype(np.float64)),
    ],
)
def test_a_model_with_impossible_tables_is_a_model_error(field: str, change) -> None:  # type: ignore[no-untyped-def]
    frozen = frozen_for(sample(4000))
    with pytest.raises(ModelError):
        FactorizedPrior(frozen._replace(**{field: change(getattr(frozen, field))}), len(SCALES))


def test_channels_without_a_single_sample_can_still_be_coded() -> None:
    coder = FactorizedPrior(freeze(np.array([-2, 5]), [np.zeros(5), np.zeros(1)]), 2)
    latents = np.array([[[-2, 2, 0]], [[5, 5, 5]]])
    np.testing.assert_array_equal(coder.decode(coder.encode(latents), 1, 3), latents)
