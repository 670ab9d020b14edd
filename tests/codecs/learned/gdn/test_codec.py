"""gdn-factorized: what its shipped model promises, its exactness, and what hostile models and bytes may do."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.everywhere import DEVICES, assert_synthesis_is_the_same_everywhere
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.learned.divisive import BITS
from tilepress.codecs.learned.gdn.codec import GdnFactorized
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.planes.rgb_inputs import from_pictures
from tilepress.codecs.stream import write_frame

GRAY = TileSpec(96, 80, 1, "uint8", 8, "gray")


@cache
def codec(device: str = "cpu") -> GdnFactorized:
    return GdnFactorized(Model.load(SHIPPED / "gdn-factorized"), device)


def test_the_shipped_model_is_small_and_says_where_it_comes_from() -> None:
    folder = SHIPPED / "gdn-factorized"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2_500_000
    assert "CC BY-SA 4.0" in codec().model.licence
    assert codec().config.levels >= 4
    assert codec().model.training["seed"]


def test_higher_quality_is_closer_and_larger() -> None:
    tiles, levels = picture(RGB, 3), codec().config.levels
    streams = [codec().encode(tiles, RGB, Settings(quality=-(-100 * i // levels) + 1)) for i in range(levels)]
    sizes = [sum(map(len, s)) for s in streams]
    close = [psnr(codec().decode(s, RGB), tiles, 255) for s in streams]
    assert sizes == sorted(set(sizes))
    assert close == sorted(set(close))
    assert close[-1] > 36
    assert [codec().level_of(q) for q in (1, 100, None)] == [0, levels - 1, codec().config.default_level]


def test_quality_out_of_range_is_refused() -> None:
    for quality in (0, 101, -5):
        with pytest.raises(UnsupportedError):
            codec().encode(picture(RGB), RGB, Settings(quality=quality))


@pytest.mark.parametrize(
    "spec",
    [
        GRAY,
        RGB,
        TileSpec(50, 33, 4, "uint8", 8, "rgb"),
        TileSpec(33, 20, 5, "uint16", 16, "cmyk"),
        TileSpec(40, 64, 1, "uint16", 12, "gray"),
    ],
    ids=str,
)
def test_every_kind_of_picture_is_coded_well_and_its_latents_come_back(spec: TileSpec) -> None:
    tiles = picture(spec, 2)
    for quality in (None, 1, 100):
        symbols = codec().analyse(tiles, spec, Settings(quality=quality))
        assert all(len(a) == 2 for a in symbols.arrays.values())
        assert symbols_equal(codec().unpack(codec().pack(symbols), spec), symbols)
    assert psnr(codec().synthesise(symbols), tiles, spec.maximum) > 34


def test_any_latents_within_range_can_be_packed_and_decoded() -> None:
    rng = np.random.default_rng(3)
    symbols = codec().analyse(picture(RGB, 2), RGB, Settings())
    shape = symbols.arrays["latents"].shape
    quantiser = codec().levels[codec().config.default_level].quantiser
    low, high = quantiser.low[:, None, None], quantiser.high[:, None, None]
    for latents in (rng.integers(low, high + 1, shape), np.broadcast_to(low, shape), np.broadcast_to(high, shape)):
        symbols.arrays["latents"] = latents.astype(np.int16)
        assert symbols_equal(codec().unpack(codec().pack(symbols), RGB), symbols)
        assert codec().synthesise(symbols).shape == (2, *RGB.shape)


def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn() -> None:
    spec = replace(RGB, height=16, width=16)
    symbols = codec().analyse(picture(spec, 32), spec, Settings())
    symbols.arrays["level"][:] = np.arange(32) % codec().config.levels
    symbols.arrays["latents"] = np.clip(symbols.arrays["latents"], -2, 2)
    assert_synthesis_is_the_same_everywhere(codec(), symbols)


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_base(device: str) -> None:
    symbols = codec().analyse(picture(RGB, 2), RGB, Settings(quality=100))
    np.testing.assert_array_equal(codec(device).synthesise(symbols), codec().synthesise(symbols))


def reference(latents: np.ndarray, level: int) -> np.ndarray:
    """The synthesis of one picture (c, h, w) in numpy's integers and math.isqrt, from the tensors of the model."""
    tensors = codec().model.tensors
    x = latents.astype(np.int64) * tensors[f"level{level}.inverse"][:, None, None]
    clips = [(-r, r) for r in codec().config.reach] + [(-(1 << BITS), 2 << BITS)]
    for i, (low, high) in enumerate(clips):
        weight = tensors[f"synthesis{i}.weight"].astype(np.int64)
        if i == 0:
            weight *= 128
            weight[:, tensors["synthesis0.index"]] += tensors["synthesis0.fine"]
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        sums = np.einsum("cyxij,ocij->oyx", windows, weight) + tensors[f"synthesis{i}.bias"][:, None, None]
        y = np.clip(sums >> tensors[f"synthesis{i}.shift"][:, None, None], low, high)
        r = 4 if i == 2 else 2
        c, h, w = len(y) // r**2, *y.shape[1:]
        x = y.reshape(c, r, r, h, w).transpose(0, 3, 1, 4, 2).reshape(c, h * r, w * r)
        x = divided(x, i) if i < 2 else x
    return x


