"""The models of block-dnn: what old, hostile and foreign ones may do."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.support.photo_like import RGB, picture
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.block.dnn import BlockDnn
from tilepress.codecs.model import SHIPPED, Model


@cache
def codec() -> BlockDnn:
    return BlockDnn(Model.load(SHIPPED / "block-dnn-16"))


def changed(**tensors: object) -> Model:
    """The shipped model with some tensors changed by functions of them; its content hash is right."""
    model = codec().model
    return replace(model, tensors={k: tensors.get(k, lambda a: a)(a) for k, a in model.tensors.items()})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("level0.decoder", lambda a: a[:, :-1]),
        ("level0.decoder", lambda a: a.astype(np.float32)),
        ("level1.offset", lambda a: a[:-1]),
        ("level0.cdf", lambda a: a[:-1]),
        ("level0.cdf", lambda a: a[:, ::-1].copy()),
        ("level0.near", lambda a: a[..., :-1]),
        ("level0.thresholds", lambda a: a[::-1].copy()),
        ("level0.top", lambda a: a * 0),
        ("level0.top", lambda a: a.astype(np.int32) + 70_000),
        ("level0.start", lambda a: a.astype(np.int32) - 70_000),
        ("analysis0.weight", lambda a: a[:, 1:]),
        ("analysis1.bias", lambda a: a * np.nan),
    ],
)
def test_a_hostile_model_is_a_model_error(name: str, change: object) -> None:
    with pytest.raises(ModelError):
        BlockDnn(changed(**{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"block": 0}, {"block": 10**9}, {"latents": 17}, {"steps": []}, {"steps": "x"}, {"default_level": 8},
     {"layers": 0}, {"fraction_bits": 60}, {"latents": None}, {"steps": [1e-300] * 8}, {"block": 1e999}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        BlockDnn(replace(codec().model, config={**codec().model.config, **change}))


def test_weights_beyond_float32_are_decoded_in_float64_and_still_exact() -> None:
    """The proof is repeated at load: a model cannot leave the bounds unnoticed."""
    grown = BlockDnn(changed(**{f"level{i}.decoder": lambda a: a.astype(np.int32) * 4096 for i in range(8)}))
    level = grown._decoders[3].network
    assert level.needs == [53]
    tensors = grown.model.tensors
    rows = np.random.default_rng(1).integers(0, 5, (40, 16))
    wanted = rows @ tensors["level3.decoder"].T.astype(np.int64) + tensors["level3.offset"]
    one = 1 << grown.config.fraction_bits
    np.testing.assert_array_equal(level(rows).numpy(), np.clip(wanted, -one, 2 * one))


def test_a_model_of_another_family_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="codec other"):
        BlockDnn(replace(codec().model, codec_id="other"))


def test_a_model_that_names_no_activation_is_one_of_relu() -> None:
    """Models of the first version do not: their archives stay readable."""
    config = {key: value for key, value in codec().model.config.items() if key != "activation"}
    old = BlockDnn(replace(codec().model, config=config))
    assert old.config.activation == "relu"
    assert old.encode(picture(RGB), RGB) == codec().encode(picture(RGB), RGB)


@pytest.mark.parametrize("activation", ["tanh", 7, None, ["relu"]])
def test_an_unknown_activation_is_a_model_error(activation: object) -> None:
    with pytest.raises(ModelError):
        BlockDnn(replace(codec().model, config={**codec().model.config, "activation": activation}))


def test_a_sigmoid_model_without_its_scale_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="scale"):
        BlockDnn(replace(codec().model, config={**codec().model.config, "activation": "sigmoid"}))
