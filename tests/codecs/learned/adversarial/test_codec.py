"""gan and gan-ae: two decoders of one stream, a byte a latent, and what hostile models and bytes may do.

The models are those of the golden streams: slim, one with a context model, one with bytes and residual blocks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import assert_synthesis_is_the_same_everywhere
from tests.support.learned.golden_models import changed, loaded
from tests.support.photo_like import RGB, picture, psnr
from tests.support.tile_samples import assert_valid_or_stream_error, forged
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.learned.adversarial.codec import GanAe
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.stream import read_frame, write_frame

WAYS = ("gan-ae-entropy", "gan-fixed")
every_way = pytest.mark.parametrize("way", WAYS)
FINE, COARSE = Settings(quality=100), Settings(quality=1)
BLOCK = replace(RGB, height=32, width=32)


@cache
def codec(way: str) -> GanAe:
    return gan_of(model_of(way))


def model_of(way: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, changed if asked."""
    return changed("learned-5", way, config, **tensors)


def gan_of(model: Model) -> GanAe:
    found = loaded(model)
    assert isinstance(found, GanAe)
    return found


@every_way
def test_the_view_is_another_decoder_of_the_same_stream_and_the_base_does_not_depend_on_it(way: str) -> None:
    tiles = picture(RGB, 2)
    streams = codec(way).encode(tiles, RGB, FINE)
    base, view = codec(way).decode(streams, RGB), codec(way).view("adversarial")
    seen = view.decode(streams, RGB)
    assert seen.shape == base.shape and not np.array_equal(seen, base)
    assert psnr(seen, tiles) > psnr(base, tiles) - 3
    other = gan_of(model_of(way, **{"adversarial.synthesis0.bias": lambda a: a + a.max()}))
    np.testing.assert_array_equal(other.decode(streams, RGB), base)
    assert not np.array_equal(other.view("adversarial").decode(streams, RGB), seen)
    with pytest.raises(UnsupportedError, match="has no view"):
        codec(way).view("binary")


@every_way
def test_both_decoders_are_the_same_over_batches_threads_memory_formats_and_onednn(way: str) -> None:
    spec = replace(RGB, height=18, width=35)
    for decoder in (codec(way), codec(way).view("adversarial")):
        symbols = decoder.unpack(decoder.encode(picture(spec, 2), spec, FINE), spec)
        assert_synthesis_is_the_same_everywhere(decoder, symbols, batches=(1, 2))


def test_a_block_is_192_bytes_whatever_the_level_and_what_it_shows() -> None:
    black, noise = np.zeros((1, *BLOCK.shape), np.uint8), np.random.default_rng(1).integers(0, 256, (1, *BLOCK.shape))
    for tiles in (black, noise.astype(np.uint8), picture(BLOCK)):
        for level in (COARSE, FINE):
            (stream,) = codec("gan-fixed").encode(tiles, BLOCK, level)
            assert len(read_frame(b"GN", {1}, stream)[1]) == 7 + 192


