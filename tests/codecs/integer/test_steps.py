"""Every step of an integer network equals Python's integers, on every machine, and proves its own bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import DEVICES, assert_network_is_the_same_everywhere
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer import steps
from tilepress.codecs.integer.network import (
    FLOAT32_BOUND,
    FLOAT64_BOUND,
    IntegerLayer,
    IntegerNetwork,
    InverseGdn,
    PixelShuffle,
    PixelUnshuffle,
    Step,
    Upsample,
    prove,
)

from .test_network import convolved


def gdn(rng: np.random.Generator, channels: int, peak: int, shift: int, limit: int) -> InverseGdn:
    gamma = rng.integers(0, peak + 1, (channels, channels))
    return InverseGdn(rng.integers(1, 1 << 20, channels), gamma, shift, np.full(channels, limit))


def normalised(step: InverseGdn, x: np.ndarray) -> np.ndarray:
    """Inverse GDN of (n, c, h, w) in Python's integers."""
    out = np.empty(x.shape, object)
    for n, y, column in np.ndindex(x.shape[0], *x.shape[2:]):
        values = [int(v) for v in x[n, :, y, column]]
        for i, value in enumerate(values):
            total = int(step.beta[i]) + sum(int(g) * v * v for g, v in zip(step.gamma[i], values, strict=True))
            product = (value * math.isqrt(total)) >> step.shift
            out[n, i, y, column] = max(-int(step.limit[i]), min(int(step.limit[i]), product))
    return out.astype(np.int64)


def shuffled(step: PixelShuffle, x: np.ndarray) -> np.ndarray:
    return torch.nn.functional.pixel_shuffle(torch.from_numpy(x), step.factor).numpy()


def upsampled(x: np.ndarray) -> np.ndarray:
    """Bilinear by torch in float64, which is exact here, then rounded half up."""
    y = torch.nn.functional.interpolate(torch.from_numpy(x).double(), scale_factor=2, mode="bilinear")
    return np.floor(y.numpy() + 0.5).astype(np.int64)


def synthesis() -> tuple[list[Step], np.ndarray]:
    """A small synthesis network with every kind of step."""
    rng = np.random.default_rng(11)
    first = IntegerLayer(rng.integers(-90, 91, (32, 6, 3, 3)), rng.integers(-99, 99, 32), 6, -4095, 4095, padding=1)
    last = IntegerLayer(rng.integers(-50, 51, (12, 8, 3, 3)), rng.integers(-99, 99, 12), 3, -999, 999, padding=1)
    return [first, PixelShuffle(2), gdn(rng, 8, 900, 13, 2000), Upsample(), last, PixelShuffle(2)], np.full(6, 300)


def expected(steps: list[Step], x: np.ndarray) -> np.ndarray:
    for step in steps:
        if isinstance(step, IntegerLayer):
            x = convolved(step, x) >> step.shifts[:, None, None]
            x = x if step.low is None else np.clip(x, step.low, step.high)
        elif isinstance(step, PixelShuffle):
            x = shuffled(step, x)
        else:
            x = normalised(step, x) if isinstance(step, InverseGdn) else upsampled(x)
    return x


def test_a_whole_synthesis_is_the_same_over_batches_threads_memory_formats_and_onednn() -> None:
    steps, bounds = synthesis()
    network = IntegerNetwork(steps, bounds)
    assert set(network.needs) == {24, 53}
    x = np.random.default_rng(12).integers(-300, 301, (32, 6, 5, 4))
    wanted = expected(steps, x)
    assert_network_is_the_same_everywhere(network, x, wanted)


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_synthesis(device: str) -> None:
    steps, bounds = synthesis()
    x = np.random.default_rng(13).integers(-300, 301, (2, 6, 9, 7))
    np.testing.assert_array_equal(IntegerNetwork(steps, bounds, device)(x).cpu().numpy(), expected(steps, x))


@given(
    channels=st.sampled_from([1, 3, 24, 40]),
    size=st.sampled_from([(1, 1), (3, 3), (5, 5), (1, 3), (4, 2)]),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    seed=st.integers(0, 999),
)
@settings(max_examples=60)
def test_convolutions_of_any_shape_equal_integer_arithmetic(
    channels: int, size: tuple[int, int], stride: int, padding: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-99, 100, (5, channels, *size))
    shifts = rng.integers(0, 9, 5)
    layer = IntegerLayer(weight, rng.integers(-99, 100, 5), shifts, -500, 500, stride, padding)
    x = rng.integers(-50, 51, (2, channels, 7, 6))
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))[:, :, ::stride, ::stride]
    sums = np.einsum("ncyxij,ocij->noyx", windows, weight) + layer.bias[:, None, None]
    wanted = np.clip(sums >> shifts[:, None, None], -500, 500)
    np.testing.assert_array_equal(IntegerNetwork([layer], np.full(channels, 50))(x).numpy(), wanted)


def test_pictures_larger_than_a_strip_have_no_seams() -> None:
    rng = np.random.default_rng(1)
    for channels in (4, 30):
        layer = IntegerLayer(rng.integers(-9, 10, (3, channels, 5, 5)), rng.integers(-9, 10, 3), padding=2)
        x = rng.integers(-9, 10, (3, channels, 41, 37))
        got = IntegerNetwork([layer], np.full(channels, 9))(x).numpy()
        np.testing.assert_array_equal(got, convolved(layer, x))


def test_a_picture_smaller_than_a_kernel_is_refused() -> None:
    network = IntegerNetwork([IntegerLayer(np.ones((1, 1, 3, 3), int), np.zeros(1, int))], [9])
    with pytest.raises(ValueError, match="smaller"):
        network(np.zeros((1, 1, 3, 2), int))


