"""Images of the same pixels, and images that look alike: numbers of their groups.

Memory takes some 40 bytes an image: hashes and numbers, and no names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.findings.likeness import FLAT, hamming
from tilepress.pipeline.findings.near_duplicates import near_duplicates

_PIXELS = ("pixels_sha256", "palette_sha256", "mode", "bits", "width", "height")
COLUMNS = (*_PIXELS, "phash")


@dataclass(frozen=True)
class Groups:
    """For each image, in the order in which they came: its group.

    `number`: int32, from 1; 0: none. `size`: int32, images of the group. `value`: int32, the number that goes with the
    finding: how many have these pixels, or in how many bits the hash differs from that of the group's first image.
    """

    number: np.ndarray
    size: np.ndarray
    value: np.ndarray

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.number.max(initial=0))


@dataclass
class Hashes:
    """The hashes of all images, added some at a time."""

    _pixels: list[np.ndarray] = field(default_factory=list)
    _looks: list[np.ndarray] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Take the hashes of some images, of which the table has at least COLUMNS."""
        facts = zip(*(table.column(name).to_pylist() for name in _PIXELS), strict=True)
        self._pixels.append(np.frombuffer(b"".join(map(_key, facts)), "<u8").reshape(-1, 2))
        self._looks.append(table.column("phash").fill_null(0).to_numpy().astype(np.uint64))

    def equal(self) -> Groups:
        """Return the groups of images of the same pixels."""
        keys = np.concatenate(self._pixels) if self._pixels else np.zeros((0, 2), np.uint64)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        begins = np.ones(len(keys), bool)
        begins[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
        label = np.empty(len(keys), np.int64)
        label[order] = np.cumsum(begins) - 1
        return _groups(label, np.asarray(keys.any(axis=1)))

    def alike(self, equal: Groups) -> Groups:
        """Return the groups of images that look alike; of images of the same pixels the first one stands for all."""
        hashes = np.concatenate(self._looks) if self._looks else np.zeros(0, np.uint64)
        _, first = np.unique(np.where(equal.number > 0, equal.number, -1 - np.arange(len(hashes))), return_index=True)
        shown = np.zeros(len(hashes), bool)
        shown[first] = True
        number, size = np.zeros(len(hashes), np.int32), np.zeros(len(hashes), np.int32)
        value = np.zeros(len(hashes), np.int32)
        for count, group in enumerate(near_duplicates([np.where(shown, hashes, np.uint64(FLAT))]), 1):
            number[group], size[group] = count, len(group)
            leader = int(hashes[group[0]])
            value[group] = [hamming(leader, int(each)) for each in hashes[group]]
            value[group[0]] = value[group[1:]].min()
        return Groups(number, size, value)


def _key(facts: tuple[Any, ...]) -> bytes:
    """16 bytes that are those of another image only if both show the same: zeros of what was not looked at.

    Equal samples in another shape, of another mode or with another palette are another picture.
    """
    digest, palette, *others = facts
    return bytes(16) if digest is None else sha256(digest + (palette or b"") + repr(others).encode())[:16]


def _groups(label: np.ndarray, counted: np.ndarray) -> Groups:
    """Groups of equal labels, those of two images or more, numbered in the order of their first images."""
    number, size = np.zeros(len(label), np.int32), np.zeros(len(label), np.int32)
    places = np.flatnonzero(counted)
    _, first, inverse, counts = np.unique(label[places], return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    rank = np.zeros(len(counts), np.int32)
    rank[several[np.argsort(first[several])]] = np.arange(1, len(several) + 1)
    number[places] = rank[inverse]
    size[places] = np.where(rank[inverse] > 0, counts[inverse], 0)
    return Groups(number, size, size)
