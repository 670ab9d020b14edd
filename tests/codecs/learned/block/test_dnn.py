"""block-dnn: what its models promise, its frame, its latents, and what hostile bytes may do."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import DEVICES, assert_synthesis_is_the_same_everywhere
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import assert_valid_or_stream_error, forged
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.entropy.context_coder import ContextCoder
from tilepress.codecs.entropy.context_model import LatentLayout
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.learned.block.dnn import BlockDnn
from tilepress.codecs.model import SHIPPED, Model

RATIOS = [4, 8, 16]
every_ratio = pytest.mark.parametrize("ratio", RATIOS)


@cache
def codec(ratio: int = 16) -> BlockDnn:
    return BlockDnn(Model.load(SHIPPED / f"block-dnn-{ratio}"))


@every_ratio
def test_the_shipped_models_are_what_their_names_say(ratio: int) -> None:
    folder = SHIPPED / f"block-dnn-{ratio}"
    assert codec(ratio).config.latents * ratio == codec(ratio).config.block ** 2
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    assert "CC BY-SA 4.0" in codec(ratio).model.licence
    assert len(codec(ratio).config.steps) >= 6
    assert codec(ratio).model.training["seed"]


@every_ratio
def test_higher_quality_is_closer_and_larger(ratio: int) -> None:
    tiles = picture(RGB, 3)
    levels = len(codec(ratio).config.steps)
    streams = [codec(ratio).encode(tiles, RGB, Settings(quality=q)) for q in (1, 50, 100)]
    sizes = [sum(map(len, s)) for s in streams]
    close = [psnr(codec(ratio).decode(s, RGB), tiles, 255) for s in streams]
    assert sizes == sorted(set(sizes))
    assert close == sorted(set(close))
    assert close[2] > 33
    assert {codec(ratio).level_of(q) for q in range(1, 101)} == set(range(levels))


def test_quality_out_of_range_is_refused() -> None:
    for quality in (0, 101, -5):
        with pytest.raises(UnsupportedError):
            codec().encode(picture(RGB), RGB, Settings(quality=quality))


@every_ratio
def test_latents_come_back_from_their_streams(ratio: int) -> None:
    for spec in (RGB, TileSpec(50, 90, 4, "uint8", 8, "rgb"), TileSpec(33, 20, 5, "uint16", 16, "cmyk")):
        tiles = picture(spec, 2)
        for quality in (None, 1, 100):
            symbols = codec(ratio).analyse(tiles, spec, Settings(quality=quality))
            assert all(len(a) == 2 for a in symbols.arrays.values())
            assert symbols_equal(codec(ratio).unpack(codec(ratio).pack(symbols), spec), symbols)


def test_any_latents_within_range_can_be_packed() -> None:
    rng = np.random.default_rng(3)
    symbols = codec().analyse(picture(RGB, 2), RGB, Settings())
    shape = symbols.arrays["latents"].shape
    limits = codec().levels[codec().config.default_level].coder.coder.fitted.top
    for latents in (rng.integers(0, limits + 1, shape), np.broadcast_to(limits, shape)):
        symbols.arrays["latents"] = latents.astype(np.int16)
        assert symbols_equal(codec().unpack(codec().pack(symbols), RGB), symbols)


@every_ratio
def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn(ratio: int) -> None:
    spec = replace(RGB, height=70, width=50)
    symbols = codec(ratio).analyse(picture(spec, 32), spec, Settings())
    assert_synthesis_is_the_same_everywhere(codec(ratio), symbols)


@every_ratio
def test_the_base_of_a_stream_never_changes(ratio: int) -> None:
    """Golden: the integer decoder of the shipped models, computed here in numpy's own integers."""
    model, spec = codec(ratio).model, TileSpec(32, 48, 1, "uint8", 8, "gray")
    symbols = codec(ratio).analyse(picture(spec), spec, Settings())
    level, bits = int(symbols.arrays["level"][0]), codec(ratio).config.fraction_bits
    latents = symbols.arrays["latents"].astype(np.int64)
    fixed = latents @ model.tensors[f"level{level}.decoder"].T.astype(np.int64) + model.tensors[f"level{level}.offset"]
    values = np.clip((fixed + (1 << (bits - 9))) >> (bits - 8), 0, 255)
    rows, columns, side = *latents.shape[2:4], codec(ratio).config.block
    cut = values.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(rows * side, columns * side)
    np.testing.assert_array_equal(codec(ratio).synthesise(symbols)[0, ..., 0], cut[:32, :48])


