"""Groups of hashes are exactly those that comparing all pairs would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.pipeline.findings.likeness import FLAT
from tilepress.pipeline.findings.near_duplicates import MOST, linked, near_duplicates


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


def near(rng: np.random.Generator, centre: int, count: int, bits: int) -> np.ndarray:
    """Hashes, many different, that differ from one in at most so many bits."""
    flips = np.uint64(1) << rng.integers(0, 64, (count, bits), np.uint64)
    return np.bitwise_xor.reduce(flips, axis=1) ^ np.uint64(centre)


def test_hashes_of_which_half_are_nearly_equal_are_each_compared_with_a_bounded_number():
    """As of 50,000 scans of white paper among other pictures."""
    rng = np.random.default_rng(5)
    scans = near(rng, 0x0123456789ABCDEF, 50_000, 4)
    hashes = np.unique(np.concatenate([scans, rng.integers(1, 2**64, 50_000, np.uint64)]))
    groups, compared = linked(hashes, MOST)
    assert compared < 3000 * len(hashes) and len(hashes) > 90_000  # each with each were 45,000 for each
    assert len(set(groups[np.isin(hashes, scans)].tolist())) == 1


def test_no_link_is_missed_among_many_that_share_two_bytes():
    rng = np.random.default_rng(7)
    hashes = rng.integers(1, 2**64, 50_000, np.uint64) & ~np.uint64(0xFF00FF00) | np.uint64(0x12003400)
    spread = sum(1 << bit for bit in (0, 17, 33, 42, 50, 63))  # a bit of each other byte: no other two are equal
    copies = hashes[:200] ^ np.uint64(spread)
    found = near_duplicates([hashes, copies])
    together = {place: group for group in found for place in group.tolist()}
    assert all(50_000 + place in together[place] for place in range(200))


@pytest.mark.parametrize("distance", [-1, 7])
def test_other_distances_are_refused(distance):
    with pytest.raises(ValueError, match="0 to 6"):
        near_duplicates([], distance)
