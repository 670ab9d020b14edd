"""cae: a ratio for each unit, units that levels share, and what hostile models and bytes may do.

The models are those of the golden streams: slim, one that shuffles pixels, one that pools and interpolates them.
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
from tilepress.codecs.learned.cae.codec import Cae
from tilepress.codecs.model import SHIPPED, Model

MODELS = Path(__file__).parents[3] / "golden/learned-4/models"
WAYS = ("shuffled", "pooled")
every_way = pytest.mark.parametrize("way", WAYS)
FINE, COARSE = Settings(quality=100), Settings(quality=1)


def changed(way: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, configured otherwise, some tensors changed by functions of them; its hash is right."""
    model = Model.load(MODELS / f"cae-{way}")
    unknown = set(tensors) - set(model.tensors)
    assert not unknown
    new = {k: tensors.get(k, lambda a: a)(a) for k, a in model.tensors.items()}
    return replace(model, config={**model.config, **(config or {})}, tensors=new)


@cache
def codec(way: str) -> Cae:
    return Cae(changed(way))


@every_way
def test_each_level_is_the_output_of_another_unit(way: str) -> None:
    spec = replace(RGB, height=33, width=20)
    fine, coarse = (codec(way).analyse(picture(spec), spec, chosen).arrays for chosen in (FINE, COARSE))
    grids = {"shuffled": ((9, 5), (5, 3)), "pooled": ((17, 10), (9, 5))}[way]
    depths = codec(way).config.latents
    assert fine["latents0"].shape == (1, 1, *grids[0], depths[0]) and "latents1" not in fine
    assert coarse["latents1"].shape == (1, 1, *grids[1], depths[1]) and "latents0" not in coarse
    assert {codec(way).level_of(q) for q in range(1, 101)} == {0, 1}


@every_way
def test_higher_quality_is_closer_and_larger(way: str) -> None:
    tiles = picture(RGB, 3)
    streams = [codec(way).encode(tiles, RGB, chosen) for chosen in (COARSE, FINE)]
    coarse, fine = (psnr(codec(way).decode(each, RGB), tiles) for each in streams)
    assert fine > coarse + 0.5
    assert sum(map(len, streams[0])) < sum(map(len, streams[1]))


def test_levels_share_the_units_that_lie_nearer_to_the_picture() -> None:
    """A synthesis unit that is off changes what every level behind it decodes to, and no other."""
    tiles = picture(RGB)
    streams = {1: codec("shuffled").encode(tiles, RGB, FINE), 0: codec("shuffled").encode(tiles, RGB, COARSE)}
    for part, levels in (("up0.synthesis1", {0, 1}), ("up1.synthesis0", {0}), ("entry1.synthesis0", {0})):
        other = Cae(changed("shuffled", **{f"{part}.bias": lambda a: a + (a.max() >> 2)}))
        found = {
            level
            for level, stream in streams.items()
            if not np.array_equal(other.decode(stream, RGB), codec("shuffled").decode(stream, RGB))
        }
        assert found == levels, part


@every_way
def test_tiles_of_several_levels_are_decoded_together(way: str) -> None:
    tiles = picture(RGB, 2)
    streams = codec(way).encode(tiles, RGB, FINE) + codec(way).encode(tiles, RGB, COARSE)
    alone = [codec(way).decode([stream], RGB)[0] for stream in streams]
    np.testing.assert_array_equal(codec(way).decode(streams, RGB), alone)
    assert codec(way).pack(codec(way).unpack(streams, RGB)) == streams


@every_way
def test_every_kind_of_tile_comes_back(way: str) -> None:
    for kind in KINDS:
        if not codec(way).supports(spec_of(kind)):
            continue
        for (height, width), chosen in (((1, 1), FINE), ((17, 5), COARSE), ((30, 41), FINE)):
            spec = spec_of(kind, height, width)
            tiles = tiles_of(spec, "gradient", count=2)
            symbols = codec(way).analyse(tiles, spec, chosen)
            assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), spec), symbols)
            decoded = codec(way).synthesise(symbols)
            assert decoded.shape == tiles.shape and decoded.dtype == tiles.dtype and decoded.max() <= spec.maximum


@every_way
def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn(way: str) -> None:
    spec = replace(RGB, height=18, width=45)
    fine, coarse = (codec(way).encode(picture(spec, 2), spec, chosen) for chosen in (FINE, COARSE))
    symbols = codec(way).unpack([*fine, *coarse], spec)
    assert_synthesis_is_the_same_everywhere(codec(way), symbols, batches=(1, 4))


@every_way
def test_any_latents_within_range_can_be_packed_and_decoded(way: str) -> None:
    rng = np.random.default_rng(3)
    for level in codec(way).levels:
        symbols = codec(way).analyse(picture(RGB, 2), RGB, (COARSE, FINE)[level.number])
        for name, quantiser in level.quantisers.items():
            drawn = rng.integers(0, quantiser.high + 1, symbols.arrays[name].shape)
            symbols.arrays[name] = drawn.astype(np.int16)
        assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), RGB), symbols)
        assert codec(way).synthesise(symbols).shape == (2, *RGB.shape)


@cache
def payload_of(spec: TileSpec) -> bytes:
    return codec("shuffled").encode(picture(spec), spec, FINE)[0][7:]


@given(data=st.data())
@settings(max_examples=25)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([replace(RGB, height=40, width=20), TileSpec(40, 20, 4, "uint16", 16, "rgb")]))
    stream = forged(data, b"CE", payload_of(spec))
    assert_valid_or_stream_error(lambda: codec("shuffled").decode([stream], spec), spec)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("entry1.synthesis0.weight", lambda a: a[:, :-1]),
        ("up1.synthesis0.weight", lambda a: a[:-1]),
        ("up0.synthesis1.bias", lambda a: a.astype(np.int64) + (1 << 60)),
        ("up0.synthesis0.shift", lambda a: a - 100),
        ("down1.analysis0.weight", lambda a: a * np.nan),
        ("head1.analysis0.weight", lambda a: a[:, 1:]),
        ("unit1.cdf", lambda a: a[:-1]),
        ("unit0.zero", lambda a: a.astype(np.int32) + 70_000),
    ],
)
def test_a_hostile_model_is_a_model_error(name: str, change: object) -> None:
    with pytest.raises(ModelError):
        Cae(changed("shuffled", **{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"margin": -1}, {"steps": [8]}, {"steps": [0, 8]}, {"latents": [3]}, {"latents": [300, 4]}, {"default_level": 2},
     {"down": []}, {"down": [["conv 6 3"]]}, {"up": [["conv 3 3"]] * 2}, {"up": [["conv 48 3", "shuffle 4"]]},
     {"down": "conv 6 3"}, {"up": None}, {"activation_bits": 40}, {"fraction_bits": 60}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        Cae(changed("shuffled", change))


def test_the_shipped_model_is_small_decodes_in_float32_and_says_where_it_comes_from() -> None:
    model = Model.load(SHIPPED / "cae")
    assert sum(file.stat().st_size for file in (SHIPPED / "cae").iterdir()) < 700_000
    assert "CC BY-SA 4.0" in model.licence
    shipped = Cae(model)
    assert all(set(synthesis.needs) == {24} for synthesis in shipped._syntheses)
    spec = replace(RGB, height=64, width=64)
    found = [shipped.encode(picture(spec), spec, Settings(quality=quality)) for quality in (1, 50, 100)]
    close = [psnr(shipped.decode(streams, spec), picture(spec)) for streams in found]
    assert close == sorted(set(close)) and close[-1] > 36
    assert sorted(found, key=lambda streams: len(streams[0])) == found
