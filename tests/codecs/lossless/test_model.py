"""Model folders of the lossless codec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilepress.codecs.errors import ModelError
from tilepress.codecs.lossless.features import FEATURES
from tilepress.codecs.lossless.levels import LEVELS
from tilepress.codecs.lossless.mixer import INPUTS, NODES
from tilepress.codecs.lossless.model import CODEC_ID, model_of, starts_of
from tilepress.codecs.lossless.network import OUTPUTS, Network
from tilepress.codecs.lossless.stack import StartState, plain_start
from tilepress.codecs.model import Model


def network(one: int = 8, two: int = 16) -> Network:
    rng = np.random.default_rng(1)
    shapes = ((FEATURES, one), one, (one, two), two, (two, OUTPUTS), OUTPUTS)
    first, b1, second, b2, third, b3 = (rng.integers(-900, 900, shape).astype(np.int32) for shape in shapes)
    return Network((first, b1, second, b2, third, b3))


def example() -> Model:
    mixing = np.random.default_rng(2).integers(-65536, 65536, (NODES, INPUTS)) / 65536
    return model_of(
        {"fast": StartState(network(), mixing), "default": plain_start(), "max": StartState(network(32, 8), mixing)},
        {},
        "CC0",
    )


def changed(name: str, array: np.ndarray | None) -> Model:
    model = example()
    tensors = {**model.tensors, name: array}
    return replace(model, tensors={key: value for key, value in tensors.items() if value is not None})


def test_priors_come_back_from_a_model_folder(tmp_path: Path) -> None:
    example().save(tmp_path / "model")
    priors = starts_of(Model.load(tmp_path / "model"))
    before = starts_of(example())
    assert sorted(priors) == [level.code for level in LEVELS]
    for code, prior in priors.items():
        assert np.array_equal(prior.mixing, before[code].mixing)
        assert (prior.network is None) == (before[code].network is None)
    assert priors[2].network is None
    assert priors[1].network is not None
    assert all(np.array_equal(a, b) for a, b in zip(priors[1].network.layers, network().layers, strict=True))


def test_mixing_weights_are_kept_to_sixteen_bits() -> None:
    mixing = starts_of(example())[2].mixing
    assert np.abs(mixing - plain_start().mixing).max() <= 0.5 / 65536


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("fast.mixing", None),
        ("fast.mixing", np.zeros((NODES, INPUTS), np.float32)),
        ("fast.mixing", np.full((NODES, INPUTS), np.iinfo(np.int32).min, np.int32)),
        ("default.mixing", np.zeros((NODES, INPUTS + 1), np.int32)),
        ("fast.layer1.weight", None),
        ("fast.layer2.bias", np.zeros(17, np.int32)),
        ("max.layer3.weight", np.full((8, OUTPUTS), 1 << 20, np.int32)),
    ],
)
def test_a_model_whose_tensors_are_wrong_is_refused(name: str, array: np.ndarray | None) -> None:
    with pytest.raises(ModelError):
        starts_of(changed(name, array))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"levels": []},
        {"levels": {"fast": {"hidden": []}}},
        {"levels": {"fast": 3, "default": {"hidden": []}, "max": {"hidden": []}}},
        {"levels": {"fast": {"hidden": [8]}, "default": {"hidden": []}, "max": {"hidden": []}}},
        {"levels": {"fast": {"hidden": [8, "16"]}, "default": {"hidden": []}, "max": {"hidden": []}}},
        {"levels": {"fast": {"hidden": [8, 1 << 40]}, "default": {"hidden": []}, "max": {"hidden": []}}},
    ],
)
def test_a_model_whose_configuration_is_wrong_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        starts_of(replace(example(), config=config))


def test_a_model_of_another_codec_is_refused() -> None:
    with pytest.raises(ModelError, match=f"block-dnn, not {CODEC_ID}"):
        starts_of(replace(example(), codec_id="block-dnn"))
