"""`tilepress restore --deblock`: JPEG files, and pictures that were some, as `jpeg-dncnn` restores them."""

from __future__ import annotations

from typing import BinaryIO

from tilepress.codecs.errors import UnknownCodecError
from tilepress.codecs.extras import require_extra
from tilepress.codecs.registry import resolve
from tilepress.pipeline.archive.fidelity import LOSSY
from tilepress.pipeline.archive.schema import ORIGIN, PIXEL_METHODS, ImageFacts
from tilepress.pipeline.coding.deblock import MODEL
from tilepress.pipeline.errors import PictureError, UsageError
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.rebuild import Outcome

DEBLOCKED = "deblocked"
_NO_JPEG = "no JPEG file"
_MAGIC = b"\xff\xd8\xff"
_ENDINGS = {"jpeg": ".jpg", "tiff": ".tif"}  # of formats that are not their own


def require_deblock() -> None:
    """Raise UsageError where there is no model, and MissingExtra without torch."""
    require_extra("learned", "`deblock`")
    try:
        resolve(MODEL)
    except UnknownCodecError as exc:
        raise UsageError(f"`deblock` needs the model {MODEL}, which this tilepress lacks: {exc}") from exc


def deblocked_name(path: str, facts: ImageFacts) -> str:
    """Return the name of a restored picture: `a/b.jpg` -> `a/b.jpg-deblocked.png`.

    The name stays whole, for `a/b`, `a/b.JPG` and `a/b.png` may be there too. A picture that was a JPEG keeps its
    format: `a/b.tif` -> `a/b.tif-deblocked.tif`.
    """
    ending = _ENDINGS.get(facts.format, f".{facts.format}") if facts.method == ORIGIN else ".png"
    return f"{path}-{DEBLOCKED}{ending}"


def write_deblocked(entry: Entry, file: BinaryIO) -> tuple[Outcome | None, str]:
    """Write an image's restored picture to an empty file; where it cannot be restored, the image as it is.

    Return what became of the latter, and why; (None, "") for a restored picture. IntegrityError for damage,
    MissingPackage for what is not installed.
    """
    from tilepress.pipeline.reading.deblocked import write_deblocked_origin  # which loads numba

    if entry.index_row.facts.method != ORIGIN:
        return _write_deblocked_file(entry, file)
    try:
        write_deblocked_origin(entry.index_row, entry.reader, file)
    except PictureError as exc:
        return entry.write(file), str(exc)
    return None, ""


def _write_deblocked_file(entry: Entry, file: BinaryIO) -> tuple[Outcome | None, str]:
    """The same of what is no picture with an origin: the file is written, and replaced where it is a JPEG."""
    from tilepress.pipeline.reading.deblocked import deblocked_file

    outcome, reason = entry.write(file), _why_not(entry)
    file.seek(0)
    if reason or file.read(len(_MAGIC)) != _MAGIC:
        return outcome, reason or _NO_JPEG
    file.seek(0)
    try:
        picture = deblocked_file(file, entry.pool)
    except PictureError as exc:
        return outcome, str(exc)
    file.seek(0)
    file.truncate()
    picture.write(file)
    return None, ""


def _why_not(entry: Entry) -> str:
    """Say why an image that is held as pixels is not restored; "" of files."""
    facts = entry.index_row.facts
    if facts.method not in PIXEL_METHODS:
        return ""
    held_by = {tile.facts.codec.partition("@")[0] for tile in entry.index_row.tiles}
    if held_by == {MODEL} and facts.promised.name == LOSSY:  # a residual would have brought the source's pixels back
        return f"held by {MODEL}, which restores it anyway"
    return "held as pixels, without the coefficients of its JPEG file" if facts.format == "jpeg" else _NO_JPEG
