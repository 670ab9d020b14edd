"""Origin `depth`: samples of 16 bits that were made from fewer, by arithmetic or by a table.

JPEG XL and `lossless` find most of this by themselves (infra/bench/origins/rules.py). What they lose is worth it from
14 bits on, and with tables of more than 4,096 values; fewer bits are undone for what may lie below them: a JPEG.

Facts: version uint8 = 1 | kind uint8 | bits uint8, 8 to 15 | kind 4: tables uint8, 1 or one a channel; zlib stream of
65,536 bits a table, the first the highest of the first byte: values that are used. A sample q of the plane stands for
1: q << (16 - bits); 2: the same with the upper bits of q repeated below; 3: q * 65535 / (2^bits - 1), rounded; 4: the
q-th used value, from 0, of its channel's table, or of the only one.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.sample import scattered
from tilepress.codecs.stream import inflate

_VERSION = 1
_SHIFTED, _REPEATED, _SCALED, _TABLES = 1, 2, 3, 4
_WORDS = {_SHIFTED: "in the upper bits of 16", _REPEATED: "repeated to 16", _SCALED: "scaled to 16"}
_VALUES = 1 << 16
_ARITHMETIC = [(bits, kind) for bits in range(8, 16) for kind in (_SHIFTED, _REPEATED, _SCALED)]
_ALONE = 14  # bits from which on the rule saves more than a hundredth
_MOST_WRONG = 1e-3  # of the samples: beyond, the rule does not hold
_LEAST_USED, _MOST_USED = 1 << 12, 1 << 15  # values of a table that is worth it
_MOST_DENSE = 0.75  # of the values between the least and the greatest: beyond, a table leaves out hardly any
_MANY, _PART = 1 << 16, 16  # so many samples are looked at for tables, or one row of so many
_OFTEN = 3  # times that a used value is there, about: fewer, and those that are missing may be so by chance


class Depth(Origin):
    """8 to 15 bits in 16: shifted, repeated, scaled, or put through a table."""

    id = "depth"
    pixelwise = True

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at a sample whether arithmetic explains it, then at some rows whether many values are never used."""
        if spec.bit_depth != 16:
            return None
        sample = picture.reshape(-1, spec.channels).take(scattered(spec.height * spec.width), axis=0)
        found = _arithmetic(sample)
        if found is not None:
            return Guess(self.id, 1.0, found, alone=found[1] >= _ALONE)
        some = picture[:: min(_PART, max(1, picture.size // _MANY))]
        return Guess(self.id, 0.5) if _is_gapped(_used(some), some.size) else None

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return the samples that the values stand for; None if the whole picture tells otherwise than the sample."""
        if spec.bit_depth != 16:
            return None
        found = guess.hints if isinstance(guess.hints, tuple) else _arithmetic(picture)
        if found is None:
            return _by_tables(picture)
        kind, bits = found
        plane = picture >> (16 - bits) if kind != _SCALED else _nearest(_values(kind, bits))[picture]
        if (_made(plane, kind, bits) != picture).mean() > _MOST_WRONG:
            return None
        return Recovered(bytes([_VERSION, kind, bits]), (plane.astype(_type(bits)),))

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return the picture of fewer bits."""
        _, bits, _ = _read(facts, spec)
        return (replace(spec, dtype=_type(bits), bit_depth=bits),)

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Look up every sample. StreamError for one beyond its table."""
        _, _, tables = _read(recovered.facts, spec)
        (plane,) = recovered.planes
        if len(tables) == 1:
            return _looked_up(plane, tables[0])
        return np.dstack([_looked_up(plane[..., channel], table) for channel, table in enumerate(tables)])

    def describe(self, recovered: Recovered) -> str:
        """Return the number of bits, and how they were made 16."""
        kind, bits = _head(recovered.facts)
        return f"{bits} bits {_WORDS[kind]}" if kind in _WORDS else f"values of a table of {bits} bits"


def _made(plane: np.ndarray, kind: int, bits: int) -> np.ndarray:
    """The samples that those of a plane stand for, uint16."""
    q, up, largest = plane.astype(np.uint16, copy=False), 16 - bits, (1 << bits) - 1
    if kind == _SHIFTED:
        return q << up
    if kind == _REPEATED:
        return q << up | q >> (bits - up)
    scaled: np.ndarray = (np.arange(largest + 1, dtype=np.uint32) * (2 * 65535) + largest) // (2 * largest)
    return scaled.astype(np.uint16)[q]


def _values(kind: int, bits: int) -> np.ndarray:
    """What samples of so many bits stand for, uint16 (2^bits,)."""
    return _made(np.arange(1 << bits, dtype=np.uint16), kind, bits)


@cache
def _memberships() -> np.ndarray:
    """Of every value of 16 bits by which of _ARITHMETIC it can be made: a bit each, uint32 (65536,)."""
    found = np.zeros(_VALUES, np.uint32)
    for number, (bits, kind) in enumerate(_ARITHMETIC):
        found[_values(kind, bits)] |= 1 << number
    return found


def _arithmetic(samples: np.ndarray) -> tuple[int, int] | None:
    """Kind and fewest bits by which all samples can be made; None if there are none."""
    common = int(np.bitwise_and.reduce(_memberships()[samples], axis=None))
    if not common:
        return None
    bits, kind = _ARITHMETIC[(common & -common).bit_length() - 1]
    return kind, bits


def _nearest(values: np.ndarray) -> np.ndarray:
    """Of every value of 16 bits the place of the nearest of these, uint16 (65536,)."""
    middles = (values[:-1].astype(np.uint32) + values[1:] + 1) // 2
    return np.searchsorted(middles, np.arange(_VALUES), side="right").astype(np.uint16)


def _used(samples: np.ndarray) -> np.ndarray:
    """Which of the values there are, bool (65536,)."""
    used = np.zeros(_VALUES, bool)
    used[samples] = True
    return used


def _is_gapped(used: np.ndarray, samples: int) -> bool:
    """Tell whether values of so many samples leave out enough of those between them to be numbered anew."""
    places = np.flatnonzero(used)
    dense = len(places) > _MOST_DENSE * (int(places[-1]) - int(places[0]) + 1)
    return _LEAST_USED < len(places) <= min(_MOST_USED, samples // _OFTEN) and not dense


def _by_tables(picture: np.ndarray) -> Recovered | None:
    """Number the values that are used: of each channel, or of all where that takes no more bits."""
    each = [_used(picture[..., channel]) for channel in range(picture.shape[2])]
    together = np.logical_or.reduce(each)
    if not _is_gapped(together, picture.size):
        return None
    bits = max(map(_bits, each))
    used = [together] if _bits(together) == bits else each
    plane = np.empty_like(picture)
    for channel, one in enumerate(used if len(used) > 1 else used * picture.shape[2]):
        plane[..., channel] = (np.cumsum(one) - 1).astype(np.uint16)[picture[..., channel]]
    facts = bytes([_VERSION, _TABLES, bits, len(used)]) + zlib.compress(np.packbits(used).tobytes(), 9)
    return Recovered(facts, (plane,))


def _bits(used: np.ndarray) -> int:
    """Bits that numbers of these values take, 9 at least."""
    return max(9, int(np.count_nonzero(used) - 1).bit_length())


def _type(bits: int) -> Literal["uint8", "uint16"]:
    return "uint8" if bits == 8 else "uint16"


def _looked_up(plane: np.ndarray, table: np.ndarray) -> np.ndarray:
    if plane.max() >= len(table):
        raise StreamError(f"a plane of an origin `depth` holds {plane.max()}, its table {len(table)} values")
    found: np.ndarray = table.take(plane, mode="clip")  # checks no bounds again: three times as fast
    return found


def _head(facts: bytes) -> tuple[int, int]:
    """Kind and bits."""
    if len(facts) < 3 or facts[0] != _VERSION:
        raise StreamError("facts of an origin `depth` are truncated or of another version")
    kind, bits = facts[1], facts[2]
    if kind not in (*_WORDS, _TABLES) or not 8 <= bits <= 15:
        raise StreamError(f"an origin `depth` of kind {kind} with {bits} bits is not known")
    return kind, bits


def _read(facts: bytes, spec: TileSpec) -> tuple[int, int, list[np.ndarray]]:
    """Kind, bits, and what samples stand for: uint16 (n,) for all channels or for each."""
    kind, bits = _head(facts)
    if spec.bit_depth != 16:
        raise StreamError(f"a picture of {spec.bit_depth} bits has no origin `depth`")
    if kind == _TABLES:
        return kind, bits, _read_tables(facts[3:], bits, spec.channels)
    if len(facts) != 3:
        raise StreamError("facts of an origin `depth` are longer than they should be")
    return kind, bits, [_values(kind, bits)]


def _read_tables(data: bytes, bits: int, channels: int) -> list[np.ndarray]:
    count = data[0] if data else 0
    if count not in (1, channels):
        raise StreamError(f"{count} tables of an origin `depth` are not of a picture of {channels} channels")
    packed = np.frombuffer(inflate(data[1:], count * _VALUES // 8, "tables of an origin `depth`"), np.uint8)
    used = np.unpackbits(packed.reshape(count, -1), axis=1).view(bool)
    if not used.any(axis=1).all() or max(map(_bits, used)) != bits:
        raise StreamError(f"tables of an origin `depth` do not take {bits} bits")
    return [np.flatnonzero(one).astype(np.uint16) for one in used]
