"""One whole zlib stream (RFC 1950) of a known size; never more is made of it, whatever it claims."""

from __future__ import annotations

import zlib

from tilepress.codecs.errors import StreamError


def inflate(data: bytes, size: int, what: str) -> bytes:
    """Exactly `size` bytes. StreamError, which begins with `what`, if `data` is not one whole stream of them."""
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data, size + 1)
    except zlib.error as exc:
        raise StreamError(f"{what} does not inflate: {exc}") from exc
    if len(out) != size or not inflater.eof or inflater.unused_data:
        raise StreamError(f"{what} does not hold the {size} bytes that belong there")
    return out
