"""`tilepress restore --as-origin`: pictures that were JPEG files come back as those files."""

from __future__ import annotations

from typing import BinaryIO

from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.likeness import compare_jpeg

SUFFIX = ".jpg"
AS_JPEG, NEAR_JPEG = "JPEG of the same pixels", "JPEG of nearly the same pixels"


def write_jpeg(entry: Entry, file: BinaryIO) -> tuple[str, str] | None:
    """Write the JPEG file that an image was made from; None if that is not known, or is none.

    Return the name for it, and AS_JPEG, or NEAR_JPEG with what differs behind a colon. IntegrityError.
    """
    jpeg = entry.jpeg()
    if not jpeg:
        return None
    likeness = compare_jpeg(jpeg, entry.array(), decoder=entry.jpeg_decoder())
    file.write(jpeg)
    return f"{entry.path}{SUFFIX}", AS_JPEG if likeness.exact else f"{NEAR_JPEG}: {likeness.text}"
