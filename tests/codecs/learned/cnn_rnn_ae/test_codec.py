"""cnn-rnn-ae: iterations that stand by themselves, errors that are exact, and what hostile models and bytes may do.

The models are those of the golden streams: slim, one with networks for each iteration, one with a pair for all.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import assert_synthesis_is_the_same_everywhere
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import KINDS, assert_valid_or_stream_error, forged, spec_of, tiles_of
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.cnn_rnn_ae.codec import CnnRnnAe
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.stream import read_frame

MODELS = Path(__file__).parents[3] / "golden/learned-2/models"
WAYS = ("whole", "overlapping")
every_way = pytest.mark.parametrize("way", WAYS)
FINE, COARSE = Settings(quality=100), Settings(quality=1)


def changed(way: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, configured otherwise, some tensors changed by functions of them; its hash is right."""
    model = Model.load(MODELS / f"cnn-rnn-ae-{way}")
    unknown = set(tensors) - set(model.tensors)
    assert not unknown
    new = {k: tensors.get(k, lambda a: a)(a) for k, a in model.tensors.items()}
    return replace(model, config={**model.config, **(config or {})}, tensors=new)


@cache
def codec(way: str) -> CnnRnnAe:
    return CnnRnnAe(changed(way))


@every_way
def test_a_coarser_stream_is_a_prefix_of_a_finer_one(way: str) -> None:
    tiles = picture(RGB, 2)
    fine, coarse = codec(way).encode(tiles, RGB, FINE), codec(way).encode(tiles, RGB, COARSE)
    first = codec(way).synthesise(codec(way).unpack_prefix(fine, RGB, 1))
    np.testing.assert_array_equal(first, codec(way).decode(coarse, RGB))
    for long, short in zip(fine, coarse, strict=True):
        (_, whole), (_, part) = read_frame(b"CR", {1}, long), read_frame(b"CR", {1}, short)
        assert whole[1:7] == part[1:7], "frames"
        assert whole[11:].startswith(part[7:]), "the first stream, behind its length"


@every_way
def test_every_iteration_comes_closer(way: str) -> None:
    tiles = picture(RGB, 3)
    streams = [codec(way).encode(tiles, RGB, chosen) for chosen in (COARSE, FINE)]
    coarse, fine = (psnr(codec(way).decode(each, RGB), tiles) for each in streams)
    assert fine > coarse + 0.5
    assert sum(map(len, streams[0])) < sum(map(len, streams[1]))
    assert {codec(way).level_of(q) for q in range(1, 101)} == {0, 1}
    assert codec(way).progressive


@pytest.mark.parametrize("off", [0.03, 0.2])
def test_an_iteration_codes_what_the_exact_syntheses_before_it_left(off: float) -> None:
    """A first synthesis that is off everywhere, by what the second iteration can see, which makes up for it."""
    sound = codec("whole")
    component = sound.model.tensors["network1.analysis0.weight"][0, :, 0, 0]
    added = np.rint(off * component / np.linalg.norm(component) * 2 ** sound.config.fraction_bits[0]).astype(np.int32)
    spoilt, tiles = CnnRnnAe(changed("whole", **{"network0.synthesis1.bias": lambda a: a + added})), picture(RGB, 2)
    apart = []
    for chosen in (COARSE, FINE):
        right, wrong = (each.decode(each.encode(tiles, RGB, chosen), RGB).astype(int) for each in (sound, spoilt))
        apart.append(np.abs(wrong - right).mean())
    assert apart[0] > 10 * off
    assert apart[1] < 0.4 * apart[0]


@every_way
def test_tiles_of_several_levels_are_decoded_together(way: str) -> None:
    tiles = picture(RGB, 2)
    streams = codec(way).encode(tiles, RGB, FINE) + codec(way).encode(tiles, RGB, COARSE)
    alone = [codec(way).decode([stream], RGB)[0] for stream in streams]
    np.testing.assert_array_equal(codec(way).decode(streams, RGB), alone)
    np.testing.assert_array_equal(codec(way).decode(streams[::-1], RGB), alone[::-1])
    symbols = codec(way).unpack(streams, RGB)
    assert codec(way).pack(symbols) == streams


