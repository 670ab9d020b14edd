"""One codec, one batch of equal tiles: latents, residuals, and the facts that prove them when they are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import CodecError
from tilepress.codecs.registry import DEFAULT_RESIDUAL
from tilepress.pipeline.archive.checksums import samples_crc
from tilepress.pipeline.archive.schema import TileFacts
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.tiles import Tile


@dataclass(frozen=True)
class Coding:
    """How tiles of one kind are to be coded."""

    reference: str  # codec id, or id@model hash
    settings: Settings = field(default_factory=Settings)
    lossy: bool = False
    residual_id: str = DEFAULT_RESIDUAL
    sparse: bool = False  # look for tiles that repeat themselves, and code those otherwise
    quick: bool = False  # and for tiles of which level quick of `lossless` makes less

    @property
    def max_error(self) -> int:
        """Levels that a sample may differ by; 0: exact, or lossy without a bound."""
        return 0 if self.lossy else self.settings.max_error or 0


@dataclass(frozen=True)
class CodedTile:
    """A tile's row, and its payloads."""

    facts: TileFacts
    latents: bytes
    residual: bytes
    exact: bool = True  # what comes back is the original; says nothing of lossy coding
    warnings: tuple[str, ...] = ()  # codecs that failed on the tile

    @property
    def nbytes(self) -> int:
        """Payload bytes."""
        return len(self.latents) + len(self.residual)


def code_batch(pool: CodecPool, batch: Sequence[Tile], coding: Coding) -> list[CodedTile]:
    """Code tiles of one spec. CodecError if the codec refuses one, or misses the bound that it was given."""
    spec = batch[0].spec
    codec = pool.codec(coding.reference)
    samples = np.stack([tile.samples for tile in batch])
    side_information = (batch[0].side_information if codec.has_side_information else None) or b""
    latents = codec.pack(pool.analyse(coding.reference, samples, spec, coding.settings, side_information))
    bases = samples
    if not codec.lossless or coding.max_error:
        bases = pool.synthesise(coding.reference, codec.unpack(latents, spec), side_information)
    returned, residuals = _close_the_gap(codec, samples, bases, spec, coding, pool)
    rows = zip(batch, bases, returned, latents, residuals, strict=True)
    return [_described(coding, codec, *row) for row in rows]


def coded_exactly(pool: CodecPool, tile: Tile, reference: str) -> CodedTile:
    """Return a tile by a lossless codec with its default settings. CodecError if that refuses it."""
    codec = pool.codec(reference)
    (latents,) = codec.encode(tile.samples[None], tile.spec)
    return _described(Coding(reference), codec, tile, tile.samples, tile.samples, latents, b"")


def _close_the_gap(
    codec: Codec, samples: np.ndarray, bases: np.ndarray, spec: TileSpec, coding: Coding, pool: CodecPool
) -> tuple[np.ndarray | list[np.ndarray], list[bytes]]:
    """What comes back, and the residuals that lead there from what the latents decode to."""
    if codec.lossless or coding.lossy:
        return bases, [b""] * len(samples)
    coder = pool.residual(coding.residual_id)
    if not coding.max_error:
        return samples, [coder.encode(tile, base, spec) for tile, base in zip(samples, bases, strict=True)]
    residuals = [
        b"" if largest_error(tile, base) <= coding.max_error else coder.encode(tile, base, spec, coding.max_error)
        for tile, base in zip(samples, bases, strict=True)
    ]
    pairs = zip(residuals, bases, strict=True)
    return [coder.decode(rest, base, spec) if rest else base for rest, base in pairs], residuals


def _described(
    coding: Coding,
    codec: Codec,
    tile: Tile,
    base: np.ndarray,
    returned: np.ndarray,
    latents: bytes,
    residual: bytes,
) -> CodedTile:
    error = largest_error(tile.samples, returned) if coding.max_error else 0
    if error > coding.max_error:
        raise CodecError(f"a sample came back {error} levels off, not within {coding.max_error}")
    facts = TileFacts(
        image=tile.owner,
        tile=tile.number,
        x=tile.box.x,
        y=tile.box.y,
        w=tile.box.w,
        h=tile.box.h,
        codec=coding.reference,
        residual_codec=coding.residual_id if residual else "",
        base_crc=samples_crc(base) if codec.exact else None,
        pixels_crc=samples_crc(returned) if codec.exact else None,
        psnr=None if codec.lossless and not coding.max_error else psnr(tile.samples, base, tile.spec.maximum),
    )
    return CodedTile(facts, latents, residual, exact=not error)


def largest_error(original: np.ndarray, decoded: np.ndarray) -> int:
    """Return the largest difference of two arrays of samples, in levels."""
    return int(np.abs(original.astype(np.int32) - decoded).max(initial=0))


def psnr(original: np.ndarray, decoded: np.ndarray, maximum: int) -> float | None:
    """Return peak signal-to-noise ratio over all planes in dB, None where they are equal; float32 precision."""
    difference = original.astype(np.int64) - decoded
    squares = int(np.dot(difference.ravel(), difference.ravel()))
    if not squares:
        return None
    return float(np.float32(10 * math.log10(maximum * maximum * difference.size / squares)))
