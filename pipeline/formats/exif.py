"""What the metadata of an image says of how it was taken: EXIF, of PNG, JPEG and TIFF files. None of it is trusted."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import IO, cast

from PIL import ExifTags, Image

from tilepress.pipeline.errors import DamagedPicture
from tilepress.pipeline.formats.container import Container
from tilepress.pipeline.formats.tiff.skeleton import CutFile

_MOST_BYTES = 1 << 20  # of EXIF data; JPEG files cannot have more than 64 kB
_MOST_CHARACTERS = 80  # of a value
_MOST_FIELDS = 256
# name -> tag
FIELDS = {name: tag.value for name, tag in ExifTags.Base.__members__.items()}
_EXIF_START, _PNG_SIGNATURE = b"Exif\0\0", 8
_CHUNK = 12  # bytes of a PNG chunk besides its data


def exif_fields(container: Container) -> Mapping[str, str]:
    """Return the fields of an image's EXIF as texts, by their names; none where there are none, or they are damaged.

    Values are cut at 80 characters, without what cannot be printed. Binary ones are left out.
    """
    try:
        found = _texts(container)
    except DamagedPicture:  # the metadata alone is: whatever else the file holds was read
        return {}
    return {name: text for name, tag in FIELDS.items() if (text := found.get(tag))}


def camera(fields: Mapping[str, str]) -> str:
    """Return maker and model of the camera, the maker's name once; "" where nothing says so."""
    make, model = fields.get("Make", ""), fields.get("Model", "")
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def taken(fields: Mapping[str, str]) -> str:
    """Return when the picture was taken, as EXIF has it ("2024:05:01 12:00:00"); "" where nothing says so."""
    return fields.get("DateTimeOriginal") or fields.get("DateTime", "")


def _texts(container: Container) -> dict[int, str]:
    """Values by tag. DamagedPicture for whatever the metadata of a file makes a parser raise."""
    try:
        exif = _parsed(container)
        values = {} if exif is None else dict(exif) | dict(exif.get_ifd(ExifTags.IFD.Exif))
        return {tag: _text(values[tag]) for tag in list(values)[:_MOST_FIELDS]}
    except Exception as exc:
        raise DamagedPicture(f"its EXIF cannot be read ({type(exc).__name__}: {exc})") from exc


def _parsed(container: Container) -> Image.Exif | None:
    exif = Image.Exif()
    if container.header.get("format") == "tiff":
        exif.load_from_fp(cast(IO[bytes], _Reading(CutFile.from_blobs(*container.blobs))))
        return exif
    data = next(_png_exif(container) if container.header.get("format") == "png" else _jpeg_exif(container), b"")
    if not data or len(data) > _MOST_BYTES:
        return None
    exif.load(data)
    return exif


def _png_exif(container: Container) -> Iterator[bytes]:
    """The data of every chunk eXIf before and behind the pixels."""
    for blob, start in zip(container.blobs[:2], (_PNG_SIGNATURE, 0), strict=True):
        at = start
        while at + _CHUNK <= len(blob):
            size = int.from_bytes(blob[at : at + 4], "big")
            if blob[at + 4 : at + 8] == b"eXIf":
                yield blob[at + 8 : at + 8 + size]
            at += _CHUNK + size


def _jpeg_exif(container: Container) -> Iterator[bytes]:
    """The data of every segment APP1 with EXIF."""
    at = 0
    for size in container.header["segments"]:
        segment = container.blobs[0][at : at + size]
        if segment[4:].startswith(_EXIF_START):
            yield segment[4:]
        at += size


class _Reading(io.RawIOBase):
    """A TIFF file without its pixels, as a file to read."""

    def __init__(self, cut: CutFile) -> None:
        self._cut, self._at = cut, 0

    def read(self, size: int = -1) -> bytes:
        size = min(size, _MOST_BYTES) if size >= 0 else _MOST_BYTES
        found = self._cut[self._at : self._at + size]
        self._at += len(found)
        return found

    def seek(self, at: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._cut)}[whence]
        self._at = max(0, base + at)
        return self._at

    def tell(self) -> int:
        return self._at


def _text(value: object) -> str:
    """A value for people; "" of bytes and of long lists."""
    if isinstance(value, bytes) or (isinstance(value, tuple) and len(value) > 4):
        return ""
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return "".join(each for each in text[:_MOST_CHARACTERS] if each.isprintable()).strip()
