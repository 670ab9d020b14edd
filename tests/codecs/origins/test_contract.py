"""What every rule of the registry promises; new rules are found by themselves and need a picture in SAMPLES."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.origins.rule_samples import SAMPLES, sample_of
from tests.support.tile_samples import CONTENTS, KINDS, damaged, spec_of, tiles_of
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import MAX_FACTS, Guess, Origin, Recovered
from tilepress.codecs.origins.chain import Chain, Step, reproduce
from tilepress.codecs.origins.detect import ORIGINS
from tilepress.codecs.origins.exceptions import pack_exceptions, with_exceptions

IDS = [rule.id for rule in ORIGINS]
every_rule = pytest.mark.parametrize("rule", ORIGINS, ids=IDS)


@cache
def found(rule: Origin) -> tuple[Guess, Recovered, np.ndarray, TileSpec]:
    """Guess and planes of a rule's sample, and the sample."""
    pixels, spec = sample_of(rule.id)
    guess = rule.detect(pixels, spec)
    assert guess is not None
    recovered = rule.invert(pixels, spec, guess)
    assert recovered is not None
    return guess, recovered, pixels, spec


def comes_back(rule: Origin, pixels: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
    """What the rule recovers of a picture, if anything; with exceptions the picture follows from it."""
    kept = pixels.copy()
    recovered = rule.invert(pixels, spec, guess)
    assert np.array_equal(pixels, kept)
    if recovered is None:
        return None
    specs = rule.plane_specs(recovered.facts, spec)
    for plane, one in zip(recovered.planes, specs, strict=True):
        one.require(plane)
        assert plane.size <= pixels.size
    assert len(recovered.facts) <= MAX_FACTS
    made = rule.apply(recovered, spec)
    spec.require(made)
    np.testing.assert_array_equal(with_exceptions(made, pack_exceptions(pixels, made, spec), spec), pixels)
    return recovered


def changed(pixels: np.ndarray, spec: TileSpec, share: float, seed: int) -> np.ndarray:
    """The same picture with other samples at a share of its places."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(pixels.shape) < share, tiles_of(spec, "noise", seed=seed)[0], pixels)


def test_every_rule_has_a_name_and_a_sample() -> None:
    assert sorted(IDS) == sorted(SAMPLES)
    assert len(set(IDS)) == len(IDS)
    assert all(name.isascii() and 0 < len(name) < 256 for name in IDS)


@every_rule
def test_a_rule_finds_what_it_made_and_says_so(rule: Origin) -> None:
    guess, recovered, pixels, spec = found(rule)
    assert guess.origin == rule.id
    assert 0.4 < guess.confidence <= 1
    assert comes_back(rule, pixels, spec, guess) is not None
    made = rule.apply(recovered, spec)
    assert (made == pixels).all(axis=2).mean() > 0.99
    words = rule.describe(recovered)
    assert words and "\n" not in words


@every_rule
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_every_kind_are_looked_at(rule: Origin, kind: str) -> None:
    spec = spec_of(kind, 60, 70)
    for content in CONTENTS if spec.colour in rule.colours else ():
        pixels = tiles_of(spec, content)[0]
        guess = rule.detect(pixels, spec)
        assert guess is None or 0 <= guess.confidence <= 1
        if guess is not None:
            comes_back(rule, pixels, spec, guess)


@every_rule
@given(data=st.data())
@settings(max_examples=25)
def test_any_picture_comes_back(rule: Origin, data: st.DataObject) -> None:
    """Under its own guess, or under the sample's: a guess may be wrong."""
    guess, _, _, kind = found(rule)
    spec = replace(kind, height=data.draw(st.integers(1, 40)), width=data.draw(st.integers(1, 40)))
    pixels = tiles_of(spec, data.draw(st.sampled_from(CONTENTS)), seed=data.draw(st.integers(0, 99)))[0]
    comes_back(rule, pixels, spec, rule.detect(pixels, spec) or guess)


@every_rule
@given(data=st.data())
@settings(max_examples=25)
def test_damaged_and_cropped_pictures_come_back(rule: Origin, data: st.DataObject) -> None:
    guess, _, pixels, spec = found(rule)
    top, left = data.draw(st.integers(0, spec.height - 1)), data.draw(st.integers(0, spec.width - 1))
    pixels = np.ascontiguousarray(pixels[top : top + 60, left : left + 60])
    spec = replace(spec, height=pixels.shape[0], width=pixels.shape[1])
    share = data.draw(st.sampled_from([0.0, 0.001, 0.1, 1.0]))
    comes_back(rule, changed(pixels, spec, share, data.draw(st.integers(0, 99))), spec, guess)


@every_rule
@given(data=st.data())
@settings(max_examples=10)
def test_what_a_rule_makes_of_any_planes_comes_back(rule: Origin, data: st.DataObject) -> None:
    guess, recovered, _, spec = found(rule)
    content = data.draw(st.sampled_from(CONTENTS))
    seeds = st.integers(0, 99)
    planes = [tiles_of(one, content, seed=data.draw(seeds))[0] for one in rule.plane_specs(recovered.facts, spec)]
    try:
        made = rule.apply(replace(recovered, planes=tuple(planes)), spec)
    except StreamError:
        return  # samples that the facts have no meaning for
    comes_back(rule, made, spec, guess)


@every_rule
def test_hostile_facts_give_the_one_error_or_a_picture(rule: Origin) -> None:
    _, recovered, _, spec = found(rule)
    rng = np.random.default_rng(4)
    for facts in [b"", *damaged(recovered.facts, rng), *(rng.bytes(len(recovered.facts)) for _ in range(100))]:
        try:
            specs = rule.plane_specs(facts, spec)
            assert all(
                one.height * one.width * one.channels <= spec.height * spec.width * spec.channels for one in specs
            )
            planes = tuple(np.zeros(one.shape, one.dtype) for one in specs)
            spec.require(rule.apply(Recovered(facts, planes, recovered.file), spec))
        except StreamError:
            continue


@every_rule
def test_other_planes_than_the_facts_tell_are_refused(rule: Origin) -> None:
    _, recovered, _, spec = found(rule)
    steps = (Step(rule.id, recovered.facts, b""),)
    planes = recovered.planes
    others = [planes[1:], (*planes, np.zeros((3, 3, 1), np.uint8))] if planes else [(np.zeros((3, 3, 1), np.uint8),)]
    for number, plane in enumerate(planes):
        for other in (plane[:-1], plane[..., None], plane.astype(np.uint32)):
            others.append((*planes[:number], other, *planes[number + 1 :]))
    for wrong in others:
        with pytest.raises(StreamError):
            reproduce(Chain(steps, wrong, recovered.file), spec)


@every_rule
def test_a_rule_may_be_used_from_four_threads_at_once(rule: Origin) -> None:
    guess, recovered, pixels, spec = found(rule)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: rule.invert(pixels, spec, guess), range(4)))
    for result in results:
        assert result is not None
        assert result.facts == recovered.facts
        assert all(np.array_equal(a, b) for a, b in zip(result.planes, recovered.planes, strict=True))
