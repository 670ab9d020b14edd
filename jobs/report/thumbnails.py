"""Small pictures of a sample of an archive: from previews, where images have them, within a bound of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tilepress.codecs.errors import CodecError
from tilepress.jobs.pages.picture_sections import Thumb
from tilepress.jobs.pages.pictures import thumbnail
from tilepress.pipeline.errors import IntegrityError, UsageError
from tilepress.pipeline.reading.image import Entry, Region

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
        except (IntegrityError, UsageError, CodecError) as exc:
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
    samples = entry.array(region=region, preview=True)
    stored, pixels = entry.index_row.nbytes, (entry.width or 0) * (entry.height or 0)
    note = f"{entry.width} × {entry.height}, {entry.codec}"
    return Thumb(
        thumbnail(samples, entry.mode or "", entry.index_row.facts.bit_depth),
        entry.path,
        badge=f"{8 * stored / pixels:.2f} bpp" if pixels else "",
        note=f"{note}, the middle" if region else note,
    )
