"""Exceptions: where a rule makes a picture wrongly, and by how much.

None at all are no bytes. Scattered ones are places and differences under the range coder of exception_walk.py; of dense
ones the rectangle around them is an image, of differences or of samples, for JPEG XL. Whatever is smallest is kept.

Stream: frame | kind uint8 | kind 1: range coder; kinds 2 and 3: y, x, height, width uint32 | stream of `jpegxl`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.entropy import range_coder
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.exception_walk import CELLS, PAD, SQUARE, code_exceptions
from tilepress.codecs.origins.rectangle import Rectangle, around
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC, _VERSION = b"OX", 1
_SCATTERED, _DIFFERENCES, _SAMPLES = 1, 2, 3
_RECTANGLE = struct.Struct("<4I")
_DENSE = 0.02  # of the pixels of the rectangle around all exceptions: from here on an image may be smaller


def pack_exceptions(picture: np.ndarray, made: np.ndarray, spec: TileSpec) -> bytes:
    """Return the bytes by which `with_exceptions` turns what a rule made into the picture; b"" if they are equal.

    Args:
        picture: (h, w, c), as `spec` says.
        made: Of the same shape and type: what `Origin.apply` returned.
        spec: Of the picture.
    """
    spec.require(picture, "picture")
    spec.require(made, "what the rule made")
    there = (picture != made).any(axis=2)
    if not there.any():
        return b""
    kinds = {_SCATTERED: _scattered(picture, made, there, spec)}
    rectangle = around(there)
    if there[rectangle.place].mean() >= _DENSE and spec.channels in JpegXl.channels:
        kinds |= dict(_dense(picture, made, rectangle, spec))
    kind = min(kinds, key=lambda kind: len(kinds[kind]))
    return write_frame(_MAGIC, _VERSION, bytes([kind]) + kinds[kind])


def with_exceptions(made: np.ndarray, data: bytes, spec: TileSpec) -> np.ndarray:
    """Return the picture (h, w, c): what a rule made, put right. StreamError for what `pack_exceptions` did not write.

    Args:
        made: (h, w, c): what `Origin.apply` returned.
        data: What `pack_exceptions` returned for it.
        spec: Of the picture.
    """
    if not data:
        return made
    _, payload = read_frame(_MAGIC, {_VERSION}, data)
    kind, payload = payload[0] if payload else 0, payload[1:]
    if kind == _SCATTERED:
        return _with_scattered(made, payload, spec)
    if kind in (_DIFFERENCES, _SAMPLES) and spec.channels in JpegXl.channels:
        return _with_dense(made, kind, payload, spec)
    raise StreamError(f"exceptions of kind {kind} are not known")


def _scattered(picture: np.ndarray, made: np.ndarray, there: np.ndarray, spec: TileSpec) -> bytes:
    d, marks = _padded(spec)
    d[PAD:, PAD:-PAD] = _difference(picture, made, spec)
    marks[PAD:, PAD:-PAD] = there
    rows, columns = (np.arange(0, side, SQUARE) for side in there.shape)
    squares = np.maximum.reduceat(np.maximum.reduceat(there.view(np.uint8), rows, axis=0), columns, axis=1)
    room = there.size // 64 + 2 * int(there.sum()) * spec.channels + 64
    while True:  # a difference that nothing foretold may take more than 32 bits
        words = np.zeros(room, np.uint16)
        coder = range_coder.start(words, encoding=True)
        code_exceptions(d, marks, squares, _likely(made, spec), _cells(), coder, words)
        if (coded := range_coder.finish(coder, words)) is not None:
            return coded
        room *= 2


def _with_scattered(made: np.ndarray, data: bytes, spec: TileSpec) -> np.ndarray:
    d, marks = _padded(spec)
    squares = np.zeros((-(-spec.height // SQUARE), -(-spec.width // SQUARE)), np.uint8)
    words = range_coder.words_of(data)
    coder = range_coder.start(words, encoding=False)
    code_exceptions(d, marks, squares, _likely(made, spec), _cells(), coder, words)
    picture: np.ndarray = ((made + d[PAD:, PAD:-PAD]) & spec.maximum).astype(spec.dtype)
    return picture


def _dense(picture: np.ndarray, made: np.ndarray, rectangle: Rectangle, spec: TileSpec) -> Iterator[tuple[int, bytes]]:
    """Kinds and payloads of the rectangle as an image."""
    place, half = rectangle.place, (spec.maximum + 1) // 2
    differences = (_difference(picture[place], made[place], spec) + half).astype(spec.dtype)
    head = _RECTANGLE.pack(rectangle.y, rectangle.x, rectangle.height, rectangle.width)
    inner = replace(spec, height=rectangle.height, width=rectangle.width)
    for kind, image in ((_DIFFERENCES, differences), (_SAMPLES, picture[place])):
        yield kind, head + JpegXl().encode_tile(image, inner, Settings())


def _with_dense(made: np.ndarray, kind: int, data: bytes, spec: TileSpec) -> np.ndarray:
    if len(data) < _RECTANGLE.size:
        raise StreamError("exceptions are truncated")
    rectangle = Rectangle(*_RECTANGLE.unpack_from(data))
    if not rectangle.within(spec):
        raise StreamError("exceptions lie outside of their picture")
    place, half = rectangle.place, (spec.maximum + 1) // 2
    inner = replace(spec, height=rectangle.height, width=rectangle.width)
    image = JpegXl().decode_tile(data[_RECTANGLE.size :], inner)
    picture = made.copy()
    picture[place] = image if kind == _SAMPLES else (made[place].astype(np.int32) + image - half) & spec.maximum
    return picture


def _difference(picture: np.ndarray, made: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Numbers of least magnitude, int32, that lead from `made` to `picture` modulo 2^bit_depth."""
    half = (spec.maximum + 1) // 2
    difference: np.ndarray = ((picture.astype(np.int32) - made + half) & spec.maximum) - half
    return difference


def _likely(made: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Pixels, bool (h, w), that the rule may have clipped: most exceptions are among them."""
    likely: np.ndarray = ((made == 0) | (made == spec.maximum)).any(axis=2)
    return likely


def _padded(spec: TileSpec) -> tuple[np.ndarray, np.ndarray]:
    """Room for differences and marks, with the zeros around them that their contexts look at."""
    shape = spec.height + PAD, spec.width + 2 * PAD
    return np.zeros((*shape, spec.channels), np.int32), np.zeros(shape, np.uint8)


def _cells() -> np.ndarray:
    return np.full(CELLS, range_coder.NEW_CELL, np.uint32)
