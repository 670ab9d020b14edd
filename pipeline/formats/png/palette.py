"""The palette of a PNG image, out of its container: what the indices that pixels consist of look like."""

from __future__ import annotations

import hashlib

import numpy as np

from tilepress.pipeline.formats.container import Container
from tilepress.pipeline.formats.png.chunks import chunk_content

_ENTRIES = 256


def palette_of(container: Container) -> np.ndarray | None:
    """Return the palette of an image: uint8 (256, 4), red, green, blue and alpha, opaque black where it has no entry.

    None where there is none: of another format, or of an image whose samples are no indices.
    """
    if container.header.get("format") != "png" or not container.blobs:
        return None
    colours = chunk_content(container.blobs[0], b"PLTE")
    if colours is None:
        return None
    palette = np.zeros((_ENTRIES, 4), np.uint8)
    palette[:, 3] = 255
    entries = np.frombuffer(colours[: len(colours) // 3 * 3][: 3 * _ENTRIES], np.uint8).reshape(-1, 3)
    palette[: len(entries), :3] = entries
    alpha = np.frombuffer((chunk_content(container.blobs[0], b"tRNS") or b"")[:_ENTRIES], np.uint8)
    palette[: len(alpha), 3] = alpha
    return palette


def used_entries_sha256(indices: np.ndarray, palette: np.ndarray) -> bytes:
    """Return the SHA-256 of the entries that occur in an image: equal indices of equal ones are the same picture.

    Args:
        indices: uint8, any shape.
        palette: uint8 (256, 4).
    """
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=_ENTRIES))
    return hashlib.sha256(palette[used].tobytes()).digest()
