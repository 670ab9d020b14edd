"""The rows of an archive: what is recorded about an image, a tile and a piece of a kept file.

FORMAT.md describes the same columns for readers in other languages.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.storage.base import FOLDER, LINK

# How an image is held (column `method`).
TILES = "tiles"  # pixels, as tile rows
ORIGIN = "origin"  # what the pixels were made from: planes, as tile rows, or a JPEG file, and rules
STACKED = "stack"  # pixels, as a cell of a stack of small images
SAME = "same"  # the content of another row: `of_image` in part `of_part` of run `of_run`
JPEG = "jpeg"  # the JPEG file itself, through JPEG XL's reversible transcoding
FILE = "file"  # the file's bytes
FILE_ZSTD = "file-zstd"  # the file's bytes, compressed by Zstandard
NOT_STORED = "none"  # changed or vanished while the run went on; `reason` says which
GONE = "gone"  # in the index only: the source no longer had it when the run was planned
FORGOTTEN = "forgotten"  # in the index only: nothing that earlier runs say of the path counts any more
NO_FILES = frozenset({LINK, FOLDER})  # a link, whose payload is its target, and a folder
PIXEL_METHODS = frozenset({TILES, STACKED, ORIGIN})
CONTENTLESS = frozenset({NOT_STORED, GONE, FORGOTTEN})

# Why pixels are not what is held (column `reason_code`); "" where nothing is wrong.
UNSUPPORTED, LIMIT, DAMAGED = "unsupported", "limit", "damaged"  # the codes of PictureError
INCOMPRESSIBLE = "incompressible"  # no codec made it smaller than the file
UNTRUSTED = "untrusted"  # a codec's stored bytes did not decode to the source; the file was kept instead
CHANGED, VANISHED, UNREADABLE = "changed", "vanished", "unreadable"
LOST = "lost"  # the stored bytes were damaged, and a repair found the file nowhere
FAILURES = frozenset({DAMAGED, UNTRUSTED, CHANGED, VANISHED, UNREADABLE, LOST})  # what exit code 3 reports


MAX_STACK_SIDE = 1024  # pixels
IMAGE_ROW, STACK_ROW, TILE_ROW, PIECE_ROW = "image", "stack", "tile", "piece"


@dataclass(frozen=True)
class ImageFacts:
    """Everything about an image but its payload. Hashes are SHA-256, empty where the pixels were not decoded.

    They are empty, too, of an image in a stack: the stack has that of the mosaic, and its container has a few bytes of
    each file's.
    """

    image: int  # number within the run, in path order
    path: str
    name: bytes  # the name's own bytes, where they are not those of `path`
    page: int  # of a file with several images; row 0 has the file's own facts
    source_bytes: int
    modified_ns: int | None  # None: unknown
    permissions: int | None  # the low 12 bits of a POSIX mode; None: unknown
    etag: str
    format: str
    mode: str
    width: int
    height: int
    dtype: str
    bit_depth: int
    tile_size: int
    fidelity: str
    method: str
    reason_code: str
    reason: str
    file_sha256: bytes
    pixels_sha256: bytes
    stack: int | None = None  # number of the stack that holds it
    cell: int | None = None  # its place there
    of_run: int | None = None  # where its content is, if its method is SAME
    of_part: int | None = None
    of_image: int | None = None
    origin: str = ""  # what the pixels were made from, for people

    @property
    def promised(self) -> Fidelity:
        """How exactly the pixels come back."""
        return Fidelity.parse(self.fidelity)


@dataclass(frozen=True)
class StackFacts:
    """A mosaic of small images of one kind, which is coded as one tile (tile 0 of `image`)."""

    image: int  # that of one of its images: the number of the stack
    images: int
    source_bytes: int  # of all files
    width: int  # of the mosaic in pixels, at most MAX_STACK_SIDE
    height: int
    members_crc: int  # of the facts of its images: see `members_crc`
    pixels_sha256: bytes  # of the mosaic; empty where the source's is not known


@dataclass(frozen=True)
class TileFacts:
    """Everything about a tile but its payload.

    `codec` is "id" or "id@model hash"; `residual_codec` is "" where there is no residual. `base_crc` is the CRC-32
    of the exact base (raster order, little-endian), `pixels_crc` that of the pixels to be returned; None where the
    codec does not decode exactly. `image` is the number of an image or of a stack.
    `psnr` in dB is that of the base against the original, None where they are equal.
    """

    image: int
    tile: int
    x: int
    y: int
    w: int
    h: int
    codec: str
    residual_codec: str
    base_crc: int | None
    pixels_crc: int | None
    psnr: float | None


@dataclass(frozen=True)
class PieceFacts:
    """One of the consecutive pieces of a kept file that is too large for one value."""

    image: int
    tile: int  # number of the piece


Facts = ImageFacts | StackFacts | TileFacts | PieceFacts
KINDS: dict[type[Facts], str] = {
    ImageFacts: IMAGE_ROW,
    StackFacts: STACK_ROW,
    TileFacts: TILE_ROW,
    PieceFacts: PIECE_ROW,
}
_INT = struct.Struct("<cq")  # the letter of a type, and a number or a length
_FLOAT = struct.Struct("<cf")
_NO_PAYLOADS = (b"", b"", b"")

_IMAGE_FIELDS = {
    "image": pa.int32(),
    "path": pa.string(),
    "name": pa.binary(),
    "page": pa.int32(),
    "source_bytes": pa.int64(),
    "modified_ns": pa.int64(),
    "permissions": pa.int32(),
    "etag": pa.string(),
    "format": pa.string(),
    "mode": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "dtype": pa.string(),
    "bit_depth": pa.int32(),
    "tile_size": pa.int32(),
    "fidelity": pa.string(),
    "method": pa.string(),
    "reason_code": pa.string(),
    "reason": pa.string(),
    "file_sha256": pa.binary(),
    "pixels_sha256": pa.binary(),
    "stack": pa.int32(),
    "cell": pa.int32(),
    "of_run": pa.int32(),
    "of_part": pa.int32(),
    "of_image": pa.int32(),
    "origin": pa.string(),
}
_STACK_FIELDS = {
    "image": pa.int32(),
    "images": pa.int32(),
    "source_bytes": pa.int64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "members_crc": pa.uint32(),
    "pixels_sha256": pa.binary(),
}
_TILE_FIELDS = {
    "image": pa.int32(),
    "tile": pa.int32(),
    "x": pa.int32(),
    "y": pa.int32(),
    "w": pa.int32(),
    "h": pa.int32(),
    "codec": pa.string(),
    "residual_codec": pa.string(),
    "base_crc": pa.uint32(),
    "pixels_crc": pa.uint32(),
    "psnr": pa.float32(),
}
# Payload columns: which of them a row of each kind fills, in the order in which its CRC covers them.
IMAGE_PAYLOADS = ("container", "shared", "payload")
STACK_PAYLOADS = ("container", "shared")
TILE_PAYLOADS = ("latents", "residual")
PIECE_PAYLOADS = ("payload",)
PAYLOADS = (*IMAGE_PAYLOADS, *TILE_PAYLOADS)
KIND_PAYLOADS = {
    IMAGE_ROW: IMAGE_PAYLOADS,
    STACK_ROW: STACK_PAYLOADS,
    TILE_ROW: TILE_PAYLOADS,
    PIECE_ROW: PIECE_PAYLOADS,
}

IMAGE_COLUMNS = tuple(_IMAGE_FIELDS)
NAMING_FACTS = ("path", "name", "modified_ns", "permissions", "etag")  # of an image: not of its content
_ALIKE = slice(IMAGE_COLUMNS.index("format"), IMAGE_COLUMNS.index("stack"))  # facts that most images of a stack share
OPTIONAL_FACTS = frozenset(  # of an image
    ("modified_ns", "permissions", "stack", "cell", "of_run", "of_part", "of_image")
)
STACK_COLUMNS = tuple(_STACK_FIELDS)
TILE_COLUMNS = tuple(_TILE_FIELDS)

PART_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        *(pa.field(name, kind) for name, kind in (_IMAGE_FIELDS | _STACK_FIELDS | _TILE_FIELDS).items()),
        pa.field("row_crc", pa.uint32(), nullable=False),
        *(pa.field(f"{name}_bytes", pa.int64()) for name in PAYLOADS),  # null, as the payload, where there is none
        *(pa.field(name, pa.binary()) for name in PAYLOADS),
    ]
)

_RANGE = [("offset", pa.int64()), ("bytes", pa.int64())]
_INDEX_TILE = pa.struct(
    [
        *((name, kind) for name, kind in _TILE_FIELDS.items() if name != "image"),
        ("row_crc", pa.uint32()),
        *((f"{name}_{end}", kind) for name in TILE_PAYLOADS for end, kind in _RANGE),
    ]
)
_INDEX_PIECE = pa.struct([("row_crc", pa.uint32()), *((f"payload_{end}", kind) for end, kind in _RANGE)])
_INDEX_STACK = pa.struct([(name, kind) for name, kind in _STACK_FIELDS.items() if name != "image"])
INDEX_SCHEMA = pa.schema(
    [
        *(pa.field(name, kind) for name, kind in _IMAGE_FIELDS.items()),
        pa.field("stacked", _INDEX_STACK),
        pa.field("part", pa.int32()),
        pa.field("row_crc", pa.uint32()),
        *(pa.field(f"{name}_{end}", kind) for name in IMAGE_PAYLOADS for end, kind in _RANGE),
        pa.field("pieces", pa.list_(_INDEX_PIECE)),
        pa.field("tiles", pa.list_(_INDEX_TILE)),
    ]
)


def kind_of(method: str) -> str:
    """Return LINK or FOLDER if that is what is held, else an empty text: a file."""
    return method if method in NO_FILES else ""


def row_crc(facts: Facts, payloads: Sequence[bytes]) -> int:
    """Return CRC-32 of a row: its kind, its facts and its payloads in the order of KIND_PAYLOADS, each by `_coded`."""
    crc = zlib.crc32(_coded([KINDS[type(facts)], *vars(facts).values()]))
    for payload in payloads:  # not joined: they may be large
        crc = zlib.crc32(payload, zlib.crc32(_INT.pack(b"b", len(payload)), crc))
    return crc


def members_crc(before: int, member: Sequence[object]) -> int:
    """Return CRC-32 of the row CRCs, each uint32 little-endian, of images in a stack in the order of their numbers.

    Args:
        before: That of the images before; 0 of none.
        member: The facts of an image, in the order of IMAGE_COLUMNS.
    """
    own, alike, rest = member[: _ALIKE.start], member[_ALIKE], member[_ALIKE.stop :]
    coded = b"".join((_coded((IMAGE_ROW, *own)), _coded_once(alike), _coded((*rest, *_NO_PAYLOADS))))
    return zlib.crc32(zlib.crc32(coded).to_bytes(4, "little"), before)


@lru_cache(maxsize=64)
def _coded_once(values: tuple[object, ...]) -> bytes:
    return _coded(values)


def _coded(values: Iterable[Any]) -> bytes:
    """Values as a CRC covers them: a letter for the type, then fixed little-endian numbers or length and bytes.

    Not JSON: readers in other languages would have to spell numbers and escapes as Python does.
    """
    pieces: list[bytes] = []
    for value in values:
        if value is None:
            pieces.append(b"n")
        elif isinstance(value, int):
            pieces.append(_INT.pack(b"i", value))
        elif isinstance(value, float):
            pieces.append(_FLOAT.pack(b"f", value))
        else:
            data = value.encode() if isinstance(value, str) else value
            pieces += (_INT.pack(b"b", len(data)), data)
    return b"".join(pieces)