def test_latents_of_fewer_bits_are_packed_without_gaps() -> None:
    packed, spec = gan_of(model_of("gan-fixed", {"bits": 5, "block": 0})), replace(RGB, height=12, width=9)
    symbols = packed.analyse(picture(spec), spec, FINE)
    (stream,) = packed.pack(symbols)
    payload = read_frame(b"GN", {1}, stream)[1]
    assert symbols.arrays["latents"].max() == 31 and len(payload) == 7 + -(-27 * 5 // 8)
    np.testing.assert_array_equal(packed.unpack([stream], spec).arrays["latents"], symbols.arrays["latents"])
    with pytest.raises(StreamError, match="too many or too few"):
        packed.decode([write_frame(b"GN", 1, payload[:-1] + bytes([payload[-1] | 1]))], spec)


def test_latents_of_gan_are_means_of_4_by_4_pixels_in_steps() -> None:
    tiles = picture(BLOCK)
    means = tiles.reshape(1, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    for level, step in ((FINE, 1), (COARSE, 8)):
        latents = codec("gan-fixed").analyse(tiles, BLOCK, level).arrays["latents"][:, 0]
        np.testing.assert_allclose(latents * step, means, atol=0.51 * step)


@cache
def payload_of(spec: TileSpec) -> bytes:
    return codec("gan-fixed").encode(picture(spec), spec, FINE)[0][7:]


@given(data=st.data())
@settings(max_examples=25)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([replace(RGB, height=40, width=20), TileSpec(40, 20, 4, "uint16", 16, "rgb")]))
    stream = forged(data, b"GN", payload_of(spec))
    assert_valid_or_stream_error(lambda: codec("gan-fixed").decode([stream], spec), spec)


def test_bytes_that_are_too_many_too_few_or_too_large_are_refused() -> None:
    _, payload = read_frame(b"GN", {1}, codec("gan-fixed").encode(picture(BLOCK), BLOCK, COARSE)[0])
    for wrong in (payload[:-1], payload + b"\0", payload[:-1] + bytes([32])):
        with pytest.raises(StreamError, match=r"too many or too few|too large"):
            codec("gan-fixed").decode([write_frame(b"GN", 1, wrong)], BLOCK)
    codec("gan-fixed").decode([write_frame(b"GN", 1, payload[:-1] + bytes([31]))], BLOCK)


@pytest.mark.parametrize(
    ("way", "name", "change"),
    [
        ("gan-ae-entropy", "adversarial.synthesis0.weight", lambda a: a[:, :-1]),
        ("gan-ae-entropy", "adversarial.synthesis1.bias", lambda a: a.astype(np.int64) + (1 << 60)),
        ("gan-ae-entropy", "level0.cdf", lambda a: a[:-1]),
        ("gan-fixed", "adversarial.synthesis2.shift", lambda a: a - 100),
        ("gan-fixed", "synthesis0.weight", lambda a: a[:-1]),
        ("gan-fixed", "analysis0.weight", lambda a: a.astype(np.float64)),
    ],
)
def test_a_hostile_model_is_a_model_error(way: str, name: str, change: object) -> None:
    with pytest.raises(ModelError):
        gan_of(model_of(way, **{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"coder": "none"}, {"coder": None}, {"adversarial_bits": [11]}, {"adversarial_bits": [99, 16]},
     {"adversarial_bits": [9, 99]}, {"bits": 9}, {"bits": 0},
     {"steps": [1, 8]}, {"steps": []}, {"synthesis": ["beside 0 3", "conv 3 1"]},
     {"synthesis": ["repeat 0", "conv 3 1"]}, {"synthesis": ["repeat 4"]}, {"synthesis": ["beside 6 2", "conv 3 1"]}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        gan_of(model_of("gan-fixed", change))


def test_a_network_of_too_many_values_a_pixel_is_refused_before_it_takes_memory() -> None:
    with pytest.raises(ModelError, match="300 values a pixel"):
        loaded(model_of("gan-fixed", {"synthesis": ["repeat 4", "conv 300 1", "relu", "conv 3 1"]}))


@pytest.mark.parametrize("name", ["gan", "gan-ae"])
def test_the_shipped_models_are_small_decode_in_float32_and_say_where_they_come_from(name: str) -> None:
    model = Model.load(SHIPPED / name)
    assert sum(file.stat().st_size for file in (SHIPPED / name).iterdir()) < 700_000
    assert "CC BY-SA 4.0" in model.licence
    shipped = gan_of(model)
    assert all(set(synthesis.needs) == {24} for synthesis in (shipped._synthesis, shipped._adversarial))
    spec = replace(RGB, height=64, width=64)
    found = [shipped.encode(picture(spec), spec, Settings(quality=quality)) for quality in (1, 50, 100)]
    close = [psnr(shipped.decode(streams, spec), picture(spec)) for streams in found]
    assert close == sorted(set(close))
    assert sorted(found, key=lambda streams: len(streams[0])) == found
