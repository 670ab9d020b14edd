"""cnn-rnn-ae: iterations that stand by themselves, errors that are exact, and what hostile models and bytes may do.

The models are those of the golden streams: slim, one with networks for each iteration, one with a pair for all.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.support.learned.golden_models import changed
from tests.support.photo_like import RGB, picture, psnr
from tilepress.codecs.codec import Settings
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.cnn_rnn_ae.codec import CnnRnnAe
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.stream import read_frame

WAYS = ("whole", "overlapping")
every_way = pytest.mark.parametrize("way", WAYS)
FINE, COARSE = Settings(quality=100), Settings(quality=1)


@cache
def codec(way: str) -> CnnRnnAe:
    return CnnRnnAe(model_of(way))


def model_of(way: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, changed if asked."""
    return changed("learned-2", f"cnn-rnn-ae-{way}", config, **tensors)


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
    spoilt, tiles = CnnRnnAe(model_of("whole", **{"network0.synthesis1.bias": lambda a: a + added})), picture(RGB, 2)
    apart = []
    for chosen in (COARSE, FINE):
        right, wrong = (each.decode(each.encode(tiles, RGB, chosen), RGB).astype(int) for each in (sound, spoilt))
        apart.append(np.abs(wrong - right).mean())
    assert apart[0] > 10 * off
    assert apart[1] < 0.4 * apart[0]


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
        CnnRnnAe(model_of("whole", **{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"block": 30}, {"overlap": 4}, {"margin": -1}, {"steps": []}, {"steps": [0, 8]}, {"steps": [8] * 9},
     {"shifts": [0]}, {"shifts": [0, 40]}, {"shifts": [0, -1]}, {"default_level": 2}, {"shared": 1}, {"shared": True},
     {"activation_bits": [8]}, {"activation_bits": [8, 40]}, {"fraction_bits": [16, 60]}, {"fraction_bits": 16},
     {"analysis": ["conv 3 3"]}, {"synthesis": ["conv 48 3"]}, {"synthesis": None}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        CnnRnnAe(model_of("whole", change))


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
