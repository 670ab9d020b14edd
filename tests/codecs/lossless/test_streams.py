"""Streams of the codec `lossless`: what is literal in them for ever, and what they hold for every kind of tile."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lossless_cases import checkerboard, drawn_model, scene
from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.lossless.codec import Lossless, level_of
from tilepress.codecs.lossless.levels import DEFAULT, FAST, LEVELS, MAX, QUICK
from tilepress.codecs.lossless.residual import LosslessResidual
from tilepress.codecs.lossless.samples import values_of
from tilepress.codecs.stream import read_frame, write_frame

EFFORTS = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3, None: 2}  # to the code of the level
LEVEL_EFFORTS = (1, 2, 5, 9)
OVERHEAD = 10
SPEC = TileSpec(24, 32, 1, "uint8", 8, "gray")
SHAPES = [(1, 1), (1, 2), (2, 1), (1, 90), (90, 1), (2, 61), (61, 2), (3, 3), (4, 4), (5, 17), (33, 8)]
COLOURS = [("gray", 1), ("gray", 2), ("rgb", 3), ("rgb", 4), ("cmyk", 4), ("cmyk", 5)]


@cache
def codec() -> Lossless:
    return Lossless(drawn_model(networks=True))


def stream_of(effort: int | None, max_error: int | None = None) -> bytes:
    return codec().encode_tile(scene(SPEC), SPEC, Settings(effort=effort, max_error=max_error))


def assert_comes_back(tile: np.ndarray, spec: TileSpec, efforts: tuple[int, ...] = LEVEL_EFFORTS) -> list[bytes]:
    """The streams of each level."""
    streams = [codec().encode_tile(tile, spec, Settings(effort=effort)) for effort in efforts]
    for stream in streams:
        back = codec().decode_tile(stream, spec)
        assert back.dtype == tile.dtype and len(stream) <= spec.nbytes + OVERHEAD
        np.testing.assert_array_equal(back, tile)
    return streams


# ------------------------------------------------------------------------------------------------ permanence


def test_levels_have_the_names_and_codes_that_they_always_had() -> None:
    assert {level.name: level.code for level in LEVELS} == {"fast": 1, "default": 2, "max": 3}
    assert [FAST.code, DEFAULT.code, MAX.code, QUICK.code] == [1, 2, 3, 4]


def test_a_stream_begins_with_its_magic_version_checksum_level_and_bound() -> None:
    for effort, code in EFFORTS.items():
        for bound in (None, 0, 3):
            stream = stream_of(effort, bound)
            assert stream[:3] == b"LL\x01"
            _, payload = read_frame(b"LL", {1}, stream)
            assert struct.unpack_from("<BH", payload) == (code, bound or 0)
            assert level_of(effort).code == code


def test_a_residual_stream_begins_with_its_magic_version_checksum_level_and_bound() -> None:
    base = np.zeros_like(scene(SPEC))
    for bound in (0, 3):
        stream = LosslessResidual().encode(scene(SPEC), base, SPEC, bound)
        assert stream[:3] == b"rL\x01"
        assert struct.unpack_from("<BH", read_frame(b"rL", {1}, stream)[1]) == (2, bound)


def test_ids_are_those_that_archives_refer_to() -> None:
    assert (Lossless.codec_id, LosslessResidual.residual_id) == ("lossless", "lossless-1")


def test_what_is_not_coded_is_kept_raw_and_little_endian() -> None:
    for spec in (SPEC, TileSpec(9, 5, 2, "uint16", 16, "gray")):
        noise = tiles_of(spec, "noise")[0]
        payload = b"\0\0\0" + noise.astype(noise.dtype.newbyteorder("<")).tobytes()
        assert codec().encode_tile(noise, spec, Settings()) == write_frame(b"LL", 1, payload)


@pytest.mark.parametrize("code", [5, 6, 127, 255])
def test_a_level_of_a_later_tilepress_is_refused_in_words(code: int) -> None:
    _, payload = read_frame(b"LL", {1}, stream_of(5))
    with pytest.raises(StreamError, match=f"level {code}, unknown to this tilepress"):
        codec().decode_tile(write_frame(b"LL", 1, bytes([code]) + payload[1:]), SPEC)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused(version: int) -> None:
    _, payload = read_frame(b"LL", {1}, stream_of(5))
    with pytest.raises(StreamError, match="version"):
        codec().decode_tile(write_frame(b"LL", version, payload), SPEC)


def test_payloads_that_no_tile_has_are_refused() -> None:
    head, plane = b"\x02\0\0", struct.Struct("<BHH")
    small, table = plane.pack(0, 0, 9), b"\x78\x9c\x03\0\0\0\0\x01"
    wrong = {
        "no header": b"\x02\0",
        "no plane": head,
        "half a plane": head + small[:4],
        "lowest above highest": head + plane.pack(0, 9, 8),
        "above 8 bits": head + plane.pack(0, 0, 256),
        "kind 2": head + plane.pack(2, 0, 9),
        "no table": head + plane.pack(1, 0, 9),
        "empty table": head + plane.pack(1, 0, 9) + b"\x08\0" + table,
        "table between neighbours": head + plane.pack(1, 8, 9) + b"\x08\0" + table,
        "table cut off": head + plane.pack(1, 0, 9) + b"\x08\0" + table[:5],
        "too many words": head + small + bytes(SPEC.nbytes + 3),
        "raw and short": b"\0\0\0" + bytes(SPEC.nbytes - 1),
        "raw and long": b"\0\0\0" + bytes(SPEC.nbytes + 1),
    }
    for name, payload in wrong.items():
        with pytest.raises(StreamError):
            pytest.fail(f"{name}: {codec().decode_tile(write_frame(b'LL', 1, payload), SPEC)}")


def test_raw_samples_above_the_bit_depth_are_refused() -> None:
    spec = TileSpec(2, 3, 1, "uint16", 12, "gray")
    with pytest.raises(StreamError, match="above 4095"):
        codec().decode_tile(write_frame(b"LL", 1, b"\0\0\0" + b"\0\x10" * 6), spec)


def test_a_model_of_another_codec_and_a_tile_above_its_depth_are_refused() -> None:
    model = drawn_model(networks=True)
    with pytest.raises(ModelError):
        Lossless(type(model)("pca", model.config, {}, "", model.tensors))
    spec = TileSpec(2, 2, 1, "uint8", 4, "gray")
    with pytest.raises(UnsupportedError, match="above 15"):
        codec().encode_tile(np.full((2, 2, 1), 16, np.uint8), spec, Settings())


# --------------------------------------------------------------------------------------------------- tiles


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_every_level_restores_tiles_of_every_size(height: int, width: int) -> None:
    for colour, channels in (("gray", 1), ("rgb", 3)):
        for dtype, bits in (("uint8", 8), ("uint16", 16)):
            spec = TileSpec(height, width, channels, dtype, bits, colour)  # type: ignore[arg-type]
            assert_comes_back(scene(spec), spec)


@pytest.mark.parametrize(("colour", "channels"), COLOURS)
@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 12), ("uint16", 16)])
def test_every_level_restores_any_number_of_planes_up_to_five(
    colour: str, channels: int, dtype: str, bits: int
) -> None:
    spec = TileSpec(22, 27, channels, dtype, bits, colour)  # type: ignore[arg-type]
    for tile in (scene(spec), checkerboard(spec), tiles_of(spec, "noise")[0]):
        assert_comes_back(tile, spec)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "palette" not in kind])
def test_planes_of_one_value_cost_nothing_but_their_headers(kind: str) -> None:
    spec = spec_of(kind, 64, 48)
    for value in {0, spec.maximum // 2, spec.maximum}:
        tile = np.full(spec.shape, value, spec.dtype)
        assert {len(stream) for stream in assert_comes_back(tile, spec)} == {7 + 3 + 5 * spec.channels}


def test_one_busy_plane_among_constant_ones_is_restored() -> None:
    for busy in range(4):
        spec = TileSpec(20, 30, 4, "uint16", 16, "rgb")
        tile = np.full(spec.shape, 65535, np.uint16)
        tile[..., busy] = scene(TileSpec(20, 30, 1, "uint16", 16, "gray"))[..., 0]
        assert_comes_back(tile, spec)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_extremes_side_by_side_are_restored_and_small(dtype: str) -> None:
    spec = TileSpec(64, 64, 1, dtype, 8 * np.dtype(dtype).itemsize, "gray")  # type: ignore[arg-type]
    y, x = np.mgrid[:64, :64]
    patterns = [(x + y) % 2, x % 2, y % 2, (x // 8 + y // 8) % 2, np.random.default_rng(0).integers(0, 2, (64, 64))]
    for number, pattern in enumerate(patterns):
        streams = assert_comes_back((pattern * spec.maximum)[..., None].astype(dtype), spec)
        assert max(map(len, streams)) < (150 if number < 4 else 700)


def test_one_outlier_in_a_flat_tile_is_restored_in_few_bytes() -> None:
    spec = TileSpec(64, 64, 3, "uint16", 16, "rgb")
    tile = np.zeros(spec.shape, np.uint16)
    tile[60, 60] = (65535, 1, 40000)
    assert max(map(len, assert_comes_back(tile, spec))) < 160


@given(data=st.data())
@settings(max_examples=60)
def test_tiles_of_any_shape_and_content_are_restored(data: st.DataObject) -> None:
    colour, channels = data.draw(st.sampled_from(COLOURS))
    bits = data.draw(st.integers(1, 16))
    shape = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30))
    spec = TileSpec(*shape, channels, "uint8" if bits <= 8 else "uint16", bits, colour)  # type: ignore[arg-type]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    low, high = sorted(data.draw(st.tuples(st.integers(0, spec.maximum), st.integers(0, spec.maximum))))
    tile = rng.integers(low, high + 1, spec.shape)
    if data.draw(st.booleans()):
        tile = np.where(rng.random(spec.shape) < 0.9, tile[:1], tile)  # columns of one value
    assert_comes_back(tile.astype(spec.dtype), spec, (data.draw(st.sampled_from(LEVEL_EFFORTS)),))


def test_the_order_of_samples_in_memory_does_not_matter() -> None:
    spec = TileSpec(20, 30, 3, "uint8", 8, "rgb")
    tile = scene(spec)
    ways = (tile, np.asfortranarray(tile), np.repeat(tile, 2, axis=1)[:, ::2])
    for effort in LEVEL_EFFORTS:
        assert len({codec().encode_tile(way, spec, Settings(effort=effort)) for way in ways}) == 1
    values, _ = values_of(tile[..., 0], 0)
    assert all(values.indices(way[..., 0]).flags.c_contiguous for way in ways)  # one signature of each kernel
