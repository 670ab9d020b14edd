"""The base of learned codecs through slim families of tests/plugin: several latents, parts, views, restoration."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import KINDS, assert_valid_or_stream_error, damaged, resealed, spec_of, tiles_of
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.learned import on_device
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import load_codec
from tilepress.codecs.stream import read_frame, write_frame

pytestmark = pytest.mark.usefixtures("plugin")
GRAY = TileSpec(60, 83, 1, "uint8", 8, "gray")
FAMILIES = ("hyper", "steps", "restored", "restored pca")
every_family = pytest.mark.parametrize("family", FAMILIES)


@cache
def codec_of(family: str) -> Codec:
    import tilepress_test_learned as toys

    models: dict[str, Callable[[], Model]] = {
        "hyper": toys.hyper_model,
        "steps": toys.steps_model,
        "restored": toys.restored_model,
        "restored pca": lambda: toys.restored_model(Model.load(SHIPPED / "pca-16")),
    }
    model = models[family]()
    return load_codec(model.codec_id, Model.from_bytes(*model.to_bytes()))


@every_family
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tile_comes_back_in_batches_of_any_size_or_is_refused(family: str, kind: str) -> None:
    codec, spec = codec_of(family), spec_of(kind)
    if not codec.supports(spec):
        with pytest.raises(UnsupportedError):
            codec.encode(tiles_of(spec, "noise"), spec)
        return
    tiles = np.concatenate([tiles_of(spec, content, count=2) for content in ("gradient", "noise", "white")])
    streams = codec.encode(tiles, spec)
    whole = codec.decode(streams, spec)
    assert whole.dtype == tiles.dtype and whole.max() <= spec.maximum
    assert psnr(whole[:2], tiles[:2], spec.maximum) > 20
    np.testing.assert_array_equal(np.concatenate([codec.decode([one], spec) for one in streams]), whole)


@pytest.mark.parametrize("family", ["hyper", "steps", "restored pca"])
def test_symbols_come_back_from_their_streams(family: str) -> None:
    codec = codec_of(family)
    for quality in (1, None, 100):
        symbols = codec.analyse(picture(RGB, 2), RGB, Settings(quality=quality))
        assert symbols_equal(codec.unpack(codec.pack(symbols), RGB), symbols)


@every_family
def test_higher_quality_is_closer(family: str) -> None:
    codec, tiles = codec_of(family), picture(RGB, 2)
    streams = [codec.encode(tiles, RGB, Settings(quality=quality)) for quality in (1, 100)]
    coarse, fine = (psnr(codec.decode(stream, RGB), tiles) for stream in streams)
    assert coarse < fine


@every_family
def test_tiles_of_different_levels_decode_together(family: str) -> None:
    codec, tiles = codec_of(family), picture(RGB, 2)
    streams = [codec.encode(tile[None], RGB, Settings(quality=q))[0] for tile, q in zip(tiles, (1, 100), strict=True)]
    apart = [codec.decode([stream], RGB)[0] for stream in streams]
    np.testing.assert_array_equal(codec.decode(streams, RGB), apart)


def test_few_tiles_are_decoded_at_a_time_however_many_a_batch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, spec = codec_of("hyper"), replace(RGB, height=16, width=24)
    streams = codec.encode(picture(spec, 5), spec, Settings())
    whole, decode, together = codec.decode(streams, spec), type(codec).tiles_of, []

    def counted(self: Any, latents: Any, given: TileSpec, frame: np.ndarray, level: Any) -> np.ndarray:
        together.append(len(frame))
        return decode(self, latents, given, frame, level)

    monkeypatch.setattr(type(codec), "tiles_of", counted)
    monkeypatch.setattr(on_device, "_PIXELS_ON_CPU", 2 * 16 * 24 + 1)
    np.testing.assert_array_equal(codec.decode(streams, spec), whole)
    assert together == [2, 2, 1]


@every_family
def test_damaged_and_forged_bytes_give_a_stream_error_or_a_valid_tile(family: str) -> None:
    codec, rng = codec_of(family), np.random.default_rng(3)
    spec = replace(RGB, height=20, width=25)
    (data,) = codec.encode(picture(spec), spec)
    for bad in damaged(data, rng):
        with pytest.raises(StreamError):
            codec.decode([bad], spec)
    for bad in resealed(data, rng):
        assert_valid_or_stream_error(lambda bad=bad: codec.decode([bad], spec), spec)
        assert_valid_or_stream_error(lambda bad=bad: codec.synthesise(codec.unpack_prefix([bad], spec, 1)), spec)


@every_family
def test_a_model_of_another_family_is_refused(family: str) -> None:
    codec: Any = codec_of(family)
    arguments = (codec.base,) if codec.restores else ()
    with pytest.raises(ModelError, match="codec other"):
        type(codec)(replace(codec.model, codec_id="other"), "cpu", *arguments)


def test_two_arrays_of_latents_are_coded_together_and_the_second_saves_bytes() -> None:
    codec = codec_of("hyper")
    symbols = codec.analyse(picture(GRAY, 2), GRAY, Settings())
    assert {name: array.shape for name, array in symbols.arrays.items()} == {
        "y": (2, 1, 8, 11, 4), "z": (2, 1, 8, 11, 1), "frame": (2, 4), "level": (2,),
    }  # fmt: skip
    assert len(np.unique(symbols.arrays["z"])) > 1
    told = sum(map(len, codec.pack(symbols)))
    symbols.arrays["z"][:] = 2
    assert told < 0.95 * sum(map(len, codec.pack(symbols)))


def test_a_prefix_of_a_progressive_stream_decodes_without_the_rest() -> None:
    codec, tiles = codec_of("steps"), picture(RGB, 2)
    streams = codec.encode(tiles, RGB)
    assert codec.progressive
    assert not codec_of("hyper").progressive
    first = codec.unpack_prefix(streams, RGB, 1)
    assert set(first.arrays) == {"mean", "frame", "level"}
    assert symbols_equal(codec.unpack_prefix(streams, RGB, 2), codec.unpack(streams, RGB))
    coarse, fine = codec.synthesise(first), codec.decode(streams, RGB)
    assert 15 < psnr(coarse, tiles) < psnr(fine, tiles) - 2
    blocks = coarse[0, :, :, 1].reshape(12, 8, 10, 8)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0, "means of blocks, nothing of their quadrants"
    _, payload = read_frame(b"tS", {1}, streams[0])
    length = struct.unpack_from("<I", payload, 7)[0]
    spoilt = write_frame(b"tS", 1, payload[: 11 + length] + b"\1\2\3")
    np.testing.assert_array_equal(codec.synthesise(codec.unpack_prefix([spoilt], RGB, 1)), coarse[:1])
    with pytest.raises(StreamError):
        codec.unpack([spoilt], RGB)


def test_prefixes_of_codecs_that_are_not_progressive_are_all_there_is() -> None:
    for codec in (codec_of("hyper"), codec_of("restored"), load_codec("jpegxl")):
        streams = codec.encode(picture(RGB), RGB)
        assert symbols_equal(codec.unpack_prefix(streams, RGB, 1), codec.unpack(streams, RGB))


def test_a_view_decodes_the_same_latents_otherwise() -> None:
    codec, tiles = codec_of("steps"), picture(RGB, 2)
    streams = codec.encode(tiles, RGB)
    view = codec.view("smooth")
    assert view.encode(tiles, RGB) == streams
    base, other = codec.decode(streams, RGB), view.decode(streams, RGB)
    assert (base != other).any()
    assert np.abs(np.diff(other.astype(int), axis=2)).sum() < np.abs(np.diff(base.astype(int), axis=2)).sum()
    np.testing.assert_array_equal(codec.decode(streams, RGB), base)
    for codec in (codec_of("steps"), codec_of("hyper"), load_codec("raw")):
        with pytest.raises(UnsupportedError, match="'sharp'"):
            codec.view("sharp")


def test_side_information_changes_networks_for_its_image_alone() -> None:
    codec = codec_of("steps")
    tiles = np.minimum(picture(GRAY, 3), 200) // 32 * 32 + 15  # the mean of no block is on the coarse grid
    common = codec.prepare(list(tiles), GRAY, Settings(quality=1))
    streams = codec.encode(tiles, GRAY, Settings(quality=1), common)
    with_it, without = codec.decode(streams, GRAY, common), codec.decode(streams, GRAY)
    assert (with_it != without).any()
    np.testing.assert_array_equal(codec.decode(streams, GRAY), without)
    for bad in (common[:-1], common + b"\0", write_frame(b"tI", 1, b"abc"), streams[0]):
        with pytest.raises(StreamError):
            codec.decode(streams, GRAY, bad)
    with pytest.raises(StreamError, match="no side information"):
        codec_of("hyper").decode(codec_of("hyper").encode(tiles, GRAY), GRAY, common)


@pytest.mark.parametrize(("family", "name"), [("restored", "jpegls"), ("restored pca", "pca")])
def test_a_restoration_improves_the_exact_tiles_of_its_base(family: str, name: str) -> None:
    codec: Any = codec_of(family)
    assert codec.base.codec_id == name
    tiles = picture(RGB, 2)
    streams = codec.encode(tiles, RGB)
    theirs = [read_frame(b"tR", {1}, data)[1] for data in streams]
    base = codec.base.decode(theirs, RGB)
    restored = codec.decode(streams, RGB)
    np.testing.assert_array_equal(codec.restored(base, RGB), restored)
    assert psnr(restored, tiles) > psnr(base, tiles)
    with pytest.raises(StreamError):
        codec.decode(theirs, RGB)


@pytest.mark.parametrize(
    "base",
    [None, {}, {"codec_id": 7}, {"codec_id": "pca"}, {"codec_id": "pca", "config": 3}, {"codec_id": "jpeg"},
     {"codec_id": "test-restored"}, {"codec_id": "test-steps"}],
)  # fmt: skip
def test_a_restoration_of_what_is_missing_not_exact_or_restored_itself_is_a_model_error(base: object) -> None:
    model = codec_of("restored").model  # type: ignore[attr-defined]
    with pytest.raises(ModelError):
        load_codec("test-restored", replace(model, config={"base": base}))
