"""What an image file says beside its pixels: palette, orientation, metadata as text; blank pixels stand for its own."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tilepress.pipeline.archive.schema import CONTENTLESS, NO_FILES, PIXEL_METHODS, ImageFacts
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.container import unpack_container
from tilepress.pipeline.formats.exif import exif_fields
from tilepress.pipeline.formats.orientation import AS_STORED, Orientation, orientation
from tilepress.pipeline.formats.picture import mode_channels
from tilepress.pipeline.formats.registry import read_picture, rebuild
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.one_image import one_image

_MAX_PIXELS = 1 << 26  # of a blank image that is written for its metadata
_BAND_ROWS = 512
_MAX_TEXT = 4000  # characters of one value
_MAX_VALUES = 500
_IN_MEMORY = 16 << 20
MAX_FILE = 1 << 28  # bytes of a file that is rebuilt for its metadata


def palette_of(entry: Entry) -> np.ndarray | None:
    """Return the palette of an image of indices, (entries, 3 or 4) uint8; None where it has none or is too large."""
    picture = open_around(entry)
    if picture is None or picture.mode != "P" or picture.palette is None:
        return None
    colours = np.frombuffer(bytes(picture.getpalette("RGBA") or b""), np.uint8).reshape(-1, 4)
    transparency = picture.info.get("transparency")
    if transparency is None:
        return colours[:, :3]
    colours = colours.copy()
    if isinstance(transparency, bytes):
        count = min(len(colours), len(transparency))
        colours[:count, 3] = np.frombuffer(transparency, np.uint8)[:count]
    elif isinstance(transparency, int) and transparency < len(colours):
        colours[transparency, 3] = 0
    return colours


def orientation_of(entry: Entry, file: Callable[[], bytes] | None = None) -> Orientation:
    """Return how an image's stored pixels become upright, by its EXIF; as they are where it says nothing of that.

    `file` gives the bytes of an image that is held as a file, where they are at hand; files of more than MAX_FILE bytes
    are not looked into. IntegrityError where what is stored is damaged.
    """
    facts = entry.index_row.facts
    if facts.method in CONTENTLESS or facts.method in NO_FILES or not facts.mode:
        return AS_STORED
    with one_image():
        if facts.method in PIXEL_METHODS:
            return orientation(exif_fields(entry.reader.container(entry.index_row)))
        if facts.source_bytes > MAX_FILE:
            return AS_STORED
        data = entry.bytes() if file is None else file()
        try:
            picture = read_picture(data, name=entry.path, byte_exact=False)
        except PictureError:  # whoever decodes it is told
            return AS_STORED
        return orientation(exif_fields(unpack_container(picture.container)))


def metadata_of(entry: Entry) -> list[tuple[str, str]]:
    """Return what the file says of itself, (name, value) in its order: EXIF, texts, resolution, profile.

    Values are the file's: untrusted text. Empty where the image is too large to look into.
    """
    picture = open_around(entry) if entry.index_row.facts.mode else None
    if picture is None:
        return []
    try:
        with one_image():
            return [(name, _text(value)) for name, value in islice(_said(picture), _MAX_VALUES)]
    except Exception:  # noqa: BLE001 - whatever the metadata of a file makes Pillow raise; the image itself was read
        return []


def open_around(entry: Entry) -> Image.Image | None:
    """Return the file of an image, with blank pixels where they are stored apart from it; None if that is too much."""
    facts = entry.index_row.facts
    if facts.method in CONTENTLESS or facts.method in NO_FILES:
        return None
    with one_image():
        out = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - Pillow reads on
        if facts.method in PIXEL_METHODS:
            if facts.width * facts.height > _MAX_PIXELS:
                return None
            rebuild(entry.reader.container(entry.index_row), _blank(facts), out)
        elif facts.source_bytes > MAX_FILE:
            return None
        else:
            entry.write(out)
        out.seek(0)
        try:
            return Image.open(out)
        except (UnidentifiedImageError, Image.DecompressionBombError):
            return None


def _blank(facts: ImageFacts) -> Iterator[np.ndarray]:
    for y in range(0, facts.height, _BAND_ROWS):
        rows = min(_BAND_ROWS, facts.height - y)
        yield np.zeros((rows, facts.width, mode_channels(facts.mode)), facts.dtype)


def _said(picture: Image.Image) -> Iterator[tuple[str, Any]]:
    exif = picture.getexif()
    yield from ((ExifTags.TAGS.get(tag, f"tag {tag}"), value) for tag, value in exif.items())
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        names: dict[int, str] = ExifTags.GPSTAGS if directory == ExifTags.IFD.GPSInfo else ExifTags.TAGS
        values = exif.get_ifd(directory)
        yield from ((names.get(tag, f"tag {tag}"), value) for tag, value in values.items())
    for name, value in picture.info.items():
        if name == "icc_profile":
            yield "colour profile", _profile_name(value)
        elif name not in ("exif", "transparency"):
            yield str(name), value


def _profile_name(profile: bytes) -> str:
    from PIL import ImageCms

    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return f"{len(profile)} bytes that are no profile"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes" if len(value) > 64 else repr(value)[2:-1]
    text = str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
