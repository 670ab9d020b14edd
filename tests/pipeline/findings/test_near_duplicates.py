"""Groups of hashes are exactly those that comparing all pairs would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.pipeline.findings.likeness import FLAT
from tilepress.pipeline.findings.near_duplicates import MOST, near_duplicates


def by_all_pairs(hashes: list[int], distance: int) -> list[list[int]]:
    """The same by brute force: groups grown one by one."""
    left, groups = [place for place, value in enumerate(hashes) if value != FLAT], []
    while left:
        group, fresh = [], [left.pop(0)]
        while fresh:
            group.append(at := fresh.pop())
            near = [place for place in left if (hashes[place] ^ hashes[at]).bit_count() <= distance]
            left = [place for place in left if place not in near]
            fresh += near
        groups.append(sorted(group))
    return sorted(group for group in groups if len(group) > 1)


def flipped(rng: np.random.Generator, value: int, bits: int) -> int:
    for bit in rng.choice(64, bits, replace=False):
        value ^= 1 << int(bit)
    return value


@st.composite
def collections(draw) -> list[int]:
    """Random hashes, each with some that differ in a few bits."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hashes = [FLAT] * draw(st.integers(0, 3))
    for _ in range(draw(st.integers(0, 12))):
        hashes.append(int(rng.integers(0, 2**64, dtype=np.uint64)))
        hashes += [flipped(rng, hashes[-1], int(bits)) for bits in rng.integers(0, 11, draw(st.integers(0, 4)))]
    rng.shuffle(hashes)
    return hashes


@settings(max_examples=60, deadline=None)
@given(collections(), st.integers(0, MOST), st.integers(1, 9))
def test_groups_are_those_of_comparing_all_pairs(hashes, distance, chunk):
    values = np.array(hashes, np.uint64)
    found = near_duplicates((values[at : at + chunk] for at in range(0, len(values), chunk)), distance)
    assert [group.tolist() for group in found] == by_all_pairs(hashes, distance)


def test_flat_pictures_are_no_group_however_many_and_equal_ones_are_one():
    hashes = np.array([FLAT] * 50_000 + [7 << 30] * 50_000, np.uint64)
    (group,) = near_duplicates([hashes])
    assert group.tolist() == list(range(50_000, 100_000))


def test_planted_copies_are_found_among_many_hashes():
    rng = np.random.default_rng(3)
    hashes = rng.integers(1, 2**64, 50_000, np.uint64)
    copies = np.array([flipped(rng, int(value), 6) for value in hashes[:300]], np.uint64)
    found = near_duplicates([hashes, copies])
    assert [group.tolist() for group in found] == [[place, 50_000 + place] for place in range(300)]


@pytest.mark.parametrize("distance", [-1, 7])
def test_other_distances_are_refused(distance):
    with pytest.raises(ValueError, match="0 to 6"):
        near_duplicates([], distance)
