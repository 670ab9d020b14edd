"""What a picture was made from, as rows of a part: the rules, their planes as tiles, and the file that held it.

The planes' tiles are numbered on, plane by plane in raster order; each lies where it does in its own plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.classical.jpeg_transcode import pack_jpeg, unpack_jpeg
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import CodecError, MissingPackage, UnknownCodecError
from tilepress.codecs.origins.chain import Chain, Step, jpeg_decoder, pack_steps, plane_specs, reproduce, unpack_steps
from tilepress.codecs.origins.jpeg.rule import Jpeg
from tilepress.codecs.origins.recover import recover
from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row
from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import TILES, ImageFacts
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.decode import STORED, Shown, read_bands
from tilepress.pipeline.coding.far_smaller import is_far_smaller
from tilepress.pipeline.coding.tiles import Tile, cut_band, grid_size
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.picture import MODES, tile_spec

if TYPE_CHECKING:
    from tilepress.codecs.jpeg.decoders import Decoder

_MOST_AROUND = 1 << 16  # bytes of a JPEG file besides what its picture's samples would take twice
MAX_BYTES = 128 << 20  # of a picture's samples: rules look at all of it at once, in several times the memory


@dataclass(frozen=True)
class PackedOrigin:
    """What a picture was made from, ready to be stored.

    `text` is for people. `steps` are the rules. `planes` are to be coded as tiles. `file` is the transcoded JPEG file
    that held the picture, if that is what it was made from. `far_smaller`: no coder makes as little of the pixels.
    """

    text: str
    steps: bytes
    planes: tuple[np.ndarray, ...]
    specs: tuple[TileSpec, ...]
    file: bytes
    far_smaller: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes besides the planes."""
        return len(self.steps) + len(self.file)


def find_origin(samples: np.ndarray, spec: TileSpec) -> PackedOrigin | None:
    """Return what a picture was made from; None where no rule explains it, or that would take no less.

    Args:
        samples: (h, w, c), uint8 or uint16.
        spec: Of the whole picture.
    """
    chain = recover(samples, spec)
    if chain is None:
        return None
    try:
        file = pack_jpeg(chain.file) if chain.file else b""
    except CodecError:  # a JPEG file that libjxl does not transcode: the picture is stored as such
        return None
    specs = plane_specs(chain.steps, spec)
    origin = PackedOrigin(chain.describe(), pack_steps(chain.steps), chain.planes, specs, file)
    return replace(origin, far_smaller=not chain.planes and is_far_smaller(origin.nbytes, samples, spec))


def plane_tiles(owner: int, origin: PackedOrigin, size: int) -> Iterator[Tile]:
    """Yield the tiles of all planes, numbered on: exact ones. No codec may expect side information of them.

    Args:
        owner: Whose they are: the number of the image.
        origin: With the planes.
        size: Side of a tile in pixels.
    """
    number = 0
    for plane, spec in zip(origin.planes, origin.specs, strict=True):
        for y in range(0, spec.height, size):
            for box, samples in cut_band(plane[y : y + size], y, size):
                yield Tile(owner, number, box, replace(spec, height=box.h, width=box.w), samples, exact=True)
                number += 1


def origin_pixels(image: IndexRow, fetch: Fetch, pool: CodecPool, shown: Shown = STORED) -> np.ndarray:
    """Return the pixels (h, w, c) of an image that is held as what it was made from.

    IntegrityError for whatever `find_origin` does not give; MissingPackage for a rule that a later tilepress knows.

    Args:
        image: Its row of the index.
        fetch: Reads byte ranges of its part.
        pool: Where codecs come from.
        shown: The stored pixels, or what the rules make of previews or views of the planes.
    """
    spec = image_spec(image.facts)
    steps, file = origin_steps(image, fetch)
    if not shown.residuals:  # exceptions put exact pixels right, and no others
        steps = tuple(replace(step, exceptions=b"") for step in steps)
    try:
        planes = tuple(_planes(image, plane_specs(steps, spec), fetch, pool, shown))
        return reproduce(Chain(steps, planes, file), spec)
    except UnknownCodecError as exc:
        raise MissingPackage(f"it was made by a rule that a later tilepress knows: {exc}") from exc
    except CodecError as exc:
        raise IntegrityError(f"what the image was made from does not make it: {exc}") from exc


def origin_steps(image: IndexRow, fetch: Fetch) -> tuple[tuple[Step, ...], bytes]:
    """Return the rules that made an image that is held as what it was made from, and the JPEG file; b"" for none."""
    _, steps, payload = fetch_image_row(image, fetch)
    most = 2 * image_spec(image.facts).nbytes + _MOST_AROUND
    try:
        return unpack_steps(steps), unpack_jpeg(payload, most) if payload else b""
    except CodecError as exc:
        raise IntegrityError(f"what the image was made from is damaged: {exc}") from exc


def held_jpeg(image: IndexRow, fetch: Fetch) -> bytes:
    """Return the JPEG file that held all of a picture; b"" where it held a part, or none did. IntegrityError."""
    steps, file = origin_steps(image, fetch)
    return file if steps[-1].origin == Jpeg.id else b""


def held_decoder(image: IndexRow, fetch: Fetch) -> Decoder | None:
    """Return the decoder that makes a picture of its JPEG file; None where no file held it. IntegrityError."""
    steps, _ = origin_steps(image, fetch)
    return jpeg_decoder(steps[-1])


def image_spec(facts: ImageFacts) -> TileSpec:
    """Return the whole image as codecs and rules describe it."""
    return tile_spec(facts.mode, facts.dtype, facts.bit_depth, facts.height, facts.width)


def _planes(
    image: IndexRow, specs: Sequence[TileSpec], fetch: Fetch, pool: CodecPool, shown: Shown
) -> Iterator[np.ndarray]:
    """Decode the planes, each as an image of its own."""
    size, first = image.facts.tile_size, 0
    counts = [int(np.prod(grid_size(spec.width, spec.height, size))) for spec in specs]
    if sum(counts) != len(image.tiles):
        raise IntegrityError(f"{len(image.tiles)} tiles are there where the image's planes have {sum(counts)}")
    for spec, count in zip(specs, counts, strict=True):
        rows, nothing = image.tiles[first : first + count], dict.fromkeys(image.spans, (0, 0))
        plane = replace(image, facts=_plane_facts(image.facts, spec), tiles=rows, spans=nothing)
        yield np.concatenate(list(read_bands(plane, fetch, pool, shown=shown, first=first)))
        first += count


def _plane_facts(facts: ImageFacts, spec: TileSpec) -> ImageFacts:
    mode = next(name for name, kind in MODES.items() if kind == (spec.colour, spec.alpha) and name != "1")
    return replace(
        facts,
        mode=mode,
        width=spec.width,
        height=spec.height,
        dtype=spec.dtype,
        bit_depth=spec.bit_depth,
        method=TILES,
    )
