"""What is kept of a PNG file around its pixels, so that the file can be written again.

Of a large file: its chunks, its row filters, the sizes of its IDAT chunks, and a probe by which restoring finds the
zlib settings. Of a small one, which is deflated in no time, the settings themselves; and no row filters where they are
those that `choose_types` chooses. So images of one writer have equal containers, which a stack keeps once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tilepress.pipeline.formats.container import Container, pack_container, reading_container
from tilepress.pipeline.formats.png.chunks import PngFile, parse_header
from tilepress.pipeline.formats.png.rows import choose_types, unfilter
from tilepress.pipeline.formats.png.stream import Rows, probe
from tilepress.pipeline.formats.zlib_settings import DeflateSettings, SettingsSearch

HEADER = {"format": "png"}
LEAST = "least"  # filters: those that choose_types chooses
MOST_ROW_BYTES = 1 << 16  # of all filtered rows of a small file
_ALL = (1 << 31) - 1  # size of the only IDAT chunk
_IDAT_BYTES = 1 << 16  # of a file that is written fast
_UP = 2  # the filter that is applied fastest: photographs deflate at level 1 to within 5 % of what the others give


def plain_container(file: PngFile) -> bytes:
    """Return what brings back pixels and metadata, but not the file's own compression."""
    return pack_container(HEADER, file.head, file.tail)


def fast_container(container: Container) -> Container:
    """Return the container of a file with the same pixels and metadata, deflated fast. IntegrityError."""
    with reading_container():
        head, tail, *_ = container.blobs
        header = parse_header(head)
    rows = sum(part.height for part in header.passes)
    filters = bytes([_UP if header.chooses_types else 0]) * rows
    said = {**HEADER, "deflate": DeflateSettings(level=1).to_list(), "idat": _IDAT_BYTES}
    return Container(said, (head, tail, filters))


def exact_container(file: PngFile, types: np.ndarray, inflated: list[Rows] | None) -> bytes:
    """Return what can bring back the file byte for byte, if zlib wrote it.

    Args:
        file: The file.
        types: Filter types of all rows, (n,) uint8.
        inflated: All filtered rows, if they are few.
    """
    exact = {"exact": True} if file.describes_bytes else {}
    if inflated is not None and sum(rows.nbytes for _, _, rows in inflated) <= MOST_ROW_BYTES:
        return _resolved(file, types, inflated, exact)
    return _packed(file, {**HEADER, "zlib": probe(file).to_list(), **exact}, types.tobytes())


def _resolved(file: PngFile, types: np.ndarray, inflated: list[Rows], exact: dict[str, Any]) -> bytes:
    """With the zlib settings; without anything about compression if none give the file's own stream."""
    raw = b"".join(rows.tobytes() for _, _, rows in inflated)
    settings = SettingsSearch().find(raw, b"".join(file.payload()))
    filters = None if settings is None or _are_least(file, types, inflated) else types.tobytes()
    if settings is None or (len(file.sizes) == 1 and file.sizes[0]):
        return one_chunk_container(file.head, file.tail, settings, filters, exact=bool(file.describes_bytes))
    return _packed(file, _settled(settings, filters, **exact), filters or b"")


@lru_cache(maxsize=64)
def one_chunk_container(
    head: bytes, tail: bytes, settings: DeflateSettings | None, types: bytes | None, *, exact: bool
) -> bytes:
    """Return the container of a small file with one IDAT chunk; many files of one writer have the same.

    Args:
        head: The file up to that chunk.
        tail: What is behind that chunk.
        settings: What give the file's own stream; None if none do.
        types: Filter types of all rows; None if they are those that `choose_types` chooses.
        exact: The file is wanted byte for byte or not at all.
    """
    must = {"exact": True} if exact else {}
    if settings is None:
        return pack_container({**HEADER, **must}, head, tail)
    return pack_container({**_settled(settings, types, **must), "idat": _ALL}, head, tail, types or b"")


def _settled(settings: DeflateSettings, types: bytes | None, **exact: Any) -> dict[str, Any]:
    """The header of a container with zlib settings."""
    filters = {"filters": LEAST} if types is None else {}
    return {**HEADER, "deflate": settings.to_list(), **exact, **filters}


def _are_least(file: PngFile, types: np.ndarray, inflated: list[Rows]) -> bool:
    if len(inflated) != 1 or not file.header.chooses_types:
        return False
    rows = inflated[0][2]
    above = np.zeros(rows.shape[1] - 1, np.uint8)
    packed = unfilter(rows, above, file.header.pixel_bytes)
    return bool((choose_types(packed, above, file.header.pixel_bytes) == types).all())


def _packed(file: PngFile, header: dict[str, Any], types: bytes) -> bytes:
    size = int(file.sizes[0])
    if len(file.sizes) == 1 and size:
        return pack_container({**header, "idat": _ALL}, file.head, file.tail, types)
    if (file.sizes[:-1] == size).all() and 0 < file.sizes[-1] <= size:
        return pack_container({**header, "idat": size}, file.head, file.tail, types)
    return pack_container(header, file.head, file.tail, types, file.sizes.astype("<u4").tobytes())
