"""Which of many pictures look the same: groups of perceptual hashes that differ in few bits.

Hashes that differ in at most 6 of 64 bits agree in at least two of eight bytes, since six bits spoil six bytes at most.
So for each of the 28 pairs of bytes the hashes are sorted by those, and compared within each run of equal ones: all
pairs within the distance are found, and none is guessed. (Norouzi, Punjani, Fleet, "Fast search in Hamming space with
multi-index hashing", CVPR 2012, with pairs of bands in place of single ones.) A union-find joins what is found.

Memory is at most about 70 bytes a picture. Equal hashes are compared as one, however many they are. Hashes
of flat pictures belong to no group: whatever they show, it is not what the hash sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline, kernel
from tilepress.pipeline.findings.likeness import FLAT

MOST = 6  # bits: with more, two equal bytes are no longer certain
_BYTES = 8  # of a hash
_KEYS = 1 << 16  # values of a pair of bytes


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
    roots = _linked(ordered[first], distance)
    return _groups(order, roots[np.cumsum(first) - 1])


def _linked(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Of different hashes, the number of one for each linked group: int32 (n,)."""
    parents = np.arange(len(hashes), dtype=np.int32)
    order, starts = np.empty(len(hashes), np.int32), np.empty(_KEYS + 1, np.int64)
    for one, other in combinations(range(_BYTES), 2) if distance else ():
        _sort(hashes, 8 * one, 8 * other, starts, order)
        _join(hashes, order, starts, distance, parents)
    _flatten(parents)
    return parents


def _groups(order: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Places by label, for labels that at least two have."""
    by_label = np.argsort(labels, kind="stable")
    changes = np.flatnonzero(np.diff(labels[by_label])) + 1
    starts, ends = np.append(0, changes), np.append(changes, len(labels))
    several = ends - starts > 1
    groups = [np.sort(order[by_label[a:b]]) for a, b in zip(starts[several], ends[several], strict=True)]
    return sorted(groups, key=lambda group: int(group[0]))


@inline
def _key(value: Int, one: Int, other: Int) -> Int:
    """The two bytes of a hash that begin at these bits, as one number."""
    high, low = (value >> np.uint64(one)) & np.uint64(255), (value >> np.uint64(other)) & np.uint64(255)
    return np.int64(high << np.uint64(8) | low)


@kernel
def _sort(hashes: np.ndarray, one: Int, other: Int, starts: np.ndarray, order: np.ndarray) -> None:
    """Fill `order` int32 (n,) with the hashes' numbers by their keys, and `starts` int64 (keys + 1,) with the runs'."""
    starts[:] = 0
    for value in hashes:
        starts[_key(value, one, other) + 1] += 1
    for key in range(starts.size - 1):
        starts[key + 1] += starts[key]
    at = starts.copy()
    for number in range(hashes.size):
        key = _key(hashes[number], one, other)
        order[at[key]] = number
        at[key] += 1


@kernel
def _join(hashes: np.ndarray, order: np.ndarray, starts: np.ndarray, distance: Int, parents: np.ndarray) -> None:
    """Join all hashes of a run that differ in at most `distance` bits."""
    for key in range(starts.size - 1):
        run = hashes[order[starts[key] : starts[key + 1]]]
        for i in range(run.size):
            for j in range(i):
                if _bits(run[i] ^ run[j]) <= distance:
                    one, other = _root(parents, order[starts[key] + i]), _root(parents, order[starts[key] + j])
                    parents[max(one, other)] = min(one, other)


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


@kernel
def _flatten(parents: np.ndarray) -> None:
    for number in range(parents.size):  # parents come before their children
        parents[number] = parents[parents[number]]
