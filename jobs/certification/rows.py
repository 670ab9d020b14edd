"""What a certificate says of one file, and how that is found: the file is made of the archive, and hashed."""

from __future__ import annotations

import tempfile
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.archive.schema import NO_FILES, PIXEL_METHODS
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.one_image import one_image
from tilepress.pipeline.reading.rebuild import pixels_sha256
from tilepress.pipeline.storage.base import check_name

# What comes back (column `comes_back`); of a link or folder its kind, within a bound WITHIN and the number of levels.
SAME_FILE, SAME_PIXELS, LOSSY, WITHIN = "file", "pixels", "lossy", "within-"
_IN_MEMORY = 16 << 20  # bytes of a file that is made of the archive

ROW_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("name", pa.binary(), nullable=False),  # the name's own bytes, where they are not those of `path`
        pa.field("source_bytes", pa.int64(), nullable=False),
        pa.field("comes_back", pa.string(), nullable=False),
        pa.field("returned_sha256", pa.binary(), nullable=False),  # of the file that was made of the archive
        pa.field("source_sha256", pa.binary(), nullable=False),  # as `compress` recorded it; empty of images in stacks
        pa.field("pixels_sha256", pa.binary(), nullable=False),  # empty where no pixels were decoded
        pa.field("verbatim", pa.bool_(), nullable=False),  # held as the file's own bytes
        pa.field("gone", pa.bool_(), nullable=False),  # the source no longer had it when it was last listed
        pa.field("codec", pa.string(), nullable=False),
        pa.field("models", pa.list_(pa.string()), nullable=False),  # SHA-256 of the models of its tiles
        pa.field("part", pa.string(), nullable=False),  # that holds its content
        pa.field("part_seal", pa.string(), nullable=False),
        pa.field("decoder", pa.string(), nullable=False),  # id of who decoded it
        pa.field("checked", pa.string(), nullable=False),  # when, ISO 8601 in UTC
    ]
)


def checked_row(entry: Entry, part_seal: str, decoder: str) -> dict[str, Any]:
    """Return the row of an entry whose file was made of the archive just now, and proven.

    IntegrityError, UnsafeName, MissingPackage: as for `Entry.write`.
    """
    check_name(entry.path)
    facts, file = entry.index_row.facts, entry.index_row.file
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as scratch:
        out = cast(BinaryIO, scratch)
        outcome = entry.write(out)
        decoded = facts.method in PIXEL_METHODS
        pixels = facts.pixels_sha256
        if decoded and not (pixels and facts.promised.is_exact):  # of a stack, or not the source's
            with one_image():
                pixels = pixels_sha256(out)
    return {
        "path": entry.path,
        "name": file.name,
        "source_bytes": facts.source_bytes,
        "comes_back": _comes_back(facts.method, facts.promised, byte_identical=outcome.byte_identical),
        "returned_sha256": outcome.sha256,
        "source_sha256": file.file_sha256,
        "pixels_sha256": pixels,
        "verbatim": not decoded and facts.method not in NO_FILES,
        "gone": entry.gone,
        "codec": entry.codec,
        "models": sorted({tile.facts.codec.partition("@")[2] for tile in entry.index_row.tiles} - {""}),
        "part": entry.part,
        "part_seal": part_seal,
        "decoder": decoder,
        "checked": dates.now(),
    }


def _comes_back(method: str, promised: Fidelity, *, byte_identical: bool) -> str:
    if method in NO_FILES:
        return method
    if byte_identical:
        return SAME_FILE
    if promised.bound is None:
        return LOSSY
    return f"{WITHIN}{promised.bound}" if promised.bound else SAME_PIXELS