def divided(x: np.ndarray, i: int) -> np.ndarray:
    beta, gamma, limit, shift = (codec().model.tensors[f"igdn{i}.{n}"] for n in ("beta", "gamma", "limit", "shift"))
    sums = np.einsum("ij,jyx->iyx", gamma.astype(np.int64), x**2) + beta[:, None, None]
    root = np.vectorize(math.isqrt, otypes=[np.int64])(sums)
    return np.clip((x * root) >> int(shift[0]), -limit[:, None, None], limit[:, None, None])


def test_the_base_of_a_stream_never_changes() -> None:
    """Golden: the synthesis of the shipped model, computed here without any of the codec's own steps."""
    spec = TileSpec(32, 48, 3, "uint8", 8, "rgb")
    for quality in (1, 100):
        symbols = codec().analyse(picture(spec), spec, Settings(quality=quality))
        fixed = reference(symbols.arrays["latents"][0, 0], int(symbols.arrays["level"][0]))
        frame = torch.from_numpy(symbols.arrays["frame"])
        wanted = from_pictures(torch.from_numpy(fixed[None]).double(), spec, frame, BITS)
        np.testing.assert_array_equal(codec().synthesise(symbols), wanted)


def test_a_level_that_does_not_exist_is_a_stream_error() -> None:
    (data,) = codec().encode(picture(RGB), RGB)
    for level in (codec().config.levels, 255):
        with pytest.raises(StreamError, match="level"):
            codec().decode([write_frame(b"GF", 1, bytes([level]) + data[8:])], RGB)


def test_a_frame_that_no_tile_has_is_a_stream_error() -> None:
    (data,) = codec().encode(picture(RGB), RGB)
    for at, value in ((1, 1), (3, 7), (3, 0), (4, 9), (6, 200)):
        payload = bytearray(data[7:])
        payload[at] = value
        with pytest.raises(StreamError, match="offset or depth"):
            codec().decode([write_frame(b"GF", 1, bytes(payload))], RGB)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channels", [64, 96]),
        ("channels", [64, 96, 0]),
        ("channels", [64, 96, 255]),
        ("levels", 99),
        ("levels", "six"),
        ("default_level", -1),
        ("reach", [0, 5]),
        ("dead_zone", [0.1]),
        ("dead_zone", None),
    ],
)
def test_a_model_with_a_config_out_of_range_is_a_model_error(key: str, value: Any) -> None:
    model = codec().model
    with pytest.raises(ModelError):
        GdnFactorized(replace(model, config={**model.config, key: value}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("synthesis0.weight", lambda a: a.astype(np.float32)),
        ("synthesis1.weight", lambda a: a[:-1]),
        ("synthesis2.weight", lambda a: a[:, :, :2]),
        ("synthesis0.bias", lambda a: a + (1 << 60)),
        ("synthesis0.shift", lambda a: a - 100),
        ("synthesis0.index", lambda a: a + 256),
        ("synthesis0.index", lambda a: a * 0),
        ("synthesis0.fine", lambda a: a[:, :-1]),
        ("igdn0.gamma", lambda a: -1 - a),
        ("igdn0.gamma", lambda a: a.astype(np.int64) + (1 << 40)),
        ("igdn1.beta", lambda a: a + (1 << 53)),
        ("igdn1.shift", lambda a: a + 60),
        ("level0.inverse", lambda a: a * 0),
        ("level0.gain", lambda a: a * np.nan),
        ("level1.high", lambda a: a + 40_000),
        ("analysis0.bias", lambda a: a * np.inf),
        ("analysis1.weight", lambda a: a[:, :, :3]),
        ("gdn0.beta", lambda a: a.astype(np.float64)),
    ],
)
def test_a_model_that_is_not_provably_exact_or_whole_is_a_model_error(name: str, change: Any) -> None:
    model = codec().model
    with pytest.raises(ModelError):
        GdnFactorized(replace(model, tensors={**model.tensors, name: change(model.tensors[name])}))
    with pytest.raises(ModelError):
        GdnFactorized(replace(model, tensors={k: v for k, v in model.tensors.items() if k != name}))


def test_a_model_of_another_family_is_refused() -> None:
    with pytest.raises(ModelError, match="block-dnn"):
        GdnFactorized(Model.load(SHIPPED / "block-dnn-16"))


def test_importing_the_codec_does_not_load_torch() -> None:
    code = "import sys, tilepress.codecs.learned.gdn.codec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
