"""What every codec of the registry promises; new codecs and shipped models are found by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tile_samples import (
    CONTENTS,
    KINDS,
    SIZES,
    assert_valid_or_stream_error,
    damaged,
    resealed,
    spec_of,
    tiles_of,
)
from tilepress.codecs import registry
from tilepress.codecs.codec import RANGES, Codec, Settings, TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError

MIN_PSNR = 25.0  # dB, of a lossy codec at its default quality on a gradient

MODELS = [name for name in registry.shipped_models() if registry.resolve(name).codec_id in registry.CODECS]
SUBJECTS = [*(codec_id for codec_id in registry.CODECS if not registry.needs_model(codec_id)), *MODELS]
every_codec = pytest.mark.parametrize("subject", SUBJECTS)
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def codec_of(subject: str) -> Codec:
    choice = registry.resolve(subject)
    return registry.load_codec(choice.codec_id, choice.model_folder)


def common_kinds(codec: Codec) -> list[str]:
    """A few kinds that the codec supports, of both sample sizes if it can."""
    return [kind for kind in ("gray", "rgb", "16-bit gray") if codec.supports(spec_of(kind))]


def quick(codec: Codec) -> Settings:
    """The default; the least effort where a codec fits something to the tiles, which only takes longer with more."""
    return Settings(effort=1 if codec.has_side_information and "effort" in codec.options else None)


def psnr(a: np.ndarray, b: np.ndarray, maximum: int) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return 99.0 if error == 0 else float(10 * np.log10(maximum**2 / error))


def assert_comes_back(codec: Codec, tiles: np.ndarray, spec: TileSpec, smooth: bool) -> None:
    decoded = codec.decode(codec.encode(tiles, spec, quick(codec)), spec)
    assert decoded.shape == tiles.shape
    assert decoded.dtype == tiles.dtype
    assert decoded.max() <= spec.maximum
    if codec.lossless:
        np.testing.assert_array_equal(decoded, tiles)
    elif smooth:
        assert psnr(decoded, tiles, spec.maximum) >= MIN_PSNR


@every_codec
@every_kind
def test_every_kind_of_tile_comes_back_or_is_refused(subject: str, kind: str) -> None:
    """Every codec of every kind, and each of both of all contents: two contents a pair, not all four."""
    turn = SUBJECTS.index(subject) + list(KINDS).index(kind)
    assert_comes_back_or_is_refused(subject, kind, [CONTENTS[(turn + nth) % len(CONTENTS)] for nth in range(2)])


def assert_comes_back_or_is_refused(subject: str, kind: str, contents: Iterable[str]) -> None:
    codec, spec = codec_of(subject), spec_of(kind)
    for content in contents:
        tiles = tiles_of(spec, content)
        if codec.supports(spec):
            assert_comes_back(codec, tiles, spec, smooth=content != "noise")
        else:
            with pytest.raises(UnsupportedError):
                codec.encode(tiles, spec)


@every_codec
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_of_any_size_come_back(subject: str, size: tuple[int, int]) -> None:
    codec = codec_of(subject)
    for kind in common_kinds(codec):
        for content in ("noise", "gradient"):
            spec = spec_of(kind, *size)
            assert_comes_back(codec, tiles_of(spec, content), spec, smooth=content == "gradient")


@every_codec
def test_a_whole_tile_comes_back(subject: str) -> None:
    codec = codec_of(subject)
    spec = spec_of(common_kinds(codec)[-1], 512, 512)
    noise = tiles_of(spec, "noise") >> (spec.bit_depth - 3)
    assert_comes_back(codec, np.minimum(tiles_of(spec, "gradient") + noise, spec.maximum), spec, smooth=True)


@every_codec
@given(data=st.data())
@settings(max_examples=25)
def test_small_tiles_of_any_shape_come_back(subject: str, data: st.DataObject) -> None:
    codec = codec_of(subject)
    kind = data.draw(st.sampled_from([kind for kind in KINDS if codec.supports(spec_of(kind))]))
    spec = spec_of(kind, data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24)))
    tiles = tiles_of(spec, "noise", count=data.draw(st.integers(1, 3)), seed=data.draw(st.integers(0, 99)))
    assert_comes_back(codec, tiles >> data.draw(st.integers(0, spec.bit_depth - 1)), spec, smooth=False)


@every_codec
def test_a_codec_says_whether_it_prepares(subject: str) -> None:
    """An archive asks no other: one that says no is never called, one that says yes reads each image once more."""
    codec = codec_of(subject)
    assert codec.has_side_information == (type(codec).prepare is not Codec.prepare)


@every_codec
def test_encoding_is_analysis_and_packing(subject: str) -> None:
    codec = codec_of(subject)
    for kind in common_kinds(codec):
        spec = spec_of(kind)
        tiles = tiles_of(spec, "noise", count=2)
        assert codec.encode(tiles, spec) == codec.pack(codec.analyse(tiles, spec, Settings()))


@every_codec
def test_decoding_does_not_depend_on_the_batch(subject: str) -> None:
    codec = codec_of(subject)
    for kind in common_kinds(codec):
        spec = spec_of(kind, 40, 60)
        latents = codec.encode(tiles_of(spec, "noise", count=8), spec)
        whole = codec.decode(latents, spec)
        for batch in (1, 3):
            bounds = [*range(0, 8, batch), 8]
            parts = [codec.decode(latents[a:b], spec) for a, b in pairwise(bounds)]
            np.testing.assert_array_equal(np.concatenate(parts), whole)


@every_codec
def test_one_codec_may_be_used_from_four_threads_at_once(subject: str) -> None:
    codec = codec_of(subject)
    spec = spec_of(common_kinds(codec)[0], 100, 90)
    latents = [codec.encode(tiles_of(spec, "noise", seed=seed), spec, quick(codec)) for seed in range(4)]
    expected = [codec.decode(one, spec) for one in latents]
    with ThreadPoolExecutor(4) as pool:
        decoded = list(pool.map(lambda one: codec.decode(one, spec), latents * 4))
    for got, wanted in zip(decoded, expected * 4, strict=True):
        np.testing.assert_array_equal(got, wanted)


@every_codec
def test_synthesis_repeats_itself_at_any_thread_count(subject: str) -> None:
    codec = codec_of(subject)
    spec = spec_of(common_kinds(codec)[-1], 70, 50)
    symbols = codec.unpack(codec.encode(tiles_of(spec, "noise", count=3), spec), spec)
    first = codec.synthesise(symbols)
    np.testing.assert_array_equal(codec.synthesise(symbols), first)
    if codec.networks:
        import torch

        before = torch.get_num_threads()
        try:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                np.testing.assert_array_equal(codec.synthesise(symbols), first)
        finally:
            torch.set_num_threads(before)


@every_codec
def test_options_outside_their_range_are_refused(subject: str) -> None:
    codec = codec_of(subject)
    spec = spec_of(common_kinds(codec)[0])
    for option in codec.options:
        for value in (RANGES[option][0] - 1, RANGES[option][1] + 1):
            with pytest.raises(UnsupportedError):
                codec.encode(tiles_of(spec, "black"), spec, Settings(**{option: value}))


@every_codec
def test_damaged_streams_raise_stream_error(subject: str) -> None:
    codec, rng = codec_of(subject), np.random.default_rng(1)
    for kind in common_kinds(codec):
        spec = spec_of(kind)
        (data,) = codec.encode(tiles_of(spec, "gradient"), spec)
        for bad in damaged(data, rng):
            with pytest.raises(StreamError):
                codec.decode([bad], spec)


@every_codec
def test_forged_streams_give_stream_error_or_a_valid_tile(subject: str) -> None:
    codec, rng = codec_of(subject), np.random.default_rng(2)
    for kind in common_kinds(codec):
        for content in ("gradient", "noise"):
            spec = spec_of(kind)
            (data,) = codec.encode(tiles_of(spec, content), spec)
            for bad in resealed(data, rng):
                assert_valid_or_stream_error(lambda bad=bad, spec=spec: codec.decode([bad], spec), spec)


@every_codec
def test_the_stream_of_another_tile_size_gives_stream_error_or_a_valid_tile(subject: str) -> None:
    codec = codec_of(subject)
    for kind in common_kinds(codec):
        (data,) = codec.encode(tiles_of(spec_of(kind), "noise"), spec_of(kind))
        for size in ((31, 17), (1, 1), (512, 512)):
            spec = spec_of(kind, *size)
            assert_valid_or_stream_error(lambda spec=spec, data=data: codec.decode([data], spec), spec)


@cache
def gradient_of(writer: str) -> bytes:
    """The stream that a codec writes of a small gradient."""
    spec = spec_of("gray")
    (data,) = codec_of(writer).encode(tiles_of(spec, "gradient"), spec)
    return data


@every_codec
def test_the_stream_of_another_codec_raises_stream_error(subject: str) -> None:
    """Models of one family share a format: the archive says which one wrote a tile."""
    codec = codec_of(subject)
    for other in SUBJECTS:
        if codec_of(other).codec_id != codec.codec_id:
            with pytest.raises(StreamError):
                codec.decode([gradient_of(other)], spec_of("gray"))
                pytest.fail(f"{subject} decodes what {other} wrote")
