"""Residual blocks, repeated samples and transposed convolutions in integers are those of torch's floats."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.branches import Beside, Repeat
from tilepress.codecs.integer.layers import IntegerLayer
from tilepress.codecs.integer.network import IntegerNetwork, Step

RNG = np.random.default_rng(4)


def layer(outputs: int, inputs: int, size: int, *, padding: int | None = None, stride: int = 1) -> IntegerLayer:
    weight = RNG.integers(-9, 10, (outputs, inputs, size, size))
    bias = RNG.integers(-99, 100, outputs)
    return IntegerLayer(weight, bias, 0, stride=stride, padding=size // 2 if padding is None else padding)


def run(steps: list[Step], x: np.ndarray) -> np.ndarray:
    return IntegerNetwork(steps, np.abs(x).max(axis=(0, 2, 3)))(x).numpy()


def test_what_goes_in_stands_behind_what_the_convolution_makes() -> None:
    x, conv = RNG.integers(-50, 50, (2, 3, 6, 5)), layer(4, 3, 3)
    joined = run([Beside(conv)], x)
    np.testing.assert_array_equal(joined[:, :4], run([conv], x))
    np.testing.assert_array_equal(joined[:, 4:], x)


def test_beside_and_a_convolution_are_a_residual_block() -> None:
    """relu of one convolution through another, plus a convolution of what went in: as torch adds them in floats."""
    x, inner, outer = RNG.integers(-50, 50, (2, 3, 6, 5)), layer(4, 3, 3), layer(3, 7, 3)
    rectified = IntegerLayer(inner.weight, inner.bias, 0, low=0, high=1 << 20, padding=1)
    kernels = inner.weight, outer.weight[:, :4], outer.weight[:, 4:]
    first, second, skip = (torch.from_numpy(kernel).double() for kernel in kernels)
    seen = torch.from_numpy(x).double()
    hidden = nn.functional.conv2d(seen, first, torch.from_numpy(inner.bias).double(), padding=1).relu()
    wanted = nn.functional.conv2d(hidden, second, torch.from_numpy(outer.bias).double(), padding=1)
    wanted += nn.functional.conv2d(seen, skip, padding=1)
    np.testing.assert_array_equal(run([Beside(rectified), outer], x), wanted.numpy())


def test_samples_are_repeated_as_the_nearest_neighbours_of_torch_are() -> None:
    x = RNG.integers(-50, 50, (2, 3, 4, 5))
    wanted = nn.Upsample(scale_factor=3, mode="nearest")(torch.from_numpy(x).double())
    np.testing.assert_array_equal(run([Repeat(3)], x), wanted.numpy())


def test_a_transposed_convolution_of_stride_1_is_a_convolution_with_its_kernel_turned() -> None:
    x, conv = RNG.integers(-50, 50, (2, 3, 6, 5)), layer(4, 3, 3)
    transposed = nn.ConvTranspose2d(3, 4, 3, padding=1).double()
    with torch.no_grad():
        transposed.weight.copy_(torch.from_numpy(np.flip(conv.weight, (2, 3)).swapaxes(0, 1).copy()))
        transposed.bias.copy_(torch.from_numpy(conv.bias))
        np.testing.assert_array_equal(run([conv], x), transposed(torch.from_numpy(x).double()).numpy())


def test_batch_normalisation_and_relu_commute_with_repeating_samples() -> None:
    torch.manual_seed(1)
    x, norm = torch.randn(2, 3, 4, 5), nn.BatchNorm2d(3)
    norm(torch.randn(9, 3, 4, 5))
    repeat = nn.Upsample(scale_factor=2, mode="nearest")
    torch.testing.assert_close(norm.eval()(repeat(x)).relu(), repeat(norm(x).relu()), rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [layer(4, 3, 3, padding=0), layer(4, 3, 3, stride=2), layer(4, 2, 3)])
def test_what_does_not_fit_beside_is_refused(wrong: IntegerLayer) -> None:
    with pytest.raises(ModelError):
        Beside(wrong).prove(np.array([5, 5, 5], dtype=object), 0)


def test_bounds_count_what_is_passed_on() -> None:
    bits, reach = Beside(layer(2, 1, 1)).prove(np.array([1 << 25], dtype=object), 0)
    assert bits == 53 and reach[-1] == 1 << 25
    with pytest.raises(ModelError):
        Repeat(0).prove(np.array([5], dtype=object), 0)