@given(seed=st.integers(0, 10_000), reach=st.sampled_from([3, 60, 3000]), shift=st.integers(0, 20))
@settings(max_examples=40)
def test_inverse_gdn_equals_integer_arithmetic(seed: int, reach: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    step = gdn(rng, 4, int(rng.integers(0, 1 << 22)), shift, 1 << 22)
    x = rng.integers(-reach, reach + 1, (2, 4, 3, 2))
    np.testing.assert_array_equal(IntegerNetwork([step], np.full(4, reach))(x).numpy(), normalised(step, x))


@pytest.mark.parametrize("error", [-0.99, -0.5, 0.0, 0.5, 0.99])
def test_the_root_is_exact_whatever_the_device_makes_of_it(error: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums around squares up to the bound, and a square root that is wrong by nearly one."""
    root = torch.sqrt
    monkeypatch.setattr(torch, "sqrt", lambda x: (root(x) + error).clamp_min(0))
    whole = [0, 1, 2, 3, 1000, 4095, 4096, (1 << 23) - 1, (1 << 26) - 1]
    sums = sorted({max(r * r + d, 0) for r in whole for d in (-1, 0, 1, 2 * r)})
    assert steps.ROOT_BOUND - 1 in sums
    for total in sums:
        step = InverseGdn(np.array([total]), np.array([[0]]), 0, np.array([1 << 30]))
        assert IntegerNetwork([step], [1])(np.ones((1, 1, 1, 1), int)).item() == math.isqrt(total)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_unshuffling_is_that_of_torch_and_undoes_shuffling(factor: int) -> None:
    x = np.random.default_rng(2).integers(-9, 10, (2, 3, 2 * factor, 5 * factor))
    folded = IntegerNetwork([PixelUnshuffle(factor)], np.full(3, 9))(x)
    wanted = torch.nn.functional.pixel_unshuffle(torch.from_numpy(x), factor)
    np.testing.assert_array_equal(folded.numpy(), wanted.numpy())
    both = [PixelUnshuffle(factor), PixelShuffle(factor)]
    np.testing.assert_array_equal(IntegerNetwork(both, np.full(3, 9))(x).numpy(), x)


def test_a_picture_that_cannot_be_unshuffled_is_refused() -> None:
    with pytest.raises(RuntimeError):
        IntegerNetwork([PixelUnshuffle(2)], [9])(np.zeros((1, 1, 4, 3), int))


def test_bounds_follow_from_step_to_step() -> None:
    bounds = np.array([5, 7, 9, 2], object)
    assert PixelShuffle(2).prove(bounds, 0)[1].tolist() == [9]
    assert PixelUnshuffle(2).prove(bounds[:2], 0)[1].tolist() == [5, 5, 5, 5, 7, 7, 7, 7]
    assert Upsample().prove(bounds, 0)[1].tolist() == bounds.tolist()
    step = InverseGdn(np.full(4, 16), np.zeros((4, 4), int), 1, np.array([99, 99, 3, 99]))
    assert step.prove(bounds, 0)[1].tolist() == [11, 15, 3, 5]
    layer = IntegerLayer(np.ones((2, 4), int), np.zeros(2, int), np.array([0, 3]))
    assert layer.prove(bounds, 0)[1].tolist() == [24, 3]


def test_a_step_takes_float64_as_soon_as_float32_is_not_proven() -> None:
    one, zero = np.array([1]), np.array([[0]])
    for step, top in (
        (PixelShuffle(1), FLOAT32_BOUND - 1),
        (PixelUnshuffle(1), FLOAT32_BOUND - 1),
        (Upsample(), (FLOAT32_BOUND - 9) // 16),
        (InverseGdn(one, zero, 0, one), 4095),
        (InverseGdn(one, np.array([[1]]), 0, one), 4095),
    ):
        assert prove([step], np.array([top])) == [24]
        assert prove([step], np.array([top + 1])) == [53]


@pytest.mark.parametrize(
    ("step", "bounds"),
    [
        (PixelShuffle(2), [1, 1, 1]),
        (PixelShuffle(0), [1]),
        (PixelShuffle(1), [FLOAT64_BOUND]),
        (PixelUnshuffle(0), [1]),
        (PixelUnshuffle(65), [1]),
        (PixelUnshuffle(2), []),
        (PixelUnshuffle(1), [FLOAT64_BOUND]),
        (Upsample(), [1 << 49]),
        (InverseGdn(np.array([1]), np.array([[1]]), 0, np.array([1])), [1 << 26]),
        (InverseGdn(np.array([1 << 51]), np.array([[0]]), 0, np.array([1])), [1 << 28]),
        (InverseGdn(np.array([-1]), np.array([[1]]), 0, np.array([1])), [1]),
        (InverseGdn(np.array([1]), np.array([[-1]]), 0, np.array([1])), [1]),
        (InverseGdn(np.array([1]), np.array([[0.5]]), 0, np.array([1])), [1]),
        (InverseGdn(np.array([1]), np.array([[1]]), 53, np.array([1])), [1]),
        (InverseGdn(np.array([1]), np.array([[1, 1]]), 0, np.array([1])), [1]),
        (InverseGdn(np.array([1]), np.array([[1]]), 0, np.array([1, 1])), [1]),
        (InverseGdn(np.zeros(0, int), np.zeros((0, 0), int), 0, np.zeros(0, int)), []),
        (IntegerLayer(np.array([[1]]), np.array([0]), np.array([1, 2])), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0]), np.array([-1])), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0]), np.array([0.5])), [1]),
    ],
)
def test_what_cannot_be_proven_is_a_model_error(step: Step, bounds: list[int]) -> None:
    with pytest.raises(ModelError):
        IntegerNetwork([step], bounds)
