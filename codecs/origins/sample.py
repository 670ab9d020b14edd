"""What first looks are taken at: a few thousand pixels of a picture, scattered over all of it, the same every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, TileSpec

Found = TypeVar("Found")
SAMPLE = 4096  # pixels
_SCATTER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: its multiples modulo 2^64 fill the range evenly


@dataclass(frozen=True)
class _Shared:
    """What was found of a picture, by who found it."""

    picture: np.ndarray
    found: dict[tuple[object, ...], Any] = field(default_factory=dict)


_SHARED: ContextVar[_Shared | None] = ContextVar("shared", default=None)


@contextmanager
def shared_sample(picture: np.ndarray) -> Iterator[None]:
    """While this is open, and the picture not changed, what one rule drew of it serves the others of this thread."""
    token = _SHARED.set(_Shared(picture))
    try:
        yield
    finally:
        _SHARED.reset(token)


@lru_cache(maxsize=8)  # pictures of a collection often have one size
def scattered(size: int, count: int = SAMPLE) -> np.ndarray:
    """Return `count` numbers of 0 .. size - 1, about evenly far apart and in no order; all if there are no more.

    Neither rows nor columns are preferred, whatever a picture's width. Below three times `count`, some come twice. The
    array is shared, and cannot be written.
    """
    if size <= count:
        numbers = np.arange(size)
    else:
        fractions = (np.arange(count, dtype=np.uint64) * np.uint64(_SCATTER)) >> np.uint64(32)  # of 2^32
        numbers = ((fractions * np.uint64(size)) >> np.uint64(32)).astype(np.int64)
    numbers.setflags(write=False)
    return numbers


def distinct_colours(picture: np.ndarray, spec: TileSpec, count: int = SAMPLE) -> np.ndarray:
    """Return the distinct colours among scattered pixels, alpha left out: (n, planes) of the picture's type, sorted.

    Flat backgrounds fill half of some photographs with one colour. Counted once, it tells as little as it should.
    Planes lie one behind the other in memory: numpy compares them a hundred times as fast as if colours did.
    """
    return shared(picture, ("colours", spec.colour, count), lambda: _distinct_colours(picture, spec, count))


def shared(picture: np.ndarray, key: tuple[object, ...], find: Callable[[], Found]) -> Found:
    """Return what `find` finds of a picture: found once for a key while a `shared_sample` of the picture is open."""
    holder = _SHARED.get()
    if holder is None or holder.picture is not picture:
        return find()
    if key not in holder.found:
        holder.found[key] = find()
    found: Found = holder.found[key]
    return found


def _distinct_colours(picture: np.ndarray, spec: TileSpec, count: int) -> np.ndarray:
    size = picture.shape[0] * picture.shape[1]
    planes, bits = COLOUR_PLANES[spec.colour], np.uint64(8 * picture.itemsize)
    pixels = picture.reshape(size, -1)  # a view, unless somebody hands over every other column of an array
    colours = pixels.take(scattered(size, count), axis=0)[:, :planes]
    packed = np.zeros(len(colours), np.uint64)
    for plane in colours.T:
        packed = packed << bits | plane
    packed.sort()  # np.unique takes fifteen times as long
    packed = packed[np.append(True, packed[1:] != packed[:-1])]
    shifts = np.arange(planes - 1, -1, -1, dtype=np.uint64) * bits
    distinct: np.ndarray = (packed >> shifts[:, None]).astype(picture.dtype)  # which cuts off the planes before
    distinct.setflags(write=False)  # it may be shared
    return distinct.T
