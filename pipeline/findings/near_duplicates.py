"""Which of many pictures look the same: groups of perceptual hashes that differ in few bits.

Hashes that differ in at most 6 of 64 bits agree in at least two of eight bytes, since six bits spoil six bytes at most.
So for each of the 28 pairs of bytes the hashes are sorted by those, and compared within each run of equal ones: all
pairs within the distance are found, and none is guessed. (Norouzi, Punjani, Fleet, "Fast search in Hamming space with
multi-index hashing", CVPR 2012, with pairs of bands in place of single ones.) A union-find joins what is found.

Thousands of scans of white paper share two bytes. Runs that are long are sorted again, by each of the 28 pairs of eight
bands of the other 48 bits, of which for the same reason two are equal. Hashes that share these 28 bits and are still
many are compared with some leaders only: those that were like none before them. So a hash is compared with a bounded
number of others, whatever there is. What that may miss: a link between two of hundreds of hashes that share 28 bits,
where no leader, and no other pair of bands, has both.

Memory is at most about 70 bytes a picture. Equal hashes are compared as one, however many they are. Hashes of flat
pictures belong to no group: whatever they show, it is not what the hash sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline, kernel
from tilepress.pipeline.findings.likeness import FLAT

MOST = 6  # bits: with more, two equal bytes are no longer certain
_KEYS = 1 << 16  # values of a pair of bytes
_BAND = 6  # bits of a band of those that two equal bytes leave: eight bands, two of which are equal
_RUN = 1024  # hashes of a run that are compared each with each: sorting fewer by other bands takes longer
_LEADERS = 128  # with which a hash of a longer one is compared


def near_duplicates(chunks: Iterable[np.ndarray], distance: int = MOST) -> list[np.ndarray]:
    """Return groups of pictures whose hashes are linked by steps of at most `distance` bits.

    A group is int64 (n,), n >= 2: places in the stream of all chunks, counted from 0, ascending. Groups are in the
    order of their first places. Two pictures of a group may differ in more bits, if others stand between them.

    Args:
        chunks: uint64 (n,) each: hashes in any order (`perceptual_hash`); FLAT ones belong to no group.
        distance: Bits, 0..6.

    Raises:
        ValueError: For another distance, or 2^31 hashes or more.
    """
    if not 0 <= distance <= MOST:
        raise ValueError(f"hashes are grouped within 0 to {MOST} bits, not {distance}")
    hashes = np.concatenate([np.zeros(0, np.uint64), *chunks])
    if len(hashes) >= 1 << 31:
        raise ValueError(f"{len(hashes)} hashes are too many to group")
    order = np.argsort(hashes, kind="stable")
    order = order[np.searchsorted(hashes, np.uint64(FLAT), "right", sorter=order) :]  # FLAT is the least
    ordered = hashes[order]
    del hashes
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    roots, _ = linked(ordered[first], distance)
    return _groups(order, roots[np.cumsum(first) - 1])


def linked(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, int]:
    """Return the number of one hash for each linked group, int32 (n,), and how many pairs of hashes were compared.

    Args:
        hashes: uint64 (n,), all different.
        distance: Bits, 0..6.
    """
    parents = np.arange(len(hashes), dtype=np.int32)
    order, starts = np.empty(len(hashes), np.int32), np.empty(_KEYS + 1, np.int64)
    compared = 0
    for one, other in combinations(range(0, 64, 8), 2) if distance else ():
        _sort(hashes, one, other, 8, starts, order)
        compared += int(_join(hashes, order, starts, (one, other), distance, parents))
    _flatten(parents)
    return parents, compared


def _groups(order: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Places by label, for labels that at least two have."""
    by_label = np.argsort(labels, kind="stable")
    changes = np.flatnonzero(np.diff(labels[by_label])) + 1
    starts, ends = np.append(0, changes), np.append(changes, len(labels))
    several = ends - starts > 1
    groups = [np.sort(order[by_label[a:b]]) for a, b in zip(starts[several], ends[several], strict=True)]
    return sorted(groups, key=lambda group: int(group[0]))


@inline
def _key(value: Int, one: Int, other: Int, bits: Int) -> Int:
    """Two bands of so many bits each, which begin at these bits of a value, as one number."""
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    high, low = (value >> np.uint64(one)) & mask, (value >> np.uint64(other)) & mask
    return np.int64(high << np.uint64(bits) | low)


