"""What is kept of a PNG file around its pixels, so that the file can be written again.

Of a large file: its chunks, its row filters, the sizes of its IDAT chunks, and a probe by which restoring finds the
zlib settings. Of a small one, which is deflated in no time, the settings themselves; and no row filters where they are
those that `choose_types` chooses. So images of one writer have equal containers, which a stack keeps once.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np

from tilepress.pipeline.formats.container import pack_container
from tilepress.pipeline.formats.png.chunks import PngFile
from tilepress.pipeline.formats.png.rows import choose_types, unfilter
from tilepress.pipeline.formats.png.stream import Rows, probe
from tilepress.pipeline.formats.zlib_settings import exact_settings

HEADER = {"format": "png"}
LEAST = "least"  # filters: those that choose_types chooses
SMALL_BYTES = 1 << 16  # of filtered rows
_ALL = (1 << 31) - 1  # size of the only IDAT chunk


def plain_container(file: PngFile) -> bytes:
    """Return what brings back pixels and metadata, but not the file's own compression."""
    return pack_container(HEADER, file.head, file.tail)


def exact_container(file: PngFile, types: np.ndarray, inflated: list[Rows] | None) -> bytes:
    """Return what can bring back the file byte for byte, if zlib wrote it.

    Args:
        file: The file.
        types: Filter types of all rows, (n,) uint8.
        inflated: All filtered rows, if they are few.
    """
    exact = {"exact": True} if file.describes_bytes else {}
    if inflated is not None and sum(rows.nbytes for _, _, rows in inflated) <= SMALL_BYTES:
        return _resolved(file, types, inflated, exact)
    return _packed(file, {**HEADER, "zlib": probe(file).to_list(), **exact}, types.tobytes())


def _resolved(file: PngFile, types: np.ndarray, inflated: list[Rows], exact: dict[str, Any]) -> bytes:
    """With the zlib settings; without anything about compression if none give the file's own stream."""
    raw = b"".join(rows.tobytes() for _, _, rows in inflated)
    settings = exact_settings(raw, b"".join(file.payload()))
    if settings is None:
        return pack_container({**HEADER, **exact}, file.head, file.tail)
    header = {**HEADER, "deflate": settings.to_list(), **exact}
    if _are_least(file, types, inflated):
        return _packed(file, {**header, "filters": LEAST}, b"")
    return _packed(file, header, types.tobytes())


def _are_least(file: PngFile, types: np.ndarray, inflated: list[Rows]) -> bool:
    if len(inflated) != 1 or file.header.mode == "P" or file.header.bits < 8:
        return False
    rows = inflated[0][2]
    above = np.zeros(rows.shape[1] - 1, np.uint8)
    packed = unfilter(rows, above, file.header.pixel_bytes)
    return bool((choose_types(packed, above, file.header.pixel_bytes) == types).all())


def _packed(file: PngFile, header: dict[str, Any], types: bytes) -> bytes:
    size = int(file.sizes[0])
    if len(file.sizes) == 1 and size:
        return _pack_again(json.dumps({**header, "idat": _ALL}), file.head, file.tail, types)
    if (file.sizes[:-1] == size).all() and 0 < file.sizes[-1] <= size:
        return pack_container({**header, "idat": size}, file.head, file.tail, types)
    return pack_container(header, file.head, file.tail, types, file.sizes.astype("<u4").tobytes())


@lru_cache(maxsize=64)
def _pack_again(header: str, *blobs: bytes) -> bytes:
    """A container that many files of one writer have."""
    return pack_container(json.loads(header), *blobs)
