"""The first look: rules by their ids, guesses in order, and samples that are the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import UnknownCodecError
from tilepress.codecs.origins import detect
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.sample import distinct_colours, scattered, shared_sample

RGB = TileSpec(160, 130, 3, "uint8", 8, "rgb")


class Sure(Origin):
    """A rule that is as sure as it was told to be, and explains nothing."""

    id = "sure"

    def __init__(self, confidence: float | None) -> None:
        self.confidence = confidence

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        return None if self.confidence is None else Guess(self.id, self.confidence, hints=self)

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        return None

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        return ()

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        return np.zeros(spec.shape, spec.dtype)

    def describe(self, recovered: Recovered) -> str:
        return "nothing"


def test_sure_guesses_keep_their_order_and_the_others_follow_by_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tuple(map(Sure, (0.2, None, 0.9, 0.4, 1.0)))
    monkeypatch.setattr(detect, "ORIGINS", rules)
    expected = [rules[2], rules[4], rules[3], rules[0]]
    assert [guess.hints for guess in detect.look(picture(RGB)[0], RGB)] == expected


def test_small_pictures_and_palette_entries_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "ORIGINS", (Sure(1.0),))
    small = replace(RGB, height=100)
    entries = replace(RGB, channels=1, colour="indexed")
    assert detect.look(picture(small)[0], small) == []
    assert detect.look(picture(entries)[0], entries) == []


def test_rules_are_found_by_ids_that_no_two_share() -> None:
    assert {rule.id: rule for rule in detect.ORIGINS} == {rule.id: detect.origin(rule.id) for rule in detect.ORIGINS}
    assert len({rule.id for rule in detect.ORIGINS}) == len(detect.ORIGINS)
    with pytest.raises(UnknownCodecError, match="no origin named 'none'"):
        detect.origin("none")


@pytest.mark.parametrize("size", [1, 4096, 4097, 5000, 130 * 160, 1 << 33])
def test_places_of_a_sample_are_all_over_and_hardly_repeat(size: int) -> None:
    places = scattered(size)
    assert len(places) == min(size, 4096)
    assert places.min() == 0 and places.max() < size
    assert np.diff(np.sort(places)).max(initial=0) <= max(2, 4 * size // 4096)
    assert len(np.unique(places)) > 0.8 * len(places)


def test_distinct_colours_leave_alpha_out_and_are_sorted() -> None:
    spec = TileSpec(4, 6, 4, "uint16", 16, "rgb")
    pixels = picture(spec)[0]
    pixels[1] = pixels[0]
    pixels[..., 3] = np.arange(24).reshape(4, 6)
    found = distinct_colours(pixels, spec)
    assert found.dtype == np.uint16
    assert np.array_equal(found, np.unique(pixels[..., :3].reshape(-1, 3), axis=0))


def test_what_was_drawn_is_shared_for_one_picture_and_no_longer_than_a_look() -> None:
    pixels, others = picture(RGB)[0], picture(RGB, seed=1)[0]
    with shared_sample(pixels):
        first = distinct_colours(pixels, RGB)
        assert distinct_colours(pixels, RGB) is first
        assert not first.flags.writeable
        assert len(distinct_colours(pixels, RGB, 100)) <= 100
        assert not np.array_equal(distinct_colours(others, RGB), first)
    pixels[...] = others
    assert np.array_equal(distinct_colours(pixels, RGB), distinct_colours(others, RGB))