@kernel
def _sort(values: np.ndarray, one: Int, other: Int, bits: Int, starts: np.ndarray, order: np.ndarray) -> None:
    """Sort values by a pair of their bands.

    Args:
        values: uint64 (n,).
        one: The first bit of a band.
        other: That of the other band.
        bits: Of a band.
        starts: int64 (4^bits + 1,), filled with where each run of equal keys begins.
        order: int32 (n,), filled with the values' places by their keys.
    """
    starts[:] = 0
    for value in values:
        starts[_key(value, one, other, bits) + 1] += 1
    for key in range(starts.size - 1):
        starts[key + 1] += starts[key]
    at = starts.copy()
    for place in range(values.size):
        key = _key(values[place], one, other, bits)
        order[at[key]] = place
        at[key] += 1


@kernel
def _join(
    hashes: np.ndarray, order: np.ndarray, starts: np.ndarray, pair: tuple[int, int], distance: Int, parents: np.ndarray
) -> Any:
    """Join the hashes of each run that differ in at most `distance` bits; how many pairs were compared.

    Args:
        hashes: uint64 (n,).
        order: int32 (n,), their places by a pair of bytes.
        starts: int64 (keys + 1,), where the runs begin in `order`.
        pair: The first bits of the two bytes, the lower one first.
        distance: Bits.
        parents: int32 (n,), the forest.
    """
    compared = np.int64(0)
    for key in range(starts.size - 1):
        run = order[starts[key] : starts[key + 1]]
        if run.size <= _RUN:
            compared += _join_all(hashes, run, distance, parents)
        else:
            compared += _join_many(hashes, run, pair, distance, parents)
    return compared


@kernel
def _join_all(hashes: np.ndarray, run: np.ndarray, distance: Int, parents: np.ndarray) -> Any:
    """The same for one run: all pairs of it."""
    for i in range(run.size):
        for j in range(i):
            if _bits(hashes[run[i]] ^ hashes[run[j]]) <= distance:
                _unite(parents, run[i], run[j])
    return run.size * (run.size - 1) // 2


@kernel
def _join_many(hashes: np.ndarray, run: np.ndarray, pair: tuple[int, int], distance: Int, parents: np.ndarray) -> Any:
    """The same for a long run: by pairs of bands of the bits that are not equal in all of it."""
    rest = np.empty(run.size, np.uint64)
    for place in range(run.size):
        rest[place] = _without(hashes[run[place]], pair[0], pair[1])
    order, starts = np.empty(run.size, np.int32), np.empty((1 << 2 * _BAND) + 1, np.int64)
    compared = np.int64(0)
    for one in range(0, 48, _BAND):
        for other in range(one + _BAND, 48, _BAND):
            _sort(rest, one, other, _BAND, starts, order)
            for key in range(starts.size - 1):
                part = run[order[starts[key] : starts[key + 1]]]
                if part.size <= _LEADERS:
                    compared += _join_all(hashes, part, distance, parents)
                else:
                    compared += _join_leaders(hashes, part, distance, parents)
    return compared


@kernel
def _join_leaders(hashes: np.ndarray, run: np.ndarray, distance: Int, parents: np.ndarray) -> Any:
    """The same for a run of hashes that share 28 bits: each with the last _LEADERS that were like none before."""
    leaders = np.empty(_LEADERS, np.int32)
    count = compared = np.int64(0)
    for number in run:
        alone = True
        for leader in leaders[: min(count, _LEADERS)]:
            compared += 1
            if _bits(hashes[number] ^ hashes[leader]) <= distance:
                _unite(parents, number, leader)
                alone = False
        if alone:
            leaders[count % _LEADERS] = number
            count += 1
    return compared


@inline
def _without(value: Int, low: Int, high: Int) -> Int:
    """The 48 bits of a hash besides the bytes that begin at bits `low` and `high`, which is greater."""
    below = value & ((np.uint64(1) << np.uint64(low)) - np.uint64(1))
    between = (value >> np.uint64(low + 8)) & ((np.uint64(1) << np.uint64(high - low - 8)) - np.uint64(1))
    above = value >> np.uint64(high) >> np.uint64(8)  # in two steps: a shift by 64 is undefined
    return below | between << np.uint64(low) | above << np.uint64(high - 8)


@inline
def _bits(value: Int) -> Int:
    """How many bits of a uint64 are set, by sums within ever wider fields."""
    value -= (value >> np.uint64(1)) & np.uint64(0x5555555555555555)
    value = (value & np.uint64(0x3333333333333333)) + ((value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((value * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _root(parents: np.ndarray, number: Int) -> Int:
    """The root of a hash; the path to it becomes half as long."""
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


@inline
def _unite(parents: np.ndarray, one: Int, other: Int) -> None:
    """Make the lesser root of two hashes that of both."""
    first, second = _root(parents, one), _root(parents, other)
    parents[max(first, second)] = min(first, second)


@kernel
def _flatten(parents: np.ndarray) -> None:
    for number in range(parents.size):  # parents come before their children
        parents[number] = parents[parents[number]]
