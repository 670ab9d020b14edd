"""Networks whose results are as large as what goes in: which there are, how far they look, how they run in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.float_layers import convolution_of
from tilepress.codecs.learned.networks import float_network, load_synthesis, plan_restoration, reach

INPUTS = 12
NETWORKS = {
    0: ["conv 4 1"],
    1: ["shuffle 2", "conv 2 3", "unshuffle 2", "conv 4 1"],
    2: ["conv 8 3", "relu", "beside 4 3", "conv 3 1"],
    3: ["conv 8 1", "relu", "shuffle 2", *["conv 2 3", "relu"] * 5, "unshuffle 2", "conv 4 1"],
    4: ["conv 8 5", "shuffle 2", "conv 2 7", "unshuffle 2", "conv 2 1"],
}


@pytest.mark.parametrize("far", NETWORKS)
def test_an_input_changes_results_as_far_away_as_is_said_and_no_farther(far: int) -> None:
    plan = plan_restoration(NETWORKS[far], INPUTS)
    assert reach(plan) == far
    assert seen_from_afar(NETWORKS[far]) == far


def seen_from_afar(operations: list[str]) -> int:
    """How far from a position that was changed a result differs, with weights that are all above 0."""
    network = float_network(plan_restoration(operations, INPUTS)).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1)
    x = torch.ones(1, INPUTS, 13, 15, dtype=torch.float64)
    changed = x.clone()
    changed[0, :, 6, 7] += 1
    with torch.no_grad():
        _, _, rows, columns = torch.nonzero(network(changed) != network(x), as_tuple=True)
    distances = {int(6 - rows.min()), int(rows.max()) - 6, int(7 - columns.min()), int(columns.max()) - 7}
    assert len(distances) == 1
    return distances.pop()


def test_what_is_folded_between_finer_layers_is_seen_whole() -> None:
    """Two layers of half a position each reach two, if all that a position has is mixed between them."""
    half = ["shuffle 2", "conv 3 3", "unshuffle 2"]
    operations = [*half, "conv 12 1", *half, "conv 4 1"]
    assert reach(plan_restoration(operations, INPUTS)) == seen_from_afar(operations) == 2


@pytest.mark.parametrize(
    "operations",
    [
        [],
        ["relu"],
        ["conv 4 1", "relu"],
        ["relu", "conv 4 1"],
        ["conv 4 1", "relu", "relu", "conv 4 1"],
        ["conv 4 2"],
        ["conv 4"],
        ["conv 0 1"],
        ["conv 4 17"],
        ["conv 2000 1"],
        ["conv 4 1"] * 65,
        ["up", "conv 4 1"],
        ["pool", "conv 4 1"],
        ["repeat 2", "conv 4 1"],
        ["shuffle 2", "conv 4 1"],
        ["unshuffle 2", "conv 4 1"],
        ["unshuffle 2", "shuffle 2", "conv 4 1"],
        ["shuffle 2", "unshuffle 3", "conv 4 1"],
        ["shuffle 0", "unshuffle 0", "conv 4 1"],
        ["conv 1024 1", "shuffle 16", "conv 4 1", "shuffle 2", "unshuffle 16", "unshuffle 2", "conv 4 1"],
        ["conv 256 1", "shuffle 16", "conv 65 1", "conv 1 1", "unshuffle 16", "conv 4 1"],
        [*["conv 4 15"] * 5, "conv 4 1"],
        ["conv 4 1 1"],
        ["conv -4 1"],
        ["norm"],
        [""],
    ],
    ids=", ".join,
)
def test_a_restoration_that_makes_no_sense_is_a_model_error(operations: list[str]) -> None:
    with pytest.raises(ModelError):
        plan_restoration(operations, INPUTS)


def test_integers_are_restored_as_torch_would() -> None:
    """Through every operation; weights are whole numbers, so that floats of 64 bits are exact, too."""
    operations = ["conv 8 3", "relu", "shuffle 2", "beside 2 3", "conv 3 1", "relu", "unshuffle 2", "conv 5 1"]
    plan, rng, tensors = plan_restoration(operations, INPUTS), np.random.default_rng(1), dict[str, np.ndarray]()
    network = float_network(plan).double()
    for i, layer in enumerate(filter(None, map(convolution_of, network))):
        assert layer.bias is not None
        weight, bias = rng.integers(-9, 10, layer.weight.shape), rng.integers(-9, 10, layer.bias.shape)
        tensors |= {f"synthesis{i}.weight": weight.astype(np.int16), f"synthesis{i}.bias": bias.astype(np.int32)}
        tensors[f"synthesis{i}.shift"] = np.zeros(len(bias), np.int8)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    x = rng.integers(-20, 21, (2, INPUTS, 7, 5))
    with torch.no_grad():
        wanted = network(torch.from_numpy(x).double()).numpy()
    found = IntegerNetwork(load_synthesis(plan, tensors, 24), np.full(INPUTS, 20))(x).numpy()
    assert np.abs(found).max() > 1000
    np.testing.assert_array_equal(found, wanted)
