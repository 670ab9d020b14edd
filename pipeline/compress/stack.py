"""Small images of one kind on their way into stacks: they wait until a tile is full of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tilepress.pipeline.archive.part import PartBuilder, StagedRows
from tilepress.pipeline.archive.schema import STACKED, ImageFacts, StackFacts, members_crc
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.coding.stacks import MAX_SIDE, cells_across, mosaic
from tilepress.pipeline.compress.file_state import FileState, image_facts
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.bands import regroup
from tilepress.pipeline.formats.container import pack_containers
from tilepress.pipeline.formats.picture import Bands, Picture

_MOST_FILE_BYTES = 256 << 10  # twice the samples of the largest image, of 16 bits and four channels
_MOST_OF_A_KIND = 8 << 20  # bytes of files that share a stack, whose containers are read together
_MOST_WAITING = 64 << 20  # bytes of samples and files; then the kind of image that came first makes way

Kind = tuple[object, ...]


@dataclass
class _Waiting:
    """Images of one kind."""

    states: list[FileState] = field(default_factory=list)
    file_bytes: int = 0
    held_bytes: int = 0  # of memory

    def add(self, state: FileState) -> int:
        """Add an image; return the bytes of memory that it takes."""
        held = len(state.data) + (0 if state.samples is None else state.samples.nbytes)
        self.states.append(state)
        self.file_bytes += len(state.data)
        self.held_bytes += held
        return held


class Stacker:
    """Images that wait for others of their kind."""

    def __init__(self, tile: int) -> None:
        """`tile`: side of a tile in pixels, from which the size of a stack follows."""
        self._tile = tile
        self._waiting: dict[Kind, _Waiting] = {}
        self._bytes = 0

    def takes(self, picture: Picture, file_bytes: int) -> bool:
        """Tell whether an image is small enough, and its file, which is held in memory meanwhile, no special case."""
        small = max(picture.width, picture.height) <= min(MAX_SIDE, self._tile // 2) and file_bytes <= _MOST_FILE_BYTES
        return small and not picture.describes_bytes

    def add(self, state: FileState, picture: Picture) -> Iterator[list[FileState]]:
        """Let an image wait, whose samples were read; yield what need not wait any longer."""
        kind = _kind(picture)
        waiting = self._waiting.setdefault(kind, _Waiting())
        self._bytes += waiting.add(state)
        across, down = cells_across(picture.width, picture.height, self._tile)
        if len(waiting.states) == across * down or waiting.file_bytes > _MOST_OF_A_KIND:
            yield self._release(kind)
        while self._bytes > _MOST_WAITING:
            yield self._release(next(iter(self._waiting)))

    def rest(self) -> Iterator[list[FileState]]:
        """Yield all that still wait, one kind at a time."""
        while self._waiting:
            yield self._release(next(iter(self._waiting)))

    def _release(self, kind: Kind) -> list[FileState]:
        waiting = self._waiting.pop(kind)
        self._bytes -= waiting.held_bytes
        return waiting.states


def _kind(picture: Picture) -> Kind:
    samples = picture.mode, picture.dtype, picture.bit_depth, picture.width, picture.height
    return *samples, picture.has_reserved_value, picture.palette_size


def read_samples(state: FileState, picture: Picture) -> None:
    """Read all pixels of a small image into memory; a file that breaks on the way is marked."""
    try:
        bands = list(picture.read_bands(picture.height))
        state.samples = bands[0] if len(bands) == 1 else np.concatenate(bands)
    except PictureError as exc:
        state.failure = exc


def stack_state(members: Sequence[FileState], tile: int) -> FileState:
    """Return images of one kind as the picture that they are side by side."""
    picture = members[0].picture
    assert picture is not None
    pixels = mosaic([each.samples for each in members if each.samples is not None], tile)

    def read_bands(rows: int) -> Bands:
        return regroup([pixels], rows)

    whole = Picture(
        format=picture.format,
        mode=picture.mode,
        width=pixels.shape[1],
        height=pixels.shape[0],
        dtype=picture.dtype,
        bit_depth=picture.bit_depth,
        container=pack_containers(
            [each.picture.container for each in members if each.picture is not None], [each.sha256 for each in members]
        ),
        read_bands=read_bands,
        has_reserved_value=picture.has_reserved_value,
        palette_size=picture.palette_size,
    )
    return FileState(members[0].file, picture=whole, members=members)


def stage_stack(state: FileState, settings: EncodeSettings, builder: PartBuilder) -> list[StagedRows]:
    """Stage the rows of a stack whose tile is coded: its own, the tile's, and those of its images."""
    picture = state.picture
    assert picture is not None
    number = state.file.image
    facts = [
        image_facts(member.file, member.picture, settings, near=state.near, method=STACKED, stack=number, cell=cell)
        for cell, member in enumerate(state.members)
    ]
    stack = StackFacts(number, len(facts), state.source_bytes, picture.width, picture.height, 0, state.pixels)
    return [*stage_members(stack, facts, (picture.container, state.side_information or b""), builder), *state.staged]


def stage_members(
    stack: StackFacts, members: Sequence[ImageFacts], payloads: tuple[bytes, bytes], builder: PartBuilder
) -> list[StagedRows]:
    """Stage the row of a stack and those of its images; the tile's is missing.

    Args:
        stack: Its facts, but for `members_crc`.
        members: The facts of the images, in the order of their numbers.
        payloads: Container and side information.
        builder: Of the part.
    """
    crc = 0
    for member in members:
        crc = members_crc(crc, tuple(vars(member).values()))
    row = builder.stage(replace(stack, members_crc=crc), payloads)
    return [row, *(builder.stage_member(member, row) for member in members)]
