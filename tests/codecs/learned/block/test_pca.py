"""pca: what its models promise, k-means and uniform steps, and what hostile models may do."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tilepress.codecs.codec import Settings, Symbols, TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.block.pca import Pca
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.planes.quantiser import Quantiser

NAMES = ["pca-16", "pca-16-kmeans"]
every_model = pytest.mark.parametrize("name", NAMES)


@cache
def codec(name: str = "pca-16") -> Pca:
    return Pca(Model.load(SHIPPED / name))


@every_model
def test_the_shipped_models_are_what_their_names_say(name: str) -> None:
    config = codec(name).config
    assert config.latents * 16 == config.block**2
    assert config.quantiser == ("kmeans" if "kmeans" in name else "uniform")
    assert "CC BY-SA 4.0" in codec(name).model.licence
    assert sum(file.stat().st_size for file in (SHIPPED / name).iterdir()) < 600_000


@every_model
def test_components_are_orthonormal(name: str) -> None:
    basis = codec(name).model.tensors["analysis0.weight"].astype(np.float64)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-4)


@every_model
def test_higher_quality_is_closer_and_larger(name: str) -> None:
    tiles = picture(RGB, 3)
    streams = [codec(name).encode(tiles, RGB, Settings(quality=q)) for q in (1, 50, 100)]
    sizes = [sum(map(len, s)) for s in streams]
    close = [psnr(codec(name).decode(s, RGB), tiles, 255) for s in streams]
    assert sizes == sorted(set(sizes))
    assert close == sorted(set(close))
    assert close[2] > 33


@every_model
def test_latents_come_back_from_their_streams(name: str) -> None:
    for spec in (RGB, TileSpec(50, 90, 4, "uint8", 8, "rgb"), TileSpec(33, 20, 5, "uint16", 16, "cmyk")):
        for quality in (None, 1, 100):
            symbols = codec(name).analyse(picture(spec, 2), spec, Settings(quality=quality))
            assert symbols_equal(codec(name).unpack(codec(name).pack(symbols), spec), symbols)


@every_model
def test_the_base_of_a_stream_never_changes(name: str) -> None:
    """Golden: the integer decoder of the shipped models, computed here in numpy's own integers."""
    model, spec = codec(name).model, TileSpec(32, 48, 1, "uint8", 8, "gray")
    symbols = codec(name).analyse(picture(spec), spec, Settings())
    level, bits = int(symbols.arrays["level"][0]), codec(name).config.fraction_bits
    latents = symbols.arrays["latents"].astype(np.int64)
    if name == "pca-16-kmeans":
        latents = model.tensors[f"level{level}.centres"].astype(np.int64)[np.arange(latents.shape[-1]), latents]
    fixed = latents @ model.tensors[f"level{level}.decoder"].T.astype(np.int64) + model.tensors[f"level{level}.offset"]
    values = np.clip((fixed + (1 << (bits - 9))) >> (bits - 8), 0, 255)
    rows, columns, side = *latents.shape[2:4], codec(name).config.block
    cut = values.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(rows * side, columns * side)
    np.testing.assert_array_equal(codec(name).synthesise(symbols)[0, ..., 0], cut[:32, :48])


@every_model
@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_incomplete_blocks_are_as_good_as_whole_ones(name: str, height: int, width: int, seed: int) -> None:
    spec = TileSpec(height, width, 1, "uint8", 8, "gray")
    tiles = picture(spec, 1, seed)
    assert psnr(codec(name).decode(codec(name).encode(tiles, spec, Settings(quality=100)), spec), tiles, 255) > 30


def test_gray_pixels_in_colour_stay_gray_at_the_coarsest_level() -> None:
    tiles = np.repeat(picture(replace(RGB, channels=1, colour="gray")), 3, axis=-1)
    base = codec().decode(codec().encode(tiles, RGB, Settings(quality=1)), RGB).astype(int)
    assert np.ptp(base, axis=-1).max() <= 3


def test_symbols_of_a_codebook_are_those_of_the_nearest_centre() -> None:
    table = np.array([[-3, 0, 5, 5], [1, 2, 4, 9]])
    quantiser = Quantiser(np.zeros(2, np.int64), np.array([2, 3]), table=table)
    v = torch.from_numpy(np.random.default_rng(1).uniform(-9, 12, (500, 2)))
    nearest = np.stack([np.abs(table[k, : quantiser.high[k] + 1] - v.numpy()[:, k : k + 1]).argmin(1) for k in (0, 1)])
    np.testing.assert_array_equal(quantiser.symbols(v).numpy(), nearest.T)
    np.testing.assert_array_equal(quantiser.values(quantiser.symbols(v)).numpy(), table[[[0], [1]], nearest].T)
    np.testing.assert_array_equal(quantiser.symbols(v[:, 1:], 1).numpy()[:, 0], nearest[1])


def changed(name: str, **tensors: object) -> Model:
    """A shipped model with some tensors changed by functions of them; its content hash is right."""
    model = codec(name).model
    return replace(model, tensors={k: tensors.get(k, lambda a: a)(a) for k, a in model.tensors.items()})


@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        ("level0.centres", lambda a: a[:, :2]),
        ("level0.centres", lambda a: a[1:]),
        ("level0.centres", lambda a: a[:, ::-1].copy()),
        ("level0.centres", lambda a: a.astype(np.float32)),
        ("level0.centres", lambda a: a[0]),
        ("level2.top", lambda a: a * 0 + 30_000),
        ("level1.decoder", lambda a: a[:, 1:]),
        ("analysis0.weight", lambda a: a * np.inf),
        ("analysis0.bias", lambda a: a[:-1]),
    ],
)
def test_a_hostile_model_is_a_model_error(tensor: str, change: object) -> None:
    with pytest.raises(ModelError):
        Pca(changed("pca-16-kmeans", **{tensor: change}))


@pytest.mark.parametrize("change", [{"quantiser": "none"}, {"quantiser": None}, {"block": 0}, {"steps": [0.0]}])
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        Pca(replace(codec().model, config={**codec().model.config, **change}))


def test_zeros_that_are_not_numbers_are_a_model_error() -> None:
    with pytest.raises(ModelError):
        Pca(changed("pca-16", **{"level0.zero": lambda a: a * np.nan}))


def test_a_model_of_another_family_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="block-dnn"):
        Pca(Model.load(SHIPPED / "block-dnn-16"))


@every_model
def test_decoding_is_the_same_in_any_batch(name: str) -> None:
    symbols = codec(name).analyse(picture(RGB, 5), RGB, Settings())
    whole = codec(name).synthesise(symbols)
    parts = [Symbols(RGB, {k: a[i : i + 1] for k, a in symbols.arrays.items()}) for i in range(5)]
    np.testing.assert_array_equal(np.concatenate([codec(name).synthesise(part) for part in parts]), whole)
