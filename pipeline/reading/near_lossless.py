"""Images that come back within a bound: what the bound is, and proof against the source that it holds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.schema import ImageFacts
from tilepress.pipeline.coding.tile_coding import largest_error
from tilepress.pipeline.errors import IntegrityError, PictureError
from tilepress.pipeline.formats.bands import regroup
from tilepress.pipeline.formats.picture import NO_LIMITS, Picture
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.storage.base import SourceBytes


def stays_exact(spec: TileSpec, max_error: int) -> bool:
    """Tell whether tiles are kept exactly although `max_error` levels are allowed.

    Palette indices are no levels; and where twice the bound covers all values (as 1 does of a single bit, 128 of 8),
    it would allow an even gray.
    """
    return spec.colour == "indexed" or 2 * max_error >= spec.maximum


def prove_within(image: IndexRow, data: SourceBytes, reader: PartReader) -> None:
    """Decode a near-lossless image and compare every sample with its source file; IntegrityError beyond its bound."""
    bound = image.facts.promised.bound
    if bound is None or not reader.is_of(image, sha256(data)):
        raise IntegrityError("there is no bound, or the source is another file than the one that was stored")
    try:
        picture = read_picture(data, NO_LIMITS, byte_exact=False)
        if _kind(picture) != _kind(image.facts):
            raise IntegrityError("the source holds another kind of image than is stored")
        rows = image.facts.tile_size
        ours, theirs = (regroup(bands, rows) for bands in (reader.bands(image), picture.read_bands(rows)))
        pairs = zip(ours, theirs, strict=True)
        error = _largest(pairs)
    except PictureError as exc:
        raise IntegrityError(f"the source no longer decodes: {exc}") from exc
    if error > bound:
        raise IntegrityError(f"a sample differs from the source by {error} levels, not by at most {bound}")


def _largest(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> int:
    return max(largest_error(theirs, ours) for ours, theirs in pairs)


def _kind(image: Picture | ImageFacts) -> tuple[object, ...]:
    return image.mode, image.width, image.height, image.dtype, image.bit_depth
