"""JPEG files as reversible transcodings of their image, with what follows the image in the file."""

from __future__ import annotations

from dataclasses import dataclass

from tilepress.codecs.classical.jpeg_transcode import MAX_JPEG_BYTES, pack_jpeg
from tilepress.pipeline.errors import LimitExceeded, NotSmaller, PictureError
from tilepress.pipeline.formats.jpeg.markers import end_of_image, reading_jpeg
from tilepress.pipeline.storage.base import SourceBytes

_BEHIND = 4 << 20  # bytes behind the image that JPEG XL takes with it; motion photos have a whole video there
_FRAMES = 15  # Zstandard's frames add less than one byte in 2^15 to a video
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Transcoding:
    """What stands for the bytes of a JPEG file up to `end`; the file's own bytes from there on belong behind it."""

    payload: bytes
    end: int


def is_jpeg(data: SourceBytes) -> bool:
    """Tell whether a file begins as JPEG files do."""
    return data[: len(_JPEG)] == _JPEG


def try_transcoding(data: SourceBytes) -> Transcoding | PictureError | None:
    """Return what `transcode` returns or raises; None for a file that is no JPEG."""
    try:
        return transcode(data) if is_jpeg(data) else None
    except PictureError as exc:
        return exc


def transcode(data: SourceBytes) -> Transcoding:
    """Return the transcoding of a JPEG file, in memory for its image alone, whatever follows the image.

    Raises a PictureError that says why there is none: UnsupportedPicture if the bytes would not come back,
    LimitExceeded if it is too large to transcode, NotSmaller, DamagedPicture.
    """
    end = end_of_image(data)
    if len(data) - end <= _BEHIND:
        end = len(data)
    if end > MAX_JPEG_BYTES:
        raise LimitExceeded(f"JPEG of {end} bytes: at most {MAX_JPEG_BYTES:,} are transcoded")
    with reading_jpeg():
        payload = pack_jpeg(bytes(data[:end]))
    if len(payload) + (len(data) - end >> _FRAMES) >= end:
        raise NotSmaller("JPEG XL's reversible transcoding makes this JPEG file no smaller")
    return Transcoding(payload, end)
