"""cnn-ae: what its model promises, the three ways to cut, exactness, and what hostile models and bytes may do."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.everywhere import DEVICES, assert_synthesis_is_the_same_everywhere, torch_settings
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import assert_valid_or_stream_error, forged
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError, UnsupportedError
from tilepress.codecs.learned.cnn_ae.codec import CnnAe
from tilepress.codecs.model import SHIPPED, Model

FOLDER = SHIPPED / "cnn-ae"
SAMPLES = Path(__file__).parents[4] / "infra/samples/images"
WAYS = {"whole": (0, 0, 3), "side by side": (32, 0, 0), "overlapping": (32, 8, 0)}
_NAMES = ("weight", "bias", "shift")
every_way = pytest.mark.parametrize("way", WAYS)


@cache
def codec(way: str = "whole") -> CnnAe:
    block, overlap, margin = WAYS[way]
    return CnnAe(changed({"block": block, "overlap": overlap, "margin": margin}))


def changed(config: dict[str, object] | None = None, **tensors: object) -> Model:
    """The shipped model, configured otherwise, some tensors changed by functions of them; its hash is right."""
    model = Model.load(FOLDER)
    new = {k: tensors.get(k, lambda a: a)(a) for k, a in model.tensors.items()}
    return replace(model, config={**model.config, **(config or {})}, tensors=new)


def photograph() -> np.ndarray:
    with Image.open(SAMPLES / "coffee.png") as file:
        return np.asarray(file.convert("RGB"))[None, :384, :512]


def test_the_shipped_model_is_small_and_says_where_it_comes_from() -> None:
    model = Model.load(FOLDER)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_500_000
    assert "CC BY-SA 4.0" in model.licence
    assert model.training["trained_minutes"] <= 20
    assert len(codec().config.steps) >= 6
    assert codec().config.cut.stride == 4, "a block of 32 x 32 is a grid of 8 x 8 latents"


def test_the_shipped_model_decodes_in_float32_throughout() -> None:
    assert set(codec()._synthesis.needs) == {24}


@every_way
def test_higher_quality_is_closer_and_larger(way: str) -> None:
    tiles = picture(RGB, 3)
    streams = [codec(way).encode(tiles, RGB, Settings(quality=q)) for q in (1, 50, 100)]
    sizes = [sum(map(len, s)) for s in streams]
    close = [psnr(codec(way).decode(s, RGB), tiles) for s in streams]
    assert sizes == sorted(set(sizes))
    assert close == sorted(set(close))
    assert close[2] > 36
    assert {codec(way).level_of(q) for q in range(1, 101)} == set(range(len(codec(way).config.steps)))


def test_a_photograph_costs_no_more_than_a_jpeg_that_is_no_closer() -> None:
    from tilepress.codecs.registry import load_codec

    tiles = photograph()
    spec = TileSpec(*tiles.shape[1:], "uint8", 8, "rgb")
    jpeg = load_codec("jpeg")
    (theirs,) = jpeg.encode(tiles, spec, Settings(quality=20))
    (ours,) = codec().encode(tiles, spec)
    assert len(ours) < len(theirs) * 1.3
    assert psnr(codec().decode([ours], spec), tiles) > psnr(jpeg.decode([theirs], spec), tiles)


def test_whole_pictures_and_overlaps_lose_less_at_block_edges_than_blocks_side_by_side() -> None:
    tiles = photograph()
    spec = TileSpec(*tiles.shape[1:], "uint8", 8, "rgb")
    lost = {}
    for way in WAYS:
        streams = codec(way).encode(tiles, spec, Settings(quality=1))
        error = (codec(way).decode(streams, spec).astype(np.int64) - tiles)[0]
        at = np.arange(32, spec.width, 32)
        lost[way] = np.abs(error[:, at] - error[:, at - 1]).mean()
    assert lost["whole"] < 0.95 * lost["side by side"]
    assert lost["overlapping"] < 0.95 * lost["side by side"]


def test_black_and_white_pictures_are_so_up_to_their_corners() -> None:
    for size, value in itertools.product((1, 4, 40), (0, 255)):
        spec = TileSpec(size, size, 1, "uint8", 8, "gray")
        decoded = codec().decode(codec().encode(np.full((1, *spec.shape), value, np.uint8), spec), spec)
        assert np.abs(decoded.astype(int) - value).max() <= 12


@every_way
def test_latents_come_back_from_their_streams(way: str) -> None:
    for spec in (RGB, TileSpec(50, 90, 4, "uint8", 8, "rgb"), TileSpec(33, 20, 5, "uint16", 16, "cmyk")):
        tiles = picture(spec, 2)
        for quality in (None, 1, 100):
            symbols = codec(way).analyse(tiles, spec, Settings(quality=quality))
            assert all(len(a) == 2 for a in symbols.arrays.values())
            assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), spec), symbols)


@every_way
def test_any_latents_within_range_can_be_packed_and_decoded(way: str) -> None:
    rng = np.random.default_rng(3)
    symbols = codec(way).analyse(picture(RGB, 2), RGB, Settings())
    shape = symbols.arrays["latents"].shape
    limits = codec(way).levels[codec(way).config.default_level].quantiser.high
    for latents in (rng.integers(0, limits + 1, shape), np.broadcast_to(limits, shape), np.zeros(shape)):
        symbols.arrays["latents"] = latents.astype(np.int16)
        assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), RGB), symbols)
        assert codec(way).synthesise(symbols).shape == (2, *RGB.shape)


@every_way
def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn(way: str) -> None:
    spec = replace(RGB, height=18, width=45)
    symbols = codec(way).analyse(picture(spec, 6), spec, Settings())
    symbols.arrays["level"][::3] = 0
    symbols.arrays["latents"][::3] //= 4
    assert_synthesis_is_the_same_everywhere(codec(way), symbols, batches=(1, 4, 6))


def test_the_base_of_a_stream_never_changes() -> None:
    """Golden: the integer synthesis of the shipped model, computed here in numpy's own integers."""
    spec = TileSpec(24, 36, 3, "uint8", 8, "rgb")
    config, symbols = codec().config, codec().analyse(picture(spec), spec, Settings())
    level = codec().levels[config.default_level].quantiser
    z = symbols.arrays["latents"][0, 0].transpose(2, 0, 1).astype(np.int64) - level.zero[:, None, None]
    told = np.full((1, *z.shape[1:]), config.strengths[config.default_level])
    x = np.pad(np.concatenate([z * config.steps[config.default_level], told]), [(0, 0), (3, 3), (3, 3)], mode="edge")
    last = len(config.synthesis_plan.convolutions) - 1
    for i in range(last + 1):
        weight, bias, shift = (codec().model.tensors[f"synthesis{i}.{n}"].astype(np.int64) for n in _NAMES)
        wide = np.pad(x, [(0, 0), (1, 1), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(1, 2))
        x = np.einsum("cyxij,ocij->oyx", windows, weight) + bias[:, None, None] >> shift[:, None, None]
        x = x if i == last else np.clip(x, 0, (1 << config.activation_bits) - 1)
    shuffled = x.reshape(3, 4, 4, *x.shape[1:]).transpose(3, 1, 4, 2, 0)
    shuffled = shuffled.reshape(spec.height + 24, spec.width + 24, 3)[12:-12, 12:-12]
    half = 1 << config.fraction_bits - 9
    wanted = np.clip((shuffled + half) >> config.fraction_bits - 8, 0, 255)
    np.testing.assert_array_equal(codec().synthesise(symbols)[0], wanted)


@pytest.mark.parametrize("device", DEVICES)
@every_way
def test_every_device_gives_the_same_base(device: str, way: str) -> None:
    symbols = codec(way).analyse(picture(RGB, 4), RGB, Settings())
    other = CnnAe(codec(way).model, device)
    np.testing.assert_array_equal(other.synthesise(symbols), codec(way).synthesise(symbols))
    assert psnr(other.decode(other.encode(picture(RGB), RGB), RGB), picture(RGB)) > 25


@every_way
@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_incomplete_blocks_are_as_good_as_whole_ones(way: str, height: int, width: int, seed: int) -> None:
    """The shipped model learned from whole pictures: cut into blocks, it is worse at their corners."""
    least = 32 if way == "whole" else 25
    spec = TileSpec(height, width, 3, "uint8", 8, "rgb")
    tiles = picture(spec, 1, seed)
    assert psnr(codec(way).decode(codec(way).encode(tiles, spec, Settings(quality=100)), spec), tiles) > least


def test_quality_out_of_range_is_refused() -> None:
    for quality in (0, 101, -5):
        with pytest.raises(UnsupportedError):
            codec().encode(picture(RGB), RGB, Settings(quality=quality))


def test_palettes_and_single_bits_are_not_supported() -> None:
    for spec in (TileSpec(8, 8, 1, "uint8", 8, "indexed"), TileSpec(8, 8, 1, "uint8", 1, "gray")):
        assert not codec().supports(spec)
        with pytest.raises(UnsupportedError):
            codec().encode(np.zeros((1, *spec.shape), np.uint8), spec)


@cache
def payload_of(spec: TileSpec) -> bytes:
    return codec().encode(picture(spec), spec)[0][7:]


@given(data=st.data())
@settings(max_examples=60)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([replace(RGB, height=40, width=20), TileSpec(40, 20, 4, "uint16", 16, "rgb")]))
    stream = forged(data, b"CA", payload_of(spec))
    assert_valid_or_stream_error(lambda: codec().decode([stream], spec), spec)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("synthesis0.weight", lambda a: a[:, :-1]),
        ("synthesis0.weight", lambda a: a.astype(np.float32)),
        ("synthesis1.bias", lambda a: a[:-1]),
        ("synthesis1.shift", lambda a: a - 100),
        ("synthesis2.bias", lambda a: a.astype(np.int64) + (1 << 60)),
        ("level0.cdf", lambda a: a[:-1]),
        ("level0.cdf", lambda a: a[:, ::-1].copy()),
        ("level0.near", lambda a: a[..., :-1]),
        ("level0.zero", lambda a: a[:-1]),
        ("level0.zero", lambda a: a.astype(np.int32) + 70_000),
        ("level0.dead", lambda a: a + 1),
        ("level0.dead", lambda a: a * np.nan),
        ("level0.top", lambda a: a * 0),
        ("level0.top", lambda a: a.astype(np.int32) + 70_000),
        ("analysis0.weight", lambda a: a[:, 1:]),
        ("analysis1.bias", lambda a: a * np.nan),
    ],
)
def test_a_hostile_model_is_a_model_error(name: str, change: object) -> None:
    with pytest.raises(ModelError):
        CnnAe(changed(**{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"block": -32}, {"block": 30}, {"block": 10**9}, {"block": 32, "overlap": 17}, {"overlap": 4},
     {"block": 32, "margin": 1}, {"margin": -1}, {"steps": []},
     {"steps": "x"}, {"steps": [0] * 8}, {"strengths": [1]}, {"strengths": [10**9] * 8}, {"default_level": 8},
     {"fraction_bits": 60}, {"activation_bits": 40}, {"analysis": []}, {"analysis": ["conv 12 3"]},
     {"synthesis": ["conv 48 3"]}, {"synthesis": None}, {"block": None}, {"block": 1e999}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        CnnAe(changed(change))


def test_weights_beyond_float32_are_decoded_in_float64_and_still_exact() -> None:
    """The proof is repeated at load: a model cannot leave the bounds unnoticed."""
    grown = CnnAe(changed(**{"synthesis1.weight": lambda a: a.astype(np.int32) * 4096}))
    assert grown._synthesis.needs[1] == 53
    symbols = grown.analyse(picture(RGB, 3), RGB, Settings())
    with torch_settings(1, False):
        first = grown.synthesise(symbols)
    np.testing.assert_array_equal(grown.synthesise(symbols), first)


def test_pictures_too_large_to_be_joined_exactly_are_a_model_error() -> None:
    with pytest.raises(ModelError, match="pictures of it are not exact"):
        CnnAe(changed(**{"synthesis2.bias": lambda a: a.astype(np.int64) + (1 << 51)}))


def test_a_model_of_another_family_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="codec other"):
        CnnAe(replace(codec().model, codec_id="other"))
