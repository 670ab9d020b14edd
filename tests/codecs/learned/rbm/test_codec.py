"""rbm-autoencoder: what models promise, its exactness, its two quantisers and coders, and what hostile bytes may do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import DEVICES, assert_synthesis_is_the_same_everywhere
from tests.support.learned.rbm_models import CASES, slim_codec, slim_model
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import assert_valid_or_stream_error, forged
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.learned.rbm.codec import BINARY, RbmAutoencoder
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.stream import read_frame, write_frame

GRAY = TileSpec(20, 33, 1, "uint8", 8, "gray")
every_case = pytest.mark.parametrize("case", CASES)


def shipped() -> RbmAutoencoder:
    return RbmAutoencoder(Model.load(SHIPPED / "rbm-autoencoder"))


def test_the_shipped_model_is_small_and_says_where_it_comes_from() -> None:
    folder, model = SHIPPED / "rbm-autoencoder", shipped().model
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 700_000
    assert "CC BY-SA 3.0" in model.licence and "CC BY-SA 4.0" in model.licence
    assert shipped().config.block == 28 and shipped().config.level_count >= 4
    assert model.training["seed"]


def test_higher_quality_is_closer_and_larger() -> None:
    codec, tiles = shipped(), picture(replace(GRAY, height=84, width=84), 3)
    spec = replace(GRAY, height=84, width=84)
    streams = [codec.encode(tiles, spec, Settings(quality=quality)) for quality in (1, 50, 100)]
    sizes = [sum(map(len, each)) for each in streams]
    close = [psnr(codec.decode(each, spec), tiles) for each in streams]
    assert sizes == sorted(set(sizes)) and close == sorted(set(close))
    assert close[-1] > 27
    assert {codec.level_of(quality) for quality in range(1, 101)} == set(range(codec.config.level_count))


@every_case
@pytest.mark.parametrize("spec", [GRAY, RGB, TileSpec(33, 20, 5, "uint16", 16, "cmyk")], ids=lambda spec: spec.colour)
def test_codes_come_back_from_their_streams(case: str, spec: TileSpec) -> None:
    codec = slim_codec(case)
    for quality in (None, 1, 100):
        symbols = codec.analyse(picture(spec, 2), spec, Settings(quality=quality))
        assert symbols_equal(codec.unpack(codec.pack(symbols), spec), symbols)


@every_case
def test_any_codes_within_range_can_be_packed(case: str) -> None:
    codec = slim_codec(case)
    symbols = codec.analyse(picture(RGB, 2), RGB, Settings(quality=100))
    most = codec.config.steps[1]
    shape = symbols.arrays["latents"].shape
    for latents in (np.random.default_rng(3).integers(0, most + 1, shape), np.full(shape, most), np.zeros(shape)):
        symbols.arrays["latents"] = latents.astype(np.int16)
        assert symbols_equal(codec.unpack(codec.pack(symbols), RGB), symbols)
        assert codec.synthesise(symbols).shape == (2, *RGB.shape)


def test_fixed_codes_take_a_byte_each_whatever_the_picture_is() -> None:
    codec, spec = slim_codec("fixed"), replace(GRAY, height=24, width=40)
    sizes = {len(stream) for seed in range(4) for stream in codec.encode(picture(spec, 1, seed), spec)}
    assert sizes == {7 + 1 + 6 + 3 * 5 * codec.config.codes}
    (stream,) = codec.encode(picture(spec), spec)
    symbols = codec.analyse(picture(spec), spec, Settings())
    block_by_block = np.moveaxis(symbols.arrays["latents"][0], 1, -1).astype(np.uint8).tobytes()
    assert stream[14:] == block_by_block


@every_case
def test_quantised_codes_are_those_nearest_to_the_network_s(case: str) -> None:
    codec = slim_codec(case)
    level, rng = codec.levels[1], np.random.default_rng(2)
    import torch

    codes = torch.from_numpy(rng.uniform(0, 1, (50, codec.config.codes)).astype(np.float32))
    values = level.quantiser.values(level.quantiser.latents(codes)).numpy()
    table = level.quantiser.table
    if table is None:
        table = np.broadcast_to(np.arange(256) * (4080 // 255), (codec.config.codes, 256))
    nearest = np.abs(table.T[None] - 4080 * codes.numpy()[:, None]).min(axis=1)
    np.testing.assert_allclose(np.abs(values - 4080 * codes.numpy()), nearest, atol=1e-2)


@every_case
def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn(case: str) -> None:
    spec = replace(GRAY, height=9, width=8)
    symbols = slim_codec(case).analyse(picture(spec, 32), spec, Settings())
    symbols.arrays["level"][:] = np.arange(32) % 2
    symbols.arrays["latents"] %= slim_codec(case).config.steps[0] + 1
    assert_synthesis_is_the_same_everywhere(slim_codec(case), symbols, batches=(1, 32))


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_base(device: str) -> None:
    symbols = slim_codec().analyse(picture(RGB, 4), RGB, Settings())
    np.testing.assert_array_equal(slim_codec(device=device).synthesise(symbols), slim_codec().synthesise(symbols))


def test_view_binary_shows_black_and_white_and_is_no_other_stream() -> None:
    codec = slim_codec()
    for spec in (GRAY, RGB, TileSpec(20, 33, 1, "uint16", 12, "gray")):
        streams = codec.encode(picture(spec, 2), spec)
        base, seen = codec.decode(streams, spec), codec.view(BINARY).decode(streams, spec)
        np.testing.assert_array_equal(seen, np.where(base >= 1 << (spec.bit_depth - 1), spec.maximum, 0))
        assert seen.dtype == base.dtype
    assert codec.view_name == ""
    with pytest.raises(UnsupportedError, match=BINARY):
        codec.view("sketch")


def payload_of(case: str) -> bytes:
    return read_frame(b"RB", {1}, slim_codec(case).encode(picture(GRAY), GRAY)[0])[1]


@every_case
@given(data=st.data())
@settings(max_examples=40)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(case: str, data: st.DataObject) -> None:
    stream = forged(data, b"RB", payload_of(case))
    assert_valid_or_stream_error(lambda: slim_codec(case).decode([stream], GRAY), GRAY)


def test_fixed_codes_that_are_too_many_too_few_or_too_large_are_a_stream_error() -> None:
    codec, payload = slim_codec("fixed"), payload_of("fixed")
    coarse = bytes([0, *payload[1:7]])
    for bad in (payload + b"\0", payload[:-1], payload[:7], coarse + b"\6" * (len(payload) - 7)):
        with pytest.raises(StreamError, match="codes of a tile"):
            codec.decode([write_frame(b"RB", 1, bad)], GRAY)
    assert codec.decode([write_frame(b"RB", 1, coarse + b"\5" * (len(payload) - 7))], GRAY).shape == (1, *GRAY.shape)


@pytest.mark.parametrize(
    "change",
    [{"block": 1}, {"block": 65}, {"layers": []}, {"layers": [12, 0]}, {"layers": [12, 7]}, {"layers": [1 << 20, 6]},
     {"steps": []}, {"steps": [0, 255]}, {"steps": [7, 255]}, {"steps": [5, 256]}, {"quantiser": "lattice"},
     {"coder": "huffman"}, {"activation_bits": 17}, {"activation_bits": None}, {"default_level": 2}],
)  # fmt: skip
def test_a_model_with_a_config_out_of_range_is_a_model_error(change: dict[str, Any]) -> None:
    model = slim_model()
    with pytest.raises(ModelError):
        RbmAutoencoder(replace(model, config={**model.config, **change}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("encoder0.weight", lambda a: a.astype(np.float32)),
        ("encoder0.scale", lambda a: a * np.nan),
        ("encoder1.bias", lambda a: a[:-1]),
        ("decoder0.weight", lambda a: a[:, 1:]),
        ("decoder1.weight", lambda a: a.astype(np.int32)),
        ("decoder1.bias", lambda a: a.astype(np.float32)),
        ("decoder0.shift", lambda a: a - 100),
        ("level0.high", lambda a: a + 1),
        ("level1.low", lambda a: a - 1),
        ("level0.cdf", lambda a: a[::-1].copy()),
    ],
)
def test_a_model_that_is_not_provably_exact_or_whole_is_a_model_error(name: str, change: Any) -> None:
    model = slim_model()
    with pytest.raises(ModelError):
        RbmAutoencoder(replace(model, tensors={**model.tensors, name: change(model.tensors[name])}))
    with pytest.raises(ModelError):
        RbmAutoencoder(replace(model, tensors={k: v for k, v in model.tensors.items() if k != name}))


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:, ::-1].copy(),
        lambda a: a - 4081,
        lambda a: a + 4081,
        lambda a: a[:, 1:],
        lambda a: a.astype(float),
    ],
)
def test_a_codebook_that_does_not_rise_within_its_range_is_a_model_error(change: Any) -> None:
    model = slim_model("kmeans")
    tensors = {**model.tensors, "level0.centres": change(model.tensors["level0.centres"])}
    with pytest.raises(ModelError):
        RbmAutoencoder(replace(model, tensors=tensors))


def test_a_model_of_another_family_is_refused() -> None:
    with pytest.raises(ModelError, match="block-dnn"):
        RbmAutoencoder(Model.load(SHIPPED / "block-dnn-16"))


def test_importing_the_codec_does_not_load_torch() -> None:
    code = "import sys, tilepress.codecs.learned.rbm.codec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
