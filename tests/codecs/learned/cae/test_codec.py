"""cae: a ratio for each unit, units that levels share, and what hostile models and bytes may do.

The models are those of the golden streams: slim, one that shuffles pixels, one that pools and interpolates them.
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
from tilepress.codecs.learned.cae.codec import Cae
from tilepress.codecs.model import SHIPPED, Model

WAYS = ("shuffled", "pooled")
every_way = pytest.mark.parametrize("way", WAYS)
FINE, COARSE = Settings(quality=100), Settings(quality=1)


@cache
def codec(way: str) -> Cae:
    return Cae(model_of(way))


def model_of(way: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, changed if asked."""
    return changed("learned-4", f"cae-{way}", config, **tensors)


@every_way
def test_each_level_is_the_output_of_another_unit(way: str) -> None:
    spec = replace(RGB, height=33, width=20)
    fine, coarse = (codec(way).analyse(picture(spec), spec, chosen).arrays for chosen in (FINE, COARSE))
    grids = {"shuffled": ((9, 5), (5, 3)), "pooled": ((17, 10), (9, 5))}[way]
    depths = codec(way).config.latents
    assert fine["latents0"].shape == (1, 1, *grids[0], depths[0]) and "latents1" not in fine
    assert coarse["latents1"].shape == (1, 1, *grids[1], depths[1]) and "latents0" not in coarse
    assert {codec(way).level_of(q) for q in range(1, 101)} == {0, 1}


def test_levels_share_the_units_that_lie_nearer_to_the_picture() -> None:
    """A synthesis unit that is off changes what every level behind it decodes to, and no other."""
    tiles = picture(RGB)
    streams = {1: codec("shuffled").encode(tiles, RGB, FINE), 0: codec("shuffled").encode(tiles, RGB, COARSE)}
    for part, levels in (("up0.synthesis1", {0, 1}), ("up1.synthesis0", {0}), ("entry1.synthesis0", {0})):
        other = Cae(model_of("shuffled", **{f"{part}.bias": lambda a: a + (a.max() >> 2)}))
        found = {
            level
            for level, stream in streams.items()
            if not np.array_equal(other.decode(stream, RGB), codec("shuffled").decode(stream, RGB))
        }
        assert found == levels, part


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
        Cae(model_of("shuffled", **{name: change}))


@pytest.mark.parametrize(
    "change",
    [{"margin": -1}, {"steps": [8]}, {"steps": [0, 8]}, {"latents": [3]}, {"latents": [300, 4]}, {"default_level": 2},
     {"down": []}, {"down": [["conv 6 3"]]}, {"up": [["conv 3 3"]] * 2}, {"up": [["conv 48 3", "shuffle 4"]]},
     {"down": "conv 6 3"}, {"up": None}, {"activation_bits": 40}, {"fraction_bits": 60}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        Cae(model_of("shuffled", change))


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
