"""Tiles to latents and residuals: the part of compression that knows codecs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import CodecError
from tilepress.codecs.registry import DEFAULT_RESIDUAL
from tilepress.pipeline.checksums import samples_crc
from tilepress.pipeline.rows import TileFacts
from tilepress.pipeline.tiles import Tile, batches, windows
from tilepress.pipeline.toolbox import Toolbox


@dataclass(frozen=True)
class Coding:
    """How tiles of one kind are to be coded."""

    reference: str  # codec id, or id@model hash
    settings: Settings = field(default_factory=Settings)
    lossy: bool = False
    residual_id: str = DEFAULT_RESIDUAL


JPEG_XL, RAW = Coding("jpegxl"), Coding("raw")
FALLBACKS = (JPEG_XL, RAW)  # lossless, in this order, for what a codec cannot represent, refuses or does not shrink


@dataclass(frozen=True)
class CodedTile:
    """A tile's row, and its payloads."""

    facts: TileFacts
    latents: bytes
    residual: bytes
    saved: int = 0  # bytes that the best rival is larger; 0 where none was tried

    @property
    def nbytes(self) -> int:
        """Payload bytes."""
        return len(self.latents) + len(self.residual)


def code_tiles(tiles: Iterable[Tile], choose: Callable[[Tile], Coding], tools: Toolbox) -> Iterator[CodedTile]:
    """Code a stream of tiles, results in the same order; looks ahead one window to fill batches."""
    for window in windows(tiles):
        work = [(batch, choose(batch[0])) for batch in batches(window)]
        work = list(_split_for_threads(work, tools))
        results = tools.map(partial(_code_batch, tools), work)
        coded = [tile for batch in results for tile in batch]
        yield from sorted(coded, key=lambda tile: (tile.facts.image, tile.facts.tile))


def _split_for_threads(work: list[tuple[list[Tile], Coding]], tools: Toolbox) -> Iterator[tuple[list[Tile], Coding]]:
    # Only networks gain from batches; other codecs run tile by tile, so that threads share the work evenly.
    for batch, coding in work:
        if tools.codec(coding.reference).networks:
            yield batch, coding
        else:
            yield from (([tile], coding) for tile in batch)


def _code_batch(tools: Toolbox, work: tuple[list[Tile], Coding]) -> list[CodedTile]:
    """Code a batch; tiles that the codec turns out to refuse are coded by JPEG XL, or kept as they are."""
    batch, coding = work
    try:
        return _code(tools, batch, coding)
    except CodecError:
        if len(batch) > 1:
            return [coded for tile in batch for coded in _code_batch(tools, ([tile], coding))]
        fitting = [other for other in FALLBACKS if tools.codec(other.reference).supports(batch[0].spec)]
        if coding in fitting:
            fitting = fitting[fitting.index(coding) + 1 :]
        if not fitting:
            raise
        return _code_batch(tools, (batch, fitting[0]))


def _code(tools: Toolbox, batch: list[Tile], coding: Coding) -> list[CodedTile]:
    spec = batch[0].spec
    codec = tools.codec(coding.reference)
    samples = np.stack([tile.samples for tile in batch])
    shared = batch[0].shared if codec.prepares else b""
    latents = codec.pack(tools.analyse(coding.reference, samples, spec, coding.settings, shared))
    bases, residuals = _close_the_gap(codec, samples, latents, shared, spec, coding, tools)
    coded = [
        _describe(tile, coding, codec, base, latent, residual)
        for tile, base, latent, residual in zip(batch, bases, latents, residuals, strict=True)
    ]
    return [_smallest(tile, result, coding, tools) for tile, result in zip(batch, coded, strict=True)]


def _close_the_gap(
    codec: Codec,
    samples: np.ndarray,
    latents: list[bytes],
    shared: bytes,
    spec: TileSpec,
    coding: Coding,
    tools: Toolbox,
) -> tuple[np.ndarray, Sequence[bytes]]:
    """Bases and residuals: what the latents decode to, and what is missing to the original."""
    if codec.lossless:
        return samples, [b""] * len(latents)
    bases = tools.synthesise(coding.reference, codec.unpack(latents, spec), shared)
    if coding.lossy:
        return bases, [b""] * len(latents)
    residual = tools.residual(coding.residual_id)
    return bases, [residual.encode(tile, base, spec) for tile, base in zip(samples, bases, strict=True)]


def _describe(tile: Tile, coding: Coding, codec: Codec, base: np.ndarray, latents: bytes, residual: bytes) -> CodedTile:
    returned = base if coding.lossy else tile.samples
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
        psnr=None if codec.lossless else psnr(tile.samples, base, tile.spec.maximum),
    )
    return CodedTile(facts, latents, residual)


def _smallest(tile: Tile, coded: CodedTile, coding: Coding, tools: Toolbox) -> CodedTile:
    """What the codec made, or a rival of its where that is smaller; no larger than the samples in any case."""
    codec = tools.codec(coding.reference)
    if codec.rivals and not coding.lossy and codec.worth_trying(tile.samples, tile.spec, coded.nbytes):
        coded = _smaller_than_rivals(tile, coded, [Coding(rival) for rival in codec.rivals], tools)
    return _never_larger(tile, coded, tools) if coded.nbytes >= tile.spec.nbytes else coded


def _smaller_than_rivals(tile: Tile, coded: CodedTile, rivals: Sequence[Coding], tools: Toolbox) -> CodedTile:
    others = list(_coded_by(rivals, tile, coded, tools))
    best = min([coded, *others], key=lambda each: each.nbytes)
    saved = min((each.nbytes - coded.nbytes for each in others), default=0)
    return replace(best, saved=max(0, saved))


def _never_larger(tile: Tile, coded: CodedTile, tools: Toolbox) -> CodedTile:
    """The smallest of what the codec made, JPEG XL and the raw samples; the first of equals."""
    return min([coded, *_coded_by(FALLBACKS, tile, coded, tools)], key=lambda each: each.nbytes)


def _coded_by(others: Iterable[Coding], tile: Tile, coded: CodedTile, tools: Toolbox) -> Iterator[CodedTile]:
    """What other, lossless codecs make of a tile that is coded already."""
    for other in others:
        codec = tools.codec(other.reference)
        if coded.facts.codec == other.reference or codec.prepares or not codec.supports(tile.spec):
            continue
        try:
            latents = codec.encode(tile.samples[None], tile.spec)[0]
        except CodecError:  # what is there already is right
            continue
        yield _describe(tile, other, codec, tile.samples, latents, b"")


def psnr(original: np.ndarray, decoded: np.ndarray, maximum: int) -> float | None:
    """Peak signal-to-noise ratio over all planes in dB, None where they are equal; float32 precision."""
    difference = original.astype(np.int64) - decoded
    squares = int(np.dot(difference.ravel(), difference.ravel()))
    if not squares:
        return None
    return float(np.float32(10 * math.log10(maximum * maximum * difference.size / squares)))
