"""What cae and cnn-rnn-ae, whose levels code arrays of their own, and gan-ae promise, by models of golden streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.everywhere import assert_synthesis_is_the_same_everywhere
from tests.support.learned.golden_models import changed, loaded
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import KINDS, assert_valid_or_stream_error, forged, spec_of, tiles_of
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.leveled import LeveledCodec

FINE, COARSE = Settings(quality=100), Settings(quality=1)
SIZES = ((1, 1), (17, 5), (30, 41))


@dataclass(frozen=True)
class Subject:
    """A golden model. `close`: how near its finest level comes to any kind of tile, in dB."""

    folder: str
    name: str
    close: float

    def __str__(self) -> str:
        return self.name


SUBJECTS = (
    Subject("learned-2", "cnn-rnn-ae-whole", 14),
    Subject("learned-2", "cnn-rnn-ae-overlapping", 14),
    Subject("learned-4", "cae-shuffled", 0),
    Subject("learned-4", "cae-pooled", 0),
    Subject("learned-5", "gan-ae-entropy", 0),
)
every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


@cache
def codec(subject: Subject) -> LeveledCodec:
    found = loaded(changed(subject.folder, subject.name))
    assert isinstance(found, LeveledCodec)
    return found


@every_subject
def test_every_level_is_that_of_some_quality_and_finer_ones_are_closer_and_larger(subject: Subject) -> None:
    tiles = picture(RGB, 3)
    streams = [codec(subject).encode(tiles, RGB, chosen) for chosen in (COARSE, FINE)]
    coarse, fine = (psnr(codec(subject).decode(each, RGB), tiles) for each in streams)
    assert fine > coarse + 0.5
    assert sum(map(len, streams[0])) < sum(map(len, streams[1]))
    assert {codec(subject).level_of(q) for q in range(1, 101)} == {0, 1}


@every_subject
def test_tiles_of_several_levels_are_decoded_together(subject: Subject) -> None:
    tiles = picture(RGB, 2)
    streams = codec(subject).encode(tiles, RGB, FINE) + codec(subject).encode(tiles, RGB, COARSE)
    alone = [codec(subject).decode([stream], RGB)[0] for stream in streams]
    np.testing.assert_array_equal(codec(subject).decode(streams, RGB), alone)
    np.testing.assert_array_equal(codec(subject).decode(streams[::-1], RGB), alone[::-1])
    assert codec(subject).pack(codec(subject).unpack(streams, RGB)) == streams


@every_subject
def test_every_kind_of_tile_comes_back(subject: Subject) -> None:
    for kind in (kind for kind in KINDS if codec(subject).supports(spec_of(kind))):
        for (height, width), chosen in zip(SIZES, (FINE, COARSE, FINE), strict=True):
            spec = spec_of(kind, height, width)
            tiles = tiles_of(spec, "gradient", count=2)
            for settings_ in {chosen, FINE}:
                symbols = codec(subject).analyse(tiles, spec, settings_)
                assert symbols_equal(codec(subject).unpack(codec(subject).pack(symbols), spec), symbols)
                decoded = codec(subject).synthesise(symbols)
                assert decoded.shape == tiles.shape and decoded.dtype == tiles.dtype and decoded.max() <= spec.maximum
                assert settings_ == COARSE or psnr(decoded, tiles, spec.maximum) > subject.close


@every_subject
def test_decoding_is_the_same_over_batches_threads_memory_formats_and_onednn(subject: Subject) -> None:
    spec = replace(RGB, height=18, width=45)
    fine, coarse = (codec(subject).encode(picture(spec, 2), spec, chosen) for chosen in (FINE, COARSE))
    symbols = codec(subject).unpack([fine[0], coarse[0], fine[1], coarse[1]], spec)
    assert_synthesis_is_the_same_everywhere(codec(subject), symbols, batches=(1, 4))


@every_subject
def test_any_latents_within_range_can_be_packed_and_decoded(subject: Subject) -> None:
    rng = np.random.default_rng(3)
    for level in codec(subject).levels:
        symbols = codec(subject).analyse(picture(RGB, 2), RGB, (COARSE, FINE)[level.number])
        for name, quantiser in level.quantisers.items():
            drawn = rng.integers(0, quantiser.high + 1, symbols.arrays[name].shape)
            symbols.arrays[name] = drawn.astype(np.int16)
        assert symbols_equal(codec(subject).unpack(codec(subject).pack(symbols), RGB), symbols)
        assert codec(subject).synthesise(symbols).shape == (2, *RGB.shape)


@cache
def payload_of(subject: Subject, spec: TileSpec) -> bytes:
    return codec(subject).encode(picture(spec), spec, FINE)[0][7:]


@pytest.mark.parametrize("subject", SUBJECTS[::2], ids=str)
@given(data=st.data())
@settings(max_examples=25)
def test_forged_payloads_give_a_valid_tile_or_a_stream_error(subject: Subject, data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([replace(RGB, height=40, width=20), TileSpec(40, 20, 4, "uint16", 16, "rgb")]))
    stream = forged(data, codec(subject).magic, payload_of(subject, spec))
    assert_valid_or_stream_error(lambda: codec(subject).decode([stream], spec), spec)
