"""Integer networks: the same bits under every setting of the machine, or no network at all."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import DEVICES, assert_network_is_the_same_everywhere, torch_settings
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import FLOAT32_BOUND, FLOAT64_BOUND, IntegerLayer, IntegerNetwork, prove, quantise


def random_layer(rng: np.random.Generator, shape: tuple[int, ...], peak: int, **rest: int) -> IntegerLayer:
    weight = rng.integers(-peak, peak + 1, shape).astype(np.int32)
    return IntegerLayer(weight, rng.integers(-1000, 1001, shape[0]).astype(np.int32), **rest)


def convolutions() -> tuple[list[IntegerLayer], np.ndarray]:
    """Three layers just below the bound of float32, as a synthesis network has them."""
    rng = np.random.default_rng(5)
    layers = [
        random_layer(rng, (16, 8, 3, 3), 120, shift=9, low=0, high=2047, padding=1),
        random_layer(rng, (16, 16, 3, 3), 50, shift=8, low=0, high=2047, padding=1),
        random_layer(rng, (3, 16, 5, 5), 15, shift=4, low=-255, high=255, padding=2, stride=2),
    ]
    return layers, np.full(8, 1500)


def expected(layers: list[IntegerLayer], x: np.ndarray) -> np.ndarray:
    """The same network in Python's integers (int64 numpy), sample by sample."""
    for layer in layers:
        x = convolved(layer, x) if layer.weight.ndim == 4 else x @ layer.weight.T.astype(np.int64) + layer.bias
        x = x >> layer.shift
        if layer.low is not None:
            x = np.clip(x, layer.low, layer.high)
    return x


def convolved(layer: IntegerLayer, x: np.ndarray) -> np.ndarray:
    size, pad, stride = layer.weight.shape[2], layer.padding, layer.stride
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncyxij,ocij->noyx", windows, layer.weight.astype(np.int64)) + layer.bias[:, None, None]


def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn() -> None:
    layers, bounds = convolutions()
    network = IntegerNetwork(layers, bounds)
    assert network.needs == [24, 24, 24]
    x = np.random.default_rng(6).integers(-1500, 1501, (32, 8, 13, 11))
    wanted = expected(layers, x)
    assert_network_is_the_same_everywhere(network, x, wanted)


def test_reduced_precision_asked_for_elsewhere_changes_nothing() -> None:
    layers, bounds = convolutions()
    x = np.random.default_rng(7).integers(-1500, 1501, (4, 8, 9, 9))
    network, wanted = IntegerNetwork(layers, bounds), expected(layers, x)
    for precision in ("highest", "high", "medium"):
        with torch_settings(1, True, precision), torch.autocast("cpu", dtype=torch.bfloat16):
            np.testing.assert_array_equal(network(x).numpy(), wanted)


@pytest.mark.parametrize("place", ["torch.backends", "torch.backends.mkldnn", "torch.backends.mkldnn.matmul"])
def test_float32_is_left_where_products_may_be_reduced(place: str) -> None:
    """In a process of its own: torch does not forget such a setting."""
    code = f"""if True:
        import numpy as np, torch
        from tilepress.codecs.integer import network
        assert network._float32_is_exact(torch.device("cpu"))
        {place}.fp32_precision = "bf16" if "mkldnn" in "{place}" else "tf32"
        assert not network._float32_is_exact(torch.device("cpu"))
        layer = network.IntegerLayer(np.array([[4097, -255]]), np.array([3]))
        y = network.IntegerNetwork([layer], [2049, 4095])(np.array([[2049, 4093]]))
        assert y.item() == 4097 * 2049 - 255 * 4093 + 3
    """
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_bits(device: str) -> None:
    layers, bounds = convolutions()
    x = np.random.default_rng(8).integers(-1500, 1501, (32, 8, 13, 11))
    got = IntegerNetwork(layers, bounds, device)(x).cpu().numpy()
    np.testing.assert_array_equal(got, expected(layers, x))


