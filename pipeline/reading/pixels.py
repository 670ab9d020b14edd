"""The pixels of a stored image, from its own tiles or from its cell of a stack, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from tilepress.pipeline.archive.checksums import hash_band
from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row
from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import ORIGIN, TILES
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.decode import FETCH_BYTES, STORED, Shown, read_bands
from tilepress.pipeline.coding.stacks import StackCache, cell_box
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.container import HASH_BYTES, Container, StackedContainers, unpack_container

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_by_stack(
    pool: CodecPool,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    image_of: Callable[[Item], IndexRow],
) -> Iterator[Result]:
    """Yield the results of `function`, in any order. One thread has all the images of a stack, and decodes it once."""
    groups = _by_stack(items, image_of)
    held = [_held_bytes(image_of(group[0])) for group in groups]
    for results in pool.map_ahead(
        lambda work: [function(item) for item in work[0]],
        zip(groups, held, strict=True),
        lambda work: work[1],
        pool.room_for(max(held, default=0)),
    ):
        yield from results


def _held_bytes(image: IndexRow) -> int:
    """Bytes, about, that decoding an image holds, or the stack that it lies in: in at most three colours of 8 bits."""
    facts = image.facts
    width, height = (image.stack or facts).width, (image.stack or facts).height
    return max(facts.source_bytes, 3 * min(width * height, FETCH_BYTES))


def _by_stack(items: Iterable[Item], image_of: Callable[[Item], IndexRow]) -> list[list[Item]]:
    groups: dict[tuple[object, ...], list[Item]] = {}
    for number, item in enumerate(items):
        image = image_of(item)
        key = (number,) if image.stack is None else (image.part, "stack", image.stack.image)
        groups.setdefault(key, []).append(item)
    return list(groups.values())


@dataclass(frozen=True)
class PartReader:
    """What reads the images of one part. `stacks` keeps what images share; `place` tells this part from others there.

    A reader whose `stacks` is its own forgets them with itself.
    """

    fetch: Fetch
    pool: CodecPool
    place: str = ""
    stacks: StackCache = field(default_factory=StackCache)

    def container(self, image: IndexRow) -> Container:
        """Return what is kept of an image's file around its pixels. IntegrityError."""
        if image.stack is None:
            return unpack_container(fetch_image_row(image, self.fetch)[0])
        return self._containers(image).open(_cell(image))

    def is_of(self, image: IndexRow, sha256: bytes) -> bool:
        """Tell whether an image's file is one with that SHA-256, as far as is known. IntegrityError."""
        if image.file.file_sha256:
            return sha256 == image.file.file_sha256
        return sha256[:HASH_BYTES] == self.known_hash(image)

    def known_hash(self, image: IndexRow) -> bytes:
        """Return what is known of the SHA-256 of an image's file: of one in a stack, the first HASH_BYTES."""
        return image.facts.file_sha256 if image.stack is None else self._containers(image).hash(_cell(image))

    def bands(self, image: IndexRow, area: Box | None = None, shown: Shown = STORED) -> Iterator[np.ndarray]:
        """Yield the pixels of an image (or of an area) that is held as pixels, from top to bottom: see `read_bands`."""
        if image.facts.method == ORIGIN:
            from tilepress.pipeline.coding.origins import origin_pixels

            return iter([_cut(origin_pixels(image, self.fetch, self.pool, shown), area)])
        if image.stack is None:
            return read_bands(image, self.fetch, self.pool, area, shown=shown)
        return iter([_cut(self._cell_pixels(image, shown), area)])

    def _cell_pixels(self, image: IndexRow, shown: Shown) -> np.ndarray:
        facts, stack = image.facts, image.stack
        assert stack is not None
        box = cell_box(_cell(image), stack.width, facts.width, facts.height)
        return self._mosaic(image, shown)[box.y : box.y + box.h, box.x : box.x + box.w]

    def _mosaic(self, image: IndexRow, shown: Shown) -> np.ndarray:
        return self.stacks.get((self.place, image.part, image.facts.stack, shown), lambda: self._decoded(image, shown))

    def _decoded(self, image: IndexRow, shown: Shown) -> np.ndarray:
        """The mosaic of an image's stack; IntegrityError unless its samples are those that were stored."""
        whole = _stack_as_image(image)
        pixels = np.concatenate(list(read_bands(whole, self.fetch, self.pool, shown=shown)))
        if shown == STORED and whole.facts.promised.is_exact:
            digest = hashlib.sha256()
            hash_band(digest, pixels)
            if digest.digest() != whole.facts.pixels_sha256:
                raise IntegrityError("the decoded pixels' SHA-256 differs")
        return pixels

    def _containers(self, image: IndexRow) -> StackedContainers:
        key = (self.place, image.part, image.facts.stack)
        return self.stacks.get(key, lambda: self._opened(image))

    def _opened(self, image: IndexRow) -> StackedContainers:
        assert image.stack is not None
        frame, _, _ = fetch_image_row(image, self.fetch)
        return StackedContainers(frame, image.stack.images)


def _cut(pixels: np.ndarray, area: Box | None) -> np.ndarray:
    return pixels if area is None else pixels[area.y : area.y + area.h, area.x : area.x + area.w]


def _cell(image: IndexRow) -> int:
    assert image.facts.cell is not None
    return image.facts.cell


def _stack_as_image(image: IndexRow) -> IndexRow:
    """The stack of an image as an image of its own: one tile."""
    stack = image.stack
    assert stack is not None
    facts = replace(
        image.facts,
        width=stack.width,
        height=stack.height,
        tile_size=max(stack.width, stack.height),
        method=TILES,
        pixels_sha256=stack.pixels_sha256,
    )
    return replace(image, facts=facts)
