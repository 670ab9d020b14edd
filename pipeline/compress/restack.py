"""Images of stacks on their way to another part: a stack whose images all go there moves as it is; of others a new
stack is made of those that go, so that nothing is left of images that were forgotten.

What an image decodes to is coded without loss, so that it stays what it was to the last bit, even where that is only
near to the source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tilepress.pipeline.archive.checksums import hash_band, samples_crc
from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row, fetch_tile_rows
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.part import Fetch, PartBuilder, StagedRows
from tilepress.pipeline.archive.schema import ImageFacts, StackFacts
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.fallbacks import smallest_exact
from tilepress.pipeline.coding.stacks import mosaic
from tilepress.pipeline.coding.tiles import Box, Tile
from tilepress.pipeline.compress.stack import stage_members
from tilepress.pipeline.formats.container import pack_container, pack_containers
from tilepress.pipeline.formats.picture import tile_spec
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.storage.base import Storage

Placed = tuple[int, IndexRow]  # the new number of an image, and where it is
_SIDE = 512  # of the tiles that stacks are made beside


def by_stack(images: Mapping[int, tuple[Run, IndexRow]]) -> list[tuple[Run, list[Placed]]]:
    """Return the images of each stack, in the order of their new numbers, with the run that they are in."""
    stacks: dict[tuple[int, int, int], tuple[Run, list[Placed]]] = {}
    for number, (run, image) in sorted(images.items()):
        if image.stack is not None:
            place = (run.number, image.part, image.stack.image)
            stacks.setdefault(place, (run, []))[1].append((number, image))
    return list(stacks.values())


def moved_stack(
    run: Run, images: Sequence[Placed], archive: Storage, pool: CodecPool, builder: PartBuilder, cells: dict[int, int]
) -> Iterator[StagedRows]:
    """Stage all rows of the images of one stack. IntegrityError if they are damaged.

    `cells` gets the CRC-32 of the samples of each image that is coded anew, by its new number.
    """
    first = images[0][1]
    assert first.stack is not None
    reader = Entry(archive, pool, run, first).reader
    if len(images) == first.stack.images:
        yield from _as_it_is(images, reader.fetch, builder)
    else:
        yield from _made_anew(images, reader, pool, builder, cells)


def _as_it_is(images: Sequence[Placed], fetch: Fetch, builder: PartBuilder) -> Iterator[StagedRows]:
    number, first = images[0]
    assert first.stack is not None
    container, shared, _ = fetch_image_row(first, fetch)
    yield from stage_members(replace(first.stack, image=number), _placed(images), (container, shared), builder)
    for tile in first.tiles:
        ((_, latents, residual),) = fetch_tile_rows([tile], fetch)
        yield builder.stage(replace(tile.facts, image=number), (latents, residual))


def _made_anew(
    images: Sequence[Placed], reader: PartReader, pool: CodecPool, builder: PartBuilder, cells: dict[int, int]
) -> Iterator[StagedRows]:
    number, first = images[0]
    facts, old = first.facts, first.tiles[0].facts
    samples = [np.concatenate(list(reader.bands(image))) for _, image in images]
    cells.update({new: samples_crc(each) for (new, _), each in zip(images, samples, strict=True)})
    whole = mosaic(samples, _SIDE)
    height, width, _ = whole.shape
    spec = tile_spec(facts.mode, facts.dtype, facts.bit_depth, height, width)
    coded = smallest_exact(Tile(number, 0, Box(0, 0, width, height), spec, whole), old.codec, pool)
    digest = hashlib.sha256()
    hash_band(digest, whole)
    stack = StackFacts(
        image=number,
        images=len(images),
        source_bytes=sum(image.facts.source_bytes for _, image in images),
        width=width,
        height=height,
        members_crc=0,
        pixels_sha256=digest.digest() if facts.promised.is_exact else b"",
    )
    yield from stage_members(stack, _placed(images), (_containers(images, reader), b""), builder)
    yield builder.stage(replace(coded.facts, psnr=old.psnr), (coded.latents, coded.residual))


def _placed(images: Sequence[Placed]) -> list[ImageFacts]:
    """The facts of images under their new numbers, in cells in their order."""
    stack = images[0][0]
    return [replace(image.moved(new), stack=stack, cell=cell) for cell, (new, image) in enumerate(images)]


def _containers(images: Sequence[Placed], reader: PartReader) -> bytes:
    opened = [reader.container(image) for _, image in images]
    frames = [pack_container(each.header, *each.blobs) for each in opened]
    return pack_containers(frames, [reader.known_hash(image) for _, image in images])