@given(seed=st.integers(0, 10_000), peak=st.sampled_from([3, 200, 70_000]), shift=st.integers(0, 12))
@settings(max_examples=40)
def test_linear_layers_equal_integer_arithmetic(seed: int, peak: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [
        random_layer(rng, (7, 12), peak, shift=shift, low=0, high=1 << 20),
        random_layer(rng, (5, 7), peak, shift=3),
    ]
    bounds = rng.integers(0, 5000, 12)
    x = rng.integers(-bounds, bounds + 1, (9, 12))
    np.testing.assert_array_equal(IntegerNetwork(layers, bounds)(x).numpy(), expected(layers, x))


def test_sums_at_the_very_bound_are_exact() -> None:
    for bound, need in ((FLOAT32_BOUND, 24), (FLOAT64_BOUND, 53)):
        layer = IntegerLayer(np.array([[1, 1]]), np.array([1]))
        top = bound - 3
        network = IntegerNetwork([layer], [top, 1])
        assert network.needs == [need]
        assert network(np.array([[top, 1], [-top, 1]])).tolist() == [[bound - 1], [2 - top]]


def test_a_layer_takes_float64_as_soon_as_float32_is_not_proven() -> None:
    for top, need in ((FLOAT32_BOUND - 1, 24), (FLOAT32_BOUND, 53)):
        assert prove([IntegerLayer(np.array([[1]]), np.array([0]))], np.array([top])) == [need]


def test_the_bounds_of_one_layer_are_the_inputs_of_the_next() -> None:
    wide = IntegerLayer(np.array([[1 << 20]]), np.array([0]), shift=2)
    clipped = IntegerLayer(np.array([[1 << 20]]), np.array([0]), shift=2, low=0, high=7)
    last = IntegerLayer(np.array([[1 << 10]]), np.array([0]))
    assert prove([wide, last], np.array([15])) == [24, 53]
    assert prove([clipped, last], np.array([15])) == [24, 24]


@pytest.mark.parametrize(
    ("layer", "bounds"),
    [
        (IntegerLayer(np.array([[1 << 40]]), np.array([0])), [1 << 13]),
        (IntegerLayer(np.array([[1]]), np.array([FLOAT64_BOUND])), [1]),
        (IntegerLayer(np.array([[-(2**63)]]), np.array([0])), [2]),
        (IntegerLayer(np.array([[0.5]]), np.array([0])), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0.5])), [1]),
        (IntegerLayer(np.array([[1, 2]]), np.array([0])), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0, 0])), [1]),
        (IntegerLayer(np.array([1]), np.array([0])), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0]), shift=-1), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0]), shift=60), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0]), low=2, high=1), [1]),
        (IntegerLayer(np.array([[1]]), np.array([0]), stride=0), [1]),
    ],
)
def test_what_cannot_be_proven_is_a_model_error(layer: IntegerLayer, bounds: list[int]) -> None:
    with pytest.raises(ModelError):
        IntegerNetwork([layer], bounds)


def test_inputs_beyond_the_proof_are_refused() -> None:
    network = IntegerNetwork([IntegerLayer(np.array([[1, 1]]), np.array([0]))], [5, 9])
    assert network(np.array([[5, -9]])).tolist() == [[-4]]
    for bad in ([[6, 0]], [[0, -10]], [[np.nan, 0]], [[1, 2, 3]]):
        with pytest.raises(ValueError, match="bounds"):
            network(np.array(bad))


def test_quantising_rounds_and_refuses_what_is_not_finite() -> None:
    assert quantise(np.array([0.5, -0.126]), 3).tolist() == [4, -1]
    for bad in (np.nan, np.inf, 1e300):
        with pytest.raises(ModelError):
            quantise(np.array([bad]), 3)


def test_importing_the_module_does_not_load_torch() -> None:
    modules = "tilepress.codecs.integer.network, tilepress.codecs.learned.block.dnn"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
