"""Files that are stored as their own bytes: whole or in pieces, compressed where that helps."""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

from tilepress.pipeline.archive.part import PartBuilder, StagedRows
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, PieceFacts
from tilepress.pipeline.compress.transcoding import Transcoding
from tilepress.pipeline.errors import NotSmaller, PictureError
from tilepress.pipeline.storage.base import SourceBytes

_PIECE_BYTES = 64 << 20  # a file larger than this is stored in pieces
_SAMPLE_BYTES = 1 << 20
_WORTH_IT = 0.97  # Zstandard must save 3 % of a sample to be tried: most image files do not shrink


def store_verbatim(
    image: int, data: SourceBytes, builder: PartBuilder, *, thorough: bool = False
) -> tuple[str, bytes, list[StagedRows]]:
    """Return the method, the payload of the image row, and the staged rows of pieces; never larger than the file.

    `thorough`: Zstandard is tried on all of the file, whatever a sample promises.
    """
    if len(data) > _PIECE_BYTES:
        method, pieces = _store_pieces(image, data, builder, thorough)
        return method, b"", pieces
    whole = bytes(data)
    squeezed = _squeeze(whole) if thorough or _worth_squeezing(whole) else whole
    return (FILE_ZSTD, squeezed, []) if len(squeezed) < len(whole) else (FILE, whole, [])


def stage_rest(image: int, data: SourceBytes, start: int, builder: PartBuilder) -> list[StagedRows]:
    """Return staged pieces, each a Zstandard frame, of a file from byte `start` on."""
    return _stage_pieces(image, map(_squeeze, _pieces(data, start)), builder)


def why_verbatim(found: Transcoding | PictureError | None, method: str) -> dict[str, str]:
    """Return the facts `reason_code` and `reason` of a JPEG file without a transcoding that is stored by `method`.

    Nothing is amiss where Zstandard makes a file smaller that transcoding does not.
    """
    if not isinstance(found, PictureError) or (isinstance(found, NotSmaller) and method == FILE_ZSTD):
        return {}
    return {"reason_code": found.code, "reason": str(found)}


def _store_pieces(image: int, data: SourceBytes, builder: PartBuilder, thorough: bool) -> tuple[str, list[StagedRows]]:
    if thorough or _worth_squeezing(data):
        staged = stage_rest(image, data, 0, builder)
        if sum(piece.nbytes for piece in staged) < len(data):
            return FILE_ZSTD, staged
    return FILE, _stage_pieces(image, _pieces(data), builder)


def _stage_pieces(image: int, pieces: Iterator[bytes], builder: PartBuilder) -> list[StagedRows]:
    return [builder.stage(PieceFacts(image, at), (piece,)) for at, piece in enumerate(pieces)]


def _pieces(data: SourceBytes, start: int = 0) -> Iterator[bytes]:
    return (bytes(data[at : at + _PIECE_BYTES]) for at in range(start, len(data), _PIECE_BYTES))


def _squeeze(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=9).compress(data)


def _worth_squeezing(data: SourceBytes) -> bool:
    sample = bytes(data[:_SAMPLE_BYTES])
    return len(_squeeze(sample)) < _WORTH_IT * len(sample)
