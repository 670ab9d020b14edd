"""Row filters of PNG: undoing them (libpng does), and applying given or well-chosen ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import imagecodecs
import numpy as np

from tilepress.pipeline.formats.png.chunks import SIGNATURE, chunk

# bytes a pixel -> colour type and bits of a PNG whose pixels have as many, and need no other chunk
_CARRIERS = {1: (0, 8), 2: (4, 8), 3: (2, 8), 4: (6, 8), 6: (2, 16), 8: (6, 16)}
_ADAPTIVE_ROWS, _ADAPTIVE_BYTES = 64, 1 << 15  # of rows whose filters are chosen at a time: they stay in the cache


def unfilter(rows: np.ndarray, above: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Return the packed samples (n, row bytes) of filtered rows (n, 1 + row bytes), filter type first, all uint8.

    `above` is the unfiltered row before them (zeros at the top). Filters know bytes only, so libpng undoes them on
    a plain image of the same layout: no palette, gamma, transparency or scaling can change a sample.
    """
    if not rows[:, 0].any():
        return rows[:, 1:]
    n, length = rows.shape[0], rows.shape[1] - 1
    colour_type, bits = _CARRIERS[pixel_bytes]
    header = struct.pack(">IIBBBBB", length // pixel_bytes, n + 1, bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"\0" + above.tobytes() + rows.tobytes(), 0)
    png = b"".join((SIGNATURE, chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")))
    image = imagecodecs.png_decode(png)
    packed = image.astype(">u2").view(np.uint8) if bits == 16 else image
    return np.asarray(packed.reshape(n + 1, length)[1:])


def unfilter_all(rows: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Return the packed samples (images, n, row bytes) of the filtered rows (images, n, 1 + row bytes) of images."""
    if not rows[:, :, 0].any():
        return np.ascontiguousarray(rows[:, :, 1:])
    images, n, length = rows.shape
    below_zeros = np.zeros((images, n + 1, length), np.uint8)  # what is above the first row of each image
    below_zeros[:, 1:] = rows
    packed = unfilter(below_zeros.reshape(-1, length), np.zeros(length - 1, np.uint8), pixel_bytes)
    return np.ascontiguousarray(packed.reshape(images, n + 1, length - 1)[:, 1:])


def filter_rows(rows: np.ndarray, above: np.ndarray, pixel_bytes: int, types: np.ndarray) -> np.ndarray:
    """Return the filtered rows (n, 1 + row bytes) of packed samples (n, row bytes), types (n,) given, all uint8."""
    out = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    out[:, 0] = types
    up = np.concatenate((above[None], rows[:-1]))
    for kind in np.unique(types):
        chosen = types == kind
        every = bool(chosen.all())
        out[chosen, 1:] = _filtered(kind, rows if every else rows[chosen], up if every else up[chosen], pixel_bytes)
    return out


def filter_least(rows: np.ndarray, above: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Return the filtered rows (n, 1 + row bytes) of packed samples (n, row bytes) by the filters of `choose_types`."""
    out = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    for at, part, up in _parts(rows, above):
        types, filtered = _least(part, up, pixel_bytes)
        out[at : at + len(part), 0] = types
        out[at : at + len(part), 1:] = filtered[types, np.arange(len(part))]
    return out


def choose_types(rows: np.ndarray, above: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Return filters by the usual heuristic: per row, the one with the least sum of absolute values.

    Returns types (n,) uint8.
    """
    types = np.empty(len(rows), np.uint8)
    for at, part, up in _parts(rows, above):
        types[at : at + len(part)], _ = _least(part, up, pixel_bytes)
    return types


def _parts(rows: np.ndarray, above: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(first row, rows, rows above those) of parts whose filters are chosen together."""
    for at in range(0, len(rows), _ADAPTIVE_ROWS):
        part = rows[at : at + _ADAPTIVE_ROWS]
        yield at, part, np.concatenate((above[None] if at == 0 else rows[at - 1 : at], part[:-1]))


def choose_types_of_all(rows: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Return the filters (images, n) that `choose_types` chooses for the rows (images, n, row bytes) of images."""
    images, n, length = rows.shape
    up = np.zeros_like(rows)
    up[:, 1:] = rows[:, :-1]
    flat, up = rows.reshape(-1, length), up.reshape(-1, length)
    types = np.empty(len(flat), np.uint8)
    step = max(1, _ADAPTIVE_BYTES // length)
    for at in range(0, len(flat), step):
        types[at : at + step], _ = _least(flat[at : at + step], up[at : at + step], pixel_bytes)
    return types.reshape(images, n)


def _least(rows: np.ndarray, up: np.ndarray, pixel_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """The first of the filters with the least sum of magnitudes, per row; and rows by each filter, (5, n, bytes)."""
    filtered = np.stack([_filtered(kind, rows, up, pixel_bytes) for kind in range(5)])
    magnitudes = np.minimum(filtered, -filtered)  # of the signed numbers that the bytes are
    return magnitudes.sum(axis=2, dtype=np.uint32).argmin(axis=0), filtered


def _filtered(kind: int, rows: np.ndarray, up: np.ndarray, pixel_bytes: int) -> np.ndarray:
    prediction = _prediction(kind, rows, up, pixel_bytes)
    out: np.ndarray = rows - prediction
    return out


def _prediction(kind: int, rows: np.ndarray, up: np.ndarray, pixel_bytes: int) -> np.ndarray:
    if kind == 0:
        return np.zeros(1, np.uint8)
    if kind == 2:
        return up
    left = _shifted(rows, pixel_bytes)
    if kind == 1:
        return left
    if kind == 3:
        mean: np.ndarray = (left & up) + ((left ^ up) >> 1)  # rounded down, without a wider type
        return mean
    return _paeth(left, up, _shifted(up, pixel_bytes))


def _shifted(rows: np.ndarray, pixel_bytes: int) -> np.ndarray:
    out = np.zeros_like(rows)
    out[:, pixel_bytes:] = rows[:, :-pixel_bytes]
    return out


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    from_left = up.astype(np.int16) - corner
    from_up = left.astype(np.int16) - corner
    from_corner = np.abs(from_left + from_up)
    np.abs(from_left, out=from_left)
    np.abs(from_up, out=from_up)
    nearest = np.where(from_up <= from_corner, up, corner)
    return np.where((from_left <= from_up) & (from_left <= from_corner), left, nearest)
