"""A stream of tiles to latents and residuals: batches, fall-backs, and the smallest of what codecs make of a tile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from tilepress.codecs.errors import UnsupportedError
from tilepress.pipeline.coding.codec_faults import fault, is_codecs_own
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.look import SPARSE, look_at
from tilepress.pipeline.coding.tile_coding import CodedTile, Coding, code_batch, coded_exactly
from tilepress.pipeline.coding.tiles import Tile, batches, windows

JPEG_XL, RAW = Coding("jpegxl"), Coding("raw")
Work = tuple[list[Tile], Coding]  # a batch, and how it is coded
FALLBACKS = (JPEG_XL, RAW)  # lossless, in this order, for what a codec cannot represent, refuses or does not shrink


def smallest_exact(tile: Tile, reference: str, pool: CodecPool) -> CodedTile:
    """Return a tile by whichever of some lossless codecs makes it smallest, the one of that reference among them."""
    others = [reference] if pool.codec(reference).lossless else []
    return _compared(tile, coded_exactly(pool, tile, RAW.reference), [*others, JPEG_XL.reference, SPARSE], pool)


def code_tiles(tiles: Iterable[Tile], choose: Callable[[Tile], Coding], pool: CodecPool) -> Iterator[CodedTile]:
    """Code a stream of tiles, results in the same order.

    Batches are filled from a window of tiles. They are worked on while further tiles are read.
    """
    ends: deque[int] = deque()  # of windows: how many batches there are up to there

    def work() -> Iterator[Work]:
        count = 0
        for window in windows(tiles):
            for batch in batches(window):
                for each in _split_for_threads(batch, choose(batch[0]), pool):
                    count += 1
                    yield each
            ends.append(count)

    window: list[CodedTile] = []
    for done, batch in enumerate(pool.map_ahead(partial(_code_batch, pool), work(), _nbytes)):
        if ends and ends[0] == done:  # it is of another window than those before
            ends.popleft()
            yield from _in_order(window)
            window = []
        for tile in batch:
            pool.progress.tile_coded(tile.facts.w * tile.facts.h, tile.nbytes)
        window += batch
    yield from _in_order(window)


def _in_order(window: list[CodedTile]) -> list[CodedTile]:
    return sorted(window, key=lambda tile: (tile.facts.image, tile.facts.tile))


def _split_for_threads(batch: list[Tile], coding: Coding, pool: CodecPool) -> list[Work]:
    # Only networks gain from batches; other codecs run tile by tile, so that threads share the work evenly.
    if pool.codec(coding.reference).networks:
        return [(batch, coding)]
    return [([tile], coding) for tile in batch]


def _nbytes(work: Work) -> int:
    batch, _ = work
    return len(batch) * batch[0].spec.nbytes


def _code_batch(pool: CodecPool, work: Work) -> list[CodedTile]:
    """Code a batch; tiles that the codec refuses, or fails on, are coded by JPEG XL, or kept as they are."""
    batch, coding = work
    try:
        if coding.sparse and len(batch) == 1:
            return [_by_its_look(batch[0], coding, pool)]
        coded = code_batch(pool, batch, coding)
        return [_smallest(tile, result, coding, pool) for tile, result in zip(batch, coded, strict=True)]
    except Exception as exc:
        if not is_codecs_own(exc):
            raise
        if len(batch) > 1:
            return [coded for tile in batch for coded in _code_batch(pool, ([tile], coding))]
        fitting = [other for other in FALLBACKS if pool.codec(other.reference).supports(batch[0].spec)]
        if coding in fitting:
            fitting = fitting[fitting.index(coding) + 1 :]
        if not fitting:
            raise
        return [_warned(tile, coding, exc) for tile in _code_batch(pool, (batch, fitting[0]))]


def _by_its_look(tile: Tile, coding: Coding, pool: CodecPool) -> CodedTile:
    look = look_at(pool, tile, quick=coding.quick)
    if look.coded is not None and look.enough:
        return _never_larger(tile, look.coded, pool) if look.coded.nbytes >= tile.spec.nbytes else look.coded
    (coded,) = code_batch(pool, [tile], coding)
    best = _smallest(tile, coded, coding, pool)
    best = look.coded if look.coded is not None and look.coded.nbytes < best.nbytes else best
    return replace(best, warnings=(*look.warnings, *best.warnings))


def _warned(coded: CodedTile, coding: Coding, error: Exception) -> CodedTile:
    """With a warning, unless the codec just said that this is nothing for it."""
    if isinstance(error, UnsupportedError):
        return coded
    return replace(coded, warnings=(fault(coding.reference, error), *coded.warnings))


def _smallest(tile: Tile, coded: CodedTile, coding: Coding, pool: CodecPool) -> CodedTile:
    """What the codec made, or an alternative of its where that is smaller; no larger than the samples in any case."""
    codec = pool.codec(coding.reference)
    if codec.alternatives and not coding.lossy:
        coded = _compared(tile, coded, codec.alternatives, pool)
    return _never_larger(tile, coded, pool) if coded.nbytes >= tile.spec.nbytes else coded


def _never_larger(tile: Tile, coded: CodedTile, pool: CodecPool) -> CodedTile:
    """The smallest of what the codec made, JPEG XL and the raw samples."""
    return _compared(tile, coded, [other.reference for other in FALLBACKS], pool)


def _compared(tile: Tile, coded: CodedTile, others: Iterable[str], pool: CodecPool) -> CodedTile:
    """The smallest of what there is of a tile and what other, lossless codecs make of it; the first of equals."""
    candidates, warnings = [coded], list(coded.warnings)
    for reference in others:
        codec = pool.codec(reference)
        if coded.facts.codec == reference or codec.has_side_information or not codec.supports(tile.spec):
            continue
        try:
            candidates.append(coded_exactly(pool, tile, reference))
        except UnsupportedError:
            continue
        except Exception as exc:  # what is there already is right
            if not is_codecs_own(exc):
                raise
            warnings.append(fault(reference, exc))
    return replace(min(candidates, key=lambda each: each.nbytes), warnings=tuple(warnings))
