"""Small pictures of a sample of an archive, upright: from previews, where there are some, within a bound of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tilepress.codecs.errors import CodecError
from tilepress.codecs.origins.jpeg.eighth import EIGHTH
from tilepress.jobs.around_pixels import MAX_FILE, orientation_of, palette_of
from tilepress.jobs.pages.picture_sections import Thumb
from tilepress.jobs.pages.pictures import thumbnail
from tilepress.pipeline.archive.schema import PIXEL_METHODS
from tilepress.pipeline.errors import IntegrityError, PictureError, UsageError
from tilepress.pipeline.formats.jpeg.file import read_shrunk
from tilepress.pipeline.formats.orientation import Orientation
from tilepress.pipeline.reading.image import Entry, Region
from tilepress.pipeline.reading.one_image import one_image

_WHOLE = 1 << 20  # pixels: larger images without a preview of an eighth are shown by their middle
_MIDDLE = 640  # pixels a side
_WORK = 24_000_000  # pixels that are decoded for all of them


@dataclass
class Thumbnails:
    """The pictures of a page, and the images that could not be shown, with the reason."""

    thumbs: list[Thumb] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def make_thumbnails(entries: Iterable[Entry]) -> Iterator[Thumbnails]:
    """Yield what there is so far after each entry, while the pixels to decode are within a bound.

    Damage is no error here: what cannot be decoded is named in `failed`. Storage that fails raises StorageError.
    """
    made, work = Thumbnails(), 0
    for entry in entries:
        region = _region(entry)
        work += region[2] * region[3] if region else (entry.width or 0) * (entry.height or 0) // _share(entry)
        if work > _WORK:
            return
        try:
            made.thumbs.append(_thumb(entry, region))
        except (IntegrityError, PictureError, UsageError, CodecError) as exc:
            made.failed.append((entry.path, str(exc)))
        yield made


def _share(entry: Entry) -> int:
    return 64 if entry.has_eighth else 1


def _region(entry: Entry) -> Region | None:
    """The middle of a large image that has to be decoded pixel by pixel; None: all of it."""
    width, height = entry.width or 0, entry.height or 0
    if entry.has_eighth or width * height <= _WHOLE:
        return None
    size = min(width, _MIDDLE), min(height, _MIDDLE)
    return (width - size[0]) // 2, (height - size[1]) // 2, *size


def _thumb(entry: Entry, region: Region | None) -> Thumb:
    samples, orientation = _samples(entry, region)
    mode, bits = entry.mode or "", entry.index_row.facts.bit_depth
    if mode == "P" and (palette := palette_of(entry)) is not None:
        samples, mode, bits = palette.take(samples[:, :, 0], axis=0, mode="clip"), "", 8
    stored, (width, height) = entry.index_row.nbytes, orientation.size(entry.width or 0, entry.height or 0)
    note = f"{width} × {height}, {entry.codec}"
    return Thumb(
        thumbnail(orientation.apply(samples), mode, bits),
        entry.path,
        badge=f"{8 * stored / (width * height):.2f} bpp" if width * height else "",
        note=f"{note}, the middle" if region else note,
    )


def _samples(entry: Entry, region: Region | None) -> tuple[np.ndarray, Orientation]:
    """A preview as it is stored, and how it becomes upright. A JPEG file is unpacked once for both."""
    facts = entry.index_row.facts
    if not entry.has_eighth or facts.method in PIXEL_METHODS or facts.source_bytes > MAX_FILE:
        return entry.array(region=region, preview=True), orientation_of(entry)
    with one_image():
        file = entry.bytes()
        return read_shrunk(file, EIGHTH), orientation_of(entry, lambda: file)
