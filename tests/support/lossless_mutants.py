"""Payloads of the codec `lossless` as damage or a forger would leave them, and what decoding them may do."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError

HEAD = struct.Struct("<BH")  # level, error
PLANE = struct.Struct("<BHH")  # kind, lowest, highest
_EXTREMES = (0, 1, 2, 127, 255, 256, 32767, 32768, 65535)

Draw = Callable[[Sequence[bytes], np.random.Generator], bytes]


def mutants(payloads: Sequence[bytes], numbers: Iterable[int], seed: int) -> Iterator[bytes]:
    """A payload for each of `numbers`, made of those given, in all the ways below in turn."""
    rng = np.random.default_rng(seed)
    for number in numbers:
        yield _WAYS[number % len(_WAYS)](payloads, rng)


def _one(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    return payloads[int(rng.integers(len(payloads)))]


def _flipped(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One to eight bits differ."""
    changed = bytearray(_one(payloads, rng))
    for bit in rng.integers(0, 8 * len(changed), rng.integers(1, 9)):
        changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)


def _cut(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """The end is missing, or something else is in its place."""
    payload = _one(payloads, rng)
    return payload[: rng.integers(0, len(payload))] + rng.bytes(int(rng.integers(0, 2) * rng.integers(1, 60)))


def _spliced(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """The beginning of one and the end of another."""
    one, two = _one(payloads, rng), _one(payloads, rng)
    return one[: rng.integers(0, len(one))] + two[rng.integers(0, len(two)) :]


def _header_changed(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One of the first bytes is another, most often an extreme one."""
    changed = bytearray(_one(payloads, rng))
    at = int(rng.integers(0, min(len(changed), 30)))
    changed[at] = int(rng.choice([0, 1, 127, 128, 254, 255, int(rng.integers(0, 256))]))
    return bytes(changed)


def _forged(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """A possible header of another stream, then words that no encoder wrote."""
    head = HEAD.pack(int(rng.integers(1, 4)), int(rng.choice(_EXTREMES)) if rng.integers(0, 2) else 0)
    for _ in range(int(rng.choice([1, 1, 2, 3, 3, 5]))):
        low, high = sorted(int(value) for value in rng.choice(_EXTREMES, 2))
        head += PLANE.pack(0, low, high)
    length = int(rng.integers(0, 200))
    return head + (rng.bytes(length), bytes(length), b"\xff" * length, b"\0\xff" * (length // 2))[rng.integers(0, 4)]


def _other_words(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """A true header of some length, then the same word again and again, or noise."""
    payload = _one(payloads, rng)
    keep = int(rng.integers(8, 40))
    rest = max(len(payload) - keep, 1)
    return payload[:keep] + (rng.bytes(rest), rng.bytes(2) * rest, rng.bytes(1) * rest)[rng.integers(0, 3)][:rest]


def _noise(payloads: Sequence[bytes], rng: np.random.Generator) -> bytes:
    return rng.bytes(int(rng.integers(0, 120)))


_WAYS: tuple[Draw, ...] = (_flipped, _cut, _spliced, _header_changed, _forged, _other_words, _flipped, _noise)


def outcomes(decode: Callable[[bytes], np.ndarray], spec: TileSpec, streams: Iterator[bytes]) -> dict[str, float]:
    """How many streams were refused and how many gave a tile; AssertionError for any that is not one of `spec`.

    `slowest`: seconds of the slowest call. Errors other than StreamError are not caught.
    """
    found = {"refused": 0.0, "decoded": 0.0, "slowest": 0.0}
    for stream in streams:
        began = time.process_time()
        try:
            tile = decode(stream)
        except StreamError:
            found["refused"] += 1
        else:
            assert tile.shape == spec.shape and tile.dtype == spec.dtype and tile.max() <= spec.maximum, stream.hex()
            found["decoded"] += 1
        found["slowest"] = max(found["slowest"], time.process_time() - began)
    return found