@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_incomplete_blocks_are_as_good_as_whole_ones(height: int, width: int, seed: int) -> None:
    spec = TileSpec(height, width, 1, "uint8", 8, "gray")
    tiles = picture(spec, 1, seed)
    assert psnr(codec().decode(codec().encode(tiles, spec, Settings(quality=100)), spec), tiles, 255) > 33


@pytest.mark.parametrize("offset", [0, 1024, 31_000, 65_535 - 4095])
def test_twelve_bits_anywhere_within_sixteen_cost_and_look_the_same(offset: int) -> None:
    spec = TileSpec(64, 64, 1, "uint16", 16, "gray")
    twelve = picture(replace(spec, bit_depth=12), 1)
    twelve[0, 0, :2, 0] = 0, 4095
    moved = (twelve + offset).astype(np.uint16)
    streams = [codec().encode(t, spec) for t in (twelve, moved)]
    assert len(streams[0][0]) == len(streams[1][0])
    base = codec().decode(streams[1], spec)
    assert psnr(base, moved, 4095) > 25
    assert base.max() <= 65_535


def test_opaque_alpha_does_not_blur_dark_sixteen_bit_colours() -> None:
    spec = TileSpec(48, 48, 4, "uint16", 16, "rgb")
    tiles = picture(replace(spec, bit_depth=10), 1)
    tiles[..., 3] = 65_535
    base = codec().decode(codec().encode(tiles, spec), spec)
    assert psnr(base[..., :3], tiles[..., :3], 1023) > 25
    assert abs(int(base[..., 3].min()) - 65_535) < 4000


def test_palettes_and_single_bits_are_not_supported() -> None:
    for spec in (TileSpec(8, 8, 1, "uint8", 8, "indexed"), TileSpec(8, 8, 1, "uint8", 1, "gray")):
        assert not codec().supports(spec)
        with pytest.raises(UnsupportedError):
            codec().encode(np.zeros((1, *spec.shape), np.uint8), spec)


@cache
def payload_of(spec: TileSpec) -> bytes:
    return codec().encode(picture(spec), spec)[0][7:]


@given(data=st.data())
@settings(max_examples=100)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([replace(RGB, height=40, width=20), TileSpec(40, 20, 4, "uint16", 16, "rgb")]))
    stream = forged(data, b"BD", payload_of(spec))
    assert_valid_or_stream_error(lambda: codec().decode([stream], spec), spec)


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_base(device: str) -> None:
    symbols = codec().analyse(picture(RGB, 4), RGB, Settings())
    other = BlockDnn(codec().model, device)
    np.testing.assert_array_equal(other.synthesise(symbols), codec().synthesise(symbols))
    assert psnr(other.decode(other.encode(picture(RGB), RGB), RGB), picture(RGB), 255) > 25


def test_latents_lean_on_their_neighbours_in_every_direction() -> None:
    """Repeating an image of one block costs far less per block than the block alone."""
    spec = replace(RGB, height=16, width=16)
    tile = picture(spec, 1, 5)
    wall = np.tile(tile, (1, 8, 8, 1))
    one = len(codec().encode(tile, spec)[0])
    assert len(codec().encode(wall, replace(RGB, height=128, width=128))[0]) < 64 * one / 2


def test_the_entropy_coder_checks_the_end_of_its_stream() -> None:
    coder: ContextCoder = codec().levels[0].coder.coder
    layout = LatentLayout.of(1, differences=False)
    stream = coder.encode(np.ones((1, 2, 3, 16), np.int16), layout)
    np.testing.assert_array_equal(coder.decode(stream, (1, 2, 3, 16), layout), 1)
    for bad in (stream + b"\0\0", stream[:-2], stream[:3]):
        with pytest.raises(StreamError):
            coder.decode(bad, (1, 2, 3, 16), layout)


SIGMOID = [f"block-dnn-sigmoid-{ratio}" for ratio in RATIOS]


@pytest.mark.parametrize("name", SIGMOID)
def test_the_sigmoid_twins_are_what_their_names_say(name: str) -> None:
    twin, ratio = BlockDnn(Model.load(SHIPPED / name)), int(name.rpartition("-")[2])
    assert twin.config.activation == "sigmoid"
    assert twin.config.latents * ratio == twin.config.block**2
    assert "CC BY-SA 4.0" in twin.model.licence
    tiles = picture(RGB, 2)
    close = [psnr(twin.decode(twin.encode(tiles, RGB, Settings(quality=q)), RGB), tiles, 255) for q in (1, 50, 100)]
    assert close == sorted(set(close))
    assert close[2] > 31