@every_way
def test_every_kind_of_tile_comes_back(way: str) -> None:
    for kind in KINDS:
        if not codec(way).supports(spec_of(kind)):
            continue
        for height, width in ((1, 1), (17, 5), (30, 41)):
            spec = spec_of(kind, height, width)
            tiles = tiles_of(spec, "gradient", count=2)
            symbols = codec(way).analyse(tiles, spec, FINE)
            assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), spec), symbols)
            decoded = codec(way).synthesise(symbols)
            assert decoded.shape == tiles.shape and decoded.dtype == tiles.dtype and decoded.max() <= spec.maximum
            assert psnr(decoded, tiles, spec.maximum) > 14


@every_way
def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn(way: str) -> None:
    spec = replace(RGB, height=18, width=45)
    symbols = codec(way).analyse(picture(spec, 4), spec, FINE)
    symbols.arrays["level"][::2] = 0
    assert_synthesis_is_the_same_everywhere(codec(way), symbols, batches=(1, 4))


@every_way
def test_any_latents_within_range_can_be_packed_and_decoded(way: str) -> None:
    rng, symbols = np.random.default_rng(3), codec(way).analyse(picture(RGB, 2), RGB, FINE)
    for name, quantiser in codec(way).levels[-1].quantisers.items():
        drawn = rng.integers(0, quantiser.high + 1, symbols.arrays[name].shape)
        symbols.arrays[name] = drawn.astype(np.int16)
    assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), RGB), symbols)
    assert codec(way).synthesise(symbols).shape == (2, *RGB.shape)


@cache
def payload_of(spec: TileSpec) -> bytes:
    return codec("whole").encode(picture(spec), spec, FINE)[0][7:]


@given(data=st.data())
@settings(max_examples=25)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([replace(RGB, height=40, width=20), TileSpec(40, 20, 4, "uint16", 16, "rgb")]))
    stream = forged(data, b"CR", payload_of(spec))
    assert_valid_or_stream_error(lambda: codec("whole").decode([stream], spec), spec)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("network0.synthesis0.weight", lambda a: a[:, :-1]),
        ("network1.synthesis0.weight", lambda a: a[:, : a.shape[1] // 2]),
        ("network1.synthesis1.bias", lambda a: a.astype(np.int64) + (1 << 60)),
        ("network1.analysis0.weight", lambda a: a * np.nan),
        ("iteration1.cdf", lambda a: a[:-1]),
        ("iteration1.zero", lambda a: a.astype(np.int32) + 70_000),
        ("iteration1.dead", lambda a: a + 1),
        ("iteration0.top", lambda a: a * 0),
    ],
)
def test_a_hostile_model_is_a_model_error(name: str, change: object) -> None:
    with pytest.raises(ModelError):
        CnnRnnAe(changed("whole", **{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"block": 30}, {"overlap": 4}, {"margin": -1}, {"steps": []}, {"steps": [0, 8]}, {"steps": [8] * 9},
     {"shifts": [0]}, {"shifts": [0, 40]}, {"shifts": [0, -1]}, {"default_level": 2}, {"shared": 1}, {"shared": True},
     {"activation_bits": [8]}, {"activation_bits": [8, 40]}, {"fraction_bits": [16, 60]}, {"fraction_bits": 16},
     {"analysis": ["conv 3 3"]}, {"synthesis": ["conv 48 3"]}, {"synthesis": None}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        CnnRnnAe(changed("whole", change))


def test_the_shipped_model_is_small_decodes_in_float32_and_says_where_it_comes_from() -> None:
    model = Model.load(SHIPPED / "cnn-rnn-ae")
    assert sum(file.stat().st_size for file in (SHIPPED / "cnn-rnn-ae").iterdir()) < 700_000
    assert "CC BY-SA 4.0" in model.licence
    shipped = CnnRnnAe(model)
    assert all(set(synthesis.needs) == {24} for synthesis in shipped._syntheses)
    spec = replace(RGB, height=64, width=64)
    found = [shipped.encode(picture(spec), spec, Settings(quality=quality)) for quality in (1, 50, 100)]
    close = [psnr(shipped.decode(streams, spec), picture(spec)) for streams in found]
    assert close == sorted(set(close)) and close[-1] > 36
    assert sorted(found, key=lambda streams: len(streams[0])) == found
