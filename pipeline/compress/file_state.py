"""One file, or one stack of small images, on its way into a part: what is known of it, and the facts of its row."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.archive.part import StagedRows
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import NOT_STORED, ImageFacts
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.transcoding import Transcoding
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.storage.base import SourceBytes

_NOT_STORED: dict[str, Any] = {
    "method": NOT_STORED,
    "reason_code": "",
    "reason": "",
    "file_sha256": b"",
    "pixels_sha256": b"",
}

if TYPE_CHECKING:
    from tilepress.pipeline.coding.origins import PackedOrigin


@dataclass
class FileState:
    """One file under way; or a stack of them (`members`), as the picture that it is to codecs."""

    file: PlannedFile  # of a stack, its first
    data: SourceBytes = b""
    sha256: bytes = b""
    jpeg: Transcoding | PictureError | None = None  # the transcoding of a JPEG file, or why there is none
    same: ImageFacts | None = None  # its row, if the archive has its content already
    picture: Picture | None = None
    failure: PictureError | None = None
    pixels: bytes = b""  # SHA-256, once all tiles are cut
    side_information: bytes | None = b""  # what the codec prepared for all tiles; None: it failed
    origin: PackedOrigin | None = None  # what its pixels were made from; the tiles are those of its planes
    staged: list[StagedRows] = field(default_factory=list)
    codecs: set[str] = field(default_factory=set)  # of the staged tiles
    cut: bool = False  # its tiles are, or were, on their way to a codec
    near: bool = False  # a tile comes back within the bound, but not exactly
    open: ExitStack | None = None  # of a file that is mapped
    samples: np.ndarray | None = None  # of a small image, (h, w, c)
    members: Sequence[FileState] = ()
    turn: int = 0  # tiles of all states are coded in the order of their turns

    @property
    def source_bytes(self) -> int:
        """Bytes of the file, or of all files of the stack."""
        return sum(len(each.data) for each in self.members) if self.members else len(self.data)

    @property
    def tiled_bytes(self) -> int:
        """Payload bytes of the image as tiles."""
        container = len(self.picture.container) if self.picture else 0
        besides = len(self.side_information or b"") + (self.origin.nbytes if self.origin else 0)
        return container + besides + sum(rows.nbytes for rows in self.staged)


def image_facts(
    file: PlannedFile, picture: Picture | None, settings: EncodeSettings, *, near: bool = False, **stored: Any
) -> ImageFacts:
    """Return the facts of a file.

    Args:
        file: The file.
        picture: It as a picture, if it is one.
        settings: How it was coded.
        near: Its pixels come back within settings.max_error only.
        **stored: Facts about how it is stored; by default, that it is not.
    """
    fidelity = settings.fidelity
    if picture and near and settings.max_error:
        fidelity = Fidelity.within(settings.max_error).name
    return ImageFacts(
        image=file.image,
        path=file.path,
        name=file.name,
        page=0,
        source_bytes=file.bytes,
        modified_ns=file.modified_ns,
        permissions=file.permissions,
        etag=file.etag,
        format=picture.format if picture else "",
        mode=picture.mode if picture else "",
        width=picture.width if picture else 0,
        height=picture.height if picture else 0,
        dtype=picture.dtype if picture else "",
        bit_depth=picture.bit_depth if picture else 0,
        tile_size=settings.tile,
        fidelity=fidelity,
        **(_NOT_STORED | stored),
    )
