"""Whether a file can be made again, byte for byte, from its pixels and its container."""

from __future__ import annotations

import hashlib
import tempfile

from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.file_state import FileState
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.formats.registry import rebuild

_BAND_ROWS = 512


def comes_back(state: FileState, picture: Picture, settings: EncodeSettings) -> bool:
    """Tell whether the file made again from its pixels is the file; False where they are not to come back exactly."""
    if settings.lossy or settings.max_error:
        return False
    with tempfile.TemporaryFile() as scratch:
        try:
            rebuild(picture.container, picture.read_bands(_BAND_ROWS), scratch)
        except PictureError:
            return True  # a damaged file: found again, and reported, when its tiles are cut
        scratch.seek(0)
        return hashlib.file_digest(scratch, "sha256").digest() == state.sha256
