"""Tiles of every kind, and damaged streams, for the contract tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import write_frame

# dtype, bit depth, colour, channels: every kind of tile that the pipeline can cut, and CMYK with alpha
KINDS = {
    "1-bit": ("uint8", 1, "gray", 1),
    "gray": ("uint8", 8, "gray", 1),
    "gray+alpha": ("uint8", 8, "gray", 2),
    "rgb": ("uint8", 8, "rgb", 3),
    "rgba": ("uint8", 8, "rgb", 4),
    "cmyk": ("uint8", 8, "cmyk", 4),
    "cmyk+alpha": ("uint8", 8, "cmyk", 5),
    "palette": ("uint8", 8, "indexed", 1),
    "4-bit palette": ("uint8", 4, "indexed", 1),
    "16-bit gray": ("uint16", 16, "gray", 1),
    "16-bit gray+alpha": ("uint16", 16, "gray", 2),
    "16-bit rgb": ("uint16", 16, "rgb", 3),
    "16-bit rgba": ("uint16", 16, "rgb", 4),
    "16-bit cmyk": ("uint16", 16, "cmyk", 4),
    "12-bit gray": ("uint16", 12, "gray", 1),
    "12-bit rgb": ("uint16", 12, "rgb", 3),
    "9-bit gray": ("uint16", 9, "gray", 1),
}
SIZES = [(1, 1), (1, 700), (700, 3), (3, 700), (17, 31)]
CONTENTS = ["black", "white", "noise", "gradient"]


def spec_of(kind: str, height: int = 17, width: int = 31) -> TileSpec:
    dtype, bit_depth, colour, channels = KINDS[kind]
    return TileSpec(height, width, channels, dtype, bit_depth, colour)


def tiles_of(spec: TileSpec, content: str, count: int = 1, seed: int = 0) -> np.ndarray:
    shape = (count, *spec.shape)
    if content == "noise":
        return np.random.default_rng(seed).integers(0, spec.maximum + 1, shape).astype(spec.dtype)
    if content == "gradient":
        y, x = np.mgrid[: spec.height, : spec.width]
        # One slope both ways: a ramp across three pixels would be an edge, not a gradient.
        ramp = (y + x) * (spec.maximum / max(1, spec.height + spec.width - 2))
        tile = np.round(ramp[:, :, None] * np.linspace(1, 0.5, spec.channels))
        return np.broadcast_to(tile, shape).astype(spec.dtype)
    return np.full(shape, spec.maximum if content == "white" else 0, spec.dtype)


def assert_valid_or_stream_error(decode, spec: TileSpec) -> None:
    """What `decode` of hostile bytes may do: raise StreamError, or give a tile that is within its type."""
    try:
        tile = decode()
    except StreamError:
        return
    assert tile.shape[-3:] == spec.shape
    assert tile.dtype == spec.dtype
    assert tile.max() <= spec.maximum


def damaged(data: bytes, rng: np.random.Generator) -> list[bytes]:
    """Truncated, prolonged, flipped and random versions of a stream; none of them equals it."""
    cuts = {int(n) for n in np.linspace(0, len(data) - 1, 12)}
    flips = []
    for bit in rng.integers(0, 8 * len(data), 60):
        flipped = bytearray(data)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        flips.append(bytes(flipped))
    return [*(data[:n] for n in sorted(cuts)), data + b"\0", *flips, rng.bytes(1), rng.bytes(200)]


def resealed(data: bytes, rng: np.random.Generator) -> list[bytes]:
    """Damage that the checksum does not find, as a forger would make it."""
    magic, version, payload = data[:2], data[2], data[7:]
    assert write_frame(magic, version, payload) == data, "every stream begins with the frame of stream.py"
    return [write_frame(magic, version, bad) for bad in damaged(payload, rng)] if payload else []


def forged(data: st.DataObject, magic: bytes, payload: bytes) -> bytes:
    """A stream with up to four other bytes, maybe cut short, under a checksum that is right."""
    changed = bytearray(payload)
    for at in data.draw(st.lists(st.integers(0, len(payload) - 1), min_size=1, max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(payload)))
    return write_frame(magic, 1, bytes(changed[:length] if at % 3 == 0 else changed))
